# SPDX-License-Identifier: GPL-3.0-or-later
"""Palms that turn: lifted from hand points, on the armature, and on rigs that take the motion."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hands import SIDES, WHOLE, offering, seen_hands, spread_arms
from motions import HUMAN17, SQUARE_PIXELS, bone_lengths, look_at, motion_of
from rigs import FAMILIES, human_rig, rig_of

from poselift.core.errors import ReadError
from poselift.core.layouts.tables import BODY_25, MEDIAPIPE_33
from poselift.core.motion.hands import has_hands, lift_hands
from poselift.core.rig.bones import bone_table
from poselift.core.rig.mapping import auto_map
from poselift.core.rig.motion_file import read_motion
from poselift.core.rig.performance import performance_of_motion
from poselift.core.rig.rest import rest_pose
from poselift.core.rig.rotations import deformations, forward_kinematics, solve_pose
from poselift.core.rig.transfer import forward, transfer
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN23

EXTRA = HUMAN23.joint_names[len(HUMAN17) :]
VIEWS = {"front": (0.3, -4.5, 1.4), "between": (3.0, -3.4, 1.5), "side": (4.5, -0.2, 1.3), "above": (0.5, -3.5, 3.0)}


def up_and_down(frames=90, fps=30):
    """Turns (T,) of palms that go from facing down to facing up and back, twice in three seconds."""
    return np.radians(90 - 85 * np.cos(2 * np.pi * np.arange(frames) / fps / 1.5))


def palms(knuckles, joints):
    """Where palms face, by side (T, 3), of knuckles (T, 6, 3) and the body's joints (T, 17, 3)."""
    found = {}
    for side, sign in SIDES:
        middle, index, pinky = (knuckles[:, EXTRA.index(f"{side}_{part}")] for part in ("hand", "index", "pinky"))
        normal = sign * np.cross(middle - joints[:, HUMAN17.index(f"{side}_wrist")], index - pinky)
        found[side] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    return found


def angles(a, b):
    """Degrees between unit vectors (T, 3)."""
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def lifted(joints, axes, view, **how):
    """Knuckles (T, 6, 3), world, as they are lifted from what a camera sees."""
    rotation, translation = look_at(VIEWS[view])
    track = seen_hands(joints, axes, SQUARE_PIXELS, rotation, translation, fps=Fraction(30), **how)
    knuckles = lift_hands(track, joints @ rotation.T + translation, bone_lengths(), SQUARE_PIXELS, 30.0)
    return (knuckles - translation) @ rotation


def handed_motion(turns, noise=0.0):
    """A motion whose palms turn, with its hands lifted from a view, and the axes that they have in truth."""
    joints, axes = offering(turns)
    return replace(motion_of(joints), hands=lifted(joints, axes, "between", noise=noise)), axes


@pytest.mark.parametrize("layout", [WHOLE, MEDIAPIPE_33], ids=lambda layout: layout.name)
@pytest.mark.parametrize("pose", [offering, lambda turns: offering(turns, 0.6), spread_arms], ids=["ahead", "apart", "spread"])
@pytest.mark.parametrize("view", VIEWS)
def test_palms_face_where_they_do_and_turn_without_jumps(layout, pose, view):
    for turns in (up_and_down(), np.full(30, 0.1), np.full(30, np.pi - 0.1), np.full(30, np.pi / 2)):
        joints, axes = pose(turns)
        found = palms(lifted(joints, axes, view, layout=layout, noise=1.5), joints)
        for side, _ in SIDES:
            off = angles(found[side], axes[side][..., 2])
            assert np.median(off) < 15
            assert off.max() < 60
            assert angles(found[side][1:], found[side][:-1]).max() < 30


@pytest.mark.parametrize(("bent", "view"), [(0.0, "front"), (0.4, "side"), (2.0, "side")])  # flat and edge-on none is told
@pytest.mark.parametrize("size", [0.85, 1.15])
def test_hands_of_other_sizes_flat_or_bent_are_told_too(bent, view, size):
    joints, axes = offering(up_and_down(45))
    found = palms(lifted(joints, axes, view, noise=1.0, bent=bent, size=size), joints)
    for side, _ in SIDES:
        assert np.median(angles(found[side], axes[side][..., 2])) < 20


def test_unseen_hands_are_left_out_and_hidden_ones_go_on():
    joints, axes = offering(up_and_down())
    rotation, translation = look_at(VIEWS["between"])
    track = seen_hands(joints, axes, SQUARE_PIXELS, rotation, translation)
    keypoints = track.keypoints.copy()
    right = [i for i, name in enumerate(WHOLE.joint_names) if name.startswith("r_hand_")]
    left = [i for i, name in enumerate(WHOLE.joint_names) if name.startswith("l_hand_")]
    keypoints[:, right] = np.nan
    keypoints[30:40, left] = np.nan
    in_camera = joints @ rotation.T + translation
    knuckles = lift_hands(track.replace(keypoints=keypoints), in_camera, bone_lengths(), SQUARE_PIXELS, 30.0)
    seen = np.isfinite(knuckles).all(-1)
    assert not seen[:, [EXTRA.index(f"r_{part}") for part in ("hand", "index", "pinky")]].any()
    assert (seen[:, EXTRA.index("l_index")] == ~((np.arange(90) >= 30) & (np.arange(90) < 40))).all()
    motion = replace(motion_of(joints), hands=(knuckles - translation) @ rotation)
    skeleton, every, lengths = motion.body
    table = bone_table(skeleton, every)
    assert "hand.L" in table.names
    assert "hand.R" not in table.names
    assert np.isfinite(solve_pose(every, rest_pose(table, lengths), 30.0).rotations).all()
    keypoints[:, left] = np.nan
    assert lift_hands(track.replace(keypoints=keypoints), in_camera, bone_lengths(), SQUARE_PIXELS, 30.0) is None
    bare = track.replace(keypoints=track.keypoints[:, : len(BODY_25)], scores=track.scores[:, : len(BODY_25)], skeleton=BODY_25)
    assert not has_hands(bare)
    assert lift_hands(bare, in_camera, bone_lengths(), SQUARE_PIXELS, 30.0) is None


@pytest.mark.parametrize("turns", [up_and_down(), np.full(20, np.pi - 0.05), np.full(20, 0.05)], ids=["turning", "up", "down"])
def test_the_armatures_hands_face_as_seen_and_forearms_take_half_of_the_turn(turns):
    motion, axes = handed_motion(turns)
    skeleton, joints, lengths = motion.body
    assert skeleton is HUMAN23
    rest = rest_pose(bone_table(skeleton, joints), lengths)
    pose = solve_pose(joints, rest, 30.0)
    exact = forward_kinematics(pose, rest)[:, : len(HUMAN17)]
    assert np.abs(exact - joints[:, : len(HUMAN17)]).max() < 1e-9
    turned = deformations(pose, rest)
    bare = rest_pose(bone_table(HUMAN17), motion.bone_lengths)
    still = deformations(solve_pose(motion.joints_world, bare, 30.0), bare)
    for side, _ in SIDES:
        hand, forearm = (turned[:, rest.table.index(f"{part}.{side.upper()}")] for part in ("hand", "forearm"))
        assert angles(hand @ np.array([0, 0, -1.0]), axes[side][..., 2]).max() < 15
        palm = still[:, bare.table.index(f"forearm.{side.upper()}")] @ np.array([0, 0, -1.0])
        whole, half = angles(palm, axes[side][..., 2]), angles(palm, forearm @ np.array([0, 0, -1.0]))
        np.testing.assert_allclose(half, 0.5 * whole, atol=12)


def fingered(rig, palm_turn=0.0):
    """A rig with an index and a pinky bone on each hand; palms turned at rest by an angle about the hands, the thumb up."""
    rows = [(rig.names[i], rig.names[p] if p >= 0 else None, rig.heads[i], rig.tails[i]) for i, p in enumerate(rig.parents)]
    for side, sign in (("l", 1), ("r", -1)):
        hand = rig.index(f"hand_{side}")
        along = rig.tails[hand] - rig.heads[hand]
        along /= np.linalg.norm(along)
        turn = matrix_from_axis_angle(along, np.array(-sign * palm_turn))
        for finger, aside in (("index", 0.025), ("pinky", -0.03)):
            at = rig.heads[hand] + 0.085 * along + turn @ np.array([0, -aside, 0])
            rows.append((f"{finger}_01_{side}", f"hand_{side}", at, at + 0.03 * along))
    return rig_of(rows, rolls=4)


@pytest.mark.parametrize("palm_turn", [0.0, np.pi / 2])
@pytest.mark.parametrize("arms", [0.0, 45.0])
def test_a_rig_that_takes_the_motion_turns_its_palms_alike(palm_turn, arms):
    motion, axes = handed_motion(up_and_down())
    rig = fingered(human_rig(FAMILIES["unreal"], arms=arms, size=1.1), palm_turn)
    moved = transfer(performance_of_motion(motion), rig, auto_map(rig))
    poses = forward(rig, moved.rotations, {moved.hips: moved.location}, len(motion))
    for side, sign in SIDES:
        hand, index, pinky = (poses[f"{part}_{side}"][:, :3, 3] for part in ("hand", "index_01", "pinky_01"))
        normal = sign * np.cross(0.5 * (index + pinky) - hand, index - pinky)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        assert angles(normal, axes[side][..., 2]).max() < 20
        assert angles(normal[1:], normal[:-1]).max() < 30


@pytest.mark.parametrize("pose", ["T", "A"])
def test_hands_in_blender_face_as_seen_in_either_rest_pose_and_on_a_character(bpy, pose):
    from rigs import armature_of_rig

    from poselift.scene import build
    from poselift.scene.retarget import performance_of_armature, retarget

    bpy.context.scene.render.fps = 30
    motion, axes = handed_motion(up_and_down(40))
    source = build.apply(motion, build.BuildSettings(rest=pose)).armature
    target = armature_of_rig(bpy, fingered(human_rig(FAMILIES["unreal"], arms=30.0), np.pi / 2))
    retarget(performance_of_armature(source), target)
    for frame in (1, 12, 23, 34):
        bpy.context.scene.frame_set(frame)
        for side, sign in SIDES:
            hand = source.pose.bones[f"hand.{side.upper()}"].matrix.to_3x3()
            at_rest = source.data.bones[f"hand.{side.upper()}"].matrix_local.to_3x3()
            lowered = np.radians(45.0 * (pose == "A")) * sign
            down = np.array([-np.sin(lowered), 0, -np.cos(lowered)])
            palm = np.array(hand @ at_rest.inverted()) @ down
            assert angles(palm, axes[side][frame - 1, :, 2]) < 15
            at = [np.array(target.pose.bones[f"{part}_{side}"].head) for part in ("hand", "index_01", "pinky_01")]
            normal = sign * np.cross(0.5 * (at[1] + at[2]) - at[0], at[1] - at[2])
            assert angles(normal / np.linalg.norm(normal), axes[side][frame - 1, :, 2]) < 20


def test_hands_are_kept_in_the_motion_file(tmp_path):
    motion, _ = handed_motion(up_and_down(20))
    path = tmp_path / "palms.npz"
    motion.save(path)
    read = read_motion(path)
    assert read.skeleton is HUMAN23
    np.testing.assert_allclose(read.joints, motion.body[1])
    assert "hand.L" in read.performance().turns
    np.savez(path, **{**motion.arrays(), "hands": motion.hands[:5]})
    with pytest.raises(ReadError, match="hands"):
        read_motion(path)


def test_a_lift_of_keypoints_with_hands_turns_the_palms():
    pytest.importorskip("torch")
    from poselift.core.pipeline import LiftSettings, lift

    joints, axes = offering(up_and_down(60), 0.4)
    rotation, translation = look_at(VIEWS["between"])
    track = seen_hands(joints, axes, SQUARE_PIXELS, rotation, translation, noise=0.5, fps=Fraction(30))
    motion = lift(track, LiftSettings(intrinsics=SQUARE_PIXELS))
    found = palms(motion.hands, motion.joints_world)
    for side, _ in SIDES:
        rises = found[side][:, 2]
        assert np.corrcoef(rises, axes[side][:, 2, 2])[0, 1] > 0.9
        assert rises.min() < -0.5
        assert rises.max() > 0.5
    plain = lift(track.replace(keypoints=track.keypoints[:, :17], scores=track.scores[:, :17], skeleton=_coco()))
    assert not len(plain.hands)


def _coco():
    from poselift.core.layouts.tables import COCO_17

    return COCO_17
