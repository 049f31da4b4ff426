# SPDX-License-Identifier: GPL-3.0-or-later
"""The invariant teacher: dictionary coefficients and a camera rotation from one 2D pose (ITES, section 3.1).

A lifting teacher, beyond the paper, also gives depths, which the student is taught from: rotation and dictionary explain
the lifted pose, but need not find it, which they cannot from a random start (`docs/lifter.md`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..skeleton import Skeleton
from .config import TeacherConfig
from .geometry import aware_channels, back_project, frame_from_columns, rotate, so3_exp


class TeacherOutput(NamedTuple):
    """canonical: (N, J, 3) body units, root at the origin. rotation: (N, 3, 3) canonical to camera axes.

    Of a lifting teacher: depth (N, J) behind the root's, body units, and up (N, 3) the vertical in camera axes, of any length.
    """

    canonical: Tensor
    rotation: Tensor
    depth: Tensor | None = None
    up_head: Tensor | None = None

    def camera(self) -> Tensor:
        """The pose (N, J, 3) in camera axes that canonical pose and rotation make."""
        return rotate(self.rotation, self.canonical)

    def lifted(self, plane: Tensor, distance: Tensor | None, t: float) -> Tensor:
        """The pose (N, J, 3) in camera axes that the depths give to the 2D pose they were read from."""
        assert self.depth is not None, "only a lifting teacher gives depths"
        return back_project(plane, self.depth, t, distance)

    @property
    def up(self) -> Tensor:
        """The vertical (N, 3) in camera axes."""
        assert self.up_head is not None, "only a lifting teacher tells which way is up"
        return self.up_head


class ResidualBlock(nn.Module):
    """Three fully connected layers through a bottleneck, each normalised over the batch, around a skip connection."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(width, bottleneck, bias=False),
            nn.BatchNorm1d(bottleneck),
            nn.ReLU(inplace=True),
            nn.Linear(bottleneck, bottleneck, bias=False),
            nn.BatchNorm1d(bottleneck),
            nn.ReLU(inplace=True),
            nn.Linear(bottleneck, width, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width) to (N, width)."""
        return torch.relu(x + self.body(x))


class Teacher(nn.Module):
    """E: X -> (c, R), with the canonical pose Y = sum_k c_k B_k over a trainable dictionary B (ITES eq. 1).

    The root's own coordinates are zero in every input and every output. `mirror` and `frame` are found after training
    (`calibration`): the sign of depth, and the rotation of the learned canonical frame to an anatomical one.
    """

    mirror: Tensor
    frame: Tensor

    def __init__(self, config: TeacherConfig, skeleton: Skeleton, t: float, aware: bool = False) -> None:
        super().__init__()
        joints, root = len(skeleton), skeleton.root
        self.swap = skeleton.mirror.tolist()
        self.root, self.t, self.aware, self.lifting = root, t, aware, config.lifting
        self.trunk = nn.Sequential(
            nn.Linear(3 * joints + 1 if aware else 2 * joints, config.width, bias=False),
            nn.BatchNorm1d(config.width),
            nn.ReLU(inplace=True),
            *(ResidualBlock(config.width, config.bottleneck) for _ in range(config.blocks)),
        )
        self.coefficients = nn.Linear(config.width, config.atoms)
        self.log_rotation = nn.Linear(config.width, 6 if config.lifting else 3)
        self.dictionary = nn.Parameter(torch.randn(config.atoms, joints, 3) * 0.3)
        heads = [self.coefficients, self.log_rotation]
        if config.lifting:
            self.depth, self.up = nn.Linear(config.width, joints), nn.Linear(config.width, 3)
            heads += [self.depth, self.up]
        for head in heads:
            nn.init.normal_(head.weight, std=1e-3)  # begin near one mean pose: larger ones start with bodies of 50 m
        nn.init.normal_(self.coefficients.bias, std=0.5)
        if config.lifting:
            nn.init.zeros_(self.depth.bias)
            with torch.no_grad():  # a level camera and a body that faces it
                self.up.bias.copy_(torch.tensor([0.0, -1.0, -0.25]))
                self.log_rotation.bias.copy_(torch.tensor([0.1, 0.0, 0.0, 0.0, 0.0, 0.1]))
        self.register_buffer("mirror", torch.ones(()))
        self.register_buffer("frame", torch.eye(3))

    def forward(self, plane: Tensor, distance: Tensor | None = None, observed: Tensor | None = None) -> TeacherOutput:
        """Estimate from 2D poses (N, J, 2) of the virtual camera, root at the origin.

        An aware teacher also looks at distance (N,), t where it is not given, and observed (N, J), all where not given.
        """
        seen = plane.flatten(1)
        if self.aware:
            channels = aware_channels(plane, distance, observed, self.t)
            seen = torch.cat([channels[..., :3].flatten(1), channels[:, 0, 3:]], 1)
        features = self.trunk(seen)
        basis = self.dictionary - self.dictionary[:, self.root : self.root + 1]
        with torch.autocast(plane.device.type, enabled=False):
            features = features.float()
            canonical = torch.einsum("nk,kjc->njc", self.coefficients(features), basis)
            # D = diag(1, 1, mirror): the camera pose R Y becomes D R Y, written with D R D, which is a rotation, and D Y.
            flip = torch.stack([torch.ones_like(self.mirror), torch.ones_like(self.mirror), self.mirror])
            turn = self.log_rotation(features)
            rotation = flip[:, None] * (frame_from_columns(turn) if self.lifting else so3_exp(turn)) * flip
            answer = TeacherOutput((canonical * flip) @ self.frame.T, rotation @ self.frame.T)
            if not self.lifting:
                return answer
            depth = self.depth(features)
            depth = (depth - depth[:, self.root : self.root + 1]) * self.mirror
            return answer._replace(depth=depth, up_head=self.up(features) * flip)
