# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of estimated poses against true ones, as the field reports them. NumPy; poses are (T, J, 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rotation import procrustes

Array = NDArray[np.floating]


def mpjpe(estimate: Array, truth: Array) -> Array:
    """Return (T,) mean joint distances, in the unit of the poses."""
    return np.linalg.norm(estimate - truth, axis=-1).mean(-1)


def n_mpjpe(estimate: Array, truth: Array, root: int = 0) -> Array:
    """Return (T,) mean joint distances after the best scale per frame, roots together (least squares; no rotation)."""
    return mpjpe(*scaled_pair(estimate, truth, root))


def pck(estimate: Array, truth: Array, limit: float, root: int = 0) -> Array:
    """Return (T,) shares of joints nearer than `limit` to the true ones, after the best scale as in `n_mpjpe`."""
    a, b = scaled_pair(estimate, truth, root)
    return (np.linalg.norm(a - b, axis=-1) < limit).mean(-1)


def scaled_pair(estimate: Array, truth: Array, root: int) -> tuple[Array, Array]:
    """Return both poses relative to their roots, the estimate scaled, frame by frame, to fit in least squares."""
    a, b = estimate - estimate[:, root : root + 1], truth - truth[:, root : root + 1]
    scale = (a * b).sum((-1, -2)) / np.maximum((a * a).sum((-1, -2)), np.finfo(a.dtype).tiny)
    return a * scale[:, None, None], b


def p_mpjpe(estimate: Array, truth: Array) -> Array:
    """Return (T,) mean joint distances after the best similarity per frame, without reflection (Procrustes)."""
    scale, rotation, translation = procrustes(estimate, truth)
    aligned = scale[:, None, None] * (estimate @ np.swapaxes(rotation, -1, -2)) + translation[:, None]
    return mpjpe(aligned, truth)


def acceleration_error(estimate: Array, truth: Array, fps: float) -> Array:
    """Return (T-2,) mean differences of joint accelerations, per second squared."""
    return np.linalg.norm(np.diff(estimate - truth, n=2, axis=0), axis=-1).mean(-1) * fps * fps
