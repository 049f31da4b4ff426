# SPDX-License-Identifier: GPL-3.0-or-later
"""The focal length where nobody knows it: the one under which the whole track is explained best, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDEST, LONGEST = 0.55, 2.6
"""Focal lengths that are tried, over the image's longer side: of 20 mm and 94 mm lenses on a sensor 36 mm wide."""
TRIED = 7
REFINED = 3
USUAL_SPREAD = 0.35
"""Standard deviation of the logarithm of what people film with, about the usual field of view."""
SECONDS = 0.5
"""Neighbouring frames err alike: so long counts as one observation."""
MOST_FRAMES = 150


def estimate_focal(
    cost: Callable[[float], float], usual: float, side: float, fps: float, progress: Callable[[float], None] | None = None
) -> tuple[float, float]:
    """Return the likeliest focal length in pixels, and the standard deviation of its logarithm.

    cost: of the solve (half the squared residuals) under a focal length; usual: the one expected where the track says nothing;
    side: the image's longer side, pixels. The costs of some focal lengths are weighed against what is usual; a parabola in
    the logarithm through the least and its neighbours gives the place, its curvature the deviation (Laplace's approximation).
    """
    tried: dict[float, float] = {}

    def weigh(logarithm: float) -> None:
        focal = float(np.exp(logarithm))
        tried[logarithm] = cost(focal) / max(SECONDS * fps, 1) + 0.5 * (np.log(focal / usual) / USUAL_SPREAD) ** 2
        if progress:
            progress(len(tried) / (TRIED + 2 * REFINED))

    for logarithm in np.linspace(np.log(WIDEST * side), np.log(LONGEST * side), TRIED):
        weigh(float(logarithm))
    for _ in range(REFINED - 1):
        places = sorted(tried)
        best = min(max(places.index(min(tried, key=tried.__getitem__)), 1), len(places) - 2)
        for a, b in ((best - 1, best), (best, best + 1)):
            weigh(0.5 * (places[a] + places[b]))
    places = sorted(tried)
    values = np.array([tried[place] for place in places])
    near = np.argsort(values)[:5]
    x, y = np.array(places)[near], values[near]
    a, b, _ = np.polyfit(x - x[0], y, 2)
    if a <= 0:
        return float(np.exp(x[0])), USUAL_SPREAD
    best_place = float(np.clip(x[0] - b / (2 * a), x.min(), x.max()))
    return float(np.exp(best_place)), float(min(1 / np.sqrt(2 * a), USUAL_SPREAD))


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
