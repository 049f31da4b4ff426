# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of lifters: on networks whose errors are known, before cameras as users have them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from motions import dog_joints, dog_skeleton, walking
from walking_figure import animate

from poselift.core.camera import project
from poselift.core.errors import ReadError, SettingsError
from poselift.core.lifter import weights
from poselift.core.lifter.anatomy import body_frame
from poselift.core.lifter.evaluation.cameras import DISTANCE, ELEVATION, LENS, body_unit, draw_view, smooth_path
from poselift.core.lifter.evaluation.clips import Clip, choose_segments, read_clips
from poselift.core.lifter.evaluation.conditions import CONDITIONS, detector, half_body, limbs, missing, noise_levels
from poselift.core.lifter.evaluation.evaluate import FLAT, STUDENT, TEACHER, EvaluationSettings, Subject, evaluate, score
from poselift.core.lifter.evaluation.scores import (
    OVERALL,
    Estimate,
    Sample,
    Score,
    estimate,
    pose_errors,
    torso_joints,
    weighted_mean,
    weighted_median,
)
from poselift.core.lifter.evaluation.table import table
from poselift.core.lifter.inference import Lifted, Lifter
from poselift.core.lifter.lift_track import LiftedTrack, lift_track
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack
from poselift.operators.command_line import main

FPS = Fraction(30)
J = HUMAN17.index
STEP = 0.0005


def archive_arrays(joints, starts, categories, skeleton=HUMAN17):
    """Return a motion-capture archive's arrays."""
    return {
        "pos": np.round((joints - joints[:, :1]) / STEP).astype(np.int16),
        "quant": np.float32(STEP),
        "root": joints[:, 0].astype(np.float32),
        "start": np.array(starts),
        "clip": np.array([f"clip {n}" for n in range(len(categories))]),
        "category": np.array(categories),
        "fps": np.float32(30),
        "joint_names": np.array(skeleton.joint_names),
    }


@pytest.fixture(scope="module")
def figure():
    return animate(300, 30)[0]


@pytest.fixture(scope="module")
def arrays(figure):
    return archive_arrays(figure, [0, 90, 200, 300], ["walk", "walk", "wave"])


@pytest.fixture(scope="module")
def archive(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("mocap") / "figure.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def clips(archive):
    return read_clips(archive, HUMAN17)


@pytest.fixture(scope="module")
def lifter():
    return Lifter(weights.load(weights.find("human17-3d-anchored")), torch.device("cpu"))


def track_of(joints, view, skeleton=HUMAN17):
    keypoints = project(view.camera_axes(joints), view.intrinsics)
    size = (view.intrinsics.width, view.intrinsics.height)
    return KeypointTrack(
        keypoints, np.ones(keypoints.shape[:2]), skeleton, fps=FPS, image_size=size, intrinsics=view.intrinsics
    )


# A lifter that knows the truth, and ways to spoil it.

CANONICAL = matrix_from_axis_angle(np.array([0.6, 0.0, 0.8]), np.array(1.0))
"""The knowing teacher's canonical frame is as arbitrary as any other."""


def knows(case, skeleton=HUMAN17):
    pose = case.truth / 700
    frame = body_frame(pose, skeleton)
    rotation = np.swapaxes(frame, -1, -2) @ CANONICAL
    empty = np.zeros(len(pose), bool)
    look = np.broadcast_to(np.eye(3), (len(pose), 3, 3))
    away = np.full(len(pose), 5.0)
    return LiftedTrack(Lifted(pose, pose @ rotation, rotation), look, pose[..., :2] / 5, away, 5.0, empty, empty)


def spoilt(change):
    """Return a lifter that knows, but for a change of (pose, canonical, rotation) that may depend on the case."""

    def lift_case(case):
        lifted = knows(case)
        pose, canonical, rotation = change(case, lifted.pose, lifted.canonical, lifted.rotation)
        return replace(lifted, lifted=Lifted(pose, canonical, rotation))

    return lift_case


def scores_of(lift_case, clips, settings=None, skeleton=HUMAN17):
    """Return the overall scores under exact keypoints by network."""
    settings = settings or EvaluationSettings(conditions=("exact",))
    found = score(Subject("test", skeleton, 5.0, lift_case, with_flat=True), clips, settings)
    return {s.network: s for s in found if s.category == OVERALL}


def value(scores, network, metric):
    return scores[network].values[metric].value


def test_a_lifter_without_an_answer_is_scored_too(clips):
    scores = scores_of(spoilt(lambda case, pose, canonical, rotation: (0 * pose, 0 * canonical, rotation)), clips)
    for network in (STUDENT, TEACHER):
        assert np.isfinite([v.value for v in scores[network].values.values()]).all()
        assert value(scores, network, "n_mpjpe") == value(scores, network, "torso_mpjpe") > 300


def test_a_perfect_lifter_has_no_errors(clips):
    scores = scores_of(knows, clips)
    assert scores[STUDENT].clips == 3 and scores[STUDENT].frames == 600
    for network in (STUDENT, TEACHER):
        for metric in ("p_mpjpe", "n_mpjpe", "torso_mpjpe", "acceleration", "oracle_p_mpjpe", "oracle_n_mpjpe", "mirrored"):
            assert value(scores, network, metric) < 1e-6, (network, metric)
        assert value(scores, network, "pck") == 1
        assert value(scores, network, "auc") == pytest.approx(30 / 31)
    assert value(scores, STUDENT, "equivariance") < 1e-6 and value(scores, TEACHER, "invariance") < 1e-6
    assert value(scores, TEACHER, "rotation") < 1e-5 and value(scores, TEACHER, "rotation_median") < 1e-5
    assert value(scores, FLAT, "p_mpjpe") > 50 and value(scores, FLAT, "n_mpjpe") > 100
    assert "mirrored" not in scores[FLAT].values


def test_scores_do_not_depend_on_the_scale_of_the_estimates(clips):
    noise = 0.05 * np.random.default_rng(0).normal(size=(110, 17, 3))

    def change(factor):
        return spoilt(lambda case, pose, canonical, rotation: (factor * (pose + noise[: len(pose)]), canonical, rotation))

    one, other = scores_of(change(1.0), clips), scores_of(change(3.0), clips)
    for metric in ("p_mpjpe", "n_mpjpe", "torso_mpjpe", "pck", "auc", "acceleration"):
        assert value(one, STUDENT, metric) == pytest.approx(value(other, STUDENT, metric), rel=1e-9)
    assert 20 < value(one, STUDENT, "p_mpjpe") < 60


def test_a_mirrored_lifter_is_counted_and_the_oracle_forgives_it(clips):
    def twin(case):
        return knows(case).twin()

    scores = scores_of(twin, clips)
    assert value(scores, STUDENT, "mirrored") == value(scores, TEACHER, "mirrored") == 1
    assert value(scores, STUDENT, "p_mpjpe") > 30 and value(scores, TEACHER, "p_mpjpe") > 30
    assert value(scores, STUDENT, "oracle_p_mpjpe") < 1e-6 and value(scores, TEACHER, "oracle_n_mpjpe") < 1e-6

    def half(case):
        return knows(case).twin() if case.track.source.startswith("clip 0") else knows(case)

    assert value(scores_of(half, clips), STUDENT, "mirrored") == pytest.approx(90 / 300)


def test_the_teachers_rotation_is_judged_up_to_one_constant_turn(clips):
    axis = np.array([0.0, 0.0, 1.0])

    def turned(degrees):
        def change(case, pose, canonical, rotation):
            sign = 1 - 2 * (np.arange(len(pose)) % 2)
            turn = matrix_from_axis_angle(np.broadcast_to(axis, (len(pose), 3)), np.radians(degrees * sign))
            return pose, canonical, rotation @ turn

        return spoilt(change)

    scores = scores_of(turned(12.0), clips)
    assert value(scores, TEACHER, "rotation") == pytest.approx(12, abs=0.05)
    assert value(scores, TEACHER, "rotation_median") == pytest.approx(12, abs=0.05)
    constant = spoilt(lambda case, pose, canonical, rotation: (pose, canonical, rotation @ CANONICAL))
    assert value(scores_of(constant, clips), TEACHER, "rotation") < 1e-5


def test_the_constant_turn_is_found_once_and_kept(clips):
    """A frame that turns from one condition to the next is an error, not a convention."""

    def change(case, pose, canonical, rotation):
        seen_all = case.track.observed.all()
        return pose, canonical, rotation if seen_all else rotation @ CANONICAL

    settings = EvaluationSettings(conditions=("exact", "half-body"))
    found = score(Subject("test", HUMAN17, 5.0, spoilt(change)), clips, settings)
    angles = {s.condition: s.values["rotation"].value for s in found if (s.network, s.category) == (TEACHER, OVERALL)}
    assert angles["exact"] < 1e-5
    assert angles["half-body"] == pytest.approx(np.degrees(1.0), abs=1e-3)


def test_two_cameras_tell_invariance_and_equivariance(clips):
    def change(case, pose, canonical, rotation):
        moved, pulled = canonical.copy(), pose.copy()
        if case.track.source.endswith("camera 2"):
            moved[:, J("l_wrist")] += [0.0, 0.17, 0.0]
            pulled[:, J("l_wrist")] += [0.0, 0.0, 0.34]
        return pulled, moved, rotation

    scores = scores_of(spoilt(change), clips)
    unit = value(scores, TEACHER, "invariance") / (0.17 / 17 * 1000)
    assert 0.5 < unit < 0.8  # metres: the walking figure's crown is 0.74 m above the root
    assert value(scores, STUDENT, "equivariance") == pytest.approx(20 * unit)

    def stiff(case, pose, canonical, rotation):  # always the world's axes, whoever looks
        return pose @ case.view.rotation, canonical, rotation

    assert value(scores_of(spoilt(stiff), clips), STUDENT, "equivariance") > 100
    single = scores_of(knows, clips, EvaluationSettings(cameras=1, conditions=("exact",)))
    assert "equivariance" not in single[STUDENT].values and "invariance" not in single[TEACHER].values


def test_acceleration_is_in_metres_per_second_squared(figure):
    truth = 1000 * (figure - figure[:, :1])[:60]
    estimate_ = truth.copy()
    across = np.cross(truth[:, J("r_wrist")], [0.0, 0.0, 1.0])  # so that the best scale stays 1
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    estimate_[::2, J("r_wrist")] += 0.5 * across[::2]  # trembles by half a millimetre: 2 x 0.5 mm x 30^2 a second squared
    found = pose_errors(estimate_, estimate_, truth, HUMAN17, 30.0)["acceleration"]
    assert np.isnan(found[[0, -1]]).all()
    assert np.nanmean(found) == pytest.approx(0.9 / 17, rel=0.01)
    doubled = pose_errors(estimate_, estimate_, truth, HUMAN17, 60.0)["acceleration"]
    assert np.nanmean(doubled) == pytest.approx(4 * np.nanmean(found))


def test_the_torso_is_hips_shoulders_pelvis_and_neck():
    names = {HUMAN17.joint_names[j] for j in torso_joints(HUMAN17)}
    assert names == {"pelvis", "neck_base", "l_hip", "r_hip", "l_shoulder", "r_shoulder"}


# Means and intervals.


def clip_values(count, seed=0, frames=20):
    generator = np.random.default_rng(seed)
    centre = generator.normal(50, 10, count)
    clip = np.repeat(np.arange(count), frames)
    return centre[clip] + generator.normal(size=len(clip)), clip


def test_the_interval_covers_the_clips_not_the_frames_and_shrinks_with_more_clips():
    widths = {}
    for count in (10, 160):
        values, clip = clip_values(count)
        found = estimate(values, clip, weighted_mean, seed=0)
        assert found.value == pytest.approx(values.mean())
        assert found.low < values.mean() < found.high
        widths[count] = found.high - found.low
    assert widths[160] == pytest.approx(2 * 1.96 * 10 / np.sqrt(160), rel=0.25)  # of frames it would be a fourth of this
    assert widths[10] > 2.5 * widths[160]
    again = estimate(*clip_values(10), weighted_mean, seed=0)
    assert again.high - again.low == widths[10]


def test_one_clip_has_no_interval():
    assert estimate(*clip_values(1), weighted_mean, seed=0).low is None


def test_weighted_medians_are_those_of_repeated_clips():
    values, clip = clip_values(7, frames=11)
    counts = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 3, 0, 1, 0, 2, 1]])
    expected = []
    for row in counts:
        drawn = np.sort(np.concatenate([np.tile(values[clip == c], n) for c, n in enumerate(row)]))
        expected.append(drawn[(len(drawn) - 1) // 2])
    assert weighted_median(values, clip, counts).tolist() == expected
    assert weighted_mean(values, clip, counts)[0] == pytest.approx(values.mean())


def test_every_frame_counts_alike_and_missing_values_not_at_all():
    sample = Sample()
    sample.add(4, {"p_mpjpe": np.zeros(30)})
    sample.add(7, {"p_mpjpe": np.ones(10), "acceleration": np.array([np.nan, 2.0, 4.0, np.nan])})
    found = sample.estimates(seed=0)
    assert found["p_mpjpe"].value == pytest.approx(0.25)
    assert (found["p_mpjpe"].low, found["p_mpjpe"].high) == (0.0, 1.0)
    assert found["acceleration"].value == pytest.approx(3.0) and found["acceleration"].low is None
    assert sample.of([7]).estimates(seed=0)["p_mpjpe"].value == 1


def test_categories_are_scored_apart_and_add_up(clips):
    def change(case, pose, canonical, rotation):
        return (0 * pose + [1.0, 2.0, 3.0] if case.clip == 2 else pose), canonical, rotation

    found = score(Subject("test", HUMAN17, 5.0, spoilt(change)), clips, EvaluationSettings(conditions=("exact",)))
    pck = {s.category: s.values["pck"].value for s in found if s.network == STUDENT}
    clips_of = {s.category: s.clips for s in found if s.network == STUDENT}
    assert clips_of == {OVERALL: 3, "walk": 2, "wave": 1}
    assert pck["walk"] == 1 and pck["wave"] < 0.3
    assert pck[OVERALL] == pytest.approx((200 * pck["walk"] + 100 * pck["wave"]) / 300)


# Archives and cameras.


def test_clips_are_read_in_the_world_and_in_time(clips, figure):
    assert [clip.name for clip in clips] == ["clip 0", "clip 1", "clip 2"]
    assert [len(clip.joints) for clip in clips] == [90, 110, 100] and clips[2].fps == 30
    assert np.abs(np.concatenate([clip.joints for clip in clips]) - figure).max() <= STEP


def test_extra_joints_are_read_and_only_frames_that_have_them_are_scored(arrays, tmp_path):
    extra = np.zeros((300, 1, 3), np.int16)
    extra[40:45] = -32768
    names = [name for name in HUMAN17.joint_names if name != "head_top"]
    changed = arrays | {"extra": extra, "extra_names": np.array(["head_top"])}
    changed |= {"joint_names": np.array(names), "pos": np.delete(arrays["pos"], J("head_top"), 1)}
    np.savez(tmp_path / "a.npz", **changed)
    first, *others = read_clips(tmp_path / "a.npz", HUMAN17)
    assert first.pieces() == [slice(0, 40), slice(45, 90)]
    assert [clip.pieces() for clip in others] == [[slice(0, 110)], [slice(0, 100)]]
    assert scores_of(knows, [first, *others])[STUDENT].frames == 2 * 295


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": np.array([0, 90, 200])}, "clip"),
        ({"start": np.array([0, 200, 90, 300])}, "starts"),
        ({"joint_names": np.array([f"joint {n}" for n in range(17)])}, "lacks the joints"),
        ({"category": None}, "category"),
        ({"pos": np.zeros((300, 17), np.int16)}, "pos"),
        ({"root": np.zeros((4, 3))}, "path"),
        ({"fps": np.float32(0)}, "frame rate"),
        ({"start": np.array([0, 2, 4, 6]), "pos": np.zeros((6, 17, 3), np.int16), "root": np.zeros((6, 3))}, "no clip"),
    ],
)
def test_damaged_archives_are_refused_in_one_sentence(arrays, tmp_path, change, words):
    kept = {key: array for key, array in (arrays | change).items() if array is not None}
    np.savez(tmp_path / "bad.npz", **kept)
    with pytest.raises(ReadError, match=words) as caught:
        read_clips(tmp_path / "bad.npz", HUMAN17)
    assert "bad.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_a_smoothed_path_does_not_lag_behind_a_runner():
    straight = np.arange(40)[:, None] / 30 * [3.0, -1.0, 0.0] + [5.0, 0.0, 1.0]
    assert np.abs(smooth_path(straight, 30.0) - straight).max() < 1e-9
    shaking = straight + 0.1 * np.array([[1.0], [-1.0]] * 20)
    assert np.abs(smooth_path(shaking, 30.0) - straight)[5:-5].max() < 0.02
    assert np.array_equal(smooth_path(straight[:1], 30.0), straight[:1])


def test_cameras_are_as_users_have_them(clips):
    seen = {"lens": [], "azimuth": [], "distance": [], "height": []}
    for number in range(60):
        joints = clips[number % 3].joints
        view = draw_view(joints, 0, 30.0, np.random.default_rng([1, number]))
        lens, pose = view.intrinsics, view.camera_axes(joints)
        assert np.allclose(view.rotation @ view.rotation.T, np.eye(3)) and np.linalg.det(view.rotation) > 0
        size = np.array([lens.width, lens.height])
        pixels = project(pose, lens)
        assert (pixels >= 0).all() and (pixels <= size).all()
        offset = np.array([lens.cx, lens.cy]) / size - 0.5
        assert 0 < np.abs(offset).max() <= 0.05
        away = np.linalg.norm(pose[:, 0], axis=-1)
        assert np.ptp(away) < 0.3  # it travels along: the figure walks an oval of 2 m
        place = -view.translation @ view.rotation - joints[:, 0]
        seen["lens"].append(lens.fx * 36 / size.max())
        seen["distance"].append(away.mean())
        seen["azimuth"].append(np.arctan2(*place.mean(0)[:2]))
        seen["height"].append(np.degrees(np.arcsin(place[:, 2] / away)).mean())
    assert LENS[0] - 1e-6 <= min(seen["lens"]) < 28 and 60 < max(seen["lens"]) <= LENS[1]
    assert DISTANCE[0] - 0.2 <= min(seen["distance"]) < 3.5 and 6.5 < max(seen["distance"]) <= DISTANCE[1] + 0.2
    assert ELEVATION[0] - 3 <= min(seen["height"]) < 0 and 30 < max(seen["height"]) <= ELEVATION[1] + 3
    assert (np.histogram(seen["azimuth"], 4, (-np.pi, np.pi))[0] > 5).all()


def test_a_clips_cameras_depend_on_its_seed_alone(clips):
    one, same, other = (draw_view(clips[0].joints, 0, 30.0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.intrinsics == same.intrinsics and np.array_equal(one.translation, same.translation)
    assert one.intrinsics != other.intrinsics


def test_the_body_unit_is_what_the_virtual_camera_sees_of_the_head():
    joints = np.zeros((5, 17, 3))
    joints[:, J("head_top"), 2] = 0.8
    views = [draw_view(joints, 0, 30.0, np.random.default_rng(n), (1e6, 1e6)) for n in range(200)]
    heights = np.array([(-v.translation @ v.rotation)[0, 2] for v in views])
    seen = 0.8 * np.sqrt(1 - (heights / 1e6) ** 2)
    assert seen.min() < 0.65
    assert body_unit([(joints, v) for v in views], 0, J("head_top")) == pytest.approx(seen.mean(), rel=1e-5)


def test_a_step_keeps_runs_of_frames_from_all_over(figure):
    clips = [Clip(f"{n}", "walk", figure[:length], 30.0) for n, length in enumerate((300, 45, 130, 2))]
    assert choose_segments(clips, 1) == [[slice(0, 300)], [slice(0, 45)], [slice(0, 130)], []]
    assert choose_segments(clips, 3) == [[slice(0, 60), slice(180, 240)], [], [slice(0, 60)], []]
    counted = scores_of(knows, clips, EvaluationSettings(step=3, conditions=("exact",)))[STUDENT]
    assert (counted.clips, counted.frames) == (2, 2 * 180) and counted.values["acceleration"].value < 1e-6


# What detectors make of it.


def seen_by(condition, frames=4000, size=1000.0, skeleton=HUMAN17, seed=0):
    truth = np.zeros((frames, len(skeleton), 2)) + 500.0 * np.arange(len(skeleton))[:, None]
    return truth, condition(truth, np.full(frames, size), skeleton, 30.0, np.random.default_rng(seed))


def test_a_detectors_noise_is_of_the_stated_size_and_partly_slow():
    truth, seen = seen_by(detector)
    error = seen - truth
    calm = np.abs(error).max(-1) < 250  # all but swaps
    spread = np.array([error[calm[:, j], j].std() for j in range(17)])
    for name, expected in {"pelvis": 5, "l_hip": 5, "r_shoulder": 5, "l_knee": 7.5, "r_ankle": 10, "l_wrist": 10}.items():
        assert spread[J(name)] == pytest.approx(expected, rel=0.08), name
    pelvis = error[:, J("pelvis")]
    slow = (pelvis[1:] * pelvis[:-1]).mean() / (pelvis**2).mean()
    assert slow == pytest.approx(0.5 * np.exp(-1 / 6), abs=0.06)
    nearer = seen_by(detector, size=500.0)
    assert (nearer[1] - nearer[0])[:, J("pelvis")].std() == pytest.approx(pelvis.std() / 2)


def test_a_detector_sometimes_swaps_limbs_or_sides_in_short_bursts():
    truth, seen = seen_by(detector, frames=30000)
    swapped = np.abs(seen - truth).max(-1) > 250
    frames = swapped.any(1)
    assert 0.01 < frames.mean() < 0.02
    kinds = {tuple(HUMAN17.joint_names[j] for j in np.flatnonzero(row)) for row in swapped[frames]}
    assert {len(kind) for kind in kinds} >= {6, 12}  # arms or legs; both sides entirely
    bursts = np.diff(np.flatnonzero(np.diff(frames.astype(int))))[::2]
    assert 2 < bursts.mean() < 6
    at = np.flatnonzero(swapped[:, J("l_knee")])[0]
    assert np.abs(seen[at, J("l_knee")] - truth[at, J("r_knee")]).max() < 50


def test_a_third_of_the_keypoints_goes_missing_in_runs():
    gone = np.isnan(seen_by(missing, frames=20000)[1][..., 0])
    assert gone.mean() == pytest.approx(0.3, abs=0.02)
    assert (gone[1:] & ~gone[:-1]).sum() / gone.sum() == pytest.approx(1 / 15, rel=0.15)  # a run lasts 15 frames
    both = (gone[:, 2] & gone[:, 9]).mean()
    assert both == pytest.approx(0.09, abs=0.03)  # each joint for itself


def test_half_a_body_has_hips_but_no_legs():
    gone = np.isnan(seen_by(half_body, frames=3)[1]).all((0, 2))
    assert {HUMAN17.joint_names[j] for j in np.flatnonzero(gone)} == {"l_knee", "r_knee", "l_ankle", "r_ankle"}


def test_conditions_know_no_human_but_by_its_skeleton():
    dog = dog_skeleton()
    joints = dog_joints(dog, 40)
    groups = [{dog.joint_names[j] for j in np.flatnonzero(mask)} for mask in limbs(dog)]
    sides = [
        {f"{s}_{part}" for s in "lr" for part in parts} for parts in (("thigh", "stifle", "hock"), ("shoulder", "elbow", "paw"))
    ]
    assert groups == sides
    assert noise_levels(dog)[dog.index("l_paw")] == 10 and noise_levels(dog)[dog.index("nose")] == 5
    clips = [Clip("sit", "dog", joints, 30.0)]
    found = score(Subject("dog", dog, 5.0, lambda case: knows(case, dog)), clips, EvaluationSettings())
    assert [c for c in CONDITIONS if c != "half-body"] == list(dict.fromkeys(s.condition for s in found))
    assert all(s.values["p_mpjpe"].value < 1e-6 for s in found)
    with pytest.raises(SettingsError, match="no feet"):
        score(Subject("dog", dog, 5.0, knows), clips, EvaluationSettings(conditions=("half-body",)))


# The real way of a track.


def test_what_is_scored_is_what_a_lift_gives(clips, lifter):
    view = draw_view(clips[1].joints, 0, 30.0, np.random.default_rng(3))
    track = track_of(clips[1].joints, view)
    motion, lifted = lift(track, LiftSettings(weights=lifter.weights.name)), lift_track(track, lifter, 30.0)
    assert np.allclose(motion.lifted, lifted.pose, atol=1e-6)
    assert np.allclose(motion.teacher_rotation, lifted.rotation, atol=1e-6)
    assert np.allclose(motion.canonical, lifted.canonical, atol=1e-6)
    assert np.allclose(lifted.teacher_pose, lifted.canonical @ np.swapaxes(lifted.rotation, -1, -2))


def test_the_student_reprojects_on_every_observed_joint_and_an_error_shows(clips, lifter):
    view = draw_view(clips[1].joints, 0, 30.0, np.random.default_rng(4))
    whole = track_of(clips[1].joints, view)
    holes = missing(whole.keypoints, np.ones(110), HUMAN17, 30.0, np.random.default_rng(0))
    track = whole.replace(keypoints=holes)
    lifted = lift_track(track, lifter, 30.0)
    for one in (lifted, lifted.twin()):
        error = np.linalg.norm(one.reprojected(track.keypoints, view.intrinsics) - track.keypoints, axis=-1)
        assert np.isfinite(error[track.observed]).all() and error[track.observed].max() < 1e-3
    lifted.lifted.pose[:, J("l_wrist"), 0] += 0.01
    moved = np.linalg.norm(lifted.reprojected(track.keypoints, view.intrinsics) - track.keypoints, axis=-1)
    assert moved[track.observed[:, J("l_wrist")], J("l_wrist")].min() > 0.5


def test_trained_weights_beat_no_depth_under_every_condition(archive, lifter):
    shares = []
    found = evaluate([lifter], archive, EvaluationSettings(), shares.append)
    scores = {(s.condition, s.network): s.values for s in found if s.category == OVERALL}
    assert {condition for condition, _ in scores} == set(CONDITIONS)
    for condition in CONDITIONS:
        student, flat = scores[condition, STUDENT], scores[condition, FLAT]
        for metric in ("p_mpjpe", "n_mpjpe", "torso_mpjpe"):
            share = 0.6 if condition in ("exact", "constant-distance") else 0.75
            assert student[metric].value < share * flat[metric].value, (condition, metric)
        assert student["oracle_p_mpjpe"].value <= student["p_mpjpe"].value
        assert student["mirrored"].value < 0.05
        assert student["reprojection_max"].value < 1e-4
        assert scores[condition, TEACHER]["rotation_median"].value < 30
    for condition in ("detector", "missing", "half-body"):
        assert scores[condition, STUDENT]["n_mpjpe"].value > scores["exact", STUDENT]["n_mpjpe"].value
    assert shares == sorted(shares) and shares[-1] == 1


def test_the_same_seed_gives_the_same_scores_whatever_else_is_scored(archive, lifter):
    few = evaluate([lifter], archive, EvaluationSettings(conditions=("missing",), seed=3, step=2))
    more = evaluate([lifter], archive, EvaluationSettings(conditions=("detector", "missing"), seed=3, step=2))
    kept = [s for s in more if s.condition == "missing"]
    for a, b in zip(few, kept, strict=True):
        assert a.values["p_mpjpe"] == b.values["p_mpjpe"]
    other = evaluate([lifter], archive, EvaluationSettings(conditions=("missing",), seed=4, step=2))
    assert other[0].values["p_mpjpe"] != few[0].values["p_mpjpe"]


def test_a_different_person_needs_no_table(lifter):
    clips = [Clip("child", "walk", walking(60, scale=0.6), 30.0)]

    def lift_case(case):
        return lift_track(case.track, lifter, 30.0)

    found = score(Subject("x", HUMAN17, 5.0, lift_case, True), clips, EvaluationSettings(conditions=("exact",)))
    overall = {s.network: s.values for s in found if s.category == OVERALL}
    assert overall[STUDENT]["p_mpjpe"].value < 0.7 * overall[FLAT]["p_mpjpe"].value


# The table and the command.


def test_the_table_shows_values_with_their_intervals_and_actions_on_request(clips):
    found = score(Subject("mine", HUMAN17, 5.0, knows, with_flat=True), clips, EvaluationSettings(conditions=("exact",)))
    lines = table(found).splitlines()
    assert len(lines) == 2 + 3 and len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:5] == ["condition", "weights", "network", "P-MPJPE", "N-MPJPE"]
    assert cells[2][:4] == ["exact", "mine", "student", "0.0 ±0.0"] and cells[4][1:3] == ["(none)", "no depth"]
    assert cells[2][cells[0].index("PCK@150")] == "100.0 % ±0.0"
    assert cells[2][cells[0].index("rotation")] == "" and cells[3][cells[0].index("rotation")] == "0.0° ±0.0"
    by_action = table(found, by_action=True).splitlines()
    assert len(by_action) == 2 + 9 and any("| wave " in line for line in by_action)


def test_a_cell_holds_half_the_interval_in_the_columns_unit():
    values = {"p_mpjpe": Estimate(40.04, 36.0, 46.0), "pck": Estimate(0.9, 0.88, 0.94), "n_mpjpe": Estimate(50.0)}
    row = table([Score("mine", STUDENT, "exact", OVERALL, 5, 100, values)]).splitlines()[2]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "exact",
        "mine",
        STUDENT,
        "40.0 ±5.0",
        "50.0",
        "90.0 % ±3.0",
    ]


def test_the_command_prints_one_table_and_writes_all_numbers(archive, tmp_path, capsys):
    numbers = tmp_path / "scores.json"
    options = [
        "evaluate",
        str(archive),
        "--weights",
        "human17-3d-anchored",
        "human17-paper",
        "--conditions",
        "exact",
        "detector",
    ]
    assert main([*options, "--frames-step", "3", "--by-action", "--json", str(numbers)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("| condition") == 1 and printed.out.count("no depth |") == 2 * 2
    assert "Oracle" in printed.out and printed.err == ""
    data = json.loads(numbers.read_text())
    assert data["evaluation"]["step"] == 3 and "oracle" in data["metrics"]["oracle_p_mpjpe"]
    rows = {(s["condition"], s["weights"], s["network"]) for s in data["scores"] if s["category"] == "all"}
    assert len(rows) == 2 * 5
    student = next(s for s in data["scores"] if s["network"] == "student")
    assert set(student["values"]["p_mpjpe"]) == {"value", "low", "high"}
    assert main([*options[:4], "--conditions", "exact", "--cameras", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"]["cameras"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["OUT/none.npz"], "no such file"),
        (["OUT/broken.npz"], "motion-capture archive"),
        (["DATA", "--cameras", "0"], "at least 1"),
        (["DATA", "--frames-step", "0"], "at least 1"),
        (["DATA", "--seed", "-1"], "negative"),
        (["DATA", "--weights", "nonsense"], "known are"),
        (["DATA", "--conditions", "fog"], "invalid choice"),
        (["DATA", "--json", "OUT/no/scores.json"], "folder"),
    ],
)
def test_bad_usage_of_the_command_is_told_in_a_sentence(archive, tmp_path, capsys, arguments, words):
    (tmp_path / "broken.npz").write_bytes(archive.read_bytes()[:2000])
    filled = [a.replace("DATA", str(archive)).replace("OUT", str(tmp_path)) for a in arguments]
    assert main(["evaluate", *filled]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and "Traceback" not in printed.err and printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["broken.npz"]
