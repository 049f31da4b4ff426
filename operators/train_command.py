# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift train`: a lifter from motion capture seen by virtual cameras, or from 2D tracks alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import OutputError, SettingsError
from ..core.lifter import weights
from ..core.lifter.config import LifterConfig, preset
from ..core.lifter.device import resolve_device
from ..core.skeleton import HUMAN17, Skeleton
from ..core.skeleton_file import read_skeleton
from .terminal import DONE, Bar, progress_bar, say

if TYPE_CHECKING:
    from ..core.lifter.data import PoseSource
    from ..core.lifter.device import Device
    from ..core.lifter.distributed import Ranks
    from ..core.lifter.logs import TensorBoardLog
    from ..core.lifter.progress import Progress
    from ..core.lifter.training import Trainer

DEFAULT_PRESET = "2d-only"


def train_lifter(options: argparse.Namespace) -> int:
    """Train and write a weights file; return the exit status. Started by torchrun, this is one of several processes."""
    output = Path(options.output)
    if output.suffix != ".npz" or not output.parent.is_dir():
        raise OutputError(f"{output}: give a file ending in .npz, in a folder that exists.")
    if min(options.epochs or 2, options.epoch_samples or 1) < 1:
        raise SettingsError("epochs and samples per epoch are at least 1.")
    device = resolve_device(options.device)
    from ..core.lifter.distributed import joined  # these two import torch
    from ..core.lifter.logs import tensorboard_log

    log_dir = Path(options.log_dir) if options.log_dir else None
    with joined(device) as (ranks, own_device), tensorboard_log(log_dir if ranks.first else None) as log:
        trainer = _trainer(options, own_device, ranks)
        quiet = options.quiet or not ranks.first
        if not quiet:
            _announce(trainer)
        _run(trainer, quiet, log)
        if ranks.first:
            _write(trainer, output, quiet)
    return DONE


def _trainer(options: argparse.Namespace, device: Device, ranks: Ranks) -> Trainer:
    """Make the trainer that the options describe, its data opened and its checkpoint read."""
    from ..core.lifter import finetune
    from ..core.lifter.schedule import scaled_rate
    from ..core.lifter.training import Trainer, TrainSettings

    start = weights.load(weights.find(options.start)) if options.start else None
    skeleton = read_skeleton(Path(options.skeleton)) if options.skeleton else start.skeleton if start else HUMAN17
    config = preset(options.preset or DEFAULT_PRESET) if options.preset or start is None else None
    if start is not None:
        finetune.check_skeleton(start, skeleton)
        config = finetune.fine_tuning(start, config)
    assert config is not None
    rate = options.learning_rate if options.learning_rate is not None else finetune.RATE if start else 1.0
    config, source = _open(options, scaled_rate(finetune.for_skeleton(config, skeleton), rate), skeleton, start, device)
    output = Path(options.output)
    settings = TrainSettings(
        seed=options.seed,
        epoch_samples=options.epoch_samples,
        epochs=options.epochs,
        precision=options.precision,
        checkpoint=Path(options.checkpoint) if options.checkpoint else output.with_suffix(".checkpoint"),
        resume=options.resume,
        checkpoint_seconds=options.checkpoint_every,
    )
    return Trainer(source, config, settings, device, skeleton, start, ranks)


def _open(
    options: argparse.Namespace,
    config: LifterConfig,
    skeleton: Skeleton,
    start: weights.Weights | None,
    device: Device,
) -> tuple[LifterConfig, PoseSource]:
    """Open the training data; return them with the configuration that fits them."""
    from ..core.lifter.data import is_motion_capture
    from ..core.lifter.finetune import AtSizeOf, without_truth
    from ..core.lifter.tracks import open_source

    paths = [Path(name) for name in options.data]
    tracks = not (len(paths) == 1 and is_motion_capture(paths[0]))
    if start is not None and tracks:
        config = without_truth(config)
    source = open_source(paths, skeleton, config, device, file_format=options.format, layout=options.layout, start=start)
    at_own_size = start is not None and tracks and not config.aware
    return config, AtSizeOf(source, start, config, device) if start is not None and at_own_size else source


def _announce(trainer: Trainer) -> None:
    config, settings = trainer.config, trainer.settings
    begun = f", from '{trainer.start.name}'" if trainer.start else ""
    several = f", {trainer.ranks.size} processes" if trainer.ranks.size > 1 else ""
    what = f"'{config.preset}' on {trainer.source.size} poses of '{trainer.skeleton.name}'{begun}"
    say(f"training {what}, on {trainer.device}{several}; checkpoint {settings.checkpoint}")
    if settings.resume:
        say(f"going on with the {trainer.stage} after step {trainer.step} of {trainer.steps_of(trainer.stage)}")


def _run(trainer: Trainer, quiet: bool, log: TensorBoardLog | None) -> None:
    """Train with one bar per stage."""
    for stage in trainer.remaining_stages():
        done = trainer.step_of(stage)
        if log is not None:
            log.begin(stage, done)
        with progress_bar(stage, trainer.steps_of(stage), "step", quiet, initial=done, lines=True) as bar:
            trainer.run_stage(stage, _Show(bar, done, log) if trainer.ranks.first else None)


def _write(trainer: Trainer, output: Path, quiet: bool) -> None:
    trained = trainer.weights(output.stem)
    weights.save(trained, output)
    if not quiet:
        samples = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in trained.notes.items())
        say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB; {samples})")


class _Show:
    """Passes a trainer's progress on to a bar and a log."""

    def __init__(self, bar: Bar, done: int, log: TensorBoardLog | None) -> None:
        self.bar, self.done, self.log = bar, done, log

    def __call__(self, progress: Progress) -> None:
        terms = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        self.bar.set_postfix_str(f"{terms}, {progress.rate:.0f} samples/s", refresh=False)
        self.bar.update(progress.step - self.done)
        self.done = progress.step
        if self.log is not None:
            self.log.write(progress)
