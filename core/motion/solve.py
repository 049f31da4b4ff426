# SPDX-License-Identifier: GPL-3.0-or-later
"""The track solve: all frames at once, constant bones, the lifter's pose as prior, reprojection, smoothness and the ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.linalg import LinAlgError  # type: ignore[attr-defined]  # torch forgets to say that it exports it

from ..camera_path import CameraPath
from ..rotation import normalised
from ..skeleton import Skeleton
from .problem import Problem

Array = NDArray[np.float64]


WINDOW, OVERLAP = 1500, 150
"""Frames that are solved at once, and that one window shares with the next."""


@dataclass(frozen=True)
class SolveSettings:
    """Weights of the solve's terms; every one is a standard deviation.

    `noise`: metres, at an actor of usual height (others in proportion), of the error of keypoints that do not tremble;
    `tremble`: by how much their measured trembling adds to it; larger errors count less and less. `prior`: radians of a bone's
    direction around the lifted one. `acceleration`: metres per second squared of the trunk's joints, `limb_acceleration`: what
    each further joint along a limb adds (of actors of any size: all move by shares of gravity, Froude); larger ones count less
    and less, so that peaks stay. `smoothing` scales that term; 0 turns it off. `slide`: metres per second of a foot in contact,
    `floor`: metres of its height.
    """

    iterations: int = 20
    tolerance: float = 1e-4
    noise: float = 0.005
    tremble: float = 2.0
    prior: float = 0.2
    acceleration: float = 12.0
    limb_acceleration: float = 8.0
    smoothing: float = 1.0
    slide: float = 0.03
    floor: float = 0.015


@dataclass(frozen=True)
class Ground:
    """What is known of the floor in the camera's frame.

    up: (3,) its normal; level: n . x of the floor, metres; joints: the feet (F,); heights: (F,) that each stands at above the
    floor, metres; contact: (T, F) 0..1, how surely a foot stands. `pinned` whether standing feet stay in place,
    `above` whether no foot may be under the floor.
    """

    up: Array
    level: float
    joints: tuple[int, ...]
    heights: Array
    contact: Array
    pinned: bool = True
    above: bool = True

    def during(self, frames: slice) -> Ground:
        """Return the ground of some of the frames."""
        return replace(self, contact=self.contact[frames])


@dataclass(frozen=True)
class Evidence:
    """What a solve is made from. T frames, J joints, camera frame; the world's where there is a `view`, the way of the camera.

    direction: (T, J, 3) lifted unit vectors from parent to joint, the start and the prior; lengths: (J,) metres;
    rays: (T, J, 3) with z = 1, NaN where unseen; scores: (T, J). noise: (J,) metres by which the keypoints tremble.
    """

    direction: Array
    lengths: Array
    rays: Array
    scores: Array
    skeleton: Skeleton
    fps: float
    noise: Array | None = None
    view: CameraPath | None = None

    def during(self, frames: slice) -> Evidence:
        """Return the evidence of some of the frames."""
        view = self.view.during(frames) if self.view else None
        return replace(self, direction=self.direction[frames], rays=self.rays[frames], scores=self.scores[frames], view=view)


def solve_track(
    evidence: Evidence,
    root: Array,
    settings: SolveSettings,
    device: torch.device,
    progress: Callable[[float], None] | None = None,
    ground: Ground | None = None,
    start: Array | None = None,
) -> tuple[Array, Array]:
    """Fit bone directions and the root path to what was seen.

    root: (T, 3) metres, in the evidence's frame, the start of the path; start: (T, J, 3) directions to start from instead of
    the lifted.
    Minimised by Levenberg and Marquardt's method (Marquardt 1963) with robust weights, all frames at once.
    Returns directions (T, J, 3) and the root path (T, 3).
    """
    direction = evidence.direction if start is None else start
    with single_thread():
        if len(root) <= WINDOW:
            return _minimise(evidence, direction, root, settings, device, progress, ground)
        return _by_windows(evidence, direction, root, settings, device, progress, ground)


def _by_windows(
    evidence: Evidence,
    direction: Array,
    root: Array,
    settings: SolveSettings,
    device: torch.device,
    progress: Callable[[float], None] | None,
    ground: Ground | None,
) -> tuple[Array, Array]:
    """Solve overlapping windows, and pass smoothly from one to the next, so that memory and time grow with the frames alone."""
    frames = len(root)
    direction, root = direction.copy(), root.copy()
    for first in range(0, frames - OVERLAP, WINDOW - OVERLAP):
        part = slice(first, min(first + WINDOW, frames))

        def advance(share: float, part: slice = part) -> None:
            if progress:
                progress((part.start + share * (part.stop - part.start)) / frames)

        turned, path = _minimise(
            evidence.during(part), direction[part], root[part], settings, device, advance,
            ground.during(part) if ground else None,
        )  # fmt: skip
        shared = OVERLAP if first else 0
        fade = np.minimum((np.arange(len(path)) + 1) / (shared + 1), 1.0)[:, None]
        root[part] += fade * (path - root[part])
        direction[part] = normalised(direction[part] + fade[..., None] * (turned - direction[part]))
    return direction, root


@contextmanager
def single_thread() -> Iterator[None]:
    """Run torch on one thread meanwhile: shared out, matrices of a few frames wait for one another more than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _minimise(
    evidence: Evidence,
    direction: Array,
    root: Array,
    settings: SolveSettings,
    device: torch.device,
    progress: Callable[[float], None] | None,
    ground: Ground | None,
) -> tuple[Array, Array]:
    problem = Problem(evidence, direction, root, settings, ground, device)
    damping, cost = 1e-3, problem.cost()
    for iteration in range(settings.iterations):
        bands, gradient = problem.system()
        while damping < 1e6:
            try:
                step = problem.step(bands, gradient, damping)
                new = problem.cost(step)
            except LinAlgError:  # rounding left the matrix indefinite: more damping mends that
                new = np.inf
            if new < cost:
                break
            damping *= 10
        else:
            break
        problem.move(step)
        gained, cost, damping = cost - new, new, max(damping * 0.2, 1e-6)
        if progress:
            progress((iteration + 1) / settings.iterations)
        if gained < settings.tolerance * cost:
            break
    return problem.result()
