# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations and the virtual camera in torch, differentiable and batched.

The virtual camera looks at the root from the constant distance t: its axes are x right, y down, z forward, the root is
at (0, 0, t). A 3D pose is relative to the root, in body units.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def so3_exp(log: Tensor) -> Tensor:
    """Map axis-angle vectors (..., 3) to rotation matrices (..., 3, 3).

    R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2, with a = |log| (Rodrigues' formula); smooth at zero.
    """
    square = (log * log).sum(-1)
    safe = square.clamp_min(1e-12)
    angle = safe.sqrt()
    small = square < 1e-4
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    x, y, z = log.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*log.shape[:-1], 3, 3)
    eye = torch.eye(3, dtype=log.dtype, device=log.device)
    with torch.autocast(log.device.type, enabled=False):  # in bfloat16 the result would be no rotation
        return eye + first[..., None, None] * cross + second[..., None, None] * (cross @ cross)


def random_rotations(count: int, haar: bool, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw (count, 3, 3) rotations: uniformly from SO(3), or the paper's uniform axis with an angle from U(0, pi)."""
    if haar:  # unit quaternions from four normal deviates (Shoemake 1992)
        q = torch.randn(count, 4, generator=generator, device=device)
        q = q / q.norm(dim=-1, keepdim=True)
        angle = 2 * torch.atan2(q[:, 1:].norm(dim=-1), q[:, 0])
        axis = torch.nn.functional.normalize(q[:, 1:], dim=-1)
    else:
        axis = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, device=device), dim=-1)
        angle = math.pi * torch.rand(count, generator=generator, device=device)
    return so3_exp(axis * angle[:, None])


def rotate(rotation: Tensor, pose: Tensor) -> Tensor:
    """Turn poses (..., J, 3) by rotations (..., 3, 3) about the root, in full precision also where networks use less."""
    with torch.autocast(pose.device.type, enabled=False):
        return pose @ rotation.transpose(-1, -2)


def project(pose: Tensor, distance: float) -> Tensor:
    """Project poses (..., J, 3) through the virtual camera: (..., J, 2). Depths are kept in front of the camera."""
    return pose[..., :2] / (pose[..., 2:] + distance).clamp_min(0.2 * distance)


def back_project(plane: Tensor, depth: Tensor, distance: float) -> Tensor:
    """Place points (..., J, 2) at depths (..., J) behind the root's: (..., J, 3). Reprojects exactly.

    Depths are held to where `project` is exact (no nearer than a fifth of the camera's distance).
    """
    depth = depth.clamp_min(-0.8 * distance)
    return torch.cat([plane * (depth + distance)[..., None], depth[..., None]], -1)
