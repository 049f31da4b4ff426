# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts of equal length told apart by geometry, over all detections of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..skeleton import HUMAN26, Skeleton
from .tables import LAYOUTS, STANDING, body_count

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ENOUGH = 300
"""Detections that are looked at, evenly over the clip."""
CLEAR = 0.12
"""Octaves by which the second best layout must fit worse, to be sure."""
LONGEST = 0.35
"""Of the person's size; a layout whose edges are longer on average is hardly the right one."""
SHORTEST = 0.05
"""Metres; detectors place eyes and ears no better than that."""
MOST_OCTAVES = 3.0
"""What one edge may count at most, so that a keypoint that flew off does not decide."""


@dataclass(frozen=True)
class Fit:
    """How a layout fits a clip's detections.

    length: mean length of its edges, as a share of the person's size; excess: by how many octaves its edges are longer than
    such a body's; count: of how many detections. A wrong layout's edges run all over the body: both are larger.
    """

    length: float
    excess: float
    count: int

    @property
    def misfit(self) -> float:
        """Octaves; the weights were chosen on five motions from twenty sides, which all are told right by at least 0.2."""
        return 2 * self.excess + float(np.log2(self.length)) if self.count else np.inf


def candidates(count: int) -> tuple[Skeleton, ...]:
    """Return the layouts of so many keypoints that files write without names, the more usual ones first."""
    return tuple(layout for layout in LAYOUTS.values() if len(layout) == count and layout is not HUMAN26)


def known_lengths() -> list[int]:
    """Return how many keypoints known layouts have, in rising order."""
    return sorted({len(layout) for layout in LAYOUTS.values()})


def tell_layout(keypoints: Floats, scores: Floats, among: Sequence[Skeleton]) -> tuple[Skeleton, list[str]]:
    """Tell layouts of equal length apart by geometry, over the whole clip: the one that fits best wins.

    keypoints: (N, J, 2), scores: (N, J), among: layouts of J joints. Returns it with a note on the evidence, which also says
    where that is thin.
    """
    if len(among) == 1:
        return among[0], []
    every = max(1, len(keypoints) // ENOUGH)
    keypoints, scores = keypoints[::every], scores[::every]
    sizes = _sizes(keypoints, scores)
    fits = [fit(keypoints, scores, skeleton, sizes) for skeleton in among]
    best, second = np.argsort([each.misfit for each in fits], kind="stable")[:2]
    name, other = among[best].name, among[second].name
    one, two = fits[best], fits[second]
    if not one.count or two.misfit - one.misfit < CLEAR or one.length > LONGEST:
        return among[best], [f"layout taken for {name}, but it might be {other}; set it by hand if so."]
    return among[best], [
        f"layout {name}: its edges measure {one.length:.2f} of a person's size on average, too long for a body by "
        f"{one.excess:.1f} octaves; those of {other} {two.length:.2f} and {two.excess:.1f} ({one.count} detections)."
    ]


def fit(keypoints: Floats, scores: Floats, skeleton: Skeleton, sizes: Floats | None = None) -> Fit:
    """Measure how a layout fits detections (N, J, 2) with scores (N, J); sizes: (N,) theirs, where they are known already.

    Foreshortening makes edges shorter, never longer: in units of a standing person's, no edge of the right layout is much
    longer than the detection's median edge.
    """
    heads, tails, expected = _edges(skeleton)
    size = _sizes(keypoints, scores) if sizes is None else sizes
    # Edges first and detections last: NumPy sorts and adds along a short last axis several times slower.
    seen = np.minimum(scores[:, heads], scores[:, tails]).T > 0
    count = seen.sum(0)
    enough = (count >= max(3, len(heads) // 3)) & np.isfinite(size)
    if not enough.any():
        return Fit(np.inf, np.inf, 0)
    seen, size, count = seen[:, enough], size[enough], count[enough]
    apart = (keypoints[:, heads] - keypoints[:, tails])[enough]
    length = np.where(seen, np.hypot(apart[..., 0], apart[..., 1]).T, 0.0)
    ratio = length / expected[:, None]
    usual = np.maximum(_medians(np.where(seen, ratio, np.inf), count), 1e-9)
    over = np.log2(np.maximum(ratio / usual, 1.0))
    mean = length.sum(0) / (count * size)
    return Fit(
        float(np.exp2(np.log2(np.maximum(mean, 1e-9)).mean())),
        float((np.minimum(over, MOST_OCTAVES).sum(0) / count).mean()),
        len(count),
    )


@cache
def _edges(skeleton: Skeleton) -> tuple[Indices, Indices, Floats]:
    """Return the two joints of each of the body's edges, and its length in a standing person, metres."""
    body = body_count(skeleton)
    heads, tails = np.array([(parent, joint) for parent, joint in skeleton.edges if joint < body]).T
    places = np.array([STANDING[name] for name in skeleton.joint_names[:body]])
    return heads, tails, np.maximum(np.linalg.norm(places[heads] - places[tails], axis=-1), SHORTEST)


def _medians(values: Floats, count: Indices) -> Floats:
    """Return the (N,) medians of the first axis, of which so many (N,) values are finite."""
    ordered, column = np.sort(values, axis=0), np.arange(len(count))
    return (ordered[(count - 1) // 2, column] + ordered[count // 2, column]) / 2


def _sizes(keypoints: Floats, scores: Floats) -> Floats:
    """Return (N,) diagonals of the boxes around what was seen, pixels; NaN where that is a point or nothing."""
    places = np.moveaxis(keypoints, 0, -1).copy()
    np.copyto(places, np.nan, where=~(scores.T > 0)[:, None])
    size = np.hypot(*(np.fmax.reduce(places, 0) - np.fmin.reduce(places, 0)))
    return np.where(size > 0, size, np.nan)
