# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoints that leave their joint's path for a moment and come back.

One frame or a few are an outlier together where all of them are far from the line between the frames before and after:
farther than a share of the person's size, and farther than the joint moves around them, without these frames. So neither
noise, which moves a joint everywhere, nor a kick, which is fast before and after its peak, counts as one. The worst are
taken out first, and their neighbours are looked at again without them.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .paths import Floats, Mask, person_size, seen_in

RUN = 3  # frames that an outlier lasts at most
_AROUND = 5  # steps before and after that tell how fast the joint is
_FAST = 3  # of those steps, the one that counts from the top: others nearby may be outliers too
_STEPS = 3.0  # times that step is still a movement
_END = 1.5  # times the limit, where the clip begins and ends and the path is a guess
_FIT = 7  # frames that tell how the path goes on beyond its ends
_ROUNDS = 20


def find_outliers(keypoints: Floats, share: float = 0.06) -> Mask:
    """Return (T, J) True at outliers. keypoints: (T, J, 2) pixels, NaN where missing; share: of the person's size."""
    limit = share * person_size(keypoints)
    seen = seen_in(keypoints)
    out = np.zeros(seen.shape, bool)
    for joint in range(keypoints.shape[1]):
        at = np.flatnonzero(seen[:, joint])
        for _ in range(_ROUNDS):
            if len(at) < _FIT:
                break
            found = _worst(keypoints[at, joint], at, limit[at])
            if not found.any():
                break
            out[at[found], joint] = True
            at = at[~found]
        out[:, joint] &= _brief(out[:, joint], seen[:, joint])
    return out


def _brief(out: Mask, seen: Mask) -> Mask:
    """Return (T,) False where outliers took away more than `RUN` seen frames in a row, or several at an end.

    That is a movement, or no path at all.
    """
    at = np.flatnonzero(seen)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], out[at], [False]]).astype(np.int8)))
    kept = np.ones(len(out), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > (RUN if 0 < start and end < len(at) else 1):
            kept[at[start:end]] = False
    return kept


def _worst(path: Floats, at: NDArray[np.intp], limit: Floats) -> Mask:
    """Return (N,) True in the runs that stand out more than any other close by. path: (N, 2) at frames `at`, limit: (N,)."""
    count = len(path)
    path, frames = _extended(path, at)
    moved = np.diff(path, axis=0)
    speed = np.hypot(moved[:, 0], moved[:, 1]) / np.diff(frames)
    none = np.full(_AROUND, -np.inf)
    windows = sliding_window_view(np.concatenate([none, speed, none]), _AROUND)  # windows[i]: the steps before frame i
    excess, sure = np.zeros((RUN, count)), np.ones((RUN, count), bool)
    for n in range(1, RUN + 1):
        start = np.arange(1, count + 2 - n)
        before, after = start - 1, start + n
        around = np.concatenate([windows[before], windows[after + _AROUND]], -1)
        fast = np.partition(around, -_FAST, axis=-1)[:, -_FAST]
        off = np.full(len(start), np.inf)
        for k in range(n):
            part = ((frames[start + k] - frames[before]) / (frames[after] - frames[before]))[:, None]
            line = path[start + k] - (1 - part) * path[before] - part * path[after]
            off = np.minimum(off, np.hypot(line[:, 0], line[:, 1]))
        excess[n - 1, : len(start)] = off / np.maximum(limit[start - 1], _STEPS * fast)
        for end, side in ((0, slice(_AROUND, None)), (-1, slice(_AROUND))):
            sure[n - 1, start[end] - 1] = n == 1 and off[end] > _STEPS * max(
                _END * limit[start[end] - 1], around[end, side].max()
            )
    return _peaks(excess, sure)


def _peaks(excess: Floats, sure: Mask) -> Mask:
    """Return (N,) True in runs whose excess (RUN, N), by length and start, is above 1 and the highest around them.

    Runs that are not sure (RUN, N) stay, and so does what they throw doubt on.
    """
    count = excess.shape[1]
    found, taken = np.zeros((2, count), bool)
    lengths, starts = np.nonzero(excess > 1)
    for i in np.argsort(-excess[lengths, starts], kind="stable"):
        start, end = starts[i], starts[i] + lengths[i] + 1
        found[start:end] |= sure[lengths[i], starts[i]] and not taken[start:end].any()
        taken[max(0, start - _AROUND) : end + _AROUND] = True
    return found


def _extended(path: Floats, at: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return a path (N, 2) and its frames (N,), one frame longer at both ends, on lines fitted robustly to the last there."""
    ends = []
    for values, frames in ((path[:_FIT], at[:_FIT]), (path[: -_FIT - 1 : -1], -at[: -_FIT - 1 : -1])):
        since = (frames - frames[0])[:, None].astype(float)
        slope = np.median(np.diff(values, axis=0) / np.diff(since, axis=0), axis=0)
        ends.append(np.median(values - since * slope, axis=0) - slope)
    return np.concatenate([ends[:1], path, ends[1:]]), np.concatenate([[at[0] - 1], at, [at[-1] + 1]]).astype(float)
