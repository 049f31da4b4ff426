# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's open file."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy

from ..core.errors import ReadError


def new_file() -> None:
    """Open a new, empty file, whatever the user's startup file is; the preferences and enabled extensions stay."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True, load_ui=False)
    scene = bpy.context.scene
    assert scene is not None
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")


def open_file(path: Path) -> None:
    """Open a Blender file, without its windows and without running its scripts. Raises `ReadError`."""
    if not path.is_file():
        raise ReadError("does not exist; give a Blender file.", path)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        reason = str(error).strip().removeprefix("Error: ").splitlines()
        raise ReadError(f"cannot be opened: {reason[0] if reason else 'Blender does not say why'}", path) from error


def remove_temporary_folder() -> None:
    """Remove Blender's temporary folder of this process, for a process that ends without Blender's own tidying up."""
    folder = Path(bpy.app.tempdir)
    if folder.name.startswith("blender_"):  # the process's own; where it could not be made this is the system's
        shutil.rmtree(folder, ignore_errors=True)


def home() -> Path:
    """Return the folder of the open Blender file; an empty path where it was never saved."""
    return Path(bpy.data.filepath).parent if bpy.data.filepath else Path()
