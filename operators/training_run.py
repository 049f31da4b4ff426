# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run in a process of its own: started, listened to, and stopped; free of Blender."""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..core.errors import CancelledError, OutputError, SettingsError
from ..core.lifter.history import ENDS, History
from .batch import APART

Progress = Callable[[float, str], None]

PATIENCE = 0.2
"""Seconds between looks at whether the user has stopped it."""
GRACE = 60.0
"""Seconds that a run has to write its checkpoint and end, once it was told to."""


@dataclass
class Run:
    """One run: the command that trains, the weights it is to write, and what it has told so far."""

    command: list[str]
    output: Path
    resume: bool = False
    history: History = field(default_factory=History)
    ended: bool = False

    @property
    def log(self) -> Path:
        """The file that keeps what the run tells, for the curves."""
        return self.output.with_suffix(".jsonl")

    @property
    def checkpoint(self) -> Path:
        """The file that a stopped run goes on from."""
        return self.output.with_suffix(".checkpoint")

    def train(self, progress: Progress) -> dict[str, Any]:
        """Run to the end and return the event that it ended with.

        When `progress` raises `CancelledError`, the process is told by the end of its input, as it is when this program dies;
        it keeps a checkpoint, and the error that is raised says so. Raises `SettingsError` with the run's own reason.
        """
        if self.resume and self.log.is_file():
            self.history = History.read(self.log)
        with tempfile.TemporaryFile("w+", prefix="poselift-train-", errors="replace") as diary:
            try:
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=diary,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    **APART,  # Ctrl-C in the terminal is for Blender
                )
            except OSError as error:
                raise SettingsError(f"training cannot be started: {error.strerror or error}.") from error
            try:
                with self._open_log() as log:
                    end = self._followed(process, log, progress)
            finally:
                self.ended = True
                _end(process)
            if end is None:
                raise SettingsError(f"training ended without a result: {_last_line(diary)}")
        if end["event"] == "stopped":
            raise CancelledError(f"Training {end.get('message', 'stopped')}")
        if end["event"] == "error":
            raise SettingsError(str(end.get("error")))
        with suppress(OSError):  # it is large, and of no use any more
            self.checkpoint.unlink(missing_ok=True)
        return end

    def _open_log(self) -> IO[str]:
        try:
            return self.log.open("a" if self.resume else "w", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self.log}: cannot be written: {error.strerror or error}.") from error

    def _followed(self, process: subprocess.Popen[str], log: IO[str], progress: Progress) -> dict[str, Any] | None:
        """Take in all that the process says, and return the event it ends with; None where it ends with none."""
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line.strip())
            lines.put(None)

        threading.Thread(target=listen, name="poselift training", daemon=True).start()
        share, stage, stopping = 0.0, "starting", False
        end = None
        while True:
            try:
                if not stopping:
                    progress(share, stage)
            except CancelledError:
                stopping = True
                _tell_to_stop(process)
            try:
                line = lines.get(timeout=GRACE if stopping else PATIENCE)
            except queue.Empty:
                if stopping:
                    break
                continue
            if line is None:
                break
            event = self.history.add(line)
            if event is None:
                continue
            log.write(json.dumps(event) + "\n")
            log.flush()
            share, stage = _shown(event, share, stage)
            end = event if event["event"] in ENDS else end
        if stopping and (end is None or end["event"] == "error"):
            kept = f"; {self.checkpoint} is kept, to go on from" if self.checkpoint.is_file() else ""
            end = {"event": "stopped", "message": f"stopped{kept}."}
        return end


def _shown(event: dict[str, Any], share: float, stage: str) -> tuple[float, str]:
    """Return the share done and the stage's name after an event."""
    if event["event"] == "start":
        return share, "training"
    if event["event"] == "progress":
        return 0.95 * float(event.get("share", share)), f"training the {event['stage']}"
    if event["event"] in ("finishing", "scoring"):
        return 0.95, "finishing" if event["event"] == "finishing" else "comparing before and after"
    return share, stage


def _tell_to_stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _end(process: subprocess.Popen[str]) -> None:
    """See to it that the process is gone."""
    _tell_to_stop(process)
    try:
        process.wait(PATIENCE if process.poll() is not None else GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        with suppress(OSError):
            process.stdout.close()


def _last_line(diary: IO[str]) -> str:
    diary.seek(0)
    lines = [line.strip() for line in diary.read().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing."
