# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a body from anything else that reprojects: proportions, hinges, and a critic of unseen views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from creature import make_clip
from four_legs import CREATURE
from motions import dog_skeleton
from training_runs import SUPERVISED, UNLABELLED, small, walking_archive
from walking_figure import animate

from poselift.core.lifter import losses
from poselift.core.lifter.anatomy import body_frame, hinge_evidence
from poselift.core.lifter.config import PriorConfig
from poselift.core.lifter.data import MotionCapture
from poselift.core.lifter.geometry import (
    frame_from_columns,
    project,
    random_rotations,
    rotate,
    shortest_turn,
    turn_about,
)
from poselift.core.lifter.losses import lifting_losses, new_views, student_losses
from poselift.core.lifter.prior import PENALTY_EVERY, Critic, Pairs, Prior
from poselift.core.lifter.torch_anatomy import body_frames, hinge_offsets
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.skeleton import HUMAN17

CPU = torch.device("cpu")
J = HUMAN17.index
CONFIG = PriorConfig(width=32)
SPECIAL = pytest.mark.parametrize("skeleton", [HUMAN17, CREATURE], ids=lambda skeleton: skeleton.name)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bodies(skeleton, count=60):
    """Poses of the walking figure or of the creature, turned at random, root at the origin."""
    joints = animate(count, 30)[0] if skeleton is HUMAN17 else make_clip(0, 3, "trot", seconds=count / 30).joints
    pose = torch.from_numpy(joints - joints[:, :1]).double()
    return rotate(random_rotations(count, True, seeded(), CPU).double(), pose)


# Rotations.


def test_turns_are_rotations_that_take_one_direction_to_the_other():
    start, end = (torch.nn.functional.normalize(torch.randn(200, 3, generator=seeded(s)).double(), dim=-1) for s in (0, 1))
    turn = shortest_turn(start, end)
    close = (start * end).sum(-1) > -0.9
    assert close.sum() > 150
    assert ((turn @ start[..., None])[..., 0] - end)[close].abs().max() < 1e-6
    assert (turn @ turn.mT - torch.eye(3))[close].abs().max() < 1e-6 and torch.isfinite(turn).all()
    axis = torch.linalg.cross(start, end)
    assert ((turn @ axis[..., None])[..., 0] - axis)[close].abs().max() < 1e-6  # the smallest: about their common normal
    about = turn_about(start, torch.linspace(0, 6, 200).double())
    assert ((about @ start[..., None])[..., 0] - start).abs().max() < 1e-9
    frames = frame_from_columns(torch.cat([start * 3, end], -1))
    assert (frames @ frames.mT - torch.eye(3)).abs().max() < 1e-6 and (torch.linalg.det(frames) - 1).abs().max() < 1e-6
    assert torch.allclose(frames[..., 0], start)


def test_new_views_take_each_vertical_to_that_of_the_pose_whose_place_it_takes():
    up = torch.tensor([0.0, -1.0, -0.2]) + 0.3 * torch.randn(400, 3, generator=seeded())
    turn, order = new_views(up, seeded(1))
    unit = torch.nn.functional.normalize(up, dim=-1)
    assert sorted(order.tolist()) == list(range(400)) and order.tolist() != list(range(400))
    assert ((turn @ unit[..., None])[..., 0] - unit[order]).abs().max() < 1e-5
    assert (turn @ turn.mT - torch.eye(3)).abs().max() < 1e-5 and (torch.linalg.det(turn) - 1).abs().max() < 1e-5
    azimuth = torch.atan2(turn[:, 0, 2], turn[:, 2, 2])  # all around: no view is left out
    assert torch.histc(azimuth, 8, -np.pi, np.pi).min() > 20


# Anatomy in torch.


@SPECIAL
@pytest.mark.parametrize("kind", ["bodies", "random"])
def test_anatomy_in_torch_is_that_in_numpy(skeleton, kind):
    pose = bodies(skeleton) if kind == "bodies" else torch.randn(60, len(skeleton), 3, generator=seeded()).double()
    frames, offsets = body_frames(pose, skeleton), hinge_offsets(pose, skeleton)
    assert np.abs(frames.numpy() - body_frame(pose.numpy(), skeleton)).max() < 1e-9
    assert offsets.shape == (60, len(skeleton.hinges))
    shares = torch.zeros(60).double()
    for hinge, offset in zip(skeleton.hinges, offsets.T, strict=True):
        joint, before, after = (pose[:, skeleton.index(n)] for n in (hinge.joint, hinge.before, hinge.after))
        shares += offset / ((joint - before).norm(dim=-1) + (after - joint).norm(dim=-1))
    assert np.abs(shares.numpy() - hinge_evidence(pose.numpy(), skeleton)).max() < 1e-9
    flipped = hinge_offsets(pose * torch.tensor([1.0, 1.0, -1.0]), skeleton)
    assert torch.allclose(flipped, -offsets)


def test_a_skeleton_without_axes_has_no_frame_of_its_own():
    plain = replace(dog_skeleton(), axes=None)
    assert torch.equal(body_frames(torch.randn(4, len(plain), 3), plain), torch.eye(3).expand(4, 3, 3))


# Proportions and hinges.


def lengths_of(pose, skeleton):
    return torch.stack([(pose[:, c] - pose[:, p]).norm(dim=-1).mean() for p, c in skeleton.edges])


def knowing_prior(pose, skeleton):
    """A prior that has learned a body's proportions."""
    prior = Prior(CONFIG, skeleton).double()
    with torch.no_grad():
        prior.log_lengths.copy_(lengths_of(pose, skeleton).log())
    return prior


def body_terms(prior, pose, observed=None):
    pairs = pose.view(-1, 2, *pose.shape[1:])
    return prior.body_terms(pairs, torch.ones(pairs.shape[:3]) if observed is None else observed)


def test_a_body_of_learned_proportions_has_no_loss_and_only_its_size_is_asked_for():
    pose = bodies(HUMAN17)
    prior = knowing_prior(pose, HUMAN17)
    terms = body_terms(prior, pose)
    assert set(terms) == {"bones", "pair", "size", "midpoints", "hinges"}
    assert all(value.item() < 1e-3 for value in terms.values()), terms
    large = body_terms(prior, 1.5 * pose)
    assert large["size"].item() == pytest.approx(CONFIG.scale * np.log(1.5) ** 2, rel=1e-3)
    assert all(large[name].item() < 1e-3 for name in ("bones", "pair", "hinges"))
    assert large["midpoints"].item() == pytest.approx(1.5 * terms["midpoints"].item(), abs=1e-9)


def test_each_term_rises_with_what_it_forbids():
    pose = bodies(HUMAN17)
    prior = knowing_prior(pose, HUMAN17)
    right = body_terms(prior, pose)
    changes = {
        "bones": lambda x: x * torch.tensor([1.0, 1.0, 0.2]),  # cardboard
        "hinges": lambda x: x * torch.tensor([1.0, 1.0, -1.0]),  # the mirror image
        "midpoints": lambda x: x + 0.1 * torch.eye(17)[J("l_hip"), :, None],
        "pair": lambda x: x * torch.tensor([1.0, 1.5]).double().repeat(len(x) // 2)[:, None, None],  # breathes
    }
    for name, change in changes.items():
        assert body_terms(prior, change(pose))[name] > right[name] + 0.02, name
    mirrored = body_terms(prior, changes["hinges"](pose))
    for name in ("bones", "pair", "size"):  # lengths cannot tell
        assert mirrored[name].item() == pytest.approx(right[name].item(), abs=1e-9)


@SPECIAL
def test_proportions_are_one_for_left_and_right(skeleton):
    prior = Prior(CONFIG, skeleton)
    ends = [child for _, child in skeleton.edges]
    assert [ends[other] for other in prior.mirror] == [int(skeleton.mirror[joint]) for joint in ends]
    pose = bodies(skeleton)
    prior = knowing_prior(pose, skeleton)
    with torch.no_grad():  # an error of one side is shared by the other, and the mean is what is compared
        side = torch.tensor([0.3 if skeleton.joint_names[j].startswith("l_") else 0.0 for j in ends]).double()
        other = torch.tensor([0.3 if skeleton.joint_names[j].startswith("r_") else 0.0 for j in ends]).double()
        before = body_terms(prior, pose)["bones"]
        prior.log_lengths += side - other
    assert torch.allclose(body_terms(prior, pose)["bones"], before)


def test_bones_with_an_unseen_end_are_not_measured():
    pose = bodies(HUMAN17)
    prior = knowing_prior(pose, HUMAN17)
    observed = torch.ones(30, 2, 17)
    observed[:, :, J("l_wrist")] = 0
    moved = pose.clone()
    moved[:, J("l_wrist")] *= 3
    names = ("bones", "pair", "size")
    shown, unseen = body_terms(prior, moved), body_terms(prior, moved, observed)
    assert shown["bones"] > 0.02
    assert all(unseen[name].item() == pytest.approx(body_terms(prior, pose, observed)[name].item()) for name in names)


# The critic.


def real_pairs(count=64, seed=0):
    plane = torch.randn(count, 2, 17, 2, generator=seeded(seed))
    plane = plane - plane[:, :, :1]
    return Pairs(plane, torch.ones(count, 2, 17), torch.full((count,), 3.0))


def test_the_critic_does_not_look_at_unobserved_joints_nor_at_size():
    critic = Critic(HUMAN17, 32, 8).eval()
    pairs = real_pairs()
    observed = pairs.observed.clone()
    observed[:, :, [J("l_wrist"), J("r_knee")]] = 0
    observed[:32, 1, J("head_top")] = 0
    score = critic(pairs.plane, observed, pairs.gap)
    assert score.shape == (64,) and score.std() > 0
    other = torch.where(observed[..., None] > 0, pairs.plane, 100.0)
    assert torch.allclose(critic(other, observed, pairs.gap), score, atol=1e-5)
    assert torch.allclose(critic(7 * pairs.plane, observed, pairs.gap), score, atol=1e-4)
    assert not torch.allclose(critic(pairs.plane, pairs.observed, pairs.gap), score, atol=1e-4)
    assert not torch.allclose(critic(pairs.plane * torch.tensor([1.0, 2.0]), observed, pairs.gap), score, atol=1e-4)


def test_the_critic_sees_how_fast_a_pose_moves_whatever_the_gap():
    critic = Critic(HUMAN17, 32, 8).eval()
    pairs = real_pairs()
    first, step = pairs.plane[:, 0], 0.01 * pairs.plane[:, 1]
    looks = []
    critic.layers[0].register_forward_pre_hook(lambda _, inputs: looks.append(inputs[0][:, :-1]))  # all but the gap

    def look(frames, told):
        critic(torch.stack([first, first + frames * step], 1), pairs.observed, torch.full((64,), float(told)))
        return looks.pop()

    true, wrong = ((look(2, 2) - look(4, told)).abs().max() for told in (4, 2))
    assert true < 0.2 * wrong
    assert (look(2, 2) - look(-2, -2)).abs().max() < 0.2 * wrong  # backwards in time it moves the same way


def test_the_critics_loss_moves_the_critic_alone_and_the_views_loss_the_poses_alone():
    prior = Prior(CONFIG, HUMAN17)
    plane = real_pairs(seed=1).plane.requires_grad_()
    real = real_pairs(seed=2)
    terms = prior.critic_terms(real, Pairs(plane, real.observed, real.gap))
    assert set(terms) == {"views", "critic"}
    critic = list(prior.critic.parameters())
    assert all(g is None for g in torch.autograd.grad(terms["views"], critic, retain_graph=True, allow_unused=True))
    (slope,) = torch.autograd.grad(terms["views"], plane, retain_graph=True)
    assert slope.abs().sum() > 0
    (none,) = torch.autograd.grad(terms["critic"], plane, retain_graph=True, allow_unused=True)
    assert none is None
    moved = torch.autograd.grad(terms["critic"], critic)
    assert all(g.abs().sum() > 0 for g in moved[:-1])
    assert prior.steps == 1


def test_a_trained_critic_tells_bodies_from_what_is_none_and_shows_the_way_to_them():
    """Bodies against themselves flattened to a third of their breadth; then steps along the views' loss undo that."""
    torch.manual_seed(0)
    prior = Prior(CONFIG, HUMAN17)
    upright = torch.from_numpy(animate(128, 30)[0]).float()
    upright = (upright - upright[:, :1])[..., [0, 2]].view(64, 2, 17, 2)
    observed, gap = torch.ones(64, 2, 17), torch.full((64,), 1.0)
    thin = (upright * torch.tensor([0.33, 1.0])).clone()
    optimiser = torch.optim.AdamW(prior.critic.parameters(), 3e-3)
    first = last = None
    for _ in range(200):
        terms = prior.critic_terms(Pairs(upright, observed, gap), Pairs(thin, observed, gap))
        optimiser.zero_grad()
        terms["critic"].backward()
        optimiser.step()
        last = terms["views"].item()
        first = last if first is None else first
    assert (prior.critic(upright, observed, gap) > prior.critic(thin, observed, gap)).float().mean() > 0.95
    assert last > first + 0.5
    breadth = torch.full((), 0.33, requires_grad=True)
    shown = upright * torch.stack([breadth, torch.ones(())])
    prior.critic_terms(Pairs(upright, observed, gap), Pairs(shown, observed, gap))["views"].backward()
    assert breadth.grad < 0  # broader is more of a body


def test_the_penalty_is_taken_now_and_then_and_holds_the_slope_down():
    real = real_pairs()
    added = []
    for penalty in (0.0, 50.0):
        torch.manual_seed(0)
        prior = Prior(replace(CONFIG, penalty=penalty), HUMAN17)
        values = []
        for _ in range(PENALTY_EVERY + 1):
            torch.manual_seed(1)
            values.append(prior.critic_terms(real, real)["critic"].item())
        added.append(values)
    extra = np.array(added[1]) - added[0]
    assert extra[0] > 1e-6 and extra[PENALTY_EVERY] > 1e-6 and np.abs(extra[1:PENALTY_EVERY]).max() < 1e-6


# The losses of a lifting teacher and of the student that learns from it.


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return walking_archive(tmp_path_factory.mktemp("mocap") / "walk.npz")


@pytest.fixture(scope="module")
def source(archive):
    return MotionCapture(archive, HUMAN17, small(UNLABELLED), CPU)


def begun(source, name=UNLABELLED):
    return Trainer(source, small(name), TrainSettings(precision="float32"), CPU)


def test_a_lifting_teachers_losses_are_named_reach_every_weight_and_need_no_3d(source):
    def terms_of(name, batch):
        trainer = begun(source, name)
        torch.manual_seed(1)
        return trainer, lifting_losses(trainer.teacher, trainer.prior, batch, trainer.config, source, seeded(1))

    batch = source.sample(32, seeded(), 2)
    trainer, terms = terms_of(UNLABELLED, batch)
    expected = {"views", "critic", "bones", "pair", "size", "midpoints", "hinges", "cycle", "dictionary", "frame", "invariance"}
    assert set(terms) == expected
    sum(terms.values()).backward()
    for module in (trainer.teacher, trainer.prior):
        for name, parameter in module.named_parameters():
            assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name
    _, blind = terms_of(UNLABELLED, batch._replace(truth=None))
    assert {name: value.item() for name, value in blind.items()} == {name: value.item() for name, value in terms.items()}
    _, labelled = terms_of(SUPERVISED, batch)
    assert set(labelled) == expected | {"supervised"}


def test_a_skeleton_without_axes_asks_for_no_frame(source):
    trainer = begun(source)
    plain = replace(HUMAN17, axes=None, hinges=(), midpoints=())
    terms = lifting_losses(
        trainer.teacher, Prior(CONFIG, plain), trainer.source.sample(8, seeded(), 2), trainer.config, trainer.source, seeded(1)
    )
    assert not {"frame", "hinges", "midpoints"} & set(terms)


def test_views_are_judged_as_what_takes_their_place_is_seen(source, monkeypatch):
    """The critic gets real and turned pairs of one size, the turned ones with the joints observed of those they replace."""
    trainer = begun(source)
    seen = {}

    def judge(real, fake):
        seen.update(real=real, fake=fake)
        return {}

    monkeypatch.setattr(trainer.prior, "critic_terms", judge)
    orders = []

    def views(up, generator):
        turn, order = new_views(up, generator)
        orders.append(order)
        return turn, order

    monkeypatch.setattr(losses, "new_views", views)
    batch = trainer.source.corrupt(trainer.source.sample(32, seeded(), 2), seeded(2))
    lifting_losses(trainer.teacher, trainer.prior, batch, trainer.config, trainer.source, seeded(1))
    real, fake = seen["real"], seen["fake"]
    assert torch.allclose(real.plane, batch.plane.view(32, 2, 17, 2) * trainer.config.distance)
    assert torch.equal(fake.observed, real.observed[orders[0]]) and not real.observed.all()
    assert torch.equal(real.gap, fake.gap) and torch.equal(real.gap, batch.gap.float())
    assert fake.plane.requires_grad and not real.plane.requires_grad


def test_what_a_perfect_teacher_says_is_worth_more_than_what_a_flat_one_does(source, monkeypatch):
    """Truth in the teacher's place has no loss of bones, hinges or cycle to speak of; cardboard has them all."""
    trainer = begun(source)
    batch = trainer.source.sample(128, seeded(), 2)
    with torch.no_grad():
        trainer.prior.log_lengths.copy_(lengths_of(batch.truth, HUMAN17).log())
    totals = {}
    for kind, share in (("truth", 1.0), ("flat", 0.0), ("mirrored", -1.0)):
        pose = torch.cat([batch.truth[..., :2], share * batch.truth[..., 2:]], -1)
        totals[kind] = body_terms(trainer.prior, pose)
    for term in ("bones", "pair"):
        assert totals["truth"][term] < 0.2 * totals["flat"][term], term
    assert totals["truth"]["hinges"] < 0.05 * totals["mirrored"]["hinges"]


def test_the_student_learns_a_lifting_teachers_poses_also_turned_and_sees_what_a_detector_would(source, monkeypatch):
    trainer = begun(source)
    teacher, student = trainer.teacher.eval(), trainer.student
    batch = trainer.source.sample(64, seeded())
    shown = []
    forward = student.forward

    def watched(plane, distance=None, observed=None):
        shown.append((plane, distance, observed))
        return forward(plane, distance, observed)

    monkeypatch.setattr(student, "forward", watched)
    terms = student_losses(student, teacher, batch, trainer.config, trainer.source, seeded(1))
    assert set(terms) == {"distillation", "turned"}
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in student.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert not all(observed.all() for _, _, observed in shown)
    assert all(torch.isfinite(plane).all() and (distance > 0).all() for plane, distance, _ in shown)


def test_a_pose_turned_by_a_new_view_projects_from_the_place_it_takes(source):
    """Where poses are true, their turned twins are as large as the real poses, whatever their distance."""
    trainer = begun(source)
    batch = trainer.source.sample(3000, seeded())
    up = torch.tensor([0.0, -1.0, 0.0]).expand(3000, 3)
    turn, order = new_views(up, seeded(1))
    plane = project(rotate(turn, batch.truth), trainer.config.distance, batch.distance[order])
    real, turned = (x.norm(dim=-1).mean() for x in (batch.plane, plane))
    assert float(turned / real) == pytest.approx(1, abs=0.05)
