# SPDX-License-Identifier: GPL-3.0-or-later
"""What `poselift train` tells while it works: bars and messages for people, or JSON lines for programs (`--json`)."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import CancelledError, PoseliftError
from ..core.lifter.history import STAGES
from .terminal import FAILED, Bar, progress_bar, say, show

if TYPE_CHECKING:
    from ..core.lifter.comparison import Comparison
    from ..core.lifter.data import PoseSource
    from ..core.lifter.logs import TensorBoardLog
    from ..core.lifter.progress import Progress
    from ..core.lifter.training import Trainer

LOOKS = 40
"""Times in each stage that the held-out loss is measured."""
GRACE = 30.0
"""Seconds that a run has to stop by itself once nobody listens any more."""


class Stop:
    """Whether somebody wants the run to end: the end of standard input says so, also that of a program that was killed."""

    def __init__(self, watched: bool) -> None:
        self._wanted = threading.Event()
        if watched:
            threading.Thread(target=self._watch, name="poselift stop", daemon=True).start()

    def check(self) -> None:
        """Raise `CancelledError` where the run is to end."""
        if self._wanted.is_set():
            raise CancelledError("stopped.")

    def now(self) -> None:
        """Have the run end at its next step."""
        self._wanted.set()

    def _watch(self) -> None:
        while sys.stdin.readline():
            pass
        self.now()
        time.sleep(GRACE)
        os._exit(FAILED)  # it reads something endless, or hangs: nobody is there any more who could end it


class Reporter:
    """Tells how a run goes on. Of several processes, only the first one's tells anything."""

    def __init__(self, as_json: bool, quiet: bool, stop: Stop) -> None:
        self._json, self._quiet, self.stop = as_json, quiet or as_json, stop

    def begin(self, trainer: Trainer, held_out: int) -> None:
        """Say what is trained."""
        config, settings = trainer.config, trainer.settings
        stages = {s: {"step": trainer.step_of(s), "steps": trainer.steps_of(s)} for s in STAGES}
        self._event(
            "start", preset=config.preset, poses=trainer.source.size, held_out=held_out, skeleton=trainer.skeleton.name,
            start=trainer.start.name if trainer.start else None, device=str(trainer.device), stages=stages,
            checkpoint=str(settings.checkpoint),
        )  # fmt: skip
        begun = f", from '{trainer.start.name}'" if trainer.start else ""
        several = f", {trainer.ranks.size} processes" if trainer.ranks.size > 1 else ""
        aside = f", {held_out} frames held out" if held_out else ""
        what = f"'{config.preset}' on {trainer.source.size} poses of '{trainer.skeleton.name}'{begun}{aside}"
        self._say(f"training {what}, on {trainer.device}{several}; checkpoint {settings.checkpoint}")
        if settings.resume:
            self._say(f"going on with the {trainer.stage} after step {trainer.step} of {trainer.steps_of(trainer.stage)}")

    def run(self, trainer: Trainer, held: PoseSource | None, log: TensorBoardLog | None) -> None:
        """Train, with one bar per stage. Raises `CancelledError` when it was stopped, its checkpoint written."""
        try:
            for stage in trainer.remaining_stages():
                done = trainer.step_of(stage)
                if log is not None:
                    log.begin(stage, done)
                with progress_bar(stage, trainer.steps_of(stage), "step", self._quiet, initial=done, lines=True) as bar:
                    show = _Show(self, trainer, bar, done, held, log) if trainer.ranks.first else None
                    trainer.run_stage(stage, show)
        except CancelledError as error:
            trainer.save_state()
            where = trainer.settings.checkpoint
            raise CancelledError(
                f"stopped in the {trainer.stage}'s step {trainer.step} of {trainer.steps_of(trainer.stage)}; {where} is kept, "
                "to go on from."
            ) from error

    def progress(self, **facts: Any) -> None:
        """Tell a program where the run is."""
        self._event("progress", **facts)

    def finishing(self) -> None:
        """Tell a program that training is done, and the weights are being written."""
        self._event("finishing")

    def scoring(self) -> None:
        """Tell a program that the weights are compared now."""
        self._event("scoring")

    def done(self, output: Path, notes: dict[str, Any], comparison: Comparison | None) -> None:
        """Say what was written."""
        self._event("done", output=str(output), comparison=comparison.to_dict() if comparison else None)
        samples = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in notes.items())
        self._say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB; {samples})")
        for line in comparison.lines() if comparison else ():
            self._say(line)

    def failed(self, error: PoseliftError) -> None:
        """Tell a program why nothing was made; people are told by whoever catches the error."""
        stopped = isinstance(error, CancelledError)
        self._event("stopped" if stopped else "error", **{"message" if stopped else "error": str(error)})

    def _say(self, text: str) -> None:
        if not self._quiet:
            say(text)

    def _event(self, kind: str, **facts: Any) -> None:
        if not self._json:
            return
        try:
            show(json.dumps({"event": kind, **facts}))
        except OSError:  # who listened has ended
            self._json = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer has to go somewhere
            self.stop.now()


class _Show:
    """Passes a trainer's progress on to a bar, a log and JSON lines, and measures the loss on what is held out."""

    def __init__(
        self, reporter: Reporter, trainer: Trainer, bar: Bar, done: int, held: PoseSource | None, log: TensorBoardLog | None
    ) -> None:
        self.reporter, self.trainer, self.bar, self.done, self.held, self.log = reporter, trainer, bar, done, held, log
        self._next_look = done
        self._began, self._first = time.monotonic(), done

    def __call__(self, progress: Progress) -> None:
        terms = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        self.bar.set_postfix_str(f"{terms}, {progress.rate:.0f} samples/s", refresh=False)
        self.bar.update(progress.step - self.done)
        self.done = progress.step
        if self.log is not None:
            self.log.write(progress)
        self._tell(progress)
        if progress.step < progress.steps:  # a finished stage goes on: stopping costs no work there, and nothing twice
            self.reporter.stop.check()

    def _tell(self, progress: Progress) -> None:
        from ..core.lifter.held_out import held_out_loss, loss

        looked = None
        if self.held is not None and (progress.step >= self._next_look or progress.step == progress.steps):
            looked = held_out_loss(self.trainer, self.held)
            self._next_look = progress.step + max(1, progress.steps // LOOKS)
        share, left = self._time(progress)
        self.reporter.progress(
            stage=progress.stage, step=progress.step, steps=progress.steps, share=share, left=left,
            loss=loss(progress.losses), held_out=looked, terms=progress.terms, rate=progress.rate,
        )  # fmt: skip

    def _time(self, progress: Progress) -> tuple[float, float]:
        """Return the share of all samples that are done, and about how many seconds the others take."""
        trainer = self.trainer
        batches = {stage: trainer.config_of(stage).batch for stage in STAGES}
        total = sum(trainer.steps_of(stage) * batches[stage] for stage in STAGES)
        done = sum(trainer.step_of(stage) * batches[stage] for stage in STAGES)
        spent = (time.monotonic() - self._began) / max((progress.step - self._first) * batches[progress.stage], 1)
        return done / total, math.ceil(spent * (total - done))
