# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance onto another rig: the turns of its bones, its path, its feet; all frames at once.

The way through: `rest_alignments` -> `target_turns` -> `place` -> `pin_feet`, `bend_toes`, `pin_hands` -> `local_channels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..rotation import continuous_quaternions, matrix_from_quaternion, quaternion_from_matrix
from . import contacts, sharing
from .alignment import rest_alignments, same_body
from .bases import Base, base_order, following, plain_bases
from .channels import Lock
from .mapping import BoneMap, check_map
from .performance import Body, Performance, body_of
from .pinning import Figure, bend_toes, keep_toes_up, pin_feet, pin_hands
from .roles import SIDES, sort_key
from .skeletal import Rig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TransferSettings:
    """How to transfer.

    scale: of the path, the ratio of the legs where None. pin_feet: make standing feet stand still. in_place: take the
    way over the floor out, for engines that move the character themselves (root motion off). root_bone: give the way over
    the floor to the rig's root bone, where Unreal and others look for root motion.
    """

    scale: float | None = None
    pin_feet: bool = True
    in_place: bool = False
    root_bone: bool = False

    def __post_init__(self) -> None:
        if self.in_place and self.root_bone:
            raise RigError("root motion cannot be taken out and be given to the root bone; choose one.")
        if self.scale is not None and not 1e-4 < self.scale < 1e4:
            raise RigError(f"a path cannot be scaled by {self.scale:g}; give a factor near 1.")


@dataclass(frozen=True)
class Transfer:
    """What to key on a rig. rotations: by bone, (T, 4) wxyz, continuous in sign. location: of the hips' bone, (T, 3).

    joints: by role, the heads (T, 3) that the keys give, world; turns: by role (T, 3, 3). scale: of the path.
    root: the root bone that travels, and its location (T, 3), where it was asked for. notes: for the user.
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
    root: tuple[str, Array] | None = None


def transfer(
    performance: Performance,
    rig: Rig,
    bones: BoneMap,
    bases: Mapping[str, Base] | None = None,
    settings: TransferSettings | None = None,
    sole: float | None = None,
    locks: Mapping[str, Lock] | None = None,
) -> Transfer:
    """Put a performance onto a rig.

    sole: world height of the lowest point of its mesh at rest, where known. locks: by bone; what hangs on a bone that keeps
    still turns by itself as far as it should. Raises `RigError` where the mapping is not a body's, or nothing could be keyed.
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
    order = base_order(bases)
    if "hips" not in turns:
        raise RigError(f"{performance.label or 'the source'}: nothing in it moves the hips, so nothing could be keyed.")
    figure = Figure(body, rig, bones, bases, order, turns, {})
    figure.place(_path(performance, body, scale))
    if settings.pin_feet and not same:
        pin_feet(figure, performance, stands, scale)
        keep_toes_up(figure, source.floor)
        bend_toes(figure, performance, source.floor)
        pin_hands(figure, performance, scale)
    if settings.in_place:
        away = figure.joints["hips"] * (1.0, 1.0, 0.0)
        away -= away[0]
        figure.joints = {role: joint - away for role, joint in figure.joints.items()}
    notes = []
    if rig.uneven:
        notes.append(
            f"{rig.label}: its object is scaled unevenly, which bends limbs as they turn; apply the scale for exact results."
        )
    moved, root = figure.joints, None
    if settings.root_bone:
        root, away = root_travel(rig, bones, figure.joints["hips"], bases["hips"].rides)
        moved = {role: joint - away for role, joint in figure.joints.items()}
    rotations, location = local_channels(rig, bones, bases, turns, moved, locks)
    ankles = {side: figure.end("shin", side) for side in SIDES}
    return Transfer(rotations, bones.bones["hips"], location, figure.joints, turns, ankles, scale, stands, tuple(notes), root)


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


def root_travel(rig: Rig, bones: BoneMap, hips: Array, rides: bool = False) -> tuple[tuple[str, Array], Array]:
    """Return the root bone with its location (T, 3), and the way over the floor (T, 3), world, that it takes off the hips.

    hips: (T, 3) world. rides: they travel with the root bone though it is not above them. Raises `RigError` where they do not.
    """
    root = bones.bones.get("root")
    if root is None or not (rides or rig.index(root) in rig.ancestors(rig.index(bones.bones["hips"]))):
        raise RigError(f"{rig.label}: it has no root bone above the hips, so the hips themselves have to travel.")
    away = (hips - hips[0]) * (1.0, 1.0, 0.0)
    axes = rig.world[:3, :3] @ rig.rest[rig.index(root)][:3, :3]
    return (root, away @ np.linalg.inv(axes).T), away


def local_channels(
    rig: Rig,
    bones: BoneMap,
    bases: Mapping[str, Base],
    turns: Mapping[str, Array],
    joints: Mapping[str, Array],
    locks: Mapping[str, Lock] | None = None,
) -> tuple[dict[str, Array], Array]:
    """Return what the pose channels hold: quaternions (T, 4) by bone, and the location (T, 3) of the hips' bone.

    A bone's pose is (what carries it) offset rest basis; both sides are known but for the basis. A locked bone turns as far
    as its lock lets it, and its pose is then what carries the next.
    """
    turn = rig.turn
    found: dict[str, Array] = {}
    rotations: dict[str, Array] = {}
    for role in base_order(bases):
        base, bone = bases[role], bones.bones[role]
        if role not in turns:
            found[role] = following(base, found, rig, len(turns["hips"]))
            continue
        rest = rig.rest[rig.index(bone)][:3, :3]
        right = turn @ rest
        carried = turn @ base.offset[:3, :3] @ rest
        above = carried if base.role is None else found[base.role] @ carried
        local = np.swapaxes(above, -1, -2) @ turns[role] @ right
        rotations[role] = continuous_quaternions(quaternion_from_matrix(local))
        found[role] = turns[role]
        if locks and bone in locks:
            rotations[role] = locks[bone].held(rotations[role])
            found[role] = above @ matrix_from_quaternion(rotations[role]) @ right.T
    at = rig.index(bones.bones["hips"])
    frame = np.linalg.inv(rig.world @ bases["hips"].offset @ rig.rest[at])
    location = joints["hips"] @ frame[:3, :3].T + frame[:3, 3]
    return {bones.bones[role]: rotations[role] for role in sorted(rotations, key=sort_key)}, location


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
