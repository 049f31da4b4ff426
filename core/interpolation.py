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
