# SPDX-License-Identifier: GPL-3.0-or-later
"""The track solve: constant bones, the root's place, the fit, the upright world, the cameras."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from make_clip import camera
from walking_figure import HEIGHT, animate

from poselift.core.camera import project, unproject
from poselift.core.errors import TrackError
from poselift.core.motion import bones, root, world
from poselift.core.motion.solve import Evidence, SolveSettings, solve_track
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17, tree

CPU = torch.device("cpu")
FPS = 30.0


@pytest.fixture(scope="module")
def walk():
    """The figure in the clip's camera: world joints, camera joints, rays, bone lengths."""
    joints, _ = animate(240, FPS)
    intrinsics, rotation, translation = camera()
    seen = joints @ rotation.T + translation
    lengths = np.zeros(17)
    for parent, child in HUMAN17.edges:
        lengths[child] = np.linalg.norm(joints[0, child] - joints[0, parent])
    return joints, seen, unproject(project(seen, intrinsics), intrinsics), lengths


def angle(a, b):
    return np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


def test_bone_lengths_are_the_actors_symmetric_and_blind_to_scale(walk):
    joints, _, _, truth = walk
    observed = np.ones((240, 17), bool)
    lengths = bones.bone_lengths(joints * 0.37, observed, HUMAN17, 1.0)
    assert bones.stature(lengths, HUMAN17) == pytest.approx(1.0)
    assert np.allclose(lengths / lengths[2], truth / truth[2], rtol=1e-6)
    assert np.array_equal(lengths, lengths[HUMAN17.mirror])
    assert bones.stature(truth, HUMAN17) == pytest.approx(HEIGHT, rel=0.03)
    with pytest.raises(TrackError, match="extent"):
        bones.bone_lengths(joints * 0, observed, HUMAN17, 1.75)


def test_bone_lengths_come_from_the_frames_that_show_the_bone(walk):
    joints, _, _, truth = walk
    poses, observed = joints.copy(), np.ones((240, 17), bool)
    wrist = HUMAN17.index("l_wrist")
    poses[60:, wrist] += 5.0
    observed[60:, wrist] = False
    lengths = bones.bone_lengths(poses, observed, HUMAN17, bones.stature(truth, HUMAN17))
    assert lengths[wrist] == pytest.approx(truth[wrist], rel=1e-6)


def test_poses_are_rebuilt_from_their_directions(walk):
    joints, _, _, lengths = walk
    pose = bones.pose_from_directions(bones.directions(joints, HUMAN17), lengths, HUMAN17)
    assert np.abs(pose - (joints - joints[:, :1])).max() < 1e-9
    left, right = HUMAN17.index("l_hip"), HUMAN17.index("r_hip")
    assert np.array_equal(pose[:, left], -pose[:, right])


def test_any_tree_has_a_stature():
    dog = tree("dog", (("hip", None), ("chest", "hip"), ("nose", "chest"), ("tail", "hip")))
    assert bones.stature(np.array([0, 0.5, 0.3, 0.4]), dog) == pytest.approx(0.8)


def test_the_root_is_found_exactly_from_exact_rays_and_from_few_joints(walk):
    _, seen, rays, _ = walk
    pose, scores = seen - seen[:, :1], np.ones((240, 17))
    place, good = root.place_root(pose, rays, scores)
    assert good.all() and np.abs(place - seen[:, 0]).max() < 1e-6
    few = np.full_like(rays, np.nan)
    few[:, [11, 14, 10]] = rays[:, [11, 14, 10]]
    place, good = root.place_root(pose, few, scores)
    assert good.all() and np.abs(place - seen[:, 0]).max() < 1e-4
    _, good = root.place_root(pose, np.full_like(rays, np.nan), scores)
    assert not good.any()


def solved(walk, turn, noise, smoothing=1.0, hide=()):
    """Solve from directions turned by random angles of about `turn` radians, rays noisy by `noise`."""
    _, seen, rays, lengths = walk
    rng = np.random.default_rng(0)
    axis = rng.normal(size=(240, 17, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    turns = matrix_from_axis_angle(axis, rng.normal(size=(240, 17)) * turn)
    direction = np.einsum("tjab,tjb->tja", turns, bones.directions(seen, HUMAN17))
    rays, scores = rays.copy(), np.ones((240, 17))
    rays[..., :2] += rng.normal(size=(240, 17, 2)) * noise
    rays[:, list(hide)] = np.nan
    scores[:, list(hide)] = 0
    start, _ = root.place_root(bones.pose_from_directions(direction, lengths, HUMAN17), rays, scores)
    settings = SolveSettings(smoothing=smoothing)
    end, path = solve_track(Evidence(direction, lengths, rays, scores, HUMAN17, FPS), start, settings, CPU)
    before = bones.pose_from_directions(direction, lengths, HUMAN17) + start[:, None]
    return before, bones.pose_from_directions(end, lengths, HUMAN17) + path[:, None]


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1).mean()


def acceleration(joints):
    return np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).mean() * FPS**2


def test_the_solve_brings_noisy_directions_back_and_keeps_bones_constant(walk):
    _, seen, rays, lengths = walk
    before, after = solved(walk, turn=0.2, noise=0.002)
    assert distance(after, seen) < 0.4 * distance(before, seen)
    assert acceleration(after) < 0.2 * acceleration(before)
    error = np.linalg.norm(after[..., :2] / after[..., 2:] - rays[..., :2], axis=-1)
    assert np.median(error) < 0.003
    for parent, child in HUMAN17.edges:
        length = np.linalg.norm(after[:, child] - after[:, parent], axis=-1)
        assert np.abs(length - lengths[child]).max() < 1e-6


def test_the_solve_leaves_a_right_answer_alone(walk):
    _, seen, _, _ = walk
    _, after = solved(walk, turn=0.0, noise=0.0)
    assert distance(after, seen) < 0.015


def test_smoothing_has_a_strength_and_zero_turns_it_off(walk):
    roughness = [acceleration(solved(walk, 0.1, 0.002, smoothing)[1]) for smoothing in (0.0, 1.0, 5.0)]
    assert roughness[0] > 2 * roughness[1] > 2 * roughness[2]


def test_hidden_joints_are_carried_by_prior_and_time(walk):
    _, seen, _, _ = walk
    hide = [HUMAN17.index(n) for n in ("spine", "head_top", "l_wrist")]
    before, after = solved(walk, turn=0.1, noise=0.001, hide=hide)
    assert distance(after[:, hide], seen[:, hide]) < distance(before[:, hide], seen[:, hide])


def test_the_static_world_is_upright_on_its_floor_and_in_front_of_the_camera(walk):
    joints, seen, _, _ = walk
    scores = np.ones((240, 17))
    roll = matrix_from_axis_angle(np.array([0.0, 0.0, 1.0]), np.array(0.3))
    for turn in (np.eye(3), roll):
        tilted = seen @ turn.T
        up = world.up_in_camera(tilted, scores, np.tile(np.eye(3), (240, 1, 1)), HUMAN17)
        true_up = turn @ camera()[1] @ [0, 0, 1]
        assert angle(up, true_up) < 4
        rotation, translation = world.static_camera(tilted, scores, true_up, HUMAN17, HEIGHT)
        assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) == pytest.approx(1)
        upright = (tilted - translation) @ rotation
        assert np.allclose(upright[0, 0, :2], 0)
        assert np.abs(upright[..., 2] - joints[..., 2]).max() < 0.03
        assert (rotation.T @ -translation)[1] < 0  # the camera stands on the -Y side, where Blender's front view looks from
        assert np.abs(rotation[2, 0]) < 1e-9 and rotation[2, 1] > 0.9


def test_standing_feet_level_the_world(walk):
    _, seen, _, _ = walk
    scores = np.ones((240, 17))
    true_up = camera()[1] @ [0, 0, 1]
    for axis in np.eye(3):
        tilted = matrix_from_axis_angle(axis, np.array(np.radians(5))) @ true_up
        assert angle(world.levelled(seen, scores, tilted, HUMAN17, FPS), true_up) < max(1.0, 0.4 * angle(tilted, true_up))
    still = np.repeat(seen[:1], 240, 0)  # who stands still says nothing about the floor's slope
    assert angle(world.levelled(still, scores, true_up, HUMAN17, FPS), true_up) < 2
    assert np.array_equal(world.levelled(seen, np.zeros((240, 17)), true_up, HUMAN17, FPS), true_up)


def test_half_a_body_is_set_upright_by_its_trunk(walk):
    _, seen, _, _ = walk
    scores = np.ones((240, 17))
    scores[:, [2, 3, 5, 6]] = 0
    up = world.up_in_camera(seen, scores, np.tile(np.eye(3), (240, 1, 1)), HUMAN17)
    assert angle(up, camera()[1] @ [0, 0, 1]) < 8


def test_an_orbiting_camera_sees_what_the_static_one_sees(walk):
    _, seen, _, _ = walk
    rng = np.random.default_rng(0)
    axis = rng.normal(size=3) / 2
    turn = matrix_from_axis_angle(np.tile(axis / np.linalg.norm(axis), (240, 1)), np.linspace(0, 4, 240))
    rotation, translation = world.orbit_camera(seen[:, 0], turn, 0.95, FPS)
    still = np.einsum("tba,tjb->tja", rotation, seen - translation[:, None])
    again = np.einsum("tab,tjb->tja", rotation, still) + translation[:, None]
    assert np.abs(again - seen).max() < 1e-9
    assert np.allclose(still[:, 0], [0, 0, 0.95])


def test_smoothed_rotations_are_rotations_and_follow_slow_turns():
    angle_over_time = np.linspace(0, 3, 100)
    turn = matrix_from_axis_angle(np.tile([0.0, 0.0, 1.0], (100, 1)), angle_over_time)
    smooth = world.smooth_rotations(turn, 3.0)
    assert np.abs(smooth @ np.swapaxes(smooth, 1, 2) - np.eye(3)).max() < 1e-9
    assert np.abs(smooth[10:-10] - turn[10:-10]).max() < 1e-3
    jitter = matrix_from_axis_angle(np.tile([0.0, 0.0, 1.0], (100, 1)), 0.1 * np.random.default_rng(0).normal(size=100))
    assert np.abs(world.smooth_rotations(jitter, 3.0)[:, 1, 0]).std() < 0.5 * np.abs(jitter[:, 1, 0]).std()
    assert np.array_equal(world.smooth_rotations(turn, 0.0), turn)
