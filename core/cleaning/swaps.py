# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right, repaired over time.

A detector takes left for right in the whole body, in the legs or the arms, or in part of a limb, for a frame or for many.
Each such unit of mirror pairs is either as detected or swapped in every frame, and the cheapest sequence of states is
found by dynamic programming (Viterbi). A state costs what the paths that it makes of the keypoints cost: their steps and
their changes of velocity, against what is usual for these joints just then. Limbs that cross in the image keep their
velocities, and hands that meet and part keep their places; either is at ease without a swap. The detector is right in
most frames, so each swapped frame and each change of state have a price, and without evidence nothing changes.

Units are nested: the whole body first, then each limb against what the body does, then each pair with all that hangs on
it against its parent pair. Which pairs make a limb comes from the skeleton's tree alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..interpolation import over_time
from ..skeleton import Skeleton
from .outliers import find_outliers
from .paths import Floats, Mask, running_median, seen_in

_WINDOW = 15  # frames that tell what is usual for a pair just then
_FLOOR = 0.004  # of the person's size: no movement is told from another that differs by less
_BODY, _LIMB, _PART = 4.0, 5.0, 7.0  # prices of changing a unit's state
_LEAVE = 1.0  # price of a part that does not change with the unit above
_STAY = 0.7  # of that price: what each second in the other state costs
_NEARER = 0.5  # an outlier is on the other side's path where it is so much nearer to it than to its own
_BLOCK, _MARGIN = 4096, 256  # frames at a time, and those before and after that also have a say


class Level(NamedTuple):
    """Units that are decided at a time.

    members: (U, P) the pairs of each unit. follow: (U,) a pair whose state each unit takes where nothing speaks against it;
    -1 for as detected. price: of a change. voters: (V, P) the groups of pairs that have a vote, vote: how much one counts
    at most, so that none decides against the others what it can decide for itself, at that price, on the next level.
    """

    members: Mask
    follow: NDArray[np.intp]
    price: float
    voters: Mask
    vote: float


@dataclass(frozen=True)
class Units:
    """The mirror pairs of a skeleton and how they hang together.

    pairs: (P, 2) joints, left and right; limb: (P,) number of the limb; parent: (P,) the pair within the same limb that a
    pair hangs on, -1 for none.
    """

    pairs: NDArray[np.intp]
    limb: NDArray[np.intp]
    parent: NDArray[np.intp]

    @classmethod
    def of(cls, skeleton: Skeleton) -> Units:
        """Sort a skeleton's mirror pairs into limbs.

        A limb is a pair whose parent is unpaired, with all that hangs on it. Where several branches of two pairs or more
        hang on that first pair itself (arms and legs on the shoulders, in layouts without a spine), each is a limb.
        """
        pairs = [(skeleton.index(left), skeleton.index(right)) for left, right in skeleton.mirror_pairs]
        number = {joint: p for p, pair in enumerate(pairs) for joint in pair}
        parent = np.array([number.get(skeleton.parents[left], -1) for left, _ in pairs], np.intp)
        order = sorted(range(len(pairs)), key=lambda p: skeleton.order.index(pairs[p][0]))
        size = np.ones(len(pairs), int)
        for p in reversed(order):
            if parent[p] >= 0:
                size[parent[p]] += size[p]
        limb = np.arange(len(pairs))
        for p in order:
            above = parent[p]
            if above < 0:
                continue
            branches = [q for q in order if parent[q] == above and size[q] > 1]
            if limb[above] == above and len(branches) > 1 and p in branches:
                continue
            limb[p] = limb[above]
        parent = np.where((parent >= 0) & (limb[parent] == limb), parent, -1)
        return cls(np.array(pairs, np.intp).reshape(-1, 2), limb, parent)

    def levels(self) -> Iterator[Level]:
        """Yield what to decide at a time, from the whole body to single pairs."""
        count = len(self.pairs)
        limbs, pair, all_pairs = np.unique(self.limb), np.eye(count, dtype=bool), np.arange(count)
        yield Level(np.ones((1, count), bool), np.array([-1]), _BODY, self.limb == limbs[:, None], _LIMB)
        if len(limbs) > 1:
            yield Level(self.limb == limbs[:, None], limbs, _LIMB, pair, _PART)
        depth, hanging = np.zeros(count, int), pair.copy()
        for p in range(count):
            above = self.parent[p]
            while above >= 0:
                depth[p] += 1
                hanging[above, p] = True
                above = self.parent[above]
        for level in range(1, depth.max() + 1):
            yield Level(hanging[depth == level], self.parent[depth == level], _PART, pair, _PART)
        yield Level(pair, all_pairs, _PART, pair, np.inf)


def find_swaps(
    keypoints: Floats, scores: Floats, skeleton: Skeleton, size: Floats, times: Floats, outlier_size: float = 0.06
) -> Mask:
    """Return (T, J) True where left and right are to be exchanged; always for both of a pair.

    keypoints: (T, J, 2) pixels, NaN where missing; scores: (T, J), they weigh the frames; size: (T,) the person's, pixels;
    times: (T,) seconds; outlier_size: as in `find_outliers`. Where most of a clip is swapped, the rest of it is taken for
    swapped: movement alone does not tell which is right.
    """
    units = Units.of(skeleton)
    swapped = np.zeros(keypoints.shape[:2], bool)
    if not len(units.pairs) or len(keypoints) < 3:
        return swapped
    out = _off_both_paths(keypoints, find_outliers(keypoints, outlier_size), skeleton.mirror)
    keypoints = np.where(out[..., None], np.nan, keypoints)
    for start in range(0, len(keypoints), _BLOCK):
        low, high = max(0, start - _MARGIN), min(len(keypoints), start + _BLOCK + _MARGIN)
        part, inner = slice(low, high), slice(start - low, start - low + _BLOCK)
        found = _states(keypoints[part], scores[part], units, size[part], times[part])[inner]
        swapped[start : start + _BLOCK, units.pairs] = found[..., None]
    return swapped


def _off_both_paths(keypoints: Floats, out: Mask, mirror: NDArray[np.intp]) -> Mask:
    """Return (T, J) True for those outliers that are near neither side's path: they tell nothing of sides.

    keypoints: (T, J, 2), out: (T, J) outliers of single paths, mirror: (J,) the joint on the other side.
    """
    off = out.copy()
    known = seen_in(keypoints) & ~out
    for joint in np.flatnonzero(out.any(0) & known.any(0) & known[:, mirror].any(0)):
        at = np.flatnonzero(out[:, joint])
        away = []
        for side in (joint, mirror[joint]):
            there = np.flatnonzero(known[:, side])
            after = np.searchsorted(there, at)
            frames = there[np.stack([np.maximum(after - 1, 0), np.minimum(after, len(there) - 1)])]
            away.append(np.linalg.norm(keypoints[at, joint] - keypoints[frames, side], axis=-1).min(0))
        off[at, joint] = away[1] > _NEARER * away[0]
    return off


def _states(keypoints: Floats, scores: Floats, units: Units, size: Floats, times: Floats) -> Mask:
    """Return (T, P) True where a pair is swapped."""
    weight = scores[:, units.pairs].mean(-1)
    steps, bends = _evidence(keypoints[:, units.pairs], size, times)
    seconds = np.gradient(times)[:, None]
    state = np.zeros(weight.shape, bool)
    for level in units.levels():
        share = level.members.T.astype(np.float64)
        above = state[:, level.follow] & (level.follow >= 0)
        stay = _STAY * level.price * seconds * (weight @ share) / np.maximum(share.sum(0) * weight.mean(), 1e-9)
        found = _cheapest(_votes(steps, level), _votes(bends, level), above, stay, level.price)
        found ^= (stay * found).sum(0) > 0.5 * stay.sum(0)  # most frames are right
        for unit, joints in enumerate(level.members):
            state[:, joints] = found[:, unit, None]
    return state


def _votes(costs: Floats, level: Level) -> Floats:
    """Return the costs (T, U, ...) of the units from those of the pairs (T, P, ...), what is above a vote's worth cut off."""
    shape = costs.shape[2:]
    voted = np.einsum("tpk,vp->tvk", costs.reshape(*costs.shape[:2], -1), level.voters.astype(np.float64))
    voted -= voted.min(-1, keepdims=True)
    belongs = (level.voters @ level.members.T).astype(np.float64)  # a change shows in one step and two bends
    units = np.einsum("tvk,vu->tuk", np.minimum(voted, level.vote / 3), belongs)
    return units.reshape(*units.shape[:2], *shape)


def _evidence(paths: Floats, size: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Return what steps and bends of the paths cost: (T, P, 2) and (T, P, 2, 2).

    paths: (T, P, 2, 2) of left and right joints. steps[t, p, k]: from frame t - 1 to t, changing sides (k = 1) or not;
    bends[t, p, a, b]: over the frames t - 2, t - 1, t, changing sides before (a) and after (b) t - 1. A cost is the sum over
    both joints of log(1 + (length / usual length)^2), which outliers cannot dominate.
    """
    sides = np.stack([paths, paths[:, :, ::-1]])  # (2, T, P, 2, 2)
    steps, over = np.full((2, 2, *paths.shape[:3]), np.nan)
    bends = np.full((2, 2, *paths.shape[:3]), np.nan)
    ratio = np.clip((times[2:] - times[1:-1]) / (times[1:-1] - times[:-2]), 1 / 3, 3)[:, None, None, None]
    for a in (0, 1):
        steps[a, 1:] = np.linalg.norm(sides[a, 1:] - paths[:-1], axis=-1)
        over[a, 2:] = np.linalg.norm(sides[a, 2:] - paths[:-2], axis=-1)
        for b in (0, 1):
            move = sides[a ^ b, 2:] - sides[a, 1:-1]
            bends[a, b, 2:] = np.linalg.norm(move - ratio * (sides[a, 1:-1] - paths[:-2]), axis=-1)
    floor = (_FLOOR * size)[:, None, None]
    usual: Floats = _usual(steps[0]) + floor
    step_costs, over_costs = _cost(steps, usual), _cost(over, 2 * usual)
    bend_costs = _cost(bends, _usual(bends[0, 0]) + floor)
    # Where the frame between is missing, the step over it has its say instead of the bend.
    for a in (0, 1):
        for b in (0, 1):
            bend_costs[a, b] = np.where(np.isnan(bend_costs[a, b]), over_costs[a ^ b], bend_costs[a, b])
    return np.moveaxis(np.nan_to_num(step_costs), 0, -1), np.moveaxis(np.nan_to_num(bend_costs), (0, 1), (-2, -1))


def _usual(lengths: Floats) -> Floats:
    """Return (T, P, 1) what is usual for a pair just then: the running median of its joints' (T, P, 2) lengths."""
    seen = np.isfinite(lengths)
    count = seen.sum(-1)
    mean = np.where(seen, lengths, 0).sum(-1) / np.maximum(count, 1)
    filled = np.stack(
        [over_time(column, has) if has.any() else column for column, has in zip(mean.T, (count > 0).T, strict=True)], -1
    )
    return running_median(filled, _WINDOW)[..., None]


def _cost(lengths: Floats, usual: Floats) -> Floats:
    """Return the costs (..., T, P) of (..., T, P, 2) lengths, NaN where one of the ways (...) has none to see.

    A way that nothing speaks against is not better than one that has to stand up to what is seen.
    """
    seen = np.isfinite(lengths)
    cost = np.log1p(np.where(seen, lengths / usual, 0.0) ** 2).sum(-1)
    return np.where(seen.any(-1).reshape(-1, *cost.shape[-2:]).all(0), cost, np.nan)


def _cheapest(steps: Floats, bends: Floats, above: Mask, stay: Floats, price: float) -> Mask:
    """Return the cheapest states (T, U) by dynamic programming over pairs of neighbouring states.

    steps: (T, U, 2), bends: (T, U, 2, 2) as `_evidence` has them; above: (T, U) what is known of the unit above, which is
    followed for nothing; stay: (T, U) what it costs to be swapped, price: what a change costs, also from and to the
    frames beyond the clip, where nothing is swapped.
    """
    follows = np.zeros(above.shape, bool)
    follows[1:] = above[1:] != above[:-1]
    gain = np.maximum(bends[..., 0, 0, None, None] - bends, 0).max((-1, -2)) + np.maximum(steps[..., 0] - steps[..., 1], 0)
    together = gain + np.r_[gain[1:], gain[-1:]] + np.r_[gain[2:], gain[-2:]]
    used = np.flatnonzero((together > price).any(0) | above.any(0))  # nothing can pay for a change of the others
    states = np.zeros(above.shape, bool)
    if not len(used):
        return states
    before, now, after = np.ogrid[:2, :2, :2]
    changed = now ^ after  # (1, 2, 2)
    cost = bends[:, used][..., before ^ now, changed] + steps[:, used][..., changed]
    follows, joins = (x[:, used, None, None, None] for x in (follows, above))
    cost += np.where(changed, np.where(follows & (joins == after), 0.0, price), np.where(follows, _LEAVE, 0.0))
    cost += np.where(above, 0.0, stay)[:, used, None, None, None] * after
    first, last = (np.where(above[t, used, None], [_LEAVE, 0.0], [0.0, price]) for t in (0, -1))
    value = np.where(np.eye(2, dtype=bool), first[:, None], np.inf)
    back = np.empty((len(cost), len(used), 2, 2), np.int8)
    for t, step in enumerate(cost):
        ways = value[..., None] + step
        back[t] = ways.argmin(1)
        value = ways.min(1)
    best = (value + last[:, None]).reshape(-1, 4).argmin(1)
    (now, after), unit = np.divmod(best, 2), np.arange(len(used))
    for t in range(len(cost) - 1, -1, -1):
        states[t, used] = after
        now, after = back[t, unit, now, after], now
    return states
