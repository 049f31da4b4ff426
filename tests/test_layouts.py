# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts and their way onto the canonical joints."""

from __future__ import annotations

import make_clip
import numpy as np
import pytest

from poselift.core.errors import SkeletonError
from poselift.core.layouts import BODY_25, BODY_25B, COCO_17, COCO_18, LAYOUTS, MAPPINGS, find_layout, plain_name, to_canonical
from poselift.core.skeleton import HUMAN17, HUMAN26, tree
from poselift.core.track import KeypointTrack

DETECTORS = (BODY_25, BODY_25B, COCO_18, COCO_17)
detectors = pytest.mark.parametrize("layout", DETECTORS, ids=lambda layout: layout.name)


def sample(layout, frames: int = 300) -> KeypointTrack:
    exact = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(frames, 30)), layout)
    return KeypointTrack(exact, np.full(exact.shape[:2], 0.9), layout)


def test_orders_are_those_that_the_detectors_document() -> None:
    assert BODY_25.joint_names[:9] == (
        "nose",
        "neck",
        "r_shoulder",
        "r_elbow",
        "r_wrist",
        "l_shoulder",
        "l_elbow",
        "l_wrist",
        "mid_hip",
    )
    assert [BODY_25.index(n) for n in ("r_hip", "l_ankle", "r_eye", "l_ear", "l_big_toe", "r_heel")] == [9, 14, 15, 18, 19, 24]
    assert [BODY_25B.index(n) for n in ("nose", "l_eye", "r_ear", "l_shoulder", "r_ankle", "upper_neck", "head_top")] == [
        0,
        1,
        4,
        5,
        16,
        17,
        18,
    ]
    assert [BODY_25B.index(n) for n in ("l_big_toe", "l_small_toe", "l_heel", "r_big_toe", "r_heel")] == [19, 20, 21, 22, 24]
    assert [COCO_18.index(n) for n in ("neck", "r_shoulder", "l_wrist", "r_hip", "l_ankle", "r_eye", "l_ear")] == [
        1,
        2,
        7,
        8,
        13,
        14,
        17,
    ]
    assert [COCO_17.index(n) for n in ("nose", "l_eye", "l_shoulder", "r_wrist", "l_hip", "r_ankle")] == [0, 1, 5, 10, 11, 16]


def test_every_layout_is_one_tree_and_pairs_all_its_sides() -> None:
    for layout in LAYOUTS.values():
        assert layout.parents.count(-1) == 1
        sided = {name for name in layout.joint_names if name[:2] in ("l_", "r_")}
        assert sided == {name for pair in layout.mirror_pairs for name in pair}


def test_mappings_name_real_joints_and_their_shares_add_up() -> None:
    for name, mapping in MAPPINGS.items():
        for joint, rules in mapping.items():
            HUMAN26.index(joint)
            for rule in rules:
                assert sum(rule.values()) == pytest.approx(1)
                assert all(LAYOUTS[name].index(source) >= 0 for source in rule)


@detectors
def test_canonical_joints_lie_where_the_figure_has_them(layout) -> None:
    track = to_canonical(sample(layout))
    truth = sample(HUMAN17)
    error = np.linalg.norm(track.keypoints - truth.keypoints, axis=-1)
    for joint, name in enumerate(HUMAN17.joint_names):
        if name in ("spine", "head_top") and not (name == "head_top" and layout is BODY_25B):
            assert not track.observed[:, joint].any(), name
        elif name in ("neck_base", "head_joint"):
            # Derived from shoulders and ears: within 2.5 cm of a figure that is 1.75 m and about 500 pixels tall.
            assert error[:, joint].max() < 9, name
        else:
            assert error[:, joint].max() < 1e-9 or name == "pelvis", name
    assert error[:, HUMAN17.root].max() < 1


def test_a_derived_joint_scores_like_its_worst_source_and_is_missing_with_it() -> None:
    track = sample(COCO_17, 3)
    scores = track.scores.copy()
    scores[0, COCO_17.index("l_hip")] = 0.3
    scores[1, COCO_17.index("r_hip")] = 0
    mapped = to_canonical(track.replace(scores=scores))
    np.testing.assert_array_equal(mapped.scores[:, HUMAN17.root], [0.3, 0, 0.9])
    assert np.isnan(mapped.keypoints[1, HUMAN17.root]).all()


def test_one_ear_or_none_still_gives_a_neck_but_never_a_head_from_nothing() -> None:
    track = sample(COCO_17, 4)
    scores = track.scores.copy()
    scores[1, COCO_17.index("l_ear")] = 0
    scores[2, [COCO_17.index("l_ear"), COCO_17.index("r_ear")]] = 0
    mapped = to_canonical(track.replace(scores=scores))
    assert mapped.observed[:, HUMAN17.index("neck_base")].all()
    np.testing.assert_array_equal(mapped.observed[:, HUMAN17.index("head_joint")], [True, True, False, True])
    shoulders = track.keypoints[2, [COCO_17.index("l_shoulder"), COCO_17.index("r_shoulder")]].mean(0)
    np.testing.assert_allclose(mapped.keypoints[2, HUMAN17.index("neck_base")], shoulders)


def test_a_missing_middle_hip_is_the_mean_of_both_hips() -> None:
    track = sample(BODY_25, 2)
    scores = track.scores.copy()
    scores[1, BODY_25.index("mid_hip")] = 0
    mapped = to_canonical(track.replace(scores=scores))
    np.testing.assert_allclose(mapped.keypoints[:, HUMAN17.root], track.keypoints[:, BODY_25.index("mid_hip")])


def test_the_notes_say_what_came_from_what_and_what_is_masked() -> None:
    notes = " ".join(to_canonical(sample(COCO_17, 1)).notes)
    assert "pelvis from l_hip, r_hip" in notes
    assert "no spine, head_top: left masked" in notes


def test_the_same_joints_pass_through_in_any_order() -> None:
    track = sample(HUMAN17, 5)
    assert to_canonical(track) is track
    order = np.random.default_rng(0).permutation(17)
    names = [HUMAN17.joint_names[j] for j in order]
    shuffled = KeypointTrack(track.keypoints[:, order], track.scores[:, order], tree("mine", [(name, None) for name in names]))
    np.testing.assert_array_equal(to_canonical(shuffled).keypoints, track.keypoints)


def test_some_of_the_joints_are_taken_by_name_and_the_rest_masked() -> None:
    arm = tree("arm", [("l_shoulder", None), ("l_elbow", "l_shoulder"), ("l_wrist", "l_elbow")])
    mapped = to_canonical(KeypointTrack(np.ones((2, 3, 2)), np.ones((2, 3)), arm))
    seen = {HUMAN17.joint_names[j] for j in np.flatnonzero(mapped.observed[0])}
    assert seen == set(arm.joint_names)


def test_a_layout_without_a_mapping_is_refused_by_name() -> None:
    dog = tree("dog", [("tail", None), ("snout", "tail")])
    with pytest.raises(SkeletonError, match="'dog'"):
        to_canonical(KeypointTrack(np.ones((2, 2, 2)), np.ones((2, 2)), dog))
    with pytest.raises(SkeletonError, match="'coco_17'"):
        to_canonical(sample(COCO_17, 1), dog)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("LShoulder", "l_shoulder"), ("left_shoulder", "l_shoulder"), ("Left Shoulder", "l_shoulder"), ("nose", "nose"),
        ("shoulder_l", "l_shoulder"), ("leftShoulder", "l_shoulder"), ("RBigToe", "r_big_toe"), ("MidHip", "mid_hip"),
        ("HeadTop", "head_top"),
    ],
)  # fmt: skip
def test_joint_names_are_known_in_usual_spellings(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@detectors
def test_layouts_are_found_by_their_names(layout) -> None:
    spelled = [
        f"{'Left' if n[0] == 'l' else 'Right'} {n[2:]}" if n[:2] in ("l_", "r_") else n.title() for n in layout.joint_names
    ]
    assert find_layout(spelled[::-1]) is layout
    assert find_layout(spelled[1:]) is None
