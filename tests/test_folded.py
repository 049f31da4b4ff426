# SPDX-License-Identifier: GPL-3.0-or-later
"""Folded networks give what the trained ones do, and a frame's pose does not depend on the frames beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poselift.core.lifter import inference, weights
from poselift.core.lifter.inference import Lifter

CPU = torch.device("cpu")
NAMES = weights.available()


def typical_planes(trained: weights.Weights, count: int) -> np.ndarray:
    """2D poses drawn from the normal distribution of the training's, (count, J, 2)."""
    mean, covariance = trained.arrays["statistics.mean"], trained.arrays["statistics.covariance"]
    return np.random.default_rng(0).multivariate_normal(mean, covariance, count, method="eigh").reshape(count, -1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_folded_networks_give_what_the_trained_ones_do(name, monkeypatch):
    trained = weights.load(weights.find(name))
    folded = Lifter(trained, CPU)
    monkeypatch.setattr(inference, "fold_teacher", lambda network: network)
    monkeypatch.setattr(inference, "fold_student", lambda network: network)
    plain = Lifter(trained, CPU)
    assert any("norm" in key for key in plain.student.state_dict())
    assert not any("norm" in key or "running" in key for key in folded.student.state_dict() | folded.teacher.state_dict())
    planes = typical_planes(trained, 500)
    a, b = folded.lift(planes), plain.lift(planes)
    assert np.abs(a.pose - b.pose).max() < 1e-5
    assert np.abs(a.canonical - b.canonical).max() < 1e-5
    assert np.abs(a.rotation - b.rotation).max() < 1e-4  # near half a turn, the rotation follows its logarithm steeply


@pytest.mark.parametrize("name", NAMES)
def test_frames_lifted_one_by_one_equal_those_of_a_batch(name):
    trained = weights.load(weights.find(name))
    lifter = Lifter(trained, CPU)
    planes = typical_planes(trained, 300)
    whole = lifter.lift(planes)
    for frame in range(0, 300, 23):
        alone = lifter.lift(planes[frame : frame + 1])
        assert np.abs(whole.pose[frame] - alone.pose[0]).max() < 1e-5
        assert np.abs(whole.canonical[frame] - alone.canonical[0]).max() < 1e-5
        assert np.abs(whole.rotation[frame] - alone.rotation[0]).max() < 1e-4
