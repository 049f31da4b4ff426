# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of single frames, and what they come to: means over frames with confidence intervals over clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ... import metrics
from ...skeleton import Skeleton

Array = NDArray[np.float64]
Frames = Mapping[str, Array]
"""By metric, (T,) values of the frames of one track; NaN where a frame has none."""

LIMIT = 150.0
RESAMPLES = 1000
OVERALL = "all"


@dataclass(frozen=True)
class Estimate:
    """A value, and the bounds of its 95 % confidence interval over clips; None where there is but one clip."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Score:
    """What one network of some weights scores under one condition in one category of motion, or in `OVERALL`.

    values: by the names of `METRICS`; a metric that does not apply is absent.
    """

    weights: str
    network: str
    condition: str
    category: str
    clips: int
    frames: int
    values: dict[str, Estimate]


METRICS = {
    "p_mpjpe": "mm, mean joint distance after a similarity without reflection",
    "n_mpjpe": "mm, mean joint distance, roots together, after the least-squares scale",
    "torso_mpjpe": "mm, mean joint distance, roots together, the torso scaled to its true size",
    "pck": "share of joints within 150 mm, after the least-squares scale",
    "auc": "mean of such shares for 0, 5, ..., 150 mm",
    "mirrored": "share of frames whose mirror image in depth has the smaller P-MPJPE",
    "rotation": "degrees, mean angle between the teacher's rotation and the true body frame's",
    "rotation_median": "degrees, median of these angles",
    "acceleration": "m/s2, mean difference of joint accelerations, after the least-squares scale",
    "invariance": "mm, mean joint distance between the teacher's canonical poses of one moment under two cameras",
    "equivariance": "mm, mean joint distance between the student's poses under two cameras, one turned into the other's axes",
    "reprojection": "share of the image's longer side, the worst observed joint of a frame, mean over frames",
    "reprojection_max": "share of the image's longer side, the worst observed joint of all",
    "oracle_p_mpjpe": "mm, P-MPJPE of the better of each pose and its mirror image: the paper's oracle",
    "oracle_n_mpjpe": "mm, N-MPJPE of the better of each pose and its mirror image: the paper's oracle",
}
"""What is scored: names in JSON, units and definitions."""


def torso_joints(skeleton: Skeleton) -> list[int]:
    """Return the joints that a skeleton's body axes span, which bend little against each other; all without axes."""
    if skeleton.axes is None:
        return list(range(len(skeleton)))
    axes = skeleton.axes
    return sorted({skeleton.index(n) for n in (axes.down, axes.up, *(name for pair in axes.right_left for name in pair))})


def pose_errors(pose: Array, twin: Array, truth: Array, skeleton: Skeleton, fps: float) -> dict[str, Array]:
    """Return the errors of poses (T, J, 3) of any scale, each (T,).

    twin: the mirror images of the poses. truth: (T, J, 3) millimetres, in the same axes. The first and the last frame have
    no acceleration.
    """
    root = skeleton.root
    own, other = metrics.p_mpjpe(pose, truth), metrics.p_mpjpe(twin, truth)
    scaled = metrics.n_mpjpe(pose, truth, root)
    a, b = metrics.scaled_pair(pose, truth, root)
    acceleration = np.full(len(pose), np.nan)
    acceleration[1:-1] = metrics.acceleration_error(a, b, fps) / 1000
    return {
        "p_mpjpe": own,
        "n_mpjpe": scaled,
        "torso_mpjpe": metrics.torso_mpjpe(pose, truth, torso_joints(skeleton), root),
        "pck": metrics.pck(pose, truth, LIMIT, root),
        "auc": metrics.auc(pose, truth, LIMIT, root=root),
        "mirrored": (other < own - 1e-9).astype(float),
        "acceleration": acceleration,
        "oracle_p_mpjpe": np.minimum(own, other),
        "oracle_n_mpjpe": np.minimum(scaled, metrics.n_mpjpe(twin, truth, root)),
    }


@dataclass
class Sample:
    """The values of one network under one condition, track by track, with the number of the clip that each is from."""

    clips: list[int] = field(default_factory=list)
    tracks: list[Frames] = field(default_factory=list)

    def add(self, clip: int, frames: Frames) -> None:
        """Take in a track of a clip."""
        self.clips.append(clip)
        self.tracks.append(frames)

    def of(self, clips: Sequence[int]) -> Sample:
        """Return what is from some of the clips."""
        chosen = [(c, frames) for c, frames in zip(self.clips, self.tracks, strict=True) if c in clips]
        return Sample([c for c, _ in chosen], [frames for _, frames in chosen])

    def estimates(self, seed: int) -> dict[str, Estimate]:
        """Return every metric over all frames, with intervals from drawing clips with replacement."""
        names = {name for frames in self.tracks for name in frames}
        found: dict[str, Estimate] = {}
        for name in METRICS:
            if name not in names:
                continue
            parts = [(c, frames[name]) for c, frames in zip(self.clips, self.tracks, strict=True) if name in frames]
            values = np.concatenate([v for _, v in parts])
            clip = np.repeat([c for c, _ in parts], [len(v) for _, v in parts])
            valid = np.isfinite(values)
            if not valid.any():
                continue
            values, clip = values[valid], clip[valid]
            found[name] = estimate(values, clip, weighted_mean, seed)
            if name == "rotation":
                found["rotation_median"] = estimate(values, clip, weighted_median, seed)
            if name == "reprojection":
                found["reprojection_max"] = Estimate(float(values.max()))
        return found


Statistic = Callable[[Array, NDArray[np.intp], NDArray], Array]


def estimate(values: Array, clip: NDArray, statistic: Statistic, seed: int) -> Estimate:
    """Return a statistic of frames with its 95 % interval: percentiles over clips drawn with replacement (Efron 1979).

    values: (F,) finite. clip: (F,) which clip each is from: frames of one clip resemble each other, so whole clips, with
    all their cameras, are drawn.
    """
    _, index = np.unique(clip, return_inverse=True)
    count = int(index.max()) + 1
    value = float(statistic(values, index, np.ones((1, count)))[0])
    if count < 2:
        return Estimate(value)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    low, high = np.percentile(statistic(values, index, draws), (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def weighted_mean(values: Array, index: NDArray[np.intp], weights: NDArray) -> Array:
    """Return (B,) means over frames. index: (F,) clips; weights: (B, C) how often each clip counts."""
    return (weights @ np.bincount(index, values)) / (weights @ np.bincount(index))


def weighted_median(values: Array, index: NDArray[np.intp], weights: NDArray) -> Array:
    """Return (B,) medians over frames, with arguments as for `weighted_mean`; the lower of two middle frames."""
    order = np.argsort(values)
    medians = []
    for chunk in np.array_split(weights, max(1, len(weights) * len(values) // 10_000_000)):
        below = np.cumsum(chunk[:, index[order]], axis=1)
        middle = (below < 0.5 * below[:, -1:]).sum(1)
        medians.append(values[order[middle]])
    return np.concatenate(medians)
