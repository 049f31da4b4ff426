# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs of other programs, built by code: bones named as those programs write them, in any rest pose and with any roll."""

import numpy as np

from poselift.core.rig.skeletal import Rig
from poselift.core.rotation import matrix_from_axis_angle, orthonormal_frame

SIDED = ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")


def sided(pattern, left, right, parts):
    """Names of the sided bones: pattern with {s} the side and {n} the part."""
    return {
        f"{r}.{s}": pattern.format(s=w, n=n) for s, w in (("L", left), ("R", right)) for r, n in zip(SIDED, parts, strict=True)
    }


def middle(*names, necks=1):
    """Names of hips, spine, neck and head, from below."""
    spine = names[1 : len(names) - 1 - necks]
    return {
        "hips": names[0],
        **{f"spine.{i + 1}": name for i, name in enumerate(spine)},
        **{f"neck.{i + 1}": name for i, name in enumerate(names[-1 - necks : -1])},
        "head": names[-1],
    }


MIXAMO = ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")
UNREAL = ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "calf", "foot", "ball")
VRM = ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes")
VROID = (*VRM[:-1], "ToeBase")
FAMILIES = {
    "mixamo": middle(*(f"mixamorig:{name}" for name in ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")))
    | sided("mixamorig:{s}{n}", "Left", "Right", MIXAMO),
    "mixamo, another namespace": middle(
        *(f"Character1:{name}" for name in ("Hips", "Spine", "Spine1", "Neck", "Head"))
    )
    | sided("Character1:{s}{n}", "Left", "Right", MIXAMO),
    "mixamo, copied": middle(
        *(f"mixamorig:{name}.001" for name in ("Hips", "Spine", "Spine1", "Neck", "Head"))
    )
    | sided("mixamorig:{s}{n}.001", "Left", "Right", MIXAMO),
    "mixamo, underscores": middle("mixamorig_Hips", "mixamorig_Spine", "mixamorig_Spine1", "mixamorig_Neck", "mixamorig_Head")
    | sided("mixamorig_{s}{n}", "Left", "Right", MIXAMO),
    "unreal": middle("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head") | sided("{n}_{s}", "l", "r", UNREAL),
    "unreal, metahuman": middle(
        "pelvis", "spine_01", "spine_02", "spine_03", "spine_04", "spine_05", "neck_01", "neck_02", "head", necks=2
    )
    | sided("{n}_{s}", "l", "r", UNREAL),
    "vrm": middle("hips", "spine", "chest", "upperChest", "neck", "head") | sided("{s}{n}", "left", "right", VRM),
    "vrm, vroid": middle("J_Bip_C_Hips", "J_Bip_C_Spine", "J_Bip_C_Chest", "J_Bip_C_UpperChest", "J_Bip_C_Neck", "J_Bip_C_Head")
    | sided("J_Bip_{s}_{n}", "L", "R", VROID),
    "makehuman": middle(
        "root", "spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "neck02", "neck03", "head", necks=3
    )
    | sided(
        "{n}.{s}", "L", "R",
        ("clavicle", "upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot", "toe1-1"),
    ),
    "cmu": middle("Hips", "LowerBack", "Spine", "Spine1", "Neck", "Neck1", "Head", necks=2)
    | sided("{s}{n}", "Left", "Right", MIXAMO),
    "cmu, asf": middle("root", "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head", necks=2)
    | sided("{s}{n}", "l", "r", ("clavicle", "humerus", "radius", "wrist", "femur", "tibia", "foot", "toes")),
    "daz": middle("hip", "abdomenLower", "abdomenUpper", "chestLower", "chestUpper", "neckLower", "neckUpper", "head", necks=2)
    | sided("{s}{n}", "l", "r", ("Collar", "ShldrBend", "ForearmBend", "Hand", "ThighBend", "Shin", "Foot", "Toe")),
    "smpl": middle("Pelvis", "Spine1", "Spine2", "Spine3", "Neck", "Head")
    | sided("{s}_{n}", "L", "R", ("Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Foot")),
    "smpl, smplx": middle("pelvis", "spine1", "spine2", "spine3", "neck", "head")
    | sided("{s}_{n}", "left", "right", ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")),
    "autorig": middle("root.x", "spine_01.x", "spine_02.x", "neck.x", "head.x")
    | sided(
        "{n}.{s}", "l", "r",
        ("shoulder", "arm_stretch", "forearm_stretch", "hand", "thigh_stretch", "leg_stretch", "foot", "toes_01"),
    ),
    "autorig_controls": middle("c_root_master.x", "c_spine_01.x", "c_spine_02.x", "c_neck.x", "c_head.x")
    | sided(
        "{n}.{s}", "l", "r",
        ("c_shoulder", "c_arm_fk", "c_forearm_fk", "c_hand_fk", "c_thigh_fk", "c_leg_fk", "c_foot_fk", "c_toes_fk"),
    ),
    "biped": middle("Bip01 Pelvis", "Bip01 Spine", "Bip01 Spine1", "Bip01 Spine2", "Bip01 Neck", "Bip01 Head")
    | sided("Bip01 {s} {n}", "L", "R", ("Clavicle", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot", "Toe0")),
    "plain": middle("hips", "spine", "chest", "neck", "head")
    | sided("{n}.{s}", "L", "R", ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")),
    "plain, side first": middle("Hips", "Spine", "Chest", "Neck", "Head")
    | sided("{s}_{n}", "L", "R", ("Shoulder", "Upper_Arm", "Lower_Arm", "Hand", "Upper_Leg", "Lower_Leg", "Foot", "Toe")),
    "rigify_metarig, deforming": middle(
        "DEF-spine", "DEF-spine.001", "DEF-spine.002", "DEF-spine.003", "DEF-spine.004", "DEF-spine.006"
    )
    | sided("DEF-{n}.{s}", "L", "R", ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")),
}  # fmt: skip
NONSENSE = {role: f"b{i:03}" for i, role in enumerate([*middle("h", "s", "c", "n", "k"), *sided("{s}{n}", "L", "R", SIDED)])}


def human_rig(names=FAMILIES["plain"], arms=0.0, legs=0.0, rolls=None, scale=1.0, world=None, size=1.0, extra=True, thigh=0.44):
    """Return a `Rig` with bones of some names by role, at rest with arms lowered and legs spread by angles in degrees.

    rolls: seed of random rolls. scale: armature units per metre. world: (4, 4) object matrix, on top of 1 / scale.
    size: how long arms are, as a factor.
    thigh: metres of 0.86 that are not the shin's. extra: fingers' ends and a root bone, which no family needs.
    """
    y_axis = np.array([0.0, 1.0, 0.0])

    def lowered(vector, degrees, sign):
        return matrix_from_axis_angle(y_axis, np.array(sign * np.radians(degrees))) @ np.array(vector, float)

    spines = [role for role in names if role.startswith("spine.")]
    necks = [role for role in names if role.startswith("neck.")]
    at, tail, parent = {}, {}, {}
    at["hips"] = np.array([0.0, 0.0, 0.95])
    ends = np.linspace(1.02, 1.46, len(spines) + 1)
    for i, role in enumerate(spines):
        at[role], tail[role] = np.array([0, 0.0, ends[i]]), np.array([0, 0.0, ends[i + 1]])
        parent[role] = spines[i - 1] if i else "hips"
    tail["hips"] = at[spines[0]]
    ends = np.linspace(1.46, 1.58, len(necks) + 1)
    for i, role in enumerate(necks):
        at[role], tail[role] = np.array([0, 0.0, ends[i]]), np.array([0, -0.01, ends[i + 1]])
        parent[role] = necks[i - 1] if i else spines[-1]
    at["head"], tail["head"], parent["head"] = np.array([0, -0.01, 1.58]), np.array([0, -0.01, 1.77]), necks[-1]
    for side, sign in (("L", 1), ("R", -1)):
        line = ("shoulder", "upper_arm", "forearm", "hand")
        steps = [(0.13, 0.0, 0.0), (0.28 * size, 0.0, 0.0), (0.25 * size, -0.01, 0.0), (0.09, 0.0, 0.0)]
        point = np.array([0.03 * sign, 0.0, 1.42])
        for part, step in zip(line, steps, strict=True):
            vector = np.array(step) * (sign, 1, 1)
            at[f"{part}.{side}"] = point
            point = point + (vector if part == "shoulder" else lowered(vector, arms, sign))
            tail[f"{part}.{side}"] = point
            above = line.index(part)
            parent[f"{part}.{side}"] = f"{line[above - 1]}.{side}" if above else spines[-1]
        line = ("thigh", "shin", "foot", "toe")
        steps = [(0.0, 0.0, -thigh), (0.0, 0.01, thigh - 0.86), (0.0, -0.13, -0.07), (0.0, -0.06, -0.02)]
        point = np.array([0.09 * sign, 0.0, 0.95])
        for part, step in zip(line, steps, strict=True):
            at[f"{part}.{side}"] = point
            point = point + (lowered(step, -legs, sign) if part in ("thigh", "shin") else np.array(step))
            tail[f"{part}.{side}"] = point
            above = line.index(part)
            parent[f"{part}.{side}"] = f"{line[above - 1]}.{side}" if above else "hips"
    order = ["hips", *spines, *necks, "head", *(f"{part}.{side}" for side in "LR" for part in SIDED)]
    bones = [(names[role], names.get(parent.get(role)), at[role], tail[role]) for role in order]
    if extra:
        for side in "LR":
            end = tail[f"hand.{side}"]
            bones.append((f"prop_{side}", names[f"hand.{side}"], end, end + (0, 0, 0.05)))
    return rig_of(bones, rolls, scale, world)


def rig_of(bones, rolls=None, scale=1.0, world=None):
    """Return the `Rig` of (name, parent name, head, tail) rows, every parent before its children."""
    rng = np.random.default_rng(rolls)
    names = [bone[0] for bone in bones]
    rest = np.tile(np.eye(4), (len(bones), 1, 1))
    lengths = np.empty(len(bones))
    for i, (_, _, head, tail) in enumerate(bones):
        y = np.asarray(tail, float) - head
        lengths[i] = scale * np.linalg.norm(y)
        helper = (
            rng.normal(size=3)
            if rolls is not None
            else np.array([0.0, 0.0, 1.0])
            if abs(y[2]) < 0.9 * np.linalg.norm(y)
            else np.array([0.0, 1.0, 0.0])
        )
        frame = orthonormal_frame(y, helper)
        rest[i, :3, :3] = np.stack([frame[:, 1], frame[:, 0], -frame[:, 2]], -1)
        rest[i, :3, 3] = scale * np.asarray(head)
    parents = tuple(-1 if bone[1] is None else names.index(bone[1]) for bone in bones)
    placed = (np.eye(4) if world is None else np.asarray(world, float)) @ np.diag([1 / scale] * 3 + [1])
    return Rig(tuple(names), parents, rest, lengths, placed, "rig")


def motion_rig(motion, seed=None, scale=1.0, world=None, arms=0.0, bend=0.0):
    """Return a `Rig` with a motion's own proportions and joints, in another rest pose.

    arms: degrees by which they are lowered. bend: degrees by which every bone leans at random besides.
    """
    from poselift.core.rig.bones import HUMAN_DIRECTIONS, bone_table

    skeleton, table = motion.skeleton, bone_table(motion.skeleton)
    rng = np.random.default_rng(seed)
    joints = np.zeros((len(skeleton), 3))
    joints[skeleton.root] = (0, 0, 0.95)
    hips = matrix_from_axis_angle(*_random_turn(rng, bend))
    for joint in skeleton.order:
        up = skeleton.parents[joint]
        if up < 0:
            continue
        name = skeleton.joint_names[joint]
        vector = np.array(HUMAN_DIRECTIONS[name], float)
        vector /= np.linalg.norm(vector)
        if name[2:] in ("elbow", "wrist"):
            sign = 1 if name[0] == "l" else -1
            vector = matrix_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(sign * np.radians(arms))) @ vector
        turn = hips if name.endswith("hip") else matrix_from_axis_angle(*_random_turn(rng, bend))
        joints[joint] = joints[up] + motion.bone_lengths[joint] * (turn @ vector)
    bones = []
    for bone in table.bones:
        head = joints[skeleton.index(bone.head)]
        tail = joints[skeleton.index(bone.tail)] if bone.tail else head + (0, 0, 0.1)
        bones.append((bone.name, bone.parent, head, tail))
    return rig_of(bones, seed, scale, world)


def _random_turn(rng, degrees):
    axis = rng.normal(size=3)
    return axis / np.linalg.norm(axis), np.array(np.radians(degrees) * rng.uniform(-1, 1))


def armature_of_rig(bpy, rig, collection=None):
    """Make the armature object of a `Rig` in the open scene."""
    from mathutils import Matrix, Vector

    armature = bpy.data.armatures.new("rig")
    owner = bpy.data.objects.new("rig", armature)
    (collection or bpy.context.scene.collection).objects.link(owner)
    bpy.context.view_layer.objects.active = owner
    bpy.ops.object.mode_set(mode="EDIT")
    for i, name in enumerate(rig.names):
        bone = armature.edit_bones.new(name)
        bone.head = Vector(rig.rest[i, :3, 3])
        bone.tail = Vector(rig.rest[i, :3, 3] + rig.rest[i, :3, 1] * rig.lengths[i])
        bone.align_roll(Vector(rig.rest[i, :3, 2]))
        if rig.parents[i] >= 0:
            bone.parent = armature.edit_bones[rig.names[rig.parents[i]]]
    bpy.ops.object.mode_set(mode="OBJECT")
    owner.matrix_world = Matrix(rig.world)
    bpy.context.view_layer.update()
    return owner
