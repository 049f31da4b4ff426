# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift train`: a lifter from motion capture seen by virtual cameras, or from 2D tracks alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import OutputError, SettingsError
from ..core.lifter import weights
from ..core.lifter.config import preset
from ..core.lifter.device import resolve_device
from ..core.skeleton import HUMAN17
from .terminal import DONE, Bar, progress_bar, say

if TYPE_CHECKING:
    from ..core.lifter.training import Progress, Trainer


def train_lifter(options: argparse.Namespace) -> int:
    """Train and write a weights file; return the exit status."""
    output = Path(options.output)
    if output.suffix != ".npz" or not output.parent.is_dir():
        raise OutputError(f"{output}: give a file ending in .npz, in a folder that exists.")
    if min(options.epochs or 2, options.epoch_samples or 1) < 1:
        raise SettingsError("epochs and samples per epoch are at least 1.")
    device = resolve_device(options.device)
    from ..core.lifter.data import open_source  # these two import torch
    from ..core.lifter.training import Trainer, TrainSettings

    config = preset(options.preset)
    source = open_source(
        [Path(name) for name in options.data], HUMAN17, config, device, file_format=options.format, layout=options.layout
    )
    checkpoint = Path(options.checkpoint) if options.checkpoint else output.with_suffix(".checkpoint")
    settings = TrainSettings(
        seed=options.seed,
        epoch_samples=options.epoch_samples,
        epochs=options.epochs,
        precision=options.precision,
        checkpoint=checkpoint,
        resume=options.resume,
    )
    trainer = Trainer(source, config, settings, device)
    if not options.quiet:
        say(f"training '{options.preset}' on {source.size} poses, on {device}; checkpoint {checkpoint}")
    _run(trainer, options.quiet)
    trained = trainer.weights(output.stem)
    weights.save(trained, output)
    if not options.quiet:
        samples = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in trained.notes.items())
        say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB; {samples})")
    return DONE


def _run(trainer: Trainer, quiet: bool) -> None:
    """Train with one bar per stage."""
    for stage in trainer.remaining_stages():
        with progress_bar(stage, trainer.steps_of(stage), "step", quiet) as bar:
            bar.update(trainer.step_of(stage))
            trainer.run_stage(stage, _Show(bar, trainer.step_of(stage)))


class _Show:
    """Passes a trainer's progress on to a bar."""

    def __init__(self, bar: Bar, done: int) -> None:
        self.bar, self.done = bar, done

    def __call__(self, progress: Progress) -> None:
        self.bar.update(progress.step - self.done)
        self.done = progress.step
        terms = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        self.bar.set_postfix_str(f"{terms}, {progress.rate:.0f} samples/s")
