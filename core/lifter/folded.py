# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks for inference: batch normalisation, by then a fixed scale and shift per channel, folded into other weights.

A folded network takes and gives what the trained one does, to rounding; it cannot be trained.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from .student import GraphBlock, GraphConvolution, NonLocal, Student, attend
from .teacher import ResidualBlock, Teacher


class FoldedGraphConvolution(nn.Module):
    """A graph convolution and its normalisation as two matrix products; rectifying stays with the caller."""

    def __init__(self, convolution: GraphConvolution, norm: nn.BatchNorm1d | None) -> None:
        super().__init__()
        scale, shift = scale_and_shift(norm) if norm is not None else (1.0, 0.0)
        edges = convolution.edges * convolution.mask
        # The bias is mixed like the channels: E (W x + b) = E W x + b * (sum of E's row).
        bias = edges.sum(-1) * convolution.linear.bias[:, None]
        self.register_buffer("weight", convolution.linear.weight)
        self.register_buffer("edges", (edges.permute(1, 2, 0) * scale).permute(2, 0, 1).contiguous())
        self.register_buffer("bias", (bias.T * scale + shift).T[..., None].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Map (inputs, J, N) to (outputs, J, N)."""
        mapped = (self.weight @ x.reshape(len(x), -1)).view(-1, *x.shape[1:])
        return torch.baddbmm(self.bias, self.edges, mapped)


class FoldedNonLocal(nn.Module):
    """A non-local block whose normalisation is part of its last matrix.

    Of the biases, the keys' goes, for it adds the same to all scores of a query and the softmax is blind to that; the
    values' comes through unchanged, for attention sums to one, and joins the last shift.
    """

    def __init__(self, block: NonLocal) -> None:
        super().__init__()
        scale, shift = scale_and_shift(block.norm)
        bias = block.project.bias.chunk(3)
        self.register_buffer("project", block.project.weight.t())
        self.register_buffer("query_bias", bias[0])
        self.register_buffer("weight", block.out.weight * scale[:, None])
        self.register_buffer("shift", (shift + self.weight @ bias[2])[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (C, J, N) to (C, J, N)."""
        flat = x.flatten(1)
        rows = flat.t() @ self.project
        rows[:, : len(self.query_bias)] += self.query_bias
        return torch.addmm(flat, self.weight, attend(rows, x.shape[1]).t()).add_(self.shift).view(x.shape)


def fold_student(student: Student) -> Student:
    """Return a copy of a trained student, folded and in evaluation mode."""
    copy = deepcopy(student).eval()
    with torch.no_grad():
        copy.enter, copy.enter_norm = FoldedGraphConvolution(copy.enter, copy.enter_norm), nn.Identity()
        copy.depth = FoldedGraphConvolution(copy.depth, None)
        for block in copy.blocks:
            assert isinstance(block, GraphBlock)
            pairs = zip(block.convolutions, block.norms, strict=True)
            block.convolutions = nn.ModuleList(FoldedGraphConvolution(layer, norm) for layer, norm in pairs)
            block.norms = nn.ModuleList(nn.Identity() for _ in block.norms)
            block.non_local = FoldedNonLocal(block.non_local)
    return copy.requires_grad_(False).eval()


def fold_teacher(teacher: Teacher) -> Teacher:
    """Return a copy of a trained teacher, folded and in evaluation mode."""
    copy = deepcopy(teacher).eval()
    with torch.no_grad():
        copy.trunk = _fold_sequence(copy.trunk)
        for block in copy.trunk:
            if isinstance(block, ResidualBlock):
                block.body = _fold_sequence(block.body)
    return copy.requires_grad_(False).eval()


def scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return what a normalisation does in evaluation: y = scale x + shift, each (channels,)."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _fold_sequence(layers: nn.Sequential) -> nn.Sequential:
    """Fold each normalisation into the linear layer before it."""
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            linear = folded[-1]
            assert isinstance(linear, nn.Linear) and linear.bias is None
            scale, shift = scale_and_shift(layer)
            linear.weight, linear.bias = nn.Parameter(linear.weight * scale[:, None]), nn.Parameter(shift)
        else:
            folded.append(layer)
    return nn.Sequential(*folded)
