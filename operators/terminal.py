# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal shows: progress bars and messages on standard error, results on standard output."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, TextIO

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all done; some inputs failed; bad usage."""

LINE_SECONDS = 5.0
"""Between two lines about progress where there is no terminal."""

_results: TextIO | None = None
"""Where results go while `results_alone` keeps others away; standard output where None."""
_write_above: Callable[[str], object] | None = None
"""Writes a message above the bar that is shown; None where there is none."""


class Bar(Protocol):
    """The part of a progress bar that is used here."""

    def update(self, n: float) -> Any:
        """Advance by `n`."""

    def set_postfix_str(self, s: str, refresh: bool = True) -> Any:
        """Show a text behind the bar."""


class Advance(Protocol):
    """Takes a bar to a share of a unit."""

    def __call__(self, share: float, stage: str = "") -> None:
        """Show the share that is done, and what is being done."""


class _NoBar:
    def update(self, n: float) -> None:
        pass

    def set_postfix_str(self, s: str, refresh: bool = True) -> None:
        pass


class _Lines:
    """A line every few seconds, for logs and pipes, and a last one at the end."""

    def __init__(self, name: str, total: float, unit: str, initial: float) -> None:
        self._name, self._total, self._unit, self._initial = name, total, unit, initial
        self._done, self._text = initial, ""
        self._start = self._shown = time.monotonic()

    def update(self, n: float) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._shown < LINE_SECONDS and self._done < self._total:
            return
        self._shown = now
        left = (now - self._start) * (self._total - self._done) / max(self._done - self._initial, 1e-9)
        rate = self._text or f"{(self._done - self._initial) / max(now - self._start, 1e-9):.2g} {self._unit}s/s"
        say(f"{self._name}: {self._done:.0f} of {self._total:.0f} {self._unit}s, {rate}, {clock(left)} left")

    def set_postfix_str(self, s: str, refresh: bool = True) -> None:
        self._text = s


_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.0f} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
"""How a bar looks whose units are done bit by bit."""


@contextmanager
def progress_bar(
    name: str, total: float, unit: str, quiet: bool = False, initial: float = 0, lines: bool = False, bits: bool = False
) -> Iterator[Bar]:
    """Show a bar with rate and time left on standard error, `initial` of `total` units being done already.

    bits: units are done bit by bit, not one after the other. Messages are written above the bar.
    Where there is no terminal, or tqdm is not installed: with `lines` a line every few seconds, else nothing.
    """
    global _write_above
    try:
        from tqdm import tqdm
    except ImportError:  # the slim development link into Blender has no wheels
        tqdm = None
    if quiet or tqdm is None or not sys.stderr.isatty():
        yield _Lines(name, total, unit, initial) if lines and not quiet else _NoBar()
        return
    look = {"bar_format": _FORMAT} if bits else {}
    with tqdm(
        desc=name, total=total, unit=unit, initial=initial, file=sys.stderr, dynamic_ncols=True, leave=False, **look
    ) as bar:
        _write_above = lambda text: tqdm.write(text, file=sys.stderr)  # noqa: E731
        try:
            yield bar
        finally:
            _write_above = None


def advancing(bar: Bar) -> Advance:
    """Return a function that takes a bar from share to share of a unit, and shows the stage.

    In steps of 1/1024, which add up exactly: tqdm warns of a bar that is more than full.
    """
    shown = 0.0

    def advance(share: float, stage: str = "") -> None:
        nonlocal shown
        if stage:
            bar.set_postfix_str(stage, refresh=False)
        share = int(1024 * share) / 1024
        bar.update(share - shown)
        shown = share

    return advance


def clock(seconds: float) -> str:
    """Return a duration as people write it: 0:07, 12:34, 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say(text: str) -> None:
    """Print a message for people, on standard error."""
    if _write_above is not None:
        _write_above(text)
        return
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """Print a result, on standard output."""
    out = _results or sys.stdout
    out.write(text + "\n")
    out.flush()


@contextmanager
def results_alone(quiet: bool = False) -> Iterator[None]:
    """Keep standard output for what `show` prints: Blender and its exporters, who print there too, get standard error.

    quiet: they get nothing. Blender prints from C, past Python: so the file descriptor itself is turned round, where standard
    output has one.
    """
    global _results
    if _results is not None or sys.stdout is None or sys.stderr is None:
        yield
        return
    kept = sys.stdout
    with ExitStack() as stack:
        others = stack.enter_context(Path(os.devnull).open("w")) if quiet else sys.stderr
        try:
            number, elsewhere = kept.fileno(), others.fileno()
        except (OSError, ValueError):  # no file: a test's or a program's own
            _results = kept
        else:
            kept.flush()
            saved = os.dup(number)
            os.dup2(elsewhere, number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            stack.callback(_flush_c)
            _results = stack.enter_context(open(saved, "w", encoding=kept.encoding, errors=kept.errors, closefd=False))
        stack.enter_context(redirect_stdout(others))
        try:
            yield
        finally:
            _results = None


@contextmanager
def hushed() -> Iterator[None]:
    """Send nowhere what Blender prints from C meanwhile: a line or two per frame that it renders, across any progress bar."""
    _flush_c()
    with Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            _flush_c()
            os.dup2(kept, 1)
            os.close(kept)


def _flush_c() -> None:
    """Have C's library write what it still holds for standard output."""
    import ctypes

    library = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
    library.fflush(None)


@contextmanager
def stoppable() -> Iterator[None]:
    """Have Ctrl-C and a polite kill raise `KeyboardInterrupt`, so that what is half-written is removed.

    Blender without a window only takes note of the first Ctrl-C.
    """

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT]
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun's processes wait for one another in C, where nothing is raised
        numbers.append(signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
