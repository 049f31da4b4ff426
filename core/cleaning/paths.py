# SPDX-License-Identifier: GPL-3.0-or-later
"""What several steps ask about paths: the person's size, running medians, and which frames are seen."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..interpolation import over_time

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

USUAL_FPS = 30.0
"""Frames per second that are taken where a track does not say."""

_BLOCK = 8192  # frames at a time, to bound the memory of the windows
_SIZE_WINDOW = 31


def seen_in(keypoints: Floats) -> Mask:
    """Return (T, J) True where keypoints (T, J, 2) are there, not NaN."""
    seen: Mask = np.isfinite(keypoints[..., 0])
    return seen


def boxes(keypoints: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and highest corners (T, 2) of the seen keypoints (T, J, 2); inf and -inf where none is."""
    seen = seen_in(keypoints)[..., None]
    return np.where(seen, keypoints, np.inf).min(1), np.where(seen, keypoints, -np.inf).max(1)


def person_size(keypoints: Floats) -> Floats:
    """Return (T,) sizes in pixels: the diagonal of the box around the keypoints, a running median of it over time.

    keypoints: (T, J, 2), NaN where missing. Frames with fewer than half the usual keypoints, whose box would be too
    small, and empty ones get their neighbours' size.
    """
    count = seen_in(keypoints).sum(1)
    low, high = boxes(keypoints)
    good = (count >= 0.5 * np.median(count[count > 0])) & (count > 1) if count.any() else np.zeros(len(count), bool)
    if not good.any():
        return np.ones(len(keypoints))
    diagonal = np.linalg.norm(np.where(good[:, None], high - low, 0.0), axis=-1)
    return np.maximum(running_median(over_time(diagonal, good)[:, None], _SIZE_WINDOW)[:, 0], 1e-9)


def running_median(values: Floats, window: int) -> Floats:
    """Return the centred running median of (T, C) finite values; the ends are mirrored."""
    half = min(window // 2, len(values) - 1)
    if half < 1:
        return values.copy()
    padded = np.pad(values, ((half, half), (0, 0)), mode="reflect")
    out = np.empty_like(values)
    for at in range(0, len(values), _BLOCK):
        block = padded[at : at + _BLOCK + 2 * half]
        out[at : at + _BLOCK] = np.median(sliding_window_view(block, 2 * half + 1, axis=0), axis=-1)
    return out
