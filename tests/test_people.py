# SPDX-License-Identifier: GPL-3.0-or-later
"""People over time: assignment, identities through gaps and crossings, and who comes first."""

from __future__ import annotations

import itertools

import make_clip
import numpy as np
import pytest

from poselift.core import people
from poselift.core.assignment import assign, assign_sparse
from poselift.core.camera import project
from poselift.core.layouts import BODY_25
from poselift.core.people import MAX_PEOPLE_PER_FRAME, Detections, link, to_tracks


def walkers(frames: int, shifts: list[tuple[int, float]], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (P, T, 25, 2) and depths (P, T) of figures that walk later by frames and farther away by metres."""
    intrinsics, rotation, translation = make_clip.camera()
    angle = np.random.default_rng(seed).uniform(-0.5, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    joints, extras = make_clip.animate(frames + max(late for late, _ in shifts), 30)
    points = make_clip.body_points(joints, extras)
    world = np.stack([points[name] for name in BODY_25.joint_names], 1)
    seen = [(world[late : late + frames] @ turn.T + [0, away, 0]) @ rotation.T + translation for late, away in shifts]
    return np.stack([project(x, intrinsics) for x in seen]), np.stack([x[:, 8, 2] for x in seen])


def detected(keypoints: np.ndarray, visible: np.ndarray, rng: np.random.Generator) -> tuple[Detections, np.ndarray]:
    """Return noisy detections in shuffled order, with 5 % of keypoints missing, and who each is."""
    count, frames = visible.shape
    rows = [(t, p) for t in range(frames) for p in rng.permutation(count) if visible[p, t]]
    at, who = np.array(rows).T
    noisy = keypoints[who, at] + rng.normal(0, 3, (len(at), 25, 2))
    scores = rng.uniform(0.5, 0.9, noisy.shape[:2]) * (rng.random(noisy.shape[:2]) > 0.05)
    return Detections(np.where(scores[..., None] > 0, noisy, np.nan), scores, at, frames), who


def test_assignment_is_the_best_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    for trial in range(300):
        cost = rng.normal(size=rng.integers(1, 6, 2))
        if trial % 2:
            cost[rng.random(cost.shape) < 0.3] = np.inf
        pairs = assign(cost)
        assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
        wide = cost if cost.shape[0] <= cost.shape[1] else cost.T
        choices = (wide[range(len(wide)), list(columns)] for columns in itertools.permutations(range(wide.shape[1]), len(wide)))
        best = min((-int(np.isfinite(c).sum()), float(c[np.isfinite(c)].sum())) for c in choices)
        assert (-len(pairs), sum(cost[r, c] for r, c in pairs)) == pytest.approx(best)


def test_sparse_assignment_leaves_out_what_is_better_alone() -> None:
    rows, columns, cost = np.array([0, 0, 1, 7]), np.array([4, 5, 4, 9]), np.array([-3.0, -2.9, -2.0, -1.0])
    assert sorted(assign_sparse(rows, columns, cost)) == [(0, 5), (1, 4), (7, 9)]


def test_two_people_who_never_meet_stay_two() -> None:
    rng = np.random.default_rng(1)
    keypoints, _ = walkers(200, [(0, 0.0), (0, 1.0)], 1)
    keypoints[1, ..., 0] += 700
    found, who = detected(keypoints, np.ones((2, 200), bool), rng)
    identity = link(found)
    assert set(identity) == {0, 1}
    assert len({(i, w) for i, w in zip(identity, who, strict=True)}) == 2


def test_identities_hold_through_crossings_with_occlusion() -> None:
    right = crossings = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        keypoints, depth = walkers(420, [(0, 0.0), (int(rng.integers(60, 240)), rng.uniform(0.8, 1.8))], seed)
        middle = keypoints[:, :, 8]
        near = np.linalg.norm(middle[0] - middle[1], axis=-1) < rng.uniform(40, 110)
        visible = np.ones((2, 420), bool)
        started = 0
        for t in np.flatnonzero(near):
            started = t if not near[t - 1] else started
            visible[depth[:, t].argmax(), t] = t - started >= 15
        crossings += int((np.diff(np.sign(middle[0, :, 0] - middle[1, :, 0])) != 0).sum())
        found, who = detected(keypoints, visible, rng)
        identity = link(found)
        right += len({(i, w) for i, w in zip(identity[identity >= 0], who[identity >= 0], strict=True)}) == 2
    assert crossings >= 24
    assert right == 12


@pytest.mark.parametrize(("gap", "people_found"), [(10, 1), (29, 1), (80, 2)])
def test_gaps_up_to_a_second_are_bridged_and_longer_ones_are_not(gap: int, people_found: int) -> None:
    keypoints, _ = walkers(240, [(0, 0.0)], 2)
    visible = np.ones((1, 240), bool)
    visible[:, 100 : 100 + gap] = False
    found, _ = detected(keypoints, visible, np.random.default_rng(2))
    assert len(set(link(found))) == people_found


def test_the_person_best_seen_comes_first_whatever_the_order_in_the_file() -> None:
    keypoints, _ = walkers(90, [(0, 0.0), (0, 5.0)], 3)
    keypoints[1, ..., 0] += 500
    visible = np.ones((2, 90), bool)
    visible[1, 60:] = False
    found, _ = detected(keypoints, visible, np.random.default_rng(3))
    tracks = to_tracks(found, BODY_25, source="clip")
    assert [t.person for t in tracks] == ["1", "2"]
    assert [t.coverage for t in tracks] == [1.0, pytest.approx(60 / 90)]
    assert [len(t) for t in tracks] == [90, 90]
    assert np.nanmax(np.abs(tracks[0].keypoints - keypoints[0])) < 20


def test_a_duplicate_of_a_detection_is_no_second_person() -> None:
    rng = np.random.default_rng(4)
    keypoints, _ = walkers(60, [(0, 0.0)], 4)
    found, _ = detected(np.concatenate([keypoints, keypoints + 2]), np.ones((2, 60), bool), rng)
    tracks = to_tracks(found, BODY_25)
    assert len(tracks) == 1
    assert any("duplicates" in note and "60" in note for note in tracks[0].notes)


def test_ghosts_of_a_frame_or_two_are_left_out_and_noted() -> None:
    rng = np.random.default_rng(5)
    keypoints, _ = walkers(60, [(0, 0.0)], 5)
    ghost = np.zeros((2, 60), bool)
    ghost[0], ghost[1, [20, 41]] = True, True
    found, _ = detected(np.concatenate([keypoints, keypoints[:, ::-1] + 800]), ghost, rng)
    tracks = to_tracks(found, BODY_25)
    assert len(tracks) == 1
    assert any("nobody" in note for note in tracks[0].notes)


def test_identities_of_the_source_are_kept() -> None:
    keypoints, _ = walkers(20, [(0, 0.0), (5, 0.2)], 6)
    found, who = detected(keypoints, np.ones((2, 20), bool), np.random.default_rng(6))
    tracks = to_tracks(Detections(found.keypoints, found.scores, found.frames, 20, identities=np.array([7, 3])[who]), BODY_25)
    assert sorted(t.person for t in tracks) == ["3", "7"]
    seven = next(t for t in tracks if t.person == "7")
    assert np.nanmedian(np.abs(seven.keypoints - keypoints[0])) < 5


def test_a_crowd_beyond_reason_is_cut_to_the_best() -> None:
    rng = np.random.default_rng(7)
    count = 2 * MAX_PEOPLE_PER_FRAME
    keypoints = rng.uniform(0, 1000, (count * 40, 25, 2))
    scores = np.repeat(np.tile([0.9, 0.2], count * 20)[:, None], 25, axis=1)
    tracks = to_tracks(Detections(keypoints, scores, np.repeat(np.arange(40), count), 40), BODY_25)
    assert {float(s) for t in tracks for s in np.unique(t.scores)} <= {0.0, 0.9}
    assert any(str(MAX_PEOPLE_PER_FRAME) in note for note in tracks[0].notes)


def test_tracks_beyond_the_memory_limit_are_left_out_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people.tracks, "MAX_TRACK_BYTES", 3 * 30 * 25 * 24)
    rng = np.random.default_rng(8)
    keypoints, _ = walkers(30, [(0, 0.0)], 8)
    several = np.concatenate([keypoints + [500.0 * k, 0] for k in range(5)])
    found, _ = detected(several, np.ones((5, 30), bool), rng)
    tracks = to_tracks(found, BODY_25)
    assert len(tracks) == 3
    assert any("of 5 people only the 3" in note for note in tracks[0].notes)
