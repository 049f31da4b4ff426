# SPDX-License-Identifier: GPL-3.0-or-later
"""Detections: everybody that a detector saw in a clip, in order of frames, and how far apart two of them are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

BLOCK = 4096
_SHAPES = 1024
"""Detections or pairs that are worked on at a time: bounds the memory, and fits the processor's caches."""
MAX_STEP = 0.4
"""Of the person's size; farther nobody moves between neighbouring frames."""

_MIN_COMMON = 3  # keypoints
_DUPLICATE = 0.025


@dataclass(frozen=True)
class Detections:
    """All detections of a clip, ordered by frame.

    keypoints: (N, J, 2) pixels, NaN where missing; scores: (N, J) in 0..1, 0 where missing; frames: (N,) index of the
    frame, 0 <= frames < length; identities: (N,) person numbers where the source has them (no person twice in a frame).
    """

    keypoints: Floats
    scores: Floats
    frames: Indices
    length: int
    identities: Indices | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, keep: NDArray) -> Detections:
        """Return some of the detections (a mask or ascending indices); itself, uncopied, where a mask keeps all."""
        if keep.dtype == bool and keep.all():
            return self
        identities = None if self.identities is None else self.identities[keep]
        return Detections(self.keypoints[keep], self.scores[keep], self.frames[keep], self.length, identities)

    def first_joints(self, count: int | None) -> Detections:
        """Return the detections with their first joints only, uncopied; itself where these are all, or `count` is None."""
        if count is None or count >= self.scores.shape[1]:
            return self
        return Detections(self.keypoints[:, :count], self.scores[:, :count], self.frames, self.length, self.identities)

    @cached_property
    def sizes(self) -> Floats:
        """(N,) diagonals of the boxes around the keypoints, pixels."""
        return self._shapes[:, 2]

    @cached_property
    def centres(self) -> Floats:
        """(N, 2) means of the keypoints, weighted by score, pixels; 0 where there are none."""
        return self._shapes[:, :2]

    @cached_property
    def totals(self) -> Floats:
        """(N,) sums of the scores."""
        out: Floats = self.scores.sum(1)
        return out

    @cached_property
    def _shapes(self) -> Floats:
        out = np.zeros((len(self), 3))
        for at in range(0, len(self), _SHAPES):
            # Joints first and detections last: NumPy reduces along a short last axis five times slower.
            keypoints = np.moveaxis(self.keypoints[at : at + _SHAPES], 0, -1).copy()
            scores = np.ascontiguousarray(self.scores[at : at + _SHAPES].T)
            extent = np.fmax.reduce(keypoints, 0) - np.fmin.reduce(keypoints, 0)
            out[at : at + _SHAPES, 2] = np.nan_to_num(np.hypot(*extent))
            np.copyto(keypoints, 0.0, where=~(scores > 0)[:, None])
            weighted = np.einsum("jcn,jn->cn", keypoints, scores)
            out[at : at + _SHAPES, :2] = (weighted / np.maximum(scores.sum(0), 1e-9)).T
        return out


def beyond(found: Detections, most: int) -> Mask:
    """Mark what is beyond so many detections of a frame, by total score."""
    if not (found.frames[most:] == found.frames[:-most]).any():
        return np.zeros(len(found), bool)
    order = np.lexsort((-found.totals, found.frames))
    frames = found.frames[order]
    rank = np.empty(len(found), np.intp)
    rank[order] = np.arange(len(found)) - np.searchsorted(frames, frames)
    return rank >= most


def pairs(frames: Indices, step: int, of: slice = slice(None)) -> tuple[Indices, Indices]:
    """Return index arrays of all (i, j) with j's frame `step` after i's, of ascending frames; for step 0, i before j.

    of: which i are looked at.
    """
    some = frames[of] + step
    start = np.searchsorted(frames, some)
    count = np.searchsorted(frames, some, side="right") - start
    first, second = expand(start, count)
    first += of.start or 0
    if step:
        return first, second
    once = np.flatnonzero(first < second)
    return first[once], second[once]


def whole_frames(frames: Indices) -> Iterator[slice]:
    """Yield ascending frames in blocks, none of which ends within a frame."""
    start = 0
    while start < len(frames):
        stop = int(np.searchsorted(frames, frames[min(start + BLOCK, len(frames)) - 1], side="right"))
        yield slice(start, stop)
        start = stop


def expand(start: Indices, count: Indices) -> tuple[Indices, Indices]:
    """Return (row, value) of all value in start[row] ... start[row] + count[row] - 1."""
    row: Indices = np.repeat(np.arange(len(start)), count)
    value: Indices = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
    return row, value


def distances(found: Detections, first: Indices, second: Indices) -> Floats:
    """Return the (P,) mean distances of the keypoints that pairs of detections share, in units of the larger one's size.

    Infinite where too few are shared. A single keypoint counts 0.9 at most, so that one that flew off does not hide a match.
    """
    sizes = found.sizes
    out = np.empty(len(first))
    for at in range(0, len(first), _SHAPES):
        i, j = first[at : at + _SHAPES], second[at : at + _SHAPES]
        weight = found.scores[i]
        weight *= found.scores[j]
        np.sqrt(weight, out=weight)
        apart = found.keypoints[i]
        apart -= found.keypoints[j]
        apart *= apart
        far = apart[..., 0] + apart[..., 1]
        np.sqrt(far, out=far)
        with np.errstate(invalid="ignore", divide="ignore"):
            far /= np.maximum(sizes[i], sizes[j])[:, None]
            np.fmin(far, 0.5 + MAX_STEP, out=far)  # also where one is missing, which then has no weight
            mean = np.einsum("pj,pj->p", far, weight) / weight.sum(1)
        out[at : at + _SHAPES] = np.where(((weight > 0).sum(1) >= _MIN_COMMON) & np.isfinite(mean), mean, np.inf)
    return out


def duplicates(found: Detections) -> Mask:
    """Mark detections that lie on another one of the same frame with a higher total score."""
    out = np.zeros(len(found), bool)
    total = found.totals
    for block in whole_frames(found.frames):
        first, second = pairs(found.frames, 0, block)
        near = distances(found, first, second) < _DUPLICATE
        out[np.where(total[first] < total[second], first, second)[near]] = True
    return out
