# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up when the body is not always upright: what body, camera and floor tell, weighed against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rig.bones import bone_table
from ..rig.rest import rest_pose
from ..rotation import normalised
from ..skeleton import Skeleton
from .contacts import velocity
from .world import body_line

Array = NDArray[np.float64]

DIRECTIONS = 2000
"""Directions that are compared: they lie 4 degrees apart."""
PITCH = ((0.85, np.radians(15)), (0.15, np.radians(40)))
"""How far cameras look up or down: shares and standard deviations. Most stand level; some look down from high up."""
ROLL = ((0.95, np.radians(5)), (0.05, np.radians(15)))
"""How far they are turned about their axis."""
ODD = 0.02
"""Share of cameras that hang anyhow: above the scene, or on their side."""
LASTS = 0.7
"""Seconds that a posture lasts: frames of so long tell once,"""
BRISK, STILL = 0.4, 0.2
"""of a body whose joints move against the root by so many metres per second; slower ones tell less, down to this share: who
lies still for long looks like who stands still before a camera on its side, and no longer look tells more."""
LEANS = np.radians(12)
"""How far an upright body leans."""
STRETCHED, STANDS = (0.5, 0.7, 0.8, 0.9, 0.95), (0.1, 0.5, 0.9, 0.985, 0.99)
"""From feet to the top of the trunk, as a share of that of who stands straight; and how often bodies so stretched are upright,
in the training data: crouched ones are any way."""
TRUNK = 0.9
"""How often trunks are, where no feet are seen."""
SHARES, SHARE_PRIOR = np.array([0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98]), 2.0
"""Shares of a clip that people may be upright in, and by which power the larger ones are likelier."""
UNEVEN, LEAP = 0.08, 0.15
"""Metres by which the lowest joint's height varies on the floor, and the share of frames in which it is anywhere."""
ROOM = 2.0
"""Metres of height in which it is, then."""
LEVELS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
"""Shares of the frames that may be lower than the floor's level: the best of them counts."""
BELOW = 0.02
"""Share of cameras that are more than a metre below the floor, as under a stage."""
MOST_FRAMES = 200
"""Frames that are looked at, evenly over the clip."""
SAME = np.radians(30)
"""How far what is likeliest may lie from the body's own uprightness, which then is the more exact."""
GUESSED = 0.1
REFINING_STEPS = 10
EVERYWHERE = 1 / (4 * np.pi)


@dataclass(frozen=True)
class Upright:
    """up: (3,) in the camera's frame; doubt: 0..1, how likely it lies elsewhere, by more than `SAME`."""

    up: Array
    doubt: float = 0.0


def likeliest_up(
    body: Array, joints: Array, scores: Array, lengths: Array, skeleton: Skeleton, fps: float, size: float
) -> Upright:
    """Compare directions all over the sphere: how likely a camera stands so, a body is so upright, and a floor is so level.

    body: (3,) the mean body's own up, which is returned where the likeliest direction is near it, or where the skeleton has no
    body axes; joints: (T, J, 3) metres in a static camera's frame; scores: (T, J); lengths: (J,) metres; size: 1 for an
    actor of usual height.
    """
    if skeleton.axes is None:
        return Upright(body)
    every = slice(None, None, max(1, len(joints) // MOST_FRAMES))
    tells = _posture_changes(joints, fps, size)[every]
    seconds = len(joints) / fps
    joints, scores, tells = joints[every], scores[every], tells * max(seconds / LASTS, 0.5) / len(tells)
    line, shown, feet = body_line(joints, scores, skeleton)
    stands = np.full(len(line), TRUNK)
    if feet:
        at_rest = rest_pose(bone_table(skeleton, joints), lengths).joints[None]
        straight = np.linalg.norm(body_line(at_rest, np.ones(at_rest.shape[:2]), skeleton)[0])
        stands = np.interp(np.linalg.norm(line, axis=-1) / straight, STRETCHED, STANDS)
        shown = np.minimum(shown, scores[:, feet].min(1))
    stands = np.where(shown > 0, stands, 0.0)
    places = _sphere(DIRECTIONS)
    score = np.log(camera_density(places)) + _of_body(normalised(line), stands, places, tells)
    if feet:
        score += _of_floor(joints, scores > 0, places, tells, size)
    share = np.exp(score - score.max())
    share /= share.sum()
    near = places @ places[share.argmax()] > np.cos(SAME / 2)
    up = normalised((share[near, None] * places[near]).sum(0))
    up = body if up @ body > np.cos(SAME) else _refined(up, normalised(line), stands, len(line) / seconds)
    return Upright(up, float(share[places @ up < np.cos(SAME)].sum()))


def _refined(up: Array, axis: Array, weight: Array, fps: float) -> Array:
    """Return the mean of the body's axes (T, 3) near `up`, which counts as much as `GUESSED` seconds of them.

    The camera's usual place pulls at what is likeliest; who stands is more exact.
    """
    first = GUESSED * fps * up
    for _ in range(REFINING_STEPS):
        near = weight * np.exp(-((axis - up) ** 2).sum(-1) / (2 * LEANS**2))
        up = normalised(first + (near[:, None] * axis).sum(0))
    return up


def _posture_changes(joints: Array, fps: float, size: float) -> Array:
    """Return how much each frame (T,) tells that those before do not, 0..1: how fast joints (T, J, 3) move against the first.

    Over half of `LASTS`, so that what trembles does not seem to move.
    """
    moving = velocity(joints - joints[:, :1], max(1, round(0.25 * LASTS * fps)))
    speed = np.linalg.norm(moving, axis=-1).mean(-1) * fps
    return np.clip(speed / (BRISK * np.sqrt(size)), STILL, 1.0)


def camera_density(up: Array) -> Array:
    """Return how likely up (N, 3) is in the axes of a camera, per steradian."""
    pitch = np.arcsin(np.clip(up[:, 2], -1, 1))
    roll = np.arctan2(up[:, 0], -up[:, 1])
    level = _normals(pitch, PITCH) * _normals(roll, ROLL) / np.maximum(np.cos(pitch), 0.2)
    return (1 - ODD) * level + ODD * EVERYWHERE


def _normals(angle: Array, parts: tuple[tuple[float, float], ...]) -> Array:
    return sum((s * np.exp(-0.5 * (angle / d) ** 2) / (np.sqrt(2 * np.pi) * d) for s, d in parts), np.zeros_like(angle))


def _of_body(axis: Array, weight: Array, places: Array, tells: Array) -> Array:
    """Return the log likelihood (N,) of the body's axis: near up while upright, anywhere else; for how long is not known."""
    upright = np.exp((axis @ places.T - 1) / LEANS**2) / (2 * np.pi * LEANS**2)
    prior = SHARES**SHARE_PRIOR / (SHARES**SHARE_PRIOR).sum()
    told = [
        np.log(p) + tells @ np.log(EVERYWHERE + share * weight[:, None] * (upright - EVERYWHERE))
        for share, p in zip(SHARES, prior, strict=True)
    ]
    return np.logaddexp.reduce(told, axis=0)


def _of_floor(joints: Array, seen: NDArray[np.bool_], places: Array, tells: Array, size: float) -> Array:
    """Return the log likelihood (N,) of the lowest joint's heights: on one level but for leaps, below the camera."""
    shown = seen.any(1)
    if not shown.any():
        return np.zeros(len(places))
    points, hidden = joints[shown], np.where(seen[shown], 0.0, np.inf)
    low = np.stack([(frame @ places.T + h[:, None]).min(0) for frame, h in zip(points, hidden, strict=True)], -1)
    spread = UNEVEN * size
    told = []
    for level in np.quantile(low, LEVELS, axis=1):
        on = np.exp(-0.5 * ((low - level[:, None]) / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)
        told.append(np.log((1 - LEAP) * on + LEAP / (ROOM * size)) @ tells[shown] + np.log(BELOW) * (level > size))
    return np.max(told, axis=0)


def _sphere(count: int) -> Array:
    """Return directions (N, 3) spread evenly over the sphere: a Fibonacci lattice (Gonzalez 2010)."""
    number = np.arange(count) + 0.5
    z, turn = 1 - 2 * number / count, np.pi * (1 + 5**0.5) * number
    return np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], -1)
