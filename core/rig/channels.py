# SPDX-License-Identifier: GPL-3.0-or-later
"""Quaternions into a rig's own rotation modes, and back; channels that keep to locks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rotation import (
    continuous_quaternions,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    normalised,
    quaternion_from_matrix,
    wrapped_angle,
)

Array = NDArray[np.float64]

EULER_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


def euler_from_matrix(matrices: Array, order: str = "XYZ") -> Array:
    """Return angles (T, 3) in radians about X, Y, Z for rotations (T, 3, 3), without flips from frame to frame.

    order: Blender's, the first letter turns first (XYZ: matrix = Z Y X). Every rotation has two triples; the branch is
    kept that lies nearer to the frame before, then full turns are unwrapped. Shoemake 1994, "Euler angle conversion".
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    cosine = np.hypot(matrices[:, i, i], matrices[:, j, i])
    steady = cosine > 1e-6
    first = np.where(
        steady,
        np.arctan2(sign * matrices[:, k, j], matrices[:, k, k]),
        np.arctan2(-sign * matrices[:, j, k], matrices[:, j, j]),
    )
    second = np.arctan2(-sign * matrices[:, k, i], cosine)
    third = np.where(steady, np.arctan2(sign * matrices[:, j, i], matrices[:, i, i]), 0.0)
    one = np.stack([first, second, third], -1)
    other = np.stack([first + np.pi, np.pi - second, third + np.pi], -1)
    if len(one) > 1:
        # The second triple is the first one mirrored and shifted, so a step costs the same on either branch.
        stay, change = (np.abs(wrapped_angle(after[1:] - one[:-1])).sum(-1) for after in (one, other))
        odd = np.concatenate([[False], np.logical_xor.accumulate(change < stay)])
        one = np.where(odd[:, None], other, one)
        one = np.unwrap(one, axis=0)
    angles = np.empty_like(one)
    angles[:, [i, j, k]] = one
    return angles


def matrix_from_euler(angles: Array, order: str = "XYZ") -> Array:
    """Return the rotations (T, 3, 3) of angles (T, 3) about X, Y, Z, the first letter of the order turning first."""
    axes = np.eye(3)
    turns = [
        matrix_from_axis_angle(np.broadcast_to(axes[a], angles.shape), angles[:, a]) for a in ("XYZ".index(c) for c in order)
    ]
    return turns[2] @ turns[1] @ turns[0]


def axis_angle_from_quaternion(q: Array) -> Array:
    """Return (T, 4) angle and axis, as Blender keys them, of continuous quaternions (T, 4); the angle has no flips."""
    q = continuous_quaternions(q)
    sine = np.linalg.norm(q[:, 1:], axis=-1)
    known = sine > 1e-6
    axis = normalised(q[:, 1:], fallback=(0.0, 1.0, 0.0))
    if known.any():
        nearest = (
            np.flatnonzero(known)[np.abs(np.arange(len(q))[:, None] - np.flatnonzero(known)[None]).argmin(1)]
            if (~known).any()
            else None
        )
        if nearest is not None:
            axis = axis[nearest]
    sign = np.concatenate([[1.0], np.cumprod(np.where((axis[1:] * axis[:-1]).sum(-1) < 0, -1.0, 1.0))])
    axis = axis * sign[:, None]
    angle = 2 * np.arctan2(sign * sine, q[:, 0])
    return np.concatenate([np.unwrap(angle)[:, None], axis], -1)


def quaternion_from_axis_angle(values: Array) -> Array:
    """Return (T, 4) quaternions of Blender's axis-angle channels (T, 4): the angle, then an axis of any length."""
    axis = normalised(values[:, 1:], fallback=(0.0, 1.0, 0.0))
    half = 0.5 * values[:, :1]
    return np.concatenate([np.cos(half), np.sin(half) * axis], -1)


@dataclass(frozen=True)
class Lock:
    """A bone's locked rotation. axes: which of X, Y, Z are; at: the quaternion (4,) that it stands at; order: of its angles."""

    axes: tuple[bool, bool, bool]
    at: Array
    order: str = "XYZ"

    def held(self, q: Array) -> Array:
        """Return quaternions (T, 4) with the locked Euler angles as they stand."""
        if all(self.axes):
            return np.tile(self.at, (len(q), 1))
        angles = euler_from_matrix(matrix_from_quaternion(q), self.order)
        at = euler_from_matrix(matrix_from_quaternion(self.at[None]), self.order)[0]
        angles[:, self.axes] = at[list(self.axes)]
        return continuous_quaternions(quaternion_from_matrix(matrix_from_euler(angles, self.order)))
