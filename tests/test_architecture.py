# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that keep the layers apart, shown to hold and shown to bite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from check_layers import check_source, check_tree, package_files

ROOT = Path(__file__).resolve().parent.parent

BROKEN = {
    "core imports Blender": ("core/x.py", "import bpy"),
    "core imports Blender inside a function": (
        "core/readers/x.py",
        "def f():\n    from mathutils import Vector\n    return Vector",
    ),
    "core imports a part of Blender": ("core/x.py", "import bpy_extras.object_utils"),
    "core imports Blender for its types": ("core/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import bpy"),
    "core imports another dependency": ("core/x.py", "import scipy.optimize"),
    "core imports scene": ("core/x.py", "from ..scene import armature"),
    "core imports operators from deeper": ("core/lifter/x.py", "from ...operators.lift import run"),
    "core imports a layer by name": ("core/x.py", "from .. import ui"),
    "scene imports operators": ("scene/x.py", "from ..operators import lift"),
    "operators import ui": ("operators/x.py", "from ..ui.panels import PANEL"),
    "torch in a reader": ("core/readers/x.py", "import torch"),
    "torch in the pipeline": ("core/pipeline.py", "def f():\n    import torch.nn as nn\n    return nn"),
    "torch in an operator": ("operators/x.py", "from torch import cuda"),
    "the package by its name": ("scene/x.py", "from poselift.core import camera"),
    "Blender at registration": ("__init__.py", "import bpy"),
    "an operator touches data": ("operators/x.py", "import bpy\nbpy.data.objects.new('a', None)"),
    "a panel touches data": ("ui/x.py", "import bpy\nprint(bpy.data.actions)"),
    "a panel runs an operator": ("ui/x.py", "import bpy\nbpy.ops.poselift.lift()"),
    "an import leaves the package": ("core/x.py", "from ... import other"),
    "a layer takes a name from the root": ("core/x.py", "from .. import register"),
}

ALLOWED = {
    "core imports core": (
        "core/lifter/x.py",
        "import math\nimport numpy as np\nfrom ..camera import project\nfrom . import teacher",
    ),
    "torch in the lifter": ("core/lifter/x.py", "import torch\nfrom torch import nn"),
    "torch in the solve": ("core/motion/solve.py", "import torch"),
    "scene imports Blender and core": ("scene/x.py", "import bpy\nfrom ..core import pipeline\nbpy.data.actions.new('a')"),
    "operators import scene and core": (
        "operators/x.py",
        "import bpy\nfrom ..scene import armature\nfrom ..core.errors import RigError",
    ),
    "ui imports all": ("ui/x.py", "import bpy\nfrom ..operators import lift\nfrom ..scene import compat\nfrom .. import core"),
    "a layer asks for the package's name": ("ui/x.py", "from .. import __package__ as package"),
    "the root registers": ("__init__.py", "def register():\n    from . import operators, ui\n    operators.register()"),
}


def test_every_module_of_the_package_keeps_its_layer() -> None:
    assert [str(violation) for violation in check_tree(ROOT)] == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found(name: str) -> None:
    path, source = BROKEN[name]
    found = check_source(PurePosixPath(path), source)
    assert len(found) == 1, found
    assert str(found[0]).startswith(f"{path}:")


@pytest.mark.parametrize("name", ALLOWED)
def test_a_kept_rule_is_not_reported(name: str) -> None:
    path, source = ALLOWED[name]
    assert check_source(PurePosixPath(path), source) == []


def test_the_lint_command_fails_on_a_violation(tmp_path: Path) -> None:
    """The command itself, on a copy of the package's shape with one bad line."""
    for folder in ("core", "scene", "operators", "ui", "scripts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "core/bad.py").write_text("import numpy\n\nimport bpy\n")
    script = tmp_path / "scripts/check_layers.py"
    script.write_bytes((ROOT / "scripts/check_layers.py").read_bytes())
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "core/bad.py:3: 'bpy' is Blender's" in done.stdout


def test_every_file_names_its_licence() -> None:
    files = [ROOT / path for path in package_files(ROOT)]
    files += [path for folder in ("scripts", "samples", "tests") for path in (ROOT / folder).glob("*.py")]
    unmarked = [
        str(path.relative_to(ROOT))
        for path in files
        if "SPDX-License-Identifier: GPL-3.0-or-later" not in "".join(path.read_text(encoding="utf-8").splitlines(True)[:2])
    ]
    assert unmarked == []


def _import_all(modules: list[str], blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Import modules in a new interpreter in which the `blocked` ones cannot be imported."""
    code = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(sorted({{m.partition('.')[0] for m in sys.modules}} & {{'bpy', 'mathutils', 'torch'}} - set({blocked!r})))"
    )
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)


def _core_modules() -> list[str]:
    paths = [path.with_suffix("") for path in package_files(ROOT) if path.parts[0] == "core" or len(path.parts) == 1]
    return [".".join(("poselift", *(part for part in path.parts if part != "__init__"))) for path in paths]


def test_core_imports_where_there_is_no_blender() -> None:
    done = _import_all(_core_modules(), blocked=("bpy", "mathutils", "bpy_extras"))
    assert done.returncode == 0, done.stderr


def test_core_outside_the_networks_imports_where_there_is_no_torch() -> None:
    networks = ("poselift.core.lifter.", "poselift.core.motion.")
    modules = [name for name in _core_modules() if not name.startswith(networks)]
    assert "poselift.core.camera" in modules
    done = _import_all(modules, blocked=("bpy", "mathutils", "torch"))
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_neither_blender_nor_torch() -> None:
    done = _import_all(["poselift"], blocked=())
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_registration_works_without_torch_and_loads_none(blender_alone: dict[str, str]) -> None:
    """In real bpy: with torch impossible to import, and with torch there but left alone until it is needed."""
    for blocked in ("torch", "no_such_module"):
        code = (
            f"import sys; sys.modules[{blocked!r}] = None\n"
            "import bpy, poselift\n"
            "poselift.register()\n"
            "assert dir(bpy.ops.poselift), 'no operators'\n"
            "assert sys.modules.get('torch') is None, 'torch was imported'\n"
            "poselift.unregister()\n"
            "assert not dir(bpy.ops.poselift), dir(bpy.ops.poselift)\n"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=blender_alone,
        )
        assert done.returncode == 0, done.stderr
