# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of the teacher and of the student, as dictionaries of named terms (ITES, eqs. 2 to 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import LifterConfig
from .geometry import project, random_rotations, rotate
from .student import Student
from .teacher import Teacher, TeacherOutput


def joint_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance between the joints of (..., J, C) poses, smooth where they meet."""
    return ((a - b).square().sum(-1) + 1e-10).sqrt().mean()


def teacher_losses(
    teacher: Teacher, plane: Tensor, truth: Tensor | None, config: LifterConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the teacher's weighted loss terms on 2D poses (N, J, 2).

    reprojection: ||P(R Y) - X||. cycle: the pose, turned by random rotations and projected, must have the same
    canonical pose. supervised: distance to `truth` (N, J, 3), camera axes, where the configuration asks for it.
    """
    stage = config.teacher_stage
    first = teacher(plane)
    pose = first.camera()
    # The weight of 5 makes up for the 2D unit, which is 1/t of a body unit.
    terms = {"reprojection": stage.main_weight * joint_distance(project(pose, config.distance), plane)}
    if stage.cycle_weight:
        turns = random_rotations(len(plane) * stage.rotations, config.haar, generator, plane.device)
        turned = rotate(turns, pose.repeat(stage.rotations, 1, 1))
        again: TeacherOutput = teacher(project(turned, config.distance))
        terms["cycle"] = stage.cycle_weight * joint_distance(again.canonical, first.canonical.repeat(stage.rotations, 1, 1))
    if truth is not None and stage.supervised:
        terms["supervised"] = stage.supervised * joint_distance(pose, truth)
    return terms


def student_losses(
    student: Student, teacher: Teacher, plane: Tensor, truth: Tensor | None, config: LifterConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the student's weighted loss terms on 2D poses (N, J, 2); the teacher is not trained.

    distillation: distance to the teacher's depths. cycle: the estimate, turned and projected, must be estimated as the
    turned estimate. supervised: as for the teacher.
    """
    stage = config.student_stage
    pose = student(plane)
    terms: dict[str, Tensor] = {}
    if stage.main_weight:
        with torch.no_grad():
            target = teacher(plane).camera()[..., 2]
        terms["distillation"] = stage.main_weight * (pose[..., 2] - target).abs().mean()
    if stage.cycle_weight:
        turns = random_rotations(len(plane) * stage.rotations, config.haar, generator, plane.device)
        turned = rotate(turns, pose.repeat(stage.rotations, 1, 1))
        terms["cycle"] = stage.cycle_weight * joint_distance(student(project(turned, config.distance)), turned)
    if truth is not None and stage.supervised:
        terms["supervised"] = stage.supervised * joint_distance(pose, truth)
    return terms
