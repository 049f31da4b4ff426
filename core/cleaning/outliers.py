# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoints that leave their joint's path for a moment and come back.

One frame or a few are an outlier together where all of them are far from the frames before and after and from the line
between those: farther than a share of the person's size, and farther than the joint moves around them, without these
frames. So neither noise, which moves a joint everywhere, nor a kick, which is fast before and after its peak, nor a foot
that starts all at once counts as one. The worst are taken out first, and their neighbours are looked at again without them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .paths import Floats, Mask, person_size, seen_in

RUN = 3  # frames that an outlier lasts at most
_AROUND = 5  # steps before and after that tell how fast the joint is
_FAST = 3  # of those steps, the one that counts from the top: others nearby may be outliers too
_STEPS = 3.0  # times that step is still a movement
_BESIDE = 1.5  # how much more being off the line counts than being off the frames beside
_LONGER = 0.25  # how much farther off a run must be for each frame more
_END = 1.5  # times the limit, where the clip begins and ends and the path is a guess
_FIT = 7  # frames that tell how the path goes on beyond its ends
_NEAR = RUN + _AROUND  # frames over which runs have to do with each other
_ROUNDS = 20


def find_outliers(keypoints: Floats, share: float = 0.06) -> Mask:
    """Return (T, J) True at outliers. keypoints: (T, J, 2) pixels, NaN where missing; share: of the person's size."""
    limit = share * person_size(keypoints)
    seen = seen_in(keypoints)
    out = np.zeros(seen.shape, bool)
    for joint in range(keypoints.shape[1]):
        at = np.flatnonzero(seen[:, joint])
        if len(at) >= _FIT:
            out[at, joint] = _outliers_of(keypoints[at, joint], at, limit[at])
            out[:, joint] &= _brief(out[:, joint], seen[:, joint])
    return out


def _outliers_of(path: Floats, at: NDArray[np.intp], limit: Floats) -> Mask:
    """Return (N,) True at the outliers of one joint. path: (N, 2) at frames `at`; limit: (N,) pixels."""
    kept = np.arange(len(path))
    excess, sure = _excess(path, at, limit, kept)
    for _ in range(_ROUNDS):
        worst = _peaks(excess, sure)
        if not worst.any() or len(kept) - worst.sum() < _FIT:
            break
        kept, excess, sure = kept[~worst], excess[:, ~worst], sure[:, ~worst]
        # What has lost a neighbour is judged again; and both ends, as the path beyond them may have changed.
        near = np.concatenate([np.cumsum(~worst)[worst], [0, len(kept) - 1]])
        again = np.unique(np.clip(near[:, None] + np.arange(-_NEAR, _NEAR + 1), 0, len(kept) - 1))
        excess[:, again], sure[:, again] = _excess(path[kept], at[kept], limit[kept], again)
    out = np.ones(len(path), bool)
    out[kept] = False
    return out


def _brief(out: Mask, seen: Mask) -> Mask:
    """Return (T,) False where outliers took away more than `RUN` seen frames in a row, or several at an end.

    That is a movement, or no path at all.
    """
    at = np.flatnonzero(seen)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], out[at], [False]]).astype(np.int8)))
    kept = np.ones(len(out), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > (RUN if start > 0 and end < len(at) else 1):
            kept[at[start:end]] = False
    return kept


def _excess(path: Floats, at: NDArray[np.intp], limit: Floats, starts: NDArray[np.intp]) -> tuple[Floats, Mask]:
    """Return (RUN, S) how far runs are off as a share of what is allowed, by length and start; and which may be dropped.

    path: (N, 2) at frames `at` (N,); limit: (N,); starts: (S,) indices of the runs' first keypoints.
    """
    count = len(path)
    path, frames = _extended(path, at)
    moved = np.diff(path, axis=0)
    none = np.full(_AROUND, -np.inf)
    speed = np.concatenate([none, np.hypot(moved[:, 0], moved[:, 1]) / np.diff(frames), none])
    excess, sure = np.zeros((RUN, len(starts))), np.ones((RUN, len(starts)), bool)
    steps = np.arange(_AROUND)
    for n in range(1, RUN + 1):
        inside = np.flatnonzero(starts + n <= count)
        start = starts[inside] + 1  # in the extended path
        before, after = start - 1, start + n
        off = np.full(len(start), np.inf)
        for k in range(n):
            part = ((frames[start + k] - frames[before]) / (frames[after] - frames[before]))[:, None]
            here, line = path[start + k], (1 - part) * path[before] + part * path[after]
            for place, factor in ((line, 1.0), (path[before], _BESIDE), (path[after], _BESIDE)):
                off = np.minimum(off, factor * np.hypot(*(here - place).T))
        usual = limit[start - 1] * (1 + _LONGER * (n - 1))
        far = np.flatnonzero(off > usual)  # only there it matters how fast the joint is
        before, after, off, usual, inside = before[far], after[far], off[far], usual[far], inside[far]
        around = speed[np.stack([before, after + _AROUND], -1)[..., None] + steps].reshape(len(far), 2 * _AROUND)
        fast = (1 + _LONGER * (n - 1)) * np.partition(around, -_FAST, axis=-1)[:, -_FAST]
        excess[n - 1, inside] = off / np.maximum(usual, _STEPS * fast)
        at_end = (before == 0) | (after == count + 1)
        wide = _STEPS * np.maximum(_END * usual, around.max(-1))
        sure[n - 1, inside] = np.where(at_end, (n == 1) & (off > wide), True)
    return excess, sure


def _peaks(excess: Floats, sure: Mask) -> Mask:
    """Return (N,) True in runs whose excess (RUN, N), by length and start, is above 1 and the highest around them.

    Runs that are not sure (RUN, N) stay, and so does what they throw doubt on.
    """
    length, highest = excess.argmax(0), excess.max(0)
    found = np.zeros(len(highest), bool)
    starts = np.flatnonzero(highest > 1)
    around = np.pad(highest, _NEAR)[starts[:, None] + np.arange(2 * _NEAR + 1)]
    starts = starts[(highest[starts] >= around.max(1)) & sure[length[starts], starts]]
    for n in range(RUN):
        found[(starts[length[starts] == n][:, None] + np.arange(n + 1)).ravel()] = True
    return found


def _extended(path: Floats, at: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return a path (N, 2) and its frames (N,), one frame longer at both ends, on lines fitted robustly to the last there."""
    ends = []
    for values, frames in ((path[:_FIT], at[:_FIT]), (path[: -_FIT - 1 : -1], -at[: -_FIT - 1 : -1])):
        since = (frames - frames[0])[:, None].astype(float)
        slope = np.median(np.diff(values, axis=0) / np.diff(since, axis=0), axis=0)
        ends.append(np.median(values - since * slope, axis=0) - slope)
    return np.concatenate([ends[:1], path, ends[1:]]), np.concatenate([[at[0] - 1], at, [at[-1] + 1]]).astype(float)
