# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast and how long to train: learning rates by epoch, schedules scaled to other lengths and rates."""

from __future__ import annotations

import math
from dataclasses import replace

from ..errors import SettingsError
from .config import LifterConfig, StageConfig


def learning_rate(stage: StageConfig, epoch: float) -> float:
    """Return the rate at a (fractional) epoch: halved every so many epochs for SGD, one warmed-up cosine for AdamW."""
    if stage.optimiser == "sgd":
        return float(stage.learning_rate * 0.5 ** (epoch // stage.halve_every))
    done = epoch / stage.epochs
    return stage.learning_rate * min(1.0, done / 0.02 + 1e-3) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


def scaled_schedule(config: LifterConfig, epochs: int) -> LifterConfig:
    """Return the configuration with both stages' epochs, and their learning-rate steps, scaled to `epochs` in all."""
    if epochs < 2:
        raise SettingsError("training needs at least two epochs, one for each network.")
    total = config.teacher_stage.epochs + config.student_stage.epochs

    def scaled(stage: StageConfig, count: int) -> StageConfig:
        return replace(stage, epochs=count, halve_every=max(1, round(stage.halve_every * count / stage.epochs)))

    teacher = min(epochs - 1, max(1, round(config.teacher_stage.epochs * epochs / total)))
    return replace(
        config,
        teacher_stage=scaled(config.teacher_stage, teacher),
        student_stage=scaled(config.student_stage, epochs - teacher),
    )


def scaled_rate(config: LifterConfig, factor: float) -> LifterConfig:
    """Return the configuration with both stages' learning rates times `factor`. Raises `SettingsError` below zero."""
    if not 0 < factor < math.inf:
        raise SettingsError(f"the learning rate's factor is a positive number, not {factor}.")
    teacher, student = (
        replace(stage, learning_rate=stage.learning_rate * factor) for stage in (config.teacher_stage, config.student_stage)
    )
    return replace(config, teacher_stage=teacher, student_stage=student)
