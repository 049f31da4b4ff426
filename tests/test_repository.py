# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository that Blender subscribes to: what its lists say, and that a real Blender updates from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from blender_tool import PackagingError
from repository import repository
from try_blenders import serve, with_version

MANIFEST = """
schema_version = "1.0.0"
id = "poselift"
version = "{version}"
name = "Poselift"
tagline = "An extension"
maintainer = "Somebody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
{more}
"""


def extension(folder: Path, version: str, name: str = "", more: str = "") -> Path:
    """Write the zip of a small extension under Poselift's name."""
    folder.mkdir(exist_ok=True)
    path = folder / f"poselift-{version}{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("blender_manifest.toml", MANIFEST.format(version=version, more=more))
        archive.writestr("__init__.py", f"VERSION = {version!r}\ndef register(): pass\ndef unregister(): pass\n")
    return path


def full(folder: Path, platform: str) -> Path:
    return extension(folder, "1.0.0", f"-py311-{platform.replace('-', '_')}", f'platforms = ["{platform}"]')


def listed(path: Path) -> dict[str, str]:
    return {item["archive_url"]: item["archive_hash"] for item in json.loads(path.read_text())["data"]}


def test_slim_and_full_zips_are_in_two_lists_and_the_files_lie_beside_them(tmp_path: Path) -> None:
    zips = [extension(tmp_path, "1.0.0"), full(tmp_path, "linux-x64"), full(tmp_path, "windows-x64")]
    slim_list, full_list = repository(zips, tmp_path / "site")
    assert slim_list == tmp_path / "site" / "index.json" and full_list == tmp_path / "site" / "full" / "index.json"
    assert list(listed(slim_list)) == ["./poselift-1.0.0.zip"]
    assert list(listed(full_list)) == ["./poselift-1.0.0-py311-linux_x64.zip", "./poselift-1.0.0-py311-windows_x64.zip"]
    for path in (slim_list, full_list):
        assert all((path.parent / url).is_file() for url in listed(path))
        assert (path.parent / "index.html").is_file()


def test_full_zips_can_lie_elsewhere(tmp_path: Path) -> None:
    zips = [extension(tmp_path, "1.0.0"), full(tmp_path, "windows-x64"), full(tmp_path, "linux-x64")]
    beside = listed(repository(zips, tmp_path / "site")[1])
    elsewhere = repository(zips, tmp_path / "site", "https://example.org/v1/")[1]
    assert listed(elsewhere) == {url.replace("./", "https://example.org/v1/"): digest for url, digest in beside.items()}
    assert [path.name for path in elsewhere.parent.iterdir()] == ["index.json"]


def test_what_one_list_cannot_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="no zip"):
        repository([], tmp_path / "site")
    with pytest.raises(PackagingError, match=r"several versions: 1\.0\.0, 1\.0\.1"):
        repository([extension(tmp_path, "1.0.0"), extension(tmp_path, "1.0.1")], tmp_path / "site")
    with pytest.raises(PackagingError, match="does not list each zip once"):
        repository([extension(tmp_path, "1.0.0"), extension(tmp_path, "1.0.0", "-copy")], tmp_path / "site")


UPDATE = """
import pathlib, sys, bpy
address, step = sys.argv[1:]
preferences = bpy.context.preferences
preferences.system.use_online_access = True
repos = preferences.extensions.repos
own = repos.new(name="Updates", module="updates", remote_url=address)
index = list(repos).index(own)
bpy.ops.extensions.repo_sync(repo_index=index)
if step == "install":
    bpy.ops.extensions.package_install(repo_index=index, pkg_id="poselift", enable_on_install=False)
else:
    bpy.ops.extensions.package_upgrade_all(use_active_only=False)
print("at", (pathlib.Path(own.directory) / "poselift" / "blender_manifest.toml").read_text())
"""


def test_a_real_blender_subscribes_installs_and_updates(tmp_path: Path, blender_alone: dict[str, str]) -> None:
    first = extension(tmp_path, "1.0.0")
    versions = []
    with serve(tmp_path / "site") as address:
        for step, path in (("install", first), ("update", with_version(first, tmp_path, "1.0.10"))):
            repository([path], tmp_path / "site")
            done = subprocess.run(
                [sys.executable, "-I", "-c", UPDATE, f"{address}/index.json", step],
                env=blender_alone,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            versions += re.findall(r'^version = "(.*)"$', done.stdout, re.M)
    assert versions == ["1.0.0", "1.0.10"]
