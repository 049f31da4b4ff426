# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling frames from their neighbours in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def over_time(values: Array, valid: NDArray[np.bool_]) -> Array:
    """Interpolate (T, ...) values linearly over the frames that are not valid, and hold them at the ends.

    valid: (T,), with at least one frame.
    """
    if valid.all():
        return values
    frames, known = np.arange(len(values)), np.flatnonzero(valid)
    flat = values.reshape(len(values), -1)
    return np.stack([np.interp(frames, known, column[known]) for column in flat.T], -1).reshape(values.shape)


def ramp(values: Array, low: float, high: float) -> Array:
    """Rise smoothly (...) from 0 at `low` to 1 at `high`."""
    x = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def frames_from(valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return (T,) how many frames away the nearest valid one is: 0 where valid. valid: (T,), with at least one frame."""
    frames, known = np.arange(len(valid)), np.flatnonzero(valid)
    after = np.minimum(np.searchsorted(known, frames), len(known) - 1)
    return np.minimum(np.abs(frames - known[after]), np.abs(frames - known[np.maximum(after - 1, 0)]))
