# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning of a track: what is uncertain is gated, sides are repaired, outliers dropped, short gaps filled; all is counted.

One module per step, in this order: uncertain keypoints and placeholders first, as they are no keypoints at all; then left
and right, since a swapped frame looks like outliers; then the outliers that remain; then the gaps, also those that
the outliers leave. Nothing is invented: what is missing for longer than the limit stays missing.
"""

from __future__ import annotations

import numpy as np

from ..errors import TrackError
from ..track import KeypointTrack
from .gaps import fill_gaps
from .outliers import find_outliers
from .paths import USUAL_FPS, Floats, Mask, person_size
from .placeholders import find_placeholders
from .record import Change, CleaningRecord
from .settings import CleaningSettings
from .swaps import find_swaps

__all__ = ["Change", "CleaningRecord", "CleaningSettings", "clean", "find_outliers"]


def clean(track: KeypointTrack, settings: CleaningSettings | None = None) -> tuple[KeypointTrack, CleaningRecord]:
    """Return the cleaned track, and how many keypoints each step changed: a dict of counts, which also knows where.

    A track without faults comes back bit for bit. A filled keypoint scores less than those it comes from. Where the frame
    rate is unknown, 30 frames per second are taken. Raises `TrackError` where nothing is seen in any frame.
    """
    settings = settings or CleaningSettings()
    if not track.observed.any():
        raise TrackError(f"{track.label}: none of the {len(track)} frames has a keypoint (every score is 0).")
    keypoints, scores = track.keypoints, track.scores
    record = CleaningRecord.of(*scores.shape)
    if settings.score_gate:
        low = (scores > 0) & (scores < settings.score_gate)
        keypoints, scores = _without(keypoints, scores, low)
        record.add(Change.LOW_SCORE, low)
        if not (scores > 0).any():
            raise TrackError(
                f"{track.label}: the best score in {len(track)} frames is {track.scores.max():.3g}, below the gate of "
                f"{settings.score_gate:g}; lower the gate if these keypoints are to be trusted."
            )
    if settings.placeholders:
        nowhere = find_placeholders(keypoints)
        keypoints, scores = _without(keypoints, scores, nowhere)
        record.add(Change.PLACEHOLDER, nowhere)
        if not (scores > 0).any():
            raise TrackError(f"{track.label}: every keypoint of its {len(track)} frames is at (0, 0), which means missing.")
    times, fps = _times(track)
    if settings.swaps:
        swapped = find_swaps(keypoints, scores, track.skeleton, person_size(keypoints), times, settings.outlier_size)
        mirror, there = track.skeleton.mirror, scores > 0
        keypoints = np.where(swapped[..., None], keypoints[:, mirror], keypoints)
        scores = np.where(swapped, scores[:, mirror], scores)
        record.add(Change.SWAPPED, swapped & (there | there[:, mirror]))
    if settings.outliers:
        out = find_outliers(keypoints, settings.outlier_size)
        keypoints, scores = _without(keypoints, scores, out)
        record.add(Change.OUTLIER, out)
    limit = settings.gap_frames(fps)
    if limit:
        keypoints, scores, filled = fill_gaps(keypoints, scores, times, limit, settings.filled_share)
        record.add(Change.FILLED, filled)
    return track.replace(keypoints=keypoints, scores=scores), record


def _without(keypoints: Floats, scores: Floats, where: Mask) -> tuple[Floats, Floats]:
    return np.where(where[..., None], np.nan, keypoints), np.where(where, 0.0, scores)


def _times(track: KeypointTrack) -> tuple[Floats, float]:
    """Return seconds (T,) and frames per second, of the usual rate where the track does not say."""
    fps = float(track.fps or USUAL_FPS)
    if track.times is None or len(track) < 2:
        return np.arange(len(track)) / fps, fps
    return track.times, float((len(track) - 1) / (track.times[-1] - track.times[0]))
