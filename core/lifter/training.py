# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: the teacher first, then the student from it; checkpoints that survive a kill and resume bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ReadError, SettingsError
from ..output import written_aside
from ..skeleton import HUMAN17, Skeleton
from .calibration import calibrate
from .config import LifterConfig, StageConfig
from .data import PoseSource
from .losses import student_losses, teacher_losses
from .student import Student
from .teacher import Teacher
from .weights import Weights

CHECKPOINT_SECONDS = 60.0
NORM_SAMPLES = 200_000
NORM_BATCH = 2048
STAGES = ("teacher", "student")


@dataclass(frozen=True)
class TrainSettings:
    """How long, where and with what seed to train.

    `epochs` scales both stages' schedules (learning rate included) to that many in all; `epoch_samples` is the number of
    poses per epoch (default: as many as the data has). `precision`: 'auto', 'float32' or 'bfloat16'.
    `checkpoint`: file to write and, with `resume`, to go on from.
    """

    seed: int = 0
    epoch_samples: int | None = None
    epochs: int | None = None
    precision: str = "auto"
    checkpoint: Path | None = None
    resume: bool = False


@dataclass
class Progress:
    """What a progress bar shows: stage, steps, the running means of the loss terms, samples per second."""

    stage: str
    step: int
    steps: int
    losses: dict[str, float]
    rate: float


class Trainer:
    """The state of one training run: networks, optimiser, random generator, and the place in the schedule."""

    def __init__(
        self,
        source: PoseSource,
        config: LifterConfig,
        settings: TrainSettings,
        device: torch.device,
        skeleton: Skeleton = HUMAN17,
    ) -> None:
        if settings.epochs is not None:
            config = scaled_schedule(config, settings.epochs)
        self.source, self.config, self.settings, self.device, self.skeleton = source, config, settings, device, skeleton
        torch.manual_seed(settings.seed)
        self.teacher = Teacher(config.teacher, len(skeleton), skeleton.root).to(device)
        self.student = Student(config.student, skeleton, config.distance).to(device)
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.stage, self.step = STAGES[0], 0
        self.optimiser = self._new_optimiser()
        if settings.resume:
            self._load_checkpoint()

    @property
    def stage_config(self) -> StageConfig:
        """The running stage's configuration."""
        return self.config_of(self.stage)

    @property
    def network(self) -> nn.Module:
        """The network that the running stage trains."""
        return self.teacher if self.stage == "teacher" else self.student

    def _epoch_steps(self, config: StageConfig) -> int:
        return math.ceil((self.settings.epoch_samples or self.source.size) / config.batch)

    def run(self, progress: Callable[[Progress], None] | None = None) -> Weights:
        """Train to the end and return calibrated weights. `progress` is called about twice a second and may raise to stop."""
        for stage in self.remaining_stages():
            self.run_stage(stage, progress)
        return self.weights()

    def remaining_stages(self) -> tuple[str, ...]:
        """Return the stages that are not finished, the running one first."""
        return STAGES[STAGES.index(self.stage) :]

    def steps_of(self, stage: str) -> int:
        """Return how many steps a stage takes in all."""
        config = self.config_of(stage)
        return config.epochs * self._epoch_steps(config)

    def step_of(self, stage: str) -> int:
        """Return how many steps of a stage are done."""
        if stage == self.stage:
            return self.step
        return self.steps_of(stage) if STAGES.index(stage) < STAGES.index(self.stage) else 0

    def config_of(self, stage: str) -> StageConfig:
        """Return a stage's configuration."""
        return self.config.teacher_stage if stage == "teacher" else self.config.student_stage

    def run_stage(self, stage: str, progress: Callable[[Progress], None] | None = None) -> None:
        """Run a stage from where it is to its end, and save the checkpoint."""
        if stage != self.stage:
            self.stage, self.step = stage, 0
            self.optimiser = self._new_optimiser()
        self._run_stage(progress)
        self._save_checkpoint()

    def weights(self, name: str | None = None) -> Weights:
        """Return the networks as they are, canonical frame and mirror calibrated, with the data's statistics."""
        generator = torch.Generator(self.device).manual_seed(self.settings.seed + 1)
        calibrate(self.teacher, self.student, self.source, self.skeleton, generator)
        arrays = self.source.statistics.arrays()
        for prefix, network in (("teacher", self.teacher), ("student", self.student)):
            arrays |= {f"{prefix}.{k}": v.cpu().numpy() for k, v in network.state_dict().items() if "num_batches" not in k}
        notes = {f"{stage}_samples": self.step_of(stage) * self.config_of(stage).batch for stage in STAGES}
        return Weights(name or f"{self.skeleton.name}-{self.config.preset}", self.config, self.skeleton, arrays, notes)

    def _run_stage(self, progress: Callable[[Progress], None] | None) -> None:
        network, total = self.network, self.steps_of(self.stage)
        network.train()
        self.teacher.train(self.stage == "teacher")
        means: dict[str, float] = {}
        shown = saved = time.monotonic()
        shown_step = self.step
        while self.step < total:
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.stage_config, self.step / self._epoch_steps(self.stage_config))
            terms = self._losses()
            loss = torch.stack(list(terms.values())).sum()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            now = time.monotonic()
            if progress and (now - shown > 0.5 or self.step == total):
                for name, value in terms.items():
                    means[name] = 0.7 * means.get(name, value.item()) + 0.3 * value.item()
                rate = (self.step - shown_step) * self.stage_config.batch / max(now - shown, 1e-9)
                progress(Progress(self.stage, self.step, total, dict(means), rate))
                shown, shown_step = now, self.step
            if now - saved > CHECKPOINT_SECONDS:
                self._save_checkpoint()
                saved = now
        self._estimate_norms()

    def _losses(self) -> dict[str, Tensor]:
        plane, truth = self.source.sample(self.stage_config.batch, self.generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=use_bfloat16(self.settings.precision, self.device)):
            if self.stage == "teacher":
                return teacher_losses(self.teacher, plane, truth, self.config, self.generator)
            return student_losses(self.student, self.teacher, plane, truth, self.config, self.generator)

    @torch.no_grad()
    def _estimate_norms(self) -> None:
        """Estimate the batch-norm statistics again on real poses alone, for training mixed them with randomly turned ones."""
        norms = [m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over all batches
        self.network.train()
        generator = torch.Generator(self.device).manual_seed(self.settings.seed + 2)
        samples = min(NORM_SAMPLES, self.steps_of(self.stage) * self.stage_config.batch)  # a short run needs no long mean
        for _ in range(math.ceil(samples / NORM_BATCH)):
            self.network(self.source.sample(NORM_BATCH, generator).plane)
        for norm in norms:
            norm.momentum = 0.1
        self.network.eval()

    def _new_optimiser(self) -> torch.optim.Optimizer:
        stage, parameters = self.stage_config, self.network.parameters()
        if stage.optimiser == "sgd":
            return torch.optim.SGD(parameters, stage.learning_rate, momentum=0.9, weight_decay=stage.weight_decay)
        if stage.optimiser == "adamw":
            return torch.optim.AdamW(parameters, stage.learning_rate, weight_decay=stage.weight_decay)
        raise SettingsError(f"there is no optimiser '{stage.optimiser}'; known are sgd and adamw.")

    def _save_checkpoint(self) -> None:
        path = self.settings.checkpoint
        if path is None:
            return
        state = {
            "config": self.config.to_dict(),
            "skeleton": self.skeleton.to_dict(),
            "stage": self.stage,
            "step": self.step,
            "teacher": self.teacher.state_dict(),
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }
        with written_aside(path) as aside:
            torch.save(state, aside)

    def _load_checkpoint(self) -> None:
        path = self.settings.checkpoint
        if path is None or not path.is_file():
            return
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            if LifterConfig.from_dict(state["config"]) != self.config or state["skeleton"] != self.skeleton.to_dict():
                raise SettingsError(f"{path} belongs to a run with other settings; give another checkpoint file.")
            self.stage, self.step = str(state["stage"]), int(state["step"])
            self.teacher.load_state_dict(state["teacher"])
            self.student.load_state_dict(state["student"])
            self.optimiser = self._new_optimiser()
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"].cpu())
        except SettingsError:
            raise
        except Exception as error:  # torch.load's errors have no common base
            raise ReadError(f"is not a training checkpoint ({type(error).__name__}).", path) from error


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


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Say whether to multiply in bfloat16: on CUDA, and on CPUs with matrix units for it, unless told otherwise."""
    if precision == "auto":
        has_matrix_units = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)  # not in every version of torch
        return device.type == "cuda" or (device.type == "cpu" and bool(has_matrix_units()))
    if precision not in ("float32", "bfloat16"):
        raise SettingsError(f"there is no precision '{precision}'; known are auto, float32 and bfloat16.")
    return precision == "bfloat16"
