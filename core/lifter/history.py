# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run as its JSON lines tell it: `poselift train --json` writes them, Blender's panel reads them.

One object a line, each with an `event`: 'start' (what is trained, from what, how long), 'progress' (about twice a second),
'finishing', 'scoring', then one of 'done', 'stopped' and 'error'. A resumed run appends a new 'start' to the first one's lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ReadError

STAGES = ("teacher", "student")
ENDS = ("done", "stopped", "error")
LARGEST = 64 << 20
"""Bytes of a log that are read: a day of training writes 30 million."""

Points = list[tuple[float, float]]


@dataclass
class Curve:
    """One network's losses: (step, loss) as they were trained on, and on frames held out; `steps` in all."""

    steps: int = 0
    trained: Points = field(default_factory=list)
    held_out: Points = field(default_factory=list)

    def cut(self, step: float) -> None:
        """Forget what came after a step: a resumed run does it again."""
        self.trained = [point for point in self.trained if point[0] <= step]
        self.held_out = [point for point in self.held_out if point[0] <= step]


@dataclass
class History:
    """What a run has told so far; `facts` are those of its last start, `outcome` how it ended, None while it goes on."""

    curves: dict[str, Curve] = field(default_factory=lambda: {stage: Curve() for stage in STAGES})
    facts: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a log. Raises `ReadError` where it cannot be opened."""
        history = cls()
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file.read(LARGEST).splitlines():
                    history.add(line)
        except OSError as error:
            raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error
        return history

    def add(self, line: str) -> dict[str, Any] | None:
        """Take in a line and return its event; None for what is no event (other programs write to the same stream)."""
        try:
            event = json.loads(line) if line.startswith("{") else None
            if not isinstance(event, dict):
                return None
            self._take(event)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return event

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "start":
            for stage, curve in self.curves.items():
                curve.steps = int(event["stages"][stage]["steps"])
                curve.cut(float(event["stages"][stage]["step"]))
            self.facts, self.outcome = event, None
        elif kind == "progress":
            curve, step = self.curves[event["stage"]], float(event["step"])
            curve.trained.append((step, float(event["loss"])))
            if event.get("held_out") is not None:
                curve.held_out.append((step, float(event["held_out"])))
        elif kind in ENDS:
            self.outcome = event
