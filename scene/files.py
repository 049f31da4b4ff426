# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's open file."""

from __future__ import annotations

import bpy


def new_file() -> None:
    """Open a new, empty file, whatever the user's startup file is; the preferences and enabled extensions stay."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True, load_ui=False)
    scene = bpy.context.scene
    assert scene is not None
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")
