# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature's animation as matrices: F-curves evaluated in bulk, without stepping through the frames where that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import RigError
from ..core.rig.channels import matrix_from_euler, quaternion_from_axis_angle
from ..core.rig.mapping import BoneMap
from ..core.rig.skeletal import Rig
from ..core.rotation import matrix_from_quaternion
from . import compat
from .state import current
from .steps import Steps, finished

Array = NDArray[np.float64]

_WIDTH = {"location": 3, "scale": 3, "rotation_euler": 3, "rotation_quaternion": 4, "rotation_axis_angle": 4}
LONGEST = 1_000_000
"""Frames; an action that claims more is broken."""


@dataclass(frozen=True)
class Sampled:
    """World matrices (T, 4, 4) by bone, the frames (T,), and how they were had: 'curves' or 'frames'."""

    poses: dict[str, Array]
    frames: Array
    method: str
    reason: str = ""


def action_frames(owner: bpy.types.Object) -> Array:
    """Return the whole frames (T,) from an armature's first key to its last. Raises `RigError` where it has no action."""
    curves = compat.fcurves_of(owner)
    spans = [curve.range() for curve in curves if len(curve.keyframe_points)]
    if not spans:
        raise RigError(f"{owner.name}: it has no keyframes; choose an armature with an Action.")
    first, last = (int(np.floor(min(s[0] for s in spans))), int(np.ceil(max(s[1] for s in spans))))
    if last - first >= LONGEST:
        raise RigError(f"{owner.name}: its Action spans {last - first + 1} frames; trim it.")
    return np.arange(first, last + 1, dtype=np.float64)


def sample(owner: bpy.types.Object, rig: Rig, bones: BoneMap, frames: Array) -> Sampled:
    """Return where the mapped bones of an armature are at given frames (T,), rising.

    Curves are evaluated at once. The scene is stepped through only where more than curves moves the bones; the reason is
    in the result.
    """
    return finished(sample_steps(owner, rig, bones, frames))


def sample_steps(owner: bpy.types.Object, rig: Rig, bones: BoneMap, frames: Array) -> Steps[Sampled]:
    """Do what `sample` does, with a pause after every bone, or after every frame that the scene is put to."""
    wanted = list(bones.bones.values())
    reason = why_not_curves(owner, rig, wanted)
    if reason:
        return Sampled((yield from _stepped(owner, wanted, frames)), frames, "frames", reason)
    return Sampled((yield from pose_steps(owner, rig, wanted, frames)), frames, "curves")


def why_not_curves(owner: bpy.types.Object, rig: Rig, wanted: list[str]) -> str:
    """Return what else than F-curves moves an armature's bones; empty where nothing does."""
    assert owner.pose is not None
    animation = owner.animation_data
    if animation is not None:
        if any(driver.data_path.startswith("pose.bones") and not driver.mute for driver in animation.drivers):
            return "drivers move its bones"
        if animation.use_nla and any(not track.mute and len(track.strips) for track in animation.nla_tracks):
            return "it plays NLA strips"
    if any(not constraint.mute for constraint in owner.constraints):
        return "its object is constrained"
    parent = owner.parent
    while parent is not None:
        if parent.animation_data is not None or len(parent.constraints):
            return "its object's parent moves"
        parent = parent.parent
    involved = {rig.index(name) for name in wanted}
    involved |= {above for bone in list(involved) for above in rig.ancestors(bone)}
    for index in sorted(involved):
        bone: Any = owner.pose.bones[rig.names[index]]
        if any(not constraint.mute and constraint.influence > 0 for constraint in bone.constraints):
            return f"constraints move its bones ('{bone.name}')"
        data = bone.bone
        if (
            not data.use_inherit_rotation
            or not data.use_local_location
            or data.inherit_scale != "FULL"
            or data.use_relative_parent
        ):
            return f"a bone does not simply follow its parent ('{bone.name}')"
    return ""


def _stepped(owner: bpy.types.Object, wanted: list[str], frames: Array) -> Steps[dict[str, Array]]:
    """Return world matrices by evaluating the scene frame by frame; the current frame is put back."""
    scene, _ = current()
    now = scene.frame_current, scene.frame_subframe
    found = {name: np.empty((len(frames), 4, 4)) for name in wanted}
    try:
        for t, frame in enumerate(frames):
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame - whole))
            evaluated = owner.evaluated_get(bpy.context.evaluated_depsgraph_get())
            assert evaluated.pose is not None
            world = np.array(evaluated.matrix_world)
            for name in wanted:
                found[name][t] = world @ np.array(evaluated.pose.bones[name].matrix)
            yield (t + 1) / len(frames)
    finally:
        scene.frame_set(now[0], subframe=now[1])
    return found


def poses_from_curves(owner: bpy.types.Object, rig: Rig, wanted: list[str], frames: Array) -> dict[str, Array]:
    """Return world matrices from the curves alone: Blender's own rule, all frames at once."""
    return finished(pose_steps(owner, rig, wanted, frames))


def pose_steps(owner: bpy.types.Object, rig: Rig, wanted: list[str], frames: Array) -> Steps[dict[str, Array]]:
    """Do what `poses_from_curves` does, with a pause after every bone."""
    assert owner.pose is not None
    curves: dict[str, dict[int, bpy.types.FCurve]] = {}
    for curve in compat.fcurves_of(owner):
        if not curve.mute:
            curves.setdefault(curve.data_path, {})[curve.array_index] = curve
    needed = {rig.index(name) for name in wanted}
    needed |= {above for bone in list(needed) for above in rig.ancestors(bone)}
    world = _basis(owner, "", curves, frames)
    if world is None:
        placed = np.broadcast_to(rig.world, (len(frames), 4, 4))
    else:
        placed = rig.world @ np.linalg.inv(np.array(owner.matrix_basis)) @ world
    poses: dict[int, Array] = {}
    for done, index in enumerate(sorted(needed)):
        yield done / len(needed)
        name, parent = rig.names[index], rig.parents[index]
        bone = owner.pose.bones[name]
        rest = rig.rest[index] if parent < 0 else np.linalg.inv(rig.rest[parent]) @ rig.rest[index]
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].'
        basis = _basis(bone, path, curves, frames)
        if basis is None:
            basis = np.array(bone.matrix_basis)
        elif bone.bone.use_connect and parent >= 0:
            basis[:, :3, 3] = 0
        poses[index] = (placed if parent < 0 else poses[parent]) @ rest @ basis
    return {name: poses[rig.index(name)] for name in wanted}


def _basis(item: Any, path: str, curves: dict[str, dict[int, bpy.types.FCurve]], frames: Array) -> Array | None:
    """Return `matrix_basis` (T, 4, 4) of a pose bone or object over the frames; None where no curve moves it."""
    mode = item.rotation_mode
    turning = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")
    names = ("location", turning, "scale")
    if not any(path + name in curves for name in names):
        return None
    location, rotation, scale = (_values(item, path, name, curves, frames) for name in names)
    if turning == "rotation_euler":
        turn = matrix_from_euler(rotation, mode)
    else:
        turn = matrix_from_quaternion(rotation if turning == "rotation_quaternion" else quaternion_from_axis_angle(rotation))
    basis = np.zeros((len(frames), 4, 4))
    basis[:, :3, :3] = turn * scale[:, None, :]
    basis[:, :3, 3] = location
    basis[:, 3, 3] = 1
    return basis


def _values(item: Any, path: str, name: str, curves: dict[str, dict[int, bpy.types.FCurve]], frames: Array) -> Array:
    """Return a property's values (T, C) over the frames; what has no curve keeps its value of now."""
    values = np.tile(np.array(getattr(item, name), np.float64), (len(frames), 1))
    for index, curve in curves.get(path + name, {}).items():
        if index < _WIDTH[name]:
            values[:, index] = curve_values(curve, frames)
    return values


def curve_values(curve: bpy.types.FCurve, frames: Array) -> Array:
    """Return an F-curve's values (T,) at frames.

    Keys are read in one go where they lie on all the frames, or are linear between; other curves are evaluated one by one.
    """
    points: Any = curve.keyframe_points
    count = len(points)
    if count and not any(not modifier.mute for modifier in curve.modifiers) and curve.extrapolation == "CONSTANT":
        keys = np.empty(2 * count, np.float32)
        points.foreach_get("co", keys)
        at, values = keys[::2].astype(np.float64), keys[1::2].astype(np.float64)
        places = np.minimum(np.searchsorted(at, frames), count - 1)
        inside = (frames >= at[0]) & (frames <= at[-1])
        if (~inside | (np.abs(at[places] - frames) < 1e-6)).all():
            return np.where(frames < at[0], values[0], np.where(frames > at[-1], values[-1], values[places]))
        kinds = np.empty(count, np.int32)
        points.foreach_get("interpolation", kinds)
        linear: Any = bpy.types.Keyframe.bl_rna.properties["interpolation"]
        if (kinds[:-1] == linear.enum_items["LINEAR"].value).all():
            return np.interp(frames, at, values)
    return np.array([curve.evaluate(float(frame)) for frame in frames])
