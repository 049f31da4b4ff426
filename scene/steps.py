# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on Blender's data in steps: a window is drawn between them, a script does them all at once."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that pauses at every `yield`; what it returns is its result, and closing it undoes what it did."""


def finished(steps: Steps[Result]) -> Result:
    """Do all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def advance(steps: Steps[Result], seconds: float) -> Result | None:
    """Do steps for about so long; return the result after the last one, None before. The result must not be None."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
    return None
