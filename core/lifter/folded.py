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

    weight: Tensor
    edges: Tensor
    bias: Tensor

    def __init__(self, convolution: GraphConvolution, norm: nn.BatchNorm1d | None) -> None:
        super().__init__()
        edges = convolution.edges * convolution.mask
        # The bias is mixed like the channels: E (W x + b) = E W x + b * (sum of E's row).
        bias = edges.sum(-1) * convolution.linear.bias[:, None]
        scale, shift = (bias.new_ones(len(bias)), bias.new_zeros(len(bias))) if norm is None else scale_and_shift(norm)
        self.register_buffer("weight", convolution.linear.weight.detach().clone())
        self.register_buffer("edges", edges * scale[:, None, None])
        self.register_buffer("bias", torch.addcmul(shift[:, None], bias, scale[:, None])[..., None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (inputs, J, N) to (outputs, J, N)."""
        mapped = (self.weight @ x.reshape(len(x), -1)).view(-1, *x.shape[1:])
        return torch.baddbmm(self.bias, self.edges, mapped)


class FoldedNonLocal(nn.Module):
    """A non-local block whose normalisation is part of its last matrix.

    Of the biases, the keys' goes, for it adds the same to all scores of a query and the softmax is blind to that; the
    values' comes through unchanged, for attention sums to one, and joins the last shift.
    """

    project: Tensor
    query_bias: Tensor
    weight: Tensor
    shift: Tensor

    def __init__(self, block: NonLocal) -> None:
        super().__init__()
        scale, shift = scale_and_shift(block.norm)
        bias = block.project.bias.chunk(3)
        self.register_buffer("project", block.project.weight.detach().clone().t())
        self.register_buffer("query_bias", bias[0].clone())
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
        copy.add_module("enter", FoldedGraphConvolution(student.enter, student.enter_norm))
        copy.add_module("enter_norm", nn.Identity())
        copy.add_module("depth", FoldedGraphConvolution(student.depth, None))
        for block in copy.blocks:
            assert isinstance(block, GraphBlock)
            folded = nn.ModuleList()
            for layer, norm in zip(block.convolutions, block.norms, strict=True):
                assert isinstance(layer, GraphConvolution) and isinstance(norm, nn.BatchNorm1d)
                folded.append(FoldedGraphConvolution(layer, norm))
            block.convolutions, block.norms = folded, nn.ModuleList(nn.Identity() for _ in folded)
            block.add_module("non_local", FoldedNonLocal(block.non_local))
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
            assert isinstance(linear, nn.Linear)
            scale, shift = scale_and_shift(layer)
            linear.weight = nn.Parameter(linear.weight * scale[:, None])
            linear.bias = nn.Parameter(shift if linear.bias is None else shift + linear.bias * scale)
        else:
            folded.append(layer)
    return nn.Sequential(*folded)
