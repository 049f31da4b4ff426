# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion into the scene: armature, action, camera and mannequin, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..core.motion.motion import Motion
from ..core.rig.bones import bone_table
from ..core.rig.rest import rest_pose
from ..core.rig.rotations import solve_pose
from . import timing
from .armature import new_armature
from .body import new_body
from .camera import new_camera, set_render_size
from .keyframes import key_channels, pose_channels


@dataclass(frozen=True)
class BuildSettings:
    """What to make of a motion.

    name: of the clip, in the names of all that is made; taken from the motion's source where empty.
    frame_start: the scene frame of the motion's first moment.
    set_scene: give the scene the motion's rate, range, image size and camera; otherwise only objects are added, keyed so
    that they keep their times at the scene's own rate.
    """

    name: str = ""
    frame_start: int = 1
    with_camera: bool = True
    with_body: bool = True
    set_scene: bool = True


@dataclass(frozen=True)
class Built:
    """What `apply` made. The references hold until the next undo or file load, as all of Blender's do."""

    collection: bpy.types.Collection
    armature: bpy.types.Object
    action: bpy.types.Action
    camera: bpy.types.Object | None
    body: bpy.types.Object | None


def apply(motion: Motion, settings: BuildSettings | None = None) -> Built:
    """Put a motion into the current scene and make its armature the active object.

    Everything made lies in a collection of its own; no other object is touched. On any error what was made is removed, the
    scene is as before, and the error goes on: `RigError` where the motion cannot be an armature's, `CameraError` and
    `SettingsError` where Blender cannot hold the camera or the rate.
    """
    settings = settings or BuildSettings()
    # Everything that needs no Blender comes first, so that most errors happen before anything is touched.
    table = bone_table(motion.skeleton, motion.joints_world)
    rest = rest_pose(table, motion.bone_lengths)
    pose = solve_pose(motion.joints_world, rest, float(motion.fps))
    timing.rate_of(motion.fps)
    scene = bpy.context.scene
    fps = motion.fps if settings.set_scene else timing.scene_rate(scene)
    frames = timing.frames_of(motion.times, fps, settings.frame_start)
    name = settings.name or clip_name(motion)
    with all_or_nothing():
        _leave_modes()
        collection = bpy.data.collections.new(f"Poselift {name}")
        scene.collection.children.link(collection)
        armature = new_armature(name, rest, collection)
        action = key_channels(armature, name, pose_channels(rest, pose), frames)
        camera = new_camera(f"{name} camera", motion, frames, collection) if settings.with_camera else None
        body = new_body(f"{name} body", rest, armature, collection) if settings.with_body else None
        if settings.set_scene:
            set_render_size(scene, motion.intrinsics)
            if camera:
                scene.camera = camera
            timing.set_timing(scene, motion.fps, frames)
        for item in bpy.context.view_layer.objects:
            item.select_set(item == armature)
    return Built(collection, armature, action, camera, body)


def clip_name(motion: Motion) -> str:
    """Return a short name for a motion: its source's, and the person where that is not simply the first."""
    source = Path(motion.source.rstrip("/\\") or "clip")
    stem = source.stem if source.suffix else source.name
    return stem if motion.person in ("", "0", "1") else f"{stem} {motion.person}"


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Undo, when the block raises, what it did to Blender's data: new datablocks, scene settings, selection, mode."""
    before = {block.as_pointer() for kind in _kinds() for block in kind}
    restore = _remember_scene()
    try:
        yield
    except BaseException:
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        new: list[Any] = [block for kind in _kinds() for block in kind if block.as_pointer() not in before]
        bpy.data.batch_remove(new)
        restore()
        raise


def _kinds() -> list[Any]:
    data = bpy.data
    return [data.objects, data.armatures, data.meshes, data.cameras, data.actions, data.materials, data.collections]


def _leave_modes() -> None:
    """Go to Object mode, where objects can be made, whatever mode the user is in."""
    if bpy.context.view_layer.objects.active is not None and bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def _remember_scene() -> Callable[[], None]:
    """Return a function that puts the scene's settings, the selection and the mode back to what they are now."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    render_names = (
        "fps",
        "fps_base",
        "resolution_x",
        "resolution_y",
        "resolution_percentage",
        "pixel_aspect_x",
        "pixel_aspect_y",
    )
    render = {name: getattr(scene.render, name) for name in render_names}
    span, now, camera = (scene.frame_start, scene.frame_end), (scene.frame_current, scene.frame_subframe), scene.camera
    active, selected = layer.objects.active, [item for item in layer.objects if item.select_get()]
    mode = active.mode if active else "OBJECT"

    def restore() -> None:
        for name, value in render.items():
            setattr(scene.render, name, value)
        scene.frame_start, scene.frame_end = span
        scene.camera = camera
        if (scene.frame_current, scene.frame_subframe) != now:
            scene.frame_set(now[0], subframe=now[1])
        for item in layer.objects:
            item.select_set(item in selected)
        layer.objects.active = active
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)

    return restore
