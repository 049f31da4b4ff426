# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal shows: progress bars and messages on standard error, results on standard output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all done; some inputs failed; bad usage."""

LINE_SECONDS = 5.0
"""Between two lines about progress where there is no terminal."""


class Bar(Protocol):
    """The part of a progress bar that is used here."""

    def update(self, n: float) -> Any:
        """Advance by `n`."""

    def set_postfix_str(self, s: str, refresh: bool = True) -> Any:
        """Show a text behind the bar."""


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
        share = f"{self._done:.0f} of {self._total:.0f} {self._unit}s"
        say(", ".join(part for part in (f"{self._name}: {share}", self._text, f"{clock(left)} left") if part))

    def set_postfix_str(self, s: str, refresh: bool = True) -> None:
        self._text = s


@contextmanager
def progress_bar(
    name: str, total: float, unit: str, quiet: bool = False, initial: float = 0, lines: bool = False
) -> Iterator[Bar]:
    """Show a bar with rate and time left on standard error, `initial` of `total` units being done already.

    Where there is no terminal, or tqdm is not installed: with `lines` a line every few seconds, else nothing.
    """
    try:
        from tqdm import tqdm
    except ImportError:  # the slim development link into Blender has no wheels
        tqdm = None
    if quiet or tqdm is None or not sys.stderr.isatty():
        yield _Lines(name, total, unit, initial) if lines and not quiet else _NoBar()
        return
    with tqdm(desc=name, total=total, unit=unit, initial=initial, file=sys.stderr, dynamic_ncols=True, leave=False) as bar:
        yield bar


@contextmanager
def own_output() -> Iterator[None]:
    """Keep standard output to ourselves: what Blender prints meanwhile (a line per frame that it renders) goes nowhere."""
    sys.stdout.flush()
    with Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def clock(seconds: float) -> str:
    """Return a duration as people write it: 0:07, 12:34, 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say(text: str) -> None:
    """Print a message for people, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """Print a result, on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
