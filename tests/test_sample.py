# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample clip: a figure that moves as a person does, seen by the camera that the truth names."""

from __future__ import annotations

from pathlib import Path

import make_clip
import numpy as np
import pytest
from walking_figure import CYCLE, EXTRA_NAMES, HEIGHT, animate, waving

from poselift.core.layouts import BODY_25
from poselift.core.readers import read
from poselift.core.skeleton import HUMAN17

LEFT, UP = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


@pytest.fixture(scope="module")
def figure() -> dict[str, np.ndarray]:
    joints, extras = animate(600, 60)
    return {name: joints[:, j] for j, name in enumerate(HUMAN17.joint_names)} | {
        name: extras[:, e] for e, name in enumerate(EXTRA_NAMES)
    }


def to_the_left(figure: dict[str, np.ndarray]) -> np.ndarray:
    side = (figure["l_hip"] - figure["r_hip"]) * [1, 1, 0]
    return side / np.linalg.norm(side, axis=-1, keepdims=True)


def test_bones_keep_their_lengths() -> None:
    joints, _ = animate(600, 60)
    for parent, child in HUMAN17.edges:
        assert np.ptp(np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)) < 1e-12


def test_the_figure_starts_upright_facing_minus_y_with_its_left_at_plus_x(figure) -> None:
    start = {name: place[0] for name, place in figure.items()}
    assert start["head_top"][2] == pytest.approx(HEIGHT, abs=0.01)
    assert (start["l_shoulder"] - start["r_shoulder"]) @ LEFT > 0.3
    assert (start["nose"] - start["head_joint"])[1] < -0.1
    assert (start["l_big_toe"] - start["l_heel"])[1] < -0.2


def test_knees_bend_forward_and_elbows_bring_the_hands_forward(figure) -> None:
    forward = np.cross(to_the_left(figure), UP)
    hanging = ~waving(600, 60)
    for side in "lr":
        knee = figure[f"{side}_knee"] - (figure[f"{side}_hip"] + figure[f"{side}_ankle"]) / 2
        assert ((knee * forward).sum(-1) > -1e-6).all()
        elbow = figure[f"{side}_elbow"] - (figure[f"{side}_shoulder"] + figure[f"{side}_wrist"]) / 2
        assert ((elbow * forward).sum(-1)[hanging] < 0).mean() > 0.9


def test_feet_stand_still_while_they_carry(figure) -> None:
    """On the flat foot the ankle is 8.5 cm above the ground; then it does not move at all."""
    for side in "lr":
        ankle = figure[f"{side}_ankle"]
        flat = np.abs(ankle[:, 2] - 0.085) < 1e-9
        both = flat[1:] & flat[:-1]
        assert both.mean() > 0.4
        assert np.linalg.norm(np.diff(ankle, axis=0)[both], axis=-1).max() < 1e-6
    assert min(figure[name][:, 2].min() for name in EXTRA_NAMES) > 0
    lowest = [np.minimum(figure[f"{side}_heel"], figure[f"{side}_big_toe"])[:, 2] for side in "lr"]
    assert np.minimum(*lowest).max() < 0.03


def test_it_walks_turns_stops_and_waves_the_left_hand_above_the_shoulder(figure) -> None:
    speed = np.linalg.norm(np.diff(figure["pelvis"][:, :2], axis=0), axis=-1) * 60
    assert 0.9 < np.median(speed[60:360]) < 1.3
    assert speed[450:560].max() < 0.05
    heading = np.unwrap(np.arctan2(*to_the_left(figure)[:, 1::-1].T))
    assert heading[420] - heading[0] == pytest.approx(2 * np.pi, abs=0.2)
    wave = waving(600, 60)
    assert wave.sum() > 60
    assert (figure["l_wrist"][wave, 2] - figure["l_shoulder"][wave, 2] > 0.15).all()
    assert (figure["r_wrist"][wave, 2] < figure["r_elbow"][wave, 2]).all()
    swings = np.diff(np.sign(np.diff(((figure["l_wrist"] - figure["l_elbow"]) * to_the_left(figure)).sum(-1)[wave])))
    assert (swings != 0).sum() >= 3


def test_nothing_jumps_and_cycles_join(figure) -> None:
    joints, extras = animate(700, 60)
    every = np.concatenate([joints, extras], 1)
    assert np.linalg.norm(np.diff(every, axis=0), axis=-1).max() * 60 < 5
    assert np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max() * 60**2 < 60
    np.testing.assert_allclose(every[int(CYCLE * 60)], every[0], atol=0.02)


def test_the_whole_figure_is_in_the_image_and_the_left_is_on_the_images_right_when_it_faces_the_camera() -> None:
    exact = make_clip.true_keypoints(make_clip.body_points(*animate(300, 30)), BODY_25)
    assert exact.min() > 0
    assert (exact < [1920, 1080]).all()
    assert exact[0, BODY_25.index("l_shoulder"), 0] > exact[0, BODY_25.index("r_shoulder"), 0]
    assert exact[0, BODY_25.index("nose"), 1] < exact[0, BODY_25.index("l_ankle"), 1]


def test_the_truth_explains_the_keypoints(tmp_path: Path) -> None:
    clip = make_clip.write_clip(tmp_path / "clip", frames=60, seed=1)
    assert clip.truth.parent == tmp_path
    with np.load(clip.truth, allow_pickle=False) as truth:
        world, matrix = truth["joints_world"], truth["camera_matrix"]
        rotation, translation = truth["camera_rotation"], truth["camera_translation"]
        assert tuple(truth["fps_fraction"]) == (30, 1)
    inside = np.einsum("tij,tkj->tki", rotation, world) + translation[:, None]
    pixels = inside @ matrix.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    track = read(clip.keypoints)[0]
    for name in ("l_knee", "r_elbow", "l_shoulder", "r_hip"):
        off = track.keypoints[:, BODY_25.index(name)] - pixels[:, HUMAN17.index(name)]
        assert np.nanmedian(np.linalg.norm(off, axis=-1)) < 5
        assert np.abs(np.nanmedian(off, axis=0)).max() < 2.5


def test_the_noise_is_a_detectors(tmp_path: Path) -> None:
    clip = make_clip.write_clip(tmp_path / "clip", frames=300)
    track = read(clip.keypoints)[0]
    exact = make_clip.true_keypoints(make_clip.body_points(*animate(300, 30)), BODY_25)
    off = np.linalg.norm(track.keypoints - exact, axis=-1)
    wrist, shoulder = (np.nanmedian(off[:, [BODY_25.index(f"{s}_{part}") for s in "lr"]]) for part in ("wrist", "shoulder"))
    assert 1 < shoulder < wrist < 8
    assert 0.005 < (~track.observed).mean() < 0.1
    assert (track.scores[track.observed] < 0.5).any()
    assert (off > 50).any()
    assert any("left out" in note for note in track.notes)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    clips = [make_clip.write_clip(tmp_path / str(k) / "clip", frames=5, seed=seed) for k, seed in enumerate((4, 4, 5))]
    first, same, other = ([f.read_bytes() for f in sorted(clip.keypoints.iterdir())] for clip in clips)
    assert first == same
    assert first != other
