# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of Blender, by Blender's own exporters: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core.output import written_aside


def save_blend(path: Path) -> None:
    """Save a copy of the whole file as `.blend`; the open file keeps its name. Raises `OutputError`."""
    with written_aside(path) as aside:
        bpy.ops.wm.save_as_mainfile(filepath=str(aside), copy=True, check_existing=False, compress=False)


def save_bvh(path: Path, armature: bpy.types.Object) -> None:
    """Save an armature and its action as `.bvh`, in metres, Z up, at the scene's rate and over its range.

    Only the root bone gets a position; the others turn. Raises `OutputError`.
    """
    scene = bpy.context.scene
    assert scene is not None
    with written_aside(path) as aside, bpy.context.temp_override(active_object=armature, object=armature):
        bpy.ops.export_anim.bvh(
            filepath=str(aside),
            check_existing=False,
            global_scale=1.0,
            frame_start=scene.frame_start,
            frame_end=scene.frame_end,
            rotate_mode="NATIVE",
            root_transform_only=True,
        )
