# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes in bulk: whole curves at once, never key by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.rig.rest import RestPose
from ..core.rig.rotations import Pose
from . import compat
from .steps import Steps, finished

UNMOVED = 1e-6
"""A rotation whose components never leave rest by more than this is not keyed."""


@dataclass(frozen=True)
class Channel:
    """One animated property: its path from the owner, the channel group it is listed in, and its values (T, C).

    One row of values alone is one key, in the first frame. indices: which components the columns are, all in order where
    empty. indexed: whether the property is an array at all.
    """

    data_path: str
    group: str
    values: NDArray[np.floating]
    indices: tuple[int, ...] = ()
    indexed: bool = True


def key_channels(
    owner: bpy.types.Object, name: str, channels: Sequence[Channel], frames: NDArray[np.floating]
) -> bpy.types.Action:
    """Key channels on an owner, in a new Action of that name, and return the Action.

    frames: (T,) frame numbers, fractions allowed, rising. Keys are linear: they lie on every frame of the footage, and
    between two of them nothing more is known; eased handles would only flatten the turning points.
    """
    return finished(key_steps(owner, name, channels, frames))


def key_steps(
    owner: bpy.types.Object, name: str, channels: Sequence[Channel], frames: NDArray[np.floating]
) -> Steps[bpy.types.Action]:
    """Do what `key_channels` does, with a pause after every channel.

    The Action is the owner's in the end: until then, a window that is drawn need not evaluate it again and again.
    """
    action, bag = compat.new_action(owner, name)
    groups: dict[str, bpy.types.ActionGroup] = {}
    kinds: Any = bpy.types.Keyframe.bl_rna.properties["interpolation"]
    linear = np.full(len(frames), kinds.enum_items["LINEAR"].value, np.int32)
    points = np.empty((len(frames), 2), np.float32)
    points[:, 0] = frames
    for number, channel in enumerate(channels, 1):
        if channel.group not in groups:
            groups[channel.group] = bag.groups.new(channel.group)
        count = len(channel.values)
        for column in range(channel.values.shape[1]):
            index = channel.indices[column] if channel.indices else column
            curve = bag.fcurves.new(channel.data_path, index=index if channel.indexed else 0)
            curve.group = groups[channel.group]
            points[:count, 1] = channel.values[:, column]
            curve.keyframe_points.add(count)
            curve.keyframe_points.foreach_set("co", points[:count].ravel())
            curve.keyframe_points.foreach_set("interpolation", linear[:count])
            curve.update()
        yield number / len(channels)
    compat.assign_action(owner, action)
    return action


def pose_channels(rest: RestPose, pose: Pose) -> list[Channel]:
    """Return a pose's channels: the root bone's location and every bone's rotation, grouped by bone.

    Bones that never leave their rest rotation have no channels.
    """
    channels: list[Channel] = []
    for index, name in enumerate(rest.table.labels):
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"]'
        if index == 0:
            channels.append(Channel(f"{path}.location", name, pose.location))
        rotations = pose.rotations[:, index]
        if index == 0 or np.abs(np.abs(rotations) - (1, 0, 0, 0)).max() > UNMOVED:
            channels.append(Channel(f"{path}.rotation_quaternion", name, rotations))
    return channels
