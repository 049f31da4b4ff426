# SPDX-License-Identifier: GPL-3.0-or-later
"""The track solve's variables, costs and normal equations, as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..rotation import normalised
from ..skeleton import USUAL_HEIGHT, Skeleton
from .banded import solve_banded
from .bones import opposite_bones, pose_from_directions, stature

if TYPE_CHECKING:
    from .solve import Evidence, Ground, SolveSettings

Array = NDArray[np.float64]

ORDER = 2
"""Of the differences over time that are kept small: accelerations."""
PEAK = 3.0
"""Standard deviations beyond which an acceleration is taken for a real one, and counts less and less."""


class Problem:
    """Bone directions on the sphere and a root path, T frames; steps live in each bone's tangent plane.

    A frame has P variables: the root's 3, then 2 for each bone that turns by itself.
    """

    def __init__(
        self,
        evidence: Evidence,
        direction: Array,
        root: Array,
        settings: SolveSettings,
        ground: Ground | None,
        device: torch.device,
    ) -> None:
        self.kind = torch.float32 if device.type == "mps" else torch.float64
        self.device, self.settings, self.skeleton = device, settings, evidence.skeleton
        skeleton, tensor = evidence.skeleton, self._tensor
        seen = np.isfinite(evidence.rays).all(-1) & (evidence.scores > 0)
        size = stature(evidence.lengths, skeleton) / USUAL_HEIGHT
        self.nearest = 0.1 * size
        self.plane = tensor(np.where(seen[..., None], evidence.rays[..., :2], 0.0))
        self.weight = tensor(np.where(seen, evidence.scores, 0.0))
        tremble = np.zeros(len(skeleton)) if evidence.noise is None else evidence.noise
        self.noise = tensor(settings.noise * size + settings.tremble * tremble)[:, None]
        opposite = opposite_bones(skeleton)
        follows = {right for _, right in opposite}
        self.bones = [j for _, j in skeleton.edges if j not in follows]
        self.opposite = opposite
        chain = _chain(skeleton, evidence.lengths)
        for left, right in opposite:
            chain[:, left] -= chain[:, right]
        self.chain = tensor(chain[:, self.bones])
        self.prior = tensor(evidence.direction[:, self.bones])
        self.trust = tensor(np.full(len(self.bones), settings.prior**-2))
        self.u, self.root = tensor(direction[:, self.bones]), tensor(root)
        self.view = (tensor(evidence.view.rotation), tensor(evidence.view.translation)) if evidence.view else None
        # Image errors become metres by the depths of the start: were they free, the cost would fall by coming nearer.
        self.depth = self._seen(self.joints(self.u, self.root))[..., 2:].clamp_min(self.nearest)
        self.smooth = self._smoothness(evidence.fps)
        self._set_ground(ground, evidence.fps, size)

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=self.kind, device=self.device)

    def _smoothness(self, fps: float) -> Tensor:
        """Return (J,) weights of squared differences over time."""
        settings = self.settings
        usual = settings.acceleration + settings.limb_acceleration * self.skeleton.limb_depth
        return self._tensor(settings.smoothing * (fps**ORDER / usual) ** 2)

    def _set_ground(self, ground: Ground | None, fps: float, size: float) -> None:
        self.ground = ground
        if ground is None:
            return
        settings = self.settings
        contact = self._tensor(ground.contact)
        self.up, self.feet = self._tensor(ground.up), list(ground.joints)
        self.stands = self._tensor(ground.level + ground.heights)
        self.on_floor = contact / (settings.floor * size) ** 2
        both = torch.minimum(contact[1:], contact[:-1])
        self.pinned = both * (fps / (settings.slide * size**0.5)) ** 2 * ground.pinned
        self.below = ground.above / (settings.floor * size) ** 2

    def joints(self, u: Tensor, root: Tensor) -> Tensor:
        """Return joints (T, J, 3)."""
        return torch.einsum("jb,tbc->tjc", self.chain, u) + root[:, None]

    def _seen(self, x: Tensor) -> Tensor:
        """Return joints (T, J, 3) in the frame of the camera, where they are in that of a world."""
        return x if self.view is None else x @ self.view[0].mT + self.view[1][:, None]

    def cost(self, step: Tensor | None = None) -> float:
        """Return the sum of all terms, after a step (T, P) where one is given."""
        u, root = (self.u, self.root) if step is None else self._moved(step)
        x = self.joints(u, root)
        seen = self._seen(x)
        depth = seen[..., 2:].clamp_min(self.nearest)
        error = (seen[..., :2] / depth - self.plane) * (self.depth / self.noise)
        total = (self.weight * torch.log1p(error.square().sum(-1) / 2)).sum()
        total = total + 0.5 * (self.trust[:, None] * (u - self.prior).square()).sum()
        if self.settings.smoothing > 0 and len(x) > ORDER:
            size = torch.diff(x, n=ORDER, dim=0).square().sum(-1) * self.smooth
            total = total + PEAK**2 * torch.log1p(size / (2 * PEAK**2)).sum()
        if self.ground is not None:
            feet = x[:, self.feet]
            total = total + 0.5 * (self.pinned * torch.diff(feet, dim=0).square().sum(-1)).sum()
            above = feet @ self.up - self.stands
            total = total + 0.5 * (self._floor_weight(above) * above.square()).sum()
        return float(total)

    def _floor_weight(self, above: Tensor) -> Tensor:
        """Weights (T, F) of heights over standing: of feet that stand, and of those that are lower than that."""
        return torch.where(above < 0, self.on_floor.clamp_min(self.below), self.on_floor)

    def system(self) -> tuple[list[Tensor], Tensor]:
        """Return the normal equations of this state: bands of the Gauss-Newton matrix, and the gradient (T, P)."""
        frames, joints = len(self.u), len(self.skeleton)
        x = self.joints(self.u, self.root)
        seen = self._seen(x)
        depth = seen[..., 2:].clamp_min(self.nearest)
        basis = _tangents(self.u)
        self.basis = basis
        jacobian = x.new_zeros(frames, joints, 3, 3 + 2 * len(self.bones))
        jacobian[..., :3] = torch.eye(3, dtype=x.dtype, device=x.device)
        jacobian[..., 3:] = torch.einsum("jb,tbcd->tjcbd", self.chain, basis).flatten(3)
        # Reprojection: the error is depth (x/z - n) / noise, its derivative (1, 0, -x/z; 0, 1, -y/z) depth/z / noise.
        across = seen[..., :2] / depth
        error = (across - self.plane) * (self.depth / self.noise)
        weight = self.weight / (1 + error.square().sum(-1) / 2)
        view = x.new_zeros(frames, joints, 2, 3)
        view[..., 0, 0] = view[..., 1, 1] = 1.0
        view[..., 2] = -across
        view = view * (self.depth / depth / self.noise)[..., None]
        if self.view is not None:
            view = view @ self.view[0][:, None]
        push = torch.einsum("tj,tjk,tjkc->tjc", weight, error, view)
        matrix = torch.einsum("tj,tjkc,tjkd->tjcd", weight, view, view)
        bands = [x.new_zeros(frames, joints)] + [x.new_zeros(max(frames - d, 0), joints) for d in range(1, ORDER + 1)]
        if self.settings.smoothing > 0 and frames > ORDER:
            change = torch.diff(x, n=ORDER, dim=0)
            robust = self.smooth / (1 + change.square().sum(-1) * self.smooth / (2 * PEAK**2))
            _add_differences(bands, push, robust, change, ORDER)
        if self.ground is not None:
            feet, slides = x[:, self.feet], x.new_zeros(frames - 1, joints)
            slides[:, self.feet] = self.pinned
            _add_differences(bands, push, slides, torch.diff(x, dim=0), 1)
            above = feet @ self.up - self.stands
            heavy = self._floor_weight(above)
            matrix[:, self.feet] += heavy[..., None, None] * torch.outer(self.up, self.up)
            push[:, self.feet] += (heavy * above)[..., None] * self.up
        matrix = matrix + bands[0][..., None, None] * torch.eye(3, dtype=x.dtype, device=x.device)
        flat = jacobian.flatten(1, 2)
        first = flat.mT @ torch.einsum("tjcd,tjdp->tjcp", matrix, jacobian).flatten(1, 2)
        spread = self.trust.repeat_interleave(2)
        first[:, range(3, first.shape[1]), range(3, first.shape[1])] += spread
        gradient = torch.einsum("tjcp,tjc->tp", jacobian, push)
        gradient[:, 3:] += torch.einsum("b,tbc,tbcd->tbd", self.trust, self.u - self.prior, basis).flatten(1)
        blocks = [first]
        for distance, band in enumerate(bands[1:], 1):
            if frames > distance:
                wide = band.repeat_interleave(3, 1)[..., None]
                blocks.append(flat[:-distance].mT @ (wide * flat[distance:]))
        return blocks, gradient

    def step(self, bands: list[Tensor], gradient: Tensor, damping: float) -> Tensor:
        """Return the damped Gauss-Newton step (T, P)."""
        first = bands[0].clone()
        first.diagonal(dim1=1, dim2=2).mul_(1 + damping).add_(1e-9)
        return solve_banded([first, *bands[1:]], -gradient)

    def _moved(self, step: Tensor) -> tuple[Tensor, Tensor]:
        turn = torch.einsum("tbcd,tbd->tbc", self.basis, step[:, 3:].view(len(step), -1, 2))
        u = self.u + turn
        return u / u.norm(dim=-1, keepdim=True), self.root + step[:, :3]

    def move(self, step: Tensor) -> None:
        """Take a step."""
        self.u, self.root = self._moved(step)

    def result(self) -> tuple[Array, Array]:
        """Return directions (T, J, 3), exactly of length 1 (roots' are zero), and the root path (T, 3)."""
        direction = np.zeros((len(self.u), len(self.skeleton), 3))
        direction[:, self.bones] = normalised(self.u.double().cpu().numpy())
        for left, right in self.opposite:
            direction[:, right] = -direction[:, left]
        return direction, self.root.double().cpu().numpy()


def _add_differences(bands: list[Tensor], push: Tensor, weight: Tensor, change: Tensor, order: int) -> None:
    """Add weight (T - n, J) times the squared n-th differences (T - n, J, 3) to bands and gradient."""
    factors = {1: (-1.0, 1.0), 2: (1.0, -2.0, 1.0), 3: (-1.0, 3.0, -3.0, 1.0)}[order]
    count = len(change)
    for i, a in enumerate(factors):
        push[i : i + count] += a * weight[..., None] * change
        for j, b in enumerate(factors[i:]):
            bands[j][i : i + count] += a * b * weight


def _tangents(u: Tensor) -> Tensor:
    """Return (..., 3, 2) orthonormal bases of the planes across unit vectors (..., 3) (Duff et al. 2017)."""
    x, y, z = u.unbind(-1)
    sign = torch.where(z < 0, -1.0, 1.0).to(u.dtype)
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack([1 + sign * x * x * a, sign * b, -sign * x], -1)
    second = torch.stack([b, sign + y * y * a, -y], -1)
    return torch.stack([first, second], -1)


def _chain(skeleton: Skeleton, lengths: Array) -> Array:
    """Return the (J, J) matrix that sums bones along the way from the root: pose = chain @ directions."""
    identity = np.eye(len(skeleton))[..., None].repeat(3, -1)  # each "frame" has one bone's direction
    return pose_from_directions(identity, lengths, skeleton)[..., 0].T
