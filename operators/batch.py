# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clips in worker processes: each loads the models once, and one that dies costs the clip it had, and nothing else.

A worker is this program again, with the hidden command `lift-worker`. It gets a task as a line of JSON on its standard input
and answers with a line that starts with a mark, because Blender too writes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from ..core.errors import PoseliftError, SettingsError
from .lift_task import Task, failed, lift_task

MARK = "poselift-result "
"""Starts the lines that are answers."""
STILLBORN = 3
"""Workers in a row that die before they say that they are there: then something is wrong with all of them."""


def run(tasks: Sequence[Task], arguments: Sequence[str], jobs: int) -> Iterator[tuple[Task, list[dict[str, Any]]]]:
    """Work through tasks in `jobs` processes; yield each with its reports as it finishes, in no certain order.

    arguments: those of `lift`, which every worker parses for itself. When the caller stops, so do the workers.
    Raises `SettingsError` where no worker comes up.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    results: queue.SimpleQueue[tuple[Task, list[dict[str, Any]]] | PoseliftError] = queue.SimpleQueue()
    crew = [_Foreman(waiting, results, list(arguments), jobs) for _ in range(min(jobs, len(tasks)))]
    try:
        for foreman in crew:
            foreman.start()
        for _ in tasks:
            result = results.get()
            if isinstance(result, PoseliftError):
                raise result
            yield result
    finally:
        for foreman in crew:
            foreman.stop()


class _Foreman(threading.Thread):
    """Keeps one worker busy, and replaces it when it dies."""

    def __init__(
        self,
        waiting: queue.SimpleQueue[Task],
        results: queue.SimpleQueue[tuple[Task, list[dict[str, Any]]] | PoseliftError],
        arguments: list[str],
        jobs: int,
    ) -> None:
        super().__init__(name="poselift foreman", daemon=True)
        self._waiting, self._results, self._arguments, self._jobs = waiting, results, arguments, jobs
        self._worker: subprocess.Popen[str] | None = None
        self._diary: IO[str] | None = None
        self._stopped = threading.Event()
        self._stillborn = 0

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                break
            try:
                reports = self._done(task)
            except SettingsError as error:
                self._results.put(error)
                break
            self._results.put((task, reports))
        self._dismiss()

    def stop(self) -> None:
        """Have the worker end now, whatever it is doing: files are written aside, so that none is left half-written."""
        self._stopped.set()
        worker = self._worker
        if worker is not None and worker.poll() is None:
            worker.terminate()
        if self.is_alive():
            self.join(5.0)

    def _done(self, task: Task) -> list[dict[str, Any]]:
        worker = self._hired()
        try:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(task.to_dict()) + "\n")
            worker.stdin.flush()
            answer = _answer(worker)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            return [failed(task, self._epitaph(worker))]
        return list(answer)

    def _hired(self) -> subprocess.Popen[str]:
        """Return the worker, a new one where there is none or the old one died. Raises `SettingsError`."""
        while self._worker is None or self._worker.poll() is not None:
            self._dismiss()
            self._diary = tempfile.TemporaryFile("w+", prefix="poselift-worker-", errors="replace")  # noqa: SIM115
            self._worker = subprocess.Popen(
                [*worker_command(), *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._diary,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=os.environ | threads_each(self._jobs),
                start_new_session=True,  # Ctrl-C is for the one that the user sees
            )
            if _answer(self._worker) is not None:
                self._stillborn = 0
                break
            self._stillborn += 1
            if self._stillborn >= STILLBORN or self._stopped.is_set():
                raise SettingsError(f"no worker process comes up: {self._epitaph(self._worker)}")
        return self._worker

    def _epitaph(self, worker: subprocess.Popen[str]) -> str:
        """Return in a sentence what a worker died of."""
        status = worker.wait()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        last = ""
        if self._diary is not None:
            self._diary.seek(0)
            last = next((line for line in reversed(self._diary.read().splitlines()) if line.strip()), "")
        return f"the worker process died ({how}){f': {last.strip()[:300]}' if last else ''}."

    def _dismiss(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                worker.wait(10.0)  # the end of its input ends a worker
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        if self._diary is not None:
            self._diary.close()
            self._diary = None


def worker_command() -> list[str]:
    """Return how this program is started again as a worker: Blender's own program where this is one, else Python."""
    package = __name__.rpartition(".operators.")[0]
    bpy = sys.modules.get("bpy")
    binary = bpy.app.binary_path if bpy is not None else ""
    if binary:
        return [binary, "-b", "-c", "poselift", "lift-worker"]
    return [sys.executable, "-m", f"{package}.operators.command_line", "lift-worker"]


def threads_each(jobs: int) -> dict[str, str]:
    """Return the environment that gives each of several workers its share of the processor's cores."""
    share = str(max(1, (os.cpu_count() or 1) // jobs))
    return {"OMP_NUM_THREADS": share, "MKL_NUM_THREADS": share, "OPENBLAS_NUM_THREADS": share}


def work(options: argparse.Namespace) -> int:
    """Be a worker: answer each task on standard input, until it ends."""
    _tell(True)
    for line in sys.stdin:
        task = Task(**json.loads(line))
        try:
            _tell(lift_task(task, options))
        except PoseliftError as error:
            _tell([failed(task, error)])
        except Exception as error:  # a defect of ours costs this clip, not those after it
            _tell([failed(task, f"{type(error).__name__}: {error}")])
    return 0


def _tell(answer: object) -> None:
    sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")
    sys.stdout.flush()


def _answer(worker: subprocess.Popen[str]) -> Any:
    """Return a worker's next answer, None where it dies first."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith(MARK):
            return json.loads(line[len(MARK) :])
    return None
