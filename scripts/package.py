#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the extension's zips: stage the package, add its wheels, let Blender's own tool build and validate each zip.

The slim zip runs everywhere and has no torch. Given a folder of wheels, there is also a full zip for each platform and each
Python version that the folder has torch for. The same sources give the same bytes: an archive is sorted and carries one
date (SOURCE_DATE_EPOCH, or zip's first day).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

from blender_tool import ROOT, PackagingError, extension_tool, made, run
from versions import problems
from wheel_sets import BLENDERS_PYTHON, WheelSet, wheel_sets

CONTENTS = ("__init__.py", "blender_manifest.toml", "LICENSE", "core", "scene", "operators", "ui")
MANIFEST = "blender_manifest.toml"
WHEELS = ROOT / "build" / "wheels"


def package(output: Path, build: Path = ROOT / "build", wheels: Path | None = None) -> list[Path]:
    """Build the slim zip and, from a folder of wheels, the full ones into the folder `output`; return their paths.

    Works in `build`, where stage/ is made anew. Raises `PackagingError`, also where the versions do not agree.
    """
    if disagreeing := problems():
        raise PackagingError(" ".join(disagreeing))
    sets = wheel_sets(wheels) if wheels is not None else []
    built = _build_slim(output, build)
    for full in sets:
        built += _build_full(full, output, build)
    return built


def _build_slim(output: Path, build: Path) -> list[Path]:
    """Build the zip for all platforms and Python versions: its wheels are of pure Python."""
    stage, name = _stage(build, fetch_wheels(WHEELS), {})
    return _build(stage, made(build / "zips") / f"{name}.zip", output)


def _build_full(full: WheelSet, output: Path, build: Path) -> list[Path]:
    """Build the zip for one Python version and platform, after which Blender's tool names it."""
    entries: dict[str, object] = {"platforms": [full.platform]}
    first, end = BLENDERS_PYTHON.get(full.python, ("", ""))
    entries |= {"blender_version_min": first} if first else {}
    entries |= {"blender_version_max": end} if end else {}
    stage, name = _stage(build, [*fetch_wheels(WHEELS), *full.wheels], entries)
    return _build(stage, made(build / "zips") / f"{name}-{full.label}.zip", output, "--split-platforms")


def _stage(build: Path, wheels: list[Path], entries: dict[str, object]) -> tuple[Path, str]:
    """Lay the package, wheels and the manifest with its added entries into build/stage; return it and the zip's name."""
    stage = build / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.rmtree(build / "zips", ignore_errors=True)
    for file in package_contents():
        target = stage / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    if not (stage / MANIFEST).is_file():
        raise PackagingError(f"{MANIFEST} is missing from the checkout.")
    for wheel in wheels:
        shutil.copyfile(wheel, made(stage / "wheels") / wheel.name)
    manifest = (stage / MANIFEST).read_text(encoding="utf-8")
    entries = {**entries, "wheels": sorted(f"./wheels/{wheel.name}" for wheel in wheels)}
    (stage / MANIFEST).write_text(with_entries(manifest, entries), encoding="utf-8")
    about = tomllib.loads(manifest)
    return stage, f"{about['id']}-{about['version']}"


def _build(stage: Path, raw: Path, output: Path, *options: str) -> list[Path]:
    """Have Blender's tool build what is staged, sort each zip into `output`, and have it validated."""
    extension_tool("build", "--source-dir", str(stage), "--output-filepath", str(raw), *options)
    built = []
    for unsorted in sorted(raw.parent.glob("*.zip")):
        final = made(output) / unsorted.name
        rewrite_sorted(unsorted, final)
        unsorted.unlink()
        extension_tool("validate", str(final))
        built.append(final)
    return built


def package_contents() -> list[str]:
    """Return the files that belong into the zip, as paths relative to the root: what git knows or would not ignore."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *CONTENTS]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackagingError(f"git cannot list the files of {ROOT}; package from a git checkout ({error}).") from error
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def fetch_wheels(folder: Path) -> list[Path]:
    """Download the wheels that requirements-wheels.txt pins by hash, where they are not in `folder` yet."""
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "requirements-wheels.txt").read_text(encoding="utf-8"), re.M)
    made(folder)
    names = [f"{name.replace('-', '_')}-{version}-*.whl" for name, version in pinned]
    if not all(any(folder.glob(name)) for name in names):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", "-r", str(ROOT / "requirements-wheels.txt"), "-d", str(folder)]
        run(command, "pip cannot download the wheels of requirements-wheels.txt")
    return [wheel for name in names for wheel in sorted(folder.glob(name))]


def with_entries(manifest: str, entries: dict[str, object]) -> str:
    """Return the manifest's text with entries set: in place where it has them, else before its first table.

    Raises `PackagingError` where the manifest lists wheels or platforms itself: those are the zip's, not the checkout's.
    """
    own = tomllib.loads(manifest)
    if listed := {"wheels", "platforms"} & set(own):
        raise PackagingError(f"{MANIFEST} lists {' and '.join(sorted(listed))} itself; they are added for each zip.")
    for name in set(entries) & set(own):
        manifest = re.sub(rf"^{name} *=.*$", lambda _, name=name: f"{name} = {json.dumps(entries[name])}", manifest, flags=re.M)
    added = "".join(f"{name} = {json.dumps(value)}\n" for name, value in entries.items() if name not in own)
    table = re.search(r"^\[", manifest, re.M)
    at = table.start() if table else len(manifest)
    return f"{manifest[:at]}{added}\n{manifest[at:]}"


def rewrite_sorted(source: Path, target: Path) -> None:
    """Copy a zip with its members sorted, under one date, compressed (but for wheels), and replace `target` at once."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = max(time.gmtime(epoch)[:6], (1980, 1, 1, 0, 0, 0))
    aside = target.with_name(f".{target.name}")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(old.namelist()):
            info = zipfile.ZipInfo(name, date)
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.file_size = old.getinfo(name).file_size
            with old.open(name) as read, new.open(info, "w") as write:
                shutil.copyfileobj(read, write, 1 << 20)
    aside.replace(target)


def main() -> int:
    """Run from the command line: build into dist/, or into the folder given."""
    parser = argparse.ArgumentParser(description="Build and validate the extension's zips.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="folder for the zips (default: dist)")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="build the full zips too, with these wheels of torch")
    options = parser.parse_args()
    try:
        paths = package(options.output, wheels=options.wheels)
    except PackagingError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
