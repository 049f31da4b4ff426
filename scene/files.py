# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's open file."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy


def new_file() -> None:
    """Open a new, empty file, whatever the user's startup file is; the preferences and enabled extensions stay."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True, load_ui=False)
    scene = bpy.context.scene
    assert scene is not None
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")


def remove_temporary_folder() -> None:
    """Remove Blender's temporary folder of this process, for a process that ends without Blender's own tidying up."""
    folder = Path(bpy.app.tempdir)
    if folder.name.startswith("blender_"):  # the process's own; where it could not be made this is the system's
        shutil.rmtree(folder, ignore_errors=True)


def home() -> Path:
    """Return the folder of the open Blender file; an empty path where it was never saved."""
    return Path(bpy.data.filepath).parent if bpy.data.filepath else Path()
