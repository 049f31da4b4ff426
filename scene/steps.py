# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on Blender's data in steps: a window is drawn between them, a script does them all at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from typing import TypeVar, cast

Result = TypeVar("Result")
Steps = Generator[float | None, None, Result]
"""Work that pauses at every `yield`; what it returns is its result, and closing it undoes what it did.

What it yields is the share that is done (0..1), or None where nothing new is known.
"""


def finished(steps: Steps[Result], tell: Callable[[float], object] | None = None) -> Result:
    """Do all steps and return the result; `tell` is told the share that is done."""
    return cast(Result, advance(steps, math.inf, tell))


def advance(steps: Steps[Result], seconds: float, tell: Callable[[float], object] | None = None) -> Result | None:
    """Do steps for about so long; return the result after the last one, None before. The result must not be None."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            share = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if tell is not None and share is not None:
            tell(share)
    return None


def part(steps: Steps[Result], start: float, end: float) -> Steps[Result]:
    """Do steps as a part of more work, which is done by `start` before them and by `end` after them."""
    try:
        while True:
            share = next(steps)
            yield None if share is None else start + (end - start) * share
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        steps.close()
