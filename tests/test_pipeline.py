# SPDX-License-Identifier: GPL-3.0-or-later
"""The one path from keypoints to a motion, on the sample clip with the weights that come with Poselift."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from make_clip import camera, write_clip

from poselift.core import metrics
from poselift.core.camera import Intrinsics, project
from poselift.core.errors import CancelledError, SettingsError, TrackError, WeightsError
from poselift.core.lifter.weights import available
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.readers import read
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

FPS = Fraction(30)
SETTINGS = LiftSettings(fps=FPS, intrinsics=camera()[0])
J = HUMAN17.index


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "keypoints", frames=300)


@pytest.fixture(scope="module")
def track(clip):
    return read(clip.keypoints)[0]


@pytest.fixture(scope="module")
def truth(clip):
    with np.load(clip.truth) as data:
        return {key: data[key] for key in data.files}


@pytest.fixture(scope="module")
def motion(track):
    return lift(track, SETTINGS)


def cut(track: KeypointTrack, frames: slice) -> KeypointTrack:
    return track.replace(keypoints=track.keypoints[frames], scores=track.scores[frames])


def test_the_lifted_figure_has_the_true_figures_poses(motion, truth):
    error = metrics.p_mpjpe(motion.joints_world, truth["joints_world"])
    assert np.median(error) < 0.09
    assert motion.report.mirrored_frames < 30
    assert metrics.n_mpjpe(motion.joints_camera, truth["joints_world"] @ camera()[1].T).mean() < 0.13


def test_bones_are_constant_and_make_the_actors_height(motion, track):
    for parent, child in HUMAN17.edges:
        length = np.linalg.norm(motion.joints_world[:, child] - motion.joints_world[:, parent], axis=-1)
        assert np.abs(length - motion.bone_lengths[child]).max() < 1e-9
    tall = lift(cut(track, slice(0, 40)), replace(SETTINGS, actor_height=2.0))
    small = lift(cut(track, slice(0, 40)), replace(SETTINGS, actor_height=1.0))
    assert np.allclose(tall.bone_lengths, 2 * small.bone_lengths, rtol=1e-6)


def test_the_figure_is_upright_on_the_floor_and_nothing_is_mirrored(motion, truth):
    world = motion.joints_world
    assert (world[:, J("head_top"), 2] > world[:, J("pelvis"), 2] + 0.4).all()
    ankles = world[:, [J("l_ankle"), J("r_ankle")], 2]
    assert (ankles.max(1) < world[:, J("pelvis"), 2] - 0.4).all()
    assert abs(np.median(ankles.min(1)) - 0.08) < 0.06
    waving = truth["waving"].astype(bool)
    raised = world[:, J("l_wrist"), 2] - world[:, J("l_shoulder"), 2]
    lowered = world[:, J("r_wrist"), 2] - world[:, J("r_shoulder"), 2]
    assert (raised[waving] > 0).mean() > 0.9 and (lowered[waving] < 0).mean() > 0.95
    # While it waves the figure faces the camera, which looks along +Y: its left is at +X.
    left = world[waving][:, J("l_shoulder"), 0] - world[waving][:, J("r_shoulder"), 0]
    assert (left > 0.1).all()


def test_the_root_path_is_the_true_one_in_shape_and_size(motion, truth):
    path, true = motion.joints_world[:, 0, :2], truth["joints_world"][:, 0, :2]
    size = [np.linalg.norm(p - p.mean(0), axis=-1).mean() for p in (path, true)]
    assert size[0] == pytest.approx(size[1], rel=0.15)


def test_the_motion_lies_on_the_keypoints_through_its_camera(motion):
    rotation, translation = motion.camera_rotation, motion.camera_translation
    camera_joints = np.einsum("tab,tjb->tja", rotation, motion.joints_world) + translation[:, None]
    assert np.abs(camera_joints - motion.joints_camera).max() < 1e-9
    error = np.linalg.norm(project(motion.joints_camera, motion.intrinsics) - motion.keypoints, axis=-1)
    assert np.array_equal(np.isnan(error), motion.scores == 0)
    assert np.nanmax(np.abs(error - motion.reprojection_error)) < 1e-9
    assert np.nanmedian(error) < 12
    assert motion.report.reprojection_median == pytest.approx(np.nanmedian(error), abs=1e-3)


def test_both_camera_modes_put_the_same_joints_on_the_same_pixels(track, motion):
    orbit = lift(track, replace(SETTINGS, camera_mode="orbit"))
    assert np.allclose(orbit.joints_camera, motion.joints_camera)
    again = np.einsum("tab,tjb->tja", orbit.camera_rotation, orbit.joints_world) + orbit.camera_translation[:, None]
    assert np.abs(again - orbit.joints_camera).max() < 1e-9
    assert np.abs(orbit.joints_world[:, 0, :2]).max() < 1e-9
    assert np.ptp(motion.camera_rotation, axis=0).max() == 0 and np.ptp(orbit.camera_rotation, axis=0).max() > 0.5
    # The body stays in the anatomical frame: upright, and its left at +X.
    shoulders = orbit.joints_world[:, J("l_shoulder")] - orbit.joints_world[:, J("r_shoulder")]
    assert (shoulders[:, 0] > 0).mean() > 0.95
    assert (orbit.joints_world[:, J("neck_base"), 2] > orbit.joints_world[:, 0, 2] + 0.3).all()


def test_the_teachers_rotation_takes_its_canonical_pose_to_the_camera(motion):
    turned = np.einsum("tab,tjb->tja", motion.teacher_rotation, motion.canonical)
    similar = metrics.n_mpjpe(turned, motion.lifted) / np.linalg.norm(motion.lifted, axis=-1).mean()
    assert np.median(similar) < 0.25
    assert np.allclose(np.linalg.det(motion.teacher_rotation), 1, atol=1e-4)


def test_lifting_twice_gives_the_same(track):
    part = cut(track, slice(0, 30))
    a, b = lift(part, SETTINGS), lift(part, SETTINGS)
    assert np.array_equal(a.joints_world, b.joints_world)


def test_masked_joints_stay_masked(motion):
    assert (motion.scores[:, [J("spine"), J("head_top")]] == 0).all()
    assert np.isnan(motion.keypoints[:, J("spine")]).all()
    assert np.isfinite(motion.joints_world).all()


def test_distorted_keypoints_are_undistorted(track):
    part, intrinsics = cut(track, slice(0, 30)), camera()[0]
    bent = replace(intrinsics, distortion=(-0.2, 0.05))
    from poselift.core.camera import unproject

    seen = project(unproject(part.keypoints, intrinsics), bent)
    straight = lift(part, SETTINGS)
    undistorted = lift(part.replace(keypoints=seen), replace(SETTINGS, intrinsics=bent))
    assert undistorted.intrinsics.distortion == ()
    assert np.abs(undistorted.joints_camera - straight.joints_camera).max() < 0.02


def test_what_is_unknown_is_guessed_with_a_warning(track):
    motion = lift(track, LiftSettings())
    text = " ".join(motion.report.warnings)
    assert "frame rate" in text and "image size" in text and "field of view" in text
    assert (motion.intrinsics.width, motion.intrinsics.height) == (1920, 1080)
    quiet = lift(cut(track, slice(0, 20)), SETTINGS)
    assert not any("unknown" in warning for warning in quiet.report.warnings)


def test_progress_rises_to_one_and_may_stop_the_work(track):
    seen: list[tuple[float, str]] = []
    lift(cut(track, slice(0, 20)), SETTINGS, lambda share, stage: seen.append((share, stage)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert {stage for _, stage in seen} == {"load", "clean", "lift", "solve", "camera"}

    def stop(share, stage):
        if stage == "solve":
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        lift(cut(track, slice(0, 20)), SETTINGS, stop)


def test_one_frame_is_lifted(track):
    motion = lift(cut(track, slice(0, 1)), SETTINGS)
    assert motion.joints_world.shape == (1, 17, 3) and np.isfinite(motion.joints_world).all()


def test_ten_thousand_frames_are_lifted_in_bounded_steps(track):
    times = 34
    long = track.replace(keypoints=np.tile(track.keypoints, (times, 1, 1)), scores=np.tile(track.scores, (times, 1)))
    motion = lift(long, SETTINGS)
    assert len(motion) == 10200 and np.isfinite(motion.joints_world).all()
    assert motion.times[-1] == pytest.approx(10199 / 30)


def test_frames_without_the_person_are_carried_and_counted(track):
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[40:80], scores[40:80] = np.nan, 0
    motion = lift(track.replace(keypoints=keypoints, scores=scores), SETTINGS)
    assert motion.report.frames_without_person == 40
    assert np.isfinite(motion.joints_world).all()
    step = np.linalg.norm(np.diff(motion.joints_world, axis=0), axis=-1).max()
    assert step < 0.25


def test_half_a_body_stays_upright(track):
    legs = [
        track.skeleton.index(n) for n in track.skeleton.joint_names if any(p in n for p in ("knee", "ankle", "toe", "heel"))
    ]
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[:, legs], scores[:, legs] = np.nan, 0
    motion = lift(track.replace(keypoints=keypoints, scores=scores), SETTINGS)
    world = motion.joints_world
    assert (world[:, J("neck_base"), 2] - world[:, 0, 2] > 0.3).all()


def test_what_cannot_be_lifted_is_refused_in_words(track):
    nothing = track.replace(scores=np.zeros_like(track.scores))
    with pytest.raises(TrackError, match="nothing to lift"):
        lift(nothing, SETTINGS)
    lonely = np.zeros_like(track.scores)
    lonely[:, track.skeleton.index("l_wrist")] = 1
    keypoints = np.where(lonely[..., None] > 0, [100.0, 100.0], np.nan)
    with pytest.raises(TrackError, match="neighbouring joints"):
        lift(track.replace(keypoints=keypoints, scores=lonely), SETTINGS)
    with pytest.raises(WeightsError, match="known are"):
        lift(track, replace(SETTINGS, weights="nonsense"))
    for wrong in ({"camera_mode": "drone"}, {"actor_height": 0}, {"fps": Fraction(0)}, {"smoothing": -1}):
        with pytest.raises(SettingsError):
            replace(SETTINGS, **wrong)


@pytest.mark.parametrize("name", available())
def test_all_weights_that_come_with_poselift_lift(track, name):
    motion = lift(cut(track, slice(0, 60)), replace(SETTINGS, weights=name))
    assert motion.report.weights == name
    assert np.isfinite(motion.joints_world).all()


def test_a_motion_is_saved_as_the_design_says(motion, tmp_path):
    motion.save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as data:
        shapes = {key: data[key].shape for key in data.files}
        assert np.array_equal(data["joints_world"], motion.joints_world)
    t = len(motion)
    expected = {
        "joint_names": (17,), "parents": (17,), "times": (t,), "fps": (), "joints_world": (t, 17, 3),
        "joints_camera": (t, 17, 3), "lifted": (t, 17, 3), "canonical": (t, 17, 3), "teacher_rotation": (t, 3, 3),
        "camera_matrix": (3, 3), "camera_rotation": (t, 3, 3), "camera_translation": (t, 3), "bone_lengths": (17,),
        "keypoints": (t, 17, 2), "scores": (t, 17), "reprojection_error": (t, 17),
    }  # fmt: skip
    assert {key: shapes[key] for key in expected} == expected


def test_a_camera_in_the_track_is_used(track):
    known = Intrinsics.from_fov(1920, 1080, np.radians(70), "file")
    motion = lift(cut(track, slice(0, 20)).replace(intrinsics=known, fps=FPS), LiftSettings())
    assert motion.intrinsics.fx == known.fx
    override = lift(
        cut(track, slice(0, 20)).replace(intrinsics=known, fps=FPS), LiftSettings(fov=np.radians(50), image_size=(1920, 1080))
    )
    assert override.intrinsics.fx == pytest.approx(camera()[0].fx)
