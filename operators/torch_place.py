# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Poselift finds PyTorch beside Blender's own modules: in the extension's folder, or in an environment of the user's."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import bpy

from .. import __package__ as package

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Modules of another Python do not load, so that each has a folder of its own."""


def own_folder() -> Path | None:
    """Return the folder in which the button installs PyTorch; None where Poselift runs as no extension."""
    try:
        return Path(bpy.utils.extension_path_user(str(package), path=f"torch-{PYTHON}"))
    except (ValueError, AttributeError):
        return None


def environment_modules(folder: str) -> Path | None:
    """Return where an environment (its folder, or the one with the modules itself) has the modules of this Python."""
    root = Path(bpy.path.abspath(folder))
    places = (root, root / "lib" / PYTHON / "site-packages", root / "Lib" / "site-packages")
    return next((place for place in places if (place / "torch" / "__init__.py").is_file()), None)


def activate(environment: str = "") -> None:
    """Have Python look where PyTorch is, behind Blender's own modules: its NumPy stays the one that counts."""
    folders = [own_folder(), environment_modules(environment) if environment else None]
    for folder in folders:
        if folder is not None and (folder / "torch" / "__init__.py").is_file() and str(folder) not in sys.path:
            sys.path.append(str(folder))
    importlib.invalidate_caches()


def remove_own() -> None:
    """Remove what the button has installed; what is imported already stays until Blender is restarted."""
    folder = own_folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        if str(folder) in sys.path:
            sys.path.remove(str(folder))
