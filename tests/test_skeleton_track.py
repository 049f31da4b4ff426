# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons and tracks: what they guarantee and what they refuse."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from poselift.core.errors import SkeletonError, TrackError
from poselift.core.skeleton import HUMAN17, Hinge, Skeleton, tree
from poselift.core.track import KeypointTrack, exact_rate

DOG = tree(
    "dog",
    [("tail", "hip"), ("hip", None), ("l_paw", "hip"), ("r_paw", "hip"), ("nose", "neck"), ("neck", "hip")],
    mirror_pairs=[("l_paw", "r_paw")],
    hinges=[Hinge("neck", "hip", "nose", 1)],
)


def test_order_puts_parents_first_whatever_the_joints_order() -> None:
    for skeleton in (HUMAN17, DOG):
        seen: set[int] = set()
        for joint in skeleton.order:
            assert skeleton.parents[joint] in seen or skeleton.parents[joint] == -1
            seen.add(joint)
        assert len(seen) == len(skeleton)


def test_mirror_swaps_left_and_right_only() -> None:
    mirrored = [HUMAN17.joint_names[j] for j in HUMAN17.mirror]
    for name, other in zip(HUMAN17.joint_names, mirrored, strict=True):
        assert other == {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]
    np.testing.assert_array_equal(HUMAN17.mirror[HUMAN17.mirror], np.arange(17))


def test_skeletons_survive_the_way_through_plain_data() -> None:
    for skeleton in (HUMAN17, DOG):
        assert Skeleton.from_dict(skeleton.to_dict()) == skeleton


@pytest.mark.parametrize(
    ("names", "parents", "pairs"),
    [
        ((), (), ()),
        (("a", "b"), (-1,), ()),
        (("a", "a"), (-1, 0), ()),
        (("a", "b"), (1, 0), ()),
        (("a", "b"), (-1, 5), ()),
        (("a", "b"), (-1, 0), (("a", "c"),)),
    ],
)
def test_what_is_no_tree_is_refused(names: tuple, parents: tuple, pairs: tuple) -> None:
    with pytest.raises(SkeletonError):
        Skeleton("broken", names, parents, pairs)


@pytest.mark.parametrize(
    "data", [{}, {"name": "x", "joint_names": 3, "parents": []}, {"name": "x", "joint_names": ["a"], "parents": [None]}]
)
def test_what_is_no_skeleton_is_refused_as_plain_data(data: dict) -> None:
    with pytest.raises(SkeletonError):
        Skeleton.from_dict(data)


def track(**changes) -> KeypointTrack:
    rng = np.random.default_rng(0)
    fields = {"keypoints": rng.uniform(0, 500, (4, 17, 2)), "scores": np.full((4, 17), 0.8), "skeleton": HUMAN17} | changes
    return KeypointTrack(**fields)


def test_missing_means_nan_and_score_zero_both_ways() -> None:
    keypoints, scores = np.full((4, 17, 2), 7.0), np.full((4, 17), 0.8)
    keypoints[0, 0, 0], keypoints[0, 1] = np.nan, np.inf
    scores[0, 2], scores[0, 3], scores[0, 4] = 0, -1, np.nan
    made = track(keypoints=keypoints, scores=scores)
    assert np.isnan(made.keypoints[0, :5]).all()
    assert (made.scores[0, :5] == 0).all()
    assert made.observed.sum() == 4 * 17 - 5


def test_the_origin_is_a_place() -> None:
    assert track(keypoints=np.zeros((4, 17, 2))).observed.all()


def test_a_track_does_not_change_the_arrays_it_is_made_of() -> None:
    keypoints, scores = np.zeros((4, 17, 2)), np.zeros((4, 17))
    track(keypoints=keypoints, scores=scores)
    assert not np.isnan(keypoints).any()


@pytest.mark.parametrize(
    "changes",
    [
        {"keypoints": np.zeros((4, 16, 2))},
        {"keypoints": np.zeros((4, 17, 3))},
        {"scores": np.ones((3, 17))},
        {"keypoints": np.zeros((0, 17, 2)), "scores": np.zeros((0, 17))},
        {"scores": np.full((4, 17), 1.5)},
        {"fps": Fraction(0)},
        {"times": np.array([0.0, 1.0, 1.0, 2.0])},
        {"times": np.array([0.0, 1.0])},
    ],
)
def test_what_does_not_fit_is_refused_and_the_source_named(changes: dict) -> None:
    with pytest.raises(TrackError, match=r"clip\.json \(person 2\)"):
        track(source="clip.json", person="2", **changes)


def test_times_come_from_the_source_or_from_the_rate() -> None:
    np.testing.assert_allclose(track(fps=Fraction(30000, 1001)).frame_times(), np.arange(4) * 1001 / 30000)
    given = np.array([0.0, 0.1, 0.35, 0.4])
    np.testing.assert_array_equal(track(times=given).frame_times(), given)
    with pytest.raises(TrackError, match="frame rate is unknown"):
        track().frame_times()


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        (30, Fraction(30)), (29.97, Fraction(30000, 1001)), (29.97002997, Fraction(30000, 1001)), (25.0, Fraction(25)),
        ("30000/1001", Fraction(30000, 1001)), (23.976, Fraction(24000, 1001)), ("59.94", Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)), (12.5, Fraction(25, 2)), (24.5, Fraction(49, 2)),
    ],
)  # fmt: skip
def test_rates_are_exact_fractions(given: float | str, exact: Fraction) -> None:
    assert exact_rate(given) == exact


@pytest.mark.parametrize("given", [0, -25, np.nan, np.inf, "fast", "1/0", 1e9])
def test_impossible_rates_are_refused(given: float | str) -> None:
    with pytest.raises(TrackError):
        exact_rate(given)
