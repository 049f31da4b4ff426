# SPDX-License-Identifier: GPL-3.0-or-later
"""Training poses from 2D tracks alone: keypoint files of any kind that the readers know; there is no 3D here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..assumptions import GUESSED_FPS, assumed_camera
from ..camera import unproject
from ..errors import SettingsError, TrackError
from ..layouts import to_canonical
from ..skeleton import Skeleton
from ..track import KeypointTrack
from .config import LifterConfig
from .data import Batch, PoseStatistics, head_joint, largest_gap, random_gaps
from .prepare import SIZE_WINDOW_SECONDS, apparent_size, prepare
from .views import Corruption
from .weights import Weights

Array = NDArray[np.float64]

_ROUNDS = 4
"""Rounds in which tracks agree on the typical lengths of their edges."""


def source_of(
    tracks: Sequence[KeypointTrack],
    skeleton: Skeleton,
    config: LifterConfig,
    device: torch.device,
    start: Weights | None = None,
) -> Tracks:
    """Make training data of 2D tracks. Raises `TrackError`, and `SettingsError` where the configuration needs 3D."""
    if config.teacher_stage.supervised or config.student_stage.supervised:
        raise SettingsError(f"the preset '{config.preset}' needs 3D motion capture; 2D tracks train with the preset '2d-only'.")
    return Tracks.of(tracks, skeleton, config, device, start)


class Tracks:
    """2D poses of users' tracks, with the joints that were missing completed and marked."""

    def __init__(
        self,
        planes: Array,
        config: LifterConfig,
        skeleton: Skeleton,
        device: torch.device,
        observed: NDArray[np.bool_] | None = None,
        distance: Array | None = None,
        run: NDArray[np.intp] | None = None,
        statistics: PoseStatistics | None = None,
    ) -> None:
        """Take (F, J, 2) complete poses, root at the origin; brought to the training's size here.

        With `statistics`, those of weights to go on from, the poses are at their size already.

        observed: (F, J). distance: (F,) in units in which `planes` lie at distance 1 (x = X / (Z + d) * d). run: (F,) a
        number for each stretch of frames without a gap, one after the other; one stretch where not given. Raises
        `TrackError` where there are no poses.
        """
        if not len(planes):
            raise TrackError("no frame of the training tracks shows enough joints of the skeleton.")
        head = np.linalg.norm(planes[:, head_joint(skeleton)], axis=-1).mean()
        size = head * config.distance if statistics is None else 1.0
        self.size, self._gap = len(planes), largest_gap(config)
        self._planes = torch.from_numpy(np.float32(planes / size)).to(device)
        scale = 1.0 if statistics is not None else head
        self._distance = None if distance is None else torch.from_numpy(np.float32(distance / scale)).to(device)
        self._observed = None if observed is None else torch.from_numpy(observed).to(device)
        run = np.zeros(len(planes), np.intp) if run is None else run
        ends = (np.searchsorted(run, run), np.searchsorted(run, run, side="right") - 1)
        self._first, self._last = (torch.from_numpy(side).to(device) for side in ends)
        self.statistics = statistics or PoseStatistics.of(self._planes, skeleton)
        self._corruption = Corruption(config.views, skeleton, *self.statistics.normal(device))

    @classmethod
    def of(
        cls,
        tracks: Sequence[KeypointTrack],
        skeleton: Skeleton,
        config: LifterConfig,
        device: torch.device,
        start: Weights | None = None,
    ) -> Tracks:
        """Take tracks of any layout. Raises `TrackError` where no frame shows enough.

        With weights to go on from, aware networks see tracks as in inference with those weights: at their size, and with
        joints that the tracks' detector never shows guessed by their statistics, which the new weights keep.
        """
        if not config.aware:
            return cls(np.concatenate([complete_planes(track, skeleton) for track in tracks]), config, skeleton, device)
        seen = [calibrated(track, skeleton) for track in tracks if track.observed.any()]
        if start is None:
            poses = aware_poses(seen, skeleton)
            return cls(poses[0], config, skeleton, device, *poses[1:])
        known = start.part("statistics")
        poses = aware_poses(seen, skeleton, known, config.distance)
        statistics = PoseStatistics(known["mean"], known["covariance"], known["edges"])
        return cls(poses[0], config, skeleton, device, *poses[1:], statistics=statistics)

    def sample(self, count: int, generator: torch.Generator, frames: int = 1) -> Batch:
        """Draw `count` poses with replacement, or pairs of moments of one track."""
        index = torch.randint(self.size, (count,), generator=generator, device=self._planes.device)
        gap = None
        if frames == 2:
            first, last = self._first[index], self._last[index]
            gap = random_gaps(index, first, last, self._gap, generator)
            index = torch.stack([index, (index + gap).clamp(first, last)], 1).flatten()

        def rows(array: Tensor | None) -> Tensor | None:
            return None if array is None else array[index]

        distance = rows(self._distance)
        if distance is not None and frames == 2:
            distance = distance.view(-1, 2).mean(1).repeat_interleave(2)  # one camera, one place
        return Batch(self._planes[index], None, distance, rows(self._observed), gap)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a batch with more joints missing, and completed."""
        plane, observed = self._corruption(batch.plane, batch.observed, generator)
        return batch._replace(plane=plane, observed=observed)


def complete_planes(track: KeypointTrack, skeleton: Skeleton) -> Array:
    """Return a track's complete frames as 2D poses (F, J, 2) relative to the root, the head at distance 1 on average."""
    canonical = to_canonical(track, skeleton)
    planes = canonical.keypoints[canonical.observed.all(1)]
    planes = planes - planes[:, skeleton.root : skeleton.root + 1]
    head = np.linalg.norm(planes[:, head_joint(skeleton)], axis=-1)
    return planes / head.mean() if len(planes) and head.mean() > 0 else planes[:0]


def calibrated(track: KeypointTrack, skeleton: Skeleton) -> KeypointTrack:
    """Return a track on the canonical skeleton, without distortion, its camera and rate assumed where nobody told."""
    track = to_canonical(track, skeleton)
    return track.undistorted(track.intrinsics or assumed_camera(track)).replace(fps=track.fps or GUESSED_FPS)


def aware_poses(
    tracks: Sequence[KeypointTrack], skeleton: Skeleton, statistics: Mapping[str, Array] | None = None, t: float = 1.0
) -> tuple[Array, NDArray[np.bool_], Array, NDArray[np.intp]]:
    """Return 2D poses, observed joints, distances and the numbers of unbroken runs of frames, as `prepare` sees them.

    Only frames that show at least half of the joints: a run ends where the next does not, or where the track does. Poses
    are at the size of the statistics, and seen from the distance t; without any, edges are 1 long in the mean.
    """
    tracks = [track for track in tracks if (track.observed.sum(1) * 2 >= len(skeleton)).any()]
    if statistics is None:
        statistics = track_statistics(tracks, skeleton) if tracks else {}
    parts = []
    runs = 0
    for track in tracks:
        inputs = prepare(track, statistics, t, float(track.fps or GUESSED_FPS))
        good = inputs.observed.sum(1) * 2 >= len(skeleton)
        run = runs + np.cumsum(~good)[good]
        runs += len(track)
        parts.append((inputs.plane[good], inputs.observed[good], inputs.distance[good], run))
    if not parts:
        raise TrackError("no frame of the training tracks shows half of the skeleton's joints.")
    planes, observed, distance, run = (np.concatenate(column) for column in zip(*parts, strict=True))
    return planes, observed, distance, run


def track_statistics(tracks: Sequence[KeypointTrack], skeleton: Skeleton) -> dict[str, Array]:
    """Measure the mean, covariance and edge lengths of 2D poses in which joints may be missing.

    Edge lengths and the frames' sizes are found in turns, from all equal; means and covariances from the pairs that are
    seen together, made positive by dropping negative directions.
    """
    edges = np.ones(len(skeleton.edges))
    parents, children = (np.array(side) for side in zip(*skeleton.edges, strict=True))
    rays = [unproject(track.keypoints, track.intrinsics)[..., :2] for track in tracks if track.intrinsics is not None]
    windows = [max(1, round(SIZE_WINDOW_SECONDS * float(track.fps or GUESSED_FPS))) for track in tracks]
    for _ in range(_ROUNDS):
        sizes = [apparent_size(plane, skeleton.edges, edges, window) for plane, window in zip(rays, windows, strict=True)]
        poses = np.concatenate([plane / size[:, None, None] for plane, size in zip(rays, sizes, strict=True)])
        length = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
        seen = np.isfinite(length)
        edges = np.where(seen.any(0), np.nansum(length, 0) / np.maximum(seen.sum(0), 1), edges)
        edges /= edges.mean()
    flat = (poses - poses[:, skeleton.root : skeleton.root + 1]).reshape(len(poses), -1)
    known = np.isfinite(flat)
    if not known.any(0).all():
        joints = [skeleton.joint_names[j] for j in np.flatnonzero(~known.any(0).reshape(-1, 2).all(1))]
        raise TrackError(f"the training tracks never show {', '.join(joints)} together with the root; give tracks that do.")
    mean = np.nanmean(flat, 0)
    centred = np.where(known, flat - mean, 0.0)
    together = known.T.astype(float) @ known
    covariance = centred.T @ centred / np.maximum(together, 1)
    values, vectors = np.linalg.eigh(covariance)
    return {"mean": mean, "covariance": (vectors * values.clip(0)) @ vectors.T, "edges": edges}
