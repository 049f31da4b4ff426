# SPDX-License-Identifier: GPL-3.0-or-later
"""Every layout is told by geometry, from any side, in any motion; and every layout gives the same canonical track."""

from __future__ import annotations

import numpy as np
import pytest
from details import with_details
from motions import X, Y, assemble, bone_lengths, look_at, standing, turn, walking

from poselift.core.camera import Intrinsics, project
from poselift.core.layouts import (
    LAYOUTS,
    MAPPINGS,
    body_count,
    candidates,
    plain_name,
    suggested_mapping,
    tell_layout,
    to_canonical,
)
from poselift.core.layouts.tables import COCO_17, HALPE_26
from poselift.core.rotation import normalised
from poselift.core.skeleton import HUMAN17, HUMAN26
from poselift.core.track import KeypointTrack

FRAMES, VIEWS = 30, 20
CAMERA = Intrinsics.from_fov(1920, 1080, np.radians(60))


def bent(angles: np.ndarray, arms: float) -> np.ndarray:
    """Return joints (T, 17, 3) of someone who bends hips and knees by `angles` (T,) and raises the arms by `arms` radians."""
    directions = standing(len(angles))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        hip, shin = turn(X, -angles), turn(X, 0.8 * angles)
        directions[f"{side}_knee"] = np.einsum("tij,tj->ti", hip, directions[f"{side}_knee"])
        directions[f"{side}_ankle"] = np.einsum("tij,tj->ti", shin, directions[f"{side}_ankle"])
        arm = turn(Y, np.full(len(angles), -sign * arms))
        for part in ("elbow", "wrist"):
            directions[f"{side}_{part}"] = np.einsum("tij,tj->ti", arm, directions[f"{side}_{part}"])
    trunk = turn(X, 0.5 * angles)
    for name in ("spine", "neck_base", "head_joint", "head_top"):
        directions[name] = np.einsum("tij,tj->ti", trunk, directions[name])
    return assemble(directions, np.tile((0, 0, 0.9), (len(angles), 1)), bone_lengths())


def rolled(joints: np.ndarray, axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Turn a body about its pelvis, frame by frame."""
    pelvis = joints[:, :1]
    return np.einsum("tij,tkj->tki", turn(axis, angles), joints - pelvis) + pelvis


STEPS = np.linspace(0, 1, FRAMES)
MOTIONS = {
    "walk": walking(FRAMES),
    "crouch": bent(1.8 * np.sin(np.pi * STEPS), 0.3),
    "jump": bent(0.6 * np.abs(np.sin(2 * np.pi * STEPS)), 2.8),
    "cartwheel": rolled(bent(np.full(FRAMES, 0.1), 2.6), Y, 2 * np.pi * STEPS),
    "lie": rolled(bent(0.3 * STEPS, 0.8), X, np.full(FRAMES, -1.5)),
}


def points_of(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Return every point that a layout names, from 17 joints: head and feet are turned as the joints beside them say."""
    points = {name: joints[:, j] for j, name in enumerate(HUMAN17.joint_names)}
    neck = (points["l_shoulder"] + points["r_shoulder"]) / 2
    across = normalised(points["l_shoulder"] - points["r_shoulder"])
    up = normalised(points["head_top"] - points["head_joint"])
    ahead = normalised(np.cross(across, up))
    points |= {"neck": neck, "mid_shoulder": neck, "mid_hip": points["pelvis"], "upper_neck": points["neck_base"]}
    points["nose"] = points["head_joint"] + 0.115 * ahead + 0.025 * up
    hips = normalised(points["l_hip"] - points["r_hip"])
    for side, sign in (("l", 1.0), ("r", -1.0)):
        points[f"{side}_eye"] = points["nose"] + 0.03 * up + 0.03 * sign * across - 0.02 * ahead
        points[f"{side}_ear"] = points["head_joint"] + 0.045 * up + 0.075 * sign * across
        shank = normalised(points[f"{side}_knee"] - points[f"{side}_ankle"])
        toes = normalised(np.cross(hips, shank))
        ankle = points[f"{side}_ankle"]
        points[f"{side}_big_toe"] = ankle + 0.18 * toes - 0.06 * shank - 0.03 * sign * hips
        points[f"{side}_small_toe"] = ankle + 0.15 * toes - 0.06 * shank + 0.04 * sign * hips
        points[f"{side}_heel"] = ankle - 0.05 * toes - 0.06 * shank
    return with_details(points)


POINTS = {name: points_of(joints) for name, joints in MOTIONS.items()}


def seen_from(name: str, layout, view: int, noise: float = 0.0, missing: float = 0.0) -> KeypointTrack:
    rng = np.random.default_rng([view, len(layout), len(name)])
    azimuth, height, roll = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 3), rng.normal(0, 0.2)
    rotation, translation = look_at((4.5 * np.sin(azimuth), -4.5 * np.cos(azimuth), height), roll=roll)
    world = np.stack([POINTS[name][joint] for joint in layout.joint_names], 1)
    keypoints = project(world @ rotation.T + translation, CAMERA)
    keypoints = keypoints + rng.normal(0, 1, keypoints.shape) * noise
    scores = rng.uniform(0.3, 0.9, keypoints.shape[:2]) * (rng.random(keypoints.shape[:2]) >= missing)
    return KeypointTrack(keypoints, scores, layout)


NAMELESS = [layout for layout in LAYOUTS.values() if layout is not HUMAN26]


@pytest.mark.parametrize("layout", NAMELESS, ids=lambda layout: layout.name)
def test_every_layout_is_told_from_any_side_in_any_motion(layout) -> None:
    views = VIEWS if len(candidates(len(layout))) > 1 else 1
    for name in MOTIONS:
        for view in range(views):
            track = seen_from(name, layout, view, noise=5.0, missing=0.25)
            found, notes = tell_layout(track.keypoints, track.scores, candidates(len(layout)))
            assert found is layout, (name, view, notes)
            assert all("might" not in note for note in notes), (name, view, notes)


def test_the_evidence_is_shown_and_thin_evidence_is_said_to_be_thin() -> None:
    track = seen_from("walk", COCO_17, 0)
    notes = tell_layout(track.keypoints, track.scores, candidates(17))[1]
    assert "coco_17" in notes[0]
    assert "human17" in notes[0]
    nowhere = np.random.default_rng(0).uniform(0, 1000, (30, 17, 2))
    assert "might be" in tell_layout(nowhere, np.ones((30, 17)), candidates(17))[1][0]


@pytest.mark.parametrize("layout", list(LAYOUTS.values()), ids=lambda layout: layout.name)
def test_tables_are_whole(layout) -> None:
    sides = [name for name in layout.joint_names if name.startswith(("l_", "r_"))]
    assert sorted(name for pair in layout.mirror_pairs for name in pair) == sorted(sides)
    assert layout.parents[: body_count(layout)].count(-1) == 1
    assert all(plain_name(name) == name for name in layout.joint_names)
    names = [name for name in layout.joint_names if name in suggested_mapping(layout.joint_names)]
    assert all(suggested_mapping(layout.joint_names)[name] == name for name in names)


@pytest.mark.parametrize("name", [name for name in MAPPINGS if name != "body_25"])
def test_all_layouts_give_the_same_canonical_joints_where_they_mean_the_same(name: str) -> None:
    layout = LAYOUTS[name]
    truth = to_canonical(seen_from("walk", HUMAN26, 3), HUMAN26)
    world = {joint: j for j, joint in enumerate(HUMAN26.joint_names)}
    rotation, translation = _view("walk", HUMAN26, 3)
    keypoints = project(np.stack([POINTS["walk"][j] for j in layout.joint_names], 1) @ rotation.T + translation, CAMERA)
    found = to_canonical(KeypointTrack(keypoints, np.ones(keypoints.shape[:2]), layout), HUMAN26)
    apart = np.linalg.norm(found.keypoints - truth.keypoints, axis=-1)
    for joint, at in world.items():
        if not found.observed[:, at].any():
            continue
        part = joint[2:] if joint[1] == "_" else joint
        if part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "ear", "heel", "nose", "head_top"):
            assert apart[:, at].max() < 0.5, joint
        elif part in ("neck_base", "head_joint"):
            assert np.median(apart[:, at]) < 16, joint  # a derived one: 4 cm are 16 px here
        else:
            assert np.median(apart[:, at]) < 16, joint
    limbs = {f"{s}_{p}" for s in "lr" for p in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")}
    assert {joint for joint, at in world.items() if found.observed[:, at].all()} >= limbs | {"pelvis", "neck_base"}


def _view(name: str, layout, view: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([view, len(layout), len(name)])
    azimuth, height, roll = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 3), rng.normal(0, 0.2)
    return look_at((4.5 * np.sin(azimuth), -4.5 * np.cos(azimuth), height), roll=roll)


def test_toes_heels_hands_and_face_are_taken_where_they_are_seen() -> None:
    found = to_canonical(seen_from("walk", HALPE_26, 1), HUMAN26)
    has = {joint for j, joint in enumerate(HUMAN26.joint_names) if found.observed[:, j].any()}
    assert {"l_toe", "r_heel", "nose", "l_ear", "head_top"} <= has
    assert not {"l_hand", "r_hand", "spine"} & has
    whole = LAYOUTS["coco_wholebody_133"]
    assert to_canonical(seen_from("walk", whole, 1), HUMAN26).observed[:, HUMAN26.index("l_hand")].all()


NAMES = {
    "LWrist": "l_wrist", "left_wrist": "l_wrist", "wrist_L": "l_wrist", "wristLeft": "l_wrist", "L.Wrist": "l_wrist",
    "lWrist": "l_wrist", "left wrist": "l_wrist", "Wrist.R": "r_wrist", "RIGHT_WRIST": "r_wrist", "Hips": "pelvis",
    "MidHip": "mid_hip", "Thorax": "neck", "LBigToe": "l_big_toe", "left_foot_index": "l_foot_index", "RFoot": "r_ankle",
    "Left Hand": "l_hand", "head": "head_top", "tail": None, "": None, "左手": None, "l": None, "x" * 5000: None,
}  # fmt: skip


@pytest.mark.parametrize(("name", "joint"), list(NAMES.items()), ids=lambda text: str(text)[:20])
def test_names_mean_what_people_mean_by_them(name: str, joint: str | None) -> None:
    assert suggested_mapping([name, "l_wrist"] if name == "Left Hand" else [name]).get(name) == joint
