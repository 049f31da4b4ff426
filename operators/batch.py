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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..core.errors import SettingsError
from ..core.output import remove_leftovers
from .lift_task import Task, attempt, failed
from .terminal import show

MARK = "poselift-result "
"""Starts the lines that are answers."""
STILLBORN = 3
"""Workers in a row that die before they say that they are there: then something is wrong with all of them."""
GRACE = 5.0
"""Seconds that a worker has to end by itself."""
APART: dict[str, Any] = {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}
"""Starts a process that Ctrl-C does not reach: it is for the one that the user sees. (0x200: CREATE_NEW_PROCESS_GROUP.)"""


Reports = list[dict[str, Any]]


def run(
    tasks: Iterable[Task], count: int, arguments: Sequence[str], jobs: int, folders: Iterable[Path] = ()
) -> Iterator[tuple[Task, Reports]]:
    """Work through `count` tasks in `jobs` processes; yield each with its reports as it finishes, in no certain order.

    tasks: asked for one by one, in other threads, as workers get free. arguments: those of `lift`, which every worker parses
    for itself. When the caller stops, so do the workers, and what they left half-written in `folders` is removed.
    Raises `SettingsError` where no worker comes up.
    """
    waiting = _Waiting(tasks)
    results: queue.SimpleQueue[tuple[Task, Reports] | Exception] = queue.SimpleQueue()
    crew = [_Foreman(waiting, results, list(arguments), jobs) for _ in range(min(jobs, count))]
    try:
        for foreman in crew:
            foreman.start()
        for _ in range(count):
            result = results.get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        for foreman in crew:
            foreman.stop()
        for foreman in crew:
            foreman.join()
        gone = {process for foreman in crew for process in foreman.processes}
        for folder in folders:
            remove_leftovers(folder, gone)


class _Waiting:
    """Tasks that several threads take from."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks, self._lock = iter(tasks), threading.Lock()

    def take(self) -> Task | None:
        """Return the next task, None where all are taken."""
        with self._lock:
            return next(self._tasks, None)


class _Foreman(threading.Thread):
    """Keeps one worker busy, and replaces it when it dies. processes: of all the workers that it had."""

    def __init__(
        self,
        waiting: _Waiting,
        results: queue.SimpleQueue[tuple[Task, Reports] | Exception],
        arguments: list[str],
        jobs: int,
    ) -> None:
        super().__init__(name="poselift foreman", daemon=True)
        self._waiting, self._results, self._arguments, self._jobs = waiting, results, arguments, jobs
        self._worker: subprocess.Popen[str] | None = None
        self._diary: IO[str] | None = None
        self._stopped = threading.Event()
        self._stillborn = 0
        self.processes: set[int] = set()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                task = self._waiting.take()
                if task is None:
                    break
                self._results.put((task, self._done(task)))
        except Exception as error:  # told by the thread that waits for results
            self._results.put(error)
        finally:
            self._dismiss()

    def stop(self) -> None:
        """Have the worker end soon, whatever it is doing: it removes what it has half-written."""
        self._stopped.set()
        worker = self._worker
        if worker is not None and worker.poll() is None:
            worker.terminate()

    def _done(self, task: Task) -> Reports:
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
                **APART,
            )
            self.processes.add(self._worker.pid)
            if self._stopped.is_set():  # meanwhile: `stop` could not see this one yet
                self._worker.terminate()
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
                worker.wait(GRACE)  # the end of its input ends a worker
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        if self._diary is not None:
            self._diary.close()
            self._diary = None


def worker_command(command: str = "lift-worker") -> list[str]:
    """Return how this program is started again for a command: Blender's own program where this is one, else Python."""
    package = __name__.rpartition(".operators.")[0]
    bpy = sys.modules.get("bpy")
    binary = bpy.app.binary_path if bpy is not None else ""
    if binary:
        return [binary, "-b", "-c", "poselift", command]
    return [sys.executable, "-m", f"{package}.operators.command_line", command]


def threads_each(jobs: int) -> dict[str, str]:
    """Return the environment that gives each of several workers its share of the processor's cores."""
    share = str(max(1, usable_cores() // jobs))
    return {"OMP_NUM_THREADS": share, "MKL_NUM_THREADS": share, "OPENBLAS_NUM_THREADS": share}


def usable_cores() -> int:
    """Return how many of the processor's cores this process may use: on a farm not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def work(options: argparse.Namespace) -> int:
    """Be a worker: answer each task on standard input, until it ends."""
    _tell(True)
    for line in sys.stdin:
        _tell(attempt(Task(**json.loads(line)), options))
    return 0


def _tell(answer: object) -> None:
    show(f"\n{MARK}{json.dumps(answer)}")


def _answer(worker: subprocess.Popen[str]) -> Any:
    """Return a worker's next answer, None where it dies first."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith(MARK):
            return json.loads(line[len(MARK) :])
    return None
