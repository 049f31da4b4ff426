# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift evaluate`: scores of weights against 3D motion capture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import OutputError
from ..core.lifter.device import resolve_device
from ..core.lifter.evaluation.scores import METRICS, OVERALL
from ..core.lifter.evaluation.table import LEGEND, table
from ..core.lifter.weights import find, load
from ..core.output import written_aside
from .terminal import DONE, progress_bar, show

if TYPE_CHECKING:
    from ..core.lifter.evaluation.scores import Score

STANDARD_OUTPUT = "-"


def evaluate_weights(options: argparse.Namespace) -> int:
    """Print one table of all weights, and write all numbers; return the exit status."""
    device = resolve_device(options.device)
    if options.json and options.json != STANDARD_OUTPUT and not Path(options.json).parent.is_dir():
        raise OutputError(f"{options.json}: give a file in a folder that exists.")
    from ..core.lifter.evaluation.evaluate import EvaluationSettings, evaluate  # these two import torch
    from ..core.lifter.inference import Lifter

    settings = EvaluationSettings(options.cameras, options.frames_step, options.seed, tuple(options.conditions))
    lifters = [Lifter(load(find(name)), device) for name in options.weights]
    with progress_bar("evaluate", 100, "%") as bar:
        done = 0

        def advance(share: float) -> None:
            nonlocal done
            bar.update(int(100 * share) - done)
            done = int(100 * share)

        scores = evaluate(lifters, Path(options.data), settings, advance)
    about = {"data": Path(options.data).name, **asdict(settings)}
    numbers = json.dumps({"evaluation": about, "metrics": METRICS, "scores": [asdict(s) for s in scores]}, indent=1)
    if options.json == STANDARD_OUTPUT:
        show(numbers)
        return DONE
    show(_heading(scores, about))
    show(table(scores, options.by_action) + "\n")
    show("\n".join(LEGEND))
    if options.json:
        with written_aside(Path(options.json)) as aside:
            aside.write_text(numbers + "\n", encoding="utf-8")
    return DONE


def _heading(scores: Sequence[Score], about: dict[str, object]) -> str:
    """Say what was scored: the counts are alike for all overall rows of one skeleton."""
    whole = next(score for score in scores if score.category == OVERALL)
    return (
        f"{about['data']}: {whole.clips} clips, {whole.frames} frames a row from {about['cameras']} cameras per clip, "
        f"seed {about['seed']}\n"
    )
