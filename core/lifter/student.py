# SPDX-License-Identifier: GPL-3.0-or-later
"""The equivariant student: a graph network that predicts each joint's depth (ITES, section 3.2).

Inside, arrays are (C, J, N), channels first and frames last: each layer is then one large matrix product and each
normalisation runs along contiguous memory, which trains several times as fast as (N, J, C).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..skeleton import Skeleton
from .config import StudentConfig
from .geometry import back_project


def neighbours(skeleton: Skeleton) -> Tensor:
    """Return the (J, J) adjacency of a skeleton: 1 for bones, both ways, and for every joint with itself."""
    adjacency = torch.eye(len(skeleton))
    for parent, child in skeleton.edges:
        adjacency[parent, child] = adjacency[child, parent] = 1
    return adjacency


def channel_map(linear: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to the channels of (C, J, N): one matrix product over all joints and frames."""
    y = linear.weight @ x.reshape(x.shape[0], -1)
    if linear.bias is not None:
        y = y + linear.bias[:, None].to(y.dtype)
    return y.view(-1, *x.shape[1:])


class GraphConvolution(nn.Module):
    """Graph convolution with one adjacency per output channel (ITES' physically adaptive graph convolution).

    out[d, i] = sum_j softmax_j(M_d over the neighbours of i)[i, j] (W h)[d, j]; M is trainable.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, adjacency: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.edges = nn.Parameter(torch.zeros(outputs, *adjacency.shape))
        self.register_buffer("mask", torch.where(adjacency > 0, 0.0, float("-inf")), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (inputs, J, N) to (outputs, J, N)."""
        mixed = channel_map(self.linear, x)
        weights = torch.softmax(self.edges + self.mask, -1)
        return torch.bmm(weights.to(mixed.dtype), mixed)


class ChannelNorm(nn.BatchNorm1d):
    """Batch normalisation of (C, J, N) over joints and frames."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel."""
        return super().forward(x.reshape(1, x.shape[0], -1)).view(x.shape)


class NonLocal(nn.Module):
    """Attention from every joint to every joint, added to the input (Wang et al. 2018, embedded Gaussian)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, 3 * (channels // 2))
        self.out = nn.Linear(channels // 2, channels, bias=False)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (C, J, N) to (C, J, N)."""
        query, key, value = channel_map(self.project, x).permute(2, 1, 0).chunk(3, -1)
        attention = torch.softmax(query @ key.transpose(-1, -2), -1)
        mixed = (attention.to(value.dtype) @ value).permute(2, 1, 0)
        return x + self.norm(channel_map(self.out, mixed))


class GraphBlock(nn.Module):
    """Two graph convolutions around a skip connection, then a non-local branch."""

    def __init__(self, channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(GraphConvolution(channels, channels, adjacency) for _ in range(2))
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(2))
        self.non_local = NonLocal(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (C, J, N) to (C, J, N)."""
        y = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = torch.relu(norm(convolution(y)))
        return self.non_local(x + y)


class Student(nn.Module):
    """Predict depths from a 2D pose; the 3D pose they give reprojects exactly onto the input.

    `mirror` is the sign of depth, found after training (`calibration`).
    """

    mirror: Tensor

    def __init__(self, config: StudentConfig, skeleton: Skeleton, distance: float) -> None:
        super().__init__()
        adjacency = neighbours(skeleton)
        self.enter = GraphConvolution(2, config.channels, adjacency)
        self.enter_norm = ChannelNorm(config.channels)
        self.blocks = nn.Sequential(*(GraphBlock(config.channels, adjacency) for _ in range(config.blocks)))
        self.depth = GraphConvolution(config.channels, 1, adjacency)
        self.register_buffer("mirror", torch.ones(()))
        self.root = skeleton.root
        self.distance = distance

    def forward(self, plane: Tensor) -> Tensor:
        """Lift 2D poses (N, J, 2) of the virtual camera to (N, J, 3) camera axes, body units, root at the origin."""
        x = torch.relu(self.enter_norm(self.enter(plane.permute(2, 1, 0))))
        depth = self.depth(self.blocks(x))[0].T.float()
        return back_project(plane, (depth - depth[:, self.root : self.root + 1]) * self.mirror, self.distance)
