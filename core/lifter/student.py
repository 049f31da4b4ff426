# SPDX-License-Identifier: GPL-3.0-or-later
"""The equivariant student: a graph network that predicts each joint's depth (ITES, section 3.2).

Inside, arrays are (C, J, N), channels first and frames last: each layer is then one large matrix product and each
normalisation runs along contiguous memory, which trains almost twice as fast as (N, J, C).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import SettingsError
from ..skeleton import Skeleton
from .config import StudentConfig
from .fused import GraphLayer, NonLocalLayer, Normaliser
from .geometry import aware_channels, back_project

_SPREAD = 0.05
"""Standard deviation of the initial edge weights; 0.25 trains much worse."""


class Graph(NamedTuple):
    """mask: (J, J) 1 where joint i listens to joint j. start: (J, J) initial edge weights, the mean over the neighbours."""

    mask: Tensor
    start: Tensor


def joint_graph(skeleton: Skeleton, reach: str) -> Graph:
    """Return the graph of a skeleton: bones, both ways, and every joint with itself; with the reach 'all', any two joints.

    Raises `SettingsError` for another reach.
    """
    if reach not in ("neighbours", "all"):
        raise SettingsError(f"there is no graph reach '{reach}'; known are neighbours and all.")
    bones = torch.eye(len(skeleton))
    for parent, child in skeleton.edges:
        bones[parent, child] = bones[child, parent] = 1
    return Graph(bones if reach == "neighbours" else torch.ones_like(bones), bones / bones.sum(1, keepdim=True))


def channel_map(linear: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to the channels of (C, J, N): one matrix product over all joints and frames."""
    y = linear.weight @ x.reshape(x.shape[0], -1)
    if linear.bias is not None:
        y = y + linear.bias[:, None].to(y.dtype)
    return y.view(-1, *x.shape[1:])


def trains_on_processor(norm: nn.Module, x: Tensor) -> bool:
    """Say whether a layer is computed by `fused`: in training on a processor; graphics cards need no such care."""
    return norm.training and x.device.type == "cpu"


def in_precision(x: Tensor) -> Tensor:
    """Return an array in the precision that matrix products have here, as autocast would."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def graph_layer(convolution: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Convolve, normalise and rectify (inputs, J, N): (outputs, J, N)."""
    if isinstance(convolution, GraphConvolution) and isinstance(norm, ChannelNorm) and trains_on_processor(norm, x):
        edges = convolution.edges * convolution.mask
        parameters = (convolution.linear.weight, convolution.linear.bias, edges, norm.weight, norm.bias)
        layer: Tensor = GraphLayer.apply(in_precision(x), *parameters, Normaliser(norm))  # type: ignore[no-untyped-call]
        return layer
    return torch.relu_(norm(convolution(x)))


class GraphConvolution(nn.Module):
    """Graph convolution with one adjacency per output channel (ITES' physically adaptive graph convolution).

    out[d, i] = sum_j (A * M_d)[i, j] (W h)[d, j]; the edge weights A * M_d are trained as one array.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, graph: Graph) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        start = graph.start + _SPREAD * torch.randn(outputs, *graph.start.shape)
        self.edges = nn.Parameter(start * graph.mask)
        self.register_buffer("mask", graph.mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (inputs, J, N) to (outputs, J, N)."""
        mixed = channel_map(self.linear, x)
        return torch.bmm((self.edges * self.mask).to(mixed.dtype), mixed)


class ChannelNorm(nn.BatchNorm1d):
    """Batch normalisation of (C, J, N) over joints and frames."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel."""
        return super().forward(x.reshape(1, x.shape[0], -1)).view(x.shape)


def attend(rows: Tensor, joints: int) -> Tensor:
    """Let the joints of each frame attend to each other: (J N, 3 H), queries, keys and values side by side, to (J N, H).

    With the channels last, whole rows are moved to put the frames first.
    """
    rows = rows.view(joints, -1, 3, rows.shape[1] // 3)
    query, key, value = (rows[:, :, i].transpose(0, 1).contiguous() for i in range(3))
    attention = torch.softmax(torch.bmm(query, key.transpose(1, 2)), -1)
    return torch.bmm(attention.to(value.dtype), value).transpose(0, 1).flatten(0, 1)


class NonLocal(nn.Module):
    """Attention from every joint to every joint, added to the input (Wang et al. 2018, embedded Gaussian)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, 3 * (channels // 2))
        self.out = nn.Linear(channels // 2, channels, bias=False)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (C, J, N) to (C, J, N)."""
        if trains_on_processor(self.norm, x):
            parameters = (self.project.weight, self.project.bias, self.out.weight, self.norm.weight, self.norm.bias)
            layer: Tensor = NonLocalLayer.apply(in_precision(x), *parameters, Normaliser(self.norm))  # type: ignore[no-untyped-call]
            return layer
        mixed = attend(self.project(x.flatten(1).t()), x.shape[1])
        return x + self.norm((self.out.weight @ mixed.t()).view(x.shape))


class GraphBlock(nn.Module):
    """Two graph convolutions around a skip connection, then a non-local branch."""

    def __init__(self, channels: int, graph: Graph) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(GraphConvolution(channels, channels, graph) for _ in range(2))
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(2))
        self.non_local = NonLocal(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (C, J, N) to (C, J, N)."""
        y = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = graph_layer(convolution, norm, y)
        return self.non_local(x + y)


class Student(nn.Module):
    """Predict depths from a 2D pose; the 3D pose they give reprojects exactly onto the input.

    `mirror` is the sign of depth, found after training (`calibration`).
    """

    mirror: Tensor

    def __init__(self, config: StudentConfig, skeleton: Skeleton, distance: float, aware: bool = False) -> None:
        super().__init__()
        graph = joint_graph(skeleton, config.reach)
        self.aware = aware
        self.enter = GraphConvolution(4 if aware else 2, config.channels, graph)
        self.enter_norm = ChannelNorm(config.channels)
        self.blocks = nn.Sequential(*(GraphBlock(config.channels, graph) for _ in range(config.blocks)))
        self.depth = GraphConvolution(config.channels, 1, graph)
        self.register_buffer("mirror", torch.ones(()))
        self.root = skeleton.root
        self.distance = distance

    def forward(self, plane: Tensor, distance: Tensor | None = None, observed: Tensor | None = None) -> Tensor:
        """Lift 2D poses (N, J, 2) of the virtual camera to (N, J, 3) camera axes, body units, root at the origin.

        An aware student also looks at distance (N,), t where it is not given, and observed (N, J), all where not given.
        """
        seen = aware_channels(plane, distance, observed, self.distance) if self.aware else plane
        x = graph_layer(self.enter, self.enter_norm, seen.permute(2, 1, 0))
        depth = self.depth(self.blocks(x))[0].T.float()
        return back_project(plane, (depth - depth[:, self.root : self.root + 1]) * self.mirror, self.distance, distance)
