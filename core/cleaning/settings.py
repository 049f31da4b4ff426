# SPDX-License-Identifier: GPL-3.0-or-later
"""What cleaning does: every step can be switched off."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError


@dataclass(frozen=True)
class CleaningSettings:
    """What `clean` does.

    score_gate: keypoints that score less are taken for missing (0: none). placeholders: whether keypoints at exactly
    (0, 0), far from the person, are taken for missing. swaps: whether left and right are repaired over time.
    outliers: whether keypoints that leave their path for a moment are dropped; outlier_size: how far off one must be, as a
    share of the person's size.
    max_gap_seconds: the longest time, per keypoint, that is filled (0: none), so that a clip is filled alike at any frame
    rate; at least one frame is. max_gap: the same in frames, in its place where it is given (0: none).
    filled_share: what a filled keypoint scores, as a share of its neighbours' score.
    Raises `SettingsError` where one is out of range.
    """

    score_gate: float = 0.1
    max_gap: int | None = None
    outliers: bool = True
    outlier_size: float = 0.06
    filled_share: float = 0.3
    placeholders: bool = True
    swaps: bool = True
    max_gap_seconds: float = 1 / 3

    def __post_init__(self) -> None:
        if not 0 <= self.score_gate < 1:
            raise SettingsError(f"the score gate is {self.score_gate:g}; it must be at least 0 and less than 1.")
        if self.max_gap is not None and self.max_gap < 0:
            raise SettingsError(f"the longest gap to fill is {self.max_gap} frames; it cannot be negative.")
        if not 0 <= self.max_gap_seconds < float("inf"):
            raise SettingsError(f"the longest gap to fill is {self.max_gap_seconds:g} s; it must be 0 or more.")
        if not self.outlier_size > 0 or not 0 < self.filled_share <= 1:
            raise SettingsError("the outlier size must be positive and the filled keypoints' share in 0..1.")

    def gap_frames(self, fps: float) -> int:
        """Return how many missing frames in a row are filled at a frame rate; 0 for none."""
        if self.max_gap is not None:
            return self.max_gap
        return max(1, int(self.max_gap_seconds * fps + 1e-6)) if self.max_gap_seconds else 0
