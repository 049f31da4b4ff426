# SPDX-License-Identifier: GPL-3.0-or-later
"""The invariant teacher: dictionary coefficients and a camera rotation from one 2D pose (ITES, section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import TeacherConfig
from .geometry import rotate, so3_exp


class TeacherOutput(NamedTuple):
    """canonical: (N, J, 3) body units, root at the origin. rotation: (N, 3, 3) canonical to camera axes."""

    canonical: Tensor
    rotation: Tensor

    def camera(self) -> Tensor:
        """The pose (N, J, 3) in camera axes."""
        return rotate(self.rotation, self.canonical)


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

    def __init__(self, config: TeacherConfig, joints: int, root: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(2 * joints, config.width, bias=False),
            nn.BatchNorm1d(config.width),
            nn.ReLU(inplace=True),
            *(ResidualBlock(config.width, config.bottleneck) for _ in range(config.blocks)),
        )
        self.coefficients = nn.Linear(config.width, config.atoms)
        self.log_rotation = nn.Linear(config.width, 3)
        self.dictionary = nn.Parameter(torch.randn(config.atoms, joints, 3) * 0.3)
        for head in (self.coefficients, self.log_rotation):
            nn.init.normal_(head.weight, std=1e-3)  # begin near one mean pose: larger ones start with bodies of 50 m
        nn.init.normal_(self.coefficients.bias, std=0.5)
        self.register_buffer("mirror", torch.ones(()))
        self.register_buffer("frame", torch.eye(3))
        self.root = root

    def forward(self, plane: Tensor) -> TeacherOutput:
        """Estimate from 2D poses (N, J, 2) of the virtual camera, root at the origin."""
        features = self.trunk(plane.flatten(1))
        basis = self.dictionary - self.dictionary[:, self.root : self.root + 1]
        with torch.autocast(plane.device.type, enabled=False):
            canonical = torch.einsum("nk,kjc->njc", self.coefficients(features.float()), basis)
            # D = diag(1, 1, mirror): the camera pose R Y becomes D R Y, written with D R D, which is a rotation, and D Y.
            flip = torch.stack([torch.ones_like(self.mirror), torch.ones_like(self.mirror), self.mirror])
            rotation = flip[:, None] * so3_exp(self.log_rotation(features.float())) * flip
            return TeacherOutput((canonical * flip) @ self.frame.T, rotation @ self.frame.T)
