# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone tables: which bones an armature for a skeleton has, how they lie at rest, and what decides their twist.

A table is data. It has one root bone at the skeleton's root joint, and one bone per edge of the skeleton. Names and rest
directions of the human are written down here; those of any other tree follow from the tree and from its motion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..lifter.anatomy import body_frame
from ..rotation import normalised
from ..skeleton import HUMAN17, HUMAN21, HUMAN23, HUMAN26, HUMAN27, Hinge, Skeleton

Array = NDArray[np.float64]
Vector = tuple[float, float, float]

FRONT: Vector = (0.0, -1.0, 0.0)
UP: Vector = (0.0, 0.0, 1.0)
LEFT: Vector = (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Across:
    """A line from a right to a left joint that lies across the body; `weight` is its share in a bone's twist."""

    right: str
    left: str
    weight: float


@dataclass(frozen=True)
class Bone:
    """One bone of a table.

    head, tail: joint names; the root bone has no tail joint. parent: the parent bone's name.
    direction: rest direction, world axes, any length. x_axis: the rest X axis, before it is made perpendicular to the
    bone; a positive turn about it bends the bone the natural way.
    hinge: the joint at the tail bends in one plane, which tells the twist. across: body lines that tell the twist.
    A bone with neither follows its parent by the shortest arc. label: what Blender's bone is called, `name` where empty.
    share: of the twist that is told, what the bone itself takes; the rest is left to those that it carries. usual_twist: the
    angle in radians in whose neighbourhood the twist is then taken to be, since a share of an angle needs its full turns.
    """

    name: str
    head: str
    tail: str | None
    parent: str | None
    direction: Vector
    x_axis: Vector
    hinge: Hinge | None = None
    across: tuple[Across, ...] = ()
    label: str = ""
    share: float = 1.0
    usual_twist: float = 0.0


@dataclass(frozen=True)
class BoneTable:
    """The bones of an armature for `skeleton`, every parent before its children, the root bone first.

    root_line: the (right, left) joints whose line is the root bone's X axis, where there are such.
    root_up: the joint that the root's second axis points to, where there is one.
    carried: (joint, bone, rest direction of its edge) of joints that end no bone but move with one, such as a nose.
    unseen: joints that nothing is known of. optional: joints that may be missing in some frames.
    """

    skeleton: Skeleton
    bones: tuple[Bone, ...]
    root_line: tuple[str, str] | None = None
    root_up: str | None = None
    carried: tuple[tuple[str, str, Vector], ...] = ()
    unseen: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({bone.name: i for i, bone in enumerate(self.bones)})
        if len(self._index) != len(self.bones):
            raise RigError(f"the bone table of skeleton '{self.skeleton.name}' names a bone twice.")

    def __len__(self) -> int:
        return len(self.bones)

    def index(self, name: str) -> int:
        """Return the index of a bone. Raises `RigError` where the table has no such bone."""
        try:
            return self._index[name]
        except KeyError:
            raise RigError(f"the rig of skeleton '{self.skeleton.name}' has no bone '{name}'.") from None

    @property
    def names(self) -> tuple[str, ...]:
        """The bones' names, in table order."""
        return tuple(bone.name for bone in self.bones)

    @property
    def labels(self) -> tuple[str, ...]:
        """What Blender's bones are called, in table order."""
        return tuple(bone.label or bone.name for bone in self.bones)

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each bone's parent, -1 for the root bone."""
        return tuple(-1 if bone.parent is None else self.index(bone.parent) for bone in self.bones)


_SIDED = (
    ("hip", "hip"),
    ("knee", "thigh"),
    ("ankle", "shin"),
    ("shoulder", "shoulder"),
    ("elbow", "upper_arm"),
    ("wrist", "forearm"),
)
HUMAN_NAMES: dict[str, str] = {
    "spine": "spine",
    "neck_base": "chest",
    "head_joint": "neck",
    "head_top": "head",
    **{f"{side}_{joint}": f"{bone}.{side.upper()}" for side in "lr" for joint, bone in _SIDED},
}
"""Names of the human's bones, by the joint at the tail. The suffixes .L and .R are what Blender mirrors by."""

# Limbs as in a T-pose. Neck and shoulders lean as they do in people who stand (medians over upright motion capture, rounded).
_LEFT_HALF: dict[str, Vector] = {
    "spine": UP,
    "neck_base": UP,
    "head_joint": (0.0, -0.25, 0.97),
    "head_top": UP,
    "l_hip": LEFT,
    "l_knee": (0.0, 0.0, -1.0),
    "l_ankle": (0.0, 0.0, -1.0),
    "l_shoulder": (0.95, 0.05, -0.3),
    "l_elbow": LEFT,
    "l_wrist": LEFT,
}
HUMAN_DIRECTIONS: dict[str, Vector] = {
    **_LEFT_HALF,
    **{f"r_{joint[2:]}": (-x, y, z) for joint, (x, y, z) in _LEFT_HALF.items() if joint.startswith("l_")},
}
"""Rest directions of the human's bones, by the joint at the tail: a T-pose that faces -Y, left at +X."""

# Feet flat on the floor: medians of standing people. Nose and ears as they sit on a level head.
_LEFT_EXTRA: dict[str, Vector] = {
    "l_toe": (0.0, -0.955, -0.295),
    "l_heel": (0.0, 0.707, -0.707),
    "l_hand": LEFT,
    "l_ear": (0.857, 0.0, 0.514),
    "l_index": (0.962, -0.273, 0.0),
    "l_pinky": (0.912, 0.41, 0.0),
}
EXTRA_DIRECTIONS: dict[str, Vector] = {
    "nose": (0.0, -0.977, 0.212),
    **_LEFT_EXTRA,
    **{f"r_{joint[2:]}": (-x, y, z) for joint, (x, y, z) in _LEFT_EXTRA.items()},
}
"""Rest directions of what the human has beyond the canonical 17, by joint."""
EXTRA_NAMES = {f"{s}_{joint}": f"{bone}.{s.upper()}" for s in "lr" for joint, bone in (("toe", "foot"), ("hand", "hand"))}
"""Names of the bones among these, by the joint at the tail; the other joints are carried."""
EXTRA_CARRIED = {
    "nose": "head",
    **{
        f"{s}_{joint}": f"{bone}.{s.upper()}"
        for s in "lr"
        for joint, bone in (("heel", "foot"), ("index", "hand"), ("pinky", "hand"))
    },
    "l_ear": "head",
    "r_ear": "head",
}
FOREARMS_SHARE = 0.5
"""Of the turn of a palm, what the forearm's bone takes: the radius turns with the hand, and the elbow's end does not."""
SUPINE = np.radians(45.0)
"""The middle of what arms do, from a T-pose with palms down: by forearm and shoulder the thumb comes up by half a turn, and
goes down by a quarter."""


def bone_table(skeleton: Skeleton, joints: Array | None = None) -> BoneTable:
    """Return the table for a skeleton: the human's own, that of the skeleton's rest pose, or one derived from the motion.

    joints: (T, J, 3) world positions, needed for a skeleton that says nothing of its rest: the mean directions of its bones
    in the body's own frame become the rest pose. Raises `RigError` where they are needed and not given, or where the skeleton
    has more than one root.
    """
    if (skeleton.joint_names, skeleton.parents) == (HUMAN17.joint_names, HUMAN17.parents):
        return derive_table(skeleton, HUMAN_DIRECTIONS, HUMAN_NAMES)
    extended = (HUMAN21, HUMAN23, HUMAN26, HUMAN27)
    if any((skeleton.joint_names, skeleton.parents) == (known.joint_names, known.parents) for known in extended):
        return _human_with_extremities(skeleton, joints)
    if skeleton.rest:
        return derive_table(skeleton, dict(zip(skeleton.joint_names, skeleton.rest, strict=True)))
    if joints is None:
        raise RigError(f"skeleton '{skeleton.name}' has no rest pose of its own; give the motion that it is to be taken from.")
    return derive_table(skeleton, mean_directions(skeleton, joints))


def derive_table(skeleton: Skeleton, directions: Mapping[str, Vector], names: Mapping[str, str] | None = None) -> BoneTable:
    """Build the table of any single-rooted skeleton.

    directions: rest directions of the edges, by child joint. names: bone names by child joint; a bone that is not in it
    takes the joint's name. Raises `RigError` where the skeleton has more than one root.
    """
    if skeleton.parents.count(-1) != 1:
        raise RigError(f"skeleton '{skeleton.name}' has {skeleton.parents.count(-1)} roots; an armature needs exactly one.")
    names = names or {}
    joint_names, root = skeleton.joint_names, skeleton.root
    called = {j: names.get(joint_names[j], joint_names[j]) for j in range(len(skeleton))}
    lines = _across_lines(skeleton)
    chain = _chain_to_lines(skeleton, lines)
    root_up = joint_names[chain[0]] if chain else None
    # The root bone lies along the spine that goes on from it: upright on two legs, level on four.
    level = skeleton.axes is not None and skeleton.axes.spine == "front"
    along = directions[root_up] if root_up else UP
    bones = [Bone(called[root], joint_names[root], None, None, along, _rest_x_axis(along, None, level))]
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if parent < 0:
            continue
        name, direction = joint_names[joint], directions[joint_names[joint]]
        hinge = next((h for h in skeleton.hinges if h.joint == name and h.before == joint_names[parent]), None)
        across: tuple[Across, ...] = ()
        if joint in chain:
            # The twist between hips and shoulders is shared out evenly along the spine.
            share = (chain.index(joint) + 1) / len(chain)
            ends = ((lines.get(root), 1 - share), (lines[chain[-1]], share))
            across = tuple(Across(*line, weight) for line, weight in ends if line and weight > 0)
        # In a chain of hinges (stifle, hock) the one at the bone's tail is the one that its twist is measured by.
        own_bend = hinge or next((h for h in skeleton.hinges if name in (h.joint, h.after)), None)
        bones.append(
            Bone(
                called[joint], joint_names[parent], name, called[parent], direction,
                _rest_x_axis(direction, own_bend, level), hinge, across,
            )
        )  # fmt: skip
    return BoneTable(skeleton, tuple(bones), lines.get(root), root_up)


def _human_with_extremities(skeleton: Skeleton, joints: Array | None) -> BoneTable:
    """Return the human's table with feet and hands, and a head turned by the face, as far as the joints (T, J, 3) were seen."""
    extra = skeleton.joint_names[len(HUMAN17) :]
    seen = np.ones(len(skeleton), bool) if joints is None else np.isfinite(joints).all(-1).any(0)
    unseen = {name for name in extra if not seen[skeleton.index(name)]}
    base = derive_table(HUMAN17, HUMAN_DIRECTIONS, HUMAN_NAMES)
    bones = list(base.bones)
    for joint, name in EXTRA_NAMES.items():
        if joint in unseen or joint not in extra:
            continue
        side, part = joint.split("_")
        head, heel = skeleton.joint_names[skeleton.parents[skeleton.index(joint)]], f"{side}_heel"
        elbow = next(hinge for hinge in skeleton.hinges if hinge.joint == f"{side}_elbow")
        direction = EXTRA_DIRECTIONS[joint]
        x_axis = _rest_x_axis(direction, elbow if part == "hand" else None, False)
        across = (Across(head, heel, 1.0),) if part == "toe" and heel not in unseen else ()
        above = next(bone.name for bone in bones if bone.tail == head)
        knuckles = f"{side}_pinky", f"{side}_index"
        if part == "hand" and {*knuckles} <= {*extra} - unseen:
            across = (Across(*knuckles, 1.0),)
            usual = -SUPINE if side == "l" else SUPINE
            bones = [
                replace(bone, across=across, share=FOREARMS_SHARE, usual_twist=usual) if bone.name == above else bone
                for bone in bones
            ]
        bones.append(Bone(name, head, joint, above, direction, x_axis, None, across))
    lines = (Across("r_ear", "l_ear", 1.0), Across("head_joint", "nose", 1.0))
    face = tuple(line for line in lines if {line.right, line.left} - {"head_joint"} <= {*extra} - unseen)
    bones = [replace(bone, across=face) if bone.name == "head" else bone for bone in bones]
    names = {bone.name for bone in bones}
    carried = tuple(
        (joint, bone, EXTRA_DIRECTIONS[joint])
        for joint, bone in EXTRA_CARRIED.items()
        if joint in extra and joint not in unseen and bone in names
    )
    left_out = unseen | {joint for joint, bone in EXTRA_CARRIED.items() if joint in extra and bone not in names}
    return BoneTable(skeleton, tuple(bones), base.root_line, base.root_up, carried, frozenset(left_out), frozenset(extra))


def mean_directions(skeleton: Skeleton, joints: Array) -> dict[str, Vector]:
    """Return the mean direction of every edge in the body's own frame, made symmetric, by child joint.

    joints: (T, J, 3). In the body's frame (`body_frame`) it faces -Y, Z up; a skeleton without axes gives its first frame as
    it stands.
    """
    joints = np.asarray(joints, np.float64)
    if skeleton.axes is None:
        local = joints[:1]
    else:
        local = joints @ np.swapaxes(body_frame(joints, skeleton), -1, -2)
    flip = np.array([-1.0, 1.0, 1.0])
    mirrored = local[:, skeleton.mirror] * flip if skeleton.axes else local
    directions: dict[str, Vector] = {}
    for parent, child in skeleton.edges:
        both = np.stack([normalised(pose[:, child] - pose[:, parent]) for pose in (local, mirrored)])
        mean = normalised(both.mean((0, 1)), fallback=tuple(both[0, 0]))
        directions[skeleton.joint_names[child]] = (float(mean[0]), float(mean[1]), float(mean[2]))
    return directions


def _across_lines(skeleton: Skeleton) -> dict[int, tuple[str, str]]:
    """Return the (right, left) pairs of the body axes by the joint that both hang on directly."""
    lines: dict[int, tuple[str, str]] = {}
    for right, left in skeleton.axes.right_left if skeleton.axes else ():
        above = {skeleton.parents[skeleton.index(right)], skeleton.parents[skeleton.index(left)]}
        if len(above) == 1 and (joint := above.pop()) >= 0:
            lines.setdefault(joint, (right, left))
    return lines


def _chain_to_lines(skeleton: Skeleton, lines: Mapping[int, Any]) -> list[int]:
    """Return the joints from below the root up to the farthest joint that carries a line across: the spine."""
    best: list[int] = []
    for joint in lines:
        chain: list[int] = []
        while skeleton.parents[joint] >= 0:
            chain.insert(0, joint)
            joint = skeleton.parents[joint]
        best = max(best, chain, key=len)
    return best


def _rest_x_axis(direction: Vector, hinge: Hinge | None, level: bool) -> Vector:
    """Return the rest X axis of a bone that points in a direction.

    Bones at a hinge take the hinge's axis: the one about which a positive turn bends the joint. A hinge of sign +1 points
    to the front when bent, so what follows it goes back: axis = direction x (-sign front). Under a level spine limbs swing
    past the front, and bend about the line across the body wherever they point (`anatomy.hinge_evidence`). All others look
    to the front with their Z axis, or up where they point rather to the front or back themselves. Left and right come out
    mirrored: z and y reflect, x reflects and changes sign.
    """
    along = np.array(direction)
    if hinge and level:
        y = normalised(along)
        x = normalised(hinge.sign * (np.array(LEFT) - y[0] * y))
        return (float(x[0]), float(x[1]), float(x[2]))
    towards = np.array(FRONT) * (-hinge.sign if hinge else 1)
    if np.linalg.norm(np.cross(normalised(along), towards)) < (0.3 if hinge else np.sqrt(0.5)):
        towards = np.array(UP)
    # Of a hinge: along x towards is the axis itself. Of the others, with z = towards: x = y x z, the same product.
    x = normalised(np.cross(along, towards))
    return (float(x[0]), float(x[1]), float(x[2]))
