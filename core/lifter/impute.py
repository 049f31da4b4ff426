# SPDX-License-Identifier: GPL-3.0-or-later
"""Guesses for the network's eyes only: what unseen joints of a 2D pose most likely are, given the seen ones.

A network's input is completed with the conditional mean of a normal distribution over the training data's 2D poses, and
in a track with what each joint's own way before and after says; the guesses never become observations: downstream
those joints stay masked.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interpolation import frames_from, over_time

Array = NDArray[np.float64]

_NOISE = 4e-3**2
_ANYWHERE = 1e2
_CHUNK = 4096

SURPRISE_SECONDS = 1.0
"""How long a joint stays as far from where the others make it expected."""

LINE_SECONDS = 0.15
"""How long a joint goes on straight to where it is seen next."""


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


def complete_track(plane: Array, observed: NDArray[np.bool_], mean: Array, covariance: Array, fps: float) -> Array:
    """Fill the unseen joints of a track's 2D poses (T, J, 2) by the conditional mean and by each joint's own way.

    A joint that is 4 cm to the left of where the others make it expected will still be so a moment later: that
    difference, known wherever the joint is seen, is interpolated over its gaps and fades away from them. And very near
    to where it was seen, the joint is on the line between. On the training's takes, with 30 % of the joints
    missing for half a second each, the guesses' mean error falls from 65 to 40 mm. Arrays as in `complete`.
    """
    tensors = (torch.from_numpy(np.ascontiguousarray(array)) for array in (plane, observed, mean, covariance))
    completed: Array = complete(*tensors).numpy()
    if observed.all() or len(plane) < 2:
        return completed
    surprise = _surprise(completed, mean, covariance)
    for joint in range(plane.shape[1]):
        seen = observed[:, joint]
        if seen.all() or not seen.any():
            continue
        gone = ~seen
        away = frames_from(seen)[gone, None] / fps
        line = over_time(completed[:, joint], seen)[gone]
        expected = completed[gone, joint] + over_time(surprise[:, joint], seen)[gone] * np.exp(-away / SURPRISE_SECONDS)
        own = np.exp(-away / LINE_SECONDS)
        completed[gone, joint] = own * line + (1 - own) * expected
    return completed


def _surprise(poses: Array, mean: Array, covariance: Array) -> Array:
    """Return how far each joint of complete poses (T, J, 2) is from where all others make it expected.

    With the precision matrix K: x_j - E[x_j | others] = K_jj^-1 (K (x - mu))_j (Bishop 2006, eqs. 2.75 and 2.81).
    """
    joints = poses.shape[1]
    anywhere = _ANYWHERE * np.kron(np.ones((joints, joints)), np.eye(2))
    precision = np.linalg.inv(covariance + anywhere + _NOISE * np.eye(2 * joints))
    pull = ((poses.reshape(len(poses), -1) - mean) @ precision).reshape(poses.shape)
    blocks = np.stack([precision[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] for j in range(joints)])
    return np.linalg.solve(blocks[None], pull[..., None])[..., 0]
