# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature of the scene as the core's data: its bones at rest, what its controls hang on, its switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Quaternion
from numpy.typing import NDArray

from ..core.errors import RigError
from ..core.rig.bases import Base, plain_bases
from ..core.rig.channels import EULER_ORDERS, Lock
from ..core.rig.mapping import BoneMap
from ..core.rig.skeletal import Rig, ordered
from ..core.rig.switches import wanted
from .state import current
from .steps import Steps

Array = NDArray[np.float64]

PROBE = Quaternion((0.26726, 0.53452, 0.80178), 0.35)
"""The turn that a control is given to see what follows it."""
FOLLOWS = 1e-3
"""Largest difference of rotation matrices that still counts as following."""


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone: what it is, and what it has to be for FK keys to count."""

    bone: str
    name: str
    now: float
    wanted: float

    @property
    def data_path(self) -> str:
        """The property's path from the object."""
        bone, name = (bpy.utils.escape_identifier(text) for text in (self.bone, self.name))
        return f'pose.bones["{bone}"]["{name}"]'


def armature_of(owner: bpy.types.Object | None) -> bpy.types.Object:
    """Return an object that is an armature. Raises `RigError` where it is none."""
    if owner is None or owner.type != "ARMATURE" or owner.pose is None:
        raise RigError("no armature is chosen; select the character's armature.")
    return owner


def check_writable(owner: bpy.types.Object) -> None:
    """Check that an armature can be animated. Raises `RigError` where it is linked without a library override."""
    if owner.library is not None:
        raise RigError(
            f"{owner.name}: it is linked from another file; make a library override of it first "
            "(Object > Library Override > Make)."
        )


def read_rig(owner: bpy.types.Object) -> Rig:
    """Return an armature object's bones at rest, in the object's place in the world. Reads only."""
    current()[1].update()  # what a script has moved since is not in `matrix_world` yet
    armature = owner.data
    assert isinstance(armature, bpy.types.Armature)
    bones = list(armature.bones)
    at = {bone.name: i for i, bone in enumerate(bones)}
    parents = [at[bone.parent.name] if bone.parent else -1 for bone in bones]
    order = ordered([bone.name for bone in bones], parents)
    place = {old: new for new, old in enumerate(order)}
    place[-1] = -1
    return Rig(
        tuple(bones[i].name for i in order),
        tuple(place[parents[i]] for i in order),
        np.array([bones[i].matrix_local for i in order], np.float64).reshape(-1, 4, 4),
        np.array([bones[i].length for i in order], np.float64),
        np.array(owner.matrix_world, np.float64),
        owner.name,
    )


def sole_of(owner: bpy.types.Object) -> float | None:
    """Return the world height of the lowest vertex of the meshes that an armature deforms, at rest; None without any."""
    lowest = []
    for item in current()[0].objects:
        mesh = item.data
        bound = any(m.type == "ARMATURE" and getattr(m, "object", None) == owner for m in item.modifiers)
        if bound and isinstance(mesh, bpy.types.Mesh) and len(mesh.vertices):
            points = np.empty(3 * len(mesh.vertices), np.float32)
            mesh.vertices.foreach_get("co", points)
            world = np.array(item.matrix_world, np.float64)
            lowest.append(float((points.reshape(-1, 3) @ world[2, :3]).min() + world[2, 3]))
    return min(lowest, default=None)


def locks_of(owner: bpy.types.Object) -> dict[str, Lock]:
    """Return the locks of rotations by bone, of those that have any; what users mean by them is the axes."""
    assert owner.pose is not None
    found = {}
    for bone in owner.pose.bones:
        axes = bool(bone.lock_rotation[0]), bool(bone.lock_rotation[1]), bool(bone.lock_rotation[2])
        if any(axes):
            order = bone.rotation_mode if bone.rotation_mode in EULER_ORDERS else "XYZ"
            found[bone.name] = Lock(axes, np.array(bone.matrix_basis.to_quaternion()), order)
    return found


def switches_of(owner: bpy.types.Object) -> list[Switch]:
    """Return the switches between IK and FK that do not stand on FK."""
    assert owner.pose is not None
    found = []
    for bone in owner.pose.bones:
        for name, value in bone.items():
            if isinstance(value, (int, float)) and (want := wanted(name, float(value))) is not None and want != value:
                found.append(Switch(bone.name, name, float(value), want))
    return found


def read_bases(
    owner: bpy.types.Object, rig: Rig, bones: BoneMap, root_bone: bool = False
) -> Steps[tuple[dict[str, Base], list[str]]]:
    """Find what every mapped bone hangs on, and notes for the user, with a pause after every control that is turned.

    Plain bones are read off the hierarchy. Where constraints or unusual inheritance stand in between, each control is
    turned once, for a moment, to see what follows; the pose is put back. root_bone: the root bone will be keyed, so that
    where it stands now does not count.
    """
    assert owner.pose is not None
    pose = owner.pose.bones
    involved = {rig.index(bone) for bone in bones.bones.values()}
    involved |= {above for bone in list(involved) for above in rig.ancestors(bone)}
    names = [rig.names[bone] for bone in sorted(involved)]
    if not any(_is_special(pose[name]) for name in names):
        mapped = {bone for role, bone in bones.bones.items() if role != "root" or root_bone}
        posed = {name: np.array(pose[name].matrix_basis, np.float64) for name in names if name not in mapped}
        posed = {name: basis for name, basis in posed.items() if np.abs(basis - np.eye(4)).max() > 1e-6}
        return plain_bases(rig, bones, posed), []
    return (yield from probed_bases(owner, rig, bones, root_bone))


def _is_special(bone: bpy.types.PoseBone) -> bool:
    """Whether a bone does more than follow its parent."""
    data: Any = bone.bone
    active = any(not constraint.mute and constraint.influence > 0 for constraint in bone.constraints)
    return active or not data.use_inherit_rotation or not data.use_local_location or data.use_relative_parent


def probed_bases(
    owner: bpy.types.Object, rig: Rig, bones: BoneMap, root_bone: bool = False
) -> Steps[tuple[dict[str, Base], list[str]]]:
    """Find what every mapped bone hangs on by turning each one and looking at the others."""
    roles = {role: bone for role, bone in bones.bones.items() if role != "root"}
    rest_inverse = {role: np.linalg.inv(rig.rest[rig.index(bone)]) for role, bone in roles.items()}
    notes: list[str] = []
    keyed = list(bones.bones.values()) if root_bone else list(roles.values())
    with _unanimated(owner, keyed) as pose:

        def look() -> dict[str, Array]:
            current()[1].update()
            evaluated = owner.evaluated_get(bpy.context.evaluated_depsgraph_get())
            assert evaluated.pose is not None
            return {
                role: np.array(evaluated.pose.bones[bone].matrix, np.float64) @ rest_inverse[role]
                for role, bone in roles.items()
            }

        still = look()
        rides = root_bone and _rides(pose[bones.bones["root"]], rig, still["hips"], look) if "root" in bones.bones else False
        carried_by: dict[str, set[str]] = {role: set() for role in roles}
        moved_by: dict[str, set[str]] = {role: set() for role in roles}
        heads = {role: (still[role] @ rig.rest[rig.index(bone)])[:3, 3] for role, bone in roles.items()}
        size = float(np.ptp(np.array(list(heads.values())), axis=0).max())
        for number, (role, bone) in enumerate(roles.items()):
            yield number / len(roles)
            pose[bone].rotation_mode, mode = "QUATERNION", pose[bone].rotation_mode
            pose[bone].rotation_quaternion = PROBE
            seen = look()
            pose[bone].rotation_quaternion = (1, 0, 0, 0)
            pose[bone].rotation_mode = mode
            turn = _rotation(seen[role]) @ _rotation(still[role]).T
            if np.abs(turn - np.eye(3)).max() < FOLLOWS:
                notes.append(f"{rig.label}: '{bone}' ({role}) does not turn when it is keyed; a constraint or a lock holds it.")
                continue
            for other, name in roles.items():
                head = (seen[other] @ rig.rest[rig.index(name)])[:3, 3]
                arm = heads[other] - heads[role]
                rigid = np.linalg.norm(head - heads[role] - turn @ arm) < FOLLOWS * size
                if other != role and rigid and np.linalg.norm(arm) > FOLLOWS * size:
                    moved_by[other].add(role)
                moved = _rotation(seen[other]) @ _rotation(still[other]).T
                if other == role or np.abs(moved - np.eye(3)).max() < FOLLOWS:
                    continue
                if np.abs(moved - turn).max() < FOLLOWS:
                    carried_by[other].add(role)
                else:
                    notes.append(
                        f"{rig.label}: '{roles[other]}' follows '{bone}' only in part; its motion will differ a little."
                    )
    bases = {}
    for role, above in carried_by.items():
        base = max(above, key=lambda name: len(carried_by[name]), default=None)
        joint = max(moved_by[role], key=lambda name: (len(moved_by[name]), len(carried_by[name])), default=None)
        offset = np.linalg.inv(still[base]) @ still[role] if base else still[role]
        bases[role] = Base(base, offset, joint if joint != base else None, rides and role == "hips")
    return bases, notes


def _rides(root: bpy.types.PoseBone, rig: Rig, still: Array, look: Callable[[], dict[str, Array]]) -> bool:
    """Return whether the hips, whose deformation (4, 4) is known, travel with the root bone: it is moved to see."""
    step = 0.1 * float(np.ptp(rig.rest[:, :3, 3], axis=0).max())
    root.location = (step, 0.0, 0.0)
    moved = look()["hips"] - still
    root.location = (0.0, 0.0, 0.0)
    expected = step * rig.rest[rig.index(root.name)][:3, 0]
    return bool(np.linalg.norm(moved[:3, 3] - expected) < FOLLOWS * step and np.abs(moved[:3, :3]).max() < FOLLOWS)


def _rotation(matrix: Array) -> Array:
    return np.array(matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0))


@contextmanager
def _unanimated(owner: bpy.types.Object, names: list[str]) -> Iterator[Mapping[str, bpy.types.PoseBone]]:
    """Give the pose bones of some names at rest, with FK switched on and no animation, and put all back afterwards."""
    assert owner.pose is not None
    pose = owner.pose.bones
    kept = [(pose[name], pose[name].rotation_mode, _channels(pose[name])) for name in names]
    switches = switches_of(owner)
    animation: Any = owner.animation_data
    action = slot = None
    if animation is not None:
        action, slot, nla = animation.action, getattr(animation, "action_slot", None), animation.use_nla
        animation.action, animation.use_nla = None, False
    try:
        for bone, *_ in kept:
            bone.location, bone.scale = (0, 0, 0), (1, 1, 1)
            bone.rotation_quaternion, bone.rotation_euler, bone.rotation_axis_angle = (1, 0, 0, 0), (0, 0, 0), (0, 0, 1, 0)
        for switch in switches:
            _set_property(pose[switch.bone], switch.name, switch.wanted)
        yield {name: pose[name] for name in names}
    finally:
        for switch in switches:
            _set_property(pose[switch.bone], switch.name, switch.now)
        for bone, mode, channels in kept:
            bone.rotation_mode = mode
            for name, value in channels.items():
                setattr(bone, name, value)
        if animation is not None:
            animation.use_nla = nla
            animation.action = action
            if action is not None and slot is not None:
                animation.action_slot = slot
        owner.update_tag()
        current()[1].update()


@contextmanager
def unkeyed_on_error(owner: bpy.types.Object) -> Iterator[None]:
    """Give an armature the Action and the pose that it had, when the block raises."""
    assert owner.pose is not None
    animation: Any = owner.animation_data
    action = animation.action if animation is not None else None
    slot, kept = getattr(animation, "action_slot", None), action is not None and action.use_fake_user
    pose = [(bone.name, _channels(bone)) for bone in owner.pose.bones]
    switches = switches_of(owner)
    try:
        yield
    except BaseException:
        if animation is None:
            owner.animation_data_clear()
        else:
            animation.action = action
            if action is not None:
                if action.use_fake_user != kept:
                    action.use_fake_user = kept
                if slot is not None:
                    animation.action_slot = slot
        # A window that was drawn meanwhile has played the new keys.
        for switch in switches:
            _set_property(owner.pose.bones[switch.bone], switch.name, switch.now)
        for name, channels in pose:
            now = _channels(owner.pose.bones[name])
            for channel, value in channels.items():
                if now[channel] != value:
                    setattr(owner.pose.bones[name], channel, value)
        raise


def _channels(bone: bpy.types.PoseBone) -> dict[str, Any]:
    names = ("location", "scale", "rotation_quaternion", "rotation_euler", "rotation_axis_angle")
    return {name: tuple(getattr(bone, name)) for name in names}


def _set_property(bone: bpy.types.PoseBone, name: str, value: float) -> None:
    bone[name] = type(bone[name])(value)
    owner: Any = bone.id_data
    owner.update_tag()
