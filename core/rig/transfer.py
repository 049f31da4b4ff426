# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance onto another rig: the turns of its bones, its path, its feet; all frames at once.

The way through: `rest_alignments` -> `target_turns` -> `place` -> `pin_feet` -> `local_channels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..rotation import continuous_quaternions, matrix_from_quaternion, quaternion_from_matrix
from . import contacts, sharing
from .alignment import rest_alignments, same_body
from .mapping import BoneMap, check_map
from .performance import Body, Performance, body_of
from .roles import SIDES, sort_key
from .skeletal import Rig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TransferSettings:
    """How to transfer.

    scale: of the path, the ratio of the legs where None. pin_feet: make standing feet stand still. in_place: take the
    way over the floor out, for engines that move the character themselves (root motion off).
    """

    scale: float | None = None
    pin_feet: bool = True
    in_place: bool = False

    def __post_init__(self) -> None:
        if self.scale is not None and not 1e-4 < self.scale < 1e4:
            raise RigError(f"a path cannot be scaled by {self.scale:g}; give a factor near 1.")


@dataclass(frozen=True)
class Base:
    """What a bone hangs on: the role of the nearest mapped bone that carries it (None: nothing that moves), and the
    constant deformation (4, 4), armature space, that the unmapped bones in between add.

    joint: the role that carries the bone's head, where that is another one (a head that keeps its own heading).
    """

    role: str | None
    offset: Array = field(default_factory=lambda: np.eye(4))
    joint: str | None = None

    @property
    def carriers(self) -> set[str]:
        """The roles that have to be known before this one."""
        return {role for role in (self.role, self.joint) if role is not None}


@dataclass(frozen=True)
class Transfer:
    """What to key on a rig. rotations: by bone, (T, 4) wxyz, continuous in sign. location: of the hips' bone, (T, 3).

    joints: by role, the heads (T, 3) that the keys give, world; turns: by role (T, 3, 3). scale: of the path.
    notes: for the user.
    """

    rotations: Mapping[str, Array]
    hips: str
    location: Array
    joints: Mapping[str, Array]
    turns: Mapping[str, Array]
    ankles: Mapping[str, Array]
    scale: float
    standing: Mapping[str, NDArray[np.bool_]]
    notes: tuple[str, ...]


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


def transfer(
    performance: Performance,
    rig: Rig,
    bones: BoneMap,
    bases: Mapping[str, Base] | None = None,
    settings: TransferSettings | None = None,
    sole: float | None = None,
) -> Transfer:
    """Put a performance onto a rig. sole: world height of the lowest point of its mesh at rest, where known.

    Raises `RigError` where the mapping is not a body's, or nothing could be keyed.
    """
    settings = settings or TransferSettings()
    check_map(rig, bones)
    bases = bases or plain_bases(rig, bones)
    body = body_of(rig, bones, sole)
    source = performance.body
    same = same_body(source, body)
    scale = settings.scale or body.leg_length / source.leg_length
    if same or not body.has_feet:
        body = replace(body, ankle=source.ankle * body.leg_length / source.leg_length)
    stands = {
        side: contacts.standing(performance.ankles[side], source.ankle, source.floor, source.leg_length, performance.fps)
        for side in SIDES
    }
    turns = target_turns(performance, body, bones, same, stands)
    order = _base_order(bases)
    if "hips" not in turns:
        raise RigError(f"{performance.label or 'the source'}: nothing in it moves the hips, so nothing could be keyed.")
    joints = place(rig, bones, bases, turns, order, _path(performance, body, scale))
    ankles = {side: _ankle(body, joints, turns, side) for side in SIDES}
    if settings.pin_feet and not same:
        joints, ankles = pin_feet(performance, body, rig, bones, bases, turns, order, joints, ankles, stands, scale)
    if settings.in_place:
        away = joints["hips"] * (1.0, 1.0, 0.0)
        away -= away[0]
        joints = {role: joint - away for role, joint in joints.items()}
        ankles = {side: ankle - away for side, ankle in ankles.items()}
    notes = []
    if rig.uneven:
        notes.append(
            f"{rig.label}: its object is scaled unevenly, which bends limbs as they turn; apply the scale for exact results."
        )
    rotations, location = local_channels(rig, bones, bases, turns, joints)
    return Transfer(rotations, bones.bones["hips"], location, joints, turns, ankles, scale, stands, tuple(notes))


def target_turns(
    performance: Performance, body: Body, bones: BoneMap, same: bool, stands: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Array]:
    """Return how the target's bones turn since rest, world, by role (T, 3, 3); of those alone that the source tells."""
    aligned = rest_alignments(performance.body, body, bones.bones, same)
    turns = {role: performance.turns[role] @ turn for role, turn in aligned.items() if role != "root"}
    whole = performance.body.axes @ body.axes.T
    trunk = {role: turn @ aligned.get(role, whole) for role, turn in performance.turns.items()}
    if not same:
        turns |= sharing.shared_chain(performance.body, trunk, body, "spine")
        turns |= sharing.shared_chain(performance.body, trunk, body, "neck")
    for side in SIDES:
        foot = f"foot.{side}"
        if foot in bones.bones and foot not in turns and f"shin.{side}" in turns:
            turns[foot] = sharing.flat_foot(turns[f"shin.{side}"], body.axes, stands[side], performance.fps)
    turns |= sharing.twist_bones(body, turns, bones.bones)
    return {role: turn for role, turn in turns.items() if role in bones.bones}


def _path(performance: Performance, body: Body, scale: float) -> Array:
    """Return where the middle between the hips goes on the target (T, 3): scaled from its start and from the floor."""
    source = performance.body
    middle = 0.5 * (performance.heads["thigh.L"] + performance.heads["thigh.R"])
    path = middle[0] + scale * (middle - middle[0])
    path[:, 2] = source.floor + scale * (middle[:, 2] - source.floor - source.ankle) + body.ankle
    return path


def _base_order(bases: Mapping[str, Base]) -> list[str]:
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


def carried_turns(bases: Mapping[str, Base], turns: Mapping[str, Array], order: list[str], rig: Rig) -> dict[str, Array]:
    """Return the turns of all mapped bones, of those without a turn of their own too, which follow what carries them."""
    count = len(turns["hips"])
    found: dict[str, Array] = {}
    for role in order:
        base = bases[role]
        if role in turns:
            found[role] = turns[role]
        else:
            above = np.broadcast_to(np.eye(3), (count, 3, 3)) if base.role is None else found[base.role]
            found[role] = above @ (rig.turn @ base.offset[:3, :3] @ rig.turn.T)
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


def _ankle(body: Body, joints: Mapping[str, Array], turns: Mapping[str, Array], side: str) -> Array:
    shin = f"shin.{side}"
    return joints[shin] + turns[shin] @ (body.end(shin) - body.heads[shin])


def pin_feet(
    performance: Performance,
    body: Body,
    rig: Rig,
    bones: BoneMap,
    bases: Mapping[str, Base],
    turns: dict[str, Array],
    order: list[str],
    joints: dict[str, Array],
    ankles: dict[str, Array],
    stands: Mapping[str, NDArray[np.bool_]],
    scale: float,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Make standing feet stand still at their height, by the root's path and the legs; `turns` are changed in place."""
    source = performance.body
    missed = {}
    for side in SIDES:
        above = scale * (performance.ankles[side][:, 2] - source.floor - source.ankle)
        on_floor = np.abs(above) < contacts.LOW * body.leg_length / contacts.USUAL_LEG
        level = source.floor + body.ankle + np.where(on_floor, 0.0, above)
        missed[side] = contacts.misses(ankles[side], stands[side], level, performance.fps)
    shift = contacts.root_share(missed, stands, performance.fps)
    left = {side: np.where(stands[side][:, None], missed[side] - shift, 0.0) for side in SIDES}
    slack = contacts.SLACK * body.leg_length / contacts.USUAL_LEG
    for gap in left.values():
        gap[:, 2] -= np.clip(gap[:, 2], -slack, slack)
    lengths = {side: body.segment("thigh", side) + body.segment("shin", side) for side in SIDES}
    hips = {side: joints[f"thigh.{side}"] + shift for side in SIDES}
    goals = {side: ankles[side] + shift + left[side] for side in SIDES}
    drop = contacts.lowering(hips, goals, lengths, stands, performance.fps)
    shift[:, 2] -= drop
    joints = {role: joint + shift for role, joint in joints.items()}
    for side in SIDES:
        left[side][:, 2] += np.where(stands[side], drop, 0)
        rest = contacts.leg_share(left[side], stands[side], performance.fps)
        moving = np.flatnonzero(np.linalg.norm(rest, axis=-1) > 1e-6)
        if not len(moving):
            continue
        thigh, shin = f"thigh.{side}", f"shin.{side}"
        hip, knee, ankle = joints[thigh][moving], joints[shin][moving], ankles[side][moving] + shift[moving]
        upper, lower = contacts.reach(hip, knee, ankle, ankle + rest[moving])
        for role, turn in ((thigh, upper), (shin, lower)):
            turns[role] = turns[role].copy()
            turns[role][moving] = turn @ turns[role][moving]
    path = 0.5 * (joints["thigh.L"] + joints["thigh.R"])
    joints = place(rig, bones, bases, turns, order, path)
    return joints, {side: _ankle(body, joints, turns, side) for side in SIDES}


def local_channels(
    rig: Rig, bones: BoneMap, bases: Mapping[str, Base], turns: Mapping[str, Array], joints: Mapping[str, Array]
) -> tuple[dict[str, Array], Array]:
    """Return what the pose channels hold: quaternions (T, 4) by bone, and the location (T, 3) of the hips' bone.

    A bone's pose is (what carries it) offset rest basis; both sides are known but for the basis.
    """
    order = _base_order(bases)
    every = carried_turns(bases, turns, order, rig)
    turn = rig.turn
    rotations: dict[str, Array] = {}
    for role in sorted(turns, key=sort_key):
        base, bone = bases[role], bones.bones[role]
        rest = rig.rest[rig.index(bone)][:3, :3]
        right = turn @ rest
        left = (turn @ base.offset[:3, :3] @ rest).T
        if base.role is None:
            local = left @ turns[role] @ right
        else:
            local = left @ np.swapaxes(every[base.role], -1, -2) @ turns[role] @ right
        rotations[bone] = continuous_quaternions(quaternion_from_matrix(local))
    at = rig.index(bones.bones["hips"])
    frame = np.linalg.inv(rig.world @ bases["hips"].offset @ rig.rest[at])
    location = joints["hips"] @ frame[:3, :3].T + frame[:3, 3]
    return rotations, location


def forward(
    rig: Rig,
    rotations: Mapping[str, Array],
    locations: Mapping[str, Array],
    count: int,
    posed: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return the world matrices (T, 4, 4) of all bones for given channels: Blender's own rule without constraints.

    pose = parent's pose * inverse(parent's rest) * rest * basis. posed: constant `matrix_basis` of other bones.
    """
    poses: dict[str, Array] = {}
    for i, name in enumerate(rig.names):
        parent = rig.parents[i]
        rest = rig.rest[i] if parent < 0 else np.linalg.inv(rig.rest[parent]) @ rig.rest[i]
        above = np.broadcast_to(rig.world, (count, 4, 4)) if parent < 0 else poses[rig.names[parent]]
        basis = np.broadcast_to((posed or {}).get(name, np.eye(4)), (count, 4, 4))
        if name in rotations or name in locations:
            basis = basis.copy()
            if name in rotations:
                basis[:, :3, :3] = matrix_from_quaternion(rotations[name])
            if name in locations:
                basis[:, :3, 3] = locations[name]
        poses[name] = above @ rest @ basis
    return poses
