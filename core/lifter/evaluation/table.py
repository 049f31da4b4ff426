# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores as one table that people read, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .scores import OVERALL, Score


class Column(NamedTuple):
    """A column: its title, the metrics that stand in it (the first that a network has), and how a number is written."""

    title: str
    metrics: tuple[str, ...]
    factor: float = 1.0
    digits: int = 1
    unit: str = ""


COLUMNS = (
    Column("P-MPJPE", ("p_mpjpe",)),
    Column("N-MPJPE", ("n_mpjpe",)),
    Column("torso MPJPE", ("torso_mpjpe",)),
    Column("PCK@150", ("pck",), 100.0, unit=" %"),
    Column("AUC", ("auc",), 100.0, unit=" %"),
    Column("mirrored", ("mirrored",), 100.0, unit=" %"),
    Column("rotation", ("rotation",), unit="°"),
    Column("median", ("rotation_median",), unit="°"),
    Column("acceleration", ("acceleration",)),
    Column("two cameras", ("equivariance", "invariance")),
    Column("reprojection", ("reprojection_max",), digits=-1),
    Column("oracle P-MPJPE", ("oracle_p_mpjpe",)),
    Column("oracle N-MPJPE", ("oracle_n_mpjpe",)),
)

LEGEND = (
    "Errors in mm: P-MPJPE after a similarity without reflection, N-MPJPE after the least-squares scale, torso MPJPE with the",
    "torso scaled to its true size; PCK and AUC (0 to 150 mm) after the least-squares scale; mirrored: frames whose mirror",
    "image fits better; rotation: angle of the teacher's camera rotation; acceleration error in m/s²; two cameras: mm between",
    "what they make of one pose (student: turned by the true rotation; teacher: canonical poses); reprojection: the worst",
    "observed joint, as a share of the image. Oracle: the better of pose and mirror image, as the paper has it, not users.",
    "All joints and all frames count alike, also joints that are missing; where 'no depth' has them in the image, the first",
    "weights guessed. ± is half the 95 % confidence interval, from clips drawn with replacement.",
)


def table(scores: Sequence[Score], by_action: bool = False) -> str:
    """Return the scores as one Markdown table, condition by condition; with `by_action` also each category of motion."""
    conditions = list(dict.fromkeys(score.condition for score in scores))
    shown = [score for score in scores if by_action or score.category == OVERALL]
    shown.sort(key=lambda score: (conditions.index(score.condition), score.category != OVERALL, score.category))
    columns = [column for column in COLUMNS if any(_metric(score, column) for score in shown)]
    labels = ["condition", *(["action"] if by_action else []), "weights", "network"]
    rows = [[*labels, *(column.title for column in columns)]]
    for score in shown:
        action = [score.category] if by_action else []
        rows.append([score.condition, *action, score.weights, score.network, *(_cell(score, column) for column in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths, len(labels)) for row in rows]
    rule = ["-" * width if n < len(labels) else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    return "\n".join([lines[0], _line(rule, widths, len(labels)), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = [c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return f"| {' | '.join(padded)} |"


def _metric(score: Score, column: Column) -> str | None:
    return next((name for name in column.metrics if name in score.values), None)


def _cell(score: Score, column: Column) -> str:
    """Write a value and half its interval; nothing where the network has none."""
    name = _metric(score, column)
    if name is None:
        return ""
    found = score.values[name]
    if column.digits < 0:
        return f"{found.value:.0e}"
    text = f"{column.factor * found.value:.{column.digits}f}{column.unit}"
    if found.low is None or found.high is None:
        return text
    return f"{text} ±{column.factor * 0.5 * (found.high - found.low):.{column.digits}f}"
