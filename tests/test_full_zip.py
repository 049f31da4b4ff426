# SPDX-License-Identifier: GPL-3.0-or-later
"""The zips with PyTorch in them: which wheels each has, and that a real Blender takes one. The wheels here are empty shells."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import package as packaging
import pytest
from blender_tool import PackagingError
from wheel_sets import Wheel, blender_platforms, fits, wheel_sets

LINUX = "cp311-cp311-manylinux_2_28_x86_64"
MAC = "cp311-cp311-macosx_14_0_arm64"
NEW_WINDOWS = "cp313-cp313-win_amd64"


def wheel(folder: Path, name: str, tags: str, *needs: str) -> Path:
    """Write a wheel with one module, which has its name and version, and what it needs."""
    project, version = name.split("-")
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{tags}.whl"
    about = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{project}/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{name}.dist-info/METADATA", about + "".join(f"Requires-Dist: {need}\n" for need in needs))
        archive.writestr(f"{name}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tags}\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The zips of such a folder: the slim one, Linux, macOS, and Windows with a newer Python."""
    folder = tmp_path_factory.mktemp("full")
    return packaging.package(folder / "dist", folder / "build", wheel_folder(folder / "wheels"))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return wheel_folder(tmp_path / "wheels")


def wheel_folder(folder: Path) -> Path:
    """A folder with torch for three platforms and two Python versions, what it needs, and what is not wanted."""
    for version, tags in (("2.13.0+cpu", LINUX), ("2.13.0", LINUX), ("2.13.0", MAC), ("2.13.0", NEW_WINDOWS)):
        cuda = 'cuda-bindings; sys_platform == "linux"' if version == "2.13.0" else "numpy<3"
        wheel(folder, f"torch-{version}", tags, "small>=2", cuda, 'extra-thing; extra == "more"')
    wheel(folder, "torch-2.13.0", "cp313-cp313t-win_amd64")
    wheel(folder, "small-1.0", "py3-none-any")
    wheel(folder, "small-2.1", "py2.py3-none-any", "compiled")
    for tags in (LINUX, MAC, NEW_WINDOWS, "cp311-cp311-musllinux_1_2_x86_64"):
        wheel(folder, "compiled-3.0", tags)
    wheel(folder, "numpy-1.26.4", LINUX)
    return folder


def test_each_platform_and_python_gets_the_newest_of_what_fits_and_never_numpy(wheels: Path) -> None:
    found = {(full.label, full.platform): {path.name for path in full.wheels} for full in wheel_sets(wheels)}
    small = "small-2.1-py2.py3-none-any.whl"
    assert found == {
        ("py311", "linux-x64"): {f"torch-2.13.0+cpu-{LINUX}.whl", f"compiled-3.0-{LINUX}.whl", small},
        ("py311", "macos-arm64"): {f"torch-2.13.0-{MAC}.whl", f"compiled-3.0-{MAC}.whl", small},
        ("py313", "windows-x64"): {f"torch-2.13.0-{NEW_WINDOWS}.whl", f"compiled-3.0-{NEW_WINDOWS}.whl", small},
    }


def test_what_is_missing_is_named_with_who_needs_it(wheels: Path) -> None:
    (wheels / f"compiled-3.0-{MAC}.whl").unlink()
    with pytest.raises(PackagingError, match=r"Python 3\.11 on macos-arm64 are missing: compiled \(for small\)"):
        wheel_sets(wheels)
    (wheels / f"torch-2.13.0+cpu-{LINUX}.whl").unlink()  # the one that is left needs CUDA
    with pytest.raises(PackagingError, match=r"cuda-bindings \(for torch\)"):
        wheel_sets(wheels)


def test_a_folder_without_torch_and_a_file_that_is_no_wheel_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"holds no torch-….whl"):
        wheel_sets(tmp_path)
    (tmp_path / f"torch-2.13.0-{LINUX}.whl").write_bytes(b"half")
    with pytest.raises(PackagingError, match="is not a wheel"):
        wheel_sets(tmp_path)
    (tmp_path / "torch.whl").touch()
    with pytest.raises(PackagingError, match="not named as a wheel"):
        wheel_sets(tmp_path)


def test_tags_of_wheels_are_told_as_blender_names_platforms() -> None:
    assert blender_platforms("manylinux2014_aarch64") == ("linux-arm64",)
    assert blender_platforms("macosx_10_9_universal2") == ("macos-x64", "macos-arm64")
    assert blender_platforms("win32") == blender_platforms("musllinux_1_2_x86_64") == ()
    stable = Wheel.of(Path("a-1-cp38-abi3-win_arm64.whl"))
    assert fits(stable, (3, 13), "windows-arm64") and not fits(stable, (3, 13), "windows-x64")
    assert not fits(Wheel.of(Path("a-1-cp312-abi3-win_arm64.whl")), (3, 11), "windows-arm64")


def test_a_full_zip_says_for_whom_it_is_and_has_its_wheels_alone(built: list[Path]) -> None:
    slim, linux, mac, windows = (path.name for path in built)
    assert slim.replace(".zip", "-py311-linux_x64.zip") == linux
    assert mac.endswith("-py311-macos_arm64.zip") and windows.endswith("-py313-windows_x64.zip")
    with zipfile.ZipFile(built[3]) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
        inside = {name for name in archive.namelist() if name.startswith("wheels/")}
    assert (manifest["platforms"], manifest["blender_version_min"]) == (["windows-x64"], "5.1.0")
    assert {name.removeprefix("./") for name in manifest["build"]["generated"]["wheels"]} == inside
    assert {name.split("/")[1].split("-")[0] for name in inside} == {"torch", "small", "compiled", "tqdm"}


INSTALL = """
import pathlib, sys, bpy
result = bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
assert result == {"FINISHED"}, result
assert "bl_ext.user_default.poselift" in bpy.context.preferences.addons, "not enabled"
assert "torch" not in sys.modules
sys.path[:] = [folder for folder in sys.path if not (pathlib.Path(folder) / "torch" / "cuda").is_dir()]  # the tests' own one
from bl_ext.user_default.poselift.core.lifter.device import has_torch
assert has_torch()
import torch
print("torch", torch.__version__, torch.__file__)
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.poselift")
"""


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info[:2] != (3, 11), reason="the shells here are for Linux and 3.11")
def test_a_real_blender_finds_the_torch_of_a_full_zip(built: list[Path], blender_alone: dict[str, str]) -> None:
    _, linux, *_ = built
    done = subprocess.run(
        [sys.executable, "-I", "-c", INSTALL, str(linux)],
        env=blender_alone,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("torch ")]
    assert line.split()[1] == "2.13.0+cpu"
    assert Path(line.split()[2]).is_relative_to(blender_alone["BLENDER_USER_RESOURCES"])
