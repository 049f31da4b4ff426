# SPDX-License-Identifier: GPL-3.0-or-later
"""One length per bone for the whole clip, symmetric, in metres; and poses rebuilt from directions with such lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import TrackError
from ..rotation import normalised
from ..skeleton import Skeleton

Array = NDArray[np.float64]


def bone_lengths(poses: Array, observed: NDArray[np.bool_], skeleton: Skeleton, height: float) -> Array:
    """Estimate (J,) bone lengths in metres from poses (T, J, 3) of any scale, for an actor of `height` metres.

    The median over the frames in which both ends were seen (over all frames for a bone that never was), left and right
    averaged. Raises `TrackError` where the poses have no extent.
    """
    lengths = np.zeros(len(skeleton))
    for parent, child in skeleton.edges:
        length = np.linalg.norm(poses[:, child] - poses[:, parent], axis=-1)
        both = observed[:, child] & observed[:, parent]
        lengths[child] = np.median(length[both] if both.any() else length)
    lengths = 0.5 * (lengths + lengths[skeleton.mirror])
    size = stature(lengths, skeleton)
    if not size > 0:
        raise TrackError("the lifted poses have no extent, so they cannot be scaled to the actor.")
    return lengths * (height / size)


def stature(lengths: Array, skeleton: Skeleton) -> float:
    """Return the height of a skeleton with these bone lengths (J,); the longest way to the root where none is defined."""
    rule = skeleton.stature
    if rule is None:
        reach = np.zeros(len(skeleton))
        for joint in skeleton.order:
            parent = skeleton.parents[joint]
            reach[joint] = lengths[joint] + (reach[parent] if parent >= 0 else 0.0)
        return float(reach.max())
    return rule.factor * sum(lengths[j] * (0.5 if skeleton.paired[j] else 1.0) for j in map(skeleton.index, rule.joints))


def directions(poses: Array, skeleton: Skeleton) -> Array:
    """Return (T, J, 3) unit vectors from each joint's parent to the joint; zero for roots.

    Bones to the two ends of a midpoint (the hips of a pelvis) are made opposite.
    """
    result = np.zeros_like(poses)
    for parent, child in skeleton.edges:
        result[:, child] = normalised(poses[:, child] - poses[:, parent], (0.0, 0.0, 1.0))
    for left, right in opposite_bones(skeleton):
        axis = normalised(result[:, left] - result[:, right], (1.0, 0.0, 0.0))
        result[:, left], result[:, right] = axis, -axis
    return result


def opposite_bones(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Return the pairs of joints whose bones, by a midpoint's definition, point in opposite directions."""
    index = skeleton.index
    pairs = [(index(m), index(a), index(b)) for m, a, b in skeleton.midpoints]
    return [(a, b) for m, a, b in pairs if skeleton.parents[a] == m and skeleton.parents[b] == m]


def pose_from_directions(direction: Array, lengths: Array, skeleton: Skeleton) -> Array:
    """Build poses (T, J, 3), root at the origin, from unit vectors (T, J, 3) and bone lengths (J,)."""
    pose = np.zeros_like(direction)
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if parent >= 0:
            pose[:, joint] = pose[:, parent] + lengths[joint] * direction[:, joint]
    return pose
