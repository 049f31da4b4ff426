# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal shows: progress bars and messages on standard error, results on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all done; some inputs failed; bad usage."""


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


@contextmanager
def progress_bar(name: str, total: float, unit: str, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar with rate and time left on standard error; none where it is no terminal, or tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:  # the slim development link into Blender has no wheels
        yield _NoBar()
        return
    with tqdm(
        desc=name,
        total=total,
        unit=unit,
        disable=quiet or not sys.stderr.isatty(),
        file=sys.stderr,
        dynamic_ncols=True,
        leave=False,
    ) as bar:
        yield bar


def say(text: str) -> None:
    """Print a message for people, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """Print a result, on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
