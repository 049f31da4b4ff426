# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that turn: lifted from toes and heels, on the armature, and on rigs that take the motion."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from make_clip import body_points, camera, true_keypoints
from motions import motion_of
from moving_cameras import LENS, moving_camera
from rigs import FAMILIES, human_rig
from walking_figure import animate

from poselift.core.camera import project
from poselift.core.errors import ReadError
from poselift.core.layouts.tables import BODY_25, COCO_17, HALPE_26, MEDIAPIPE_33
from poselift.core.motion.feet import lift_feet
from poselift.core.rig.bones import bone_table
from poselift.core.rig.mapping import auto_map
from poselift.core.rig.motion_file import read_motion
from poselift.core.rig.performance import performance_of_motion
from poselift.core.rig.rest import rest_pose
from poselift.core.rig.rotations import forward_kinematics, solve_pose
from poselift.core.rig.transfer import forward, transfer
from poselift.core.skeleton import HUMAN17, HUMAN21, HUMAN27
from poselift.core.track import KeypointTrack

CAMERA, ROTATION, TRANSLATION = camera()
FLOOR = ROTATION[:, 2], float(ROTATION[:, 2] @ TRANSLATION)
ANKLES = [HUMAN17.index(f"{side}_ankle") for side in "lr"]
FPS = 30


class Walk:
    """The sample's figure over ten seconds: what is true of it, and what a detector sees."""

    def __init__(self, fps=FPS):
        self.fps = fps
        self.joints, extras = animate(10 * fps, fps)
        self.points = body_points(self.joints, extras)
        toes = [0.5 * (self.points[f"{side}_big_toe"] + self.points[f"{side}_small_toe"]) for side in "lr"]
        self.feet = np.stack([*toes, self.points["l_heel"], self.points["r_heel"]], 1)
        self.lengths = np.zeros(len(HUMAN17))
        for parent, child in HUMAN17.edges:
            self.lengths[child] = np.linalg.norm(self.joints[0, child] - self.joints[0, parent])
        self.in_camera = self.joints @ ROTATION.T + TRANSLATION
        speed = np.linalg.norm(np.gradient(self.joints[:, ANKLES], axis=0), axis=-1) * fps
        self.contacts = (speed < 0.15) & (self.joints[:, ANKLES, 2] < 0.12)

    def track(self, layout=BODY_25, noise=2.0, hide=()):
        """What a detector sees. hide: (name, frames) that it does not."""
        pixels = true_keypoints(self.points, layout)
        pixels += noise * np.random.default_rng(0).normal(size=pixels.shape)
        for name, frames in hide:
            pixels[frames, layout.index(name)] = np.nan
        scores = np.isfinite(pixels).all(-1).astype(float)
        return KeypointTrack(
            pixels, scores, layout, fps=Fraction(self.fps), image_size=(CAMERA.width, CAMERA.height), intrinsics=CAMERA
        )

    def lifted(self, floor=FLOOR, **how):
        """Toes and heels (T, 4, 3), world, as they are lifted onto the true legs."""
        contacts = self.contacts if floor[1] is not None else np.zeros_like(self.contacts)
        found = lift_feet(self.track(**how), self.in_camera, self.lengths, CAMERA, float(self.fps), floor, contacts)
        return None if found is None else (found - TRANSLATION) @ ROTATION

    def motion(self, **how):
        """The figure's true motion with its feet as lifted."""
        return replace(motion_of(self.joints), feet=self.lifted(**how))


@pytest.fixture(scope="module")
def walk():
    return Walk()


def pointing(feet):
    """Unit vectors (T, 2, 3) from heels to toes."""
    along = feet[:, :2] - feet[:, 2:]
    return along / np.linalg.norm(along, axis=-1, keepdims=True)


def angles(a, b):
    """Degrees between unit vectors."""
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def assert_feet_lie_right(walk, feet, median, most):
    off = angles(pointing(feet), pointing(walk.feet))
    assert np.median(off) < median
    assert np.percentile(off, 95) < most
    assert off.max() < 45
    assert feet[..., 2].min() > -1e-6
    assert angles(pointing(feet)[1:], pointing(feet)[:-1]).max() < 30 * 30 / walk.fps


@pytest.mark.parametrize("layout", [BODY_25, HALPE_26, MEDIAPIPE_33], ids=lambda layout: layout.name)
def test_feet_point_where_they_do_above_the_floor_and_without_jumps(walk, layout):
    feet = walk.lifted(layout=layout)
    inwards = 5 * (layout is MEDIAPIPE_33)  # its one toe is the big one
    assert_feet_lie_right(walk, feet, 3 + inwards, 12 + inwards)
    away = np.linalg.norm(feet[:, :2] - walk.feet[:, :2], axis=-1)
    assert (away < np.linalg.norm(feet[:, :2] - walk.feet[:, [1, 0]], axis=-1)).mean() > 0.99
    lengths = np.linalg.norm(feet - np.tile(walk.joints[:, ANKLES], (1, 2, 1)), axis=-1)
    assert np.ptp(lengths[:, :2]) < 1e-9 and np.ptp(lengths[:, 2:]) < 1e-9


def test_faster_clips_and_those_without_a_floor_are_told_too(walk):
    fast = Walk(60)
    assert_feet_lie_right(fast, fast.lifted(), 3, 12)
    off = angles(pointing(walk.lifted(floor=(FLOOR[0], None))), pointing(walk.feet))
    assert np.median(off) < 8
    assert np.percentile(off, 95) < 25


def test_a_moving_camera_that_is_known_tells_as_much(walk):
    view = moving_camera(len(walk.joints))
    world = np.stack([walk.points[name] for name in BODY_25.joint_names], 1)
    pixels = project(view.to_camera(world), LENS) + 1.5 * np.random.default_rng(0).normal(size=(*world.shape[:2], 2))
    track = KeypointTrack(pixels, np.ones(pixels.shape[:2]), BODY_25, fps=Fraction(FPS), image_size=(LENS.width, LENS.height))
    floor = np.array([0.0, 0.0, 1.0]), 0.0
    feet = lift_feet(track, walk.joints, walk.lengths, LENS, float(FPS), floor, walk.contacts, view=view)
    assert_feet_lie_right(walk, feet, 4, 15)


def test_a_standing_foot_does_not_turn_and_toes_stay_while_the_heel_comes_up(walk):
    feet = walk.lifted()
    along = pointing(feet)
    turned = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(along[..., 1], along[..., 0]), axis=0), axis=0)))
    stays = walk.contacts[1:] & walk.contacts[:-1]
    assert np.median(turned[stays]) < 0.5
    assert np.percentile(turned[stays], 95) < 3
    true_speed = np.linalg.norm(np.gradient(walk.feet[:, :2], axis=0), axis=-1) * FPS
    rising = (walk.feet[:, 2:, 2] > 0.06) & (walk.feet[:, :2, 2] < 0.05) & (true_speed < 0.2)
    assert rising.sum() > 20
    speed = np.linalg.norm(np.gradient(feet[:, :2], axis=0), axis=-1) * FPS
    assert np.median(speed[rising]) < 0.2
    assert np.median(feet[:, :2, 2][rising]) < 0.05
    assert np.median(feet[:, 2:, 2][rising]) > 0.05


def test_what_is_hidden_for_a_while_goes_on_and_a_foot_that_never_shows_is_left_out(walk):
    gone = slice(100, 115)
    feet = walk.lifted(hide=[(f"l_{part}", gone) for part in ("big_toe", "small_toe", "heel")])
    assert np.isfinite(feet).all()
    assert angles(pointing(feet), pointing(walk.feet))[gone].max() < 40
    hidden = [(f"r_{part}", slice(None)) for part in ("big_toe", "small_toe", "heel")]
    motion = walk.motion(hide=hidden)
    assert np.isfinite(motion.feet[:, [0, 2]]).all() and np.isnan(motion.feet[:, [1, 3]]).all()
    skeleton, joints, lengths = motion.body
    table = bone_table(skeleton, joints)
    assert "foot.L" in table.names and "foot.R" not in table.names
    assert np.isfinite(solve_pose(joints, rest_pose(table, lengths), 30.0).rotations).all()
    assert walk.lifted(hide=[*hidden, *((f"l_{name[2:]}", frames) for name, frames in hidden)]) is None
    assert walk.lifted(layout=COCO_17) is None


def test_toes_alone_turn_feet_as_well(walk):
    feet = walk.lifted(hide=[(f"{side}_heel", slice(None)) for side in "lr"])
    assert np.median(angles(pointing(feet), pointing(walk.feet))) < 10


def test_the_armatures_feet_lie_where_they_were_lifted(walk):
    motion = walk.motion()
    skeleton, joints, lengths = motion.body
    assert skeleton is HUMAN21
    rest = rest_pose(bone_table(skeleton, joints), lengths)
    posed = forward_kinematics(solve_pose(joints, rest, 30.0), rest)
    assert np.abs(posed[:, :19] - joints[:, :19]).max() < 1e-6  # body and toes exactly
    assert np.percentile(np.linalg.norm(posed[:, 19:] - joints[:, 19:], axis=-1), 95) < 0.01  # heels, by the twist
    flat = rest.joints[[skeleton.index(f"{side}_{part}") for side in "lr" for part in ("toe", "heel")], 2]
    assert np.ptp(flat) < 0.01


def test_a_rig_that_takes_the_motion_points_its_feet_alike(walk):
    motion = walk.motion()
    rig = human_rig(FAMILIES["unreal"], arms=45.0, size=1.1)
    moved = transfer(performance_of_motion(motion), rig, auto_map(rig))
    poses = forward(rig, moved.rotations, {moved.hips: moved.location}, len(motion))
    for foot, side in enumerate("lr"):
        along = poses[f"ball_{side}"][:, :2, 3] - poses[f"foot_{side}"][:, :2, 3]
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        level = pointing(walk.feet)[:, foot, :2]
        steep = np.linalg.norm(level, axis=-1) < 0.7
        off = angles(along, level / np.linalg.norm(level, axis=-1, keepdims=True))[~steep]
        assert np.median(off) < 6
        assert np.percentile(off, 95) < 20


def test_a_rigs_toes_stay_level_while_the_heel_comes_up(walk):
    motion = walk.motion()
    rig = human_rig(FAMILIES["unreal"], size=1.1)
    bones = auto_map(rig)
    moved = transfer(performance_of_motion(motion), rig, bones)
    for side in "LR":
        at = rig.index(bones.bones[f"toe.{side}"])
        ahead = (rig.tails[at] - rig.heads[at]) * (1, 1, 0)
        ahead /= np.linalg.norm(ahead)
        rising = moved.turns[f"foot.{side}"] @ ahead
        toes = moved.turns[f"toe.{side}"] @ ahead
        low = moved.joints[f"toe.{side}"][:, 2] < rig.heads[at, 2] + 0.01
        steep = low & (rising[:, 2] < -0.25)
        assert steep.sum() > 5
        assert np.abs(toes[steep, 2]).max() < 0.1
        flat = rising[:, 2] > 0
        np.testing.assert_allclose(toes[flat], rising[flat])
        assert angles(toes[1:], toes[:-1]).max() < 30


def test_feet_are_kept_in_the_motion_file_with_and_without_hands(walk, tmp_path):
    motion = walk.motion()
    path = tmp_path / "feet.npz"
    motion.save(path)
    read = read_motion(path)
    assert read.skeleton is HUMAN21
    np.testing.assert_allclose(read.joints, motion.body[1])
    assert {"foot.L", "foot.R"} <= set(read.performance().turns)
    wrists = walk.joints[:, [HUMAN17.index(f"{side}_wrist") for side in "lr"] * 3]
    both = replace(motion, hands=wrists + np.repeat([(0, 0, -0.09), (0, -0.03, -0.09), (0, 0.03, -0.08)], 2, 0))
    both.save(path)
    read = read_motion(path)
    assert read.skeleton is HUMAN27
    assert {"foot.L", "hand.R"} <= set(read.performance().turns)
    np.savez(path, **{**motion.arrays(), "feet": motion.feet[:5]})
    with pytest.raises(ReadError, match="feet"):
        read_motion(path)


def test_from_keypoints_to_blender_the_feet_point_where_they_do(bpy, walk):
    pytest.importorskip("torch")
    from poselift.core.pipeline import LiftSettings, lift
    from poselift.scene import build

    motion = lift(walk.track(), LiftSettings(intrinsics=CAMERA))
    body = lift(walk.track(layout=COCO_17), LiftSettings(intrinsics=CAMERA))
    assert not len(body.feet) and body.body[0].joint_names == HUMAN17.joint_names
    in_camera = np.einsum("tij,tkj->tki", motion.camera_rotation, motion.feet)
    seen = walk.feet @ ROTATION.T
    off = angles(pointing(in_camera), pointing(seen))
    assert np.median(off) < 8
    assert np.percentile(off, 95) < 25
    assert motion.feet[..., 2].min() > -1e-6
    built = build.apply(motion)
    bones = built.armature.pose.bones
    for frame in (1, 60, 120, 180, 240):
        bpy.context.scene.frame_set(frame)
        for foot, side in enumerate("LR"):
            tail = np.array(built.armature.matrix_world @ bones[f"foot.{side}"].tail)
            assert np.linalg.norm(tail - motion.feet[frame - 1, foot]) < 1e-4


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_clips_of_few_frames_have_feet_too(walk, frames):
    part = walk.track()
    part = part.replace(keypoints=part.keypoints[:frames], scores=part.scores[:frames])
    feet = lift_feet(part, walk.in_camera[:frames], walk.lengths, CAMERA, 30.0, FLOOR, walk.contacts[:frames])
    assert np.median(angles(pointing((feet - TRANSLATION) @ ROTATION), pointing(walk.feet[:frames]))) < 10
