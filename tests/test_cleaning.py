# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning: it repairs what is broken, counts it, and leaves alone what is right."""

from __future__ import annotations

import make_clip
import numpy as np
import pytest

from poselift.core.cleaning import CleaningSettings, clean, find_outliers
from poselift.core.errors import SettingsError, TrackError
from poselift.core.layouts import BODY_25, COCO_17
from poselift.core.track import KeypointTrack


def exact(frames: int = 300, fps: float = 30, layout=BODY_25) -> KeypointTrack:
    keypoints = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(frames, fps)), layout)
    return KeypointTrack(keypoints, np.full(keypoints.shape[:2], 0.8), layout)


def error(track: KeypointTrack, truth: KeypointTrack) -> float:
    return float(np.nanmean(np.linalg.norm(track.keypoints - truth.keypoints, axis=-1)))


@pytest.mark.parametrize("fps", [12, 15, 24, 30, 60, 120])
def test_an_exact_track_is_left_exactly_as_it_is(fps: float) -> None:
    track = exact(int(10 * fps), fps)
    cleaned, counts = clean(track)
    assert counts == {"low scores": 0, "at (0, 0)": 0, "swapped": 0, "outliers": 0, "filled": 0}
    assert not counts.changes.any()
    np.testing.assert_array_equal(cleaned.keypoints, track.keypoints)
    np.testing.assert_array_equal(cleaned.scores, track.scores)


def test_noise_alone_is_no_outlier() -> None:
    track = exact()
    noisy = track.keypoints + np.random.default_rng(0).normal(0, 5, track.keypoints.shape)
    assert find_outliers(noisy).mean() < 2e-4


def test_gross_outliers_and_gaps_cost_little_beyond_the_noise() -> None:
    rng = np.random.default_rng(1)
    truth = exact()
    noisy = truth.keypoints + rng.normal(0, 4, truth.keypoints.shape)
    only_noise = error(truth.replace(keypoints=noisy), truth)
    gross, missing = rng.random(noisy.shape[:2]) < 0.02, rng.random(noisy.shape[:2]) < 0.1
    noisy[gross] += rng.choice([-1, 1], (gross.sum(), 2)) * rng.uniform(80, 300, (gross.sum(), 2))
    broken = truth.replace(keypoints=noisy, scores=np.where(missing, 0, truth.scores))
    cleaned, counts = clean(broken)
    assert counts["outliers"] == pytest.approx((gross & ~missing).sum(), rel=0.06)
    assert error(broken, truth) > 1.5 * only_noise
    assert error(cleaned, truth) < 1.2 * only_noise
    assert cleaned.observed.mean() > 0.99


def test_spikes_in_the_first_and_last_frame_are_found() -> None:
    track = exact(60)
    keypoints = track.keypoints.copy()
    keypoints[0, 4] += 300
    keypoints[-1, 10] -= 300
    assert set(zip(*np.nonzero(find_outliers(keypoints)), strict=True)) == {(0, 4), (59, 10)}


def test_low_scores_are_gated_and_counted() -> None:
    track = exact(20)
    scores = track.scores.copy()
    scores[5:8, 3] = 0.09
    cleaned, counts = clean(track.replace(scores=scores), CleaningSettings(max_gap=0))
    assert counts["low scores"] == 3
    assert not cleaned.observed[5:8, 3].any()
    assert clean(track.replace(scores=scores), CleaningSettings(score_gate=0.05))[1]["low scores"] == 0


def test_short_gaps_are_filled_on_the_line_with_less_weight_and_long_ones_are_not() -> None:
    keypoints = np.stack([np.arange(60.0), 2 * np.arange(60.0)], -1)[:, None].repeat(17, 1)
    scores = np.full((60, 17), 0.8)
    scores[10:20, 0], scores[30:41, 1], scores[:3, 2], scores[57:, 2] = 0, 0, 0, 0
    cleaned, counts = clean(KeypointTrack(keypoints, scores, COCO_17), CleaningSettings(max_gap=10))
    assert counts["filled"] == 10
    np.testing.assert_allclose(cleaned.keypoints[10:20, 0], keypoints[10:20, 0])
    assert (cleaned.scores[10:20, 0] < 0.8 * 0.5).all()
    assert not cleaned.observed[30:41, 1].any()
    assert not cleaned.observed[:3, 2].any()
    assert not cleaned.observed[57:, 2].any()


def test_gaps_are_filled_by_the_clock_where_the_rate_varies() -> None:
    times = np.array([0.0, 0.1, 0.5, 0.6])
    keypoints = (100 * times)[:, None, None].repeat(17, 1).repeat(2, 2)
    scores = np.full((4, 17), 0.8)
    scores[2, 5] = 0
    cleaned, _ = clean(KeypointTrack(keypoints, scores, COCO_17, times=times))
    np.testing.assert_allclose(cleaned.keypoints[2, 5], 50)


def test_steps_can_be_switched_off() -> None:
    track = exact(60)
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[30, 4] += 200
    scores[40, 4], scores[41, 4] = 0, 0.02
    broken = track.replace(keypoints=keypoints, scores=scores)
    off = CleaningSettings(score_gate=0, max_gap=0, outliers=False, swaps=False, placeholders=False)
    untouched, counts = clean(broken, off)
    assert counts == {}
    np.testing.assert_array_equal(untouched.keypoints, broken.keypoints)


def test_everything_else_of_the_track_is_kept() -> None:
    track = exact(10).replace(person="3", source="clip", first_frame=12, image_size=(1920, 1080), notes=("a note",))
    cleaned, _ = clean(track)
    assert (cleaned.person, cleaned.source, cleaned.first_frame, cleaned.image_size) == ("3", "clip", 12, (1920, 1080))
    assert cleaned.notes == ("a note",)


def test_a_track_of_one_frame_is_cleaned_too() -> None:
    cleaned, counts = clean(exact(1))
    assert cleaned.observed.all()
    assert sum(counts.values()) == 0


def test_a_track_without_anybody_is_an_error_that_says_so() -> None:
    empty = exact(5).replace(scores=np.zeros((5, 25)))
    with pytest.raises(TrackError, match="none of the 5 frames has a keypoint"):
        clean(empty)
    with pytest.raises(TrackError, match=r"best score in 5 frames is 0\.05, below the gate of 0\.1"):
        clean(exact(5).replace(scores=np.full((5, 25), 0.05)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"score_gate": -0.1},
        {"score_gate": 1.0},
        {"max_gap": -1},
        {"max_gap_seconds": -0.1},
        {"max_gap_seconds": float("nan")},
        {"outlier_size": 0},
        {"filled_share": 0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        CleaningSettings(**wrong)
