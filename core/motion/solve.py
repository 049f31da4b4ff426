# SPDX-License-Identifier: GPL-3.0-or-later
"""The track solve: all frames at once, constant bones, the lifter's pose as prior, reprojection and smoothness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interpolation import over_time
from ..rotation import normalised
from ..skeleton import USUAL_HEIGHT, Skeleton
from .bones import opposite_bones, pose_from_directions, stature
from .root import place_root

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SolveSettings:
    """Weights of the solve's terms.

    `noise`: size in metres, at an actor of usual height (others in proportion), of a keypoint error that counts 1; larger
    ones count less and less.
    `prior`: standard deviation in radians of a bone's direction around the lifted one. `acceleration`: metres per second
    squared, of joints and root, that count 1 (of actors of any size: all move by shares of gravity, Froude). `smoothing`
    scales the last term; 0 turns it off. Between `rounds` the root path is placed anew for the poses found so far: its slow
    errors in depth are what single steps mend last.
    """

    iterations: int = 240
    rounds: int = 3
    noise: float = 0.015
    prior: float = 0.25
    acceleration: float = 12.0
    smoothing: float = 1.0
    step: float = 0.02


@dataclass(frozen=True)
class Evidence:
    """What a solve is made from. T frames, J joints, camera frame.

    direction: (T, J, 3) lifted unit vectors from parent to joint, the start and the prior; lengths: (J,) metres;
    rays: (T, J, 3) with z = 1, NaN where unseen; scores: (T, J).
    """

    direction: Array
    lengths: Array
    rays: Array
    scores: Array
    skeleton: Skeleton
    fps: float


def solve_track(
    evidence: Evidence,
    root: Array,
    settings: SolveSettings,
    device: torch.device,
    progress: Callable[[float], None] | None = None,
) -> tuple[Array, Array]:
    """Fit bone directions and the root path to what was seen.

    root: (T, 3) metres, camera frame, the start of the path. Minimised by Adam over all frames:
    sum_j s_j rho(|depth (x/z - n)| / noise) + |u - u0|^2 / prior^2 + |x''|^2 / acceleration^2, rho(e) = log(1 + e^2 / 2).
    Returns directions (T, J, 3) and the root path (T, 3).
    """
    current = evidence.direction
    for round_ in range(settings.rounds):
        if round_:
            pose = pose_from_directions(current, evidence.lengths, evidence.skeleton)
            placed, good = place_root(pose, evidence.rays, evidence.scores)
            root = over_time(placed, good) if good.any() else root
        problem = _Problem(evidence, current, root, settings, device)
        adam = _Adam([problem.direction, problem.offset])
        for iteration in range(settings.iterations // settings.rounds):
            share = (round_ + iteration * settings.rounds / settings.iterations) / settings.rounds
            adam.step(problem.loss(), settings.step * (1 - 0.9 * share))
            if progress:
                progress(share)
        current, root = problem.result()
    return current, root


class _Adam:
    """Adam (Kingma and Ba 2015, algorithm 1). torch.optim's imports torch's compiler first, which takes three seconds."""

    def __init__(self, variables: list[Tensor]) -> None:
        self.variables, self.count = variables, 0
        self.first = [torch.zeros_like(v) for v in variables]
        self.second = [torch.zeros_like(v) for v in variables]

    def step(self, loss: Tensor, rate: float, decay: tuple[float, float] = (0.9, 0.999)) -> None:
        """Take one step down the gradient of `loss`."""
        self.count += 1
        gradients = torch.autograd.grad(loss, self.variables)
        correction = [1 - d**self.count for d in decay]
        with torch.no_grad():
            for variable, gradient, m, v in zip(self.variables, gradients, self.first, self.second, strict=True):
                m.lerp_(gradient, 1 - decay[0])
                v.mul_(decay[1]).addcmul_(gradient, gradient, value=1 - decay[1])
                variable.addcdiv_(m, (v / correction[1]).sqrt_().add_(1e-8), value=-rate / correction[0])


class _Problem:
    """The variables and constants of one solve, as float32 tensors on the device."""

    def __init__(
        self, evidence: Evidence, direction: Array, root: Array, settings: SolveSettings, device: torch.device
    ) -> None:
        def tensor(array: Array) -> Tensor:
            return torch.from_numpy(np.float32(array)).to(device)

        seen = np.isfinite(evidence.rays).all(-1) & (evidence.scores > 0)
        self.plane = tensor(np.where(seen[..., None], evidence.rays[..., :2], 0.0))
        self.weight = tensor(np.where(seen, evidence.scores, 0.0))
        self.prior = tensor(evidence.direction)
        self.direction = tensor(direction).requires_grad_()
        # The root moves in units of its distance: sideways and in depth alike a step changes the image about as much.
        self.start = tensor(root)
        size = stature(evidence.lengths, evidence.skeleton) / USUAL_HEIGHT
        self.noise, self.nearest = settings.noise * size, 0.1 * size
        self.unit = tensor(np.maximum(root[:, 2:], 0.5 * size) * np.array([0.1, 0.1, 0.3]))
        self.offset = torch.zeros_like(self.start).requires_grad_()
        self.chain = tensor(_chain(evidence.skeleton, evidence.lengths))
        self.opposite = opposite_bones(evidence.skeleton)
        self.evidence, self.settings = evidence, settings

    def unit_directions(self) -> Tensor:
        """Directions of length 1, those of a midpoint's two bones opposite."""
        raw = self.direction
        if self.opposite:
            columns = list(raw.unbind(1))
            for left, right in self.opposite:
                axis = columns[left] - columns[right]
                columns[left], columns[right] = axis, -axis
            raw = torch.stack(columns, 1)
        return raw / raw.norm(dim=-1, keepdim=True).clamp_min(1e-6)

    def loss(self) -> Tensor:
        """The sum of the terms, divided by the number of frames."""
        settings = self.settings
        direction, root = self.unit_directions(), self.start + self.offset * self.unit
        joints = torch.einsum("jk,tkc->tjc", self.chain, direction) + root[:, None]
        depth = joints[..., 2:].clamp_min(self.nearest)
        error = (joints[..., :2] / depth - self.plane) * depth.detach() / self.noise
        total = (self.weight * torch.log1p(error.square().sum(-1) / 2)).sum()
        total = total + (direction - self.prior).square().sum() / settings.prior**2
        if settings.smoothing > 0 and len(joints) > 2:
            acceleration = torch.diff(joints, n=2, dim=0) * (self.evidence.fps**2 / settings.acceleration)
            total = total + settings.smoothing * acceleration.square().sum()
        return total / len(joints)

    @torch.no_grad()
    def result(self) -> tuple[Array, Array]:
        """Return float64 directions, exactly of length 1 (roots' are zero), and the root path."""
        direction = normalised(self.unit_directions().double().cpu().numpy())
        for joint, parent in enumerate(self.evidence.skeleton.parents):
            if parent < 0:
                direction[:, joint] = 0.0
        for left, right in self.opposite:
            direction[:, right] = -direction[:, left]
        return direction, (self.start + self.offset * self.unit).double().cpu().numpy()


def _chain(skeleton: Skeleton, lengths: Array) -> Array:
    """Return the (J, J) matrix that sums bones along the way from the root: pose = chain @ directions."""
    identity = np.eye(len(skeleton))[..., None].repeat(3, -1)  # each "frame" has one bone's direction
    return pose_from_directions(identity, lengths, skeleton)[..., 0].T
