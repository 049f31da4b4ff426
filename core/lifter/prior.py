# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a body from anything else that reprojects, learned from 2D alone.

Self-consistency does not define a body: a needle along the line of sight, and a cardboard figure, satisfy every cycle. So
lifted poses are turned to views that no camera took, and a critic that sees real 2D poses judges them there
(adversarial learning, Goodfellow et al. 2014, with the penalty of Mescheder et al. 2018); their bones must be in one
proportion, which is learned; and joints must bend as the skeleton says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..skeleton import Skeleton
from .config import PriorConfig
from .torch_anatomy import hinge_offsets

PENALTY_EVERY = 8
"""Steps between two gradient penalties, each weighted as many times: it changes slowly and costs a second backward pass."""

_NOISE = 0.0065
"""Standard deviation of the noise that the critic sees poses with, body units: with none it tells digits, not bodies."""


_SLOPE = 0.008
"""Half the weight of the squared slope, per body unit."""


class Pairs(NamedTuple):
    """Pairs of moments: plane (N, 2, J, 2) body units, observed (N, 2, J) as 0 and 1, gap (N,) frames from first to second."""

    plane: Tensor
    observed: Tensor
    gap: Tensor


class Critic(nn.Module):
    """Score how real a pair of 2D poses looks, whatever its size: the pose, its bones, and how both move."""

    def __init__(self, skeleton: Skeleton, width: int, largest_gap: int) -> None:
        super().__init__()
        self.starts, self.ends = (list(side) for side in zip(*skeleton.edges, strict=True))
        self.gap = largest_gap
        joints, bones = len(skeleton), len(skeleton.edges)
        self.layers = nn.Sequential(
            nn.Linear(4 * (joints + bones) + 2 * joints + 1, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, plane: Tensor, observed: Tensor, gap: Tensor) -> Tensor:
        """Return scores (N,) of pairs (N, 2, J, 2); joints that were not observed are not looked at."""
        bones = plane[:, :, self.ends] - plane[:, :, self.starts]
        both = observed[:, :, self.ends] * observed[:, :, self.starts]
        size = (bones.norm(dim=-1) * both).sum((1, 2)) / both.sum((1, 2)).clamp_min(1)
        scale = (1 / size.clamp_min(1e-6))[:, None, None, None]  # bones are 1 long in the mean
        points, bones = plane * scale * observed[..., None], bones * scale * both[..., None]
        speed = (self.gap / gap)[:, None, None]

        def motion(x: Tensor, seen: Tensor) -> Tensor:
            return (x[:, 1] - x[:, 0]) * speed * (seen[:, 1] * seen[:, 0])[..., None]

        looks = [points[:, 0] / 2, bones[:, 0], motion(points, observed) / 2, motion(bones, both)]
        features = [look.flatten(1) for look in looks] + [observed.flatten(1), gap.abs()[:, None] / self.gap]
        score: Tensor = self.layers(torch.cat(features, 1))
        return score[:, 0].float()


class Prior(nn.Module):
    """The critic and the body's learned proportions, trained beside the teacher; not needed after training.

    `steps` counts those that were taken, of which the critic has the first `warm_steps` for itself.
    """

    def __init__(self, config: PriorConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.critic = Critic(skeleton, config.width, config.gap)
        self.log_lengths = nn.Parameter(torch.full((len(skeleton.edges),), math.log(0.35)))
        self.starts, self.ends = (list(side) for side in zip(*skeleton.edges, strict=True))
        self.mirror = [self.ends.index(int(skeleton.mirror[c])) if int(skeleton.mirror[c]) in self.ends else i
                       for i, c in enumerate(self.ends)]  # fmt: skip
        self.midpoints = [tuple(skeleton.index(name) for name in names) for names in skeleton.midpoints]
        self.steps, self.warm_steps = 0, 0

    @property
    def warming(self) -> bool:
        """Whether the critic alone learns yet."""
        return self.steps < self.warm_steps

    @torch.no_grad()
    def fit_lengths(self, pose: Tensor) -> None:
        """Begin with the proportions of lifted poses (N, J, 3), where there are trained ones."""
        bones = (pose[:, self.ends] - pose[:, self.starts]).norm(dim=-1)
        self.log_lengths.copy_(bones.clamp_min(1e-3).log().median(0).values)

    def critic_terms(self, real: Pairs, fake: Pairs) -> dict[str, Tensor]:
        """Return the loss that trains the critic, and the one by which it trains the lifter, through `fake.plane`."""
        config = self.config
        seen, shown = _noisy(real.plane), _noisy(fake.plane)
        frozen = {name: value.detach() for name, value in self.critic.named_parameters()}
        judged = functional_call(self.critic, frozen, (shown, fake.observed, fake.gap))
        of_real = self.critic(seen, real.observed, real.gap)
        of_fake = self.critic(shown.detach(), fake.observed, fake.gap)
        loss = nn.functional.softplus(-of_real).mean() + nn.functional.softplus(of_fake).mean()
        if config.penalty and self.steps % PENALTY_EVERY == 0:
            loss = loss + PENALTY_EVERY * config.penalty * self._penalty(real, seen)
        self.steps += 1
        return {"views": config.critic * nn.functional.softplus(-judged).mean(), "critic": loss}

    def body_terms(self, pose: Tensor, observed: Tensor) -> dict[str, Tensor]:
        """Return the losses of lifted pairs (N, 2, J, 3), body units: proportions, size, midpoints and hinges."""
        config = self.config
        bone = (pose[:, :, self.ends] - pose[:, :, self.starts]).norm(dim=-1).clamp_min(1e-3).log()
        seen = observed[:, :, self.ends] * observed[:, :, self.starts]
        lengths = 0.5 * (self.log_lengths + self.log_lengths[self.mirror])
        off = bone - lengths
        size = (off * seen).sum(-1) / seen.sum(-1).clamp_min(1)
        both = seen[:, 0] * seen[:, 1]
        flat = pose.flatten(0, 1)
        terms = {
            "bones": config.bones * _mean((off - size[..., None]).abs(), seen),
            "pair": config.pair * _mean((bone[:, 1] - bone[:, 0]).abs(), both),
            "size": config.scale * size.square().mean(),
        }
        if self.midpoints:
            off_middle = [(flat[:, m] - (flat[:, a] + flat[:, b]) / 2).norm(dim=-1).mean() for m, a, b in self.midpoints]
            terms["midpoints"] = config.midpoints * torch.stack(off_middle).sum()
        if self.skeleton.hinges and config.hinges:
            terms["hinges"] = config.hinges * torch.relu(-hinge_offsets(flat, self.skeleton)).mean()
        return terms

    def _penalty(self, real: Pairs, plane: Tensor) -> Tensor:
        """Return the mean squared slope of the critic at real poses, of a part of the batch."""
        part = slice(0, max(1, len(plane) // 2))
        with torch.autocast(plane.device.type, enabled=False):
            at = plane[part].detach().requires_grad_(True)
            score = self.critic(at, real.observed[part], real.gap[part]).sum()
            (slope,) = torch.autograd.grad(score, at, create_graph=True)
        return _SLOPE * slope.square().sum((1, 2, 3)).mean()


def _noisy(plane: Tensor) -> Tensor:
    return plane + _NOISE * torch.randn_like(plane)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1)
