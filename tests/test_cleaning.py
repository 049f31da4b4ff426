# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning: it repairs what is broken, counts it, and leaves alone what is right."""

from __future__ import annotations

import make_clip
import numpy as np
import pytest

from poselift.core.cleaning import Change, CleaningSettings, clean, find_outliers
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


@pytest.mark.parametrize("length", [1, 2, 3])
def test_outliers_of_a_few_frames_are_found_wherever_they_jump(length: int) -> None:
    track = exact(120)
    rng = np.random.default_rng(length)
    keypoints, where = track.keypoints.copy(), np.zeros(track.scores.shape, bool)
    for start, joint in ((20, 4), (45, 11), (70, 7), (100, 0)):
        keypoints[start : start + length, joint] += [[250, -140], [-90, 160], [0, -300], [600, 0]][joint % 4]
        where[start : start + length, joint] = True
    keypoints += rng.normal(0, 2, keypoints.shape)
    np.testing.assert_array_equal(find_outliers(keypoints), where)
    keypoints[where] = np.nan  # and what is beside a gap is none
    assert not find_outliers(keypoints).any()


def test_an_outlier_on_another_limb_or_beside_missing_frames_is_found() -> None:
    track = exact(60)
    keypoints = track.keypoints.copy()
    keypoints[30, BODY_25.index("r_wrist")] = keypoints[30, BODY_25.index("l_ankle")]
    keypoints[[29, 31], BODY_25.index("nose")] = np.nan
    keypoints[30, BODY_25.index("nose")] += 150
    found = find_outliers(keypoints)
    assert set(zip(*np.nonzero(found), strict=True)) == {(30, BODY_25.index("r_wrist")), (30, BODY_25.index("nose"))}


def test_a_path_that_steps_to_another_place_has_no_outlier() -> None:
    track = exact(60)
    keypoints = track.keypoints.copy()
    keypoints[30:, 4] += 200
    assert not find_outliers(keypoints).any()


def test_a_kick_is_no_outlier() -> None:
    """An ankle that swings out and back within a third of a second, at 30 and at 60 frames a second."""
    for fps in (30, 60):
        track = exact(2 * fps, fps)
        swing = 400 * np.exp(-(((np.arange(2 * fps) - fps) / (0.09 * fps)) ** 2))
        keypoints = track.keypoints.copy()
        keypoints[:, BODY_25.index("r_ankle")] += swing[:, None] * [1.0, -0.6]
        keypoints[:, BODY_25.index("r_knee")] += 0.5 * swing[:, None] * [1.0, -0.6]
        cleaned, counts = clean(track.replace(keypoints=keypoints))
        assert sum(counts.values()) == 0
        np.testing.assert_array_equal(cleaned.keypoints, keypoints)


def test_zeros_far_from_the_person_are_missing_and_zeros_in_the_corner_are_a_place() -> None:
    track = exact(90)
    keypoints = track.keypoints.copy()
    keypoints[10:14, 3], keypoints[40:80, 5], keypoints[85] = 0, 0, 0
    cleaned, record = clean(track.replace(keypoints=keypoints))
    assert record["at (0, 0)"] == 4 + 40 + 25
    assert (record.changes[85] & Change.PLACEHOLDER).all()
    assert cleaned.observed[10:14, 3].all()  # filled
    assert not cleaned.observed[40:80, 5].any()
    only_corner = track.keypoints - track.keypoints[:, [4]]  # a hand held in the corner all the time
    cleaned, record = clean(track.replace(keypoints=only_corner))
    assert record["at (0, 0)"] == 0
    np.testing.assert_array_equal(cleaned.keypoints, only_corner)
    kept = clean(track.replace(keypoints=keypoints), CleaningSettings(placeholders=False, outliers=False))[0]
    assert (kept.keypoints[40:80, 5] == 0).all()
    with pytest.raises(TrackError, match=r"at \(0, 0\)"):
        clean(track.replace(keypoints=np.zeros_like(keypoints)))


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


def test_gaps_are_filled_along_the_curve_of_the_path() -> None:
    """A hand that draws a circle each second, away for 8 frames: far better than straight lines."""
    t = np.arange(90) / 30
    curve = np.stack([300 + 200 * np.sin(2 * np.pi * t), 400 + 150 * np.cos(2 * np.pi * t)], -1)[:, None].repeat(17, 1)
    scores = np.full((90, 17), 0.8)
    for joint in range(17):
        scores[30 + joint : 38 + joint, joint] = 0
    gone = scores == 0
    cleaned, _ = clean(KeypointTrack(curve, scores, COCO_17, fps=30))
    line = np.stack(
        [[np.interp(t, t[seen], curve[seen, j, c]) for c in (0, 1)] for j, seen in enumerate((scores > 0).T)]
    ).transpose(2, 0, 1)
    ours, lines = (np.linalg.norm(way - curve, axis=-1)[gone].mean() for way in (cleaned.keypoints, line))
    assert ours < 0.35 * lines


def test_filled_keypoints_count_less_the_longer_the_gap() -> None:
    keypoints = np.stack([np.arange(60.0), np.zeros(60)], -1)[:, None].repeat(17, 1) + [0, 50]
    scores = np.full((60, 17), 0.8)
    scores[10, 0], scores[20:26, 0] = 0, 0
    cleaned, _ = clean(KeypointTrack(keypoints, scores, COCO_17, fps=30))
    np.testing.assert_allclose(cleaned.scores[10, 0], 0.3 * 0.8)
    assert 0.05 < cleaned.scores[22, 0] < 0.6 * cleaned.scores[10, 0]


@pytest.mark.parametrize(("fps", "frames"), [(12, 4), (30, 10), (120, 40), (None, 10), (1, 1)])
def test_the_longest_gap_is_a_time_unless_it_is_given_in_frames(fps: float | None, frames: int) -> None:
    keypoints = np.stack([np.arange(120.0), np.zeros(120)], -1)[:, None].repeat(17, 1) + [0, 50]
    scores = np.full((120, 17), 0.8)
    scores[10 : 10 + frames, 0], scores[60 : 61 + frames, 0] = 0, 0
    track = KeypointTrack(keypoints, scores, COCO_17, fps=fps)
    assert clean(track)[1]["filled"] == frames
    assert clean(track, CleaningSettings(max_gap=frames + 1))[1]["filled"] == 2 * frames + 1
    assert "filled" not in clean(track, CleaningSettings(max_gap_seconds=0))[1]


def test_the_record_says_what_was_done_where() -> None:
    track = exact(60)
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[30, 4] += 200
    scores[40, 4] = 0.05
    _, record = clean(track.replace(keypoints=keypoints, scores=scores))
    assert record == {"low scores": 1, "at (0, 0)": 0, "swapped": 0, "outliers": 1, "filled": 2}
    assert record.changes[30, 4] == Change.OUTLIER | Change.FILLED
    assert record.changes[40, 4] == Change.LOW_SCORE | Change.FILLED
    assert np.count_nonzero(record.changes) == 2
    assert record.frames(Change.FILLED).tolist() == [30, 40]


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
