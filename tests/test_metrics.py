# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's metrics, on cases whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from walking_figure import animate

from poselift.core import metrics
from poselift.core.lifter.evaluation import CONDITIONS
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17
from poselift.operators.command_line import main


@pytest.fixture(scope="module")
def poses():
    return animate(60, 30)[0]


def test_mpjpe_is_the_mean_distance(poses):
    assert np.allclose(metrics.mpjpe(poses + [0.03, 0.04, 0.0], poses), 0.05)


def test_n_mpjpe_forgives_scale_and_place_only(poses):
    assert metrics.n_mpjpe(3 * poses + 1, poses).max() < 1e-12
    turned = poses @ matrix_from_axis_angle(np.array([0.0, 0.0, 1.0]), np.array(0.5)).T
    assert metrics.n_mpjpe(turned, poses).min() > 0.02


def test_p_mpjpe_forgives_similarities_but_no_reflection(poses):
    turn = matrix_from_axis_angle(np.array([0.6, 0.0, 0.8]), np.array(2.0))
    assert metrics.p_mpjpe(0.4 * poses @ turn.T + 2, poses).max() < 1e-12
    assert metrics.p_mpjpe(poses * [1, -1, 1], poses).min() > 0.01


def test_pck_counts_joints_within_the_limit(poses):
    moved = poses.copy()
    moved[:, 3] += [0.0, 0.0, 0.3]
    assert np.allclose(metrics.pck(moved, poses, 0.15), 16 / 17)
    assert np.allclose(metrics.pck(poses * 2, poses, 1e-9), 1)


def test_acceleration_error_is_in_units_per_second_squared(poses):
    t = np.arange(60)[:, None, None] / 30
    assert np.allclose(metrics.acceleration_error(poses + 0.5 * 2.0 * t**2 * [1, 0, 0], poses, 30.0), 2.0)


def test_the_command_scores_weights_against_unseen_motion(poses, tmp_path, capsys):
    np.savez(
        tmp_path / "walk.npz",
        pos=np.round((poses - poses[:, :1]) / 0.0005).astype(np.int16),
        quant=np.float32(0.0005),
        start=np.array([0, 60]),
        category=np.array(["walk"]),
        joint_names=np.array(HUMAN17.joint_names),
    )
    data = str(tmp_path / "walk.npz")
    assert main(["evaluate", data, "--weights", "human17-anchored", "--samples", "256", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["human17-anchored"]
    assert [s["condition"] for s in scores[::3]] == list(CONDITIONS)
    for student, _, flat in zip(scores[::3], scores[1::3], scores[2::3], strict=True):
        assert student["p_mpjpe"] < 0.6 * flat["p_mpjpe"] and student["n_mpjpe"] < 0.6 * flat["n_mpjpe"]
        assert student["oracle"] <= student["p_mpjpe"] and student["mirrored"] < 0.05
    assert main(["evaluate", data, "--weights", "human17-anchored", "--samples", "64"]) == 0
    assert "| exact | student |" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "none.npz")]) == 2
