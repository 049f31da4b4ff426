# SPDX-License-Identifier: GPL-3.0-or-later
"""What fine-tuning changed for the user's own clips: weights before and after, on frames that training did not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

SAME = 0.02
"""Share by which a measure must change to count as better or worse."""

_WORDS = {
    "reprojection": ("Solved joints are off their keypoints by", "px"),
    "bones": ("Bones change their lengths by", "%"),
    "turned": ("The same pose seen from elsewhere is off by", "%"),
}
ELSEWHERE = (
    "None of this is measured against true 3D. People other than those in your clips may now be lifted worse: "
    "look at the results before you keep these weights."
)


@dataclass(frozen=True)
class Score:
    """How well weights explain clips of which no 3D is known; less is better.

    reprojection: median distance of the solved joints from the keypoints, pixels. bones: how much the lifted bones change
    their lengths from frame to frame, percent of each. turned: how far the student's pose is from its own estimate of the
    same pose seen from elsewhere, percent of the distance from the root to the head.
    """

    reprojection: float
    bones: float
    turned: float


@dataclass(frozen=True)
class Comparison:
    """The scores of the weights that a run began with and of those that it made, on the same held-out frames."""

    start: str
    frames: int
    before: Score
    after: Score

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Build from `to_dict`'s data. Raises `KeyError`, `TypeError`, `ValueError` where it does not fit."""
        before, after = (Score(*(float(data[side][f.name]) for f in fields(Score))) for side in ("before", "after"))
        return cls(str(data["start"]), int(data["frames"]), before, after)

    def changes(self) -> dict[str, int]:
        """Return for each measure 1 where it got better, -1 where worse, 0 where it is the same."""
        found = {}
        for name, before in asdict(self.before).items():
            off = getattr(self.after, name) - before
            found[name] = 0 if abs(off) <= SAME * max(before, 1e-9) else -1 if off > 0 else 1
        return found

    def verdict(self) -> str:
        """Return in one sentence whether the new weights are better for these clips."""
        changes = list(self.changes().values())
        better, worse = changes.count(1), changes.count(-1)
        if better and not worse:
            return f"Better on your clips in {better} of {len(changes)} measures, worse in none."
        if worse and not better:
            return f"Worse on your clips in {worse} of {len(changes)} measures, better in none: keep '{self.start}'."
        if not better:
            return f"No different on your clips: keep '{self.start}'."
        return f"Better on your clips in {better} of {len(changes)} measures, worse in {worse}: compare both by eye."

    def lines(self) -> list[str]:
        """Return the report, line by line."""
        lines = [self.verdict(), f"On {self.frames} frames held out of the training, before ('{self.start}') and after:"]
        for name, (words, unit) in _WORDS.items():
            lines.append(f"{words} {getattr(self.before, name):.2f}, then {getattr(self.after, name):.2f} {unit}")
        return [*lines, ELSEWHERE]
