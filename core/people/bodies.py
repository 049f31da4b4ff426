# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies: people told apart by their sizes and proportions, without knowing which keypoint is what.

A look at a person for a second or so is known by the lengths between all pairs of keypoints: those that hold still, such as
the torso's, say much, those of swinging limbs little. How much the lengths of one and the same person differ from look to
look depends on the clip (on turns, on ways to and from the camera), so it is measured in the clip itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .detections import Detections, Floats, Indices, Mask
from .joining import student

_SIGHT = 1.5  # seconds that a look takes
_SAMPLES = 12
_STEPS = 3.0  # samples per second that are news
_LENGTHS = 5.0  # independent lengths that the proportions count for
_SAME_LENGTH, _OTHER_LENGTH, _OTHER_SIZE = 0.015, 0.1, 0.15  # standard deviations, in log
_LOOKS, _PRIOR = 16, 4  # pairs of looks at the clip, and as how many of them what is usual counts
_USUAL_GROWTH, _USUAL_TURNING = 0.03, 1.0
_CAUTION = 0.8  # quantile of the changes in the clip that is taken for usual


@dataclass(frozen=True)
class Habits:
    """How people change in a clip: `growth`, standard deviation of a size, in log per second; `turning`, how many times
    their variances within a look the lengths change, per second between looks."""

    growth: float
    turning: float

    @classmethod
    def of(cls, found: Detections, stretches: list[Indices], rate: float) -> Habits:
        """Measure it, in some stretches of a clip in which identities are sure, between their first and last moments."""
        long = [stretch for stretch in stretches if len(stretch) >= max(6, _SIGHT * rate)]
        growth, turning = [_USUAL_GROWTH] * _PRIOR, [_USUAL_TURNING] * _PRIOR
        for stretch in long[:: max(1, len(long) // _LOOKS)]:
            half = min(len(stretch) // 2, round(_SIGHT * rate))
            one, two = Body.of(found, stretch[:half], rate), Body.of(found, stretch[-half:], rate)
            change = one.change(two)
            if change is not None:
                seconds = max(two.middle - one.middle, 0.1)
                growth.append(np.sqrt(max(change.growth**2 - _SAME_LENGTH**2, 0.0)) / seconds)
                turning.append(change.excess() / seconds)
        return cls(float(np.quantile(growth, _CAUTION)), float(np.quantile(turning, _CAUTION)))


@dataclass(frozen=True)
class Change:
    """What differs between two looks: the log `growth` of all lengths, what is left of each (M,), and its variance (M,)."""

    growth: float
    lengths: Floats
    unsure: Floats

    def excess(self) -> float:
        """Return the mean square of what is left, in units of its variance."""
        return float(np.average(self.lengths**2 / self.unsure, weights=1 / self.unsure))


@dataclass(frozen=True)
class Body:
    """A look: log lengths between pairs of keypoints (M,), the means' variances (inf where too seldom seen), and its time."""

    means: Floats
    variances: Floats
    middle: float

    @classmethod
    def of(cls, found: Detections, members: Indices, rate: float, last: bool = False) -> Body:
        """Look at up to 1.5 s of a person's first (or last) detections."""
        reach = round(_SIGHT * rate) + 1
        members = members[-reach:][::-1] if last else members[:reach]
        frames = found.frames[members]
        span = int(np.searchsorted(np.abs(frames - frames[0]), _SIGHT * rate, side="right"))
        chosen = np.unique(np.linspace(0, span - 1, min(span, _SAMPLES)).astype(int))
        keypoints, scores = found.keypoints[members[chosen]], found.scores[members[chosen]]
        one, two = _pairs_of(scores.shape[1])
        apart = keypoints[:, one] - keypoints[:, two]
        weight = np.minimum(scores[:, one], scores[:, two])
        squares = np.where(weight > 0, (apart**2).sum(-1), 1.0)
        weight = np.where(squares > 0, weight, 0.0)
        lengths = 0.5 * np.log(np.where(squares > 0, squares, 1.0))
        total = np.maximum(weight.sum(0), 1e-9)
        means = (weight * lengths).sum(0) / total
        variances = (weight * (lengths - means) ** 2).sum(0) / total
        count = (weight > 0).sum(0)
        news = np.maximum(count / len(chosen) * _STEPS * span / rate, 1)
        return cls(means, np.where(count >= 3, variances / news, np.inf), float(frames[chosen].mean()) / rate)

    def change(self, other: Body) -> Change | None:
        """Return what differs in another look, None where too little is seen in both."""
        known: Mask = np.isfinite(self.variances) & np.isfinite(other.variances)
        if known.sum() < 3:
            return None
        lengths = (other.means - self.means)[known]
        unsure = (self.variances + other.variances)[known] + _SAME_LENGTH**2
        growth = float(np.average(lengths, weights=1 / unsure))
        return Change(growth, lengths - growth, unsure)

    def unlike(self, other: Body, habits: Habits) -> float:
        """Return the log likelihood of two bodies over that of one body; 0 where that cannot be said."""
        change = self.change(other)
        if change is None:
            return 0.0
        seconds = abs(other.middle - self.middle)
        noise = _SAME_LENGTH**2 + (habits.growth * seconds) ** 2
        unsure = change.unsure * max(1.0, habits.turning * seconds)
        proportions = np.average(_odds(change.lengths, unsure, _OTHER_LENGTH), weights=1 / change.unsure)
        return float(_odds(change.growth, noise, _OTHER_SIZE) + _LENGTHS * proportions)


@cache
def _pairs_of(joints: int) -> tuple[Indices, Indices]:
    """Return pairs of joints: up to 150, spread over all that there are."""
    one, two = np.triu_indices(joints, 1)
    every = -(-len(one) // 150)
    return one[::every], two[::every]


def _odds(change: Any, noise: Any, other: float) -> Any:
    """Return the log likelihood of a change that noise and another person's being other explain, over that of noise alone."""
    two = noise + other**2
    return student(change**2, noise, 1) - student(change**2, two, 1)
