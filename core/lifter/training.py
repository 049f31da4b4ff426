# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: the teacher first, then the student from it; on one device or several, resumed bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ReadError, SettingsError
from ..output import remove_leftovers
from ..skeleton import HUMAN17, Skeleton
from .calibration import calibrate
from .checkpoint import load_checkpoint, save_checkpoint
from .config import LifterConfig, StageConfig
from .data import Batch, PoseSource
from .device import use_bfloat16
from .distributed import ALONE, Ranks
from .history import STAGES
from .inference import load_network
from .losses import lifting_losses, student_losses, teacher_losses
from .prior import Prior
from .progress import Meter, Progress
from .schedule import learning_rate, scaled_schedule
from .student import Student
from .teacher import Teacher
from .weights import Weights

CHECKPOINT_SECONDS = 60.0
AGREE_STEPS = 16
"""Several processes ask each other this often whether to write a checkpoint, for asking waits for the slowest."""
NORM_SAMPLES = 200_000
NORM_BATCH = 2048


@dataclass(frozen=True)
class TrainSettings:
    """How long, where and with what seed to train.

    `epochs` scales both stages' schedules (learning rate included) to that many in all; `epoch_samples` is the number of
    poses per epoch (default: as many as the data has). `precision`: 'auto', 'float32' or 'bfloat16'.
    `checkpoint`: file to write every `checkpoint_seconds` and at the end of a stage and, with `resume`, to go on from.
    """

    seed: int = 0
    epoch_samples: int | None = None
    epochs: int | None = None
    precision: str = "auto"
    checkpoint: Path | None = None
    resume: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS


class StageLosses(nn.Module):
    """A stage's losses as one module, so that several looks at the network in a step are one forward pass to DDP.

    Its submodules are what the stage trains: the network, and the lifting teacher's prior. The student's stage uses the
    teacher as it is: hidden from `parameters()`, it gets no gradients and nothing averages it over processes.
    """

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.network = trainer.network
        self.prior = trainer.prior if trainer.stage == "teacher" else None
        self.frames = 2 if self.prior is not None else 1
        self._trainer = (trainer,)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted loss terms of a batch, float32; matrix products in bfloat16 where that is chosen."""
        trainer = self._trainer[0]
        teacher, config, source, generator = trainer.teacher, trainer.config, trainer.source, trainer.generator
        with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.bfloat16):
            if self.prior is not None:
                return lifting_losses(teacher, self.prior, batch, config, source, generator)
            if self.network is teacher:
                return teacher_losses(teacher, batch, config, generator)
            return student_losses(trainer.student, teacher, batch, config, source, generator)


class Trainer:
    """The state of one training run: networks, optimiser, random generator, and the place in the schedule.

    With `start`, the networks begin as those weights instead of at random; they must be of the configuration's shape.
    With `ranks` (`distributed.joined`), this is one of several processes, all of which make the same calls.
    """

    def __init__(
        self,
        source: PoseSource,
        config: LifterConfig,
        settings: TrainSettings,
        device: torch.device,
        skeleton: Skeleton = HUMAN17,
        start: Weights | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        if settings.epochs is not None:
            config = scaled_schedule(config, settings.epochs)
        self.source, self.config, self.settings, self.device, self.skeleton = source, config, settings, device, skeleton
        self.ranks, self.start = ranks, start
        self.bfloat16 = use_bfloat16(settings.precision, device)
        torch.manual_seed(settings.seed)
        self.teacher = Teacher(config.teacher, skeleton, config.distance, config.aware).to(device)
        self.student = Student(config.student, skeleton, config.distance, config.aware).to(device)
        prior = config.teacher_stage.prior
        self.prior = None if prior is None else Prior(prior, skeleton).to(device)
        if start is not None:
            load_network(start, "teacher", self.teacher)
            load_network(start, "student", self.student)
        if self.prior is not None and prior is not None:
            self.prior.warm_steps = round(prior.warm * self.steps_of("teacher"))
            if start is not None:
                self._fit_prior(self.prior)
        self.generator = torch.Generator(device).manual_seed(ranks.seed(settings.seed))
        self.begin(STAGES[0])
        if settings.resume:
            self._load_checkpoint()
        if settings.checkpoint and ranks.first:
            remove_leftovers(settings.checkpoint.parent)

    @torch.no_grad()
    def _fit_prior(self, prior: Prior) -> None:
        """Begin with the bone lengths that the starting weights lift."""
        batch = self.source.sample(NORM_BATCH, torch.Generator(self.device).manual_seed(self.settings.seed))
        output = self.teacher.eval()(batch.plane, batch.distance, batch.observed)
        prior.fit_lengths(output.lifted(batch.plane, batch.distance, self.config.distance))

    @property
    def stage_config(self) -> StageConfig:
        """The running stage's configuration."""
        return self.config_of(self.stage)

    @property
    def network(self) -> nn.Module:
        """The network that the running stage trains."""
        return self.teacher if self.stage == "teacher" else self.student

    def begin(self, stage: str, step: int = 0) -> None:
        """Get ready to train a stage from a step on, with a new optimiser."""
        self.stage, self.step = stage, step
        if self.prior is not None:
            self.prior.steps = self.step_of("teacher")
        self._share = self.ranks.share_of(self.stage_config.batch)
        losses = StageLosses(self)
        self._frames = losses.frames
        self.optimiser = self._new_optimiser()
        self._losses = self.ranks.wrap(losses)

    def losses(self) -> dict[str, Tensor]:
        """Draw the next batch, this process's share of it, and return its weighted loss terms."""
        terms: dict[str, Tensor] = self._losses(self.source.sample(self._share // self._frames, self.generator, self._frames))
        if not terms:
            raise SettingsError(f"the preset '{self.config.preset}' leaves the {self.stage} no loss on these data.")
        return terms

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
            self.begin(stage)
        self._run_stage(progress)
        self.save_state()

    def weights(self, name: str | None = None) -> Weights:
        """Return the networks as they are, canonical frame and mirror calibrated, with the data's statistics."""
        generator = torch.Generator(self.device).manual_seed(self.settings.seed + 1)
        calibrate(self.teacher, self.student, self.source, self.skeleton, generator)
        arrays = self.source.statistics.arrays()
        for prefix, network in (("teacher", self.teacher), ("student", self.student)):
            arrays |= {f"{prefix}.{k}": v.cpu().numpy() for k, v in network.state_dict().items() if "num_batches" not in k}
        notes: dict[str, Any] = {f"{stage}_samples": self.step_of(stage) * self.config_of(stage).batch for stage in STAGES}
        if self.start is not None:
            notes["from"] = self.start.name
        return Weights(name or f"{self.skeleton.name}-{self.config.preset}", self.config, self.skeleton, arrays, notes)

    def _run_stage(self, progress: Callable[[Progress], None] | None) -> None:
        total = self.steps_of(self.stage)
        self.network.train()
        self.teacher.train(self.stage == "teacher")
        if self.start is not None:
            self._hold_norms()
        meter = Meter(self, progress)
        saved = time.monotonic()
        while self.step < total:
            terms = self.train_step()
            now = time.monotonic()
            meter.show(terms, now, self.step == total)
            if self._agreed(now - saved > self.settings.checkpoint_seconds):
                self.save_state()
                saved = now
        if self.start is None:
            self._estimate_norms()
        self.ranks.equalise(self.network)
        self.network.eval()

    def train_step(self) -> dict[str, Tensor]:
        """Take one step and return the loss terms it was taken by."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate() * group.get("pace", 1.0)
        terms = self.losses()
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.network, self.stage_config.clip)
        self.optimiser.step()
        self.step += 1
        return terms

    def learning_rate(self) -> float:
        """Return the rate of the next step."""
        return learning_rate(self.stage_config, self.step / self._epoch_steps(self.stage_config))

    def _agreed(self, flag: bool) -> bool:
        """Return rank 0's answer, for its clock decides; several processes ask only now and then."""
        due = self.ranks.size == 1 or self.step % AGREE_STEPS == 0
        return due and self.ranks.agree(flag, self.device)

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
            batch = self.source.sample(NORM_BATCH, generator)
            batch = self.source.corrupt(batch, generator) if self.config.aware else batch
            self.network(batch.plane, batch.distance, batch.observed)
        for norm in norms:
            norm.momentum = 0.1

    def _hold_norms(self) -> None:
        """Keep the statistics of the weights that this run starts from: those of a few clips would fit nothing else."""
        for module in self.network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def _new_optimiser(self) -> torch.optim.Optimizer:
        stage, parameters = self.stage_config, self.network.parameters()
        if stage.optimiser == "sgd":
            return torch.optim.SGD(
                parameters, stage.learning_rate, momentum=0.9, weight_decay=stage.weight_decay, fused=self.device.type != "mps"
            )
        if stage.optimiser == "adamw":
            groups: list[dict[str, Any]] = [{"params": list(parameters), "betas": (0.9, 0.99)}]
            if self.stage == "teacher" and self.prior is not None:
                # The critic forgets its gradients soon, for the lifter changes what it is asked; lengths are few and free.
                groups.append({"params": list(self.prior.critic.parameters()), "betas": (0.5, 0.99)})
                groups.append({"params": [self.prior.log_lengths], "weight_decay": 0.0, "pace": 3.0})
            return torch.optim.AdamW(groups, stage.learning_rate, weight_decay=stage.weight_decay)
        raise SettingsError(f"there is no optimiser '{stage.optimiser}'; known are sgd and adamw.")

    def _facts(self) -> dict[str, Any]:
        """Return what must be the same for a run to go on as if it had never stopped."""
        return {
            "configuration": self.config.to_dict(),
            "skeleton": self.skeleton.to_dict(),
            "seed": self.settings.seed,
            "poses": self.source.size,
            "poses per epoch": self.settings.epoch_samples,
            "starting weights": self.start and self.start.name,
            "number of processes": self.ranks.size,
        }

    def save_state(self) -> None:
        """Write the checkpoint, where the settings name one; all processes make this call. Between two steps only."""
        path = self.settings.checkpoint
        if path is None:
            return
        streams = {name: self.ranks.gather(state, self.device) for name, state in self._random_states().items()}
        if self.ranks.first:
            state = {
                "run": self._facts(),
                "stage": self.stage,
                "step": self.step,
                "teacher": self.teacher.state_dict(),
                "student": self.student.state_dict(),
                "prior": None if self.prior is None else self.prior.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "random": streams,
            }
            save_checkpoint(path, state)

    def _load_checkpoint(self) -> None:
        path = self.settings.checkpoint
        if path is None or not path.is_file():
            return
        state = load_checkpoint(path)
        try:
            saved = {**state["run"], "configuration": LifterConfig.from_dict(state["run"]["configuration"]).to_dict()}
            other = [name for name, value in self._facts().items() if saved.get(name) != value]
            if other:
                raise SettingsError(f"{path} belongs to a run with other settings ({', '.join(other)}); give another file.")
            self.teacher.load_state_dict(state["teacher"])
            self.student.load_state_dict(state["student"])
            if self.prior is not None:
                # Earlier checkpoints counted the steps once more, in here.
                self.prior.load_state_dict({name: value for name, value in state["prior"].items() if name != "steps"})
            self.begin(str(state["stage"]), int(state["step"]))
            self.optimiser.load_state_dict(state["optimiser"])
            self._set_random_states({name: states[self.ranks.rank] for name, states in state["random"].items()})
        except SettingsError:
            raise
        except Exception as error:  # a file of torch's, but not with what stands in a checkpoint
            raise ReadError(f"is not a training checkpoint ({type(error).__name__}).", path) from error

    def _random_states(self) -> dict[str, Tensor]:
        """Return the states of this process's random generators: the run's own and torch's default ones."""
        states = {"run": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return states

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        self.generator.set_state(states["run"])
        torch.set_rng_state(states["torch"])
        if self.device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.device)


def clip_gradients(network: nn.Module, limit: float) -> None:
    """Scale the gradients down to a norm, touching them only where they exceed it: they are large, and mostly do not."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm()
    if gradients[0].device.type != "cpu" or norm > limit:  # elsewhere, asking would wait for the device
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp_max(1.0))
