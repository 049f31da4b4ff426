# SPDX-License-Identifier: GPL-3.0-or-later
"""What training does to poses: random cameras around them, keypoint noise, and joints that no detector saw."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..skeleton import Skeleton
from .config import ViewConfig
from .impute import complete


def random_views(count: int, views: ViewConfig, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw (count, 3, 3) rotations from the world (Z up) to cameras that look at the root: any azimuth, some tilt."""
    uniform = torch.rand(count, 3, generator=generator, device=device)
    low, high = (math.radians(v) for v in views.elevation)
    azimuth, elevation = 2 * torch.pi * uniform[:, 0], low + (high - low) * uniform[:, 1]
    roll = math.radians(views.roll) * (2 * uniform[:, 2] - 1)
    sa, ca, se, ce = azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()
    zero = torch.zeros_like(sa)
    forward = torch.stack([-sa * ce, ca * ce, -se], -1)
    right = torch.stack([ca, sa, zero], -1)
    down = torch.linalg.cross(forward, right)
    sr, cr = roll.sin()[:, None], roll.cos()[:, None]
    return torch.stack([cr * right + sr * down, cr * down - sr * right, forward], -2)


def limbs(skeleton: Skeleton) -> Tensor:
    """Return (L, J) bool: for each joint that has joints beyond it, those beyond; the root and its like are left out.

    A limb is what a picture's edge or another body hides at once; more than half of the joints is no limb.
    """
    beyond = torch.zeros(len(skeleton), len(skeleton), dtype=torch.bool)
    for joint in reversed(skeleton.order):
        parent = skeleton.parents[joint]
        if parent >= 0:
            beyond[parent] |= beyond[joint]
            beyond[parent, joint] = True
    pairs = [beyond[j] | beyond[int(skeleton.mirror[j])] for j in range(len(skeleton)) if skeleton.mirror[j] > j]
    chosen = [row for row in [*beyond, *pairs] if 0 < int(row.sum()) <= len(skeleton) // 2]
    return torch.stack(chosen) if chosen else torch.zeros(1, len(skeleton), dtype=torch.bool)


class Corruption:
    """Makes clean 2D poses what a detector gives, as `ViewConfig` says, and completes them as at inference.

    mean, covariance: of complete poses, for `impute.complete`.
    """

    def __init__(self, views: ViewConfig, skeleton: Skeleton, mean: Tensor, covariance: Tensor) -> None:
        device = mean.device
        self._views, self._root, self._mean, self._covariance = views, skeleton.root, mean, covariance
        self._hidden = torch.zeros(max(1, len(views.hidden)), len(skeleton), dtype=torch.bool, device=device)
        for row, names in zip(self._hidden, views.hidden, strict=False):
            row[[skeleton.index(name) for name in names]] = True
        self._limbs = limbs(skeleton).to(device)

    def __call__(self, plane: Tensor, observed: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return poses (N, J, 2), noisy and complete, and which of their joints were observed (N, J)."""
        views, device, count = self._views, plane.device, len(plane)
        seen = torch.ones(plane.shape[:2], dtype=torch.bool, device=device) if observed is None else observed
        if views.noise:
            level = 2 * views.noise * torch.rand(count, 1, 1, generator=generator, device=device)
            noise = level * torch.randn(plane.shape, generator=generator, device=device)
            plane = plane + noise - noise[:, self._root : self._root + 1]
        if views.hidden or views.drop or views.limb:
            some = torch.rand(count, 1, generator=generator, device=device) < 0.5
            which = torch.randint(len(self._hidden), (count,), generator=generator, device=device)
            rate = 2 * views.drop * torch.rand(count, 1, generator=generator, device=device)
            gone = self._hidden[which] | (torch.rand(plane.shape[:2], generator=generator, device=device) < rate)
            if views.limb:
                cut = torch.rand(count, 1, generator=generator, device=device) < views.limb
                gone |= self._limbs[torch.randint(len(self._limbs), (count,), generator=generator, device=device)] & cut
            seen = seen & ~(gone & some)
            seen[:, self._root] = True
            plane = complete(plane, seen, self._mean, self._covariance)
        return plane, seen
