# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest poses, bone rotations and twist, without Blender."""

import numpy as np
import pytest
from motions import (
    X,
    Y,
    Z,
    assemble,
    bone_lengths,
    dog_joints,
    dog_skeleton,
    motion_of,
    raised_left_arm,
    standing,
    turn,
    walking,
)

from poselift.core.errors import RigError
from poselift.core.rig.bones import bone_table
from poselift.core.rig.rest import rest_pose
from poselift.core.rig.rotations import forward_kinematics, solve_pose
from poselift.core.rig.twist import solve_twist, transport_angles
from poselift.core.rotation import matrix_from_quaternion, normalised
from poselift.core.skeleton import HUMAN17, tree

FPS = 30.0


@pytest.fixture(scope="module")
def rest():
    return rest_pose(bone_table(HUMAN17), bone_lengths())


def solve(joints, rest):
    return solve_pose(joints, rest, FPS)


def world_axes(pose, rest, name):
    """The axes (T, 3, 3) of one bone in the world, after its parents' and its own turning."""
    table, axes = rest.table, {}
    for i, parent in enumerate(table.parents):
        local = rest.matrices[i] @ matrix_from_quaternion(pose.rotations[:, i]) @ rest.matrices[i].T
        axes[i] = local if parent < 0 else axes[parent] @ local
    index = table.index(name)
    return axes[index] @ rest.matrices[index]


def step_angles(pose):
    """Degrees (T - 1, B) by which each bone's local rotation changes between frames."""
    q = pose.rotations
    return np.degrees(2 * np.arccos(np.clip(np.abs((q[1:] * q[:-1]).sum(-1)), 0, 1)))


def test_the_human_has_seventeen_bones_with_animators_names(rest):
    sided = {"hip", "thigh", "shin", "shoulder", "upper_arm", "forearm"}
    expected = {"pelvis", "spine", "chest", "neck", "head"} | {f"{name}.{side}" for name in sided for side in "LR"}
    assert set(rest.table.names) == expected
    assert len(rest.table) == 17
    assert rest.table.names[0] == "pelvis"
    assert rest.table.parents[0] == -1
    assert all(parent < child for child, parent in enumerate(rest.table.parents))


def test_the_rest_pose_is_a_t_pose_that_faces_minus_y_with_the_left_at_plus_x(rest):
    joint = {name: rest.joints[i] for i, name in enumerate(HUMAN17.joint_names)}
    assert joint["l_wrist"][0] > joint["l_elbow"][0] > joint["l_shoulder"][0] > 0
    assert joint["l_wrist"][2] == pytest.approx(joint["l_shoulder"][2])
    assert joint["head_top"][2] == rest.joints[:, 2].max()
    assert joint["head_joint"][1] < joint["neck_base"][1] == pytest.approx(0)
    np.testing.assert_allclose(joint["l_knee"][:2], joint["l_hip"][:2], atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_ankles_stand_as_high_as_ankles_do(scale):
    lengths = scale * bone_lengths()
    joints = rest_pose(bone_table(HUMAN17), lengths).joints
    ankles = joints[[HUMAN17.index("l_ankle"), HUMAN17.index("r_ankle")], 2]
    height = joints[:, 2].max()
    np.testing.assert_allclose(ankles, 0.045 * height, rtol=0.05)


def test_rest_bones_have_the_motions_lengths_and_right_handed_axes_along_them(rest):
    for i, bone in enumerate(rest.table.bones):
        along = rest.tails[i] - rest.heads[i]
        if bone.tail:
            assert np.linalg.norm(along) == pytest.approx(bone_lengths()[HUMAN17.index(bone.tail)])
        np.testing.assert_allclose(rest.matrices[i][:, 1], along / np.linalg.norm(along), atol=1e-12)
        np.testing.assert_allclose(rest.matrices[i].T @ rest.matrices[i], np.eye(3), atol=1e-12)
        assert np.linalg.det(rest.matrices[i]) == pytest.approx(1)


def test_left_and_right_bones_are_rolled_as_mirror_images(rest):
    flip = np.diag([-1.0, 1.0, 1.0])
    for name in rest.table.names:
        if name.endswith(".L"):
            left = rest.matrices[rest.table.index(name)]
            right = rest.matrices[rest.table.index(name[:-1] + "R")]
            np.testing.assert_allclose(right, flip @ left * [-1, 1, 1], atol=1e-12)


@pytest.mark.parametrize(("bone", "towards"), [("shin.L", Y), ("shin.R", Y), ("forearm.L", -Y), ("forearm.R", -Y)])
def test_a_positive_turn_about_x_bends_a_hinge_the_natural_way(rest, bone, towards):
    axes = rest.matrices[rest.table.index(bone)]
    bent = axes @ turn(X, 0.5)[0] @ axes.T @ axes[:, 1]
    assert bent @ towards > 0.4


def test_forward_kinematics_gives_the_joints_back(rest):
    joints = walking(120)
    assert np.abs(forward_kinematics(solve(joints, rest), rest) - joints).max() < 1e-6 * 1.75


def test_a_rest_pose_needs_no_rotation(rest):
    pose = solve(rest.joints[None], rest)
    np.testing.assert_allclose(pose.rotations, np.tile([1.0, 0, 0, 0], (1, 17, 1)), atol=1e-12)
    np.testing.assert_allclose(pose.location, 0, atol=1e-12)


def test_hips_that_are_one_line_do_not_turn_against_the_pelvis(rest):
    pose = solve(walking(90), rest)
    for name in ("hip.L", "hip.R"):
        np.testing.assert_allclose(pose.rotations[:, rest.table.index(name)], np.tile([1.0, 0, 0, 0], (90, 1)), atol=1e-9)


def test_the_pelvis_takes_its_x_axis_from_the_hip_line_and_looks_ahead(rest):
    joints = walking(90)
    axes = world_axes(solve(joints, rest), rest, "pelvis")
    line = normalised(joints[:, HUMAN17.index("l_hip")] - joints[:, HUMAN17.index("r_hip")])
    np.testing.assert_allclose(axes[..., 0], line, atol=1e-9)
    up = normalised(joints[:, HUMAN17.index("spine")] - joints[:, 0])
    assert ((axes[..., 1] * up).sum(-1) > 0.99).all()


def test_the_chest_turns_with_the_shoulders_and_the_spine_by_half(rest):
    directions = standing(60)
    for name in ("l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "head_joint"):
        directions[name] = np.einsum("tij,tj->ti", turn(Z, np.full(60, 0.6)), directions[name])
    pose = solve(assemble(directions, np.zeros((60, 3)), bone_lengths()), rest)
    for name, expected in (("spine", 0.3), ("chest", 0.6)):
        x = world_axes(pose, rest, name)[30, :, 0]
        assert np.arctan2(x[1], x[0]) == pytest.approx(expected, abs=0.02)


def test_the_left_arm_stretched_up_is_the_left_arm(rest):
    pose = solve(raised_left_arm(), rest)
    left, right = world_axes(pose, rest, "upper_arm.L")[0], world_axes(pose, rest, "upper_arm.R")[0]
    np.testing.assert_allclose(left[:, 1], Z, atol=1e-9)
    assert right[2, 1] < -0.9


def bent_arm(angle, frames=40):
    """Joints of someone whose left upper arm points ahead and whose forearm, bent by 90 degrees, is turned about it."""
    directions = standing(frames)
    directions["l_elbow"] = np.tile(-Y, (frames, 1))
    directions["l_wrist"] = np.einsum("tij,j->ti", turn(-Y, np.broadcast_to(angle, frames)), -X)
    return assemble(directions, np.zeros((frames, 3)), bone_lengths())


@pytest.mark.parametrize("degrees", [-60, -30, 0, 30, 60, 90])
def test_the_upper_arm_twists_as_the_plane_of_the_bent_elbow_says(rest, degrees):
    pose = solve(bent_arm(np.radians(degrees)), rest)
    axes = world_axes(pose, rest, "upper_arm.L")[20]
    hinge = turn(-Y, np.radians(degrees))[0] @ -Z  # the elbow bends about this axis
    assert np.degrees(np.arccos(np.clip(axes[:, 0] @ hinge, -1, 1))) < 3
    forearm = pose.rotations[20, rest.table.index("forearm.L")]
    np.testing.assert_allclose(np.abs(forearm), [np.sqrt(0.5), np.sqrt(0.5), 0, 0], atol=0.05)


def test_a_straight_limb_follows_its_parent_by_the_shortest_arc(rest):
    directions = standing(30)
    directions["l_elbow"] = directions["l_wrist"] = np.tile(normalised(np.array([0.3, -0.9, 0.2])), (30, 1))
    pose = solve(assemble(directions, np.zeros((30, 3)), bone_lengths()), rest)
    q = pose.rotations[:, rest.table.index("upper_arm.L")]
    assert np.abs(q[:, 2]).max() < 1e-6  # no turn about its own axis Y
    np.testing.assert_allclose(pose.rotations[:, rest.table.index("forearm.L")], np.tile([1.0, 0, 0, 0], (30, 1)), atol=1e-6)


def test_a_knee_that_bends_through_straight_to_the_wrong_side_does_not_flip_the_thigh(rest):
    frames = 60
    directions = standing(frames)
    directions["l_knee"] = np.tile(-Z, (frames, 1))
    bend = np.linspace(0.8, -0.6, frames)
    directions["l_ankle"] = np.stack([np.zeros(frames), np.sin(bend), -np.cos(bend)], -1)
    pose = solve(assemble(directions, np.zeros((frames, 3)), bone_lengths()), rest)
    assert step_angles(pose)[:, rest.table.index("thigh.L")].max() < 3
    assert np.abs(pose.rotations[:, rest.table.index("thigh.L"), 2]).max() < 0.1


def test_no_bone_jumps_where_its_limb_does_not(rest):
    """An arm that swings through straight, across, and past the opposite of its rest direction."""
    frames = 240
    rng = np.random.default_rng(3)
    t = np.linspace(0, 2 * np.pi, frames)
    directions = standing(frames)
    upper = normalised(np.stack([np.cos(2 * t), -0.15 * np.ones(frames), np.sin(2 * t)], -1))
    directions["l_elbow"] = upper
    directions["l_wrist"] = normalised(upper + 0.4 * np.sin(3 * t)[:, None] * np.array([0, -1, 0.3]))
    for name in ("l_elbow", "l_wrist"):
        directions[name] = normalised(directions[name] + 0.01 * rng.normal(size=(frames, 3)))
    joints = assemble(directions, np.zeros((frames, 3)), bone_lengths())
    pose = solve(joints, rest)
    assert np.abs(forward_kinematics(pose, rest) - joints).max() < 1e-9
    swing = np.degrees(np.arccos(np.clip((upper[1:] * upper[:-1]).sum(-1), -1, 1)))
    assert (step_angles(pose)[:, rest.table.index("upper_arm.L")] - swing).max() < 30


def test_quaternions_are_units_and_keep_their_sign_from_frame_to_frame(rest):
    q = solve(walking(200, seconds=8.0), rest).rotations
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, atol=1e-12)
    assert ((q[1:] * q[:-1]).sum(-1) > 0).all()


def test_twist_that_is_measured_in_part_of_the_clip_goes_to_rest_calmly_in_the_other():
    frames = 120
    weights = np.where(np.arange(frames) < 40, 1.0, 0.0)
    twist = solve_twist(np.full(frames, 2.0), weights, np.ones(frames), np.zeros(frames - 1), FPS)
    np.testing.assert_allclose(twist[:20], 2.0, atol=0.05)
    assert abs(twist[-1]) < 0.05
    assert np.abs(np.diff(twist)).max() < np.radians(15)


def test_a_measured_flip_is_spread_over_frames():
    angles = np.where(np.arange(60) < 30, 0.0, np.pi - 0.01)
    twist = solve_twist(angles, np.ones(60), np.ones(60), np.zeros(59), FPS)
    assert np.abs(np.diff(twist)).max() <= np.radians(20.001)
    np.testing.assert_allclose(np.cos(twist[[5, -5]]), [1, -1], atol=0.01)


def test_parallel_transport_around_a_cone_has_the_angle_of_the_cap_it_encloses():
    t, half = np.linspace(0, 2 * np.pi, 2001), 0.5
    directions = np.stack([np.sin(half) * np.cos(t), np.sin(half) * np.sin(t), np.full_like(t, np.cos(half))], -1)
    reference = np.stack([np.cos(half) * np.cos(t), np.cos(half) * np.sin(t), np.full_like(t, -np.sin(half))], -1)
    # The reference turns with the circle; the solid angle of the cap is 2 pi (1 - cos), Gauss and Bonnet.
    assert transport_angles(directions, reference).sum() == pytest.approx(-2 * np.pi * np.cos(half), abs=1e-4)


def test_any_tree_gets_bones_named_after_its_joints_and_is_reproduced():
    skeleton = dog_skeleton()
    joints = dog_joints(skeleton)
    table = bone_table(skeleton, joints)
    assert set(table.names) == set(skeleton.joint_names)
    rest = rest_pose(table, motion_of(joints, skeleton=skeleton).bone_lengths)
    assert rest.joints[:, 2].min() == pytest.approx(0)
    np.testing.assert_allclose(rest.joints[skeleton.mirror] * [-1, 1, 1], rest.joints, atol=1e-9)
    pose = solve_pose(joints, rest, FPS)
    assert np.abs(forward_kinematics(pose, rest) - joints).max() < 1e-9


def test_a_tree_without_axes_or_pairs_is_reproduced():
    skeleton = tree("stick", (("a", None), ("b", "a"), ("c", "b"), ("d", "a")))
    joints = np.cumsum(np.random.default_rng(0).normal(size=(1, 4, 3)), 1)
    joints = np.einsum(
        "tij,tkj->tki", turn(Y, np.linspace(0, 2, 15)) @ turn(Z, np.linspace(0, 5, 15)), np.repeat(joints, 15, 0)
    )
    rest = rest_pose(bone_table(skeleton, joints), motion_of(joints, skeleton=skeleton).bone_lengths)
    assert np.abs(forward_kinematics(solve_pose(joints, rest, FPS), rest) - joints).max() < 1e-9


def test_what_cannot_be_a_rig_is_refused_in_words(rest):
    with pytest.raises(RigError, match="'l_hip' to 'l_knee'"):
        rest_pose(rest.table, np.where(np.arange(17) == HUMAN17.index("l_knee"), 0, bone_lengths()))
    joints = walking(5)
    joints[3, HUMAN17.index("head_top"), 1] = np.nan
    with pytest.raises(RigError, match="'head_top' has no position in frame 3"):
        solve(joints, rest)
    with pytest.raises(RigError, match="17"):
        solve(joints[:, :16], rest)
    with pytest.raises(RigError, match="give the motion"):
        bone_table(dog_skeleton())
    two = tree("two", (("a", None), ("b", None)))
    with pytest.raises(RigError, match="2 roots"):
        bone_table(two, np.zeros((1, 2, 3)))
