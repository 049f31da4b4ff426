# SPDX-License-Identifier: GPL-3.0-or-later
"""`KeypointTrack`: one person's 2D keypoints over time; what every reader returns and everything downstream takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import Intrinsics, undistort
from .errors import TrackError
from .skeleton import Skeleton

Array = NDArray[np.float64]

_BLOCK = 1024
"""Frames that are checked at a time, to bound the memory."""


@dataclass(frozen=True)
class KeypointTrack:
    """Keypoints of one person.

    keypoints: (T, J, 2) pixels, origin top left, y down; NaN where missing.
    scores: (T, J) in 0..1; 0 exactly where the keypoint is missing.
    skeleton: the layout of the J keypoints.
    fps: exact frame rate, or None where the source does not say.
    image_size: (width, height) in pixels, or None where the source does not say.
    times: (T,) seconds, strictly rising, or None for evenly spaced frames at `fps`.
    person: the source's or the linker's name of the person.
    source: the file or folder it came from, for messages.
    intrinsics: the camera where the source gives one.
    first_frame: number of the first frame in the source (file number, clip frame).
    notes: what a reader or a cleaning step wants the user to know.

    Construction normalises (missing means NaN and score 0, both ways) and checks shapes and ranges. The arrays cannot be
    written to; those that could not be before are taken as they are, others are copied. Raises `TrackError`.
    """

    keypoints: Array
    scores: Array
    skeleton: Skeleton
    fps: Fraction | None = None
    image_size: tuple[int, int] | None = None
    times: Array | None = None
    person: str = "1"
    source: str = ""
    intrinsics: Intrinsics | None = None
    first_frame: int = 0
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        keypoints, scores = _unwritable(self.keypoints), _unwritable(self.scores)
        joints = len(self.skeleton)
        if keypoints.ndim != 3 or keypoints.shape[1:] != (joints, 2) or scores.shape != keypoints.shape[:2]:
            raise TrackError(
                f"{self.label}: keypoints {keypoints.shape} and scores {scores.shape} do not fit "
                f"the {joints} joints of '{self.skeleton.name}'."
            )
        if len(keypoints) == 0:
            raise TrackError(f"{self.label}: the track has no frames.")
        own = False
        for at in range(0, len(keypoints), _BLOCK):
            points, certain = keypoints[at : at + _BLOCK], scores[at : at + _BLOCK]
            missing = ~(np.isfinite(points[..., 0]) & np.isfinite(points[..., 1]) & np.isfinite(certain) & (certain > 0))
            if np.isnan(points[missing]).all() and (certain[missing] == 0).all():
                continue
            if not own:
                keypoints, scores, own = keypoints.copy(), scores.copy(), True
            keypoints[at : at + _BLOCK][missing] = np.nan
            scores[at : at + _BLOCK][missing] = 0.0
        keypoints.setflags(write=False)
        scores.setflags(write=False)
        if scores.max() > 1.0:
            raise TrackError(f"{self.label}: a score is {scores.max():g}; scores are between 0 and 1.")
        object.__setattr__(self, "keypoints", keypoints)
        object.__setattr__(self, "scores", scores)
        if self.fps is not None and self.fps <= 0:
            raise TrackError(f"{self.label}: a frame rate of {self.fps} is impossible.")
        if self.times is not None:
            times = np.array(self.times, dtype=np.float64)
            if times.shape != (len(keypoints),) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
                raise TrackError(f"{self.label}: times must be one rising number of seconds per frame.")
            object.__setattr__(self, "times", times)

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def label(self) -> str:
        """Source and person, for messages."""
        return f"{self.source or 'track'} (person {self.person})"

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(T, J) True where there is a keypoint."""
        return self.scores > 0

    @property
    def coverage(self) -> float:
        """Share of frames in which anything of the person was seen."""
        return float(self.observed.any(1).mean())

    def frame_times(self) -> Array:
        """(T,) seconds of each frame, the first at 0 where the source gives no times. Raises `TrackError` without a rate."""
        if self.times is not None:
            return self.times
        if self.fps is None:
            raise TrackError(f"{self.label}: the frame rate is unknown; give it.")
        return np.arange(len(self)) / float(self.fps)

    def replace(self, **changes: Any) -> KeypointTrack:
        """Return a copy with some fields changed, checked again."""
        return replace(self, **changes)

    def undistorted(self, camera: Intrinsics) -> KeypointTrack:
        """Return the track as `camera`, through which it was seen, would see it without distortion; that is its camera then."""
        return replace(
            self,
            keypoints=undistort(self.keypoints, camera),
            image_size=(camera.width, camera.height),
            intrinsics=camera.undistorted(),
        )

    def noted(self, *notes: str) -> KeypointTrack:
        """Return a copy with notes added."""
        return replace(self, notes=(*self.notes, *notes))


def _unwritable(values: Array) -> Array:
    """Return doubles that nobody can write to: an array that is already so, or a copy."""
    base = values
    while isinstance(base, np.ndarray) and not base.flags.writeable and base.base is not None:
        base = base.base
    if (
        isinstance(base, np.ndarray)
        and not base.flags.writeable
        and isinstance(values, np.ndarray)
        and values.dtype == np.float64
    ):
        return values
    return np.array(values, dtype=np.float64)


def exact_rate(rate: float | str | Fraction) -> Fraction:
    """Return a frame rate as an exact fraction: 29.97 and 30000/1001 are both 30000/1001.

    Decimals within 0.01 of a broadcast rate n x 1000/1001 that are no whole number are taken for it. Raises `TrackError`
    where it is no positive number below 1e6.
    """
    try:
        exact = Fraction(rate)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        raise TrackError(f"'{rate}' is no frame rate; give one such as 25, 29.97 or 30000/1001.") from None
    if not 0 < exact <= 1_000_000:
        raise TrackError(f"a frame rate of {rate} is impossible.")
    nearest = Fraction(round(exact * 1001 / 1000) * 1000, 1001)
    if exact.denominator > 1 and nearest.denominator == 1001 and abs(exact - nearest) < Fraction(1, 100):
        return nearest
    return exact.limit_denominator(100_000)
