# SPDX-License-Identifier: GPL-3.0-or-later
"""The published networks as one would write them first, to measure against: convolutions of size one in float32.

Written from the paper (ITES, AAAI 2021, sections 3.1, 3.2 and "Implementation details"). Nothing here is used by Poselift.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from poselift.core.skeleton import Skeleton


class PlainBlock(nn.Module):
    """Residual block of the teacher: three 1x1 convolutions through a bottleneck."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv1d(width, bottleneck, 1), nn.BatchNorm1d(bottleneck)
        self.conv2, self.norm2 = nn.Conv1d(bottleneck, bottleneck, 1), nn.BatchNorm1d(bottleneck)
        self.conv3, self.norm3 = nn.Conv1d(bottleneck, width, 1), nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, 1) to (N, width, 1)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        return torch.relu(x + self.norm3(self.conv3(y)))


class PlainTeacher(nn.Module):
    """2D pose -> coefficients of a dictionary, and a rotation."""

    def __init__(self, joints: int, atoms: int = 12, width: int = 1024, bottleneck: int = 256, blocks: int = 6) -> None:
        super().__init__()
        self.enter, self.norm = nn.Conv1d(2 * joints, width, 1), nn.BatchNorm1d(width)
        self.blocks = nn.Sequential(*(PlainBlock(width, bottleneck) for _ in range(blocks)))
        self.coefficients, self.log_rotation = nn.Conv1d(width, atoms, 1), nn.Conv1d(width, 3, 1)
        self.dictionary = nn.Parameter(torch.randn(atoms, joints * 3) * 0.3)

    def forward(self, plane: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, J, 2) to canonical poses (N, J, 3) and rotations (N, 3, 3)."""
        x = torch.relu(self.norm(self.enter(plane.reshape(len(plane), -1, 1))))
        x = self.blocks(x)
        canonical = (self.coefficients(x)[..., 0] @ self.dictionary).view(len(plane), -1, 3)
        return canonical - canonical[:, :1], rodrigues(self.log_rotation(x)[..., 0])


class PlainGraphConvolution(nn.Module):
    """1x1 convolution over (N, C, J, 1), then each channel d mixes its joints with A * M_d, A the skeleton's adjacency."""

    adjacency: Tensor

    def __init__(self, inputs: int, outputs: int, adjacency: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.weights = nn.Parameter(1 + 0.05 * torch.randn(outputs, *adjacency.shape))
        self.register_buffer("adjacency", adjacency)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, J, 1) to (N, outputs, J, 1)."""
        return torch.einsum("dij,ndjk->ndik", self.adjacency * self.weights, self.conv(x))


class PlainNonLocal(nn.Module):
    """Non-local block (Wang et al. 2018), embedded Gaussian, half the channels inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(channels, channels // 2, 1) for _ in range(3))
        self.out, self.norm = nn.Conv2d(channels // 2, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, J, 1) to (N, C, J, 1)."""
        theta, phi, g = (layer(x).flatten(2) for layer in (self.theta, self.phi, self.g))
        attention = torch.softmax(theta.transpose(1, 2) @ phi, -1)
        mixed = (attention @ g.transpose(1, 2)).transpose(1, 2)
        return x + self.norm(self.out(mixed.reshape(len(x), -1, x.shape[2], 1)))


class PlainGraphBlock(nn.Module):
    """Two graph convolutions around a skip connection, then a non-local block."""

    def __init__(self, channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.conv1, self.conv2 = (PlainGraphConvolution(channels, channels, adjacency) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.non_local = PlainNonLocal(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, J, 1) to (N, C, J, 1)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        return self.non_local(x + y)


class PlainStudent(nn.Module):
    """2D pose -> depths."""

    def __init__(self, skeleton: Skeleton, channels: int = 128, blocks: int = 4) -> None:
        super().__init__()
        adjacency = torch.eye(len(skeleton))
        for parent, child in skeleton.edges:
            adjacency[parent, child] = adjacency[child, parent] = 1
        adjacency = adjacency / adjacency.sum(1, keepdim=True)
        self.enter, self.norm = PlainGraphConvolution(2, channels, adjacency), nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*(PlainGraphBlock(channels, adjacency) for _ in range(blocks)))
        self.depth = PlainGraphConvolution(channels, 1, adjacency)

    def forward(self, plane: Tensor, distance: float = 5.0) -> Tensor:
        """Map (N, J, 2) to (N, J, 3) that reproject onto it."""
        x = torch.relu(self.norm(self.enter(plane.transpose(1, 2)[..., None])))
        depth = self.depth(self.blocks(x))[:, 0]
        depth = depth - depth[:, :1]
        return torch.cat([plane * (depth + distance), depth], -1)


def rodrigues(log: Tensor) -> Tensor:
    """Return the rotation matrices (N, 3, 3) of axis-angle vectors (N, 3)."""
    angle = log.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    x, y, z = (log / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    sin, cos = angle.sin()[..., None], angle.cos()[..., None]
    return torch.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def random_turns(count: int) -> Tensor:
    """Return rotations about uniform axes by angles from U(0, pi), as published."""
    axis = nn.functional.normalize(torch.randn(count, 3), dim=-1)
    return rodrigues(axis * math.pi * torch.rand(count, 1))


def project(pose: Tensor, distance: float = 5.0) -> Tensor:
    """Project (N, J, 3) to (N, J, 2)."""
    return pose[..., :2] / (pose[..., 2:] + distance).clamp_min(1.0)


def distance_between(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance of joints."""
    return ((a - b).square().sum(-1) + 1e-10).sqrt().mean()


def teacher_loss(teacher: PlainTeacher, plane: Tensor, copies: int = 4) -> Tensor:
    """Reprojection, and the same canonical pose for four turned copies."""
    canonical, rotation = teacher(plane)
    pose = canonical @ rotation.transpose(1, 2)
    turned = pose.repeat(copies, 1, 1) @ random_turns(copies * len(plane)).transpose(1, 2)
    again, _ = teacher(project(turned))
    return 5 * distance_between(project(pose), plane) + distance_between(again, canonical.repeat(copies, 1, 1))


def student_loss(student: PlainStudent, teacher: PlainTeacher, plane: Tensor, copies: int = 4) -> Tensor:
    """The frozen teacher's depths, and turned estimates for four turned copies."""
    with torch.no_grad():
        canonical, rotation = teacher(plane)
        target = (canonical @ rotation.transpose(1, 2))[..., 2]
    pose = student(plane)
    turned = pose.repeat(copies, 1, 1) @ random_turns(copies * len(plane)).transpose(1, 2)
    return 5 * (pose[..., 2] - target).abs().mean() + distance_between(student(project(turned)), turned)
