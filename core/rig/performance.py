# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source does, free of its rig's conventions: per role, how its bone has turned since rest, and where it starts.

Two sources give one: a Poselift motion, through the armature that it would get, and any armature with sampled poses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..motion.bones import stature
from ..motion.motion import Motion
from ..skeleton import Skeleton
from .bones import bone_table
from .mapping import BoneMap
from .rest import RestPose, rest_pose
from .roles import REQUIRED, SIDES
from .rotations import Pose, deformations, forward_kinematics, solve_pose
from .skeletal import Rig

Array = NDArray[np.float64]

ROLE_OF: dict[str, str] = {
    "pelvis": "hips",
    "spine": "spine.1",
    "chest": "spine.2",
    "neck": "neck.1",
    "head": "head",
    **{
        f"{part}.{side}": f"{part}.{side}"
        for side in SIDES
        for part in ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
    },
}
"""Roles of the bones of Poselift's own human armatures, by the names of the plain family."""


@dataclass(frozen=True)
class Body:
    """A body at rest, world frame: heads and tails (3,) of its bones by role, metres (or whatever the world's unit is).

    ankle: height of the ankles over the floor that it stands on; floor: that floor's height. palms: by side, the line (3,)
    from the pinky's knuckle to the index finger's, where it is not told by heads of finger bones.
    """

    heads: Mapping[str, Array]
    tails: Mapping[str, Array]
    ankle: float
    has_feet: bool = True
    floor: float = 0.0
    palms: Mapping[str, Array] = field(default_factory=dict)

    def palm(self, side: str) -> Array | None:
        """Return the line (3,) across a hand, from the pinky's knuckle to the index finger's, where it is known."""
        knuckles = [f"{finger}.1.{side}" for finger in ("pinky", "index")]
        if all(role in self.heads for role in knuckles):
            return self.heads[knuckles[1]] - self.heads[knuckles[0]]
        return self.palms.get(side)

    def mid(self, part: str) -> Array:
        """Return the point (3,) between the left and the right one of a part."""
        return 0.5 * (self.heads[f"{part}.L"] + self.heads[f"{part}.R"])

    @property
    def leg_length(self) -> float:
        """Thigh and shin, the mean of both sides; to the shin's tail where there is no foot."""
        return float(np.mean([sum(self.segment(part, side) for part in ("thigh", "shin")) for side in SIDES]))

    def segment(self, part: str, side: str) -> float:
        """Return the length of a limb's bone, from joint to joint."""
        return float(np.linalg.norm(self.end(f"{part}.{side}") - self.heads[f"{part}.{side}"]))

    def end(self, role: str) -> Array:
        """Return where a limb's bone ends (3,): where the next one starts, or at its own tail."""
        part, _, side = role.rpartition(".")
        following = {
            "shoulder": "upper_arm",
            "upper_arm": "forearm",
            "forearm": "hand",
            "thigh": "shin",
            "shin": "foot",
            "foot": "toe",
        }
        after = f"{following.get(part, '')}.{side}"
        if after in self.heads:
            return self.heads[after]
        if part == "hand":
            knuckles = [
                self.heads[name] for f in ("middle", "index", "ring", "pinky") if (name := f"{f}.1.{side}") in self.heads
            ]
            if knuckles:
                return np.mean(knuckles, 0) if f"middle.1.{side}" not in self.heads else self.heads[f"middle.1.{side}"]
        return self.tails[role]

    @property
    def axes(self) -> Array:
        """The body's own frame (3, 3), columns: to its left, to its back, up along the trunk made perpendicular."""
        left = self.heads["thigh.L"] - self.heads["thigh.R"]
        left = left / np.linalg.norm(left)
        up = self.mid("upper_arm") - self.mid("thigh")
        up = up - (up @ left) * left
        up = up / np.linalg.norm(up)
        return np.stack([left, np.cross(up, left), up], -1)


@dataclass(frozen=True)
class Performance:
    """T frames of a body's motion, world frame.

    turns: by role, the rotation (T, 3, 3) that took the bone from rest to its pose. heads: by role, where its head is
    (T, 3). ankles: by side, (T, 3). times: (T,) seconds. label: the source's name.
    """

    body: Body
    turns: Mapping[str, Array]
    heads: Mapping[str, Array]
    ankles: Mapping[str, Array]
    times: Array
    label: str = ""
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.times)

    @property
    def fps(self) -> float:
        """Frames per second, on average."""
        return float((len(self) - 1) / (self.times[-1] - self.times[0])) if len(self) > 1 else 30.0


def performance_of_motion(motion: Motion) -> Performance:
    """Return what a lifted human does. Raises `RigError` where the motion is of another creature, or has gaps."""
    return performance_of_joints(*motion.body, motion.times, float(motion.fps), Path(motion.source).stem)


def performance_of_joints(
    skeleton: Skeleton, joints: Array, lengths: Array, times: Array, fps: float, label: str = ""
) -> Performance:
    """Return what a human does whose joints (T, J, 3) are known, in metres, world, with bone lengths (J,).

    Raises `RigError` where the skeleton is another creature's, or joints are missing.
    """
    if not {"pelvis", "l_hip", "l_elbow", "neck_base"} <= set(skeleton.joint_names):
        raise RigError(f"the motion is of skeleton '{skeleton.name}'; only a human's can be put onto a humanoid.")
    rest = rest_pose(bone_table(skeleton, joints), lengths)
    return performance_of_pose(solve_pose(joints, rest, fps), rest, times, label)


def performance_of_pose(pose: Pose, rest: RestPose, times: Array, label: str = "") -> Performance:
    """Return what a pose of Poselift's own armature does."""
    table, skeleton = rest.table, rest.table.skeleton
    joints = forward_kinematics(pose, rest)
    turned = deformations(pose, rest)
    roles = {ROLE_OF[name]: i for i, name in enumerate(table.names) if name in ROLE_OF}
    body = Body(
        {role: rest.heads[i] for role, i in roles.items()},
        {role: rest.tails[i] for role, i in roles.items()},
        0.0 if skeleton.stature is None else skeleton.stature.foot_height * stature(_lengths(rest), skeleton),
        palms=_palms(rest),
    )
    heads = {role: joints[:, skeleton.index(table.bones[i].head)] for role, i in roles.items()}
    ankles = {side: joints[:, skeleton.index(f"{side.lower()}_ankle")] for side in SIDES}
    return Performance(
        body, {role: turned[:, i] for role, i in roles.items()}, heads, ankles, np.asarray(times, np.float64), label
    )


def _palms(rest: RestPose) -> dict[str, Array]:
    """Return the lines across the hands at rest, by side, where knuckles are carried by them."""
    at = {joint: rest.joints[rest.table.skeleton.index(joint)] for joint, *_ in rest.table.carried}
    ends = {side: (f"{side.lower()}_pinky", f"{side.lower()}_index") for side in SIDES}
    return {side: at[index] - at[pinky] for side, (pinky, index) in ends.items() if {pinky, index} <= at.keys()}


def _lengths(rest: RestPose) -> Array:
    parents = np.array([max(parent, 0) for parent in rest.table.skeleton.parents])
    return np.asarray(np.linalg.norm(rest.joints - rest.joints[parents], axis=-1))


def performance_of_rig(rig: Rig, bones: BoneMap, poses: Mapping[str, Array], times: Array) -> Performance:
    """Return what a sampled armature does.

    poses: by bone name, world matrices (T, 4, 4) of the mapped bones, scale allowed. times: (T,) seconds.
    Raises `RigError` where a required bone is missing.
    """
    missing = [role for role in REQUIRED if role not in bones.bones]
    if missing:
        raise RigError(f"{rig.label}: no bone was found for {', '.join(missing)}; set it in the mapping.")
    body = body_of(rig, bones)
    turns, heads = {}, {}
    for role, bone in bones.bones.items():
        matrices = poses[bone]
        at_rest = rig.turn @ rig.rest[rig.index(bone)][:3, :3]
        turns[role] = unscaled(matrices[:, :3, :3]) @ at_rest.T
        heads[role] = matrices[:, :3, 3]
    ankles = {}
    for side in SIDES:
        if f"foot.{side}" in heads:
            ankles[side] = heads[f"foot.{side}"]
        else:
            shin = f"shin.{side}"
            ankles[side] = heads[shin] + turns[shin] @ (body.tails[shin] - body.heads[shin])
    return Performance(body, turns, heads, ankles, np.asarray(times, np.float64), rig.label)


def body_of(rig: Rig, bones: BoneMap, sole: float | None = None) -> Body:
    """Return a rig's body at rest.

    sole: world height of the lowest point of the character's mesh, where known. Otherwise the floor is at the object's
    origin where the feet are near it, else at the lowest end of the feet.
    """
    heads, tails = rig.heads, rig.tails
    at = {role: rig.index(bone) for role, bone in bones.bones.items()}
    by_role = {role: heads[i] for role, i in at.items()}, {role: tails[i] for role, i in at.items()}
    has_feet = "foot.L" in at and "foot.R" in at
    body = Body(*by_role, 0.0, has_feet)
    ankle = min(float(body.end(f"shin.{side}")[2]) for side in SIDES)
    feet = {i for role, i in at.items() if role.startswith(("foot.", "toe."))}
    feet |= {i for i in range(len(rig)) if feet & set(rig.ancestors(i))}
    lowest = min([ankle, *(float(min(heads[i, 2], tails[i, 2])) for i in feet)])
    origin = float(rig.world[2, 3])
    near = 0.12 * body.leg_length
    floor = next((level for level in (sole, origin) if level is not None and abs(level - lowest) < near), lowest)
    return Body(*by_role, ankle - floor, has_feet, floor)


def unscaled(matrices: Array) -> Array:
    """Return the rotations of (..., 3, 3) matrices without scale and shear: Gram and Schmidt, the Y axis (the bone) first."""
    y = matrices[..., :, 1] / np.linalg.norm(matrices[..., :, 1], axis=-1, keepdims=True)
    x = matrices[..., :, 0] - (matrices[..., :, 0] * y).sum(-1, keepdims=True) * y
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)
