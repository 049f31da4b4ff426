#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the lifter's training and inference against a plain transcription of the published networks (`plain_lifter`).

Training is the preset `paper` through `Trainer`, and the transcription's step on the same batches, in turns of a second or
two. Random poses suffice: speed does not depend on what is learned. Prints one table and writes build/bench-lifter.json.
The exit status is 1 where the whole schedule trains less than 5 times as fast, where the default weights lift fewer than
5,000 frames a second and core (10,000 on two), or where a frame's pose depends on its batch.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_lifter import PlainStudent, PlainTeacher, student_loss, teacher_loss
from torch import nn

from poselift.core.lifter.config import LifterConfig, preset
from poselift.core.lifter.data import Batch, PoseStatistics
from poselift.core.lifter.inference import CPU_PART, Lifter
from poselift.core.lifter.training import STAGES, Trainer, TrainSettings
from poselift.core.lifter.weights import DEFAULT, find, load
from poselift.core.skeleton import HUMAN17

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
TRAINING_BAR = 5.0
FRAMES_BAR = 5000
"""Frames a second of the default weights, student and teacher, per core."""
INVARIANCE_BAR = 1e-4
"""Body units (about half a metre) between a frame's pose alone and in a batch."""


@dataclass(frozen=True)
class Row:
    """One measurement: samples or frames per second, the median of the rounds, and how many times the plain rate it is."""

    what: str
    rate: float
    plain: float | None

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the plain transcription."""
        return None if self.plain is None else self.rate / self.plain


class RandomPoses:
    """2D poses from a normal distribution of the size of real ones, root at the origin: a source of training batches."""

    def __init__(self, count: int, config: LifterConfig) -> None:
        planes = np.random.default_rng(0).normal(0, 0.5 / config.distance, (count, len(HUMAN17), 2))
        planes[:, HUMAN17.root] = 0
        self._planes = torch.from_numpy(np.float32(planes))
        self.size = count
        self.statistics = PoseStatistics.of(self._planes, HUMAN17)

    def sample(self, count: int, generator: torch.Generator, frames: int = 1) -> Batch:
        """Draw `count` poses."""
        index = torch.randint(self.size, (count * frames,), generator=generator)
        return Batch(self._planes[index], None)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch as it is."""
        return batch


class RoundOver(Exception):  # noqa: N818, it is no error
    """The end of a round."""


def clock() -> float:
    """Return seconds: of computing on one thread, which other processes disturb less; of the clock on several."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def trained_by_us(trainer: Trainer, stage: str, seconds: float) -> float:
    """Train a stage for about so long and return samples per second."""
    if trainer.stage != stage:
        trainer.begin(stage)
    start, step = clock(), trainer.step

    def watch(_: object) -> None:
        if clock() - start > seconds:
            raise RoundOver

    with suppress(RoundOver):
        trainer.run_stage(stage, watch)
    return (trainer.step - step) * trainer.config_of(stage).batch / (clock() - start)


class PlainTrainer:
    """The transcription's networks and optimisers."""

    def __init__(self, source: RandomPoses, config: LifterConfig) -> None:
        self.source, self.config = source, config
        self.teacher, self.student = PlainTeacher(len(HUMAN17)), PlainStudent(HUMAN17)
        self.generator = torch.Generator().manual_seed(0)
        self.optimisers = {"teacher": self._optimiser(self.teacher), "student": self._optimiser(self.student)}

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        stage = self.config.teacher_stage
        return torch.optim.SGD(network.parameters(), stage.learning_rate, momentum=0.9, weight_decay=stage.weight_decay)

    def train(self, stage: str, seconds: float) -> float:
        """Train a stage for so long and return samples per second."""
        config = self.config.teacher_stage if stage == "teacher" else self.config.student_stage
        self.teacher.train(stage == "teacher")
        count, start = 0, clock()
        while clock() - start < seconds:
            plane = self.source.sample(config.batch, self.generator).plane
            if stage == "teacher":
                loss = teacher_loss(self.teacher, plane, config.rotations)
            else:
                loss = student_loss(self.student, self.teacher, plane, config.rotations)
            self.optimisers[stage].zero_grad()
            loss.backward()
            self.optimisers[stage].step()
            count += config.batch
        return count / (clock() - start)


def bench_training(rounds: int, seconds: float) -> list[Row]:
    """Measure both stages in turns, and conclude for the whole schedule."""
    config = preset("paper")
    source = RandomPoses(50_000, config)
    plain = PlainTrainer(source, config)
    ours = {stage: Trainer(source, config, TrainSettings(), CPU) for stage in STAGES}
    rates: dict[tuple[str, bool], list[float]] = {(stage, mine): [] for stage in STAGES for mine in (True, False)}
    for turn in range(rounds + 1):
        for stage in STAGES:
            pair = trained_by_us(ours[stage], stage, seconds), plain.train(stage, seconds)
            if turn:  # the first warms up
                rates[stage, True].append(pair[0])
                rates[stage, False].append(pair[1])
    medians = {key: statistics.median(values) for key, values in rates.items()}
    rows = [Row(f"train {stage}", medians[stage, True], medians[stage, False]) for stage in STAGES]
    epochs = {stage: ours[stage].config_of(stage).epochs for stage in STAGES}
    whole = [sum(epochs.values()) / sum(epochs[s] / medians[s, mine] for s in STAGES) for mine in (True, False)]
    return [*rows, Row(f"train {epochs['teacher']} + {epochs['student']} epochs", *whole)]


def typical_planes(lifter: Lifter, count: int) -> np.ndarray:
    """Draw 2D poses (count, J, 2) from the normal distribution of those the weights were trained on."""
    mean, covariance = (lifter.weights.arrays[f"statistics.{name}"] for name in ("mean", "covariance"))
    return np.random.default_rng(0).multivariate_normal(mean, covariance, count, method="eigh").reshape(count, -1, 2)


def bench_inference(lifter: Lifter, planes: np.ndarray, rounds: int) -> list[Row]:
    """Measure frames per second of the student alone, of student and teacher as users get them, and of the transcription."""
    tensor = torch.from_numpy(np.float32(planes))
    size = CPU_PART * torch.get_num_threads()
    plain = PlainStudent(HUMAN17).eval()

    def batches(network: Callable[[torch.Tensor], object]) -> Callable[[], None]:
        def run() -> None:
            for part in tensor.split(size):
                network(part)

        return run

    runs = {
        "infer student": batches(lifter.student),
        "infer student and teacher": lambda: lifter.lift(planes),
        "plain": batches(plain),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for name, run in runs.items():
                start = clock()
                run()
                if turn:
                    rates[name].append(len(planes) / (clock() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    student, both = list(runs)[:2]
    return [Row(student, medians[student], medians["plain"]), Row(both, medians[both], None)]


def batch_dependence(lifter: Lifter, planes: np.ndarray) -> float:
    """Return how far joints are, in body units, lifted one frame at a time and all at once."""
    whole = lifter.lift(planes)
    alone = np.concatenate([lifter.lift(planes[i : i + 1]).pose for i in range(len(planes))])
    return float(np.linalg.norm(whole.pose - alone, axis=-1).max())


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute on so many threads, on torch's own number where none is given."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield count or before
    finally:
        torch.set_num_threads(before)


def table(rows: list[Row]) -> str:
    """Return the measurements as text."""
    lines = [f"{'what':<28}{'per second':>12}{'plain':>10}{'ratio':>8}"]
    for row in rows:
        plain, ratio = ("", "") if row.plain is None else (f"{row.plain:.0f}", f"{row.ratio:.2f}")
        lines.append(f"{row.what:<28}{row.rate:>12.0f}{plain:>10}{ratio:>8}")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure the lifter's training and inference.")
    parser.add_argument("--threads", type=int, help="of torch, for both sides (default: torch's own number)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side's turn in a round")
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench-lifter.json")
    options = parser.parse_args()
    with threads(options.threads) as count:
        lifter = Lifter(load(find(options.weights)), CPU)
        planes = typical_planes(lifter, 8192)
        rows = bench_inference(lifter, planes, options.rounds) + bench_training(options.rounds, options.seconds)
        apart = batch_dependence(lifter, planes[:256])
    about: dict[str, Any] = {
        "processor": platform.machine(),
        "threads": count,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "weights": options.weights,
    }
    print(table(rows), "\n")
    print(f"A frame alone and in a batch: joints at most {apart:.1e} body units apart.")
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    data = {"machine": about, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows], "batch_dependence": apart}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    aside = options.output.with_name(f".{options.output.name}")
    aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    aside.replace(options.output)
    print(f"written to {options.output}")
    return _judged(rows, apart, count)


def _judged(rows: list[Row], apart: float, count: int) -> int:
    """Say which bars are missed and return the exit status."""
    whole, frames = rows[-1].ratio or 0.0, FRAMES_BAR * min(count, 2)
    both = next(row.rate for row in rows if row.what == "infer student and teacher")
    missed = []
    if whole < TRAINING_BAR:
        missed.append(f"training is {whole:.2f} times as fast, less than {TRAINING_BAR:g}")
    if both < frames:
        missed.append(f"{both:.0f} frames are lifted a second, fewer than {frames}")
    if apart > INVARIANCE_BAR:
        missed.append(f"a frame's pose depends on its batch by {apart:.1e} body units")
    for miss in missed:
        print(f"missed: {miss}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
