# SPDX-License-Identifier: GPL-3.0-or-later
"""Guesses for the network's eyes only: what unseen joints of a 2D pose most likely are, given the seen ones.

The network knows no masks. Its input is completed with the conditional mean of a normal distribution over the training
data's 2D poses; the guesses never become observations: downstream those joints stay masked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NOISE = 4e-3**2
_ANYWHERE = 1e2
_CHUNK = 4096


def complete(plane: Array, observed: NDArray[np.bool_], mean: Array, covariance: Array) -> Array:
    """Fill the unseen joints of 2D poses with their conditional mean.

    plane: (T, J, 2) at the size of the training poses, anywhere in the plane; observed: (T, J); mean (2J,) and
    covariance (2J, 2J) of root-relative training poses. The pose's place is unknown: a translation of very large variance
    is added. Observed joints keep their coordinates.
    E[x_m | x_o] = mu_m + S_mo S_oo^-1 (x_o - mu_o) (Bishop 2006, eq. 2.81).
    """
    filled = plane.copy()
    todo = np.flatnonzero(~observed.all(1))
    place = _ANYWHERE * np.kron(np.ones((plane.shape[1], plane.shape[1])), np.eye(2))
    prior = covariance + place
    for chunk in np.array_split(todo, max(1, len(todo) // _CHUNK)):
        seen = np.repeat(observed[chunk], 2, axis=1)
        both = seen[:, :, None] & seen[:, None, :]
        system = np.where(both, prior + _NOISE * np.eye(len(mean)), np.eye(len(mean)))
        residual = np.where(seen, filled[chunk].reshape(len(chunk), -1) - mean, 0.0)
        answer = np.linalg.solve(system, residual[..., None])[..., 0]
        guess = (mean + np.where(seen, answer, 0.0) @ prior).reshape(len(chunk), -1, 2)
        filled[chunk] = np.where(observed[chunk][..., None], filled[chunk], guess)
    return filled
