# SPDX-License-Identifier: GPL-3.0-or-later
"""Inference: trained weights as networks on a device, applied to whole tracks in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import WeightsError
from .folded import fold_student, fold_teacher
from .student import Student
from .teacher import Teacher
from .weights import Weights, load

Array = NDArray[np.float64]
BATCH = 4096
CPU_BATCH, CPU_PART = 512, 128
"""Frames per thread and batch on a processor, and how many of them the student sees at once. With more, its activations leave
the cores' caches, and it runs at two thirds of the speed; the teacher's weights, too large for them, are better read seldom."""


@dataclass(frozen=True)
class Lifted:
    """What the networks say about T frames, in the virtual camera's axes and body units.

    pose: (T, J, 3) the student's, root at the origin, reprojecting exactly. canonical: (T, J, 3) and rotation: (T, 3, 3)
    the teacher's canonical pose and its rotation to camera axes.
    """

    pose: Array
    canonical: Array
    rotation: Array

    def teacher_pose(self) -> Array:
        """Return the teacher's pose (T, J, 3) in camera axes."""
        return self.canonical @ np.swapaxes(self.rotation, -1, -2)


def load_network(weights: Weights, prefix: str, network: nn.Module) -> None:
    """Give a network the arrays 'prefix.*'. Raises `WeightsError` where they do not fit it."""
    arrays = {k: torch.from_numpy(np.array(v)) for k, v in weights.part(prefix).items()}
    try:
        result = network.load_state_dict(arrays, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"weights '{weights.name}': the {prefix} does not fit its configuration.") from error
    missing = [key for key in result.missing_keys if "num_batches" not in key]
    if missing or result.unexpected_keys:
        raise WeightsError(f"weights '{weights.name}': the {prefix} lacks {missing} or has {result.unexpected_keys}.")


class Lifter:
    """A teacher and a student, loaded and ready on a device."""

    def __init__(self, weights: Weights, device: torch.device) -> None:
        """Build the networks. Raises `WeightsError` where the arrays do not fit the configuration."""
        self.weights, self.device = weights, device
        config, skeleton = weights.config, weights.skeleton
        try:
            self.teacher = Teacher(config.teacher, skeleton, config.distance, config.aware)
            self.student = Student(config.student, skeleton, config.distance, config.aware)
        except (TypeError, ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch's, of too little memory
            raise WeightsError(f"weights '{weights.name}': no network can be built from its configuration.") from error
        for prefix, network in (("teacher", self.teacher), ("student", self.student)):
            load_network(weights, prefix, network)
            network.to(device).eval()
        self.teacher, self.student = fold_teacher(self.teacher), fold_student(self.student)

    @torch.inference_mode()
    def lift(
        self,
        plane: Array,
        distance: Array | None = None,
        observed: NDArray[np.bool_] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Lifted:
        """Lift 2D poses (T, J, 2) of the virtual camera, batch by batch.

        distance: (T,) body units, t where not given; observed: (T, J), all where not given; only aware networks look at
        them. `progress` gets the share done; may raise to stop.
        """
        inputs = [plane]
        if self.weights.config.aware:
            inputs.append(np.full(len(plane), self.weights.config.distance) if distance is None else distance)
            inputs.append(np.ones(plane.shape[:2]) if observed is None else observed.astype(np.float64))
        parts: list[tuple[Array, Array, Array]] = []
        threads = torch.get_num_threads()
        size, few = (CPU_BATCH * threads, CPU_PART * threads) if self.device.type == "cpu" else (BATCH, BATCH)
        for start in range(0, len(plane), size):
            part = slice(start, start + size)
            seen = [torch.from_numpy(np.float32(array[part])).to(self.device) for array in inputs]
            teacher = self.teacher(*seen)
            student = torch.cat([self.student(*(a[i : i + few] for a in seen)) for i in range(0, len(seen[0]), few)])
            pose, canonical, rotation = (a.double().cpu().numpy() for a in (student, teacher.canonical, teacher.rotation))
            parts.append((pose, canonical, rotation))
            if progress:
                progress(min(1.0, (start + size) / len(plane)))
        pose, canonical, rotation = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Lifted(pose, canonical, rotation)


@lru_cache(maxsize=4)
def cached_lifter(path: Path, modified: int, device: torch.device) -> Lifter:
    """Return the lifter of a weights file (at a modification time, so that a retrained file is read again)."""
    return Lifter(load(path), device)


def mirror(lifted: Lifted, pose: NDArray[np.bool_], teacher: NDArray[np.bool_], distance: Array | float) -> Lifted:
    """Mirror chosen frames in depth: the student's where `pose` (T,) says so, the teacher's where `teacher` (T,) does.

    The student's joints move along their rays to the opposite depth: the 2D pose, seen from `distance`, (T,) or one for
    all, stays the same. The teacher's camera pose D R Y, D = diag(1, 1, -1), is written with S = diag(1, -1, 1) as
    (D R S)(S Y): a rotation again, and the canonical pose mirrored front to back.
    """
    z = lifted.pose[..., 2:]
    distance = np.asarray(distance).reshape(-1, 1, 1)
    twin = np.concatenate([lifted.pose[..., :2] * (distance - z) / (distance + z), -z], -1)
    depth, front = np.array([1.0, 1.0, -1.0]), np.array([1.0, -1.0, 1.0])
    chosen = teacher[:, None, None]
    return Lifted(
        np.where(pose[:, None, None], twin, lifted.pose),
        np.where(chosen, lifted.canonical * front, lifted.canonical),
        np.where(chosen, depth[:, None] * lifted.rotation * front, lifted.rotation),
    )
