# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations in NumPy: matrices (..., 3, 3) for column vectors, quaternions (..., 4) as wxyz. Every dtype is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def normalised(vectors: Array, fallback: tuple[float, ...] | None = None) -> Array:
    """Scale (..., C) vectors to length 1; those of no length become `fallback`, or stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.where(length > 1e-12, length, 1)
    if fallback is not None:
        unit = np.where(length > 1e-12, unit, np.asarray(fallback, vectors.dtype))
    return unit


def matrix_from_quaternion(q: Array) -> Array:
    """Return the (..., 3, 3) matrices of (..., 4) quaternions, which need not have length 1."""
    w, x, y, z = np.moveaxis(normalised(q), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def quaternion_from_matrix(matrix: Array) -> Array:
    """Return (..., 4) unit quaternions of rotation matrices, w >= 0.

    Of the four algebraically equal forms, the one with the largest denominator is taken, entry by entry
    (Shepperd 1978, "Quaternion from rotation matrix").
    """
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    diagonal = np.stack([m[0][0], m[1][1], m[2][2]], -1)
    trace = diagonal.sum(-1)
    # Row k of `table` is 4 q_k q: all rows are multiples of q, the best one has the largest q_k squared.
    a, b, c = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    d, e, f = m[1][0] + m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2]
    table = np.stack(
        [
            np.stack([1 + trace, a, b, c], -1),
            np.stack([a, 1 + 2 * m[0][0] - trace, d, e], -1),
            np.stack([b, d, 1 + 2 * m[1][1] - trace, f], -1),
            np.stack([c, e, f, 1 + 2 * m[2][2] - trace], -1),
        ],
        -2,
    )
    best = np.concatenate([trace[..., None], diagonal], -1).argmax(-1)
    q = normalised(np.take_along_axis(table, best[..., None, None], -2)[..., 0, :])
    return np.where(q[..., :1] < 0, -q, q)


def multiply_quaternions(a: Array, b: Array) -> Array:
    """Return the Hamilton product of (..., 4) quaternions: first turn by `b`, then by `a`."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def wrapped_angle(angle: Array) -> Array:
    """Return angles (...) in radians within half a turn of zero: from -pi, up to pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def continuous_quaternions(q: Array) -> Array:
    """Flip signs along the first axis of (T, ..., 4) so that neighbours lie on the same side of the sphere."""
    if len(q) < 2:
        return q
    sign = np.where((q[1:] * q[:-1]).sum(-1, keepdims=True) < 0, -1, 1).astype(q.dtype)
    return np.concatenate([q[:1], q[1:] * np.cumprod(sign, axis=0)], 0)


def matrix_from_axis_angle(axis: Array, angle: Array) -> Array:
    """Return the rotation by `angle` (...) radians about the unit vectors `axis` (..., 3) (Rodrigues' formula)."""
    cross = skew(axis)
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3, dtype=axis.dtype) + sine * cross + (1 - cosine) * (cross @ cross)


def shortest_arc(start: Array, end: Array) -> Array:
    """Return the smallest rotation that takes the directions `start` (..., 3) to `end` (..., 3).

    Opposite directions turn by pi about any perpendicular axis.
    """
    a, b = np.broadcast_arrays(normalised(start), normalised(end))
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis, axis=-1), (a * b).sum(-1)
    helper = np.where(np.abs(a[..., :1]) < 0.9, np.array([1, 0, 0], a.dtype), np.array([0, 1, 0], a.dtype))
    axis = np.where(sine[..., None] > 1e-9, axis, np.cross(a, helper))
    return matrix_from_axis_angle(normalised(axis), np.arctan2(sine, cosine))


def orthonormal_frame(first: Array, second: Array) -> Array:
    """Return rotations whose columns are: `first`, `second` made perpendicular to it, and their cross product.

    first, second: (..., 3), not parallel. Gram and Schmidt's method.
    """
    x = normalised(first)
    y = normalised(second - (second * x).sum(-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], -1)


def procrustes(source: Array, target: Array, scale: bool = True, reflection: bool = False) -> tuple[Array, Array, Array]:
    """Find the similarity s, R, t that brings `source` (..., N, 3) closest to `target` in least squares.

    Returns scale (...), rotation (..., 3, 3) and translation (..., 3): target ~ s R source + t. Without `reflection`,
    R is proper (Umeyama 1991, eqs. 40 to 43).
    """
    mu_s, mu_t = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    a, b = source - mu_s, target - mu_t
    u, d, vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ a)
    sign = np.ones_like(d)
    if not reflection:
        sign[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1, 1)
    rotation = (u * sign[..., None, :]) @ vt
    spread = np.maximum((a * a).sum((-1, -2)), np.finfo(a.dtype).tiny)
    s = (d * sign).sum(-1) / spread if scale else np.ones_like(spread)
    t = mu_t[..., 0, :] - s[..., None] * (rotation @ np.swapaxes(mu_s, -1, -2))[..., 0]
    return s, rotation, t


def skew(vectors: Array) -> Array:
    """Return the matrices (..., 3, 3) that take a vector to its cross product with `vectors` (..., 3) on the left."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([np.stack(row, -1) for row in ([zero, -z, y], [z, zero, -x], [-y, x, zero])], -2)


def rotation_vector(matrix: Array) -> Array:
    """Return axis times angle (..., 3), up to half a turn, of rotation matrices (..., 3, 3)."""
    q = quaternion_from_matrix(matrix)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-9, angle / np.where(sine > 1e-9, sine, 1), 2.0)


def matrix_from_rotation_vector(vectors: Array) -> Array:
    """Return the rotations (..., 3, 3) about vectors (..., 3) by their lengths: the inverse of `rotation_vector`."""
    return matrix_from_axis_angle(normalised(vectors), np.linalg.norm(vectors, axis=-1))
