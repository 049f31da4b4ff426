# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion onto the user's own armature: read it, transfer, key; all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import RigError
from ..core.rig.mapping import AUTO, BoneMap, auto_map, check_map
from ..core.rig.performance import Performance, performance_of_rig
from ..core.rig.transfer import Transfer, TransferSettings, transfer
from . import timing
from .decimate import thin_keys
from .retarget_keys import Keyed, key_transfer
from .retarget_rig import armature_of, check_writable, locks_of, read_bases, read_rig, sole_of, switches_of
from .sampling import action_frames, sample
from .state import all_or_nothing, current

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


def performance_of_armature(owner: bpy.types.Object | None, bones: BoneMap | None = None, family: str = AUTO) -> Performance:
    """Return what an armature's Action does, from its first key to its last, at the scene's rate.

    Raises `RigError` where it is no humanoid or has no keyframes.
    """
    owner = armature_of(owner)
    rig = read_rig(owner)
    bones = bones or auto_map(rig, family)
    check_map(rig, bones)
    frames = action_frames(owner)
    sampled = sample(owner, rig, bones, frames)
    scene, _ = current()
    times = (frames - frames[0]) / timing.scene_rate(scene)
    performance = performance_of_rig(rig, bones, sampled.poses, times)
    notes = [f"{owner.name}: {sampled.reason}, so the scene was stepped through frame by frame."] if sampled.reason else []
    return replace(performance, notes=(*performance.notes, *bones.notes, *notes))


def first_frame(owner: bpy.types.Object | None) -> float:
    """Return the frame of an armature's first key. Raises `RigError` where it has none."""
    return float(action_frames(armature_of(owner))[0])


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
    owner = armature_of(owner)
    check_writable(owner)
    rig = read_rig(owner)
    bones = bones or auto_map(rig, settings.family)
    check_map(rig, bones)
    if not len(performance):
        raise RigError("the motion has no frames.")
    bases, notes = read_bases(owner, rig, bones, settings.transfer.root_bone)
    moved = transfer(performance, rig, bones, bases, settings.transfer, sole_of(owner), locks_of(owner))
    scene, _ = current()
    frames = timing.frames_of(performance.times, timing.scene_rate(scene), settings.frame_start)
    animation = owner.animation_data
    before = animation.action if animation else None
    try:
        with all_or_nothing():
            name = settings.name or f"{owner.name} {performance.label}".strip()
            keyed = key_transfer(owner, name, moved, frames, switches_of(owner))
            if settings.tolerance:
                thin_keys(owner, settings.tolerance / 1000)
    except BaseException:
        if owner.animation_data is not None:
            owner.animation_data.action = before
        raise
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    keyed = Keyed(keyed.action, keyed.previous, keyed.channels, (*notes, *keyed.notes))
    return Retargeted(keyed, moved, bones, frames, performance.notes)
