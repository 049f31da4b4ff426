# SPDX-License-Identifier: GPL-3.0-or-later
"""From the camera frame to an upright world: which way is up, where the floor is, and what the camera does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rotation import (
    continuous_quaternions,
    matrix_from_quaternion,
    normalised,
    quaternion_from_matrix,
)
from ..skeleton import Skeleton

Array = NDArray[np.float64]

ORBIT_SMOOTHING_SECONDS = 0.15

FOOT_LEVEL = 0.03
"""Metres by which the heights of a standing foot differ."""
FOOT_STANDS = 0.5
"""Metres per second below which a foot is taken to stand."""
MOST_TILT = np.radians(6)
"""How far the body's own uprightness is trusted: its standard deviation on the training data's clips is 4 degrees."""


def up_in_camera(joints: Array, scores: Array, rotation: Array, skeleton: Skeleton) -> Array:
    """Estimate the world's up direction (3,) in a static camera's axes from T frames of one person.

    joints: (T, J, 3) camera frame. From the middle of the feet to the top of the trunk, counted most where the body is
    stretched (who stands or walks is upright on average) and its ends were seen; where no feet were ever seen, or the
    skeleton has none, from the trunk. rotation: (T, 3, 3) of the teacher, canonical to camera, decides for skeletons
    without body axes.
    """
    if skeleton.axes is None:
        return normalised(rotation[:, :, 2].mean(0), (0.0, -1.0, 0.0))
    top, bottom = skeleton.index(skeleton.axes.up), skeleton.index(skeleton.axes.down)
    trunk = joints[:, top] - joints[:, bottom]
    weight = np.minimum(scores[:, top], scores[:, bottom]) + 1e-6
    feet = [skeleton.index(n) for n in skeleton.stature.feet] if skeleton.stature else []
    if feet and (scores[:, feet] > 0).all(1).mean() > 0.2:
        body = joints[:, top] - joints[:, feet].mean(1)
        reach = np.linalg.norm(body, axis=-1)
        weight = weight * (scores[:, feet].min(1) + 1e-6) * (reach / reach.max()) ** 8
        trunk = body
    axis = normalised(trunk)
    up = normalised((weight[:, None] * axis).sum(0), (0.0, -1.0, 0.0))
    for _ in range(5):  # a fall or a crouch in the clip must not tilt the rest
        closeness = np.exp(-(((axis - up) ** 2).sum(-1)) / 0.05)
        up = normalised((weight[:, None] * (closeness[:, None] + 1e-3) * axis).sum(0), (0.0, -1.0, 0.0))
    return up


def levelled(joints: Array, scores: Array, up: Array, skeleton: Skeleton, fps: float) -> Array:
    """Turn an up direction (3,) by as much as makes the feet that carry the body stand on one level.

    joints: (T, J, 3) of a static camera. The lower foot of each frame, counted where it hardly moves, should have one height
    n . p = h; n may leave `up` by a few degrees. Least squares with robust weights (Geman and McClure 1987); neighbouring
    frames tell the same, so that half a second counts as one observation. Without feet, `up` is returned.
    """
    feet = [skeleton.index(n) for n in skeleton.stature.feet] if skeleton.stature else []
    seen = (scores[:, feet] > 0).any(1) if feet else np.zeros(len(joints), bool)
    if seen.sum() < 3:
        return up
    sideways = normalised(np.cross(up, np.eye(3)[np.abs(up).argmin()]))
    ahead = np.cross(up, sideways)
    each = min(1.0, 2 / fps) / FOOT_LEVEL**2
    normal, height = up, None
    for _ in range(5):
        heights = joints[:, feet] @ normal
        lower = np.take_along_axis(joints[:, feet], heights.argmin(1)[:, None, None], 1)[:, 0]
        speed = np.linalg.norm(np.gradient(lower, axis=0), axis=-1) * fps
        height = np.median((lower @ normal)[seen]) if height is None else height
        weight = seen * np.exp(-((speed / FOOT_STANDS) ** 2)) / (1 + ((lower @ normal - height) / FOOT_LEVEL) ** 2) ** 2
        rows = np.stack([lower @ sideways, lower @ ahead, -np.ones(len(lower))], -1)
        system = each * (rows.T * weight) @ rows + np.diag([1 / MOST_TILT**2, 1 / MOST_TILT**2, 1e-9])
        a, b, height = np.linalg.solve(system, each * (rows.T * weight) @ -(lower @ up))
        normal = normalised(up + a * sideways + b * ahead)
    return normal


def static_camera(joints: Array, scores: Array, up: Array, skeleton: Skeleton, height: float) -> tuple[Array, Array]:
    """Return the extrinsics R (3, 3), t (3,) of a camera that stands still, for joints (T, J, 3) in its frame.

    World: Z along `up`, the camera looks along +Y, the root starts above the origin, the lowest foot stands on z = 0.
    """
    forward = np.array([0.0, 0.0, 1.0])
    if abs(up @ forward) > 0.99:  # looking straight up or down: the image's up side is ahead
        forward = np.array([0.0, -1.0, 0.0]) * -np.sign(up @ forward)
    y = normalised(forward - (forward @ up) * up)
    rotation = np.stack([np.cross(y, up), y, up], axis=-1)  # columns: the world's axes in the camera's
    turned = joints @ rotation
    seen = scores[:, skeleton.root] > 0
    origin = turned[int(seen.argmax()), skeleton.root].copy()
    origin[2] = floor_height(turned, scores, skeleton, height)
    return rotation, rotation @ origin


def floor_height(joints: Array, scores: Array, skeleton: Skeleton, height: float) -> float:
    """Estimate the floor's z from joints (T, J, 3) with Z up: the low end of the lower foot's heights, less the foot's own."""
    rule = skeleton.stature
    if rule is None:
        return float(np.percentile(joints[..., 2].min(1), 5))
    feet = [skeleton.index(n) for n in rule.feet]
    seen = (scores[:, feet] > 0).any(1)
    lower = joints[:, feet, 2].min(1)
    return float(np.percentile(lower[seen] if seen.any() else lower, 5)) - rule.foot_height * height


def orbit_camera(root: Array, rotation: Array, root_height: float, fps: float) -> tuple[Array, Array]:
    """Return the extrinsics R (T, 3, 3), t (T, 3) of a camera that moves about a body which stays in its canonical frame.

    root: (T, 3) camera frame; rotation: (T, 3, 3) of the teacher, smoothed over a few frames here. The root stands at
    (0, 0, root_height) of the world.
    """
    smooth = smooth_rotations(rotation, ORBIT_SMOOTHING_SECONDS * fps)
    return smooth, root - smooth @ np.array([0.0, 0.0, root_height])


def smooth_rotations(rotation: Array, sigma: float) -> Array:
    """Smooth rotations (T, 3, 3) over time with a normal window of `sigma` frames (mean of sign-aligned quaternions)."""
    reach = int(np.ceil(3 * sigma))
    if reach < 1 or len(rotation) < 2:
        return rotation
    q = continuous_quaternions(quaternion_from_matrix(rotation))
    padded = np.concatenate([q[:1].repeat(reach, 0), q, q[-1:].repeat(reach, 0)])
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    smooth = np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], -1)
    return matrix_from_quaternion(smooth)
