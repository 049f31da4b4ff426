# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts of equal length told apart by geometry, over all detections of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..skeleton import HUMAN26, Skeleton
from .tables import LAYOUTS, body_count

Floats = NDArray[np.float64]

ENOUGH = 4000
"""Detections that are looked at, evenly over the clip."""
CLEAR = 1.15
"""Times as long as the best layout's edges must be those of the second best, to be sure."""


def candidates(count: int) -> tuple[Skeleton, ...]:
    """Return the layouts of so many keypoints that files write without names, the more usual ones first."""
    return tuple(layout for layout in LAYOUTS.values() if len(layout) == count and layout is not HUMAN26)


def known_lengths() -> list[int]:
    """Return how many keypoints known layouts have, in rising order."""
    return sorted({len(layout) for layout in LAYOUTS.values()})


def tell_layout(keypoints: Floats, scores: Floats, among: Sequence[Skeleton]) -> tuple[Skeleton, list[str]]:
    """Tell layouts of equal length apart by geometry: with the wrong one, edges run all over the body.

    Each detection's edge lengths are averaged (weighted by score) in units of its size; the layout whose median over
    the whole clip is smallest wins. keypoints: (N, J, 2), scores: (N, J), among: layouts of J joints. Returns it with a note
    on the evidence, which also says where it is thin.
    """
    if len(among) == 1:
        return among[0], []
    every = max(1, len(keypoints) // ENOUGH)
    keypoints, scores = keypoints[::every], scores[::every]
    size = _sizes(keypoints, scores)
    found = [_edge_length(keypoints, scores, size, skeleton) for skeleton in among]
    medians, used = [median for median, _ in found], max(count for _, count in found)
    best, second = np.argsort(medians, kind="stable")[:2]
    name = among[best].name
    if not np.isfinite(medians[best]) or medians[second] < CLEAR * medians[best]:
        return among[best], [f"layout taken for {name}, but it might be {among[second].name}; set it by hand if so."]
    return among[best], [
        f"layout {name}: its edges measure {medians[best]:.2f} of a person's size on average, those of "
        f"{among[second].name} {medians[second]:.2f} (median of {used} detections)."
    ]


def _sizes(keypoints: Floats, scores: Floats) -> Floats:
    """Return (N,) diagonals of the boxes around what was seen, pixels; NaN where that is a point or nothing."""
    seen = (scores > 0)[..., None]
    low = np.where(seen, keypoints, np.inf).min(1)
    high = np.where(seen, keypoints, -np.inf).max(1)
    size = np.linalg.norm(np.where(high > low, high - low, 0.0), axis=-1)
    return np.where(size > 0, size, np.nan)


def _edge_length(keypoints: Floats, scores: Floats, size: Floats, skeleton: Skeleton) -> tuple[float, int]:
    """Return the median over detections of the mean length of the body's edges, and of how many detections."""
    edges = [(parent, joint) for parent, joint in skeleton.edges if joint < body_count(skeleton)]
    heads, tails = np.array(edges).T
    weight = np.minimum(scores[:, heads], scores[:, tails])
    with np.errstate(invalid="ignore", divide="ignore"):
        length = np.linalg.norm(keypoints[:, heads] - keypoints[:, tails], axis=-1) / size[:, None]
        mean = np.where(weight > 0, length * weight, 0.0).sum(1) / weight.sum(1)
    enough = ((weight > 0).sum(1) >= len(heads) // 3) & np.isfinite(mean)
    return (float(np.median(mean[enough])) if enough.any() else np.inf), int(enough.sum())
