# SPDX-License-Identifier: GPL-3.0-or-later
"""Where training poses come from: motion capture seen by random virtual cameras, or plain 2D tracks.

Both give batches of 2D poses of the virtual camera: root at the origin, the mean distance from the root to the head
1/t. Projections are made on the training device, per step, so that there is no end of views.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import ReadError, SettingsError, TrackError
from ..layouts import to_canonical
from ..readers import find_clips, read
from ..skeleton import Skeleton
from ..track import KeypointTrack
from .config import LifterConfig, ViewConfig
from .impute import complete

STATISTICS_SAMPLES = 65536


class Batch(NamedTuple):
    """plane: (N, J, 2) of the virtual camera. truth: (N, J, 3) camera axes, body units; None where there is no 3D."""

    plane: Tensor
    truth: Tensor | None


@dataclass(frozen=True)
class PoseStatistics:
    """Of 2D poses in the virtual camera's plane: mean (2J,), covariance (2J, 2J), mean edge lengths (edges,); float64."""

    mean: np.ndarray
    covariance: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, plane: Tensor, skeleton: Skeleton) -> PoseStatistics:
        """Measure poses (N, J, 2)."""
        poses = plane.cpu().double().numpy()
        flat = poses.reshape(len(poses), -1)
        edges = [np.linalg.norm(poses[:, c] - poses[:, p], axis=-1).mean() for p, c in skeleton.edges]
        return cls(flat.mean(0), np.cov(flat, rowvar=False), np.array(edges))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that a weights file holds."""
        return {"statistics.mean": self.mean, "statistics.covariance": self.covariance, "statistics.edges": self.edges}


class PoseSource(Protocol):
    """Anything that draws training batches; `statistics` are those of its complete poses."""

    size: int
    statistics: PoseStatistics

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` poses."""
        ...


def head_joint(skeleton: Skeleton) -> int:
    """Return the joint whose distance from the root is the body unit: the last of the middle joints, from the root up."""
    middle = [j for j in skeleton.order if skeleton.mirror[j] == j]
    return middle[-1] if len(middle) > 1 else skeleton.order[-1]


class MotionCapture:
    """Poses of a motion-capture archive (the design's `cmu17` format) through random virtual cameras.

    A category of motions is drawn with the square root of its share, so that no dance drowns the rest. `unit` is the body
    unit in metres.
    """

    def __init__(self, path: Path, skeleton: Skeleton, config: LifterConfig, device: torch.device) -> None:
        poses, weights = read_motion_capture(path, skeleton)
        self.size = len(poses)
        self._poses = torch.from_numpy(poses).to(device)
        self._cumulated = torch.from_numpy(np.cumsum(weights / weights.sum())).to(device)
        self._views = config.views
        self._distance = config.distance
        self._mirror = torch.from_numpy(skeleton.mirror.copy()).to(device)
        self._root = skeleton.root
        self.unit = 1.0
        head = head_joint(skeleton)
        probe = torch.Generator(device).manual_seed(0)
        # The body unit in metres: with it, the head's mean distance in 2D is 1/t. Two rounds, for perspective changes it.
        for _ in range(2):
            mean = self._project(STATISTICS_SAMPLES, probe).plane[:, head].norm(dim=-1).mean()
            self.unit *= float(mean) * config.distance
        self.statistics = PoseStatistics.of(self._project(STATISTICS_SAMPLES, probe).plane, skeleton)
        self._mean, self._covariance = (
            torch.from_numpy(array).to(device, torch.float64) for array in (self.statistics.mean, self.statistics.covariance)
        )
        self._hidden = torch.zeros(max(1, len(config.views.hidden)), len(skeleton), dtype=torch.bool, device=device)
        for row, names in zip(self._hidden, config.views.hidden, strict=False):
            row[[skeleton.index(name) for name in names]] = True

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` poses, each seen by a camera of its own, noisy and partly hidden as the configuration says."""
        plane, truth = self._project(count, generator)
        views, device = self._views, plane.device
        if views.noise:
            level = 2 * views.noise * torch.rand(count, 1, 1, generator=generator, device=device)
            noise = level * torch.randn(plane.shape, generator=generator, device=device)
            plane = plane + noise - noise[:, self._root : self._root + 1]
        if views.hidden or views.drop:
            some = torch.rand(count, 1, generator=generator, device=device) < 0.5
            which = torch.randint(len(self._hidden), (count,), generator=generator, device=device)
            dropped = torch.rand(plane.shape[:2], generator=generator, device=device) < views.drop
            observed = ~((self._hidden[which] | dropped) & some)
            observed[:, self._root] = True
            plane = complete(plane, observed, self._mean, self._covariance)
        return Batch(plane, truth)

    def _project(self, count: int, generator: torch.Generator) -> Batch:
        device, views = self._poses.device, self._views
        draw = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        pose = self._poses[torch.searchsorted(self._cumulated, draw).clamp_max(self.size - 1)] / self.unit
        if views.mirror:
            flip = torch.rand(count, generator=generator, device=device) < 0.5
            mirrored = pose[:, self._mirror] * pose.new_tensor([-1.0, 1.0, 1.0])
            pose = torch.where(flip[:, None, None], mirrored, pose)
        truth = pose @ random_views(count, views, generator, device).transpose(-1, -2)
        low, high = views.distance
        # Uniform in inverse distance: as much perspective from near cameras as flatness from far ones.
        inverse = 1 / high + (1 / low - 1 / high) * torch.rand(count, 1, 1, generator=generator, device=device)
        distance = self._distance / inverse
        plane = truth[..., :2] / (truth[..., 2:] + distance) / inverse
        if views.size_jitter:
            size = torch.exp(views.size_jitter * torch.randn(count, 1, 1, generator=generator, device=device))
            plane, truth = plane * size, truth * size
        return Batch(plane, truth)


def open_source(
    paths: Sequence[Path],
    skeleton: Skeleton,
    config: LifterConfig,
    device: torch.device,
    file_format: str = "auto",
    layout: str = "auto",
) -> PoseSource:
    """Open training data: one motion-capture archive, or keypoint files of any kind that the readers know.

    Raises `ReadError`, `TrackError` where no frame is complete, `SettingsError` where the configuration needs 3D.
    """
    if len(paths) == 1 and is_motion_capture(paths[0]):
        return MotionCapture(paths[0], skeleton, config, device)
    if config.teacher_stage.supervised or config.student_stage.supervised:
        raise SettingsError(f"the preset '{config.preset}' needs 3D motion capture; 2D tracks train with the preset 'paper'.")
    tracks = [t for path in paths for clip in find_clips(path) for t in read(clip, file_format=file_format, layout=layout)]
    return Tracks(np.concatenate([track_planes(track, skeleton) for track in tracks]), config, skeleton, device)


class Tracks:
    """Complete 2D poses of users' tracks; there is no 3D here."""

    def __init__(self, planes: np.ndarray, config: LifterConfig, skeleton: Skeleton, device: torch.device) -> None:
        """Take (F, J, 2) poses relative to the root, one scale per track. Raises `TrackError` where there are none."""
        if not len(planes):
            raise TrackError("no frame of the training tracks shows every joint of the skeleton.")
        head = np.linalg.norm(planes[:, head_joint(skeleton)], axis=-1).mean()
        self._planes = torch.from_numpy(np.float32(planes / (head * config.distance))).to(device)
        self.size = len(planes)
        self.statistics = PoseStatistics.of(self._planes, skeleton)

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` poses, with replacement."""
        index = torch.randint(self.size, (count,), generator=generator, device=self._planes.device)
        return Batch(self._planes[index], None)


def track_planes(track: KeypointTrack, skeleton: Skeleton) -> np.ndarray:
    """Return a track's complete frames as 2D poses (F, J, 2) relative to the root, the head at distance 1 on average."""
    canonical = to_canonical(track, skeleton)
    planes = canonical.keypoints[canonical.observed.all(1)]
    planes = planes - planes[:, skeleton.root : skeleton.root + 1]
    head = np.linalg.norm(planes[:, head_joint(skeleton)], axis=-1)
    return planes / head.mean() if len(planes) and head.mean() > 0 else planes[:0]


def is_motion_capture(path: Path) -> bool:
    """Say whether a file is a motion-capture archive, by the names of its arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {"pos", "quant", "start", "joint_names"} <= set(data.files)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def random_views(count: int, views: ViewConfig, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw (count, 3, 3) rotations from the world (Z up) to cameras that look at the root: any azimuth, some tilt."""
    uniform = torch.rand(count, 3, generator=generator, device=device)
    low, high = (np.radians(v) for v in views.elevation)
    azimuth, elevation = 2 * torch.pi * uniform[:, 0], low + (high - low) * uniform[:, 1]
    roll = np.radians(views.roll) * (2 * uniform[:, 2] - 1)
    sa, ca, se, ce = azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()
    zero = torch.zeros_like(sa)
    forward = torch.stack([-sa * ce, ca * ce, -se], -1)
    right = torch.stack([ca, sa, zero], -1)
    down = torch.linalg.cross(forward, right)
    sr, cr = roll.sin()[:, None], roll.cos()[:, None]
    return torch.stack([cr * right + sr * down, cr * down - sr * right, forward], -2)


def read_motion_capture(path: Path, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Read root-relative poses (F, J, 3), metres, Z up, and a drawing weight for each frame.

    Raises `ReadError` where the file is no such archive or lacks joints of the skeleton.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            names = [str(n) for n in data["joint_names"]]
            missing = [n for n in skeleton.joint_names if n not in names]
            if missing:
                raise ReadError(f"lacks the joints {', '.join(missing)} of '{skeleton.name}'.", path)
            columns = [names.index(n) for n in skeleton.joint_names]
            poses = (data["pos"][:, columns] * np.float32(data["quant"])).astype(np.float32)
            lengths, category = np.diff(data["start"]), data["category"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ReadError(f"is not a motion-capture archive ({error}).", path) from error
    per_frame = np.repeat(category, lengths)
    _, inverse, counts = np.unique(per_frame, return_inverse=True, return_counts=True)
    return poses - poses[:, skeleton.root : skeleton.root + 1], 1 / np.sqrt(counts[inverse])
