# SPDX-License-Identifier: GPL-3.0-or-later
"""A transfer as keys on the user's rig: its own rotation modes and locks, an Action of its own, nothing else changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import RigError
from ..core.rig.channels import axis_angle_from_quaternion, euler_from_matrix
from ..core.rig.transfer import Transfer
from ..core.rotation import matrix_from_quaternion
from .keyframes import Channel, key_steps
from .retarget_rig import Switch
from .steps import Steps

Array = NDArray[np.float64]

STILL = 1e-6
"""A channel whose values differ by less is one key, not many; rest that is at rest is none."""
LISTED = 12
"""Bones that a note names before it counts the rest."""

Locked = dict[str, list[str]]
"""What is locked, and the bones of which it is, so that one note tells all."""


@dataclass(frozen=True)
class Keyed:
    """The new Action, the one before it (None: there was none), and what the user should know."""

    action: bpy.types.Action
    previous: bpy.types.Action | None
    channels: int
    notes: tuple[str, ...]


def key_transfer(
    owner: bpy.types.Object, name: str, moved: Transfer, frames: NDArray[np.floating], switches: Sequence[Switch] = ()
) -> Steps[Keyed]:
    """Key a transfer on an armature, in a new Action, with a pause after every channel.

    frames: (T,) rising. The Action before is kept in the file. Raises `RigError` where nothing could be keyed.
    """
    channels, notes = yield from rig_channels(owner, moved)
    if not channels:
        raise RigError(f"{owner.name}: nothing could be keyed: every channel is locked or keeps still; unlock the bones.")
    alike: dict[tuple[str, float, float], list[str]] = {}
    for switch in switches:
        channels.append(Channel(switch.data_path, switch.bone, np.array([[switch.wanted]]), indexed=False))
        alike.setdefault((switch.name, switch.now, switch.wanted), []).append(switch.bone)
    for (switched, now, wanted), names in alike.items():
        notes.append(f"'{switched}' of {_listed(names)} was {now:g} and is keyed as {wanted:g}, so that FK keys count.")
    animation: Any = owner.animation_data
    previous: Any = animation.action if animation else None
    if previous is not None and not previous.use_fake_user and previous.library is None:
        previous.use_fake_user = True
        notes.append(f"the Action '{previous.name}' was taken off and is kept in the file.")
    action = yield from key_steps(owner, name, channels, frames)
    return Keyed(action, previous, sum(channel.values.shape[1] for channel in channels), tuple(notes))


def rig_channels(owner: bpy.types.Object, moved: Transfer) -> Steps[tuple[list[Channel], list[str]]]:
    """Return the channels to key, grouped by bone, in each bone's own rotation mode, and what had to be left out."""
    assert owner.pose is not None
    channels: list[Channel] = []
    notes: list[str] = []
    locked: Locked = {}
    if moved.root is not None:
        name, location = moved.root
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].location'
        channels += _unlocked(path, name, location, list(owner.pose.bones[name].lock_location), locked)
    for name, rotations in moved.rotations.items():
        bone = owner.pose.bones[name]
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"]'
        if name == moved.hips:
            held = bone.bone.use_connect and bone.parent is not None
            if held:
                notes.append(f"'{name}' is connected to its parent, so it cannot travel; the character stays in place.")
            else:
                channels += _unlocked(f"{path}.location", name, moved.location, list(bone.lock_location), locked)
        elif not bone.bone.use_connect and np.abs(np.array(bone.location)).max() > STILL:
            channels.append(Channel(f"{path}.location", name, np.zeros((1, 3))))
        if np.abs(np.array(bone.scale) - 1).max() > STILL:
            channels.append(Channel(f"{path}.scale", name, np.ones((1, 3))))
        channels += _rotation_channels(bone, path, rotations, locked)
        yield None
    return channels, notes + [f"{what}: {_listed(names)}." for what, names in locked.items()]


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; of many, the first and how many more."""
    shown = ", ".join(f"'{name}'" for name in names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def _rotation_channels(bone: bpy.types.PoseBone, path: str, rotations: Array, notes: Locked) -> list[Channel]:
    """Return a bone's rotation channels; its locks are in the rotations already, and are told here."""
    locked = [bool(lock) for lock in bone.lock_rotation]
    mode = bone.rotation_mode
    if mode not in ("QUATERNION", "AXIS_ANGLE"):
        angles = euler_from_matrix(matrix_from_quaternion(rotations), mode)
        return _unlocked(f"{path}.rotation_euler", bone.name, angles, locked, notes)
    # Whether the locks are of 4D components or not, what a user means by them is the axes.
    if all(locked):
        notes.setdefault("rotation is locked and was left as it is", []).append(bone.name)
        return []
    elif any(locked):
        axes = ", ".join(axis for axis, lock in zip("XYZ", locked, strict=True) if lock)
        notes.setdefault(f"rotation about {axes} is locked, and that part was left out", []).append(bone.name)
    if mode == "QUATERNION":
        return _unlocked(f"{path}.rotation_quaternion", bone.name, rotations, [False] * 4, notes)
    return _unlocked(f"{path}.rotation_axis_angle", bone.name, axis_angle_from_quaternion(rotations), [False] * 4, notes)


def _unlocked(path: str, bone: str, values: Array, locked: list[bool], notes: Locked) -> list[Channel]:
    """Return the channel without its locked components; one key where nothing moves."""
    free = [i for i, lock in enumerate(locked) if not lock]
    if len(free) < len(locked):
        letters = "WXYZ" if len(locked) == 4 else "XYZ"
        names = ", ".join(letters[i] for i, lock in enumerate(locked) if lock)
        notes.setdefault(f"{path.rpartition('.')[2]} {names} is locked and was left as it is", []).append(bone)
    if not free:
        return []
    if np.ptp(values, axis=0).max() < STILL:
        values = values[:1]
    return [Channel(path, bone, values[:, free], indices=tuple(free))]
