# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion onto the user's own armature: read it, transfer, key; all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import RigError
from ..core.rig.bases import Base
from ..core.rig.channels import Lock
from ..core.rig.mapping import AUTO, BoneMap, auto_map, check_map
from ..core.rig.performance import Performance, performance_of_rig
from ..core.rig.skeletal import Rig
from ..core.rig.transfer import Transfer, TransferSettings, transfer
from . import timing
from .decimate import thin_steps
from .retarget_keys import Keyed, key_transfer
from .retarget_rig import armature_of, check_writable, locks_of, read_bases, read_rig, sole_of, switches_of, unkeyed_on_error
from .sampling import Sampled, action_frames, sample_steps, why_not_curves
from .state import all_or_nothing, current
from .steps import Steps, finished, part

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RetargetSettings:
    """How to put a performance onto a rig.

    family: how the target's bones are told, as `auto_map` takes it, unless a mapping is given. name: of the Action, made
    from rig and source where empty. frame_start: the frame of the first moment. transfer: see there. tolerance: millimetres
    by which thinned keys may move a joint; 0 keeps a key on every frame.
    """

    family: str = AUTO
    name: str = ""
    frame_start: float = 1.0
    transfer: TransferSettings = field(default_factory=TransferSettings)
    tolerance: float = 0.0


@dataclass(frozen=True)
class Retargeted:
    """What was done: the keys, the transfer, the mapping that was used, and all that the user should know."""

    keyed: Keyed
    moved: Transfer
    bones: BoneMap
    frames: Array
    source_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What the user should know, in order."""
        return [*self.source_notes, *self.bones.notes, *self.moved.notes, *self.keyed.notes]


def map_armature(owner: bpy.types.Object | None, family: str = AUTO) -> BoneMap:
    """Return which bones of an armature play which roles. Raises `RigError` with the reason where it is no humanoid."""
    return auto_map(read_rig(armature_of(owner)), family)


@dataclass(frozen=True)
class Source:
    """An animated armature as it was read: all that its performance is made of, without Blender."""

    name: str
    rig: Rig
    bones: BoneMap
    sampled: Sampled
    times: Array

    def performance(self) -> Performance:
        """Return what it does."""
        reason = self.sampled.reason
        notes = [f"{self.name}: {reason}, so the scene was stepped through frame by frame."] if reason else []
        performance = performance_of_rig(self.rig, self.bones, self.sampled.poses, self.times)
        return replace(performance, notes=(*performance.notes, *self.bones.notes, *notes))


def performance_of_armature(owner: bpy.types.Object | None, bones: BoneMap | None = None, family: str = AUTO) -> Performance:
    """Return what an armature's Action does, from its first key to its last, at the scene's rate.

    Raises `RigError` where it is no humanoid or has no keyframes.
    """
    return finished(source_steps(owner, bones, family)).performance()


def source_steps(owner: bpy.types.Object | None, bones: BoneMap | None = None, family: str = AUTO) -> Steps[Source]:
    """Read an armature's Action in steps. Raises as `performance_of_armature`."""
    owner = armature_of(owner)
    rig = read_rig(owner)
    bones = bones or auto_map(rig, family)
    check_map(rig, bones)
    frames = action_frames(owner)
    sampled = yield from sample_steps(owner, rig, bones, frames)
    scene, _ = current()
    return Source(owner.name, rig, bones, sampled, (frames - frames[0]) / timing.scene_rate(scene))


def plays_by_curves(owner: bpy.types.Object | None) -> bool:
    """Return whether an armature's motion is its curves alone, so that it is read at once. Raises as `map_armature`."""
    owner = armature_of(owner)
    rig = read_rig(owner)
    return not why_not_curves(owner, rig, list(auto_map(rig).bones.values()))


def first_frame(owner: bpy.types.Object | None) -> float:
    """Return the frame of an armature's first key. Raises `RigError` where it has none."""
    return float(action_frames(armature_of(owner))[0])


@dataclass(frozen=True)
class Target:
    """A character as it was read: all that a transfer has to know of it, without Blender."""

    rig: Rig
    bones: BoneMap
    bases: dict[str, Base]
    notes: tuple[str, ...]
    sole: float | None
    locks: dict[str, Lock]

    def transfer(self, performance: Performance, settings: RetargetSettings) -> Transfer:
        """Put a performance onto the rig. Raises `RigError`."""
        return transfer(performance, self.rig, self.bones, self.bases, settings.transfer, self.sole, self.locks)


def retarget(
    performance: Performance,
    owner: bpy.types.Object | None,
    bones: BoneMap | None = None,
    settings: RetargetSettings | None = None,
) -> Retargeted:
    """Key a performance on an armature, in a new Action, at the scene's own rate.

    Nothing but the Action (and the assignment of it) changes; on any error nothing at all. Raises `RigError` where the rig
    is no humanoid, is linked without an override, or nothing could be keyed.
    """
    settings = settings or RetargetSettings()
    if not len(performance):
        raise RigError("the motion has no frames.")
    target = finished(target_steps(owner, bones, settings))
    return finished(keying_steps(performance, owner, target, target.transfer(performance, settings), settings))


def target_steps(owner: bpy.types.Object | None, bones: BoneMap | None, settings: RetargetSettings) -> Steps[Target]:
    """Read a character in steps, in which its pose is as it was. Raises as `retarget`."""
    owner = armature_of(owner)
    check_writable(owner)
    rig = read_rig(owner)
    bones = bones or auto_map(rig, settings.family)
    check_map(rig, bones)
    bases, notes = yield from read_bases(owner, rig, bones, settings.transfer.root_bone)
    return Target(rig, bones, bases, tuple(notes), sole_of(owner), locks_of(owner))


def keying_steps(
    performance: Performance,
    owner: bpy.types.Object | None,
    target: Target,
    moved: Transfer,
    settings: RetargetSettings,
) -> Steps[Retargeted]:
    """Key a transfer on the character that it was made for, in steps, all or nothing.

    Raises `RigError` where its bones are others by now, or nothing could be keyed.
    """
    owner = armature_of(owner)
    check_writable(owner)
    if not _same(read_rig(owner), target.rig):
        raise RigError(f"{owner.name}: its bones were changed meanwhile; retarget again.")
    scene, _ = current()
    frames = timing.frames_of(performance.times, timing.scene_rate(scene), settings.frame_start)
    with unkeyed_on_error(owner), all_or_nothing():
        name = settings.name or f"{owner.name} {performance.label}".strip()
        keying = key_transfer(owner, name, moved, frames, switches_of(owner))
        keyed = yield from part(keying, 0, 0.1 if settings.tolerance else 1)
        if settings.tolerance:
            yield from part(thin_steps(owner, settings.tolerance / 1000), 0.1, 1)
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    keyed = replace(keyed, notes=(*target.notes, *keyed.notes))
    return Retargeted(keyed, moved, target.bones, frames, performance.notes)


def _same(rig: Rig, other: Rig) -> bool:
    """Return whether a rig has another's bones, at rest where they were."""
    return rig.names == other.names and rig.parents == other.parents and bool(np.allclose(rig.rest, other.rest))
