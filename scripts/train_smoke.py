#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train small lifters for a minute on the processor: losses must fall, and a resumed run must equal a whole one.

The data are the sample's walking figure through endless virtual cameras; nothing is downloaded. Every preset takes its
turn, with smaller networks and fewer steps. Prints what it finds; the exit status is 1 where either does not hold.
`make train-smoke` runs it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from walking_figure import animate  # noqa: E402

from poselift.core.lifter.config import PRESETS, LifterConfig  # noqa: E402
from poselift.core.lifter.data import MotionCapture, PoseSource  # noqa: E402
from poselift.core.lifter.training import STAGES, Trainer, TrainSettings  # noqa: E402
from poselift.core.lifter.weights import Weights  # noqa: E402
from poselift.core.skeleton import HUMAN17  # noqa: E402

FALL = 0.8
"""A stage's mean loss over its last tenth is at most this share of that over its first twentieth."""
RIVALS = ("critic", "views")
"""The critic's loss, and what it says of the lifter: as one falls the other rises, and neither tells progress."""
STEPS, BATCH, EPOCHS = 240, 64, 4
STOP_AT = 0.6
"""Share of a stage after which a run is stopped, to be resumed from its last checkpoint."""
CPU = torch.device("cpu")


class Stopped(BaseException):
    """The run was stopped on purpose."""


class Watched(Trainer):
    """A trainer that keeps each step's loss and can be stopped before a step, as a power cut would."""

    stop: tuple[str, int] | None = None

    def train_step(self) -> dict[str, torch.Tensor]:
        """Take a step. Raises `Stopped` at the chosen one."""
        if self.stop == (self.stage, self.step):
            raise Stopped
        terms = super().train_step()
        self.totals.setdefault(self.stage, []).append(sum(term.item() for name, term in terms.items() if name not in RIVALS))
        return terms

    totals: dict[str, list[float]]


def walking_archive(path: Path) -> Path:
    """Write 20 seconds of the walking figure as a motion-capture archive and return its path."""
    joints, _ = animate(600, 30)
    poses = joints - joints[:, :1]
    arrays = {"pos": np.round(poses / 5e-4).astype(np.int16), "quant": np.float32(5e-4), "start": np.array([0, 600])}
    np.savez(path, category=np.array(["walk"]), joint_names=np.array(HUMAN17.joint_names), **arrays)
    return path


def smoke_config(name: str) -> LifterConfig:
    """Return a preset with networks and stages small enough for a minute."""
    config = PRESETS[name]
    prior = config.teacher_stage.prior
    return replace(
        config,
        teacher=replace(config.teacher, width=128, bottleneck=64, blocks=2),
        student=replace(config.student, channels=32, blocks=2),
        teacher_stage=replace(config.teacher_stage, epochs=EPOCHS, batch=BATCH, prior=prior and replace(prior, width=64)),
        student_stage=replace(config.student_stage, epochs=EPOCHS, batch=BATCH),
    )


def train(
    source: PoseSource, config: LifterConfig, settings: TrainSettings, stop: tuple[str, int] | None = None
) -> tuple[Weights | None, dict[str, list[float]]]:
    """Train to the end, or to where the run is to stop; return the weights (None where it stopped) and all losses."""
    trainer = Watched(source, config, settings, CPU)
    trainer.stop, trainer.totals = stop, {}
    try:
        return trainer.run(), trainer.totals
    except Stopped:
        return None, trainer.totals


def check(name: str, source: PoseSource, config: LifterConfig, folder: Path) -> list[str]:
    """Train one preset whole, and stopped in each stage and resumed; return what does not hold."""
    settings = TrainSettings(epoch_samples=STEPS * BATCH // EPOCHS, precision="float32", checkpoint_seconds=0.5)
    whole, totals = train(source, config, settings)
    problems = []
    for stage in STAGES:
        begin, end = np.mean(totals[stage][: STEPS // 20]), np.mean(totals[stage][-STEPS // 10 :])
        print(f"{name}: {stage}'s loss from {begin:.4f} to {end:.4f} in {len(totals[stage])} steps")
        if not end < FALL * begin:
            problems.append(f"{name}: the {stage}'s loss does not fall to {FALL:.0%}")
    settings = replace(settings, checkpoint=folder / f"{name}.checkpoint", resume=True)
    for stage in STAGES:
        stopped, _ = train(source, config, settings, (stage, int(STOP_AT * STEPS)))
        assert stopped is None
        torch.rand(1)  # what this process draws in between must not matter
    resumed, _ = train(source, config, settings)
    assert whole is not None and resumed is not None
    differ = [key for key, value in whole.arrays.items() if not np.array_equal(value, resumed.arrays[key])]
    print(f"{name}: stopped in both stages and resumed, {len(differ)} of {len(whole.arrays)} arrays differ")
    if differ:
        problems.append(f"{name}: the resumed run differs in {', '.join(differ[:3])}")
    return problems


def main() -> int:
    """Check every preset; return the exit status."""
    torch.set_num_threads(1)  # sums are then taken in one order, and small products gain nothing from threads
    begin, problems = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = walking_archive(folder / "walk.npz")
        for preset in PRESETS:
            config = smoke_config(preset)
            problems += check(preset, MotionCapture(archive, HUMAN17, config, CPU), config, folder)
    for problem in problems:
        print(f"train-smoke: {problem}", file=sys.stderr)
    print(f"train-smoke: {'failed' if problems else 'passed'} in {time.monotonic() - begin:.0f} s")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
