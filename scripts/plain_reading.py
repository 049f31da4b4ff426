# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of reading measure against, and the stopwatches they share."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def timed(function: Callable[[], T], times: int = 1) -> tuple[float, T]:
    """Return the shortest of some runs in seconds, and the last result."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def compared(one: Callable[[], object], other: Callable[[], object], times: int) -> tuple[float, float]:
    """Return medians of two functions' processor seconds; they run in turns, so that other work shakes both alike."""
    seconds: list[list[float]] = [[], []]
    for _ in range(times):
        for function, spent in zip((one, other), seconds, strict=True):
            start = time.process_time()
            function()
            spent.append(time.process_time() - start)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def read_plainly(folder: Path) -> list[np.ndarray]:
    """Read a clip as a short script would: `json.load` and one array per person and file, unchecked and unlinked."""
    arrays = []
    for path in sorted(folder.glob("*.json")):
        with path.open(encoding="utf-8") as file:
            people = json.load(file)["people"]
        arrays += [np.array(person["pose_keypoints_2d"]).reshape(-1, 3) for person in people]
    return arrays
