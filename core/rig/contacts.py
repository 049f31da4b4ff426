# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that stand: when they do in the source, and how they are made to stand still on the target.

First the root takes up what the feet miss, which turns no limb. Where two feet on the ground ask for different things,
because thighs, shins or hips have other proportions, three things give, each within a bound: the feet's height, their places
over the floor at a pace that is not seen, and only then the legs, by the two-bone solution in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..rotation import normalised, shortest_arc

Array = NDArray[np.float64]

SLOW = 0.15
"""Metres per second below which a foot stands, of a leg of `USUAL_LEG`; speeds go with the root of length (Froude)."""
USUAL_LEG = 0.85
LOW = 0.06
"""Metres over its standing height within which an ankle stands on the floor, of the same leg."""
SHORTEST = 0.1
"""Seconds; shorter contacts are none."""
EASE = 0.2
"""Seconds over which a leg that left the ground comes back to where its limb directions put it."""
DRIFT = 0.013
"""Metres per second, along each axis, that a standing foot may creep for its leg to point as the source's."""
TURN = np.radians(0.6)
"""What a leg turns for a standing foot before the foot creeps instead."""
SLACK = 0.009
"""Metres that a standing ankle may be off its height before the leg bends for it: a straight leg bends a lot for little."""
GIVE = 0.03
"""Share of its length that a straight leg gives along itself for a radian of turn: it bends by 3 degrees for 0.15 %."""
STRETCH = 0.9995
"""Share of its length that a leg is stretched to at most."""


def standing(ankle: Array, height: float, floor: float, leg: float, fps: float) -> NDArray[np.bool_]:
    """Return in which of T frames a foot stands.

    ankle: (T, 3) world; height: of the ankle over the floor of one who stands; floor: its level; leg: the leg's length.
    """
    size = leg / USUAL_LEG
    low = ankle[:, 2] < floor + height + LOW * size
    speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=-1) * fps if len(ankle) > 1 else np.zeros(1)
    down = low & (speed < SLOW * np.sqrt(size))
    if len(ankle) == 1:
        return down
    for start, end in runs(down):
        if end - start < SHORTEST * fps:
            down[start:end] = False
    return down


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the (start, end) of every run of true values, the end excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def misses(ankle: Array, down: NDArray[np.bool_], level: Array, fps: float) -> Array:
    """Return by what (T, 3) an ankle misses its places while it stands; zero elsewhere.

    ankle: (T, 3) on the target; level: (T,) height that it should have there. A place is the mean of a run.
    """
    missed = np.zeros_like(ankle)
    for start, end in runs(down):
        missed[start:end, :2] = ankle[start:end, :2].mean(0) - ankle[start:end, :2]
        missed[start:end, 2] = float(level[start:end].mean()) - ankle[start:end, 2]
    return missed


def given(missed: Array, stiff: Array, down: NDArray[np.bool_], size: float, fps: float) -> Array:
    """Return how (T, 3) a foot's places give for its leg to turn less: in height at once, over the floor slowly.

    missed: (T, 3) by what the ankle misses its places; stiff: (T, 3, 3), the leg's `stiffness`; size: the leg's length by
    the usual one's. Places creep only where the leg would turn by over `TURN`.
    """
    give = np.zeros_like(missed)
    up = stiff[:, 2, 2]
    alone = stiff[:, :2, :2] - stiff[:, :2, 2:] * stiff[:, 2:, :2] / up[:, None, None]  # of the level, the height being free
    room = TURN / np.sqrt(2 * np.stack([alone[:, 0, 0], alone[:, 1, 1]], -1))
    for start, end in runs(down):
        give[start:end, :2] = kept_near(-missed[start:end, :2], room[start:end], DRIFT * size / fps)
    level = missed[:, :2] + give[:, :2]
    best = -np.einsum("tj,tj->t", stiff[:, 2, :2], level) / up
    give[:, 2] = np.clip(best - missed[:, 2], -SLACK * size, SLACK * size)
    give[~down] = 0.0
    return give


def kept_near(values: Array, room: Array, step: float) -> Array:
    """Return what stays at 0 but where that is farther from (T, C) values than there is room, changing by a step at most.

    Values that are too fast are followed half way between both bounds. The bounds, the least curve of that slope above
    values less room and the greatest below values plus room, are convolutions with a cone, in running maxima.
    """
    slope = step * np.arange(len(values))[:, None]

    def above(curve: Array) -> Array:
        before = np.maximum.accumulate(curve + slope) - slope
        after = np.maximum.accumulate((curve - slope)[::-1])[::-1] + slope
        return np.asarray(np.maximum(before, after))

    low, high = above(values - room), -above(-values - room)
    return np.where(low <= high, np.clip(0.0, low, high), 0.5 * (low + high))


def stiffness(hip: Array, knee: Array, ankle: Array) -> Array:
    """Return what a leg has to turn for its ankle to move: (T, 3, 3), squared radians per squared metre.

    hip, knee, ankle: (T, 3). With u, v the directions of thigh and shin and a, b their lengths, an ankle moves by
    a du + b dv; the least |du|^2 + |dv|^2 for a shift d is d^T (a^2 (I - u u^T) + b^2 (I - v v^T))^-1 d. Along a straight
    leg nothing gives at first order, and little at the second, which `GIVE` stands for.
    """
    thigh, shin = knee - hip, ankle - knee
    gives = sum((bone * bone).sum(-1)[:, None, None] * np.eye(3) - bone[:, :, None] * bone[:, None] for bone in (thigh, shin))
    leg = np.linalg.norm(thigh, axis=-1) + np.linalg.norm(shin, axis=-1)
    return np.asarray(np.linalg.inv(gives + (GIVE * leg * GIVE * leg)[:, None, None] * np.eye(3)))


def root_share(
    missed: Mapping[str, Array], stiff: Mapping[str, Array], down: Mapping[str, NDArray[np.bool_]], fps: float
) -> Array:
    """Return the shift (T, 3) of the root after which legs have to turn least for feet to stand, without jumps.

    missed: (T, 3) by side; stiff: (T, 3, 3), the legs' `stiffness`: a straight leg has its way, a bent one gives. A foot comes
    to count gradually after it has come down; between contacts the shift goes on evenly.
    """
    weight = {side: _ramped(down[side], 0.5 * EASE * fps) for side in missed}
    total = np.sum(list(weight.values()), 0)
    pull = np.sum([weight[side][:, None, None] * stiff[side] for side in missed], 0)
    right = np.sum([weight[side][:, None] * (stiff[side] @ gap[..., None])[..., 0] for side, gap in missed.items()], 0)
    shift = np.zeros_like(next(iter(missed.values())))
    counts = total > 0
    shift[counts] = np.linalg.solve(pull[counts], right[counts][..., None])[..., 0]
    known = np.flatnonzero(total > 0)
    if not len(known):
        return np.zeros_like(shift)
    frames = np.arange(len(total))
    even = np.stack([np.interp(frames, known, shift[known, axis]) for axis in range(3)], -1)
    return smoothed(even, 0.25 * EASE * fps)


def _ramped(flags: NDArray[np.bool_], frames: float) -> Array:
    """Return (T,) weights of runs that rise and fall over some frames within them; full at the clip's own ends."""
    weight = np.zeros(len(flags))
    for start, end in runs(flags):
        at = np.arange(start, end)
        inside = np.minimum(at - start + 1 if start > 0 else np.inf, end - at if end < len(flags) else np.inf)
        weight[start:end] = np.clip(inside / max(frames, 1.0), 0, 1)
    return weight


def smoothed(values: Array, frames: float) -> Array:
    """Return (T, ...) values under a bell that is `frames` wide to each side; the ends are held."""
    half = round(frames)
    if half < 1 or len(values) < 2:
        return values
    bell = np.hanning(2 * half + 3)[1:-1]
    bell = bell / bell.sum()
    flat = values.reshape(len(values), -1)
    padded = np.pad(flat, ((half, half), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, bell, mode="valid") for column in padded.T], -1).reshape(values.shape)


def lowering(
    hips: Mapping[str, Array],
    goals: Mapping[str, Array],
    lengths: Mapping[str, float],
    down: Mapping[str, NDArray[np.bool_]],
    fps: float,
) -> Array:
    """Return by how much (T,) the root has to come down so that standing feet are in reach, without jumps."""
    need = np.zeros(len(next(iter(hips.values()))))
    for side, hip in hips.items():
        away = goals[side] - hip
        across = (away[:, :2] ** 2).sum(-1)
        fits = np.sqrt(np.maximum((STRETCH * lengths[side]) ** 2 - across, 0))
        need = np.maximum(need, np.where(down[side], np.maximum(-away[:, 2] - fits, 0), 0))
    half = max(1, round(0.5 * EASE * fps))
    if not need.any() or len(need) < 2:
        return need
    padded = np.pad(need, half, mode="edge")
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).max(-1)
    return smoothed(highest, half)


def leg_share(missed: Array, down: NDArray[np.bool_], fps: float) -> Array:
    """Return what (T, 3) is left to a leg: all of it while it stands, easing off to nothing before and after."""
    if not down.any():
        return np.zeros_like(missed)
    frames = np.arange(len(down))
    known = np.flatnonzero(down)
    after = known[np.minimum(np.searchsorted(known, frames), len(known) - 1)]
    before = known[np.maximum(np.searchsorted(known, frames, side="right") - 1, 0)]
    span = max(EASE * fps, 1.0)
    parts = []
    for nearest in (before, after):
        away = np.clip(1 - np.abs(frames - nearest) / span, 0, 1)
        parts.append((away * away * (3 - 2 * away), missed[nearest]))
    (w0, m0), (w1, m1) = parts
    total = np.maximum(w0 + w1, 1.0)[:, None]
    return np.where(down[:, None], missed, (w0[:, None] * m0 + w1[:, None] * m1) / total)


def reach(hip: Array, knee: Array, ankle: Array, goal: Array) -> tuple[Array, Array]:
    """Return how thigh and shin have to turn, (T, 3, 3) each about world axes, so that the ankle comes to a goal.

    hip, knee, ankle, goal: (T, 3). The knee stays in its plane with hip and goal; a goal out of reach is approached with
    the leg stretched. Law of cosines.
    """
    thigh, shin = np.linalg.norm(knee - hip, axis=-1), np.linalg.norm(ankle - knee, axis=-1)
    away = goal - hip
    distance = np.clip(np.linalg.norm(away, axis=-1), np.abs(thigh - shin) * 1.001 + 1e-9, (thigh + shin) * 0.99999)
    along = normalised(away)
    bend = knee - hip
    # Where the leg is straight its plane is lost; the direction of the whole leg's own turn keeps it.
    bend = bend - (bend * along).sum(-1, keepdims=True) * along
    side = normalised(bend, fallback=(0.0, -1.0, 0.0))
    side = normalised(side - (side * along).sum(-1, keepdims=True) * along)
    part = (thigh * thigh - shin * shin + distance * distance) / (2 * distance)
    high = np.sqrt(np.maximum(thigh * thigh - part * part, 0))
    new_knee = hip + part[:, None] * along + high[:, None] * side
    new_ankle = hip + distance[:, None] * along
    return shortest_arc(knee - hip, new_knee - hip), shortest_arc(ankle - knee, new_ankle - new_knee)
