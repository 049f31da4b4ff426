# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's metrics, on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from walking_figure import animate

from poselift.core import metrics
from poselift.core.rotation import matrix_from_axis_angle


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


def test_the_torso_gives_the_scale_and_nothing_else_is_forgiven(poses):
    torso = [0, 1, 4, 8, 11, 14]
    assert metrics.torso_mpjpe(3 * poses + 1, poses, torso).max() < 1e-12
    longer = poses.copy()
    longer[:, 3] += [0.0, 0.0, -0.34]  # an ankle, which is no part of the torso, must not change the scale
    assert np.allclose(metrics.torso_mpjpe(2 * longer, poses, torso), 0.34 / 17)
    assert metrics.n_mpjpe(2 * longer, poses).min() > 1.05 * 0.34 / 17


def test_auc_is_the_mean_of_pck_over_its_limits(poses):
    generator = np.random.default_rng(0)
    moved = poses + 0.08 * generator.normal(size=poses.shape)
    expected = np.mean([metrics.pck(moved, poses, limit) for limit in np.linspace(0, 0.15, 31)], axis=0)
    assert np.allclose(metrics.auc(moved, poses, 0.15), expected)
    assert np.allclose(metrics.auc(poses, poses, 0.15), 30 / 31)


def test_rotation_angles_are_exact_down_to_tiny_ones():
    axis, angles = np.array([0.6, 0.0, 0.8]), np.array([0.0, 1e-6, 0.3, 2.0, np.pi])
    turns = matrix_from_axis_angle(np.broadcast_to(axis, (5, 3)), angles)
    assert np.allclose(metrics.rotation_angle(turns, np.eye(3)), angles, rtol=1e-6, atol=1e-9)
    assert np.allclose(metrics.rotation_angle(turns[3] @ turns, turns[3]), angles, rtol=1e-6, atol=1e-9)


def test_the_chordal_mean_is_the_middle_of_rotations():
    generator = np.random.default_rng(0)
    middle = matrix_from_axis_angle(np.array([0.0, 0.6, 0.8]), np.array(2.5))
    axes = generator.normal(size=(2000, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    mean = metrics.chordal_mean(middle @ matrix_from_axis_angle(axes, np.full(2000, 0.8)))
    assert np.linalg.det(mean) > 0.999
    assert metrics.rotation_angle(mean, middle) < 0.05
