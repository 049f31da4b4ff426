# SPDX-License-Identifier: GPL-3.0-or-later
"""Another skeleton than the human's: a four-legged creature from generated tracks to Blender's armature."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from creature import MOTIONS, make_clip, write_archive, write_tracks
from four_legs import CREATURE, Individual, body_length
from motions import motion_of

from poselift.core.camera import project
from poselift.core.errors import SkeletonError
from poselift.core.layouts import to_canonical
from poselift.core.lifter.anatomy import body_frame, hinge_evidence
from poselift.core.metrics import p_mpjpe
from poselift.core.motion import bones, world
from poselift.core.readers import read
from poselift.core.report import Report
from poselift.core.rig.bones import bone_table
from poselift.core.rig.rest import rest_pose
from poselift.core.rig.rotations import forward_kinematics, solve_pose
from poselift.core.skeleton import HUMAN17, Skeleton, usual_height

FPS = 30.0
SKELETON_FILE = Path(__file__).parent.parent / "samples" / "creature.json"
FEET = [CREATURE.index(name) for name in CREATURE.stature.feet]


def at(name):
    return CREATURE.index(name)


def angle(a, b):
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def lengths_of(joints):
    lengths = np.zeros(len(CREATURE))
    for parent, child in CREATURE.edges:
        lengths[child] = np.linalg.norm(joints[0, child] - joints[0, parent])
    return lengths


@pytest.fixture(scope="module")
def clips():
    """One clip of each motion."""
    return {motion: make_clip(number, seed=3, motion=motion) for number, motion in enumerate(MOTIONS)}


@pytest.fixture(scope="module")
def many():
    """Joints of four individuals in each motion."""
    return {m: np.concatenate([make_clip(i, 4, m, seconds=4).joints for i in range(4)]) for m in MOTIONS}


def test_a_clip_is_made_from_its_number_and_seed_alone(clips):
    again = make_clip(0, seed=3, motion=MOTIONS[0])
    assert np.array_equal(again.joints, clips[MOTIONS[0]].joints)
    assert np.array_equal(again.track.keypoints, clips[MOTIONS[0]].track.keypoints)
    other = make_clip(0, seed=4, motion=MOTIONS[0])
    assert np.abs(lengths_of(other.joints) - lengths_of(again.joints)).max() > 0.01
    assert np.abs(other.rotation - again.rotation).max() > 0.01
    noisy = make_clip(0, 3, MOTIONS[0], noise=0.01, missing=0.2)
    assert np.array_equal(noisy.joints, again.joints)
    assert 0.1 < 1 - noisy.track.observed.mean() < 0.3
    off = np.linalg.norm(noisy.track.keypoints - again.track.keypoints, axis=-1)
    size = np.linalg.norm(np.ptp(again.track.keypoints, axis=1), axis=-1)
    assert np.nanmean(off / size[:, None]) == pytest.approx(0.01 * np.sqrt(np.pi / 2), rel=0.1)


def test_individuals_differ_by_a_tenth_and_are_symmetric():
    rng = np.random.default_rng(0)
    animals = [Individual.random(rng) for _ in range(200)]
    stretch = np.stack([a.stretch for a in animals])
    assert 0.9 <= stretch.min() < 0.91 and 1.09 < stretch.max() <= 1.1
    assert np.array_equal(stretch, stretch[:, CREATURE.mirror])
    assert animals[0].body_length == pytest.approx(sum(animals[0].length(n) for n in ("withers", "spine", "tail_base")))


@pytest.mark.parametrize("motion", MOTIONS)
def test_bones_stay_as_long_as_they_are_and_motion_is_smooth_and_on_the_ground(clips, motion):
    clip = clips[motion]
    for parent, child in CREATURE.edges:
        assert np.ptp(np.linalg.norm(clip.joints[:, child] - clip.joints[:, parent], axis=-1)) < 1e-9
    assert body_length(clip.joints) == pytest.approx(
        lengths_of(clip.joints)[[at("spine"), at("withers"), at("tail_base")]].sum()
    )
    acceleration = np.linalg.norm(np.diff(clip.joints, n=2, axis=0), axis=-1) * FPS**2
    assert acceleration.max() < 300 and np.percentile(acceleration, 99) < 100
    assert clip.joints[:, FEET, 2].min() > -0.03 and clip.joints[..., 2].min() > -0.06
    lowest = clip.joints[:, FEET, 2].min(1)
    assert np.percentile(lowest, 30) < 0.04
    assert np.abs(project(clip.joints_camera, clip.track.intrinsics) - clip.track.keypoints).max() < 1e-9
    assert (clip.track.keypoints >= 0).all() and (clip.track.keypoints <= clip.track.image_size).all()


def test_paws_stand_still_while_they_carry(clips):
    for motion in ("walk", "trot"):
        paws = clips[motion].joints[:, FEET]
        speed = np.linalg.norm(np.gradient(paws, axis=0), axis=-1) * FPS
        travel = np.median(np.linalg.norm(np.gradient(clips[motion].joints[:, 0], axis=0), axis=-1)) * FPS
        low = paws[..., 2] < paws[..., 2].min() + 0.004
        assert low.mean() > 0.3 and np.median(speed[low]) < 0.2 * travel


def test_hinges_tell_a_creature_from_its_mirror_image(many):
    for motion, joints in many.items():
        evidence = hinge_evidence(joints, CREATURE)
        assert (evidence > 0).mean() >= 0.97, motion
        turned = joints * [1, -1, 1]  # mirrored in depth, as a lifter may
        assert np.allclose(hinge_evidence(turned, CREATURE), -evidence)
        for hinge in CREATURE.hinges:
            alone = replace(CREATURE, hinges=(hinge,))
            assert (hinge_evidence(joints, alone) > 0).mean() >= 0.9, (motion, hinge.joint)


def test_the_body_frame_of_a_level_spine_is_upright(many):
    joints = many["walk"]
    left, back, up = np.moveaxis(body_frame(joints, CREATURE), -2, 0)
    assert np.median(angle(up, np.array([0, 0, 1.0]))) < 10
    ahead = np.gradient(joints[:100, 0], axis=0)
    assert np.median(angle(-back[:100], ahead / np.linalg.norm(ahead, axis=-1, keepdims=True))) < 20
    assert ((joints[:, at("l_hip")] - joints[:, at("r_hip")]) * left).sum(-1).min() > 0
    determinant = np.linalg.det(body_frame(joints, CREATURE))
    assert np.allclose(determinant, 1)


def test_the_skeleton_file_keeps_what_it_says():
    text = SKELETON_FILE.read_text(encoding="utf-8")
    assert CREATURE.axes.spine == "front" and usual_height(CREATURE) == 0.6
    assert Skeleton.from_dict(json.loads(json.dumps(CREATURE.to_dict()))) == CREATURE
    assert Skeleton.from_dict(json.loads(text)) == CREATURE
    at_rest = Individual(1.0, np.ones(len(CREATURE)))
    bones_at_rest = [at_rest.bone(name) for name in CREATURE.joint_names[1:]]
    assert np.allclose(bones_at_rest, CREATURE.rest[1:])
    with pytest.raises(SkeletonError, match="rest pose"):
        replace(CREATURE, rest=CREATURE.rest[1:])
    assert len(HUMAN17.to_dict()["axes"]) == 3 and len(HUMAN17.to_dict()["stature"]) == 4  # as in files from before


def test_the_height_is_that_of_the_withers(many):
    for joints in (make_clip(i, 5, "sniff", seconds=1).joints for i in range(10)):
        lengths = lengths_of(joints)
        assert bones.stature(lengths, CREATURE) == pytest.approx(joints[:, at("withers"), 2].max(), rel=0.12)


def test_tracks_and_archives_are_read_back(clips, tmp_path):
    chosen = [clips["walk"], clips["sit"]]
    paths = write_tracks(tmp_path / "tracks", chosen)
    for path, clip in zip(paths, chosen, strict=True):
        track = to_canonical(read(path)[0], CREATURE)
        assert track.skeleton == CREATURE and track.fps == 30 and track.intrinsics.fx == clip.track.intrinsics.fx
        assert np.array_equal(track.keypoints, clip.track.keypoints)
    write_archive(tmp_path / "motion.npz", chosen)
    joints = np.concatenate([clip.joints for clip in chosen])
    with np.load(tmp_path / "motion.npz") as data:  # the form of the data folder's archives
        assert np.abs(data["pos"] * data["quant"] + data["root"][:, None] - joints).max() < 3e-4
        assert list(data["start"]) == [0, 150, 300] and list(data["category"]) == ["walk", "sit"]
        assert tuple(data["joint_names"]) == CREATURE.joint_names


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_world_is_level_under_four_feet(clips, motion):
    clip = clips[motion]
    joints, scores = clip.joints_camera, np.ones((len(clip.joints), len(CREATURE)))
    true_up, height = clip.rotation @ [0, 0, 1.0], bones.stature(lengths_of(clip.joints), CREATURE)
    nobody = np.tile(np.eye(3), (len(joints), 1, 1))
    up = world.up_in_camera(joints, scores, nobody, CREATURE)
    assert angle(up, true_up) < 10
    up = world.levelled(joints, scores, up, CREATURE, FPS, height)
    assert angle(up, true_up) < (5 if motion in ("sit", "jump") else 1.5)
    rotation, translation = world.static_camera(joints, scores, true_up, CREATURE, height)
    assert np.abs(((joints - translation) @ rotation)[..., 2] - clip.joints[..., 2]).max() < 0.06
    hidden = scores.copy()
    hidden[:, FEET] = 0
    if motion not in ("sit", "bow"):  # a trunk alone does not say that it is not level
        assert angle(world.up_in_camera(joints, hidden, nobody, CREATURE), true_up) < 12


def test_joints_come_back_from_bones_that_bend_about_their_hinges(clips):
    for motion in ("trot", "sit", "bow"):
        joints = clips[motion].joints
        table = bone_table(CREATURE, joints)
        rest = rest_pose(table, lengths_of(joints))
        assert rest.joints[FEET, 2].min() == pytest.approx(0.04 * bones.stature(lengths_of(joints), CREATURE))
        assert rest.joints[at("withers"), 1] < rest.joints[at("tail_base"), 1] - 0.2  # it faces -Y
        assert rest.joints[at("l_hip"), 0] > 0.02 and rest.joints[at("withers"), 2] > rest.joints[FEET, 2].max() + 0.2
        np.testing.assert_allclose(rest.joints[CREATURE.mirror] * [-1, 1, 1], rest.joints, atol=1e-9)
        pose = solve_pose(joints, rest, FPS)
        assert np.abs(forward_kinematics(pose, rest) - joints).max() < 1e-9
        for name in ("l_hind_paw", "r_hind_paw", "l_carpus", "r_carpus", "l_fore_paw", "r_fore_paw"):
            w, x, y, z = pose.rotations[:, table.index(name)].T
            bent = np.arccos(np.clip(np.abs(w), 0, 1)) > 0.15
            assert not bent.any() or np.median(np.abs(x[bent]) / np.sqrt(x * x + y * y + z * z)[bent]) > 0.9
        for name in ("l_hock", "r_hock", "l_stifle", "r_stifle"):  # hinges at both ends: neither turns them over
            w, _, y, _ = pose.rotations[:, table.index(name)].T
            assert np.abs(2 * np.arctan(y / w)).max() < np.radians(50)


def test_the_rest_pose_does_not_roll_bones_of_one_spine_against_each_other(clips):
    table = bone_table(CREATURE, clips["walk"].joints)
    rest = rest_pose(table, lengths_of(clips["walk"].joints))
    x = [rest.matrices[table.index(name)][:, 0] for name in ("pelvis", "spine", "withers", "head", "snout")]
    assert all(first @ second > 0.9 for first, second in pairwise(x))


def lifter_that_knows(clip, monkeypatch, noise):
    """Put the truth, of no known scale and a little noisy, in the networks' place; return a stand-in for the lifter."""
    torch = pytest.importorskip("torch")
    from poselift.core.lifter import lift_track

    pose = clip.joints_camera - clip.joints_camera[:, :1]
    pose = pose / body_length(pose) + noise * np.random.default_rng(0).normal(size=pose.shape)
    rotation, nothing = np.swapaxes(body_frame(pose, CREATURE), -1, -2), np.zeros(len(pose), bool)

    def answer(track, *_):
        assert track.skeleton == CREATURE  # with mirror pairs and hinges, which the track's file does not have
        return SimpleNamespace(pose=pose, canonical=pose @ rotation, rotation=rotation, flipped=nothing, empty=nothing)

    monkeypatch.setattr(lift_track, "lift_track", answer)
    return SimpleNamespace(device=torch.device("cpu"))


@pytest.mark.parametrize(("motion", "mode"), [("walk", "static"), ("walk", "orbit"), ("bow", "static"), ("sit", "orbit")])
def test_what_a_lifter_says_of_a_creature_is_placed_levelled_and_scaled(clips, monkeypatch, tmp_path, motion, mode):
    from poselift.core import pipeline

    clip = clips[motion]
    lifter = lifter_that_knows(clip, monkeypatch, noise=0.02)
    track = read(write_tracks(tmp_path, [clip])[0])[0]
    run = pipeline._Run(Report(), pipeline.LiftSettings(camera_mode=mode), None)
    lifted = run.solve(run.lift(run.clean(track, CREATURE), lifter))
    assert lifted.report.actor_height == 0.6 and bones.stature(lifted.bone_lengths, CREATURE) == pytest.approx(0.6)
    assert np.median(p_mpjpe(lifted.joints_world, clip.joints)) < 0.03 * body_length(clip.joints)
    size = np.linalg.norm(np.ptp(clip.track.keypoints, axis=1), axis=-1).mean()
    assert lifted.report.reprojection_95 < 0.02 * size
    scale = 0.6 / bones.stature(lengths_of(clip.joints), CREATURE)
    distance = np.linalg.norm(lifted.joints_camera[:, 0], axis=-1) / np.linalg.norm(clip.joints_camera[:, 0], axis=-1)
    assert np.median(distance) == pytest.approx(scale, rel=0.05)
    if mode == "static":
        assert angle(lifted.camera_rotation[0] @ [0, 0, 1.0], clip.rotation @ [0, 0, 1.0]) < 4
        assert np.median(np.abs(lifted.joints_world[..., 2] - scale * clip.joints[..., 2])) < 0.05
    else:
        ahead = lifted.joints_world[:, at("withers")] - lifted.joints_world[:, at("tail_base")]
        assert np.median(angle(ahead / np.linalg.norm(ahead, axis=-1, keepdims=True), np.array([0, -1.0, 0]))) < 10
        lowest = lifted.joints_world[:, FEET, 2].min(1)
        assert np.abs(np.median(lowest)) < (0.06 if motion == "walk" else 0.2)


def test_the_same_commands_train_and_lift_a_creature(bpy, clips, tmp_path, capfd, monkeypatch):
    """A few steps of small networks say little, but every command must take the skeleton, its weights and its tracks."""
    pytest.importorskip("torch")
    from poselift.core.lifter import config
    from poselift.operators.command_line import main

    paper = config.PRESETS["paper"]
    small = replace(
        paper, teacher=replace(paper.teacher, width=64, blocks=1), student=replace(paper.student, channels=16, blocks=1)
    )
    monkeypatch.setitem(config.PRESETS, "paper", small)
    tracks = write_tracks(tmp_path / "tracks", [make_clip(number, 6, seconds=2) for number in range(8)])
    weights = tmp_path / "dog.npz"
    words = ["--skeleton", SKELETON_FILE, "--preset", "paper", "--epochs", "2", "--epoch-samples", "256", "-o", weights, "-q"]
    assert main([str(word) for word in ["train", *tracks, "--device", "cpu", *words]]) == 0
    clip = write_tracks(tmp_path, [clips["trot"]])[0]
    for output in ("dog.blend", "dog.bvh", "dog.motion.npz"):
        words = ["lift", clip, "--weights", weights, "--device", "cpu", "-q", "-o", tmp_path / output]
        assert main([str(word) for word in words]) == 0, capfd.readouterr().err
    with np.load(tmp_path / "dog.motion.npz") as motion:
        assert tuple(motion["joint_names"]) == CREATURE.joint_names and np.isfinite(motion["joints_world"]).all()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "dog.blend"))
    armature = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    assert set(armature.data.bones.keys()) == set(CREATURE.joint_names) and armature.animation_data.action is not None
    assert bpy.context.scene.camera is not None and bpy.context.scene.frame_end == 150


@pytest.mark.parametrize("mode", ["static", "orbit"])
def test_the_armature_is_the_creature_and_lies_on_its_projections(bpy, clips, mode):
    from bpy_extras.object_utils import world_to_camera_view

    from poselift.scene import build

    joints = clips["trot"].joints[:40] - [*clips["trot"].joints[:40, 0, :2].mean(0), 0]
    motion = motion_of(joints, mode=mode, skeleton=CREATURE)
    built = build.apply(motion)
    pixels = project(motion.joints_camera, motion.intrinsics)
    scene, width, height = bpy.context.scene, motion.intrinsics.width, motion.intrinsics.height
    table = bone_table(CREATURE, joints)
    assert {bone.name for bone in built.armature.data.bones} == set(CREATURE.joint_names)
    assert bpy.utils.flip_name("l_hock") == "r_hock"  # Blender mirrors poses by these names
    for t in range(0, len(joints), 7):
        scene.frame_set(1 + t)
        armature = built.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for bone in table.bones:
            joint = at(bone.tail or bone.head)
            posed = armature.pose.bones[bone.name]
            place = armature.matrix_world @ (posed.tail if bone.tail else posed.head)
            assert np.linalg.norm(np.array(place) - joints[t, joint]) < 0.001
            x, y, _ = world_to_camera_view(scene, built.camera, place)
            assert np.hypot(x * width - pixels[t, joint, 0], (1 - y) * height - pixels[t, joint, 1]) < 0.5
    assert len(built.body.data.vertices) > 1000 and set(built.body.vertex_groups.keys()) <= set(CREATURE.joint_names)


def test_a_creature_is_written_as_bvh(bpy, clips, tmp_path):
    from poselift.scene import build, export

    built = build.apply(motion_of(clips["sit"].joints[:30], skeleton=CREATURE))
    export.save_bvh(tmp_path / "dog.bvh", built.armature)
    text = (tmp_path / "dog.bvh").read_text(encoding="utf-8")
    assert text.count("JOINT") == 22 and "Frames: 30" in " ".join(text.split())
