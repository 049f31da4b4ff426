# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoints at exactly (0, 0) with a score: some writers' word for "missing", and yet a place in the picture's corner."""

from __future__ import annotations

import numpy as np

from .paths import Floats, Mask, boxes, person_size, seen_in

_AWAY = 0.5  # of the person's size
_PIXELS = 10.0  # and so many pixels at least, for tracks whose person has no size


def find_placeholders(keypoints: Floats) -> Mask:
    """Return (T, J) True where (0, 0) means missing. keypoints: (T, J, 2) pixels, NaN where missing.

    It does where it is farther from the rest of the person, in this frame or in the nearest that has more than (0, 0),
    than a person's keypoint can be. A person in the corner keeps it. In a track that is nowhere else, all are missing.
    """
    at_zero = seen_in(keypoints) & (keypoints == 0).all(-1)
    if not at_zero.any():
        return at_zero
    rest = np.where(at_zero[..., None], np.nan, keypoints)
    known = np.flatnonzero(seen_in(rest).any(1))
    if not len(known):
        return at_zero
    low, high = boxes(rest)
    after = np.minimum(np.searchsorted(known, np.arange(len(rest))), len(known) - 1)
    before = np.maximum(after - 1, 0)
    frames = np.arange(len(rest))
    nearest = np.where(np.abs(known[after] - frames) <= np.abs(known[before] - frames), known[after], known[before])
    distance = np.linalg.norm(np.maximum(np.maximum(low, -high), 0.0)[nearest], axis=-1)
    return at_zero & (distance > np.maximum(_AWAY * person_size(rest), _PIXELS))[:, None]
