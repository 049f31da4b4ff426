# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up where nobody stands for long: people who lie, sit and get up, before cameras that look anyhow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from motions import X, Z, assemble, bone_lengths, look_at, standing, turn, walking

from poselift.core.camera import Intrinsics, project, unproject
from poselift.core.metrics import angle_between
from poselift.core.motion import bones, performance, world
from poselift.core.motion.performance import Performer
from poselift.core.motion.solve import SolveSettings
from poselift.core.motion.upright import _sphere, camera_density, likeliest_up
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

FPS = 30.0
HEIGHT = 1.75
LENS = Intrinsics(1500.0, 1500.0, 960.0, 540.0, 1920, 1080)
VIEWS = [(-25, -10, 0), (-25, 10, 120), (0, 0, 60), (0, 10, 200), (12, -5, 300), (25, -10, 30), (25, 10, 250)]
"""Degrees that cameras look down, are rolled, and stand around the person."""


def lies_and_gets_up(lying=3.0, rising=2.0, upright=1.5):
    """Return joints (T, 17, 3) of someone who lies on the back, sits up over bent legs, and stands."""
    frames = round((lying + rising + upright) * FPS)
    time = np.arange(frames) / FPS
    share = np.clip((time - lying) / max(rising, 1e-9), 0, 1)
    sits = np.interp(share, [0, 0.4, 0.6, 1], [0, 1, 1, 1])  # of the trunk, from level to upright
    rises = np.interp(share, [0, 0.45, 1], [0, 0, 1])  # of the legs: first the knees bend, then the body comes up over them
    bends = np.interp(share, [0, 0.4, 0.5, 1], [0, 1, 1, 0])
    directions = standing(frames)
    trunk = turn(X, -np.radians(90) * (1 - sits))  # head towards +Y
    thigh = turn(X, -np.radians(90) * (1 - rises) - np.radians(45) * bends)
    shank = turn(X, -np.radians(90) * (1 - rises) * (1 - bends) - np.radians(45) * bends)
    for name, line in directions.items():
        part = thigh if "knee" in name else shank if "ankle" in name else trunk
        directions[name] = np.einsum("tab,tb->ta", part, line)
    joints = assemble(directions, np.zeros((frames, 3)), bone_lengths())
    feet = joints[:, [HUMAN17.index("l_ankle"), HUMAN17.index("r_ankle")]].mean(1)
    joints[..., :2] -= feet[:, None, :2]
    joints[..., 2] -= joints[..., 2].min(1)[:, None] - 0.08
    return joints


def before(joints, view, distance=5.0):
    """Return joints in the frame of a camera, and its up (3,)."""
    down, roll, around = np.radians(view)
    middle = joints.mean((0, 1))
    away = np.array([np.cos(around) * np.cos(down), np.sin(around) * np.cos(down), np.sin(down)])
    rotation, translation = look_at(middle + distance * away, middle, roll)
    return joints @ rotation.T + translation, rotation @ Z


def first_up(seen, hide=()):
    scores = np.ones(seen.shape[:2])
    scores[:, list(hide)] = 0.0
    lengths = np.zeros(17)
    for parent, child in HUMAN17.edges:
        lengths[child] = np.linalg.norm(seen[0, child] - seen[0, parent])
    body = world.up_in_camera(seen, scores, np.tile(np.eye(3), (len(seen), 1, 1)), HUMAN17)
    return body, likeliest_up(body, seen, scores, lengths, HUMAN17, FPS, HEIGHT / 1.7)


def degrees(a, b):
    return np.degrees(angle_between(a, b))


@pytest.mark.parametrize("view", VIEWS)
def test_who_lies_and_gets_up_stays_on_the_floor(view):
    seen, up = before(lies_and_gets_up(), view)
    body, found = first_up(seen)
    assert degrees(body, up) > 45  # else this asks nothing: the body lies longer than it stands
    assert degrees(found.up, up) < 15


@pytest.mark.parametrize("view", VIEWS)
def test_who_stands_and_walks_is_believed_before_any_camera(view):
    seen, up = before(walking(120, 4.0), view)
    body, found = first_up(seen)
    assert np.array_equal(found.up, body)
    assert degrees(body, up) < 12
    assert found.doubt < 0.05


@pytest.mark.parametrize("view", [(0, 90, 0), (0, -90, 90), (70, 0, 45), (0, 180, 0)])
def test_who_stands_for_long_is_believed_against_an_odd_camera(view):
    """A phone's film that nobody turned, a camera above the scene, one that hangs upside down."""
    seen, up = before(walking(240, 8.0), view)
    assert degrees(first_up(seen)[1].up, up) < 12


def test_who_only_lies_is_taken_to_lie_and_that_is_told():
    seen, up = before(lies_and_gets_up(1.5, 0.0, 0.0), (5, 0, 0))
    _, found = first_up(seen)
    assert degrees(found.up, up) < 30
    seen, up = before(lies_and_gets_up(6.0, 0.0, 0.0), (5, 0, 60))
    long = first_up(seen)[1]  # as long as that, who stands before a camera on its side looks the same
    assert max(found.doubt, long.doubt) > 0.1


def test_half_a_body_keeps_its_trunk_upright():
    legs = [HUMAN17.index(f"{side}_{part}") for side in "lr" for part in ("knee", "ankle")]
    for view in VIEWS:
        seen, up = before(walking(90, 3.0), view)
        body, found = first_up(seen, legs)
        assert np.array_equal(found.up, body)
        assert degrees(found.up, up) < 12


def test_level_cameras_are_likelier_and_every_camera_is_possible():
    places = _sphere(20000)
    assert np.allclose(np.linalg.norm(places, axis=-1), 1)
    density = camera_density(places)
    assert density.mean() * 4 * np.pi == pytest.approx(1, abs=0.03)
    level, down, rolled, above = camera_density(np.array([[0, -1, 0], [0, -0.9, -0.43], [0.43, -0.9, 0], [0, 0, -1.0]]))
    assert level > down > rolled > above > 0


def test_the_solve_sets_who_gets_up_on_the_floor():
    seen, up = before(lies_and_gets_up(), (10, 4, 40))
    rng = np.random.default_rng(0)
    keypoints = project(seen, LENS) + rng.normal(size=(len(seen), 17, 2))
    axis = rng.normal(size=(len(seen), 17, 3))
    turns = matrix_from_axis_angle(axis / np.linalg.norm(axis, axis=-1, keepdims=True), 0.1 * rng.normal(size=axis.shape[:2]))
    pose = bones.pose_from_directions(
        np.einsum("tjab,tjb->tja", turns, bones.directions(seen, HUMAN17)), bone_lengths(), HUMAN17
    )
    still, scores = np.tile(np.eye(3), (len(seen), 1, 1)), np.ones(seen.shape[:2])
    rays = unproject(keypoints, LENS)
    device = torch.device("cpu")
    done = Performer(pose, still, rays, scores, HUMAN17, FPS, HEIGHT, "auto", SolveSettings(), device).perform()
    assert degrees(done.up, up) < 6
    assert done.level is not None
    assert np.percentile(done.joints @ done.up - done.level, 1) > -0.1  # nothing sinks into the floor


def test_the_report_warns_where_up_is_uncertain_unless_a_calibration_tells_it(monkeypatch):
    seen, up = before(walking(60, 2.0), (10, 0, 0))
    track = KeypointTrack(
        project(seen, LENS), np.ones(seen.shape[:2]), HUMAN17, fps=Fraction(30), image_size=(1920, 1080), intrinsics=LENS
    )
    settings = LiftSettings(actor_height=HEIGHT, device="cpu")

    def warned(settings):
        return any("which way is up is uncertain" in text for text in lift(track, settings).report.warnings)

    assert not warned(settings)
    exact = performance.likeliest_up
    monkeypatch.setattr(performance, "likeliest_up", lambda *given: replace(exact(*given), doubt=0.4))
    assert warned(settings)
    assert not warned(replace(settings, verticals=(tuple(up),)))
