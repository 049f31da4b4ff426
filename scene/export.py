# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of Blender, by Blender's own exporters: whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..core.errors import OutputError
from ..core.output import written_aside
from . import compat
from .state import current, leave_modes


def save(path: Path, armature: bpy.types.Object, deform_only: bool = False) -> None:
    """Save by the name's ending: `.blend`, `.bvh`, `.fbx`, `.glb` or `.usd`. Raises `OutputError`."""
    ending = path.suffix.lower()
    if ending == ".blend":
        save_blend(path)
    elif ending == ".bvh":
        save_bvh(path, armature)
    elif ending == ".fbx":
        save_fbx(path, armature, deform_only)
    elif ending == ".glb":
        save_glb(path, armature, deform_only)
    elif ending == ".usd":
        save_usd(path, armature)
    else:
        raise OutputError(f"{path}: '{path.suffix}' is not one of .blend, .bvh, .fbx, .glb, .usd.")


def save_blend(path: Path) -> None:
    """Save a copy of the whole file as `.blend`; the open file keeps its name. Raises `OutputError`."""
    with written_aside(path) as aside:
        bpy.ops.wm.save_as_mainfile(filepath=str(aside), copy=True, check_existing=False, compress=False)


def save_bvh(path: Path, armature: bpy.types.Object) -> None:
    """Save an armature and its action as `.bvh`, in metres, Z up, at the scene's rate and over its range.

    Only the root bone gets a position, and the others turn, unless another bone travels (hips below a root bone). Raises
    `OutputError`.
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
            root_transform_only=not _travels_below_root(armature),
        )


def save_fbx(path: Path, armature: bpy.types.Object, deform_only: bool = False) -> None:
    """Save an armature, its meshes and its action as `.fbx`, as Unreal, Unity and Godot take it.

    Y up, -Z forward, scale 1 at centimetres in the file's units (no object comes out 100 times as large), every frame of
    the scene's range keyed and none thinned, no end bones added. deform_only: leave out bones that no mesh follows (the
    controls of a generated rig). Raises `OutputError`.
    """
    with written_aside(path) as aside, _only(armature), _from_zero(armature):
        bpy.ops.export_scene.fbx(
            filepath=str(aside),
            check_existing=False,
            use_selection=True,
            object_types={"ARMATURE", "MESH"},
            apply_unit_scale=True,
            apply_scale_options="FBX_SCALE_UNITS",
            axis_forward="-Z",
            axis_up="Y",
            use_mesh_modifiers=False,
            add_leaf_bones=False,
            use_armature_deform_only=deform_only,
            bake_anim=True,
            bake_anim_use_all_bones=True,
            bake_anim_use_nla_strips=False,
            bake_anim_use_all_actions=False,
            bake_anim_force_startend_keying=True,
            bake_anim_step=1.0,
            bake_anim_simplify_factor=0.0,
        )


def save_glb(path: Path, armature: bpy.types.Object, deform_only: bool = False) -> None:
    """Save an armature, its meshes and its action as binary glTF: metres, Y up, sampled at every frame of the scene's range.

    Raises `OutputError`.
    """
    with written_aside(path) as aside, _only(armature), _from_zero(armature):
        bpy.ops.export_scene.gltf(
            filepath=str(aside),
            check_existing=False,
            export_format="GLB",
            use_selection=True,
            export_yup=True,
            export_animations=True,
            export_animation_mode="ACTIVE_ACTIONS",
            export_frame_range=True,
            export_force_sampling=True,
            export_def_bones=deform_only,
            export_optimize_animation_size=False,
            export_skins=True,
        )


def save_usd(path: Path, armature: bpy.types.Object) -> None:
    """Save an armature, its meshes and its action as USD, Y up, in metres. Raises `OutputError`, too where there is no USD."""
    if not compat.has_usd():
        raise OutputError(f"{path}: this Blender was built without USD; choose .fbx or .glb.")
    with written_aside(path) as aside, _only(armature), _from_zero(armature):
        bpy.ops.wm.usd_export(
            filepath=str(aside),
            check_existing=False,
            selected_objects_only=True,
            export_animation=True,
            export_armatures=True,
            only_deform_bones=False,
            convert_orientation=True,
            export_global_forward_selection="NEGATIVE_Z",
            export_global_up_selection="Y",
            **compat.usd_without_textures(),
        )


@contextmanager
def _only(armature: bpy.types.Object) -> Iterator[None]:
    """Select an armature and the meshes that it deforms, and nothing else; the selection is put back."""
    scene, layer = current()
    before, active = [item for item in layer.objects if item.select_get()], layer.objects.active
    hidden = {item: item.hide_get() for item in layer.objects}
    wanted = [armature, *(item for item in scene.objects if item.type == "MESH" and item.find_armature() == armature)]
    leave_modes()
    try:
        for item in layer.objects:
            item.select_set(False)
        for item in wanted:
            item.hide_set(False)
            item.select_set(True)
        layer.objects.active = armature
        yield
    finally:
        for item in layer.objects:
            item.select_set(item in before)
            item.hide_set(hidden.get(item, False))
        layer.objects.active = active


def _travels_below_root(armature: bpy.types.Object) -> bool:
    """Return whether a bone that has a parent is keyed in place."""
    assert armature.pose is not None
    paths = {curve.data_path for curve in compat.fcurves_of(armature)}
    return any(
        bone.parent is not None and f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].location' in paths
        for bone in armature.pose.bones
    )


@contextmanager
def _from_zero(armature: bpy.types.Object) -> Iterator[None]:
    """Move an armature's keys and the scene's range for a moment, so that the clip starts at 0 seconds in the file.

    Engines count seconds from the file's zero; Blender's exporters write frame 1 as the second frame.
    """
    scene, _ = current()
    start, end, now = scene.frame_start, scene.frame_end, (scene.frame_current, scene.frame_subframe)
    kept = []
    for curve in compat.fcurves_of(armature):
        points: Any = curve.keyframe_points
        for name in ("co", "handle_left", "handle_right"):
            values = np.empty(2 * len(points), np.float32)
            points.foreach_get(name, values)
            kept.append((curve, name, values))
    try:
        for curve, name, values in kept:
            moved = values.copy()
            moved[::2] -= start
            points = curve.keyframe_points
            points.foreach_set(name, moved)
            curve.update()
        scene.frame_start, scene.frame_end = 0, end - start
        scene.frame_set(0)
        yield
    finally:
        for curve, name, values in kept:
            points = curve.keyframe_points
            points.foreach_set(name, values)
            curve.update()
        scene.frame_end, scene.frame_start = end, start
        scene.frame_set(now[0], subframe=now[1])
