# SPDX-License-Identifier: GPL-3.0-or-later
"""From a lifted track to a performance: contacts, floor, balance, half bodies, windows, an unknown lens."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from make_clip import camera
from walking_figure import HEIGHT, animate

from poselift.core.camera import project, unproject
from poselift.core.errors import SettingsError
from poselift.core.metrics import aligned_per_clip, angle_between, f1_score, foot_slide, jitter
from poselift.core.motion import balance, bones, contacts, focal, solve
from poselift.core.motion.banded import solve_banded
from poselift.core.motion.performance import Performer
from poselift.core.motion.solve import SolveSettings
from poselift.core.motion.tremble import tremble
from poselift.core.pipeline import LiftSettings, lift, lift_people
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

CPU = torch.device("cpu")
FPS = 30.0
FRAMES = 240
ANKLES = [HUMAN17.index(name) for name in ("l_ankle", "r_ankle")]
LEGS = [HUMAN17.index(f"{side}_{part}") for side in "lr" for part in ("knee", "ankle")]


@pytest.fixture(scope="module")
def scene():
    """The figure in the clip's camera: world joints, camera joints, intrinsics, true up in the camera, true contacts."""
    joints, _ = animate(FRAMES, FPS)
    intrinsics, rotation, translation = camera()
    ankles = joints[:, ANKLES]
    still = np.linalg.norm(np.gradient(ankles, axis=0), axis=-1) * FPS < 0.3
    standing = still & (ankles[..., 2] < ankles[..., 2].min() + 0.02)
    return joints, joints @ rotation.T + translation, intrinsics, rotation @ [0, 0, 1], standing


def performer(scene, noise=0.0, mode="auto", hide=(), turn=0.1):
    """Make a performer from the truth turned by random angles of about `turn`, seen with so many pixels of noise."""
    _, seen, intrinsics, _, _ = scene
    rng = np.random.default_rng(0)
    keypoints = project(seen, intrinsics) + noise * rng.normal(size=(FRAMES, 17, 2))
    scores = np.ones((FRAMES, 17))
    keypoints[:, list(hide)], scores[:, list(hide)] = np.nan, 0.0
    axis = rng.normal(size=(FRAMES, 17, 3))
    turns = matrix_from_axis_angle(axis / np.linalg.norm(axis, axis=-1, keepdims=True), turn * rng.normal(size=(FRAMES, 17)))
    direction = np.einsum("tjab,tjb->tja", turns, bones.directions(seen, HUMAN17))
    pose = bones.pose_from_directions(direction, lengths_of(seen), HUMAN17)
    still = np.tile(np.eye(3), (FRAMES, 1, 1))
    rays = unproject(keypoints, intrinsics)
    return Performer(pose, still, rays, scores, HUMAN17, FPS, HEIGHT, mode, SolveSettings(), CPU)


def lengths_of(joints):
    lengths = np.zeros(17)
    for parent, child in HUMAN17.edges:
        lengths[child] = np.linalg.norm(joints[0, child] - joints[0, parent])
    return lengths


@pytest.mark.parametrize(("frames", "coupled"), [(40, 2), (41, 3), (7, 1), (5, 0), (1, 2), (2, 3)])
def test_banded_systems_are_solved_as_the_dense_ones_are(frames, coupled):
    generator = torch.Generator().manual_seed(0)
    size = 3
    dense = torch.zeros(frames * size, frames * size, dtype=torch.float64)
    bands = []
    for distance in range(coupled + 1):
        band = torch.randn(max(frames - distance, 0), size, size, dtype=torch.float64, generator=generator)
        band = band + band.mT + 30 * torch.eye(size) if distance == 0 else band
        bands.append(band)
        for t in range(frames - distance):
            a, b = slice(t * size, (t + 1) * size), slice((t + distance) * size, (t + distance + 1) * size)
            dense[a, b] = band[t]
            dense[b, a] = band[t].T
    right = torch.randn(frames, size, dtype=torch.float64, generator=generator)
    assert torch.allclose(dense @ solve_banded(bands, right).reshape(-1), right.reshape(-1), atol=1e-9)


def test_trembling_is_measured_in_metres_joint_by_joint(scene):
    _, seen, intrinsics, _, _ = scene
    noise = np.linspace(1, 8, 17)
    keypoints = project(seen, intrinsics) + noise[:, None] * np.random.default_rng(0).normal(size=(FRAMES, 17, 2))
    keypoints[:, 3] = np.nan
    found = tremble(unproject(keypoints, intrinsics), seen[:, 0, 2])
    truth = noise * np.median(seen[:, 0, 2]) / intrinsics.fx
    known = np.arange(17) != 3
    assert np.abs(found[known] / truth[known] - 1).max() < 0.25
    assert found[3] == np.median(found[known])
    assert tremble(unproject(project(seen, intrinsics), intrinsics), seen[:, 0, 2]).max() < 0.002
    assert not tremble(np.full((9, 17, 3), np.nan), np.ones(9)).any()


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_feet_stand_where_they_truly_stand(scene, noise):
    _, seen, _, up, standing = scene
    found = performer(scene, noise).perform()
    assert f1_score(found.contacts, standing) > 0.9
    assert np.degrees(angle_between(found.up, up)) < 2
    assert np.median(foot_slide(found.joints[:, ANKLES], standing, FPS)) < 0.02
    heights = found.joints[:, ANKLES] @ found.up - found.level
    assert heights.min() > 0.045 * HEIGHT - 0.02
    assert abs(np.median(heights[standing]) - 0.045 * HEIGHT) < 0.01
    moved = aligned_per_clip(found.joints, seen)
    assert np.linalg.norm(moved - seen, axis=-1).mean() < 0.03


def test_contact_modes_hold_feet_as_they_say(scene):
    found = {mode: performer(scene, 4.0, mode).perform() for mode in ("auto", "always", "never", "ground")}
    slide = {
        mode: float(np.median(foot_slide(one.joints[:, ANKLES], scene[-1], FPS))) for mode, one in found.items()
    }  # fmt: skip
    assert slide["auto"] < 0.2 * slide["never"] and slide["ground"] > 2 * slide["auto"]
    assert not found["never"].contacts.any() and found["never"].level is None
    assert found["always"].contacts.all()
    everywhere = np.ones_like(scene[-1])
    speeds = {mode: float(np.mean(foot_slide(one.joints[:, ANKLES], everywhere, FPS))) for mode, one in found.items()}
    assert speeds["always"] < 0.5 * speeds["auto"]
    ground = found["ground"]
    assert (ground.joints[:, ANKLES] @ ground.up - ground.level).min() > 0.045 * HEIGHT - 0.02
    with pytest.raises(SettingsError, match="contact mode"):
        LiftSettings(contacts="sometimes")


def test_smoothing_keeps_the_peaks_of_claps(scene):
    joints, seen, intrinsics, up, standing = scene
    elbow, wrist = HUMAN17.index("l_elbow"), HUMAN17.index("l_wrist")
    beat = 0.7 * (2 * np.abs((np.arange(FRAMES) / 16) % 2 - 1) - 1)  # turns back within one frame, twice a second
    swing = matrix_from_axis_angle(np.tile(up, (FRAMES, 1)), beat)
    fore = np.einsum("tij,j->ti", swing, (seen[0, wrist] - seen[0, elbow]))
    clapping = seen.copy()
    clapping[:, wrist] = seen[:, elbow] + fore
    found = performer((joints, clapping, intrinsics, up, standing), 3.0, turn=0.05).perform().joints

    def reach(x):
        forearm = x[:, wrist] - x[:, elbow]
        side = np.unwrap(np.arctan2(forearm[:, 0], forearm[:, 2]))
        return np.percentile(side, 95) - np.percentile(side, 5)

    assert reach(found) == pytest.approx(reach(clapping), rel=0.08)


def test_balance_tells_up_when_the_body_does_not(scene):
    joints, _, _, _, _ = scene
    stance, contact, vertical = joints[:1].repeat(60, 0), np.ones((60, 2)), np.array([0.0, 0.0, 1.0])
    tilted = matrix_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(0.12)) @ vertical
    right, found = (
        balance.balanced_up(stance, lengths_of(joints), contact, tuple(ANKLES), HUMAN17, FPS, HEIGHT, body)
        for body in (vertical, tilted)
    )
    assert np.degrees(angle_between(right, vertical)) < 5
    assert angle_between(found, right) < 0.25 * 0.12
    centre = balance.centre_of_mass(joints, lengths_of(joints), HUMAN17)
    assert 0.5 < np.median(centre[:, 2]) / HEIGHT < 0.65  # Winter 2009: 0.55 to 0.57


def test_a_long_way_leads_neither_up_nor_down(scene):
    runner = performer(scene)
    vertical, away = np.array([0.0, -1.0, 0.0]), np.linspace(0, 5, 60)
    bob = 0.04 * np.sin(np.arange(60))
    lean = matrix_from_axis_angle(np.array([1.0, 0.0, 0.0]), np.array(np.radians(8))) @ vertical
    path = np.stack([0 * away, -bob, 3 + away], -1)
    assert np.degrees(angle_between(runner._level_way(path, lean), vertical)) < 1.5
    leaning = matrix_from_axis_angle(np.array([1.0, 0.0, 0.0]), np.array(np.radians(14))) @ vertical
    assert np.degrees(angle_between(runner._level_way(path, leaning), vertical)) < 1.5
    short = path * [1, 1, 0.2]
    assert np.array_equal(runner._level_way(short, lean), lean)


def test_a_slow_foot_in_the_air_does_not_stand():
    feet = np.zeros((60, 2, 3)) + [0, 0, 4.0]
    heights = np.stack([np.zeros(60), np.full(60, 0.4)], -1)
    found = contacts.find_contacts(feet, np.ones((60, 2), bool), heights, np.zeros(2), FPS, 1.0)
    assert found[:, 0].all() and not found[:, 1].any()
    feet[:, 0, 0] = np.linspace(0, 4, 60)
    assert not contacts.find_contacts(feet, np.ones((60, 2), bool), heights, np.zeros(2), FPS, 1.0).any()


def test_the_floor_is_found_among_steps_and_stragglers():
    rng = np.random.default_rng(0)
    normal = matrix_from_axis_angle(np.array([1.0, 0, 0]), np.array(np.radians(3))) @ [0, 0, 1.0]
    feet = rng.uniform(-1, 1, (100, 2, 3))
    feet -= ((feet @ normal) - 0.3)[..., None] * normal
    feet[:15] += 0.4 * normal
    up, level = contacts.fit_floor(feet, np.ones((100, 2)), np.full(2, 0.08), np.array([0, 0, 1.0]), FPS, 1.0)
    assert np.degrees(angle_between(up, normal)) < 0.5 and level == pytest.approx(0.22, abs=0.01)


def test_legs_that_are_never_seen_rest_under_the_body(scene):
    _, seen, _, up, _ = scene
    found = performer(scene, 2.0, hide=LEGS).perform()
    assert np.degrees(angle_between(found.up, up)) < 8 and not found.contacts.any()
    for side in "lr":
        hip, ankle = (found.joints[:, HUMAN17.index(f"{side}_{part}")] for part in ("hip", "ankle"))
        down = (hip - ankle) @ found.up / np.linalg.norm(hip - ankle, axis=-1)
        assert down.min() > 0.99
    upper = [j for j in range(17) if j not in LEGS]
    assert np.linalg.norm(found.joints[:, upper] - seen[:, upper], axis=-1).mean() < 0.15


def test_windows_leave_no_seams(scene, monkeypatch):
    whole = performer(scene, 4.0).perform()
    monkeypatch.setattr(solve, "WINDOW", 120)
    monkeypatch.setattr(solve, "OVERLAP", 60)
    parts = performer(scene, 4.0).perform()
    assert np.linalg.norm(whole.joints - parts.joints, axis=-1).mean() < 0.01
    assert jitter(parts.joints, FPS).max() < 1.2 * jitter(whole.joints, FPS).max()
    length = np.linalg.norm(parts.joints[:, 2] - parts.joints[:, 1], axis=-1)
    assert np.ptp(length) < 1e-6


def test_the_likeliest_lens_lies_between_evidence_and_what_is_usual():
    def cost(focal_length):
        return 400 * np.log(focal_length / 1500) ** 2

    found, deviation = focal.estimate_focal(cost, 2000.0, 1920, FPS)
    # Two parabolas add up: weights 800 / 15 and 1 / 0.35 ** 2.
    weights = np.array([800 / 15, 0.35**-2])
    assert found == pytest.approx(np.exp(weights @ np.log([1500, 2000]) / weights.sum()), rel=0.01)
    assert deviation == pytest.approx(weights.sum() ** -0.5, rel=0.05)
    blind, unsure = focal.estimate_focal(lambda _: 1.0, 2000.0, 1920, FPS)
    # What is usual, but for lenses that nobody films with.
    assert blind == pytest.approx(2000, rel=0.03) and 0.8 * focal.USUAL_SPREAD < unsure < focal.USUAL_SPREAD
    size = np.r_[np.ones(300), np.linspace(1, 2, 100), np.ones(300)]
    told = focal.telling_frames(size)
    assert told.start <= 300 and told.stop >= 400


def test_a_vertical_that_is_told_is_up_where_the_body_says_nearly_so(scene):
    up = scene[3]
    away, near = matrix_from_axis_angle(np.tile([0.0, 0.0, 1.0], (2, 1)), np.radians([60, 8])) @ up
    found = performer(scene, 2.0).perform(None, None, (tuple(away), tuple(near)))
    assert found.vertical == 1 and np.degrees(angle_between(found.up, near)) < 0.01
    assert found.level is not None and found.contacts.any()
    own = performer(scene, 2.0).perform(None, None, (tuple(away),))
    assert own.vertical is None and np.degrees(angle_between(own.up, up)) < 2


def test_feet_slide_under_a_lens_that_is_too_long_or_too_short(scene):
    joints, _, _, _, _ = scene
    root, seen = joints[:, 0], np.ones((FRAMES, 2), bool)
    slides = []
    for stretch in (0.6, 0.8, 1.0, 1.3, 1.7):  # the way in depth is told in proportion to the lens, the pose is not
        way = (stretch - 1) * (root - root[0])
        slides.append(focal.sliding(joints[:, ANKLES] + way[:, None], seen, root + way, FPS, 1.0))
    assert np.argmin(slides) == 2 and slides[0] > slides[1] > 1.2 * slides[2] and slides[4] > slides[3] > 1.2 * slides[2]
    assert focal.sliding(joints[:, ANKLES], ~seen, root, FPS, 1.0) == 0.0


def test_a_lift_marks_what_it_has_no_evidence_for_and_reports_itself(scene):
    _, seen, intrinsics, up, standing = scene
    keypoints, scores = project(seen, intrinsics), np.ones((FRAMES, 17))
    scores[100:140] = 0.0
    track = KeypointTrack(keypoints, scores, HUMAN17, fps=Fraction(30), intrinsics=intrinsics, first_frame=10)
    motion = lift(track, LiftSettings(actor_height=HEIGHT, device="cpu"))
    filled = motion.scores.max(1) > 0
    assert np.array_equal(motion.evidence, filled) and not motion.evidence[115:125].any()
    (first, last), *others = motion.report.spans_without_evidence
    assert not others and first == 10 + np.argmin(filled) and last - first + 1 == (~filled).sum()
    assert motion.contacts.shape == (FRAMES, 2) and motion.report.frames_in_contact == motion.contacts.any(1).sum()
    assert f1_score(motion.contacts[filled], standing[filled]) > 0.85
    assert motion.report.foot_slide is not None and motion.report.foot_slide < 2
    assert set(motion.report.reprojection_by_joint) == set(HUMAN17.joint_names) and motion.report.jitter > 0
    assert {"contacts", "evidence"} <= set(motion.arrays())
    assert any("slide" in line for line in motion.report.lines())
    assert np.degrees(angle_between(motion.camera_rotation[0] @ [0, 0, 1.0], up)) < 3


def test_people_of_three_sizes_share_one_floor_one_of_them_without_legs():
    intrinsics, rotation, translation = camera()
    walk, _ = animate(FRAMES, FPS)
    sizes, places = (1.0, 0.88, 1.1), ((0.0, 0.0), (-1.6, 1.8), (1.3, -0.9))  # by 1.75 m; metres over the floor
    truth, tracks = [], []
    for size, (x, y), late in zip(sizes, places, (0, 70, 130), strict=True):
        joints = size * np.roll(walk, late, 0)[late:] if late else size * walk
        seen = (joints + [x, y, 0.0]) @ rotation.T + translation
        noise = np.random.default_rng(late).normal(scale=2.0, size=(*seen.shape[:2], 2))
        keypoints, scores = project(seen, intrinsics) + noise, np.ones(seen.shape[:2])
        if late == 130:
            keypoints[:, LEGS], scores[:, LEGS] = np.nan, 0.0
        truth.append(seen)
        tracks.append(KeypointTrack(keypoints, scores, HUMAN17, fps=Fraction(30), intrinsics=intrinsics))
    motions = lift_people(tracks, LiftSettings(actor_height=HEIGHT, device="cpu"))
    for motion, seen, size in zip(motions, truth, sizes, strict=True):
        assert np.array_equal(motion.camera_rotation[0], motions[0].camera_rotation[0])
        assert np.array_equal(motion.camera_translation[0], motions[0].camera_translation[0])
        assert motion.report.actor_height == pytest.approx(size * HEIGHT, rel=0.05)
        upper = [j for j in range(17) if j not in LEGS]
        off = np.linalg.norm(motion.joints_camera - seen, axis=-1)[:, upper].mean()
        assert off < (0.05 if motion is not motions[2] else 0.12) * seen[:, 0, 2].mean()
        soles = motion.joints_world[:, ANKLES, 2] - 0.045 * motion.report.actor_height
        assert soles.min() > -0.08 and abs(np.percentile(soles.min(1), 30)) < 0.06
        assert motion.contacts.any() == (motion is not motions[2])
    assert "tall" in "".join(motions[2].report.notes)


def test_an_unknown_lens_is_estimated_and_its_uncertainty_told(scene):
    _, seen, intrinsics, _, _ = scene
    size = (intrinsics.width, intrinsics.height)
    track = KeypointTrack(project(seen, intrinsics), np.ones((FRAMES, 17)), HUMAN17, fps=Fraction(30), image_size=size)
    motion = lift(track, LiftSettings(actor_height=HEIGHT, device="cpu"))
    assert motion.intrinsics.fx == pytest.approx(intrinsics.fx, rel=0.25)
    assert motion.report.focal_uncertainty is not None and 1 < motion.report.focal_uncertainty <= 35
    assert "estimated from the track" in motion.report.camera
    known = lift(replace(track, intrinsics=intrinsics), LiftSettings(device="cpu"))
    assert known.report.focal_uncertainty is None and known.intrinsics.fx == intrinsics.fx
