# SPDX-License-Identifier: GPL-3.0-or-later
"""A body's own frame and the way its hinges bend, differentiable: `anatomy` in torch, for training."""

from __future__ import annotations

import torch
from torch import Tensor

from ..skeleton import Skeleton


def body_frames(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """Return (N, 3, 3) rotations whose rows are the bodies' own axes: left, back, up. Identity without body axes.

    pose: (N, J, 3). As `anatomy.body_frame`.
    """
    if skeleton.axes is None:
        return torch.eye(3, dtype=pose.dtype, device=pose.device).expand(len(pose), 3, 3)
    index, axes, normalise = skeleton.index, skeleton.axes, torch.nn.functional.normalize
    spine = normalise(pose[:, index(axes.up)] - pose[:, index(axes.down)], dim=-1)
    sides = [normalise(pose[:, index(b)] - pose[:, index(a)], dim=-1) for a, b in axes.right_left]
    left = torch.stack(sides).sum(0)
    left = normalise(left - (left * spine).sum(-1, keepdim=True) * spine, dim=-1)
    if axes.spine == "front":
        return torch.stack([left, -spine, torch.linalg.cross(spine, left)], -2)
    return torch.stack([left, torch.linalg.cross(spine, left), spine], -2)


def hinge_offsets(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """Return (N, hinges): how far each hinge stands out of its neighbours' line the way it may bend, body units.

    Negative where it bends as no body does. pose: (N, J, 3).
    """
    left, back, _ = body_frames(pose, skeleton).unbind(1)
    level = skeleton.axes is not None and skeleton.axes.spine == "front"
    offsets = []
    for hinge in skeleton.hinges:
        joint, before, after = (pose[:, skeleton.index(name)] for name in (hinge.joint, hinge.before, hinge.after))
        along = torch.nn.functional.normalize(after - before, dim=-1)
        out = (joint - before) - ((joint - before) * along).sum(-1, keepdim=True) * along
        front = torch.linalg.cross(along, left) if level else -back
        offsets.append(hinge.sign * hinge.weight * (out * front).sum(-1))
    return torch.stack(offsets, -1)
