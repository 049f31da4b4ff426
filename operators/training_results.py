# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of weights of one's own: their losses from the log beside them, and what training changed, from their notes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..core.errors import PoseliftError
from ..core.lifter import weights
from ..core.lifter.comparison import Comparison
from ..core.lifter.history import History
from . import weights_place


@dataclass(frozen=True)
class Result:
    """A training's losses, its report line by line, and whether it was stopped and can go on."""

    history: History
    lines: tuple[str, ...]
    version: float
    can_go_on: bool


def result_of(name: str) -> Result | None:
    """Return what is known of the user's weights, or stopped run, of a name; None where there is nothing."""
    place = weights_place.activate()
    if place is None or not name:
        return None
    paths = [place / f"{name}{ending}" for ending in (".npz", ".jsonl", ".checkpoint")]
    changed = tuple(_changed(path) for path in paths)
    return _result(*paths, *changed) if any(changed) else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=8)
def _result(file: Path, log: Path, _checkpoint: Path, made: float, logged: float, kept: float) -> Result:
    """Read the files, once for each time that they have changed."""
    try:
        history = History.read(log) if logged else History()
    except PoseliftError:
        history = History()
    return Result(history, tuple(_lines(file)) if made else (), max(made, logged), bool(kept and not made))


def _lines(file: Path) -> list[str]:
    try:
        notes = weights.about(file).notes
        return Comparison.from_dict(notes["held_out"]).lines() if "held_out" in notes else ["Nothing was held out to compare."]
    except PoseliftError as error:
        return [str(error)]
    except (KeyError, TypeError, ValueError):
        return ["What these weights say of their training cannot be read."]
