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
    cross = cross_matrix(log)
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


def project(pose: Tensor, t: float, distance: Tensor | None = None) -> Tensor:
    """Project poses (..., J, 3) onto the virtual camera's plane: (..., J, 2). Depths are kept in front of the camera.

    distance: (...,) of the camera from each root, where it is not t. The plane then lies so that a body appears as large
    as from t: x = X / (Z + d) * d / t; only the perspective differs.
    """
    if distance is None:
        return pose[..., :2] / (pose[..., 2:] + t).clamp_min(0.2 * t)
    return pose[..., :2] / (t * (1 + pose[..., 2:] / distance[..., None, None]).clamp_min(0.2))


def back_project(plane: Tensor, depth: Tensor, t: float, distance: Tensor | None = None) -> Tensor:
    """Place points (..., J, 2) at depths (..., J) behind the root's: (..., J, 3). Reprojects exactly with `project`.

    Depths are held to where `project` is exact (no nearer than a fifth of the camera's distance).
    """
    if distance is None:
        depth = depth.clamp_min(-0.8 * t)
        return torch.cat([plane * (depth + t)[..., None], depth[..., None]], -1)
    share = (depth / distance[..., None]).clamp_min(-0.8)
    return torch.cat([plane * (t * (1 + share))[..., None], (share * distance[..., None])[..., None]], -1)


def aware_channels(plane: Tensor, distance: Tensor | None, observed: Tensor | None, t: float) -> Tensor:
    """Return (N, J, 4), what aware networks see of 2D poses: x and y in body units, 1 where observed, and t / distance."""
    seen = plane.new_ones(plane.shape[:2]) if observed is None else observed.to(plane.dtype)
    near = torch.ones_like(seen) if distance is None else (t / distance)[:, None].expand_as(seen)
    return torch.cat([plane * t, seen[..., None], near[..., None]], -1)


def turn_about(axis: Tensor, angle: Tensor) -> Tensor:
    """Return (N, 3, 3) rotations by angles (N,) about unit axes (N, 3)."""
    return so3_exp(axis * angle[:, None])


def shortest_turn(start: Tensor, end: Tensor) -> Tensor:
    """Return (N, 3, 3) the smallest rotations that take unit vectors (N, 3) to others; bounded where they are opposite.

    R = I + K + K^2 / (1 + c), with K the cross-product matrix of start x end and c their cosine.
    """
    cross, cosine = torch.linalg.cross(start, end), (start * end).sum(-1)
    k = cross_matrix(cross)
    eye = torch.eye(3, dtype=start.dtype, device=start.device)
    with torch.autocast(start.device.type, enabled=False):
        return eye + k + (k @ k) / (1 + cosine).clamp_min(0.1)[:, None, None]


def frame_from_columns(six: Tensor) -> Tensor:
    """Make rotations (N, 3, 3) of two vectors each (N, 6), orthonormalised: the first two columns (Zhou et al. 2019)."""
    first = torch.nn.functional.normalize(six[:, :3], dim=-1)
    second = six[:, 3:] - (first * six[:, 3:]).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def cross_matrix(vector: Tensor) -> Tensor:
    """Return K (..., 3, 3) with K x = vector x x."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
