# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right over time: what is swapped is found, and nothing that is not."""

from __future__ import annotations

import numpy as np
import pytest
from creature import make_clip as make_creature
from walking_figure import animate

from poselift.core.camera import Intrinsics, project
from poselift.core.cleaning import Change, CleaningSettings, clean
from poselift.core.cleaning.swaps import Units
from poselift.core.layouts import BODY_25, COCO_17
from poselift.core.lifter.evaluation.cameras import draw_view
from poselift.core.skeleton import HUMAN17, Skeleton, extended, tree
from poselift.core.track import KeypointTrack

LEGS, ARMS = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")


def walking(view: int, frames: int = 240, fps: float = 30) -> KeypointTrack:
    """The walking figure, exactly as a random camera sees it."""
    joints, _ = animate(frames, fps)
    camera = draw_view(joints, HUMAN17.root, fps, np.random.default_rng(view))
    keypoints = project(camera.camera_axes(joints), camera.intrinsics)
    return KeypointTrack(keypoints, np.full(keypoints.shape[:2], 0.9), HUMAN17, fps)


def from_the_side(fps: float = 30) -> KeypointTrack:
    """Walking across the picture, seen from the side: the legs cross at every step."""
    joints, _ = animate(int(4 * fps), fps)
    heading = joints[-1, 0, :2] - joints[0, 0, :2]
    heading /= np.linalg.norm(heading)
    side = np.array([heading[1], -heading[0], 0.0])
    rotation = np.stack([[*heading, 0.0], [0.0, 0.0, -1.0], -side])
    rotation[2] *= np.sign(np.linalg.det(rotation))
    local = (joints - joints[:, :1].mean(0)) @ rotation.T + [0, 0, 6.0]
    keypoints = project(local, Intrinsics.from_fov(1920, 1080, 1.0))
    return KeypointTrack(keypoints, np.full(keypoints.shape[:2], 0.9), HUMAN17, fps)


def with_swaps(track: KeypointTrack, runs: list[tuple[int, int, tuple[str, ...]]]) -> tuple[KeypointTrack, np.ndarray]:
    """Swap (first frame, frames, parts of the body, () for all of it); returns also (T, J) where."""
    where = np.zeros(track.scores.shape, bool)
    for start, length, parts in runs:
        pairs = track.skeleton.mirror_pairs
        chosen = [j for pair in pairs if not parts or pair[0][2:] in parts for j in map(track.skeleton.index, pair)]
        where[start : start + length, chosen] = True
    mirror = track.skeleton.mirror
    keypoints = np.where(where[..., None], track.keypoints[:, mirror], track.keypoints)
    return track.replace(keypoints=keypoints, scores=np.where(where, track.scores[:, mirror], track.scores)), where


def sides_apart(track: KeypointTrack) -> np.ndarray:
    return np.linalg.norm(track.keypoints - track.keypoints[:, track.skeleton.mirror], axis=-1)


@pytest.mark.parametrize("view", range(20))
def test_nothing_is_swapped_in_exact_walks_from_any_side(view: int) -> None:
    track = walking(view)
    cleaned, counts = clean(track)
    assert counts["swapped"] == 0
    np.testing.assert_array_equal(cleaned.keypoints, track.keypoints)


@pytest.mark.parametrize("fps", [12, 24, 60])
def test_legs_that_cross_are_not_swapped(fps: float) -> None:
    track = from_the_side(fps)
    ankles = track.keypoints[:, [HUMAN17.index("l_ankle"), HUMAN17.index("r_ankle")], 0]
    assert np.abs(np.diff(np.sign(np.diff(ankles, axis=1)[:, 0]))).sum() >= 6  # they do cross
    rng = np.random.default_rng(0)
    for noise, missing in ((0, 0), (3, 0.1)):
        seen = track.replace(
            keypoints=track.keypoints + rng.normal(0, noise, track.keypoints.shape),
            scores=np.where(rng.random(track.scores.shape) < missing, 0, track.scores),
        )
        assert clean(seen)[1]["swapped"] == 0


def test_hands_that_meet_and_part_are_not_swapped() -> None:
    track = walking(1)
    keypoints = track.keypoints.copy()
    l_wrist, r_wrist = HUMAN17.index("l_wrist"), HUMAN17.index("r_wrist")
    middle = keypoints[:, [HUMAN17.index("l_shoulder"), HUMAN17.index("r_shoulder")]].mean(1)
    apart = 4 + 40 * np.abs(np.sin(2 * np.pi * 1.5 * np.arange(len(track)) / 30))  # they clap three times a second
    keypoints[:, l_wrist], keypoints[:, r_wrist] = (
        middle + [1, 60] + apart[:, None] * [1, 0],
        middle + [0, 60] - apart[:, None] * [1, 0],
    )
    assert clean(track.replace(keypoints=keypoints))[1]["swapped"] == 0


@pytest.mark.parametrize("parts", [(), LEGS, ARMS], ids=["all", "legs", "arms"])
@pytest.mark.parametrize("view", [0, 3, 5])
def test_runs_of_one_frame_to_a_second_are_repaired(parts: tuple[str, ...], view: int) -> None:
    truth = walking(view)
    rng = np.random.default_rng(view)
    noisy = truth.replace(keypoints=truth.keypoints + rng.normal(0, 3, truth.keypoints.shape))
    bad, where = with_swaps(noisy, [(20, 1, parts), (50, 2, parts), (80, 6, parts), (120, 30, parts), (190, 14, parts)])
    cleaned, record = clean(bad, CleaningSettings(outliers=False))
    wrong = ((record.changes & Change.SWAPPED) > 0) != where
    assert (wrong & (sides_apart(truth) > 15)).any(1).sum() <= 1  # the edge of a run may lie where the sides meet
    assert np.linalg.norm(cleaned.keypoints - noisy.keypoints, axis=-1).mean() < 0.1
    assert record["swapped"] == pytest.approx(where.sum(), rel=0.05)
    np.testing.assert_array_equal(record.frames(Change.SWAPPED), np.flatnonzero(record.changes.any(1)))


def test_shanks_and_forearms_alone_are_repaired() -> None:
    for parts in (("knee", "ankle"), ("elbow", "wrist")):
        truth = walking(3)
        bad, where = with_swaps(truth, [(40, 1, parts), (100, 4, parts)])
        cleaned, _ = clean(bad, CleaningSettings(outliers=False))
        left = np.linalg.norm(cleaned.keypoints - truth.keypoints, axis=-1).sum()
        assert left < 0.15 * (sides_apart(truth) * where).sum()


def test_most_of_the_clip_says_which_side_is_left() -> None:
    truth = walking(0)
    bad, _ = with_swaps(truth, [(0, 60, ())])
    np.testing.assert_array_equal(clean(bad)[0].keypoints, truth.keypoints)
    bad, _ = with_swaps(truth, [(0, 200, ())])
    np.testing.assert_array_equal(clean(bad)[0].keypoints, truth.keypoints[:, HUMAN17.mirror])


def test_scores_go_with_their_keypoints() -> None:
    truth = walking(0)
    scores = truth.scores.copy()
    scores[:, HUMAN17.index("l_wrist")], scores[100, HUMAN17.index("r_knee")] = 0.6, 0.0
    bad, _ = with_swaps(truth.replace(scores=scores), [(98, 5, ())])
    cleaned, _ = clean(bad, CleaningSettings(max_gap=0))
    np.testing.assert_array_equal(cleaned.scores, scores)


@pytest.mark.parametrize("noise", [3, 6])
def test_a_track_with_every_fault_is_hardly_worse_than_its_noise(noise: float) -> None:
    """10 % missing, 2 % gross outliers, 3 % of the frames swapped: at most 1.5 times the error of the noise alone."""
    for view in range(4):
        rng = np.random.default_rng(100 + view)
        truth = walking(view)
        noisy = truth.keypoints + rng.normal(0, noise, truth.keypoints.shape)
        alone = np.linalg.norm(noisy - truth.keypoints, axis=-1).mean()
        bad, _ = with_swaps(truth.replace(keypoints=noisy), [(30, 1, ()), (90, 1, LEGS), (140, 5, ()), (200, 1, ARMS)])
        keypoints = bad.keypoints.copy()
        gross, missing = rng.random((2, *truth.scores.shape)) < np.array([0.02, 0.1])[:, None, None]
        keypoints[gross] += rng.choice([-1, 1], (gross.sum(), 2)) * rng.uniform(80, 300, (gross.sum(), 2))
        cleaned, _ = clean(bad.replace(keypoints=keypoints, scores=np.where(missing, 0, bad.scores)))
        assert np.nanmean(np.linalg.norm(cleaned.keypoints - truth.keypoints, axis=-1)) < 1.2 * alone
        assert cleaned.observed.mean() > 0.98


def test_a_creature_s_sides_are_repaired_too() -> None:
    clip = make_creature(0, seconds=4.0).track
    assert clean(clip)[1]["swapped"] == 0
    bad, where = with_swaps(clip, [(30, 1, ()), (60, 8, ())])
    cleaned, _ = clean(bad)
    assert np.linalg.norm(cleaned.keypoints - clip.keypoints, axis=-1).sum() < 0.02 * (sides_apart(clip) * where).sum()


def limbs(skeleton: Skeleton) -> list[set[str]]:
    units = Units.of(skeleton)
    return [{skeleton.mirror_pairs[p][0][2:] for p in np.flatnonzero(units.limb == limb)} for limb in np.unique(units.limb)]


def test_limbs_come_from_the_skeleton_s_tree() -> None:
    feet = {"big_toe", "small_toe", "heel"}
    assert sorted(map(sorted, limbs(BODY_25))) == sorted(map(sorted, [{*ARMS}, {*LEGS} | feet, {"eye", "ear"}]))
    # Without a spine the legs hang on the shoulders.
    assert {"hip", "knee", "ankle"} in limbs(COCO_17)
    assert {"elbow", "wrist"} in limbs(COCO_17)


def test_hands_and_face_belong_to_their_limbs() -> None:
    fingers = [
        (f"{s}_finger{n}{k}", f"{s}_finger{n}{k - 1}" if k else f"{s}_wrist") for s in "lr" for n in range(5) for k in range(4)
    ]
    face = [(f"{s}_face{k}", "nose") for s in "lr" for k in range(30)]
    whole = extended("whole", BODY_25, [*fingers, *face])
    units = Units.of(whole)
    assert len({units.limb[whole.mirror_pairs.index((f"l_{n}", f"r_{n}"))] for n in ("wrist", "finger00", "finger43")}) == 1
    truth = walking(2, 90)
    rng = np.random.default_rng(0)
    keypoints = np.zeros((90, len(whole), 2))
    for joint, (name, parent) in enumerate(zip(whole.joint_names, whole.parents, strict=True)):
        known = HUMAN17.joint_names.index(name) if name in HUMAN17.joint_names else None
        at = truth.keypoints[:, known] if known is not None else keypoints[:, parent] if parent >= 0 else truth.keypoints[:, 0]
        keypoints[:, joint] = at + (0 if known is not None else rng.uniform(-30, 30, 2))
    track = KeypointTrack(keypoints, np.ones(keypoints.shape[:2]), whole, 30)
    assert clean(track)[1]["swapped"] == 0
    bad, where = with_swaps(track, [(40, 3, ())])
    cleaned, _ = clean(bad)
    assert np.linalg.norm(cleaned.keypoints - keypoints, axis=-1).sum() < 0.05 * (sides_apart(track) * where).sum()


def test_a_skeleton_without_sides_has_nothing_to_swap() -> None:
    one = tree("worm", [("head", None), ("tail", "head")])
    track = KeypointTrack(np.random.default_rng(0).uniform(0, 100, (30, 2, 2)), np.ones((30, 2)), one)
    assert clean(track)[1]["swapped"] == 0


def test_long_tracks_are_repaired_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = walking(0, 400)
    bad, _ = with_swaps(truth, [(95, 20, ()), (199, 2, ()), (250, 1, LEGS)])
    whole = clean(bad)[0].keypoints
    monkeypatch.setattr("poselift.core.cleaning.swaps._BLOCK", 100)
    monkeypatch.setattr("poselift.core.cleaning.swaps._MARGIN", 60)
    np.testing.assert_array_equal(clean(bad)[0].keypoints, whole)
    np.testing.assert_array_equal(whole, truth.keypoints)
