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

import numpy as np
from numpy.typing import NDArray

from ..interpolation import over_time
from ..skeleton import Skeleton
from .paths import Floats, Mask, running_median, seen_in

_WINDOW = 15  # frames that tell what is usual for a pair just then
_FLOOR = 0.004  # of the person's size: no movement is told from another that differs by less
_BODY, _LIMB, _PART = 6.0, 9.0, 14.0  # prices of changing a unit's state
_BACK = 1.0  # price of a part that leaves its unit to be as detected, where the unit changes
_STAY = 0.25  # of that price: what each second in the other state costs
_BLOCK, _MARGIN = 4096, 256  # frames at a time, and those before and after that also have a say


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

    def levels(self) -> Iterator[tuple[NDArray[np.bool_], float]]:
        """Yield, from the whole body to single pairs, the units (U, P) of one level and the price of changing one."""
        count = len(self.pairs)
        yield np.ones((1, count), bool), _BODY
        limbs = np.unique(self.limb)
        if len(limbs) > 1:
            yield self.limb == limbs[:, None], _LIMB
        depth, hanging = np.zeros(count, int), np.eye(count, dtype=bool)
        for p in range(count):
            above = self.parent[p]
            while above >= 0:
                depth[p] += 1
                hanging[above, p] = True
                above = self.parent[above]
        for level in range(1, depth.max() + 1):
            yield hanging[depth == level], _PART


def find_swaps(keypoints: Floats, scores: Floats, skeleton: Skeleton, size: Floats, times: Floats) -> Mask:
    """Return (T, J) True where left and right are to be exchanged; always for both of a pair.

    keypoints: (T, J, 2) pixels, NaN where missing; scores: (T, J), they weigh the frames; size: (T,) the person's, pixels;
    times: (T,) seconds. Where more than half of a clip is swapped, what is left is taken for swapped: what is right
    cannot be seen from movement.
    """
    units = Units.of(skeleton)
    swapped = np.zeros(keypoints.shape[:2], bool)
    if not len(units.pairs) or len(keypoints) < 3:
        return swapped
    for start in range(0, len(keypoints), _BLOCK):
        low, high = max(0, start - _MARGIN), min(len(keypoints), start + _BLOCK + _MARGIN)
        inner = slice(start - low, min(start + _BLOCK, len(keypoints)) - low)
        part = slice(low, high)
        found = _states(keypoints[part], scores[part], units, size[part], times[part])[inner]
        for side in (0, 1):
            swapped[start : start + _BLOCK, units.pairs[:, side]] = found
    return swapped


def _states(keypoints: Floats, scores: Floats, units: Units, size: Floats, times: Floats) -> Mask:
    """Return (T, P) True where a pair is swapped."""
    paths, weight = keypoints[:, units.pairs].copy(), scores[:, units.pairs].mean(-1)
    seconds = np.gradient(times)
    state = np.zeros(paths.shape[:2], bool)
    for members, price in units.levels():
        steps, bends = _evidence(paths, size, times)
        share = members.T.astype(np.float64)
        first = members.argmax(1)
        # Where the unit it belongs to changes, a part may stay as detected at hardly any price.
        changes = np.zeros((len(paths), len(members)), bool)
        changes[1:] = (state[1:] != state[:-1])[:, first]
        prices = np.where(changes, _BACK, price)
        prices[0] = price  # beyond the clip nothing is swapped
        stay = _STAY * price * seconds[:, None] * np.where(state[:, first], 0.0, 1.0) * (weight @ share > 0)
        deviates = _cheapest(np.einsum("tpk,pu->tuk", steps, share), np.einsum("tpab,pu->tuab", bends, share), prices, stay)
        turned = deviates @ members
        paths[turned] = paths[turned][:, ::-1]
        state ^= turned
    return state


def _evidence(paths: Floats, size: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Return what steps and bends of the paths cost: (T, P, 2) and (T, P, 2, 2).

    paths: (T, P, 2, 2) of left and right joints. steps[t, p, k]: from frame t - 1 to t, changing sides (k = 1) or not;
    bends[t, p, a, b]: over the frames t - 2, t - 1, t, changing sides before (a) and after (b) t - 1. A cost is the sum over
    both joints of log(1 + (length / usual length)^2), which outliers cannot dominate.
    """
    other = paths[:, :, ::-1]
    sides = np.stack([paths, other])  # (2, T, P, 2, 2)
    frames, pairs = paths.shape[:2]
    steps, bends = np.full((2, frames, pairs, 2), np.nan), np.full((2, 2, frames, pairs, 2), np.nan)
    ratio = np.clip((times[2:] - times[1:-1]) / (times[1:-1] - times[:-2]), 1 / 3, 3)[:, None, None, None]
    for a in (0, 1):
        steps[a, 1:] = np.linalg.norm(sides[a, 1:] - paths[:-1], axis=-1)
        for b in (0, 1):
            move = sides[a ^ b, 2:] - sides[a, 1:-1]
            bends[a, b, 2:] = np.linalg.norm(move - ratio * (sides[a, 1:-1] - paths[:-2]), axis=-1)
    floor = (_FLOOR * size)[:, None, None]
    return (
        np.moveaxis(_cost(steps, _usual(steps[0]) + floor), 0, -1),
        np.moveaxis(_cost(bends, _usual(bends[0, 0]) + floor), (0, 1), (-2, -1)),
    )


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
    """Return the costs (..., T, P) of (..., T, P, 2) lengths, 0 throughout where one of the ways (...) has none to see.

    A way that nothing speaks against is not better than one that has to stand up to what is seen.
    """
    seen = np.isfinite(lengths)
    cost = np.log1p(np.where(seen, lengths / usual, 0.0) ** 2).sum(-1)
    return np.where(seen.any(-1).reshape(-1, *cost.shape[-2:]).all(0), cost, 0.0)


def _cheapest(steps: Floats, bends: Floats, prices: Floats, stay: Floats) -> Mask:
    """Return the cheapest states (T, U) by dynamic programming over pairs of neighbouring states.

    steps: (T, U, 2), bends: (T, U, 2, 2) as `_evidence` has them; prices: (T, U) of a change; stay: (T, U) of being swapped.
    """
    frames, count = prices.shape
    states = np.zeros((frames, count), bool)
    gain = np.maximum(bends[..., 0, 0, None, None] - bends, 0).max((-1, -2)) + np.maximum(steps[..., 0] - steps[..., 1], 0)
    together = gain + np.r_[gain[1:], gain[-1:]] + np.r_[gain[2:], gain[-2:]]
    used = np.flatnonzero((together > prices).any(0))  # others cannot pay for a change anywhere
    if not len(used):
        return states
    steps, bends, prices, stay = steps[:, used], bends[:, used], prices[:, used], stay[:, used]
    before, now, after = np.ogrid[:2, :2, :2]
    changed = now ^ after  # (1, 2, 2)
    cost = bends[..., before ^ now, changed] + steps[..., changed] + prices[..., None, None, None] * changed
    cost += stay[..., None, None, None] * after
    value = np.zeros((len(used), 2, 2))
    value[:] = np.where(np.arange(2)[:, None] ^ np.arange(2)==0,0,np.inf)
    value[:,1,:]+=prices[0][:,None]
    back = np.empty((frames, len(used), 2, 2), np.int8)
    for t in range(frames):
        ways = value[..., None] + cost[t]
        back[t] = ways.argmin(1)
        value = ways.min(1)
    value = value + prices[0][:, None, None] * np.arange(2)
    best = value.reshape(len(used), 4).argmin(1)
    now_, after_ = best // 2, best % 2
    unit = np.arange(len(used))
    for t in range(frames - 1, -1, -1):
        states[t, used] = after_
        after_, now_ = now_, back[t, unit, now_, after_]
    return states
