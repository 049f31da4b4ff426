# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of a track: uncertain keypoints gated, outliers dropped, short gaps filled, every change counted.

Nothing is invented: what is missing for longer than the limit stays missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..errors import SettingsError, TrackError
from ..track import KeypointTrack

from .outliers import find_outliers
Floats = NDArray[np.float64]

_WINDOW = 7  # frames of the running median: it holds against outliers in up to 3 of them
_USUAL = 15  # frames that tell what a joint usually does just then
_STEPS, _BENDS = 3.0, 6.0
_BLOCK = 8192  # frames at a time, to bound the memory of the windows


@dataclass(frozen=True)
class CleaningSettings:
    """What `clean` does.

    score_gate: keypoints that score less are taken for missing; max_gap: longest run of missing frames, per keypoint,
    that is filled (0: none); outliers: whether single-frame spikes are dropped; outlier_size: how far off a spike must
    be, as a share of the person's size. Raises `SettingsError` where one is out of range.
    """

    score_gate: float = 0.1
    max_gap: int = 10
    outliers: bool = True
    outlier_size: float = 0.06
    filled_share: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.score_gate < 1:
            raise SettingsError(f"the score gate is {self.score_gate:g}; it must be at least 0 and less than 1.")
        if self.max_gap < 0:
            raise SettingsError(f"the longest gap to fill is {self.max_gap} frames; it cannot be negative.")
        if not self.outlier_size > 0 or not 0 < self.filled_share <= 1:
            raise SettingsError("the outlier size must be positive and the filled keypoints' share in 0..1.")


def clean(track: KeypointTrack, settings: CleaningSettings | None = None) -> tuple[KeypointTrack, dict[str, int]]:
    """Return the cleaned track and how many keypoints each step changed.

    A filled keypoint lies on the line between the keypoints on both sides of its gap and scores `filled_share` of the
    worse one, so that it counts less. Raises `TrackError` where nothing is seen in any frame.
    """
    settings = settings or CleaningSettings()
    if not track.observed.any():
        raise TrackError(f"{track.label}: none of the {len(track)} frames has a keypoint (every score is 0).")
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    counts = {}
    low = (scores > 0) & (scores < settings.score_gate)
    counts["low scores"] = _drop(keypoints, scores, low)
    if not (scores > 0).any():
        raise TrackError(
            f"{track.label}: the best score in {len(track)} frames is {track.scores.max():.3g}, below the gate of "
            f"{settings.score_gate:g}; lower the gate if these keypoints are to be trusted."
        )
    if settings.outliers:
        counts["outliers"] = _drop(keypoints, scores, find_outliers(keypoints, settings.outlier_size))
    if settings.max_gap:
        times = np.arange(len(track), dtype=float) if track.times is None else track.times
        counts["filled"] = _fill(keypoints, scores, times, settings)
    return track.replace(keypoints=keypoints, scores=scores), counts


def _drop(keypoints: Floats, scores: Floats, where: NDArray[np.bool_]) -> int:
    keypoints[where] = np.nan
    scores[where] = 0.0
    return int(where.sum())


def _fill(keypoints: Floats, scores: Floats, times: Floats, settings: CleaningSettings) -> int:
    """Fill gaps in place; returns how many keypoints were filled."""
    filled = 0
    for joint in range(keypoints.shape[1]):
        at = np.flatnonzero(scores[:, joint] > 0)
        if len(at) < 2 or len(at) == at[-1] - at[0] + 1:
            continue
        missing = np.setdiff1d(np.arange(at[0], at[-1]), at, assume_unique=True)
        after = np.searchsorted(at, missing)
        left, right = at[after - 1], at[after]
        short = right - left - 1 <= settings.max_gap
        missing, left, right = missing[short], left[short], right[short]
        share = ((times[missing] - times[left]) / (times[right] - times[left]))[:, None]
        keypoints[missing, joint] = (1 - share) * keypoints[left, joint] + share * keypoints[right, joint]
        scores[missing, joint] = settings.filled_share * np.minimum(scores[left, joint], scores[right, joint])
        filled += len(missing)
    return filled
