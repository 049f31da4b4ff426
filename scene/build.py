# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion into the scene: armature, action, camera and mannequin, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.motion.motion import Motion
from ..core.rig.bones import bone_table
from ..core.rig.rest import RestPose, rest_pose
from ..core.rig.rotations import Pose, solve_pose
from ..core.rig.styles import styled
from . import renew, timing
from .armature import new_armature
from .body import new_body
from .camera import new_camera, set_render_size
from .decimate import thin_steps
from .keyframes import key_steps, pose_channels
from .state import all_or_nothing, current, leave_modes
from .steps import Steps, finished, part


@dataclass(frozen=True)
class BuildSettings:
    """What to make of a motion.

    name: of the clip, in the names of all that is made; taken from the motion's source where empty.
    frame_start: the scene frame of the motion's first moment.
    set_scene: give the scene the motion's rate, range, image size and camera; otherwise only objects are added, keyed so
    that they keep their times at the scene's own rate.
    rest: 'T' or 'A' pose at rest. names: the family that bones are named after, one of `NAMINGS`.
    tolerance: millimetres by which thinned keys may move a joint; 0 keeps a key on every frame.
    mark: written on every object that is made, by which `renew` finds it; empty for none.
    scene_camera: the user's own camera that a motion was placed through, the active one where empty.
    """

    name: str = ""
    frame_start: int = 1
    with_camera: bool = True
    with_body: bool = True
    set_scene: bool = True
    rest: str = "T"
    names: str = "plain"
    tolerance: float = 0.0
    mark: str = ""
    scene_camera: str = ""


@dataclass(frozen=True)
class Built:
    """What `apply` made. The references hold until the next undo or file load, as all of Blender's do."""

    collection: bpy.types.Collection
    armature: bpy.types.Object
    action: bpy.types.Action
    camera: bpy.types.Object | None
    body: bpy.types.Object | None


@dataclass(frozen=True)
class Figure:
    """A motion as an armature's, all but Blender's own part: made beside the main thread, built in it."""

    motion: Motion
    rest: RestPose
    pose: Pose


def figure_of(motion: Motion, settings: BuildSettings) -> Figure:
    """Return the bones' rest and their rotations. Needs no Blender. Raises `RigError`, `SettingsError`."""
    skeleton, joints, lengths = motion.body
    table = styled(bone_table(skeleton, joints), settings.rest, settings.names)
    rest = rest_pose(table, lengths)
    timing.rate_of(motion.fps)
    return Figure(motion, rest, solve_pose(joints, rest, float(motion.fps)))


def apply(motion: Motion | Figure, settings: BuildSettings | None = None) -> Built:
    """Put a motion into the current scene and make its armature the active object.

    Everything made lies in a collection of its own; no other object is touched. A motion that was placed through the scene's
    own camera (mode 'scene') brings none, and leaves rate, range and picture as they are: its frames are the scene's.
    On any error what was made is removed, the scene is as before, and the error goes on: `RigError` where the motion cannot be
    an armature's, `CameraError` and `SettingsError` where Blender cannot hold the camera or the rate.
    """
    return finished(_apply_steps(motion, settings or BuildSettings()))


def _apply_steps(motion: Motion | Figure, settings: BuildSettings) -> Steps[Built]:
    # Everything that needs no Blender comes first, so that most errors happen before anything is touched.
    figure = motion if isinstance(motion, Figure) else figure_of(motion, settings)
    motion, rest, pose = figure.motion, figure.rest, figure.pose
    scene, layer = current()
    theirs = motion.camera_mode == "scene"
    fps = motion.fps if settings.set_scene or theirs else timing.scene_rate(scene)
    frames = timing.frames_of(motion.times, fps, settings.frame_start)
    name = settings.name or clip_name(motion)
    with all_or_nothing():
        leave_modes()
        collection = bpy.data.collections.new(f"Poselift {name}")
        scene.collection.children.link(collection)
        armature = new_armature(name, rest, collection)
        yield
        keyed = key_steps(armature, name, pose_channels(rest, pose), frames)
        action = yield from part(keyed, 0, 0.1 if settings.tolerance else 1)
        if settings.tolerance:
            yield from part(thin_steps(armature, settings.tolerance / 1000), 0.1, 1)
        yield
        camera = new_camera(f"{name} camera", motion, frames, collection) if settings.with_camera and not theirs else None
        yield
        body = new_body(f"{name} body", rest, armature, collection) if settings.with_body else None
        if settings.mark:
            renew.mark(settings.mark, motion.person, {"armature": armature, "camera": camera, "body": body})
        if theirs:
            camera = scene.objects.get(settings.scene_camera) if settings.scene_camera else scene.camera
            action["poselift_camera"] = camera.name if camera else ""
        yield
        if settings.set_scene and not theirs:
            set_render_size(scene, motion.intrinsics)
            if camera:
                scene.camera = camera
            timing.set_timing(scene, motion.fps, frames)
        if settings.set_scene:
            _mark_worst(scene, name, motion, frames)
        action["poselift_report"] = json.dumps(motion.report.to_dict())
        for item in layer.objects:
            item.select_set(item == armature)
    return Built(collection, armature, action, camera, body)


def apply_all(motions: Sequence[Motion | Figure], settings: BuildSettings | None = None) -> list[Built]:
    """Put the people of one clip into the current scene, each as `apply` does; the camera is the first one's.

    All are made or none.
    """
    return finished(apply_steps(motions, settings or BuildSettings()))


def apply_steps(motions: Sequence[Motion | Figure], settings: BuildSettings) -> Steps[list[Built]]:
    """Do what `apply_all` does, in steps of some hundredths of a second at most for 10,000 frames."""
    with all_or_nothing():
        share = 1 / len(motions)
        built = [(yield from part(_apply_steps(motions[0], settings), 0, share))]
        others = replace(settings, with_camera=False, set_scene=False)
        for number, motion in enumerate(motions[1:], 1):
            another = yield from part(_apply_steps(motion, others), number * share, (number + 1) * share)
            built.append(another)
        if len(built) > 1:
            current()[1].objects.active = built[0].armature
            for item in current()[1].objects:
                item.select_set(item == built[0].armature)
    return built


def _mark_worst(scene: bpy.types.Scene, name: str, motion: Motion, frames: NDArray[np.float64]) -> None:
    """Put markers of ours on the timeline where the report wants frames looked at, in place of those of an earlier lift."""
    title = f"{name}: look"
    for marker in [marker for marker in scene.timeline_markers if marker.name == title]:
        scene.timeline_markers.remove(marker)
    for frame in motion.report.worst_frames:
        row = frame - motion.first_frame
        if 0 <= row < len(frames):
            scene.timeline_markers.new(title, frame=round(float(frames[row])))


def clip_name(motion: Motion) -> str:
    """Return a short name for a motion: its source's, and the person where that is not simply the first."""
    source = Path(motion.source.rstrip("/\\") or "clip")
    stem = source.stem if source.suffix else source.name
    return stem if motion.person in ("", "0", "1") else f"{stem} {motion.person}"
