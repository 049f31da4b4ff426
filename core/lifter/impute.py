# SPDX-License-Identifier: GPL-3.0-or-later
"""Guesses for the network's eyes only: what unseen joints of a 2D pose most likely are, given the seen ones.

The network knows no masks. Its input is completed with the conditional mean of a normal distribution over the training
data's 2D poses; the guesses never become observations: downstream those joints stay masked.
"""

from __future__ import annotations

import torch
from torch import Tensor

_NOISE = 4e-3**2
_ANYWHERE = 1e2
_CHUNK = 4096


def complete(plane: Tensor, observed: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Fill the unseen joints of 2D poses with their conditional mean.

    plane: (T, J, 2) at the size of the training poses, anywhere in the plane; observed: (T, J) bool; mean (2J,) and
    covariance (2J, 2J), float64, of root-relative training poses. The pose's place is unknown: a translation of very
    large variance is added. Observed joints keep their coordinates; unobserved ones may hold anything, NaN included.
    E[x_m | x_o] = mu_m + S_mo S_oo^-1 (x_o - mu_o) (Bishop 2006, eq. 2.81).
    """
    filled = plane.clone()
    todo = (~observed.all(1)).nonzero()[:, 0]
    joints = plane.shape[1]
    prior = covariance + _ANYWHERE * torch.eye(2, dtype=mean.dtype, device=mean.device).repeat(joints, joints)
    eye = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    for chunk in torch.split(todo, _CHUNK):
        seen = observed[chunk].repeat_interleave(2, dim=1)
        both = seen[:, :, None] & seen[:, None, :]
        residual = torch.where(seen, filled[chunk].flatten(1).to(mean.dtype) - mean, 0.0)
        factor = torch.linalg.cholesky(torch.where(both, prior + _NOISE * eye, eye))
        answer = torch.cholesky_solve(residual[..., None], factor)[..., 0]
        guess = (mean + torch.where(seen, answer, 0.0) @ prior).view(-1, joints, 2)
        filled[chunk] = torch.where(observed[chunk][..., None], filled[chunk], guess.to(plane.dtype))
    return filled
