# SPDX-License-Identifier: GPL-3.0-or-later
"""The focal length where nobody knows it: the one under which the whole track is explained best, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WIDEST, LONGEST = 0.55, 2.6
"""Focal lengths that are tried, over the image's longer side: of 20 mm and 94 mm lenses on a sensor 36 mm wide."""
TRIED = 10
BENDS = 5
"""Degree of the polynomial through the costs: what solves leave unconverged makes them go up and down by chance."""
FINE = 200
USUAL_SPREAD = 0.35
"""Standard deviation of the logarithm of what people film with, about the usual field of view."""
SECONDS = 0.5
"""Neighbouring frames err alike: so long counts as one observation."""
MOST_FRAMES = 300

ROLLS = 0.15
"""Share of the body's speed with which an ankle goes along while its foot stands: it rolls over the sole. By it, the focal
length comes out right on the training data's walks."""
STANDS = 0.2
"""Metres per second by which the slower foot misses that, at usual height."""
FLIES = 2.0
"""Times as much, from where on it is taken for the time between two steps of a run."""


def estimate_focal(
    cost: Callable[[float], float], usual: float, side: float, fps: float, progress: Callable[[float], None] | None = None
) -> tuple[float, float]:
    """Return the likeliest focal length in pixels, and the standard deviation of its logarithm.

    cost: of the solve (half the squared residuals, or what counts as such) under a focal length; usual: the one expected where
    the track says nothing; side: the image's longer side, pixels. A smooth curve through the costs of some focal lengths,
    weighed against what is usual, is a distribution's negative logarithm: its mean and deviation are returned.
    """
    places = np.linspace(np.log(WIDEST * side), np.log(LONGEST * side), TRIED)
    costs = np.zeros(TRIED)
    for number, place in enumerate(places):
        costs[number] = cost(float(np.exp(place))) / max(SECONDS * fps, 1)
        if progress:
            progress((number + 1) / TRIED)
    fine = np.linspace(places[0], places[-1], FINE)
    curve = Polynomial.fit(places, costs, BENDS)  # type: ignore[no-untyped-call]
    unlikely = curve(fine) + 0.5 * ((fine - np.log(usual)) / USUAL_SPREAD) ** 2
    share = np.exp(unlikely.min() - unlikely)
    share /= share.sum()
    mean = float(share @ fine)
    return float(np.exp(mean)), float(np.sqrt(share @ (fine - mean) ** 2))


def sliding(feet: Array, seen: Mask, root: Array, fps: float, size: float) -> float:
    """Return by how much the slower foot fails to stand while the body goes its way, as a sum of squared residuals.

    feet: (T, F, 3) metres, seen: (T, F), root: (T, 3), in the frame of a static camera; size: of the actor, 1 for a usual one.
    Under a lens that is too long the body comes nearer by more than its steps reach, and the standing foot slides along;
    under one that is too short it slides back. Robust (Geman and McClure 1987): who runs has no foot on the floor at times.
    """
    shown = seen.any(1)
    if len(feet) < 3 or not shown.any():
        return 0.0
    step = np.gradient(feet, axis=0) - ROLLS * np.gradient(root, axis=0)[:, None]
    off = np.where(seen, np.linalg.norm(step, axis=-1), np.inf).min(1)[shown] * fps / (STANDS * size**0.5)
    return float((off**2 / (1 + (off / FLIES) ** 2)).sum())


def telling_frames(size: Array, most: int = MOST_FRAMES) -> slice:
    """Return the run of at most `most` frames over which a body's size in the image (T,), NaN where unknown, changes most.

    Coming nearer and walking away is what tells a lens.
    """
    if len(size) <= most:
        return slice(0, len(size))
    starts = range(0, len(size) - most + 1, max(1, most // 5))
    logs = np.log(np.maximum(size, 1e-9))

    def change(start: int) -> float:
        part = logs[start : start + most]
        part = part[np.isfinite(part)]
        return float(np.ptp(part)) if len(part) > most // 2 else -1.0

    start = max(starts, key=change)
    return slice(start, start + most)
