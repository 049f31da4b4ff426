# SPDX-License-Identifier: GPL-3.0-or-later
"""The twist of a bone over a whole clip: measured where it can be, calm where it cannot.

A direction leaves one degree of freedom open, the turn about the bone itself. It is given here as an angle from a
reference frame per frame (the shortest arc from rest). A bent elbow or knee measures it; a straight one does not, and
near the opposite of the rest direction the reference itself spins. So the angle is solved for the clip as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rotation import shortest_arc

Array = NDArray[np.float64]

MEMORY = 0.05
"""Seconds over which neighbouring frames vouch for one another."""
CALM = 0.02
"""Weight of the reference frame, against 1 for a fully measured angle."""
FASTEST = np.radians(600.0)
"""Twist rate about the bone, radians per second, that is not exceeded."""
LARGEST_STEP = np.radians(25.0)
"""Twist between two frames, radians, that is not exceeded at low frame rates."""


def signed_angle(start: Array, end: Array, axis: Array) -> Array:
    """Return the angle (...) in radians that turns `start` to `end` about the unit `axis`; all (..., 3)."""
    across = np.cross(axis, start)
    return np.arctan2((across * end).sum(-1), (start * end).sum(-1) - (axis * start).sum(-1) * (axis * end).sum(-1))


def transport_angles(directions: Array, references: Array) -> Array:
    """Return how far the reference lags behind twist-free motion, (T - 1,) radians.

    directions: (T, 3) unit; references: (T, 3) unit, perpendicular. Frame t's reference, carried to t + 1 by the shortest
    arc between the directions, stands at this angle from t + 1's own (a discrete parallel transport; Bergou et al. 2008,
    "Discrete elastic rods", section 4.2.2).
    """
    carried = (shortest_arc(directions[:-1], directions[1:]) @ references[:-1, :, None])[..., 0]
    return signed_angle(references[1:], carried, directions[1:])


def solve_twist(angles: Array, weights: Array, calm: Array, transport: Array, fps: float) -> Array:
    """Return the twist (T,) in radians that fits the measured angles, keeps still and does not jump.

    angles, weights: (T,) measured twist from the reference, and how far it is to be trusted. calm: (T,) trust in the
    reference itself, 0..1. transport: (T - 1,) from `transport_angles`.
    With z = exp(i twist) it minimises sum w |z - exp(i angle)|^2 + c |z - 1|^2 + m |z' - exp(i transport) z|^2, which is
    linear and knows no branch cut, and then limits the rate of the result.
    """
    gauge = np.concatenate([[0.0], np.cumsum(transport)])
    pull = CALM * calm
    right = (weights * np.exp(1j * angles) + pull) * np.exp(-1j * gauge)
    z = _smooth(right, weights + pull + 1e-9, (MEMORY * fps) ** 2)
    away = np.unwrap(np.angle(z))
    return _limited(away, min(FASTEST / fps, float(LARGEST_STEP))) + gauge


def _smooth(right: NDArray[np.complex128], diagonal: Array, stiffness: float) -> NDArray[np.complex128]:
    """Solve (diag(diagonal) + stiffness * path Laplacian) z = right by Thomas' algorithm."""
    count = len(right)
    if count == 1:
        return right / diagonal
    ends = np.full(count, 2 * stiffness)
    ends[[0, -1]] = stiffness
    pivots, values = (diagonal + ends).tolist(), right.tolist()
    for t in range(1, count):
        share = stiffness / pivots[t - 1]
        pivots[t] -= share * stiffness
        values[t] += share * values[t - 1]
    values[-1] /= pivots[-1]
    for t in range(count - 2, -1, -1):
        values[t] = (values[t] + stiffness * values[t + 1]) / pivots[t]
    return np.array(values)


def _limited(angles: Array, step: float) -> Array:
    """Limit the change of (T,) angles between frames; a jump is shared by the frames before and after it."""
    if len(angles) < 2 or np.abs(np.diff(angles)).max() <= step:
        return angles

    def chase(values: list[float]) -> list[float]:
        at, path = values[0], []
        for value in values:
            at += min(max(value - at, -step), step)
            path.append(at)
        return path

    forward, backward = chase(angles.tolist()), chase(angles[::-1].tolist())[::-1]
    return 0.5 * (np.array(forward) + np.array(backward))
