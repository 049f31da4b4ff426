# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining: pieces of people become people, across missing and ambiguous frames.

Whether one piece goes on as another is a ratio of likelihoods: of what is seen if they are one person, to that if they are
two. A person keeps a velocity, which accelerations change as a random walk does; so both ends' velocities, from all frames
of about half a second, have to agree with the way between them and with each other, within what acceleration and noise
allow. The pose and the size change little in little time. All is in units of the person's size and in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..assignment import assign_sparse
from .detections import BLOCK, Detections, Floats, Indices, Mask, expand

WINDOW = 0.4
"""Seconds at a piece's end that its velocity is taken from."""
NOISE = 0.015
"""Of a detection's place, as far as it is the same for all its keypoints."""
JERKY = 0.4
"""Power of walkers' accelerations, size^2 / s^3: one who turns within a second is a rare event, a change of pace is none."""
ANY_VELOCITY = 0.7
"""Sizes per second, standard deviation of a walker's unknown velocity."""

_STEPS = 10_000
"""From a detection to the next that say enough of how fast people are."""
_SIZE_STEPS = 4
_MIN_COMMON = 3
_MAX_PAIRS, _MAX_PARTNERS = 20_000, 50  # of pieces: at least, and per piece where there are more
_ASTRAY, _RUN = 0.6, 3.0  # sizes that a centre is off where keypoints are missing, and sizes per second
_SURE = 4.0  # how much more likely, in log, than the second best
_ROUNDS = (1, 1, 2, 4, 8, 16)
_AREA = 10.0  # of the image, in squares of a person's size: where somebody else would be
_OTHER_POSE, _OTHER_SIZE = 0.12, 0.4
_SIZE_SAYS = 8.0  # in log, and more than it can say
_PAIRS = 1024  # worked on at a time
_LEAP, _FARTHEST, _GROWN = 0.4, 1.5, 1.0  # sizes, sizes, and in log
_MISSED = 1.0  # log likelihood per second unseen
_NEW = 1.0  # of a person ending and another beginning, in log, beyond the place


@dataclass(frozen=True)
class Tempo:
    """A clip's frames per second, and how many times faster than walkers its people move, 1 at least."""

    rate: float
    pace: float = 1.0

    @classmethod
    def of(cls, found: Detections, follower: Indices, rate: float) -> Tempo:
        """Measure it from the detections that clearly follow another, -1 where none does."""
        one = np.flatnonzero(follower >= 0)
        if len(one) < 10:
            return cls(rate)
        one = one[:: len(one) // _STEPS + 1]
        step = np.linalg.norm(found.centres[follower[one]] - found.centres[one], axis=-1) / np.maximum(found.sizes[one], 1e-3)
        return cls(rate, max(1.0, float(np.median(step)) * rate / ANY_VELOCITY))


@dataclass(frozen=True)
class Ends:
    """The last (or first) moments of K pieces.

    keypoints: (K, J, 2), a keypoint missing in the very last frame taken from one a little further inside; scores: (K, J);
    frames: (K,); sizes: (K,) pixels; velocity: (K, 2) pixels per second and spread: (K,) its variance, in sizes per second.
    """

    keypoints: Floats
    scores: Floats
    frames: Indices
    sizes: Floats
    velocity: Floats
    spread: Floats

    @classmethod
    def of(cls, found: Detections, pieces: list[Indices], last: bool, tempo: Tempo) -> Ends:
        """Look at the last (or first) moments of pieces, in blocks."""
        span = max(2, round(WINDOW * tempo.rate) + 1)
        # At high rates not every frame of the window is looked at: eight or so say the same.
        window = np.unique(np.linspace(0, span - 1, min(span, 9)).round().astype(int))
        outer = np.array([piece[-1 if last else 0] for piece in pieces], np.intp)
        count, joints = len(pieces), found.scores.shape[1]
        out = cls(
            np.empty((count, joints, 2)), np.empty((count, joints)), found.frames[outer], np.empty(count),
            np.empty((count, 2)), np.empty(count),
        )  # fmt: skip
        every = found.sizes
        for at in range(0, count, BLOCK // 8):
            block = pieces[at : at + BLOCK // 8]
            here = slice(at, at + len(block))
            # Sizes over a longer time: a step changes them.
            sizes, exists = _inward(every, block, _SIZE_STEPS * window, last, np.inf)
            out.sizes[here] = np.sort(sizes, 1)[np.arange(len(block)), exists.sum(1) // 2]
            inward, exists = _inward(np.arange(len(found)), block, window, last, 0)
            out._fill(here, found, inward, exists, tempo)
        np.maximum(out.sizes, 1e-3, out=out.sizes)
        return out

    def _fill(self, block: slice, found: Detections, inward: Indices, exists: Mask, tempo: Tempo) -> None:
        """Set keypoints, velocities and their variances of a block from (K, W) detections, where such exist."""
        scores = found.scores[inward] * exists[..., None]
        seen = scores > 0
        first = seen.argmax(1)
        picked = np.take_along_axis(inward, first, 1)
        joints = np.arange(scores.shape[2])
        self.keypoints[block] = found.keypoints[picked, joints]
        self.scores[block] = np.take_along_axis(scores, first[:, None], 1)[:, 0]
        # One velocity and, per keypoint, a place: least squares over all frames and keypoints at once.
        time = (found.frames[inward] - found.frames[inward[:, :1]]) / tempo.rate
        weight = np.where(seen, scores, 0.0)
        total = np.maximum(weight.sum(1), 1e-9)
        late = time[..., None] - (np.einsum("kwj,kw->kj", weight, time) / total)[:, None]
        late = late * weight
        moment = np.maximum((late * time[..., None]).sum((1, 2)), 1e-12)
        places = np.where(seen[..., None], found.keypoints[inward], 0.0)
        fitted = np.einsum("kwj,kwjc->kc", late, places) / moment[:, None]
        # A noise that all keypoints share leaves the velocity this unsure; an unknown velocity is none on average.
        share = (late * time[..., None]).sum((1, 2)) / np.maximum(weight.sum((1, 2)) / np.maximum(exists.sum(1), 1), 1e-9)
        unsure = NOISE**2 / np.maximum(share, 1e-9)
        usual = (ANY_VELOCITY * tempo.pace) ** 2
        trust = usual / (usual + unsure)
        self.velocity[block] = fitted * trust[:, None]
        self.spread[block] = unsure * trust


def _inward(values: Any, pieces: list[Indices], steps: Indices, last: bool, absent: float) -> tuple[Any, Mask]:
    """Return values (K, W) of detections so many steps from pieces' ends, `absent` beyond a piece, and where that is not."""
    lengths = np.array([len(piece) for piece in pieces])
    exists = steps < lengths[:, None]
    reach = int(steps[-1]) + 1
    flat = np.concatenate([piece[-reach:] if last else piece[:reach] for piece in pieces])
    kept = np.minimum(lengths, reach)
    starts = np.cumsum(kept) - kept
    places = (starts + kept - 1)[:, None] - steps if last else starts[:, None] + steps
    return np.where(exists, values[flat[np.where(exists, places, starts[:, None])]], absent), exists


def join(found: Detections, pieces: list[Indices], max_gap: int, tempo: Tempo) -> list[Indices]:
    """Return people, each as detections in order of time, from pieces; a gap has `max_gap` frames without the person at most.

    What is clear is joined first, shorter gaps before longer ones; longer pieces then make more clear. What stays unclear is
    joined as is likeliest for all together.
    """
    tried = (-1, -1)
    for reach in (*(r for r in _ROUNDS if r <= max_gap), max_gap + 1):
        first, second = _partners(found, pieces, reach, tempo)
        if tried != (tried := (len(pieces), len(first))):  # else nothing is new
            pieces = _chained(pieces, _clear_joints(*_costs(found, pieces, first, second, tempo, affinity)))
    return rejoin(found, pieces, max_gap, tempo)


def rejoin(found: Detections, pieces: list[Indices], max_gap: int, tempo: Tempo) -> list[Indices]:
    """Join as is likeliest for all together, as `join` does in the end."""
    for likelihood in (affinity, affinity, reachable):
        first, second = _partners(found, pieces, max_gap + 1, tempo)
        after = dict(assign_sparse(*_costs(found, pieces, first, second, tempo, likelihood)))
        pieces = _chained(pieces, after)
    return pieces


def _partners(found: Detections, pieces: list[Indices], reach: int, tempo: Tempo) -> tuple[Indices, Indices]:
    """Return (end, start) pairs of pieces within `reach` frames between which nobody would have to run unheard of."""
    last = np.array([piece[-1] for piece in pieces], np.intp)
    following = np.array([piece[0] for piece in pieces], np.intp)
    first, second = _gap_pairs(found.frames[last], found.frames[following], reach)
    last, following = last[first], following[second]
    gap = (found.frames[following] - found.frames[last]) / tempo.rate
    apart = np.linalg.norm(found.centres[following] - found.centres[last], axis=-1)
    size = np.maximum(found.sizes[last], found.sizes[following])
    near = apart < size * (_ASTRAY + _RUN * tempo.pace * gap)
    return first[near], second[near]


Likelihood = Callable[[Ends, Ends, Indices, Indices, Tempo], Floats]


def _costs(
    found: Detections, pieces: list[Indices], first: Indices, second: Indices, tempo: Tempo, likelihood: Likelihood
) -> tuple[Indices, Indices, Floats]:
    """Return (end, start, cost) of those pairs that may be one person, with costs below 0."""
    if not len(first):
        return first, second, np.zeros(0)
    used_first, first_at = np.unique(first, return_inverse=True)
    used_second, second_at = np.unique(second, return_inverse=True)
    ends = Ends.of(found, [pieces[k] for k in used_first], True, tempo)
    starts = Ends.of(found, [pieces[k] for k in used_second], False, tempo)
    blocks = [slice(k, k + _PAIRS) for k in range(0, len(first), _PAIRS)]
    cost = np.concatenate([likelihood(ends, starts, first_at[block], second_at[block], tempo) for block in blocks])
    likely = cost < 0
    return first[likely], second[likely], cost[likely]


def affinity(ends: Ends, starts: Ends, first: Indices, second: Indices, tempo: Tempo) -> Floats:
    """Return (P,) the log likelihood of two people over that of one, where piece `second` follows on piece `first`.

    Infinite where too few keypoints are shared. The variances are those of the minimum of the squared acceleration's
    integral between two places and velocities: r = p1 - p0 - g (v0 + v1) / 2 has q g^3 / 12, v1 - v0 has q g, q the power.
    """
    size = np.maximum(ends.sizes[first], starts.sizes[second])
    gap = (starts.frames[second] - ends.frames[first]) / tempo.rate
    weight = np.sqrt(ends.scores[first] * starts.scores[second])
    total = np.maximum(weight.sum(1), 1e-9)
    shared = weight > 0
    apart = np.where(shared[..., None], (starts.keypoints[second] - ends.keypoints[first]) / size[:, None, None], 0.0)
    moved = np.einsum("pj,pjc->pc", weight, apart) / total[:, None]
    v0, v1 = ends.velocity[first] / size[:, None], starts.velocity[second] / size[:, None]
    spread = ends.spread[first] + starts.spread[second]
    jerky = JERKY * tempo.pace**2
    off_course = ((moved - gap[:, None] * (v0 + v1) / 2) ** 2).sum(-1)
    cost = student(off_course, 2 * NOISE**2 + jerky * gap**3 / 12 + gap**2 * spread / 4, 2) - _uniform(_AREA)
    cost += student(((v1 - v0) ** 2).sum(-1), jerky * gap + spread, 2) - _student_mean(2 * (ANY_VELOCITY * tempo.pace) ** 2)
    pose = (np.minimum(np.linalg.norm(apart - moved[:, None], axis=-1), 0.5) * weight).sum(1) / total
    cost += student(pose**2, (0.015 + 0.12 * np.minimum(gap, 0.5)) ** 2, 1) - student(pose**2, np.array(_OTHER_POSE**2), 1)
    cost += _MISSED * gap - _NEW
    cost[shared.sum(1) < _MIN_COMMON] = np.inf
    # The size takes longest to look at, and does not matter where it cannot make the pair likely.
    maybe = np.flatnonzero(cost < _SIZE_SAYS)
    growth = _growth(ends, starts, first[maybe], second[maybe], (weight / total[:, None])[maybe])
    cost[maybe] += student(growth**2, 0.05**2 + (0.3 * gap[maybe]) ** 2, 1) - student(growth**2, np.array(_OTHER_SIZE**2), 1)
    return cost


def reachable(ends: Ends, starts: Ends, first: Indices, second: Indices, tempo: Tempo) -> Floats:
    """Return (P,) costs below 0 where piece `second` may be whom piece `first` lost, if nobody else is likelier.

    For what no course explains: leaps, and people who come back after a while.
    """
    size = np.maximum(ends.sizes[first], starts.sizes[second])
    gap = (starts.frames[second] - ends.frames[first]) / tempo.rate
    weight = np.sqrt(ends.scores[first] * starts.scores[second])
    shared = weight > 0
    share = weight / np.maximum(weight.sum(1), 1e-9)[:, None]
    apart = np.where(shared[..., None], starts.keypoints[second] - ends.keypoints[first], 0.0) / size[:, None, None]
    course = (ends.velocity[first] + starts.velocity[second]) / size[:, None] / 2 * np.minimum(gap, WINDOW)[:, None]
    moved = np.einsum("pj,pjc->pc", share, apart)
    off = np.minimum(np.linalg.norm(moved - course, axis=-1), np.linalg.norm(moved, axis=-1))
    growth = np.abs(_growth(ends, starts, first, second, share))
    cost = off / np.minimum(_LEAP + ANY_VELOCITY * tempo.pace * gap, _FARTHEST) + growth / _GROWN - 1
    return np.where(shared.sum(1) >= _MIN_COMMON, cost, np.inf)


def student(squared: Floats, variance: Floats, dimensions: int) -> Floats:
    """Return minus the log likelihood of a distance, squared, with a variance per dimension, of Student's t with 4 degrees."""
    return 0.5 * (4 + dimensions) * np.log1p(squared / (4 * variance)) + 0.5 * dimensions * np.log(variance)


def _student_mean(variance: float) -> float:
    """Return about what `_student` is on average for a plane's distances of that variance."""
    return 3.0 * float(np.log1p(0.5)) + float(np.log(variance))


def _uniform(area: float) -> float:
    """Return minus the log likelihood of a place anywhere in an area, on `_student`'s scale."""
    return float(np.log(area / (2 * np.pi)))


def _growth(ends: Ends, starts: Ends, first: Indices, second: Indices, share: Floats) -> Floats:
    """Return (P,) log ratios of the two poses' extents, over the keypoints that they share, (P, J) weights."""
    extents = []
    for keypoints in (ends.keypoints[first], starts.keypoints[second]):
        places = np.where((share > 0)[..., None], keypoints, 0.0)
        centred = places - np.einsum("pj,pjc->pc", share, places)[:, None]
        extents.append(np.einsum("pj,pjc->p", share, centred**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(0.5 * np.log(extents[0] / extents[1]), nan=1.0, posinf=1.0, neginf=1.0)


def _gap_pairs(ended: Indices, started: Indices, reach: int) -> tuple[Indices, Indices]:
    """Return (end, start) index pairs within `reach` frames; a reach that would give too many pairs is made shorter."""
    order = np.argsort(started, kind="stable")
    ordered = started[order]
    while True:
        low = np.searchsorted(ordered, ended, side="right")
        count = np.searchsorted(ordered, ended + reach, side="right") - low
        if count.sum() <= max(_MAX_PAIRS, _MAX_PARTNERS * len(ended)) or reach < 2:
            break
        reach //= 2
    first, place = expand(low, count)
    return first, order[place]


def _clear_joints(first: Indices, second: Indices, cost: Floats) -> dict[int, int]:
    """Return the pairs that are each other's best, far likelier than both's second best and than no pair."""
    clear = cost < -_SURE
    for group in (first, second):
        order = np.lexsort((cost, group))
        g, c = group[order], cost[order]
        leads = np.r_[True, g[1:] != g[:-1]][: len(g)]
        alone = np.r_[g[1:] != g[:-1], True][: len(g)]
        clear[order] &= leads & (alone | (np.r_[c[1:], 0.0][: len(c)] > c + _SURE))
    return dict(zip(first[clear].tolist(), second[clear].tolist(), strict=True))


def _chained(pieces: list[Indices], after: dict[int, int]) -> list[Indices]:
    """Return the pieces, each concatenated with those that come after."""
    return list(_chains(pieces, after)) if after else pieces


def _chains(pieces: list[Indices], after: dict[int, int]) -> Iterator[Indices]:
    for head in sorted(set(range(len(pieces))) - set(after.values())):
        chain, at = [pieces[head]], after.get(head)
        while at is not None:
            chain.append(pieces[at])
            at = after.get(at)
        yield np.concatenate(chain)
