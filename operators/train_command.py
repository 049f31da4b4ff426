# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift train`: a lifter from motion capture seen by virtual cameras, or from 2D tracks alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import CancelledError, OutputError, PoseliftError, SettingsError
from ..core.lifter import weights
from ..core.lifter.config import LifterConfig, preset
from ..core.lifter.device import leave_a_core_free, resolve_device
from ..core.skeleton import HUMAN17, Skeleton
from ..core.skeleton_file import read_skeleton
from .lift_task import read_people
from .sources import find_clips
from .terminal import DONE, FAILED, say
from .train_report import Reporter, Stop

if TYPE_CHECKING:
    from ..core.lifter.comparison import Comparison
    from ..core.lifter.data import PoseSource
    from ..core.lifter.device import Device
    from ..core.lifter.distributed import Ranks
    from ..core.lifter.training import Trainer, TrainSettings
    from ..core.track import KeypointTrack

DEFAULT_PRESET = "2d-only"


def train_lifter(options: argparse.Namespace) -> int:
    """Train and write a weights file; return the exit status. Started by torchrun, this is one of several processes."""
    reporter = Reporter(options.json, options.quiet, Stop(options.watch_input))
    try:
        _train(options, reporter)
    except CancelledError as error:
        reporter.failed(error)
        say(f"poselift: {error}")
        return FAILED
    except PoseliftError as error:
        reporter.failed(error)
        raise
    return DONE


def _train(options: argparse.Namespace, reporter: Reporter) -> None:
    output = Path(options.output)
    if output.suffix != ".npz" or not output.parent.is_dir():
        raise OutputError(f"{output}: give a file ending in .npz, in a folder that exists.")
    if min(options.epochs or 2, options.epoch_samples or 1) < 1:
        raise SettingsError("epochs and samples per epoch are at least 1.")
    if options.hold_out and not options.start:
        raise SettingsError("--hold-out compares with the weights that training begins from; give those with --from.")
    device = resolve_device(options.device)
    if options.watch_input:
        leave_a_core_free()  # for the window of whoever started this
    from ..core.lifter.distributed import joined  # these two import torch
    from ..core.lifter.logs import tensorboard_log

    log_dir = Path(options.log_dir) if options.log_dir else None
    with joined(device) as (ranks, own_device), tensorboard_log(log_dir if ranks.first else None) as log:
        if ranks.size > 1 and (options.watch_input or options.time_limit):
            raise SettingsError("--watch-input and --time-limit are for a single process.")
        if not ranks.first:
            reporter = Reporter(False, True, reporter.stop)
        trainer, data = _trainer(options, own_device, ranks, reporter.stop)
        reporter.begin(trainer, data.held_frames)
        reporter.run(trainer, data.held_source, log)
        if ranks.first:
            _write(trainer, data, output, reporter)


@dataclass(frozen=True)
class _Data:
    """What is trained on, and the tracks held out of it."""

    config: LifterConfig
    source: PoseSource
    held: Sequence[KeypointTrack] = ()
    held_source: PoseSource | None = None
    start: Path | None = None

    @property
    def held_frames(self) -> int:
        return sum(len(track) for track in self.held)


def _trainer(options: argparse.Namespace, device: Device, ranks: Ranks, stop: Stop) -> tuple[Trainer, _Data]:
    """Make the trainer that the options describe, its data opened and its checkpoint read."""
    from ..core.lifter import finetune
    from ..core.lifter.schedule import scaled_rate
    from ..core.lifter.time_limit import within
    from ..core.lifter.training import Trainer, TrainSettings

    path = weights.find(options.start) if options.start else None
    start = weights.load(path) if path else None
    skeleton = read_skeleton(Path(options.skeleton)) if options.skeleton else start.skeleton if start else HUMAN17
    config = preset(options.preset or DEFAULT_PRESET) if options.preset or start is None else None
    if start is not None:
        finetune.check_skeleton(start, skeleton)
        config = finetune.fine_tuning(start, config)
    assert config is not None
    rate = options.learning_rate if options.learning_rate is not None else finetune.RATE if start else 1.0
    data = _open(options, scaled_rate(finetune.for_skeleton(config, skeleton), rate), skeleton, start, device, stop)
    data = replace(data, start=path)
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

    def make(settings: TrainSettings) -> Trainer:
        return Trainer(data.source, data.config, settings, device, skeleton, start, ranks)

    limit = options.time_limit
    return (make(settings) if limit is None else within(make, settings, 60 * limit)), data


def _open(
    options: argparse.Namespace,
    config: LifterConfig,
    skeleton: Skeleton,
    start: weights.Weights | None,
    device: Device,
    stop: Stop,
) -> _Data:
    """Open the training data; return them with the configuration that fits them."""
    from ..core.lifter.data import MotionCapture, is_motion_capture
    from ..core.lifter.finetune import AtSizeOf, without_truth
    from ..core.lifter.held_out import split
    from ..core.lifter.tracks import source_of

    paths = [Path(name) for name in options.data]
    if len(paths) == 1 and is_motion_capture(paths[0]):
        if options.hold_out:
            raise SettingsError("--hold-out is for 2D tracks; score what motion capture trains with 'poselift evaluate'.")
        return _Data(config, MotionCapture(paths[0], skeleton, config, device))
    if start is not None:
        config = without_truth(config)

    def opened(tracks: Sequence[KeypointTrack]) -> PoseSource:
        source = source_of(tracks, skeleton, config, device, start)
        return source if start is None or config.aware else AtSizeOf(source, start, config, device)

    tracks = []
    for clip in (clip for path in paths for clip in find_clips(path)):
        stop.check()
        tracks += read_people(clip, options)
    if not options.hold_out:
        return _Data(config, opened(tracks))
    kept, held = split(tracks, options.hold_out)
    return _Data(config, opened(kept), held, opened(held))


def _write(trainer: Trainer, data: _Data, output: Path, reporter: Reporter) -> None:
    reporter.finishing()
    trained = trainer.weights(output.stem)
    weights.save(trained, output)
    comparison = None
    if data.held:
        reporter.scoring()
        with suppress(CancelledError):  # the weights are whole without it
            comparison = _compared(trainer, data, output, reporter.stop)
            weights.save(replace(trained, notes=trained.notes | {"held_out": comparison.to_dict()}), output)
    reporter.done(output, trained.notes, comparison)


def _compared(trainer: Trainer, data: _Data, output: Path, stop: Stop) -> Comparison:
    """Score the weights that were begun with and those that were made, on what was held out."""
    from ..core.lifter.comparison import Comparison
    from ..core.lifter.held_out import score

    assert data.start is not None and trainer.start is not None
    before, frames = score(data.held, data.start, trainer.device, stop.check)
    after, _ = score(data.held, output, trainer.device, stop.check)
    return Comparison(trainer.start.name, frames, before, after)
