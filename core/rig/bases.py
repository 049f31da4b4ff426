# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries each mapped bone of a rig, and where the bones are once their turns are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from .mapping import BoneMap
from .roles import sort_key
from .skeletal import Rig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Base:
    """What a bone hangs on: the role of the nearest mapped bone that carries it (None: nothing that moves), and the
    constant deformation (4, 4), armature space, that the unmapped bones in between add.

    joint: the role that carries the bone's head, where that is another one (a head that keeps its own heading). rides: it
    travels with the rig's root bone, which is none of its parents, by a constraint.
    """

    role: str | None
    offset: Array = field(default_factory=lambda: np.eye(4))
    joint: str | None = None
    rides: bool = False

    @property
    def carriers(self) -> set[str]:
        """The roles that have to be known before this one."""
        return {role for role in (self.role, self.joint) if role is not None}


def plain_bases(rig: Rig, bones: BoneMap, posed: Mapping[str, Array] | None = None) -> dict[str, Base]:
    """Return what every mapped bone hangs on in a rig without constraints.

    posed: `matrix_basis` (4, 4) of unmapped bones that are not at rest.
    """
    role_of = {bone: role for role, bone in bones.bones.items() if role != "root"}
    bases: dict[str, Base] = {}
    for bone, role in role_of.items():
        offset = np.eye(4)
        carried = None
        for parent in rig.ancestors(rig.index(bone)):
            name = rig.names[parent]
            if name in role_of:
                carried = role_of[name]
                break
            if posed and name in posed:
                rest = rig.rest[parent]
                offset = rest @ posed[name] @ np.linalg.inv(rest) @ offset
        bases[role] = Base(carried, offset)
    return bases


def base_order(bases: Mapping[str, Base]) -> list[str]:
    """Return all roles so that what carries comes before what is carried."""
    done: list[str] = []
    left = sorted(bases, key=sort_key)
    while left:
        ready = [role for role in left if bases[role].carriers <= set(done)]
        if not ready:
            raise RigError("the mapped bones carry each other in a circle; correct the mapping.")
        done += ready
        left = [role for role in left if role not in ready]
    return done


def following(base: Base, turns: Mapping[str, Array], rig: Rig, count: int) -> Array:
    """Return how a bone without a turn of its own turns (count, 3, 3): with what carries it."""
    above = np.broadcast_to(np.eye(3), (count, 3, 3)) if base.role is None else turns[base.role]
    return above @ (rig.turn @ base.offset[:3, :3] @ rig.turn.T)


def carried_turns(bases: Mapping[str, Base], turns: Mapping[str, Array], order: list[str], rig: Rig) -> dict[str, Array]:
    """Return the turns of all mapped bones, of those without a turn of their own too, which follow what carries them."""
    found: dict[str, Array] = {}
    for role in order:
        found[role] = turns[role] if role in turns else following(bases[role], found, rig, len(turns["hips"]))
    return found


def place(
    rig: Rig, bones: BoneMap, bases: Mapping[str, Base], turns: Mapping[str, Array], order: list[str], path: Array
) -> dict[str, Array]:
    """Return the heads (T, 3) of the mapped bones, world, with the middle between the hips on a path (T, 3)."""
    every = carried_turns(bases, turns, order, rig)
    world, heads = rig.world, rig.heads
    joints: dict[str, Array] = {}
    for role in ["hips", *(role for role in order if role != "hips")]:
        at = rig.index(bones.bones[role])
        base = bases[role]
        parent = base.joint or base.role or (None if role == "hips" else "hips")
        if parent is None or parent not in joints:
            joints[role] = np.zeros_like(path)
            continue
        moved = world @ (base.offset if base.joint is None else np.eye(4)) @ rig.rest[at]
        above = rig.index(bones.bones[parent])
        joints[role] = joints[parent] + every[parent] @ (moved[:3, 3] - heads[above])
    shift = path - 0.5 * (joints["thigh.L"] + joints["thigh.R"])
    return {role: joint + shift for role, joint in joints.items()}
