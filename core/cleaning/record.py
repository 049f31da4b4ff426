# SPDX-License-Identifier: GPL-3.0-or-later
"""What cleaning did: how many keypoints each step changed, and which."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from .paths import Mask


class Change(IntFlag):
    """What was done to a keypoint. Several may be: one that was swapped, then an outlier, was filled in the end."""

    LOW_SCORE = 1
    PLACEHOLDER = 2
    SWAPPED = 4
    OUTLIER = 8
    FILLED = 16

    @property
    def words(self) -> str:
        """What the report calls it, after a number of keypoints."""
        return _WORDS[self]


_WORDS = {
    Change.LOW_SCORE: "low scores",
    Change.PLACEHOLDER: "at (0, 0)",
    Change.SWAPPED: "swapped",
    Change.OUTLIER: "outliers",
    Change.FILLED: "filled",
}


class CleaningRecord(dict[str, int]):
    """Counts of changed keypoints by kind, in words, for the steps that are switched on; a plain dict in all else.

    `changes` is (T, J) uint8: sums of `Change`, 0 where a keypoint is as it was.
    """

    changes: NDArray[np.uint8]

    @classmethod
    def of(cls, frames: int, joints: int) -> CleaningRecord:
        """Return an empty record."""
        record = cls()
        record.changes = np.zeros((frames, joints), np.uint8)
        return record

    def add(self, change: Change, where: Mask) -> None:
        """Note a step's changes, (T, J) True where it made one."""
        self[change.words] = int(where.sum())
        self.changes[where] |= int(change)

    def frames(self, change: Change) -> NDArray[np.intp]:
        """Return the numbers of the frames in which something was changed so, from 0."""
        return np.flatnonzero((self.changes & int(change)).any(1))
