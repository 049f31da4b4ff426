# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys, by Blender's own decimation, to a tolerance in millimetres that is checked on the joints afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.rig.skeletal import Rig
from . import compat
from .retarget_rig import read_rig
from .sampling import poses_from_curves
from .state import current, leave_modes

Array = NDArray[np.float64]

ROUNDS = 6
"""How often the tolerance of single curves is halved until the joints keep to theirs."""


@dataclass(frozen=True)
class Thinned:
    """Keys before and after, and the largest error of a joint in metres, over all whole frames."""

    before: int
    after: int
    error: float


def thin_keys(owner: bpy.types.Object, tolerance: float) -> Thinned:
    """Thin the keys of an armature's Action so that no joint moves by more than a tolerance, in metres, world.

    Raises `SettingsError` where the tolerance is not above 0, or Blender has no window whose editors could do it.
    """
    if not tolerance > 0:
        raise SettingsError("the tolerance of thinned keys has to be above 0 mm.")
    rig = read_rig(owner)
    curves = compat.fcurves_of(owner)
    kept = [_keys_of(curve) for curve in curves]
    before = sum(len(keys["co"]) // 2 for keys in kept)
    if before == 0:
        return Thinned(0, 0, 0.0)
    first, last = min(keys["co"][0] for keys in kept), max(keys["co"][-2] for keys in kept)
    frames = np.arange(np.floor(first), np.ceil(last) + 1)
    points = _points(owner, rig, frames)
    reach = _reaches(owner, rig)
    share = 0.5
    for _ in range(ROUNDS):
        with _graph_editor(owner):
            for bone, curves_of_bone in _by_bone(curves).items():
                turning, moving = reach.get(bone, (1.0, 1.0))
                for path, scale in (("rotation", turning), ("location", moving)):
                    chosen = [curve for curve in curves_of_bone if path in curve.data_path.rpartition(".")[2]]
                    if chosen:
                        _decimate(curves, chosen, share * tolerance / scale)
        error = float(np.linalg.norm(_points(owner, rig, frames) - points, axis=-1).max())
        if error <= tolerance:
            return Thinned(before, sum(len(curve.keyframe_points) for curve in curves), error)
        for curve, keys in zip(curves, kept, strict=True):
            _restore(curve, keys)
        share *= 0.5
    return Thinned(before, before, 0.0)


def _decimate(curves: list[bpy.types.FCurve], chosen: list[bpy.types.FCurve], margin: float) -> None:
    """Run Blender's decimation on some curves: on those that are selected, with all their keys."""
    for curve in curves:
        curve.select = False
    for curve in chosen:
        curve.select = True
        points: Any = curve.keyframe_points
        for name in ("select_control_point", "select_left_handle", "select_right_handle"):
            points.foreach_set(name, np.ones(len(points), bool))
    bpy.ops.graph.decimate(mode="ERROR", remove_error_margin=margin)


@contextmanager
def _graph_editor(owner: bpy.types.Object) -> Iterator[None]:
    """Lend an area of the window to a graph editor that shows the armature's curves, which the operator asks for."""
    leave_modes()
    _, layer = current()
    manager: Any = bpy.context.window_manager
    if not len(manager.windows):
        raise SettingsError("keys can be thinned only where Blender has a window; leave them as they are.")
    window = manager.windows[0]
    area = window.screen.areas[0]
    before, active = area.type, layer.objects.active
    selected = [item for item in layer.objects if item.select_get()]
    kept = [(curve, curve.select) for curve in compat.fcurves_of(owner)]
    bones = [(item, item.select) for item in compat.selectable_bones(owner)]
    area.type = "GRAPH_EDITOR"
    space: Any = area.spaces.active
    filters = {name: getattr(space.dopesheet, name) for name in ("show_only_selected", "show_hidden", "show_only_errors")}
    try:
        for item in layer.objects:
            item.select_set(item == owner)
        layer.objects.active = owner
        # Only what is selected is shown, so that no other object's curves are thinned; of an armature, its selected bones.
        for bone, _ in bones:
            bone.select = True
        for name, value in (("show_only_selected", True), ("show_hidden", True), ("show_only_errors", False)):
            setattr(space.dopesheet, name, value)
        region = next(region for region in area.regions if region.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            yield
    finally:
        for name, value in filters.items():
            setattr(space.dopesheet, name, value)
        area.type = before
        for curve, state in kept:
            curve.select = state
        for bone, state in bones:
            bone.select = state
        for item in layer.objects:
            item.select_set(item in selected)
        layer.objects.active = active


def _by_bone(curves: list[bpy.types.FCurve]) -> dict[str, list[bpy.types.FCurve]]:
    found: dict[str, list[bpy.types.FCurve]] = {}
    for curve in curves:
        if curve.data_path.startswith("pose.bones["):
            found.setdefault(curve.group.name if curve.group else curve.data_path, []).append(curve)
    return found


def _reaches(owner: bpy.types.Object, rig: Rig) -> dict[str, tuple[float, float]]:
    """Return, by bone, by how many metres a joint below it moves at most for one unit of rotation, and of location.

    A quaternion's component turns by twice its change; errors of the bones above a joint add up, as the root of their number.
    """
    heads, tails = rig.heads, rig.tails
    found = {}
    for i, name in enumerate(rig.names):
        below = [j for j in range(len(rig)) if j == i or i in rig.ancestors(j)]
        far = max(float(np.linalg.norm(tails[j] - heads[i])) for j in below)
        depth = max(len(rig.ancestors(j)) for j in below) + 1
        found[name] = (2 * far * np.sqrt(depth), rig.scale * np.sqrt(depth))
    return found


def _points(owner: bpy.types.Object, rig: Rig, frames: Array) -> Array:
    """Return heads and tails (T, 2 B, 3) of all bones that the curves move."""
    poses = poses_from_curves(owner, rig, list(rig.names), frames)
    tails = {name: poses[name][:, :3, 1] * rig.lengths[i] for i, name in enumerate(rig.names)}
    parts = [part for name in rig.names for part in (poses[name][:, :3, 3], poses[name][:, :3, 3] + tails[name])]
    return np.stack(parts, 1)


def _keys_of(curve: bpy.types.FCurve) -> dict[str, NDArray]:
    points: Any = curve.keyframe_points
    count = len(points)
    keys: dict[str, NDArray] = {name: np.empty(2 * count, np.float32) for name in ("co", "handle_left", "handle_right")}
    keys |= {name: np.empty(count, np.int32) for name in ("interpolation", "handle_left_type", "handle_right_type")}
    for name, values in keys.items():
        points.foreach_get(name, values)
    return keys


def _restore(curve: bpy.types.FCurve, keys: dict[str, NDArray]) -> None:
    points: Any = curve.keyframe_points
    points.clear()
    points.add(len(keys["co"]) // 2)
    for name, values in keys.items():
        points.foreach_set(name, values)
    curve.update()
