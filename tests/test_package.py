# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zip and the Python package: what is in them, and that a real Blender takes them."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import package as packaging
import pytest
from check_layers import BLENDER, imported_modules
from versions import problems

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slim zip, built and validated by Blender's tool."""
    folder = tmp_path_factory.mktemp("package")
    [path] = packaging.package(folder / "dist", folder / "build")
    return path


def _toml(path: str) -> dict:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def test_the_zip_has_the_package_its_weights_its_licence_and_its_wheels(extension: Path) -> None:
    with zipfile.ZipFile(extension) as archive:
        names = set(archive.namelist())
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert {"__init__.py", "LICENSE", "core/skeleton.py", "core/pipeline.py", "operators/command_line.py"} <= names
    assert {"core/__init__.py", "scene/__init__.py", "operators/__init__.py", "ui/__init__.py"} <= names
    assert [name for name in names if re.fullmatch(r"core/lifter/trained/[^/]+\.npz", name)]
    assert manifest["wheels"] == ["./wheels/tqdm-4.70.1-py3-none-any.whl"]
    assert {wheel.removeprefix("./") for wheel in manifest["wheels"]} <= names


def test_the_zip_has_nothing_else(extension: Path) -> None:
    folders = ("core/", "scene/", "operators/", "ui/", "wheels/")
    with zipfile.ZipFile(extension) as archive:
        names = archive.namelist()
    foreign = [n for n in names if not n.startswith(folders) and n not in ("__init__.py", "blender_manifest.toml", "LICENSE")]
    assert foreign == []
    assert [name for name in names if "test" in name or "__pycache__" in name or name.endswith((".pyc", ".pt", ".pkl"))] == []
    assert extension.stat().st_size < 20 * MEGABYTE


def test_every_module_in_the_zip_imports_what_blender_has_or_the_zip_brings(extension: Path) -> None:
    """Torch and h5py are the exceptions: tests/test_architecture.py shows that the extension registers without them."""
    known = set(sys.stdlib_module_names) | BLENDER | {"numpy", "tqdm", "torch", "h5py"}
    with zipfile.ZipFile(extension) as archive:
        unknown = {
            f"{name}: {module}"
            for name in archive.namelist()
            if name.endswith(".py")
            for module in imported_modules(archive.read(name).decode()) - known
        }
    assert unknown == set()


def test_the_same_sources_give_the_same_bytes(extension: Path, tmp_path: Path) -> None:
    [again] = packaging.package(tmp_path / "dist", tmp_path / "build")
    assert again.name == extension.name
    assert again.read_bytes() == extension.read_bytes()


def test_entries_are_set_in_place_or_before_the_manifests_tables() -> None:
    text = 'id = "a"\nblender_version_min = "4.2.0"\ntags = [\n  "b",\n]\n\n[permissions]\nfiles = "c"\n'
    entries = {"wheels": ["./wheels/x-1-py3-none-any.whl"], "blender_version_min": "5.1.0"}
    assert tomllib.loads(packaging.with_entries(text, entries)) == {**tomllib.loads(text), **entries}
    with pytest.raises(packaging.PackagingError, match="lists wheels itself"):
        packaging.with_entries('wheels = ["y.whl"]\n', {})


def test_a_manifest_that_blender_refuses_is_an_error_and_leaves_no_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "with_entries", lambda manifest, entries: manifest.replace('"4.2.0"', '"four"'))
    with pytest.raises(packaging.PackagingError, match="Blender's tool refuses to build"):
        packaging.package(tmp_path / "dist", tmp_path / "build")
    assert not list(tmp_path.glob("dist/*"))


def test_one_version_everywhere() -> None:
    assert problems() == []
    assert importlib.metadata.version("poselift") == _toml("blender_manifest.toml")["version"]


def test_one_tqdm_for_the_tests_and_for_the_zip() -> None:
    pins = [re.search(r"^tqdm==(\S+)", (ROOT / f).read_text(), re.M) for f in ("requirements.txt", "requirements-wheels.txt")]
    assert all(pins)
    assert len({pin[1] for pin in pins if pin}) == 1


def test_the_manifest_says_what_blender_and_users_need_to_know() -> None:
    manifest = _toml("blender_manifest.toml")
    assert manifest["id"] == "poselift"
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["blender_version_min"] == "4.2.0"
    assert all(reason for reason in manifest["permissions"].values())


def test_the_python_package_lists_every_folder_that_has_modules() -> None:
    listed = set(_toml("pyproject.toml")["tool"]["setuptools"]["packages"])
    folders = {
        path.parent.relative_to(ROOT) for layer in ("core", "scene", "operators", "ui") for path in (ROOT / layer).rglob("*.py")
    }
    assert {"poselift"} | {".".join(("poselift", *folder.parts)) for folder in folders} == listed


def test_the_wheel_has_every_module_the_manifest_and_the_weights(tmp_path: Path) -> None:
    """A wheel of a copy of the sources: building leaves files beside them."""
    for file in [*packaging.package_contents(), "pyproject.toml", "README.md"]:
        target = tmp_path / "source" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / file).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "-w", str(tmp_path), str(tmp_path / "source")], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("poselift/")}
    assert names == {f"poselift/{file}" for file in packaging.package_contents() if file != "LICENSE"}


INSTALL = """
import sys, bpy, addon_utils
zip_path, before = sys.argv[1], set(dir(bpy.types))
assert not dir(bpy.ops.poselift)
result = bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
assert result == {"FINISHED"}, result
module = "bl_ext.user_default.poselift"
assert module in bpy.context.preferences.addons, "not enabled"
assert addon_utils.check(module)[1], "not loaded"
import os, pathlib
resources = pathlib.Path(os.environ["BLENDER_USER_RESOURCES"])
assert list(resources.glob("extensions/.local/**/tqdm/__init__.py")), "the wheel was not unpacked"
print("operators", *dir(bpy.ops.poselift))
print("package", sys.modules[module].__file__)
addon_utils.disable(module, default_set=True)
assert module not in bpy.context.preferences.addons
assert not dir(bpy.ops.poselift), dir(bpy.ops.poselift)
left = {name for name in set(dir(bpy.types)) - before if "poselift" in name.lower()}
assert not left, left
bpy.ops.preferences.addon_enable(module=module)
assert dir(bpy.ops.poselift), "not enabled again"
bpy.ops.preferences.addon_disable(module=module)
print("done")
"""


def test_a_real_blender_installs_enables_and_disables_the_zip(
    extension: Path, tmp_path: Path, blender_alone: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", INSTALL, str(extension)],
        env=blender_alone,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert "done" in lines, done.stdout + done.stderr
    assert "lift" in lines["operators"]
    assert Path(lines["package"]).is_relative_to(tmp_path)
