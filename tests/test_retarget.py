# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion onto other rigs, without Blender: joints, directions, twist, feet; and the numbers that pose channels hold."""

from dataclasses import replace

import numpy as np
import pytest
from motions import HUMAN17, assemble, bone_lengths, motion_of, standing, turn, walking
from rigs import FAMILIES, human_rig, middle, motion_rig, rig_of, sided

from poselift.core.errors import ReadError, RigError, SettingsError
from poselift.core.metrics import rotation_angle
from poselift.core.readers import numpy_files
from poselift.core.rig import contacts
from poselift.core.rig.bones import bone_table
from poselift.core.rig.channels import (
    EULER_ORDERS,
    axis_angle_from_quaternion,
    euler_from_matrix,
    matrix_from_euler,
    quaternion_from_axis_angle,
)
from poselift.core.rig.mapping import BoneMap, auto_map
from poselift.core.rig.motion_file import read_motion
from poselift.core.rig.performance import ROLE_OF, performance_of_joints, performance_of_motion, performance_of_rig
from poselift.core.rig.rest import rest_pose
from poselift.core.rig.rotations import deformations, forward_kinematics, solve_pose
from poselift.core.rig.styles import NAMINGS, styled
from poselift.core.rig.switches import wanted
from poselift.core.rig.transfer import TransferSettings, forward, transfer
from poselift.core.rotation import continuous_quaternions, matrix_from_axis_angle, matrix_from_quaternion
from poselift.core.skeleton import HUMAN26

LIMBS = (("upper_arm", "forearm"), ("thigh", "shin"))
Y, Z = np.eye(3)[1:]


def placed(angle=0.7, shift=(1.0, -2.0, 0.0), tilt=0.0):
    """An object's matrix: turned about Z, tilted about X, moved."""
    world = np.eye(4)
    world[:3, :3] = turn(Z, angle)[0] @ turn(np.eye(3)[0], tilt)[0]
    world[:3, 3] = shift
    return world


def swaying(frames=90, lengths=None, apart=0.12, wide=0.04):
    """Joints (T, 17, 3) of someone who stands on both feet, sways, bends the knees and turns the trunk.

    apart: metres of the feet from the middle; wide: metres of the pelvis to either side.
    """
    t = np.linspace(0, 3, frames)
    lengths = bone_lengths() if lengths is None else lengths
    directions = standing(frames)
    thigh, shin = lengths[HUMAN17.index("l_knee")], lengths[HUMAN17.index("l_ankle")]
    pelvis = np.stack([wide * np.sin(2 * t), 0.03 * np.sin(3 * t), 0.84 + 0.03 * np.cos(2 * t)], -1)
    for side, sign in (("l", 1), ("r", -1)):
        hip = pelvis + lengths[HUMAN17.index("l_hip")] * sign * np.eye(3)[0]
        leg = np.array([apart * sign, 0.02, 0.079]) - hip
        far = np.linalg.norm(leg, axis=-1)
        part = (thigh**2 - shin**2 + far**2) / (2 * far)
        along = leg / far[:, None]
        front = -Y - (along @ -Y)[:, None] * along
        front /= np.linalg.norm(front, axis=-1, keepdims=True)
        knee = hip + part[:, None] * along + np.sqrt(thigh**2 - part**2)[:, None] * front
        directions[f"{side}_knee"] = (knee - hip) / thigh
        directions[f"{side}_ankle"] = (hip + leg - knee) / shin
    chest = turn(Z, 0.4 * np.sin(t))
    for name in ("neck_base", "head_joint", "head_top", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist"):
        directions[name] = np.einsum("tij,tj->ti", chest, directions[name])
    return assemble(directions, pelvis, lengths)


def directions_error(moved, source):
    """Largest angle in degrees between limbs of the target and of the source."""
    worst = 0.0
    for side in "LR":
        pairs = [(moved.joints, source.heads, f"{a}.{side}", f"{b}.{side}") for a, b in LIMBS]
        lines = [(there[b] - there[a], here[b] - here[a]) for there, here, a, b in pairs]
        lines.append((moved.ankles[side] - moved.joints[f"shin.{side}"], source.ankles[side] - source.heads[f"shin.{side}"]))
        for a, b in lines:
            cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
            worst = max(worst, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max()))
    return worst


def keyed(rig, moved, frames):
    """World matrices of the target's bones, by Blender's rule, from the channels."""
    return forward(rig, moved.rotations, {moved.hips: moved.location}, frames)


@pytest.mark.parametrize("arms", [0.0, 50.0])
@pytest.mark.parametrize("bend", [0.0, 25.0])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_same_body_in_another_rest_pose_is_in_the_same_places(arms, bend, scale):
    motion = motion_of(walking(60))
    rig = motion_rig(motion, seed=5, scale=scale, world=placed(tilt=1.2), arms=arms, bend=bend)
    moved = transfer(performance_of_motion(motion), rig, auto_map(rig, "plain"))
    assert moved.scale == pytest.approx(1.0, abs=1e-9)
    poses = keyed(rig, moved, len(motion))
    table = bone_table(HUMAN17)
    for bone in table.bones:
        pose, i = poses[bone.name], rig.index(bone.name)
        head = motion.joints_world[:, HUMAN17.index(bone.head)]
        assert np.abs(pose[:, :3, 3] - head).max() < 1e-6
        if bone.tail:
            tail = pose[:, :3, 3] + pose[:, :3, 1] * rig.lengths[i]
            assert np.abs(tail - motion.joints_world[:, HUMAN17.index(bone.tail)]).max() < 3e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_limbs_point_alike_on_other_proportions_whatever_the_rest_pose(family):
    source = performance_of_motion(motion_of(walking(40)))
    rig = human_rig(FAMILIES[family], arms=40.0, legs=8.0, rolls=2, scale=0.01, world=placed(), size=1.3)
    moved = transfer(source, rig, auto_map(rig), settings=TransferSettings(pin_feet=False))
    assert directions_error(moved, source) < 0.01
    poses = keyed(rig, moved, len(source))
    for role, joints in moved.joints.items():
        np.testing.assert_allclose(poses[FAMILIES[family][role]][:, :3, 3], joints, atol=1e-6)


@pytest.mark.parametrize("thigh", [0.38, 0.47, 0.5])
@pytest.mark.parametrize(("apart", "wide"), [(0.12, 0.04), (0.25, 0.12)])
def test_standing_feet_stand_still_on_the_floor_and_limbs_keep_their_directions(thigh, apart, wide):
    source = performance_of_motion(motion_of(swaying(apart=apart, wide=wide)))
    rig = human_rig(arms=30.0, world=placed(0.0, (0, 0, 0)), thigh=thigh)
    moved = transfer(source, rig, auto_map(rig))
    assert all(moved.standing[side].all() for side in "LR")
    for side in "LR":
        ankle = moved.ankles[side]
        speed = np.linalg.norm(np.diff(ankle, axis=0), axis=-1) * source.fps
        assert speed.max() < 0.02
        assert np.abs(ankle[:, 2] - 0.09).max() < 0.01  # the rig's own ankles are 9 cm over its floor
    assert directions_error(moved, source) < 1.0
    free = transfer(source, rig, auto_map(rig), settings=TransferSettings(pin_feet=False))
    assert max(np.linalg.norm(np.diff(free.ankles[side], axis=0), axis=-1).max() for side in "LR") * source.fps > 0.01


def test_what_is_kept_near_keeps_to_its_pace_and_its_room_where_both_can_be():
    t = np.linspace(0, 6, 400)
    slow, fast = 0.03 * np.sin(t)[:, None], np.where(t < 3, -1.0, 1.0)[:, None]
    room, step = np.full_like(slow, 0.01), 0.001
    near = contacts.kept_near(slow, room, step)
    assert np.abs(near - slow).max() < 0.01 + 1e-9
    assert np.abs(np.diff(near, axis=0)).max() < step + 1e-9
    assert (np.abs(near) <= np.maximum(np.abs(slow).max() - 0.01, 0) + 1e-9).all()  # no farther from 0 than it must be
    assert not contacts.kept_near(0.3 * slow, room, step).any()
    jumped = contacts.kept_near(fast, room, step)
    assert np.abs(np.diff(jumped, axis=0)).max() < step + 1e-9
    np.testing.assert_allclose(jumped, -jumped[::-1], atol=1e-9)  # as late before the jump as behind it


def test_a_leg_is_stiff_along_itself_where_it_is_straight():
    hip, ankle = np.array([[0.0, 0, 0.86]]), np.zeros((1, 3))
    straight, bent = (contacts.stiffness(hip, np.array([[0.0, -y, 0.43]]), ankle)[0] for y in (0.0, 0.3))
    assert straight[2, 2] > 100 * straight[0, 0]
    assert straight[2, 2] > 10 * bent[2, 2]
    # A small shift of a bent leg's ankle, made, turns the two bones by hardly more than the least that there is.
    shift, knee = np.array([[0.003, 0.004, 0.005]]), np.array([[0.0, -0.3, 0.43]])
    turns = contacts.reach(hip, knee, ankle, ankle + shift)
    made = sum(rotation_angle(turn, np.eye(3)[None])[0] ** 2 for turn in turns)
    least = float(shift[0] @ bent @ shift[0])
    assert 0.99 * least < made < 1.15 * least


def test_where_feet_disagree_the_straight_leg_has_its_way_and_the_bent_one_gives():
    frames, hip, ankle = 20, np.array([0.0, 0, 0.86]), np.zeros(3)
    joints = {"L": (hip, np.array([0.0, -0.005, 0.43]), ankle), "R": (hip, np.array([0.0, -0.3, 0.43]), ankle)}
    stiff = {side: contacts.stiffness(*(np.tile(joint, (frames, 1)) for joint in leg)) for side, leg in joints.items()}
    missed = {"L": np.tile([0.0, 0, 0.02], (frames, 1)), "R": np.tile([0.0, 0, -0.02], (frames, 1))}
    down = dict.fromkeys("LR", np.ones(frames, bool))
    shift = contacts.root_share(missed, stiff, down, 30.0)
    np.testing.assert_allclose(shift[:, 2], 0.02, atol=0.003)


def test_the_path_is_scaled_by_the_legs_from_where_it_starts():
    source = performance_of_motion(motion_of(walking(60)))
    rig = human_rig()
    moved = transfer(source, rig, auto_map(rig), settings=TransferSettings(pin_feet=False))
    middle_of = [0.5 * (heads["thigh.L"] + heads["thigh.R"]) for heads in (source.heads, moved.joints)]
    assert moved.scale == pytest.approx(0.86 / 0.83, rel=0.01)
    np.testing.assert_allclose(
        (middle_of[1] - middle_of[1][0])[:, :2], moved.scale * (middle_of[0] - middle_of[0][0])[:, :2], atol=1e-9
    )
    still = transfer(source, rig, auto_map(rig), settings=TransferSettings(in_place=True))
    assert np.ptp(still.joints["hips"][:, :2], axis=0).max() < 1e-9
    assert np.ptp(still.joints["hips"][:, 2]) > 0.01
    with pytest.raises(RigError, match="scaled"):
        TransferSettings(scale=0.0)


@pytest.mark.parametrize("spines", [1, 2, 3, 5])
@pytest.mark.parametrize("necks", [1, 2, 3])
def test_more_or_fewer_bones_share_the_spines_turn(spines, necks):
    names = middle("hips", *(f"s{i}" for i in range(spines)), *(f"n{i}" for i in range(necks)), "head", necks=necks)
    names |= sided("{n}.{s}", "L", "R", ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe"))
    rig = human_rig(names, rolls=1)
    source = performance_of_motion(motion_of(swaying()))
    moved = transfer(source, rig, BoneMap(names, "preset"))
    # At rest both face -Y and stand upright, so the last spine bone turns as the source's chest, and the steps are even.
    assert rotation_angle(moved.turns[f"spine.{spines}"], source.turns["spine.2"]).max() < 0.05
    steps = [rotation_angle(moved.turns[f"spine.{i}"], moved.turns[f"spine.{i + 1}"]).max() for i in range(1, spines)]
    assert max(steps, default=0.0) <= rotation_angle(source.turns["spine.1"], source.turns["spine.2"]).max() + 0.02
    between = [rotation_angle(moved.turns["head"], moved.turns[f"neck.{i}"]).max() for i in range(1, necks + 1)]
    assert max(between) < 0.6


def test_there_and_back_is_the_same_motion():
    motion = motion_of(walking(40))
    source = performance_of_motion(motion)
    rig = motion_rig(motion, seed=9, arms=45.0)
    bones = auto_map(rig)
    moved = transfer(source, rig, bones)
    poses = keyed(rig, moved, len(motion))
    back = performance_of_rig(rig, bones, {bone: poses[bone] for bone in bones.bones.values()}, source.times)
    home = motion_rig(motion, seed=4, scale=10.0)
    again = transfer(back, home, auto_map(home))
    for role, joints in again.joints.items():
        np.testing.assert_allclose(joints, source.heads[role], atol=1e-6)


def test_twist_bones_take_their_share_of_the_hands_turn():
    names = {**FAMILIES["unreal"]}
    rig = human_rig(names, extra=False)
    rows = [(rig.names[i], rig.names[p] if p >= 0 else None, rig.heads[i], rig.tails[i]) for i, p in enumerate(rig.parents)]
    fore, hand = (rig.heads[rig.index(f"{part}_l")] for part in ("lowerarm", "hand"))
    middle_of = 0.5 * (fore + hand)
    rows.append(("lowerarm_twist_01_l", "lowerarm_l", middle_of, middle_of + 0.2 * (hand - fore)))
    rig = rig_of(rows)
    bones = auto_map(rig)
    assert bones.bones["forearm_twist.1.L"] == "lowerarm_twist_01_l"
    frames = 30
    poses = {bone: np.tile(rig.world @ rig.rest[rig.index(bone)], (frames, 1, 1)) for bone in bones.bones.values()}
    angle = np.linspace(0, 2.0, frames)
    axis = (hand - fore) / np.linalg.norm(hand - fore)
    twist = matrix_from_axis_angle(np.tile(axis, (frames, 1)), angle)
    poses["hand_l"][:, :3, :3] = twist @ poses["hand_l"][:, :3, :3]
    moved = transfer(performance_of_rig(rig, bones, poses, np.arange(frames) / 30), rig, bones)
    half = rotation_angle(moved.turns["forearm_twist.1.L"], np.broadcast_to(np.eye(3), (frames, 3, 3)))
    np.testing.assert_allclose(half, 0.5 * angle, atol=1e-6)


def test_a_rig_without_the_hips_line_in_order_is_refused():
    source = performance_of_motion(motion_of(walking(5)))
    rig = human_rig()
    bones = auto_map(rig)
    with pytest.raises(RigError, match=r"no bone was found for shin\.L"):
        transfer(source, rig, BoneMap({r: b for r, b in bones.bones.items() if r != "shin.L"}, "preset"))
    with pytest.raises(RigError, match="mirrored"):
        transfer(source, replace(rig, world=np.diag([-1.0, 1, 1, 1])), bones)


@pytest.mark.parametrize("order", EULER_ORDERS)
def test_euler_angles_give_the_rotation_back_and_do_not_flip(order):
    rng = np.random.default_rng(7)
    t = np.linspace(0, 6, 300)
    axis = rng.normal(size=3)
    path = turn(axis / np.linalg.norm(axis), 2 * t) @ turn(Y, 1.5 * np.sin(t)) @ turn(Z, t)
    angles = euler_from_matrix(path, order)
    np.testing.assert_allclose(matrix_from_euler(angles, order), path, atol=1e-9)
    gimbal = turn(np.eye(3)["XYZ".index(order[1])], t)  # the middle axis alone, through a right angle and on
    straight = euler_from_matrix(gimbal, order)
    np.testing.assert_allclose(matrix_from_euler(straight, order), gimbal, atol=1e-9)
    assert np.abs(np.diff(straight, axis=0)).max() < 0.05


@pytest.mark.parametrize("order", EULER_ORDERS)
def test_euler_orders_are_blenders(order):
    pytest.importorskip("bpy")
    import mathutils

    angles = np.array([[0.3, -0.8, 1.9]])
    expected = np.array(mathutils.Euler(angles[0], order).to_matrix())
    np.testing.assert_allclose(matrix_from_euler(angles, order)[0], expected, atol=1e-6)


def test_axis_and_angle_give_the_rotation_back_and_do_not_flip():
    t = np.linspace(-2, 9, 200)
    path = continuous_quaternions(np.stack([np.cos(t / 2), *(np.sin(t / 2) * np.array([[0.6], [0.0], [0.8]]))], -1))
    values = axis_angle_from_quaternion(path)
    np.testing.assert_allclose(
        matrix_from_quaternion(quaternion_from_axis_angle(values)), matrix_from_quaternion(path), atol=1e-9
    )
    assert np.abs(np.diff(values, axis=0)).max() < 0.1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("IK_FK", 0.0, 1.0), ("ik_fk_switch", 0.0, 1.0), ("FK_IK", 1.0, 0.0), ("use_ik", 1.0, 0.0), ("IK_Stretch", 1.0, None),
     ("neck_follow", 0.5, 1.0), ("head_follow", 0.0, None), ("pole_vector", 0.0, None),
     ("IK_parent", 1.0, None), ("size", 1, None)],
)  # fmt: skip
def test_switches_between_ik_and_fk_are_known(name, value, expected):
    assert wanted(name, value) == expected


def seen_human(frames=40, hidden=()):
    """A motion of 26 joints: someone who stands, turns the head and lifts the toes; NaN where hidden says (joint, frames)."""
    t = np.linspace(0, 2, frames)
    base = swaying(frames)
    joints = np.full((frames, len(HUMAN26), 3), np.nan)
    joints[:, : len(HUMAN17)] = base
    head, nod = turn(Z, 0.8 * np.sin(t)), turn(np.eye(3)[0], 0.3 * np.sin(2 * t))
    at = joints[:, HUMAN26.index("head_joint")]
    for name, offset in (("nose", (0, -0.115, 0.025)), ("l_ear", (0.075, 0, 0.045)), ("r_ear", (-0.075, 0, 0.045))):
        joints[:, HUMAN26.index(name)] = at + head @ np.array(offset)
    for side in "lr":
        ankle, wrist = (joints[:, HUMAN26.index(f"{side}_{part}")] for part in ("ankle", "wrist"))
        joints[:, HUMAN26.index(f"{side}_toe")] = ankle + nod @ np.array([0, -0.134, -0.041])
        joints[:, HUMAN26.index(f"{side}_heel")] = ankle + nod @ np.array([0, 0.05, -0.05])
        joints[:, HUMAN26.index(f"{side}_hand")] = wrist + np.array([0.0, -0.03, -0.06])
    for name, span in hidden:
        joints[span, HUMAN26.index(name)] = np.nan
    lengths = np.zeros(len(HUMAN26))
    for parent, child in HUMAN26.edges:
        seen = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        lengths[child] = np.nanmedian(seen) if np.isfinite(seen).any() else np.nan
    return joints, lengths, head, nod


def test_feet_hands_and_head_turn_where_they_were_seen():
    joints, lengths, head, nod = seen_human()
    table = bone_table(HUMAN26, joints)
    assert {"foot.L", "foot.R", "hand.L", "hand.R"} <= set(table.names)
    rest = rest_pose(table, lengths)
    pose = solve_pose(joints, rest, 30.0)
    found = forward_kinematics(pose, rest)
    exact = [i for i, name in enumerate(HUMAN26.joint_names) if not name.endswith(("nose", "ear", "heel"))]
    assert np.abs(found[:, exact] - joints[:, exact]).max() < 1e-9
    turned = deformations(pose, rest)
    # The head bone itself points along its joints; what the face adds is its turn about it.
    x = turned[:, table.index("head")] @ np.array([1.0, 0, 0])
    seen = head @ np.array([1.0, 0, 0])
    assert np.degrees(np.arccos(np.clip((x * seen).sum(-1), -1, 1))).max() < 6
    assert np.degrees(rotation_angle(turned[:, table.index("foot.L")], nod)).max() < 5


def test_unseen_feet_have_no_bone_and_hidden_ones_rest_calmly():
    joints, lengths, *_ = seen_human(hidden=[("l_hand", slice(None)), ("r_toe", slice(10, 30)), ("r_heel", slice(10, 30))])
    table = bone_table(HUMAN26, joints)
    assert "hand.L" not in table.names
    assert "hand.R" in table.names
    pose = solve_pose(joints, rest_pose(table, lengths), 30.0)
    assert np.isfinite(pose.rotations).all()
    q = pose.rotations[:, table.index("foot.R")]
    step = np.degrees(2 * np.arccos(np.clip(np.abs((q[1:] * q[:-1]).sum(-1)), 0, 1)))
    assert step.max() < 10


@pytest.mark.parametrize("names", NAMINGS)
@pytest.mark.parametrize("pose", ["T", "A"])
def test_an_armature_can_rest_and_be_named_otherwise(names, pose):
    motion = motion_of(walking(20))
    table = styled(bone_table(HUMAN17), pose, names)
    rest = rest_pose(table, motion.bone_lengths)
    assert np.abs(forward_kinematics(solve_pose(motion.joints_world, rest, 30.0), rest) - motion.joints_world).max() < 1e-9
    elbow = rest.joints[HUMAN17.index("l_elbow")] - rest.joints[HUMAN17.index("l_shoulder")]
    assert np.degrees(np.arctan2(-elbow[2], elbow[0])) == pytest.approx(45.0 if pose == "A" else 0.0, abs=1e-6)
    np.testing.assert_allclose(rest.joints[HUMAN17.mirror] * [-1, 1, 1], rest.joints, atol=1e-9)
    assert len(set(table.labels)) == len(table)
    rows = [
        (label, None if p < 0 else table.labels[p], rest.heads[i], rest.tails[i])
        for i, (label, p) in enumerate(zip(table.labels, table.parents, strict=True))
    ]
    found = auto_map(rig_of(rows)).bones
    labels = dict(zip(table.names, table.labels, strict=True))
    assert {role: labels[name] for name, role in ROLE_OF.items() if name in labels} == dict(found)
    with pytest.raises(SettingsError):
        styled(table, "I")
    with pytest.raises(SettingsError):
        styled(table, "T", "klingon")


def test_a_motion_file_comes_back_and_damaged_ones_are_told(tmp_path, monkeypatch):
    motion = motion_of(walking(12))
    path = tmp_path / "walk.npz"
    motion.save(path)
    read = read_motion(path)
    assert read.fps == motion.fps
    assert read.skeleton == HUMAN17
    there, here = read.performance(), performance_of_motion(motion)
    np.testing.assert_array_equal(there.heads["hand.L"] if "hand.L" in there.heads else there.heads["head"], here.heads["head"])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ReadError, match="damaged"):
        read_motion(path)
    arrays = motion.arrays()
    for change, reason in (
        ({"times": arrays["times"][::-1]}, "later"),
        ({"joints_world": arrays["joints_world"][:, :5]}, "17 joints"),
        ({"fps": np.array(np.nan), "fps_fraction": np.array([0, 0])}, "damaged"),
        ({"joint_names": np.array([{}], dtype=object)}, "pickled objects"),
        ({"parents": np.array(["hips"])}, "numbers are needed"),
    ):
        np.savez(path, **{**arrays, **change})
        with pytest.raises(ReadError, match=reason):
            read_motion(path)
    np.savez(path, keypoints=arrays["keypoints"])
    with pytest.raises(ReadError, match="lift it first"):
        read_motion(path)
    with pytest.raises(ReadError, match="cannot be read"):
        read_motion(tmp_path / "missing.npz")
    monkeypatch.setattr(numpy_files, "MAX_BYTES", 1000)
    motion.save(path)
    with pytest.raises(ReadError, match="no clip is that large"):
        read_motion(path)


def test_feet_that_point_down_do_not_go_through_the_floor():
    joints, lengths, _, nod = seen_human()
    for side in "lr":  # the toes dip by up to 40 degrees while the foot is on the ground
        ankle = joints[:, HUMAN26.index(f"{side}_ankle")]
        deeper = turn(np.eye(3)[0], np.linspace(0, 0.7, len(nod)))
        joints[:, HUMAN26.index(f"{side}_toe")] = ankle + deeper @ np.array([0, -0.134, -0.041])
        joints[:, HUMAN26.index(f"{side}_heel")] = ankle + deeper @ np.array([0, 0.05, -0.05])
    source = performance_of_joints(HUMAN26, joints, lengths, np.arange(len(joints)) / 30, 30.0)
    rig = human_rig(world=placed(0.4))
    bones = auto_map(rig)
    free, held = (transfer(source, rig, bones, settings=TransferSettings(pin_feet=pin)) for pin in (False, True))
    level = rig.heads[rig.index(bones.bones["toe.L"]), 2]
    assert free.joints["toe.L"][:, 2].min() < level - 0.03
    assert held.joints["toe.L"][:, 2].min() > level - 1e-3
    assert held.joints["toe.R"][:, 2].min() > level - 1e-3
