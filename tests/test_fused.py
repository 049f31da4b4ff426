# SPDX-License-Identifier: GPL-3.0-or-later
"""The student's fused training layers compute what its plain modules do, gradients and statistics included."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from poselift.core.lifter import fused, student
from poselift.core.lifter.config import StudentConfig
from poselift.core.lifter.student import Student
from poselift.core.skeleton import HUMAN17


def step(
    network: Student, plane: torch.Tensor, target: torch.Tensor, half: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One training step: the poses, and all gradients, the input's among them."""
    plane = plane.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        pose = network(plane)
    (pose[..., 2] - target).square().mean().backward()
    return pose.detach(), {"input": plane.grad} | {name: p.grad for name, p in network.named_parameters()}


def twins() -> tuple[Student, Student, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    first = Student(StudentConfig(24, 2), HUMAN17, 5.0)
    for p in first.parameters():  # nothing may hide behind zeros and ones
        p.data += 0.1 * torch.randn_like(p)
    plane = 0.1 * torch.randn(60, 17, 2)
    return first, deepcopy(first), plane, torch.randn(60, 17)


@pytest.mark.parametrize("size", [2_000, 20_000, 10**9])  # a channel at a time, some, all
@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_fused_step_equals_a_plain_one(size, momentum, monkeypatch):
    a, b, plane, target = (thing.double() for thing in twins())  # in which rounding hides nothing
    for network in (a, b):
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.momentum = momentum
    monkeypatch.setattr(fused, "_PASS_BYTES", size)
    got, gradients = step(a, plane, target, False)
    monkeypatch.setattr(student, "trains_on_processor", lambda *_: False)
    expected, wanted = step(b, plane, target, False)
    assert (got - expected).abs().max() < 1e-6
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        assert (gradients[name] - gradient).abs().max() < 1e-5 * max(float(gradient.abs().max()), 0.01 * largest), name
    for (name, x), y in zip(a.named_buffers(), b.buffers(), strict=True):
        assert torch.allclose(x, y, rtol=1e-5, atol=1e-8), name


def test_in_bfloat16_a_fused_step_is_as_near_the_exact_one_as_a_plain_one(monkeypatch):
    a, b, plane, target = twins()
    exact, _ = step(deepcopy(a), plane, target, False)
    got, gradients = step(a, plane, target, True)
    monkeypatch.setattr(student, "trains_on_processor", lambda *_: False)
    plain, wanted = step(b, plane, target, True)
    assert (got - exact).square().mean() < 1.5 * (plain - exact).square().mean()
    for name in ("input", "enter.edges", "blocks.0.non_local.project.weight", "blocks.1.convolutions.1.linear.weight"):
        assert torch.cosine_similarity(gradients[name].flatten(), wanted[name].flatten(), 0) > 0.9, name


def test_a_fused_network_in_evaluation_uses_its_running_statistics():
    network, _, plane, target = twins()
    step(network, plane, target, False)
    network.eval()
    assert torch.allclose(network(plane)[:5], network(plane[:5]), atol=1e-5)
