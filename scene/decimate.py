# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys, by Blender's own decimation, to a tolerance in millimetres that is checked on the joints afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.rig.skeletal import Rig
from . import compat
from .decimate_bench import PIECE, Bench, Keys, count_of, keys_of, put_keys
from .retarget_rig import read_rig
from .sampling import pose_steps
from .steps import Steps, finished, part

Array = NDArray[np.float64]

ROUNDS = 6
"""How often the tolerance of single curves is halved until the joints keep to theirs."""
LATER = 0.2
"""Share of the progress that is left to further rounds after each one; mostly there is none."""


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
    return finished(thin_steps(owner, tolerance))


def thin_steps(owner: bpy.types.Object, tolerance: float) -> Steps[Thinned]:
    """Do what `thin_keys` does, with a pause after every few hundred keys."""
    if not tolerance > 0:
        raise SettingsError("the tolerance of thinned keys has to be above 0 mm.")
    rig = read_rig(owner)
    curves = compat.fcurves_of(owner)
    kept = []
    for curve in curves:
        kept.append(keys_of(curve))
        yield None
    before = sum(count_of(keys) for keys in kept)
    if before == 0:
        return Thinned(0, 0, 0.0)
    first, last = min(keys["co"][0] for keys in kept), max(keys["co"][-2] for keys in kept)
    frames = np.arange(np.floor(first), np.ceil(last) + 1)
    points = yield from part(_points(owner, rig, frames), 0, 0.05)
    margins = _margins(curves, rig)
    for number in range(ROUNDS):
        start, end = 1 - 0.95 * LATER**number, 1 - 0.95 * LATER ** (number + 1)
        keys = yield from part(_thinned(kept, [0.5 ** (number + 1) * tolerance * each for each in margins]), start, end)
        yield from _put(curves, keys)
        moved = yield from part(_points(owner, rig, frames), end, end)
        error = float(np.linalg.norm(moved - points, axis=-1).max())
        if error <= tolerance:
            return Thinned(before, sum(count_of(each) for each in keys), error)
    yield from _put(curves, kept)
    return Thinned(before, before, 0.0)


def _thinned(curves: list[Keys], margins: list[float]) -> Steps[list[Keys]]:
    """Return the curves' keys, thinned to a margin each; those of the margin 0 stay as they are."""
    work = [max(1, -(-count_of(keys) // PIECE)) for keys in curves]
    found: list[Keys] = []
    with Bench() as bench:
        yield 0.0
        for number, (keys, margin) in enumerate(zip(curves, margins, strict=True)):
            if margin > 0:
                done, size = sum(work[:number]) / sum(work), work[number] / sum(work)
                keys = yield from part(bench.decimated(keys, margin), done, done + size)
            found.append(keys)
    return found


def _put(curves: list[bpy.types.FCurve], keys: list[Keys]) -> Steps[None]:
    """Give curves other keys."""
    for curve, each in zip(curves, keys, strict=True):
        put_keys(curve, each)
        yield None


def _margins(curves: list[bpy.types.FCurve], rig: Rig) -> list[float]:
    """Return by how much each curve may change for one metre of its bone's joints; 0 for those that are not thinned."""
    reach = _reaches(rig)
    margins = []
    for curve in curves:
        posed = curve.data_path.startswith("pose.bones[")
        turning, moving = reach.get(curve.group.name if curve.group else "", (1.0, 1.0))
        name = curve.data_path.rpartition(".")[2]
        scale = turning if "rotation" in name else moving if "location" in name else 0.0
        margins.append(1 / scale if posed and scale else 0.0)
    return margins


def _reaches(rig: Rig) -> dict[str, tuple[float, float]]:
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


def _points(owner: bpy.types.Object, rig: Rig, frames: Array) -> Steps[Array]:
    """Return heads and tails (T, 2 B, 3) of all bones that the curves move."""
    poses = yield from pose_steps(owner, rig, list(rig.names), frames)
    points = np.empty((len(frames), 2 * len(rig), 3))
    for i, name in enumerate(rig.names):
        points[:, 2 * i] = poses[name][:, :3, 3]
        points[:, 2 * i + 1] = poses[name][:, :3, 3] + poses[name][:, :3, 1] * rig.lengths[i]
    return points
