# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest poses: a bone table plus bone lengths, as places and axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..motion.bones import stature
from ..rotation import normalised
from ..skeleton import Skeleton
from .bones import BoneTable

Array = NDArray[np.float64]

SHORTEST = 1e-4
"""Metres; Blender removes bones that are not longer."""


@dataclass(frozen=True)
class RestPose:
    """An armature at rest. B bones, J joints; metres, world frame, facing -Y, floor at z = 0.

    heads, tails: (B, 3). matrices: (B, 3, 3), each bone's axes as columns, Y from head to tail (Blender's
    `Bone.matrix_local`). joints: (J, 3) the skeleton's joints.
    """

    table: BoneTable
    heads: Array
    tails: Array
    matrices: Array
    joints: Array


def rest_pose(table: BoneTable, bone_lengths: Array) -> RestPose:
    """Lay out a table's bones with given lengths.

    bone_lengths: (J,) metres from each joint to its parent, as `Motion.bone_lengths`. The root bone, which spans no edge,
    is half as long as the bone that goes up from it. Feet stand as high as the skeleton's stature says.
    Raises `RigError` where a length is missing or zero.
    """
    skeleton = table.skeleton
    lengths = np.asarray(bone_lengths, np.float64)
    if lengths.shape != (len(skeleton),):
        raise RigError(f"skeleton '{skeleton.name}' needs {len(skeleton)} bone lengths, got an array of shape {lengths.shape}.")
    lengths = np.where([name in table.unseen for name in skeleton.joint_names], 0.0, lengths)
    for parent, child in skeleton.edges:
        if skeleton.joint_names[child] in table.unseen:
            continue
        if not lengths[child] > SHORTEST:
            ends = f"'{skeleton.joint_names[parent]}' to '{skeleton.joint_names[child]}'"
            raise RigError(f"the bone from {ends} is {lengths[child]:g} m long; every bone needs a length above {SHORTEST} m.")
    directions = {bone.tail: normalised(np.array(bone.direction)) for bone in table.bones if bone.tail}
    directions |= {joint: normalised(np.array(direction)) for joint, _, direction in table.carried}
    directions |= dict.fromkeys(table.unseen, np.zeros(3))
    joints = np.zeros((len(skeleton), 3))
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if parent >= 0:
            joints[joint] = joints[parent] + lengths[joint] * directions[skeleton.joint_names[joint]]
    _raise_to_floor(joints, lengths, skeleton)

    up = table.root_up or next((bone.tail for bone in table.bones if bone.tail), None)
    root_length = 0.5 * lengths[skeleton.index(up)] if up else 1.0
    heads = np.array([joints[skeleton.index(bone.head)] for bone in table.bones])
    tails = np.array(
        [
            joints[skeleton.index(bone.tail)] if bone.tail else head + root_length * normalised(np.array(bone.direction))
            for bone, head in zip(table.bones, heads, strict=True)
        ]
    )
    y = normalised(tails - heads)
    x = np.array([bone.x_axis for bone in table.bones])
    x = normalised(x - (x * y).sum(-1, keepdims=True) * y)
    return RestPose(table, heads, tails, np.stack([x, y, np.cross(x, y)], -1), joints)


def _raise_to_floor(joints: Array, lengths: Array, skeleton: Skeleton) -> None:
    """Move joints (J, 3), in place, so that the feet are as high over z = 0 as the stature says, or all joints above it."""
    rule = skeleton.stature
    feet = [skeleton.index(name) for name in rule.feet] if rule else list(range(len(skeleton)))
    joints[:, 2] += (rule.foot_height * stature(lengths, skeleton) if rule else 0.0) - joints[feet, 2].min()
