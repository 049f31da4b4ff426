# SPDX-License-Identifier: GPL-3.0-or-later
"""Training poses from motion capture seen by random virtual cameras; what every source of poses gives.

Batches are of 2D poses of the virtual camera: root at the origin, the mean distance from the root to the head 1/t.
Projections are made on the training device, per step, so that there is no end of views. `tracks` has the other source.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ..skeleton import Skeleton
from .config import LifterConfig
from .evaluation.clips import read_clips
from .prepare import SIZE_WINDOW_SECONDS
from .views import Corruption, random_views

STATISTICS_SAMPLES = 65536
SIZE_SAMPLES = 4
"""Moments of a take that stand for the window over which inference measures how large a body appears."""


class Batch(NamedTuple):
    """2D poses of the virtual camera, and what is known of them.

    plane: (N, J, 2), complete. truth: (N, J, 3) camera axes, body units; None where there is no 3D. distance: (N,) of the
    camera, body units, told from the apparent size; None where it is the constant t. observed: (N, J) joints that were
    not completed; None for all. gap: (N / 2,) frames between poses 2 i and 2 i + 1, where they were drawn in pairs.
    """

    plane: Tensor
    truth: Tensor | None = None
    distance: Tensor | None = None
    observed: Tensor | None = None
    gap: Tensor | None = None


@dataclass(frozen=True)
class PoseStatistics:
    """Of 2D poses in the virtual camera's plane: mean (2J,), covariance (2J, 2J), mean edge lengths (edges,); float64."""

    mean: np.ndarray
    covariance: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, plane: Tensor, skeleton: Skeleton) -> PoseStatistics:
        """Measure complete poses (N, J, 2)."""
        poses = plane.cpu().double().numpy()
        flat = poses.reshape(len(poses), -1)
        edges = [np.linalg.norm(poses[:, c] - poses[:, p], axis=-1).mean() for p, c in skeleton.edges]
        return cls(flat.mean(0), np.cov(flat, rowvar=False), np.array(edges))

    def normal(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return mean and covariance as tensors."""
        return torch.from_numpy(self.mean).to(device), torch.from_numpy(self.covariance).to(device)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that a weights file holds."""
        return {"statistics.mean": self.mean, "statistics.covariance": self.covariance, "statistics.edges": self.edges}


class PoseSource(Protocol):
    """Anything that draws training batches; `statistics` are those of its complete poses."""

    size: int
    statistics: PoseStatistics

    def sample(self, count: int, generator: torch.Generator, frames: int = 1) -> Batch:
        """Draw `count` poses as they are, or with two `frames` `count` pairs of moments of one take."""
        ...

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a batch as a detector would give it: noisy, joints missing and completed."""
        ...


def head_joint(skeleton: Skeleton) -> int:
    """Return the joint whose distance from the root is the body unit: the last of the middle joints, from the root up."""
    middle = [j for j in skeleton.order if skeleton.mirror[j] == j]
    return middle[-1] if len(middle) > 1 else skeleton.order[-1]


class MotionCapture:
    """Poses of a motion-capture archive (the design's `cmu17` format) through random virtual cameras.

    A category of motions is drawn with the square root of its share, so that no dance drowns the rest. Where the
    configuration is `aware`, a pose's size is what can be told from its take's apparent size within a second, as at
    inference; otherwise it is known. `unit` is then the body unit in metres.
    """

    def __init__(self, path: Path, skeleton: Skeleton, config: LifterConfig, device: torch.device) -> None:
        capture = read_motion_capture(path, skeleton)
        self.size = len(capture.poses)
        self._poses = torch.from_numpy(capture.poses).to(device)
        self._cumulated = torch.from_numpy(np.cumsum(capture.weights / capture.weights.sum())).to(device)
        self._first, self._last = (torch.from_numpy(side).to(device) for side in (capture.first, capture.last))
        self._window, self._gap = round(capture.fps * SIZE_WINDOW_SECONDS), largest_gap(config)
        self._views, self._distance, self._aware = config.views, config.distance, config.aware
        self._mirror = torch.from_numpy(skeleton.mirror.copy()).to(device)
        self._parents, self._children = (list(side) for side in zip(*skeleton.edges, strict=True))
        self.unit, self._edge = 1.0, 1.0
        head = head_joint(skeleton)
        self.metres = float(self._poses[:, head].norm(dim=-1).mean())
        probe = torch.Generator(device).manual_seed(0)
        # The body unit: with it, the head's mean distance in 2D is 1/t. Two rounds, for perspective changes it.
        for _ in range(2):
            mean = self.sample(STATISTICS_SAMPLES, probe).plane[:, head].norm(dim=-1).mean()
            if config.aware:
                self._edge /= float(mean) * config.distance
            else:
                self.unit *= float(mean) * config.distance
        self.statistics = PoseStatistics.of(self.sample(STATISTICS_SAMPLES, probe).plane, skeleton)
        self._corruption = Corruption(config.views, skeleton, *self.statistics.normal(device))

    def sample(self, count: int, generator: torch.Generator, frames: int = 1) -> Batch:
        """Draw `count` poses, or with two `frames` pairs of one take and one camera; every pose or pair has its own."""
        device, views = self._poses.device, self._views
        index, gap = self._moments(count, frames, generator)
        pose = self._poses[index] / self.unit
        if views.mirror:
            flip = torch.rand(count, generator=generator, device=device) < 0.5
            mirrored = pose[:, :, self._mirror] * pose.new_tensor([-1.0, 1.0, 1.0])
            pose = torch.where(flip[:, None, None, None], mirrored, pose)
        pose = pose @ random_views(count, views, generator, device).transpose(-1, -2)[:, None]
        low, high = views.distance
        # Uniform in inverse distance: as much perspective from near cameras as flatness from far ones.
        inverse = 1 / high + (1 / low - 1 / high) * torch.rand(count, 1, 1, 1, generator=generator, device=device)
        distance = self._distance / inverse
        jitter = torch.exp(views.size_jitter * torch.randn(count, 1, 1, 1, generator=generator, device=device))
        if not self._aware:
            plane = (pose[..., :2] / (pose[..., 2:] + distance) / inverse * jitter)[:, :frames]
            return Batch(plane.flatten(0, 1), (pose * jitter)[:, :frames].flatten(0, 1), gap=gap)
        # The body is as far as it seems, and as large: that over its true distance, times its true size, in metres.
        distance = distance * self.metres
        rays = pose[..., :2] / (pose[..., 2:] + distance)
        edges = (rays[..., self._children, :] - rays[..., self._parents, :]).norm(dim=-1).mean((1, 2))
        seeming = self._edge / edges * jitter[:, 0, 0, 0]
        plane = rays[:, :frames] * (seeming / self._distance)[:, None, None, None]
        truth = pose[:, :frames] * (seeming / distance[:, 0, 0, 0])[:, None, None, None]
        return Batch(plane.flatten(0, 1), truth.flatten(0, 1), seeming.repeat_interleave(frames), None, gap)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a batch as a detector would give it."""
        plane, observed = self._corruption(batch.plane, batch.observed, generator)
        return batch._replace(plane=plane, observed=observed)

    def _moments(self, count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw frame indices (count, frames and those of the size's window), and the pairs' gaps."""
        device = self._poses.device
        draw = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        index = torch.searchsorted(self._cumulated, draw).clamp_max(self.size - 1)
        offsets, gap = [torch.zeros_like(index)], None
        if frames == 2:
            gap = random_gaps(index, self._first[index], self._last[index], self._gap, generator)
            offsets.append(gap)
        if self._aware:
            shape = (count, SIZE_SAMPLES)
            window = torch.randint(-self._window, self._window + 1, shape, generator=generator, device=device)
            offsets += list(window.unbind(1))
        moments = index[:, None] + torch.stack(offsets, 1)
        return moments.clamp(self._first[index][:, None], self._last[index][:, None]), gap


def random_gaps(index: Tensor, first: Tensor, last: Tensor, largest: int, generator: torch.Generator) -> Tensor:
    """Draw how many frames a second moment of the same take comes after each one: 2 to `largest`.

    Backwards where the take, which reaches from `first` to `last`, would end; fewer where it is too short for either. A
    take of one frame gets 1: who clamps the second moment to it sees a body that stands still.
    """
    before, after = index - first, last - index
    gap = torch.randint(2, largest + 1, index.shape, generator=generator, device=index.device)
    gap = torch.minimum(gap, torch.maximum(before, after)).clamp_min(1)
    return torch.where((gap > after) & (gap <= before), -gap, gap)


def largest_gap(config: LifterConfig) -> int:
    """Return how many frames apart the two poses of a pair may be."""
    return config.teacher_stage.prior.gap if config.teacher_stage.prior else 2


def is_motion_capture(path: Path) -> bool:
    """Say whether a file is a motion-capture archive, by the names of its arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {"pos", "quant", "start", "joint_names"} <= set(data.files)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


class Capture(NamedTuple):
    """poses: (F, J, 3) metres, Z up, root at the origin. weights: (F,) for drawing. first, last: (F,) each frame's take."""

    poses: np.ndarray
    weights: np.ndarray
    first: np.ndarray
    last: np.ndarray
    fps: float


def read_motion_capture(path: Path, skeleton: Skeleton) -> Capture:
    """Read root-relative poses, a drawing weight for each frame, and the takes: runs of frames in which every joint is known.

    Raises `ReadError` where the file is no such archive, is damaged, or lacks joints of the skeleton.
    """
    clips = read_clips(path, skeleton)
    takes = [(clip.joints[piece], clip.category) for clip in clips for piece in clip.pieces()]
    lengths = np.array([len(joints) for joints, _ in takes])
    ends = np.cumsum(lengths)
    categories = np.repeat([category for _, category in takes], lengths)
    _, inverse, counts = np.unique(categories, return_inverse=True, return_counts=True)
    return Capture(
        np.concatenate([(joints - joints[:, skeleton.root, None]).astype(np.float32) for joints, _ in takes]),
        1 / np.sqrt(counts[inverse]),
        np.repeat(ends - lengths, lengths),
        np.repeat(ends - 1, lengths),
        clips[0].fps,
    )
