# SPDX-License-Identifier: GPL-3.0-or-later
"""Work off the main thread, for modal operators: the work itself never touches bpy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..core.errors import CancelledError

Result = TypeVar("Result")
Progress = Callable[[float, str], None]


class Job(Generic[Result]):
    """One piece of work in a thread of its own.

    work: takes a progress callback (share done 0..1, stage) and returns the result; the callback raises `CancelledError`
    once the job was cancelled. What it raises is kept, and raised by `result`. Where it is still to be made, on the main
    thread, it is given at the start. All of this class but the work belongs to the main thread.
    """

    def __init__(self, work: Callable[[Progress], Result] | None = None, name: str = "poselift") -> None:
        self.shown = ""
        """What the user was last told of it."""
        self._work = work
        self._cancelled = threading.Event()
        # One tuple, replaced as a whole: a reader never sees the share of one moment with the stage of another.
        self._state: tuple[float, str] = (0.0, "")
        self._since = (time.monotonic(), 0.0)
        self._outcome: tuple[Result] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, work: Callable[[Progress], Result] | None = None) -> Job[Result]:
        """Begin, with this work where none was given before, and return the job."""
        self._work = work or self._work
        if not self._state[0]:
            self._since = (time.monotonic(), 0.0)
        self._thread.start()
        return self

    def tell(self, share: float, stage: str) -> None:
        """Note how far the main thread is with what comes before the work, or after it."""
        if share > 0 == self._state[0]:
            self._since = (time.monotonic(), share)  # getting ready, which took its own time, is over
        self._state = (min(max(share, 0.0), 1.0), stage)

    def cancel(self) -> None:
        """Ask the work to stop at its next report of progress."""
        self._cancelled.set()

    @property
    def cancelling(self) -> bool:
        """Whether the job was asked to stop."""
        return self._cancelled.is_set()

    @property
    def begun(self) -> bool:
        """Whether the work was started."""
        return self._thread.ident is not None

    @property
    def running(self) -> bool:
        """Whether the work still goes on."""
        return self._thread.is_alive()

    @property
    def progress(self) -> tuple[float, str]:
        """Share done (0..1) and the stage's name."""
        return self._state

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes if it goes on as it went since the first progress; None where too little was done."""
        share, (since, before) = self._state[0], self._since
        gone, done = time.monotonic() - since, share - before
        told = (done > 0.05 and gone > 1) or (done > 0.002 and gone > 20)
        return gone * (1 - share) / done if told else None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the work has ended, or for `timeout` seconds."""
        if self.begun:
            self._thread.join(timeout)

    def result(self) -> Result:
        """Return what the work returned, or raise what it raised; `CancelledError`, its own if any, where it was stopped."""
        self.wait()
        if isinstance(self._error, CancelledError):
            raise self._error
        if self._cancelled.is_set():
            raise CancelledError("Cancelled; nothing was changed.")
        if self._error is not None:
            raise self._error
        assert self._outcome is not None, "the job was not started"
        return self._outcome[0]

    def _report(self, share: float, stage: str) -> None:
        if self._cancelled.is_set():
            raise CancelledError("Cancelled; nothing was changed.")
        self.tell(share, stage)

    def _run(self) -> None:
        try:
            assert self._work is not None, "there is no work"
            self._outcome = (self._work(self._report),)
        except BaseException as error:
            self._error = error
