# SPDX-License-Identifier: GPL-3.0-or-later
"""From the camera frame to an upright world: which way is up, where the floor is, and what the camera does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lifter.anatomy import body_frame
from ..rotation import (
    continuous_quaternions,
    matrix_from_quaternion,
    normalised,
    quaternion_from_matrix,
)
from ..skeleton import USUAL_HEIGHT, Skeleton
from .contacts import weighted_quantile

Array = NDArray[np.float64]

ORBIT_SMOOTHING_SECONDS = 0.15

FOOT_LEVEL = 0.03
"""Metres by which the heights of a standing foot differ, of an actor of usual height."""
FOOT_STANDS = 0.5
"""Metres per second below which a foot is taken to stand, of the same; speeds go with the root of size (Froude)."""
FOOT_TRAVELS = 0.3
"""The same as a share of the body's own speed, for those that are fast: what is measured of their feet is less exact."""
FEET_SHOWN = 0.2
"""Share of frames that must show all feet for the body to be measured from them."""
LEVELLING_STEPS = 8
MOST_TILT = np.radians(6)
"""How far the body's own uprightness is trusted: its standard deviation on the training data's clips is 4 degrees."""


def up_in_camera(joints: Array, scores: Array, rotation: Array, skeleton: Skeleton) -> Array:
    """Estimate the world's up direction (3,) in a static camera's axes from T frames of one person.

    joints: (T, J, 3) camera frame. From the middle of the feet to the top of the trunk (to its middle where the spine lies
    level), counted most where the body is stretched (who stands or walks is upright on average) and its ends were seen;
    where no feet were ever seen, or the skeleton has none, from the trunk. rotation: (T, 3, 3) of the teacher, canonical to
    camera, decides for skeletons without body axes.
    """
    if skeleton.axes is None:
        return normalised(rotation[:, :, 2].mean(0), (0.0, -1.0, 0.0))
    body, shown, feet = body_line(joints, scores, skeleton)
    weight = shown + 1e-6
    if feet:
        reach = np.linalg.norm(body, axis=-1)
        weight = weight * (scores[:, feet].min(1) + 1e-6) * (reach / reach.max()) ** 8
    axis = normalised(body)
    up = normalised((weight[:, None] * axis).sum(0), (0.0, -1.0, 0.0))
    for _ in range(5):  # a fall or a crouch in the clip must not tilt the rest
        closeness = np.exp(-(((axis - up) ** 2).sum(-1)) / 0.05)
        up = normalised((weight[:, None] * (closeness[:, None] + 1e-3) * axis).sum(0), (0.0, -1.0, 0.0))
    return up


def body_line(joints: Array, scores: Array, skeleton: Skeleton) -> tuple[Array, Array, list[int]]:
    """Return the line (T, 3) that is upright in who stands, how surely the trunk's ends were seen (T,), and the feet below it.

    joints: (T, J, 3) of a skeleton with body axes. No feet where the clip hardly shows any: the line is the trunk's, then.
    """
    axes = skeleton.axes
    assert axes is not None
    top, bottom = skeleton.index(axes.up), skeleton.index(axes.down)
    level = axes.spine == "front"
    shown = np.minimum(scores[:, top], scores[:, bottom])
    feet = [skeleton.index(n) for n in skeleton.stature.feet] if skeleton.stature else []
    if not feet or (scores[:, feet] > 0).all(1).mean() <= FEET_SHOWN:
        return body_frame(joints, skeleton)[:, 2] if level else joints[:, top] - joints[:, bottom], shown, []
    return (joints[:, [top, bottom]].mean(1) if level else joints[:, top]) - joints[:, feet].mean(1), shown, feet


def levelled(joints: Array, scores: Array, up: Array, skeleton: Skeleton, fps: float, height: float = USUAL_HEIGHT) -> Array:
    """Turn an up direction (3,) by as much as makes the feet that carry the body stand on one level.

    joints: (T, J, 3) of a static camera, of an actor of `height` metres. The lower foot of each pair in each frame, counted
    where it hardly moves, should have one height n . p = h; n may leave `up` by a few degrees. Least squares with robust
    weights (Geman and McClure 1987); neighbouring frames tell the same, so that half a second counts as one observation.
    Without feet, `up` is returned.
    """
    pairs = _feet_in_pairs(skeleton)
    seen = np.concatenate([(scores[:, pair] > 0).any(1) for pair in pairs]) if pairs else np.zeros(0, bool)
    if seen.sum() < 3:
        return up
    size = height / USUAL_HEIGHT
    travel = float(np.median(np.linalg.norm(np.gradient(joints[:, skeleton.root], axis=0), axis=-1))) * fps
    stands = max(FOOT_STANDS * np.sqrt(size), FOOT_TRAVELS * travel)
    sideways = normalised(np.cross(up, np.eye(3)[np.abs(up).argmin()]))
    ahead = np.cross(up, sideways)
    normal, floor, level = up, None, np.inf
    for _ in range(LEVELLING_STEPS):
        paths = [_lower(joints[:, pair], normal) for pair in pairs]
        lower = np.concatenate(paths)
        speed = np.concatenate([np.linalg.norm(np.gradient(path, axis=0), axis=-1) for path in paths]) * fps
        floor = np.median((lower @ normal)[seen]) if floor is None else floor
        standing = seen * np.exp(-((speed / stands) ** 2))
        # Where the first guess slopes, a long way's feet lie far off one level: what counts as near shrinks as it mends.
        off = np.abs(lower @ normal - floor)
        level = max(FOOT_LEVEL * size, min(level, 1.5 * weighted_quantile(off, standing)))
        each = min(1.0, 2 / fps) / level**2
        weight = standing / (1 + (off / level) ** 2) ** 2
        rows = np.stack([lower @ sideways, lower @ ahead, -np.ones(len(lower))], -1)
        system = each * (rows.T * weight) @ rows + np.diag([1 / MOST_TILT**2, 1 / MOST_TILT**2, 1e-9])
        a, b, floor = np.linalg.solve(system, each * (rows.T * weight) @ -(lower @ up))
        normal = normalised(up + a * sideways + b * ahead)
    return normal


def _feet_in_pairs(skeleton: Skeleton) -> list[list[int]]:
    """Return the feet's joints, those that mirror each other together: one pair of a human's, two of a dog's."""
    feet = [skeleton.index(n) for n in skeleton.stature.feet] if skeleton.stature else []
    pairs = {tuple(sorted({foot, int(skeleton.mirror[foot])} & set(feet))) for foot in feet}
    return [list(pair) for pair in sorted(pairs)]


def _lower(points: Array, up: Array) -> Array:
    """Return, frame by frame, the lowest of points (T, F, 3), as (T, 3)."""
    return np.take_along_axis(points, (points @ up).argmin(1)[:, None, None], 1)[:, 0]


def static_camera(
    joints: Array, scores: Array, up: Array, skeleton: Skeleton, height: float, level: float | None = None
) -> tuple[Array, Array]:
    """Return the extrinsics R (3, 3), t (3,) of a camera that stands still, for joints (T, J, 3) in its frame.

    World: Z along `up`, the camera looks along +Y, the root starts above the origin, the floor is z = 0: `level` is its up . x
    where it is known, else the lowest foot stands on it.
    """
    forward = np.array([0.0, 0.0, 1.0])
    if abs(up @ forward) > 0.99:  # looking straight up or down: the image's up side is ahead
        forward = np.array([0.0, -1.0, 0.0]) * -np.sign(up @ forward)
    y = normalised(forward - (forward @ up) * up)
    rotation = np.stack([np.cross(y, up), y, up], axis=-1)  # columns: the world's axes in the camera's
    turned = joints @ rotation
    seen = scores[:, skeleton.root] > 0
    origin = turned[int(seen.argmax()), skeleton.root].copy()
    origin[2] = floor_height(turned, scores, skeleton, height) if level is None else level
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
