# SPDX-License-Identifier: GPL-3.0-or-later
"""Symmetric positive definite systems in which each frame is coupled to its next few, in time linear in the frames."""

from __future__ import annotations

import torch
from torch import Tensor


def solve_banded(bands: list[Tensor], right: Tensor) -> Tensor:
    """Solve A x = right for x (T, P), where A couples frames at most len(bands) - 1 apart.

    bands[d]: (T - d, P, P), the blocks A[t, t + d]; bands[0] symmetric. As many frames as are coupled make one block, which
    leaves a block-tridiagonal system for a block Cholesky factorisation (Golub and Van Loan 2013, sec. 4.5.1).
    Raises `torch.linalg.LinAlgError` where A is not positive definite.
    """
    frames, size = right.shape
    group = max(1, min(len(bands) - 1, frames))
    count = -(-frames // group)
    diagonal, beside = _grouped(bands, frames, count, group, size)
    padded = right.new_zeros(count * group, size)
    padded[:frames] = right
    rhs = padded.view(count, group * size, 1)
    factors: list[Tensor] = []
    links: list[Tensor] = []
    forward: list[Tensor] = []
    for k in range(count):
        block, b = diagonal[k], rhs[k]
        if k:
            block = torch.addmm(block, links[-1].T, links[-1], alpha=-1)
            b = torch.addmm(b, links[-1].T, forward[-1], alpha=-1)
        factor = torch.linalg.cholesky(block)
        factors.append(factor)
        if k + 1 < count:
            both = torch.linalg.solve_triangular(factor, torch.cat([beside[k], b], 1), upper=False)
            links.append(both[:, :-1])
            forward.append(both[:, -1:])
        else:
            forward.append(torch.linalg.solve_triangular(factor, b, upper=False))
    solution = [forward[-1]] * count
    for k in range(count - 1, -1, -1):
        b = forward[k] if k + 1 == count else torch.addmm(forward[k], links[k], solution[k + 1], alpha=-1)
        solution[k] = torch.linalg.solve_triangular(factors[k].T, b, upper=True)
    return torch.cat(solution).view(-1, size)[:frames]


def _grouped(bands: list[Tensor], frames: int, count: int, group: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the blocks on the diagonal (N, GP, GP) and beside it; frames beyond the last have an identity of their own."""
    first = bands[0]
    diagonal = first.new_zeros(count, group, size, group, size)
    beside = first.new_zeros(count, group, size, group, size)
    for distance, band in enumerate(bands):
        if distance >= frames:
            break
        for row in range(group):
            part = band[row::group]
            column = row + distance
            if column < group:
                diagonal[: len(part), row, :, column] = part
                if distance:
                    diagonal[: len(part), column, :, row] = part.transpose(1, 2)
            else:
                beside[: len(part), row, :, column - group] = part
    spare = count * group - frames
    if spare:
        diagonal[-1, group - spare :, :, group - spare :] = torch.eye(
            spare * size, dtype=first.dtype, device=first.device
        ).view(spare, size, spare, size)
    return diagonal.view(count, group * size, group * size), beside.view(count, group * size, group * size)
