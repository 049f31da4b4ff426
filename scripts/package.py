#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the extension's zip: stage the package, add its wheels, let Blender's own tool build and validate it.

The same sources give the same bytes: the archive is sorted and carries one date (SOURCE_DATE_EPOCH, or zip's first day).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTENTS = ("__init__.py", "blender_manifest.toml", "LICENSE", "core", "scene", "operators", "ui")
MANIFEST = "blender_manifest.toml"
WHEELS = ROOT / "build" / "wheels"


class PackagingError(Exception):
    """The zip cannot be built; the message says why."""


def package(output: Path, build: Path = ROOT / "build") -> Path:
    """Build the zip into the folder `output` and return its path.

    Works in `build`, where stage/ is made anew. Raises `PackagingError`.
    """
    stage = build / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    for file in package_contents():
        target = stage / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    if not (stage / MANIFEST).is_file():
        raise PackagingError(f"{MANIFEST} is missing from the checkout.")
    wheels = [shutil.copy(wheel, _made(stage / "wheels")) for wheel in fetch_wheels(WHEELS)]
    manifest = (stage / MANIFEST).read_text(encoding="utf-8")
    (stage / MANIFEST).write_text(with_wheels(manifest, [Path(wheel).name for wheel in wheels]), encoding="utf-8")

    about = tomllib.loads(manifest)
    raw = _made(build) / "unsorted.zip"
    _blender_tool("build", "--source-dir", str(stage), "--output-filepath", str(raw))
    final = _made(output) / f"{about['id']}-{about['version']}.zip"
    rewrite_sorted(raw, final)
    raw.unlink()
    _blender_tool("validate", str(final))
    return final


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
    _made(folder)
    names = [f"{name.replace('-', '_')}-{version}-*.whl" for name, version in pinned]
    if not all(any(folder.glob(name)) for name in names):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", "-r", str(ROOT / "requirements-wheels.txt"), "-d", str(folder)]
        _run(command, "pip cannot download the wheels of requirements-wheels.txt")
    return [wheel for name in names for wheel in sorted(folder.glob(name))]


def with_wheels(manifest: str, wheels: list[str]) -> str:
    """Return the manifest's text with `wheels = [...]` added before its first table."""
    if "wheels" in tomllib.loads(manifest):
        raise PackagingError(f"{MANIFEST} lists wheels itself; they are added from requirements-wheels.txt.")
    entry = "wheels = [" + ", ".join(f'"./wheels/{name}"' for name in wheels) + "]\n\n"
    table = re.search(r"^\[", manifest, re.M)
    at = table.start() if table else len(manifest)
    return manifest[:at] + entry + manifest[at:]


def rewrite_sorted(source: Path, target: Path) -> None:
    """Copy a zip with its members sorted, under one date, compressed, and replace `target` at once."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = max(time.gmtime(epoch)[:6], (1980, 1, 1, 0, 0, 0))
    aside = target.with_name(f".{target.name}")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(old.namelist()):
            info = zipfile.ZipInfo(name, date)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            new.writestr(info, old.read(name), compresslevel=9)
    aside.replace(target)


def _blender_tool(*arguments: str) -> None:
    """Run Blender's extension tool, which needs no Blender, out of the installed bpy."""
    spec = importlib.util.find_spec("bpy")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    tools = [tool for folder in folders for tool in folder.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")]
    if not tools:
        raise PackagingError("Blender's extension tool was not found; install bpy (make package does).")
    _run([sys.executable, str(tools[0]), *arguments], f"Blender's tool refuses to {arguments[0]} the extension")


def _run(command: list[str], complaint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingError(f"{complaint}:\n{done.stdout}{done.stderr}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    """Run from the command line: build into dist/, or into the folder given."""
    parser = argparse.ArgumentParser(description="Build and validate the extension's zip.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    try:
        path = package(parser.parse_args().output)
    except PackagingError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
