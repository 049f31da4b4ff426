# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests on an installed extension: `poselift` and its modules are then the ones that Blender loaded from the zip.

POSELIFT_ZIP names a zip, which is installed into the module bpy first. In a Blender program, scripts/in_blender.py says with
POSELIFT_IN_PROGRAM that it is installed already.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

EXTENSION = "bl_ext.user_default.poselift"
ZIP = os.environ.get("POSELIFT_ZIP", "")
IN_PROGRAM = "POSELIFT_IN_PROGRAM" in os.environ
TESTS = ("test_register", "test_operators", "test_scene", "test_retarget_scene", "test_pipeline")
"""Registration, lifting and retargeting: the files whose tests are of the extension, and not of the checkout around it."""
HERE = bool(ZIP) or IN_PROGRAM
"""Whether the tests of this run are of an installed extension, not of the checkout."""


class _Alias(MetaPathFinder, Loader):
    """Answers imports of `poselift` with the extension's modules, the very same objects."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname.partition(".")[0] == "poselift" else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(EXTENSION + module.__name__.removeprefix("poselift"))


def other_files() -> list[str]:
    """Return the test files that are not for an installed extension."""
    return [path.name for path in Path(__file__).parent.glob("test_*.py") if path.stem not in TESTS]


def use_extension() -> None:
    """Install the zip where one is named, enable the extension, and have `poselift` mean it; it is left unregistered."""
    import bpy

    addon_utils = importlib.import_module("addon_utils")  # can be found once bpy is imported
    if ZIP:
        done = bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
        assert done == {"FINISHED"}, done
    assert addon_utils.check(EXTENSION)[1], f"{ZIP or EXTENSION} is not installed and enabled"
    sys.meta_path.insert(0, _Alias())
    import poselift

    poselift.unregister()
