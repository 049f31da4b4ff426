# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid feet turned over a whole clip at once, so that toes and heels lie where they were seen and stand where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..rotation import matrix_from_rotation_vector, rotation_vector, skew
from .banded import solve_banded
from .solve import single_thread

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

COMMON = 0.015
"""Metres by which toe and heel lie off together, as the solved ankle does."""
USUAL = np.radians([8.0, 20.0, 18.0])
"""Radians that a foot rolls, bends and turns at the ankle, about its axes ahead, left and up."""
FLOOR, BELOW = 0.015, 0.015
"""Metres of a planted toe's height, and of what is under the floor."""
LEVEL = np.radians(5.0)
"""Radians that a sole on the floor is tilted sideways."""
SLIDE = 0.1
"""Metres per second of a planted toe."""
ACCELERATION, PEAK = 120.0, 3.0
"""Radians per second squared of a foot's turning; such changes and slides count less and less beyond so many times as much."""
STEPS, TOLERANCE = 12, 1e-3


@dataclass(frozen=True)
class Feet:
    """What is known of F feet over T frames, in the camera's frame, or in the world of a camera that is known.

    turn: (T, 3, 3), shift: (T, 3), to the camera's frame.
    ankles: (T, F, 3) metres; carried: (T, F, 3, 3) how each foot is turned while its ankle does not bend, columns ahead, left,
    up; places: (T, F, 2, 2) toe and heel as seen, metres in the plane through the ankle, scores: (T, F, 2), 0 where unseen;
    noise: (F, 2) metres. shape: (2, 3) toe and heel from the ankle in the foot's axes. up: (3,); level: up . x of the floor,
    None where there is none; stands: metres that an ankle stands above it; flat: (T, F) where the foot stands; planted: (T, F)
    where the toe does, and whether it is held in its place there. size: of the body, 1 for the usual one.
    """

    turn: Array
    shift: Array
    ankles: Array
    carried: Array
    places: Array
    scores: Array
    noise: Array
    shape: Array
    up: Array
    level: float | None
    stands: float
    flat: Mask
    planted: Mask
    size: float
    fps: float
    held: bool = False

    def during(self, frames: slice, foot: int) -> Feet:
        """Return one foot in some of the frames."""
        parts = ("ankles", "carried", "places", "scores", "flat", "planted")
        cut = {name: getattr(self, name)[frames, foot : foot + 1] for name in parts}
        return replace(self, **cut, turn=self.turn[frames], shift=self.shift[frames], noise=self.noise[foot : foot + 1])

    def seen(self, points: Array) -> Array:
        """Return points (T, F, ..., 3) in the camera's frame."""
        return np.einsum("tab,t...b->t...a", self.turn, points) + self.shift.reshape(-1, *(1,) * (points.ndim - 2), 3)

    def points(self, turns: Array) -> Array:
        """Return toe and heel (T, F, 2, 3) of feet turned by (T, F, 3, 3)."""
        return self.ankles[..., None, :] + np.einsum("tfij,kj->tfki", turns, self.shape)

    def heights(self, points: Array) -> Array:
        """Return how far (T, F, 2) toe and heel are above where they are in a foot that stands flat."""
        assert self.level is not None
        return points @ self.up - self.level - self.stands - self.shape[:, 2]


def frame_costs(feet: Feet, turns: Array, bends: Array | None = None) -> Array:
    """Return what each foot costs in each frame by itself, (T, F); turns: (T, F, 3, 3), broadcast against the feet's.

    bends: what turns are seen from the feet at ease, where that is known.
    """
    total = np.zeros(turns.shape[:2])
    for error, _, robust in _frame_terms(feet, turns, False, bends):
        square = (error**2).sum(-1)
        total += (np.log1p(square / 2) if robust else 0.5 * square).sum(-1)
    return total


def turn_feet(feet: Feet, turns: Array) -> Array:
    """Return the turns (T, F, 3, 3) of least cost near those given: Levenberg and Marquardt's method, all frames at once."""
    damping, cost = 1e-3, _cost(feet, turns)
    with single_thread():
        for _ in range(STEPS):
            bands, gradient = _system(feet, turns)
            while damping < 1e6:
                step = _step(bands, gradient, damping).reshape(*turns.shape[:2], 3)
                moved = matrix_from_rotation_vector(step) @ turns
                new = _cost(feet, moved)
                if new < cost:
                    break
                damping *= 10
            else:
                break
            turns, gained, cost, damping = moved, cost - new, new, max(0.2 * damping, 1e-6)
            if gained < TOLERANCE * cost:
                break
    return turns


def _mixing(feet: Feet) -> Array:
    """Return (T, F, 2, 2) by which the errors of toe and heel are weighed: their difference, exact, and their middle, less so.

    These are the axes of the errors' covariance where a common error is added to each one's own.
    """
    noise = feet.noise * feet.size
    own = np.sqrt((noise**2).mean(-1))[:, None, None]
    common = COMMON * feet.size
    both = np.array([[1.0, -1.0], [0.5, 0.5]]) / np.concatenate([np.sqrt(2) * own, np.sqrt(own**2 / 2 + common**2)], 1)
    seen = feet.scores > 0
    alone = np.eye(2) / np.sqrt(noise**2 + common**2)[:, None] * seen[..., None, :]
    mixed = np.where(seen.all(-1)[..., None, None], both, alone)
    weight = np.where(seen.all(-1), feet.scores.min(-1), feet.scores.max(-1))
    return mixed * np.sqrt(weight)[..., None, None]


def _frame_terms(feet: Feet, turns: Array, slopes: bool = True, bends: Array | None = None) -> list[tuple[Array, Array, bool]]:
    """Return (errors (T, F, K, C), derivatives (T, F, K, C, 3) by a turn on the left, robust or not) of every kind of term."""
    points = feet.points(turns)
    none = np.zeros(0)
    lever = -skew(points - feet.ankles[..., None, :]) if slopes else none
    seen = feet.seen(points)
    depth = np.maximum(seen[..., 2:], 0.1 * feet.size)
    scale = feet.seen(feet.ankles)[..., None, 2:] / depth
    mixing = _mixing(feet)
    off = np.where(feet.scores[..., None] > 0, seen[..., :2] * scale - feet.places, 0.0)
    seen_slope = none
    if slopes:
        view = np.zeros((*points.shape[:3], 2, 3))
        view[..., 0, 0] = view[..., 1, 1] = 1.0
        view[..., 2] = -seen[..., :2] / depth
        seen_slope = np.einsum("tfkj,tfjab->tfkab", mixing, (scale[..., None] * view) @ feet.turn[:, None, None] @ lever)
    terms = [(mixing @ off, seen_slope, True)]
    inwards = np.swapaxes(feet.carried, -1, -2)
    bent = rotation_vector(inwards @ turns if bends is None else bends) / USUAL
    terms.append((bent[..., None, :], (inwards / USUAL[:, None])[..., None, :, :], False))
    if feet.level is None:
        return terms
    heights = feet.heights(points)
    rise = np.einsum("a,tfkab->tfkb", feet.up, lever) if slopes else none
    under = (heights < 0) / (BELOW * feet.size)
    toe = feet.planted[..., None] / (FLOOR * feet.size)
    aside = turns[..., 1]
    tilted = feet.flat[..., None] / LEVEL
    terms += [
        ((under * heights)[..., None], (under[..., None] * rise)[..., None, :] if slopes else none, False),
        ((toe * heights[..., :1])[..., None], (toe[..., None] * rise[..., :1, :])[..., None, :] if slopes else none, True),
        (
            (tilted * (aside @ feet.up)[..., None])[..., None],
            (tilted * -(feet.up @ skew(aside)))[..., None, None, :] if slopes else none,
            True,
        ),
    ]
    return terms


def _pins(feet: Feet) -> Array:
    """Return (T - 1, F) weights of squared changes of the toe's place."""
    return feet.held * (feet.planted[1:] & feet.planted[:-1]) * (feet.fps / (SLIDE * np.sqrt(feet.size))) ** 2


def _turning(feet: Feet, turns: Array) -> tuple[Array, float]:
    """Return by how much the turning changes (T - 2, F, 3), and the weight of its square."""
    rate = rotation_vector(turns[1:] @ np.swapaxes(turns[:-1], -1, -2))
    return np.diff(rate, axis=0), (feet.fps**2 * feet.size / ACCELERATION) ** 2


def _cost(feet: Feet, turns: Array) -> float:
    total = float(frame_costs(feet, turns).sum())
    change, weight = _turning(feet, turns)
    total += float(PEAK**2 * np.log1p(weight * (change**2).sum(-1) / (2 * PEAK**2)).sum())
    slid = np.diff(feet.points(turns)[:, :, 0], axis=0)
    return total + float(PEAK**2 * np.log1p(_pins(feet) * (slid**2).sum(-1) / (2 * PEAK**2)).sum())


def _robust(weight: Array | float, change: Array) -> Array:
    """Return the weight of changes (..., 3) in which those beyond `PEAK` deviations count less and less."""
    return np.asarray(weight / (1 + weight * (change**2).sum(-1) / (2 * PEAK**2)))


def _system(feet: Feet, turns: Array) -> tuple[list[Array], Array]:
    """Return the bands of the Gauss-Newton matrix, (T - d, F, 3, 3), and the gradient (T, F, 3)."""
    frames, count = turns.shape[:2]
    first = np.zeros((frames, count, 3, 3))
    gradient = np.zeros((frames, count, 3))
    for error, slope, tamed in _frame_terms(feet, turns):
        weight = 1 / (1 + (error**2).sum(-1) / 2) if tamed else np.ones(error.shape[:-1])
        heavy = weight[..., None, None] * slope
        first += np.einsum("tfkca,tfkcb->tfab", heavy, slope)
        gradient += np.einsum("tfkca,tfkc->tfa", heavy, error)
    beside, after = np.zeros((max(frames - 1, 0), count, 3, 3)), np.zeros((max(frames - 2, 0), count, 3, 3))
    points = feet.points(turns)[:, :, 0]
    lever = -skew(points - feet.ankles)
    slid = np.diff(points, axis=0)
    pins = _robust(_pins(feet), slid)[..., None]
    for place, sign in ((slice(1, None), 1.0), (slice(None, -1), -1.0)):
        back = np.swapaxes(lever[place], -1, -2)
        first[place] += pins[..., None] * (back @ lever[place])
        gradient[place] += sign * pins * (back @ slid[..., None])[..., 0]
    beside -= pins[..., None] * (np.swapaxes(lever[:-1], -1, -2) @ lever[1:])
    if frames > 2:
        change, weight = _turning(feet, turns)
        robust = _robust(weight, change)[..., None]
        eye = robust[..., None] * np.eye(3)
        for shift, factor in enumerate((1.0, -2.0, 1.0)):
            gradient[shift : shift + frames - 2] += factor * robust * change
            first[shift : shift + frames - 2] += factor**2 * eye
        beside[: frames - 2] -= 2 * eye
        beside[1 : frames - 1] -= 2 * eye
        after += eye
    return [first, beside, after], gradient


def _step(bands: list[Array], gradient: Array, damping: float) -> Array:
    """Return the damped Gauss-Newton step (T, 3 F)."""
    frames, count = gradient.shape[:2]
    blocks = []
    for band in bands:
        wide = np.zeros((len(band), count, 3, count, 3))
        for foot in range(count):
            wide[:, foot, :, foot] = band[:, foot]
        blocks.append(torch.as_tensor(wide.reshape(len(band), 3 * count, 3 * count)))
    blocks[0].diagonal(dim1=1, dim2=2).mul_(1 + damping).add_(1e-6)
    return np.asarray(solve_banded(blocks, torch.as_tensor(-gradient.reshape(frames, -1))).numpy())
