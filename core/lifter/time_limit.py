# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that takes so long and no longer: its schedule is shortened before it begins, so that it ends as every run does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import SettingsError
from .checkpoint import load_checkpoint
from .history import STAGES
from .training import Trainer, TrainSettings

WARM_STEPS, TIMED_STEPS = 2, 4
FEWEST_EPOCHS = 12
"""Fewer would make the share of each network's coarse; instead, epochs become shorter."""


def within(make: Callable[[TrainSettings], Trainer], settings: TrainSettings, seconds: float) -> Trainer:
    """Return the trainer of `make` whose whole run takes about `seconds` at most, here and now.

    What a step takes is measured on a trainer of its own. A resumed run has the length that it began with. Raises
    `SettingsError` where the limit is not positive, and what `make` raises.
    """
    if not seconds > 0:
        raise SettingsError("the time limit is a positive number of minutes.")
    if settings.resume and settings.checkpoint is not None and settings.checkpoint.is_file():
        return make(begun_length(settings, settings.checkpoint))
    probe = make(replace(settings, checkpoint=None, resume=False))
    needed = sum(probe.steps_of(stage) * _step_seconds(probe, stage) for stage in STAGES)
    epochs = sum(probe.config_of(stage).epochs for stage in STAGES)
    return make(shortened(settings, seconds / needed, epochs, probe.source.size))


def shortened(settings: TrainSettings, share: float, epochs: int, poses: int) -> TrainSettings:
    """Return the settings of a run that takes `share` of one of `epochs` epochs over `poses` poses; as they are from 1 on."""
    if share >= 1:
        return settings
    fewer = min(epochs, max(FEWEST_EPOCHS, round(share * epochs)))
    samples = (settings.epoch_samples or poses) * min(1.0, share * epochs / fewer)
    return replace(settings, epochs=fewer, epoch_samples=max(1, round(samples)))


def begun_length(settings: TrainSettings, checkpoint: Path) -> TrainSettings:
    """Return the settings with the epochs and the poses per epoch of the run that a checkpoint is of. Raises `ReadError`."""
    run = load_checkpoint(checkpoint).get("run", {})
    stages = [run.get("configuration", {}).get(f"{stage}_stage", {}) for stage in STAGES]
    epochs = sum(stage.get("epochs", 0) for stage in stages)
    return replace(settings, epochs=epochs or settings.epochs, epoch_samples=run.get("poses per epoch"))


def _step_seconds(probe: Trainer, stage: str) -> float:
    """Return how long a step of a stage takes, by the fastest of some."""
    probe.begin(stage)
    probe.network.train()
    times = []
    for _ in range(WARM_STEPS + TIMED_STEPS):
        began = time.perf_counter()
        for term in probe.train_step().values():
            term.item()  # waits for the device
        times.append(time.perf_counter() - began)
    return min(times[WARM_STEPS:])
