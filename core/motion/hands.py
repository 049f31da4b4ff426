# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands in 3D: how a solved arm's palm is turned, from the knuckles that a detector saw.

The arm is known in 3D, so of the hand three angles are missing. Where it points follows from the knuckles' middle in the
image, with the forearm for the depth. What is left is one angle, the turn of the palm about the hand. It is found for the
whole clip at once: knuckles on both sides of the palm in the image say where it faces but for a mirror image in depth;
which of the two it is say the thumb and bent fingers, which lie on the palm's side, how far a forearm turns, and that
turning does not stop dead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics, unproject
from ..interpolation import over_time, ramp
from ..rig.bones import HUMAN_DIRECTIONS
from ..rig.rotations import bone_turns
from ..rotation import normalised, shortest_arc, wrapped_angle
from ..skeleton import HUMAN17, HUMAN23
from ..track import KeypointTrack
from .bones import stature

Array = NDArray[np.float64]

HAND_OF_HEIGHT = 0.054
"""Wrist to middle knuckle, as a share of the body's height."""
HAND_SIZES = (0.8, 1.25)
"""Times the usual length that a hand may have."""
PLACES: dict[str, tuple[float, float, float]] = {
    "index": (0.95, 0.27, 0.0),
    "pinky": (0.80, -0.36, 0.0),
    "middle": (1.0, 0.03, 0.0),
    "ring": (0.93, -0.17, 0.0),
    "thumb": (0.55, 0.48, 0.22),
}
"""Knuckles from the wrist, in hand lengths: along the hand, to the index finger's side, to the palm's side."""
SPREAD = {"index": 0.12, "pinky": 0.12, "middle": 0.12, "ring": 0.12, "thumb": 0.3}
"""Hand lengths by which a knuckle is off its place, as detectors and hands go."""
FINGERS = ("index", "middle", "ring", "pinky")
CURL, CURL_SPREAD = 0.3, 0.35
"""Hand lengths by which finger tips lie on the palm's side of the knuckles, and how that varies."""
FARTHEST, BEYOND = np.radians(100.0), np.radians(25.0)
"""How far a forearm turns either way from where the palm faces along the elbow's axis; and how sharp these ends are."""
LEVEL = 0.7
"""Slope of a forearm towards the camera beyond which it does not tell how long the hand is."""
BENT = (0.15, 0.5)
"""Sine of the elbow's bend below which the upper arm's own turn is unknown, and above which it is known."""
STEPS = 72
"""Turns of the palm that are compared: every 5 degrees."""
RATE = 30.0
"""Frames per second at which they are; faster clips are thinned out for it."""
FASTEST = np.radians(900.0)
SUDDEN = np.radians(6000.0)
"""Radians per second squared of a forearm's turn that cost as much as a misfit of one spread."""
CALM = 0.04
"""Seconds over which a hand's direction and its palm's turn are smoothed."""


@dataclass(frozen=True)
class _Seen:
    """A hand's points in the plane through the wrist, square to its line of sight: metres from the wrist, (T, 2) by part."""

    knuckles: dict[str, Array]
    tips: Array | None
    known: NDArray[np.bool_]


def has_hands(track: KeypointTrack) -> bool:
    """Return whether a track's layout has what tells a palm: an index and a pinky knuckle of a hand."""
    names = set(track.skeleton.joint_names)
    return any(all(_name(names, side, part) for part in ("index", "pinky")) for side in "lr")


def lift_hands(track: KeypointTrack, joints: Array, lengths: Array, camera: Intrinsics, fps: float) -> Array | None:
    """Return the knuckles (T, 6, 3) of both hands, camera frame: those of `HUMAN23` that `HUMAN17` lacks, in its order.

    track: in the detector's own layout, pixels of `camera`, which has no distortion. joints: (T, 17, 3) the solved body,
    camera frame, metres; lengths: (17,). NaN where a hand was not seen; None where none ever was.
    """
    if not has_hands(track):
        return None
    hand = HAND_OF_HEIGHT * stature(lengths, HUMAN17)
    turned = bone_turns(HUMAN17, joints, lengths, fps)
    extra = HUMAN23.joint_names[len(HUMAN17) :]
    found = np.full((len(joints), len(extra), 3), np.nan)
    for side in "lr":
        elbow, wrist = (joints[:, HUMAN17.index(f"{side}_{part}")] for part in ("elbow", "wrist"))
        upper = elbow - joints[:, HUMAN17.index(f"{side}_shoulder")]
        look = shortest_arc(wrist, np.broadcast_to([0.0, 0.0, 1.0], wrist.shape))
        seen = _seen(track, side, look, np.linalg.norm(wrist, axis=-1), camera)
        if seen is None or not seen.known.any():
            continue
        forearm = look @ turned[f"forearm.{side.upper()}"]
        bend = np.linalg.norm(np.cross(normalised(upper), normalised(wrist - elbow)), axis=-1)
        axes, size = _hand_axes(seen, forearm, side, hand, bend, fps)
        for part in ("hand", "index", "pinky"):
            place = np.array(PLACES["middle" if part == "hand" else part]) * (1.0, float(part != "hand"), 1.0)
            at = wrist + size * (np.swapaxes(look, -1, -2) @ (axes @ place)[..., None])[..., 0]
            found[seen.known, extra.index(f"{side}_{part}")] = at[seen.known]
    return found if np.isfinite(found).any() else None


def _name(names: set[str], side: str, part: str) -> str | None:
    """Return what a layout calls a hand's base, knuckle or tip ('index tip'), or None."""
    finger, _, tip = part.partition(" ")
    joint = 4 if tip else 2 if finger == "thumb" else 1
    options = [f"{side}_hand_base", f"{side}_wrist"] if part == "base" else [f"{side}_hand_{finger}_{joint}"]
    options += [] if tip or part == "base" else [f"{side}_{finger}"]
    return next((name for name in options if name in names), None)


def _seen(track: KeypointTrack, side: str, look: Array, depth: Array, camera: Intrinsics) -> _Seen | None:
    names = set(track.skeleton.joint_names)

    def points(part: str) -> Array | None:
        name = _name(names, side, part)
        if name is None:
            return None
        rays = (look @ unproject(track.keypoints[:, track.skeleton.index(name)], camera)[..., None])[..., 0]
        return rays[:, :2] / rays[:, 2:] * depth[:, None]

    base = points("base")
    if base is None:
        return None
    knuckles = {part: at - base for part in PLACES if (at := points(part)) is not None}
    if not {"index", "pinky"} <= knuckles.keys():
        return None
    known = np.isfinite(knuckles["index"]).all(-1) & np.isfinite(knuckles["pinky"]).all(-1)
    ends = [at - base for finger in FINGERS if (at := points(f"{finger} tip")) is not None]
    return _Seen(knuckles, np.mean(ends, 0) if len(ends) == len(FINGERS) else None, known)


def _hand_axes(seen: _Seen, forearm: Array, side: str, usual: float, bend: Array, fps: float) -> tuple[Array, float]:
    """Return a hand's axes (T, 3, 3), columns: along it, to the index finger's side, to the palm's side; and its length.

    forearm: (T, 3, 3) how the forearm's bone has turned since rest; both in axes whose z is the line of sight.
    """
    middle = over_time(0.5 * (seen.knuckles["index"] + seen.knuckles["pinky"]), seen.known)
    along = 0.5 * (PLACES["index"][0] + PLACES["pinky"][0])
    at_rest = normalised(np.array(HUMAN_DIRECTIONS[f"{side}_wrist"]))
    down = np.cross(at_rest, (0.0, -1.0, 0.0)) * (1 if side == "l" else -1)  # where the palm faces in a T-pose
    arm, front, palm = (forearm @ axis for axis in (at_rest, np.array([0.0, -1.0, 0.0]), down))
    size, tells = usual, seen.known & (np.abs(arm[:, 2]) < LEVEL)
    if tells.any():
        lengths = np.linalg.norm(middle[tells], axis=-1) / along / np.sqrt(1 - arm[tells, 2] ** 2)
        size = float(np.clip(np.median(lengths), usual * HAND_SIZES[0], usual * HAND_SIZES[1]))
    pointing = normalised(_calmed(_pointing(middle / (size * along), arm), fps))
    arc = shortest_arc(arm, pointing)
    front, palm = ((arc @ axis[..., None])[..., 0] for axis in (front, palm))

    def axes(turn: Array) -> Array:
        """Return the hand's axes for turns of the palm (T, ...) from facing down in a T-pose, the thumb coming up."""
        cosine, sine = (part[..., None] for part in (np.cos(turn), np.sin(turn)))
        shape = (slice(None), *(None,) * (turn.ndim - 1))
        index_side = cosine * front[shape] - sine * palm[shape]
        return np.stack(
            [np.broadcast_to(pointing[shape], index_side.shape), index_side, cosine * palm[shape] + sine * front[shape]], -1
        )

    grid = np.arange(STEPS) * (2 * np.pi / STEPS)
    cost = _misfit(seen, axes(np.tile(grid, (len(middle), 1))), size) + _reluctance(grid, bend)
    return axes(best_turns(cost, fps)), size


def _pointing(measured: Array, arm: Array) -> Array:
    """Return where a hand points (T, 3): as measured in the image (T, 2), in hand lengths, and as the forearm in depth.

    Near the line of sight the foreshortening tells the depth; square to it, it tells little, and the forearm's slope counts.
    """
    level = np.minimum(np.linalg.norm(measured, axis=-1), 1.0)
    across = normalised(measured, fallback=(1.0, 0.0))
    shortened = np.where(arm[:, 2] < 0, -1.0, 1.0) * np.sqrt(1 - level * level)
    trust = ramp(np.abs(arm[:, 2]), 0.2, 0.6)
    depth = np.clip(trust * shortened + (1 - trust) * arm[:, 2], -1, 1)
    return np.concatenate([across * np.sqrt(1 - depth * depth)[:, None], depth[:, None]], -1)


def _misfit(seen: _Seen, axes: Array, size: float) -> Array:
    """Return what hands of given axes (T, N, 3, 3) fit the points badly: (T, N), 1 for a point that is off by its spread."""
    cost = np.zeros(axes.shape[:2])
    pair = ("index", "pinky")
    middle = 0.5 * sum(seen.knuckles[part] for part in pair)
    centre = 0.5 * sum(np.array(PLACES[part]) for part in pair)
    for part, at in seen.knuckles.items():
        placed = size * (axes @ (np.array(PLACES[part]) - centre))[..., :2]
        off = ((placed - (at - middle)[:, None]) ** 2).sum(-1) / (SPREAD[part] * size) ** 2
        cost += np.nan_to_num(off / (1 + off / 9.0))
    if seen.tips is not None:
        pointing = axes[:, 0, :2, 0]
        square = np.stack([-pointing[:, 1], pointing[:, 0]], -1)
        beside = ((seen.tips - middle) * normalised(square)).sum(-1)[:, None] / size
        palm = (axes[..., :2, 2] * normalised(square)[:, None]).sum(-1)
        off = (beside - CURL * palm) ** 2 / (SPREAD["thumb"] ** 2 + (CURL_SPREAD * palm) ** 2)
        cost += np.nan_to_num(ramp(np.linalg.norm(pointing, axis=-1), 0.3, 0.6)[:, None] * off / (1 + off / 9.0))
    return np.where(seen.known[:, None], cost, 0.0)


def _reluctance(grid: Array, bend: Array) -> Array:
    """Return what turns of a palm (N,) cost beyond those that a forearm makes, (T, N). bend: (T,) sine of the elbow's."""
    beyond = np.maximum(0, np.abs(wrapped_angle(grid)) - FARTHEST) / BEYOND
    return ramp(bend, *BENT)[:, None] * beyond**2 + 0.02 * (1 - np.cos(grid))


def best_turns(cost: Array, fps: float) -> Array:
    """Return the turns (T,) in radians, continuous, of least cost (T, N) over a full circle, that speed up and slow down least.

    Viterbi's algorithm over angle and speed, on frames about 1 / `RATE` apart; between angles and frames it is interpolated.
    """
    stride = max(1, round(fps / RATE))
    width = len(cost) // stride * stride or len(cost)
    thinned = cost[:width].reshape(-1, min(stride, width), cost.shape[1]).mean(1) if stride > 1 else cost
    path = _cheapest(thinned, fps / stride)
    steps, count = np.unwrap(path * (2 * np.pi / cost.shape[1])), cost.shape[1]
    rows, at = np.arange(len(path)), path % count
    before, here, after = (thinned[rows, (at + shift) % count] for shift in (-1, 0, 1))
    curve = before + after - 2 * here
    fine = np.clip(np.where(curve > 1e-6, 0.5 * (before - after) / np.where(curve > 1e-6, curve, 1.0), 0.0), -0.5, 0.5)
    centres = (rows + 0.5) * stride - 0.5
    turns = np.interp(np.arange(len(cost)), centres, steps + fine * (2 * np.pi / count))
    return _calmed(turns[:, None], fps)[:, 0]


def _calmed(values: Array, fps: float) -> Array:
    """Return (T, C) values under a bell of `CALM` seconds; the ends are held."""
    reach = max(1, round(2 * CALM * fps))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (CALM * fps)) ** 2)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, bell / bell.sum(), mode="valid") for column in padded.T], -1)


def _cheapest(cost: Array, fps: float) -> NDArray[np.int64]:
    """Return the angles (T,), as indices, of the cheapest path through (T, N) costs."""
    count = cost.shape[1]
    step = 2 * np.pi / count
    fastest = int(np.clip(np.ceil(FASTEST / fps / step), 1, count // 6))
    change = np.arange(-2, 3) if fps >= 20 else np.arange(-4, 5)
    speeds = np.arange(-fastest, fastest + 1)
    price = (change * step * fps * fps / SUDDEN) ** 2
    came_from = (np.arange(count)[:, None] - speeds) % count
    earlier = np.arange(len(speeds))[None] - change[:, None]  # by change of speed: the speed before, as an index
    outside = (earlier < 0) | (earlier >= len(speeds))
    score = np.tile(cost[0][:, None], (1, len(speeds)))
    choice = np.empty((len(cost), count, len(speeds)), np.int8)
    for t in range(1, len(cost)):
        options = score[:, np.clip(earlier, 0, len(speeds) - 1)] + np.where(outside, np.inf, price[:, None])
        best = options.argmin(1)
        arriving = np.take_along_axis(options, best[:, None], 1)[:, 0]
        columns = np.broadcast_to(np.arange(len(speeds)), came_from.shape)
        choice[t] = best[came_from, columns]
        score = arriving[came_from, columns] + cost[t][:, None]
    path = np.empty(len(cost), np.int64)
    angle, speed = np.unravel_index(int(score.argmin()), score.shape)
    for t in range(len(cost) - 1, -1, -1):
        path[t] = angle
        if t:
            change_index = choice[t, angle, speed]
            angle, speed = (angle - speeds[speed]) % count, speed - change[change_index]
    return path
