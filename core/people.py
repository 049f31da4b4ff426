# SPDX-License-Identifier: GPL-3.0-or-later
"""People over time: a clip's loose detections are linked into one track per person.

Three passes, from sure to unsure. (1) Neighbouring frames: detections that are each other's clear best are linked, all
frames at once. (2) Where that was ambiguous (people cross), the pieces so far are continued frame by frame, by optimal
assignment to where a constant velocity takes them. (3) Pieces are joined over gaps, by optimal assignment, with the
velocities on both sides of the gap. Distances are mean keypoint distances in units of the person's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .assignment import assign, assign_sparse
from .skeleton import Skeleton
from .track import KeypointTrack

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MAX_PEOPLE_PER_FRAME = 50
"""More detections in one frame than this are cut to the best: it bounds time and memory on broken files."""

_MAX_STEP = 0.4  # of the person's size, between neighbouring frames
_CLEAR = 1.5  # how much worse the second best must be
_UNUSUAL = 3.0  # times the clip's median step
_DUPLICATE = 0.025
_MEMORY = 8  # frames that velocity and pose at a piece's end are taken from
_MIN_COMMON = 3  # keypoints
_MAX_PAIRS = 3_000_000
_MAX_TRACK_BYTES = 1 << 29


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
        """Return some of the detections (a mask or ascending indices)."""
        identities = None if self.identities is None else self.identities[keep]
        return Detections(self.keypoints[keep], self.scores[keep], self.frames[keep], self.length, identities)

    @cached_property
    def sizes(self) -> Floats:
        """(N,) diagonals of the boxes around the keypoints, pixels."""
        seen = (self.scores > 0)[..., None]
        low = np.where(seen, self.keypoints, np.inf).min(1)
        high = np.where(seen, self.keypoints, -np.inf).max(1)
        return np.linalg.norm(np.where(high >= low, high - low, 0.0), axis=-1)


def to_tracks(found: Detections, skeleton: Skeleton, max_gap: int = 30, **common: Any) -> list[KeypointTrack]:
    """Link detections and return one track per person, best seen first, each as long as the clip.

    `common` goes to every `KeypointTrack` (source, fps, image_size, first_frame, notes ...). Pieces of fewer than three
    frames are left out where longer ones exist, and so are the worst people beyond half a gigabyte of tracks; the notes
    say so. Returns [] where nobody is seen.
    """
    found = found.take((found.scores > 0).any(1))
    if not len(found):
        return []
    notes = list(common.pop("notes", ()))
    people = found.identities
    if people is None:
        crowd = _rank_in_frame(found) >= MAX_PEOPLE_PER_FRAME
        if crowd.any():
            notes.append(f"detections beyond {MAX_PEOPLE_PER_FRAME} in one frame, left out: {crowd.sum()}.")
            found = found.take(~crowd)
        people = link(found, max_gap)
    by_person = np.argsort(people, kind="stable")[(people < 0).sum() :]
    members = np.split(by_person, np.flatnonzero(np.diff(people[by_person])) + 1)
    if (people < 0).any():
        notes.append(f"duplicates of other detections, left out: {(people < 0).sum()}.")
    least = min(3, max(map(len, members))) if found.identities is None else 1
    short = sum(len(m) for m in members if len(m) < least)
    if short:
        notes.append(f"detections of nobody that is seen in {least} frames or more, left out: {short}.")
    sizes, means = found.sizes, found.scores.mean(1)
    rank = sorted((m for m in members if len(m) >= least), key=lambda m: -float(means[m].sum() * np.median(sizes[m])))
    limit = max(1, _MAX_TRACK_BYTES // (found.length * len(skeleton) * 24))
    if len(rank) > limit:
        notes.append(f"of {len(rank)} people only the {limit} best seen are kept, to bound the memory.")
    tracks = []
    for number, m in enumerate(rank[:limit], 1):
        keypoints = np.full((found.length, len(skeleton), 2), np.nan)
        scores = np.zeros((found.length, len(skeleton)))
        keypoints[found.frames[m]], scores[found.frames[m]] = found.keypoints[m], found.scores[m]
        name = str(number) if found.identities is None else str(people[m[0]])
        tracks.append(KeypointTrack(keypoints, scores, skeleton, person=name, notes=tuple(notes), **common))
    return tracks


def link(found: Detections, max_gap: int = 30) -> Indices:
    """Return the person of each detection, (N,) numbers from 0, -1 for duplicates of another detection.

    max_gap: frames without a detection that a person survives.
    """
    people = np.full(len(found), -1)
    single = np.flatnonzero(~_duplicates(found))
    kept = found.take(single)
    pieces = _continued(kept, *_neighbours(kept))
    for number, chain in enumerate(_joined(kept, pieces, max_gap)):
        people[single[chain]] = number
    return people


def _rank_in_frame(found: Detections) -> Indices:
    """Return each detection's place in its frame, by total score."""
    order = np.lexsort((-found.scores.sum(1), found.frames))
    frames = found.frames[order]
    rank = np.empty(len(found), np.intp)
    rank[order] = np.arange(len(found)) - np.searchsorted(frames, frames)
    return rank


def _pairs(found: Detections, step: int) -> tuple[Indices, Indices]:
    """Return index arrays of all (i, j), j in the frame `step` after i's; for step 0, i before j."""
    start = np.searchsorted(found.frames, found.frames + step)
    count = np.searchsorted(found.frames, found.frames + step, side="right") - start
    first = np.repeat(np.arange(len(found)), count)
    second = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
    return (first, second) if step else (first[first < second], second[first < second])


def _distance(a: Floats, b: Floats, score_a: Floats, score_b: Floats, size: Floats) -> Floats:
    """Return mean distances of common keypoints in units of `size`; infinite where there are too few.

    a, b: (P, J, 2); scores: (P, J); size: (P,). A single keypoint counts half the size at most, so that one that flew
    off does not hide a match.
    """
    weight = np.sqrt(score_a * score_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.minimum(np.linalg.norm(a - b, axis=-1) / size[:, None], 0.5 + _MAX_STEP)
        mean = np.where(weight > 0, apart * weight, 0.0).sum(1) / weight.sum(1)
    return np.where(((weight > 0).sum(1) >= _MIN_COMMON) & np.isfinite(mean), mean, np.inf)


def _pair_distances(found: Detections, first: Indices, second: Indices) -> Floats:
    """Return the (P,) distances of pairs of detections, in blocks, to bound the memory."""
    sizes = found.sizes
    out = np.empty(len(first))
    for at in range(0, len(first), 1 << 15):
        i, j = first[at : at + (1 << 15)], second[at : at + (1 << 15)]
        size = np.maximum(sizes[i], sizes[j])
        out[at : at + len(i)] = _distance(found.keypoints[i], found.keypoints[j], found.scores[i], found.scores[j], size)
    return out


def _duplicates(found: Detections) -> NDArray[np.bool_]:
    """Mark detections that lie on another one of the same frame with a higher total score."""
    first, second = _pairs(found, 0)
    total = found.scores.sum(1)
    near = _pair_distances(found, first, second) < _DUPLICATE
    out = np.zeros(len(found), bool)
    out[np.where(total[first] < total[second], first, second)[near]] = True
    return out


def _neighbours(found: Detections) -> tuple[Indices, float]:
    """Pass 1: for each detection the one that clearly continues it in the next frame, or -1; and the longest sure step.

    A step far beyond the clip's usual ones may be one person hiding as another comes into view: that is for pass 3.
    """
    first, second = _pairs(found, 1)
    distance = _pair_distances(found, first, second)
    follower = np.full(len(found), -1)
    clear = (distance < _MAX_STEP) & _clear_best(first, distance) & _clear_best(second, distance)
    limit = min(_MAX_STEP, 0.02 + _UNUSUAL * float(np.median(distance[clear]))) if clear.any() else _MAX_STEP
    clear &= distance < limit
    follower[first[clear]] = second[clear]
    return follower, limit


def _clear_best(group: Indices, distance: Floats) -> NDArray[np.bool_]:
    """Mark entries that are the smallest of their group, with the second smallest well behind."""
    order = np.lexsort((distance, group))
    g, d = group[order], distance[order]
    leads = np.r_[True, g[1:] != g[:-1]][: len(g)]
    alone = np.r_[g[1:] != g[:-1], True][: len(g)]
    behind = np.r_[d[1:], np.inf][: len(d)]
    out = np.zeros(len(group), bool)
    out[order] = leads & (alone | (behind > _CLEAR * d + 0.02))
    return out


def _continued(found: Detections, follower: Indices, limit: float) -> list[list[int]]:
    """Pass 2: pieces (lists of detections) without gaps, ambiguous frames resolved by where a piece was going."""
    heads = np.ones(len(found), bool)
    heads[follower[follower >= 0]] = False
    sizes = found.sizes
    pieces: list[list[int]] = []
    ended: dict[int, list[list[int]]] = {}
    frame_heads = np.flatnonzero(heads)
    cuts = np.flatnonzero(np.diff(found.frames[frame_heads])) + 1
    for starts in np.split(frame_heads, cuts) if len(frame_heads) else []:
        frame = int(found.frames[starts[0]])
        waiting = ended.pop(frame - 1, [])
        mine: list[list[int]] = [[] for _ in starts]
        for w, s in _continuations(found, sizes, waiting, starts, limit) if waiting else []:
            mine[s] = waiting[w]
        for start, piece in zip(starts, mine, strict=True):
            if not piece:
                pieces.append(piece)
            at = int(start)
            while at >= 0:
                piece.append(at)
                at = int(follower[at])
            ended.setdefault(int(found.frames[piece[-1]]), []).append(piece)
    return pieces


def _continuations(
    found: Detections, sizes: Floats, waiting: list[list[int]], starts: Indices, limit: float
) -> list[tuple[int, int]]:
    recent = [piece[-_MEMORY:] for piece in waiting]
    ends = np.array([piece[-1] for piece in recent])
    velocity = _velocities(found, ends, np.array([piece[0] for piece in recent]))
    predicted = found.keypoints[ends] + velocity[:, None]
    w, s = (index.ravel() for index in np.indices((len(ends), len(starts))))
    i, j = ends[w], starts[s]
    size = np.maximum(sizes[i], sizes[j])
    cost = _distance(predicted[w], found.keypoints[j], found.scores[i], found.scores[j], size)
    cost[cost > limit] = np.inf
    return assign(cost.reshape(len(ends), len(starts)))


def _velocities(found: Detections, late: Indices, early: Indices) -> Floats:
    """Return (P, 2) mean velocities, pixels per frame, of the keypoints that two detections of a person share."""
    both = (found.scores[late] > 0) & (found.scores[early] > 0)
    moved = np.where(both[..., None], found.keypoints[late] - found.keypoints[early], 0.0).sum(1)
    span = np.maximum(found.frames[late] - found.frames[early], 1)
    return moved / (np.maximum(both.sum(1), 1) * span)[:, None]


@dataclass(frozen=True)
class _Ends:
    """The last (or first) poses of K pieces: keypoints (K, J, 2), scores (K, J), velocities (K, 2), frames, sizes (K,)."""

    keypoints: Floats
    scores: Floats
    velocity: Floats
    frames: Indices
    sizes: Floats

    @classmethod
    def of(cls, found: Detections, pieces: list[list[int]], last: bool) -> _Ends:
        """Gather the ends; a keypoint missing in the very last frame is taken from one a little further inside."""
        inward = [piece[::-1][:_MEMORY] if last else piece[:_MEMORY] for piece in pieces]
        outer, inner = np.array([m[0] for m in inward]), np.array([m[-1] for m in inward])
        keypoints, scores = found.keypoints[outer], found.scores[outer]
        for k in range(1, _MEMORY):
            at = np.array([m[min(k, len(m) - 1)] for m in inward])
            fill = (scores == 0) & (found.scores[at] > 0)
            keypoints[fill], scores[fill] = found.keypoints[at][fill], found.scores[at][fill]
        velocity = _velocities(found, outer, inner) if last else _velocities(found, inner, outer)
        every = found.sizes
        sizes = np.array([np.median(every[piece]) for piece in pieces])
        return cls(keypoints, scores, velocity, found.frames[outer], sizes)


def _joined(found: Detections, pieces: list[list[int]], max_gap: int) -> Iterator[list[int]]:
    """Pass 3: join pieces over gaps; yields each person's detections in order of time."""
    ends, starts = _Ends.of(found, pieces, last=True), _Ends.of(found, pieces, last=False)
    first, second = _gap_pairs(ends.frames, starts.frames, max_gap)
    cost = np.concatenate(
        [_gap_cost(ends, starts, first[k : k + (1 << 15)], second[k : k + (1 << 15)]) for k in range(0, len(first), 1 << 15)]
        or [np.zeros(0)]
    )
    possible = np.isfinite(cost)
    after = dict(assign_sparse(first[possible], second[possible], cost[possible]))
    for head in sorted(set(range(len(pieces))) - set(after.values())):
        chain, at = list(pieces[head]), after.get(head)
        while at is not None:
            chain += pieces[at]
            at = after.get(at)
        yield chain


def _gap_pairs(ended: Indices, started: Indices, max_gap: int) -> tuple[Indices, Indices]:
    """Return (end, start) index pairs whose frames fit; a gap that would give too many pairs is made shorter."""
    order = np.argsort(started, kind="stable")
    ordered = started[order]
    while True:
        low = np.searchsorted(ordered, ended, side="right")
        count = np.searchsorted(ordered, ended + max_gap + 1, side="right") - low
        if count.sum() <= _MAX_PAIRS or max_gap < 1:
            break
        max_gap //= 2
    first = np.repeat(np.arange(len(ended)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    return first, order[place]


def _gap_cost(ends: _Ends, starts: _Ends, first: Indices, second: Indices) -> Floats:
    """Return (P,) costs of joining, infinite where a person cannot have moved so, relative to not joining (0).

    Velocities fade with a time constant of 15 frames: nobody keeps a course for a second unseen.
    """
    gap = (starts.frames[second] - ends.frames[first]).astype(float)
    reach = 15 * (1 - np.exp(-gap / 15))[:, None, None]
    size = np.maximum(ends.sizes[first], starts.sizes[second])
    a, b, sa, sb = ends.keypoints[first], starts.keypoints[second], ends.scores[first], starts.scores[second]
    forward = _distance(a + ends.velocity[first, None] * reach, b, sa, sb, size)
    backward = _distance(a, b - starts.velocity[second, None] * reach, sa, sb, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.abs(np.log(ends.sizes[first] / starts.sizes[second]))
    cost = 0.5 * (forward + backward) + 0.2 * np.where(np.isfinite(growth), growth, 1.0) + 0.004 * gap
    limit = np.minimum(0.3 + 0.02 * gap, 0.8)
    return np.where(cost < limit, cost - limit, np.inf)
