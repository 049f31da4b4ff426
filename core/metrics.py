# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of estimated poses against true ones, as the field reports them. NumPy; poses are (T, J, 3)."""

from __future__ import annotations

from collections.abc import Sequence

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


def torso_mpjpe(estimate: Array, truth: Array, torso: Sequence[int], root: int = 0) -> Array:
    """Return (T,) mean joint distances, roots together, with each frame's estimate scaled to the true size of the torso.

    The size of a torso is the root mean square distance of its joints (indices `torso`) from their centre.
    """
    a, b = (pose - pose[:, root : root + 1] for pose in (estimate, truth))
    size = _spread(a[:, torso])
    scale = np.where(size > 0, _spread(b[:, torso]) / np.where(size > 0, size, 1), 0)
    return mpjpe(a * scale[:, None, None], b)


def _spread(poses: Array) -> Array:
    """Return (T,) root mean square distances of the joints from their centre."""
    return np.sqrt(((poses - poses.mean(1, keepdims=True)) ** 2).sum(-1).mean(-1))


def pck(estimate: Array, truth: Array, limit: float, root: int = 0) -> Array:
    """Return (T,) shares of joints nearer than `limit` to the true ones, after the best scale as in `n_mpjpe`."""
    a, b = scaled_pair(estimate, truth, root)
    return (np.linalg.norm(a - b, axis=-1) < limit).mean(-1)


def auc(estimate: Array, truth: Array, limit: float, steps: int = 30, root: int = 0) -> Array:
    """Return (T,) means of `pck` over the limits 0, limit / steps, ..., limit: the area under its curve.

    As Mehta et al. 2017 (MPI-INF-3DHP) have it, with 31 limits up to 150 mm: no joint is nearer than 0, so that 30 / 31
    is the best there is.
    """
    a, b = scaled_pair(estimate, truth, root)
    passed = steps - np.floor(np.linalg.norm(a - b, axis=-1) * (steps / limit))
    return np.maximum(passed, 0).mean(-1) / (steps + 1)


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


def aligned_per_clip(estimate: Array, truth: Array) -> Array:
    """Return the estimate (T, J, 3) after the one similarity that brings all its frames closest to the truth."""
    scale, rotation, translation = procrustes(estimate.reshape(-1, 3), truth.reshape(-1, 3))
    return scale * estimate @ rotation.T + translation


def jitter(joints: Array, fps: float) -> Array:
    """Return (T-3,) mean lengths of the joints' jerks, per second cubed."""
    return np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).mean(-1) * fps**3


def foot_slide(feet: Array, contacts: NDArray[np.bool_], fps: float) -> Array:
    """Return the speeds (N,) per second of feet (T, F, 3) in all the steps from frame to frame that stay in contact (T, F)."""
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
    return speed[contacts[1:] & contacts[:-1]]


def f1_score(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall; 1 where there is nothing to find and nothing was found."""
    hits, wrong = int((found & truth).sum()), int((found ^ truth).sum())
    return 2 * hits / (2 * hits + wrong) if hits or wrong else 1.0


def angle_between(a: Array, b: Array) -> float:
    """Return the angle in radians between two directions (3,)."""
    return float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


def rotation_angle(a: Array, b: Array) -> Array:
    """Return the angles (...) in radians, 0 to pi, between rotations (..., 3, 3).

    From the chord |A - B| = 2 sqrt(2) sin(angle / 2), which is exact for small angles, where the trace is not.
    """
    chord = np.sqrt(((a - b) ** 2).sum((-1, -2)))
    return 2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1))


def chordal_mean(rotations: Array) -> Array:
    """Return the rotation (3, 3) with the least squared chords to rotations (N, 3, 3) (Hartley et al. 2013, sec. 5.3)."""
    u, _, vt = np.linalg.svd(rotations.mean(0))
    u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return u @ vt
