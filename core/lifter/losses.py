# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of the teacher and of the student, as dictionaries of named terms (ITES, eqs. 2 to 7, and beyond)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .config import LifterConfig
from .data import Batch, PoseSource
from .geometry import project, random_rotations, rotate, shortest_turn, turn_about
from .prior import Pairs, Prior
from .student import Student
from .teacher import Teacher, TeacherOutput
from .torch_anatomy import body_frames


def joint_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance between the joints of (..., J, C) poses, smooth where they meet."""
    return ((a - b).square().sum(-1) + 1e-10).sqrt().mean()


def teacher_losses(teacher: Teacher, batch: Batch, config: LifterConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Compute the paper's weighted loss terms of the teacher.

    reprojection: ||P(R Y) - X||. cycle: the pose, turned by random rotations and projected, must have the same
    canonical pose. supervised: distance to the truth, where there is one and the configuration asks for it.
    """
    stage, t = config.teacher_stage, config.distance
    first: TeacherOutput = teacher(batch.plane, batch.distance, batch.observed)
    pose = first.camera()
    # The weight of 5 makes up for the 2D unit, which is 1/t of a body unit.
    terms = {"reprojection": stage.main_weight * joint_distance(project(pose, t), batch.plane)}
    if stage.cycle_weight:
        turns = random_rotations(len(pose) * stage.rotations, config.haar, generator, pose.device)
        turned = rotate(turns, pose.repeat(stage.rotations, 1, 1))
        again: TeacherOutput = teacher(project(turned, t))
        terms["cycle"] = stage.cycle_weight * joint_distance(again.canonical, first.canonical.repeat(stage.rotations, 1, 1))
    if batch.truth is not None and stage.supervised:
        terms["supervised"] = stage.supervised * joint_distance(pose, batch.truth)
    return terms


def lifting_losses(
    teacher: Teacher, prior: Prior, batch: Batch, config: LifterConfig, source: PoseSource, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the weighted loss terms of a lifting teacher on pairs of moments (`Batch.gap`), and its critic's.

    The lifted poses must be bodies (`Prior`), and look like real ones from other azimuths and elevations: each is turned
    about its own estimated vertical, then tilted so that this becomes another pose's vertical. The canonical pose and its
    rotation explain the lifted pose: R is the rotation from its body's own frame, and Y stays when the pose is turned.
    """
    stage, prior_config, t, warming = config.teacher_stage, prior.config, config.distance, prior.warming
    assert batch.distance is not None and batch.gap is not None
    first: TeacherOutput = teacher(batch.plane, batch.distance, batch.observed)
    pose = first.lifted(batch.plane, batch.distance, t)
    count, joints = len(batch.gap), pose.shape[1]
    seen = pose.new_ones(pose.shape[:2]) if batch.observed is None else batch.observed.to(pose.dtype)
    pairs, observed, gap = pose.view(count, 2, joints, 3), seen.view(count, 2, joints), batch.gap.to(pose.dtype)

    turn, order = new_views(first.up.view(count, 2, 3).mean(1), generator)
    turned = rotate(turn[:, None], pairs).flatten(0, 1)
    away = batch.distance.view(count, 2)[order].flatten()
    plane = project(turned, t, away)
    terms = prior.critic_terms(
        Pairs(batch.plane.view(count, 2, joints, 2) * t, observed, gap),
        Pairs(plane.view(count, 2, joints, 2) * t, observed[order], gap),
    )
    terms |= prior.body_terms(pairs, observed)

    target, view = turned.detach(), source.corrupt(Batch(plane.detach(), None, away), generator)
    again: TeacherOutput = teacher(view.plane, view.distance, view.observed)
    terms["cycle"] = prior_config.cycle * joint_distance(again.lifted(view.plane, away, t), target)
    terms |= _dictionary_terms(first, again, pose.detach(), target, prior)
    if batch.truth is not None and stage.supervised:
        terms["supervised"] = stage.supervised * joint_distance(pose, batch.truth)
    if warming:
        terms = {name: term if name == "critic" else 0.0 * term for name, term in terms.items()}
    return terms


def _dictionary_terms(
    first: TeacherOutput, again: TeacherOutput, pose: Tensor, turned: Tensor, prior: Prior
) -> dict[str, Tensor]:
    """Explain lifted poses (N, J, 3), and the same ones turned, by canonical poses and rotations."""
    config, outputs, poses = prior.config, (first, again), (pose, turned)
    explained = [joint_distance(output.camera(), p) for output, p in zip(outputs, poses, strict=True)]
    terms = {
        "dictionary": config.dictionary * torch.stack(explained).mean(),
        "invariance": config.invariance * joint_distance(first.canonical, again.canonical),
    }
    if prior.skeleton.axes is not None:  # without, nothing says what a body's own frame is
        frames = [body_frames(p, prior.skeleton).transpose(-1, -2) for p in poses]
        off = [(output.rotation - frame).square().sum((-1, -2)).mean() for output, frame in zip(outputs, frames, strict=True)]
        terms["frame"] = config.frame * torch.stack(off).mean()
    return terms


def new_views(up: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw rotations (N, 3, 3) of camera axes to views from elsewhere, and the order (N,) in which the poses swap places.

    up: (N, 3) each pose's vertical. Any azimuth about it; then the vertical of the pose in its new place, so that
    elevations and tilts are spread as in the data, without anybody having to know how. Gradients flow into both verticals:
    with the second one held, all of them and the poses may lean together, which took N-MPJPE from 60 to 75 mm.
    """
    count, device = len(up), up.device
    up = torch.nn.functional.normalize(up, dim=-1)
    order = torch.randperm(count, generator=generator, device=device)
    angle = 2 * torch.pi * torch.rand(count, generator=generator, device=device)
    with torch.autocast(device.type, enabled=False):
        return shortest_turn(up, up[order]) @ turn_about(up, angle), order


def student_losses(
    student: Student, teacher: Teacher, batch: Batch, config: LifterConfig, source: PoseSource, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the student's weighted loss terms; the teacher is not trained.

    distillation: distance to the teacher's depths, or to its pose where it lifts. turned: half of a lifting teacher's
    poses are seen from elsewhere instead, and must be estimated as they were turned. cycle: so must the student's own, seen
    from anywhere. supervised: as for the teacher. Where the configuration is aware, the student sees everything as a
    detector would give it.
    """
    stage, t = config.student_stage, config.distance
    target = _taught(teacher, batch, config) if stage.main_weight or stage.turned else None
    seen, whole = batch, len(batch.plane)
    if stage.turned and target is not None:
        whole //= 2
        seen, target = _half_turned(batch, target, whole, t, generator)
    seen = source.corrupt(seen, generator) if config.aware else seen
    pose = student(seen.plane, seen.distance, seen.observed)
    terms: dict[str, Tensor] = {}
    if target is not None:
        if stage.main_weight and config.teacher.lifting:
            terms["distillation"] = stage.main_weight * joint_distance(pose[:whole], target.pose[:whole])
        elif stage.main_weight:
            terms["distillation"] = stage.main_weight * (pose[..., 2] - target.pose[..., 2]).abs().mean()
        if stage.turned:
            terms["turned"] = stage.turned * joint_distance(pose[whole:], target.pose[whole:])
    if stage.cycle_weight:
        turns = random_rotations(len(pose) * stage.rotations, config.haar, generator, pose.device)
        turned = rotate(turns, pose.repeat(stage.rotations, 1, 1))
        away = None if seen.distance is None else seen.distance.repeat(stage.rotations)
        terms["cycle"] = stage.cycle_weight * joint_distance(student(project(turned, t, away), away), turned)
    if batch.truth is not None and stage.supervised:
        terms["supervised"] = stage.supervised * joint_distance(pose[:whole], batch.truth[:whole])
    return terms


class Taught(NamedTuple):
    """What a teacher says: pose (N, J, 3) and, where it lifts, the vertical up (N, 3), in camera axes."""

    pose: Tensor
    up: Tensor | None


@torch.no_grad()
def _taught(teacher: Teacher, batch: Batch, config: LifterConfig) -> Taught:
    """Ask the teacher. A lifting one is asked twice, for the pose and for its mirror image, which halves its own noise."""
    output: TeacherOutput = teacher(batch.plane, batch.distance, batch.observed)
    if not config.teacher.lifting:
        return Taught(output.camera(), None)
    swap, side = teacher.swap, batch.plane.new_tensor([-1.0, 1.0, 1.0])
    observed = None if batch.observed is None else batch.observed[:, swap]
    twin: TeacherOutput = teacher(batch.plane[:, swap] * side[:2], batch.distance, observed)
    assert output.depth is not None and twin.depth is not None
    output = output._replace(depth=(output.depth + twin.depth[:, swap]) / 2)
    up = torch.nn.functional.normalize(output.up, dim=-1) + torch.nn.functional.normalize(twin.up, dim=-1) * side
    return Taught(output.lifted(batch.plane, batch.distance, config.distance), up)


def _half_turned(batch: Batch, target: Taught, whole: int, t: float, generator: torch.Generator) -> tuple[Batch, Taught]:
    """Show the poses from `whole` on from elsewhere, as `new_views` says, all their joints seen."""
    assert target.up is not None
    turn, order = new_views(target.up[whole:], generator)
    turned = rotate(turn, target.pose[whole:])
    away = None if batch.distance is None else batch.distance[whole:][order]
    plane = torch.cat([batch.plane[:whole], project(turned, t, away)])
    distance = None if batch.distance is None or away is None else torch.cat([batch.distance[:whole], away])
    observed = batch.observed
    if observed is not None:
        observed = torch.cat([observed[:whole], torch.ones_like(observed[whole:])])
    return Batch(plane, None, distance, observed), Taught(torch.cat([target.pose[:whole], turned]), None)
