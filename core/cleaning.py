# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of a track: uncertain keypoints gated, outliers dropped, short gaps filled, every change counted.

Nothing is invented: what is missing for longer than the limit stays missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import SettingsError, TrackError
from .track import KeypointTrack

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
    swaps: bool = True
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


def person_size(keypoints: Floats) -> Floats:
    """Return (T,) sizes in pixels: the diagonal of the box around the keypoints, a running median of it over time.

    keypoints: (T, J, 2), NaN where missing. Frames with fewer than half the usual keypoints, whose box would be too
    small, and empty ones get their neighbours' size.
    """
    seen = np.isfinite(keypoints[..., 0])
    count = seen.sum(1)
    low = np.where(seen[..., None], keypoints, np.inf).min(1)
    high = np.where(seen[..., None], keypoints, -np.inf).max(1)
    good = (count >= 0.5 * np.median(count[count > 0])) & (count > 1)
    if not good.any():
        return np.ones(len(keypoints))
    diagonal = np.linalg.norm(np.where(good[:, None], high - low, 0.0), axis=-1)
    at = np.arange(len(keypoints))
    filled = np.interp(at, at[good], diagonal[good])
    return np.maximum(_running_median(filled[:, None], 31)[:, 0], 1e-9)


def find_outliers(keypoints: Floats, share: float = 0.06) -> NDArray[np.bool_]:
    """Mark keypoints that leave their joint's path for a moment and come back.

    keypoints: (T, J, 2), NaN where missing; share: of the person's size. A keypoint is an outlier where it is farther
    from the running median of its path than `share`, and than the joint's usual speed and usual bend of its path just
    then allow; so neither noise nor fast motion counts as one.
    """
    size = person_size(keypoints)
    out = np.zeros(keypoints.shape[:2], bool)
    for joint in range(keypoints.shape[1]):
        at = np.flatnonzero(np.isfinite(keypoints[:, joint, 0]))
        if len(at) < _WINDOW:
            continue
        path = _extended(keypoints[at, joint], at, _WINDOW // 2)
        inner = slice(_WINDOW // 2, -(_WINDOW // 2))
        off = np.linalg.norm(path - _running_median(path, _WINDOW), axis=-1)[inner]
        step, bend = _steps_and_bends(path)
        usual_step, usual_bend = (_running_median(v[inner, None], _USUAL)[:, 0] for v in (step, bend))
        limit = np.maximum(share * size[at], _STEPS * usual_step)
        limit[: _WINDOW // 2] *= 2.5  # at the ends, where the path goes on is a guess
        limit[-(_WINDOW // 2) :] *= 2.5
        out[at, joint] = (off > limit) & (bend[inner] > _BENDS * usual_bend)
    return out


def _extended(path: Floats, at: NDArray[np.intp], count: int) -> Floats:
    """Return a path (T, 2) with `count` frames more at both ends, on lines fitted robustly to its last frames there."""
    ends = []
    for values, frames in ((path[:_WINDOW], at[:_WINDOW]), (path[::-1][:_WINDOW], -at[::-1][:_WINDOW])):
        frames = (frames - frames[0])[:, None].astype(float)
        slope = np.median(np.diff(values, axis=0) / np.diff(frames, axis=0), axis=0)
        ends.append(np.median(values - frames * slope, axis=0) - slope * np.arange(count, 0, -1)[:, None])
    return np.concatenate([ends[0], path, ends[1][::-1]])


def _steps_and_bends(path: Floats) -> tuple[Floats, Floats]:
    """Return (T,) the mean step between both neighbours of a frame, and its distance from the middle between them."""
    step = np.linalg.norm(path[2:] - path[:-2], axis=-1) / 2
    bend = np.linalg.norm(path[1:-1] - (path[2:] + path[:-2]) / 2, axis=-1)
    return np.pad(step, 1, mode="edge"), np.pad(bend, 1, mode="edge")


def _drop(keypoints: Floats, scores: Floats, where: NDArray[np.bool_]) -> int:
    keypoints[where] = np.nan
    scores[where] = 0.0
    return int(where.sum())


def _running_median(values: Floats, window: int) -> Floats:
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
