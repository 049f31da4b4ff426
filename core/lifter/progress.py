# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run tells while it works, for bars and logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from .training import Trainer

SECONDS = 0.5
"""Between two reports; each waits for the device to finish its step."""


@dataclass
class Progress:
    """What a progress bar shows: stage, steps done and in all, the loss terms, learning rate and samples per second.

    terms: of the last step; losses: running means of them. With several processes, the terms of rank 0's share.
    """

    stage: str
    step: int
    steps: int
    terms: dict[str, float]
    losses: dict[str, float]
    learning_rate: float
    rate: float


class Meter:
    """Reports a stage's progress about twice a second."""

    def __init__(self, trainer: Trainer, report: Callable[[Progress], None] | None) -> None:
        self._trainer, self._report = trainer, report
        self._means: dict[str, float] = {}
        self._time, self._step = time.monotonic(), trainer.step

    def show(self, terms: dict[str, Tensor], now: float, last: bool) -> None:
        """Report the step just taken, if it is time or the last one. The report may raise, to stop."""
        if self._report is None or not (last or now - self._time > SECONDS):
            return
        trainer = self._trainer
        values = {name: value.item() for name, value in terms.items()}
        self._means = {name: 0.7 * self._means.get(name, value) + 0.3 * value for name, value in values.items()}
        rate = (trainer.step - self._step) * trainer.stage_config.batch / max(now - self._time, 1e-9)
        steps, speed = trainer.steps_of(trainer.stage), trainer.optimiser.param_groups[0]["lr"]
        self._report(Progress(trainer.stage, trainer.step, steps, values, dict(self._means), speed, rate))
        self._time, self._step = now, trainer.step
