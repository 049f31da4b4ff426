# SPDX-License-Identifier: GPL-3.0-or-later
"""Text tables: separators told, rows checked, numbers converted in bulk, errors with line and column."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError

Floats = NDArray[np.float64]

SEPARATORS = ",;\t"
LONGEST = 1 << 22
"""Characters of a line; no frame of any detector has as many."""
_MISSING = frozenset(("", "nan", "none", "null", "na", "n/a", "-"))


@dataclass(frozen=True)
class Lines:
    """A table's file: its path, its separator, and how many lines come before the rows.

    ragged: whether rows may lack empty cells at their end, or have some too many.
    """

    path: Path
    separator: str
    skip: int
    ragged: bool = False

    def rows(self, width: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number, cells) of the rows that are not blank. Raises `ReadError` where one has another width."""
        for number, cells in split_lines(self.path, self.separator):
            if number <= self.skip or not any(cells):
                continue
            if self.ragged and width is not None:
                cells = [*cells[:width], *[""] * (width - len(cells)), *filter(None, cells[width:])]
            if width is not None and len(cells) != width:
                raise ReadError(f"{len(cells)} values for {width} columns.", self.path, f"line {number}")
            yield number, cells


def separator_of(text: str) -> str:
    """Return what separates the cells of a text's first line that has any: a tab, a semicolon or a comma."""
    first = next((line for line in text.splitlines() if any(mark in line for mark in SEPARATORS)), "")
    return max(SEPARATORS[::-1], key=first.count)


def split_lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, stripped cells) of a file's lines. Raises `ReadError` where it cannot be read as text."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(_bounded(file, path), delimiter=separator)
            for cells in reader:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ReadError(f"no table: {error}.", path) from error
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error


def _bounded(lines: Iterator[str], path: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise ReadError(f"has {len(line)} characters; no table of keypoints does.", path, f"line {number}")
        yield line.replace("\0", "")


def numbers_of(
    lines: Lines, header: Sequence[str], columns: Sequence[int], texts: Sequence[int]
) -> tuple[Floats, list[list[str]]]:
    """Return the numbers (R, C) of some columns, NaN where a cell is empty, and the texts of others, a list per column.

    Raises `ReadError` with line and column where a cell is no number, or there is no row.
    """
    take = itemgetter(*columns) if len(columns) > 1 else (lambda row: (row[columns[0]],)) if columns else (lambda row: ())
    values, words, count = array("d"), [[] for _ in texts], 0  # type: ignore[var-annotated]
    for number, row in lines.rows(len(header)):
        try:
            values.extend(map(float, take(row)))
        except ValueError:
            del values[count * len(columns) :]
            values.extend(_cell(row[c], lines, number, header[c]) for c in columns)
        for kept, column in zip(words, texts, strict=True):
            kept.append(row[column])
        count += 1
    if not count:
        raise ReadError("nobody is seen: the table has no rows.", lines.path)
    return np.frombuffer(values, np.float64).reshape(count, len(columns)) if columns else np.zeros((count, 0)), words


def _cell(text: str, lines: Lines, number: int, column: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    if text.lower() in _MISSING:
        return float("nan")
    if lines.separator == ";" and text.count(",") == 1:
        try:
            return float(text.replace(",", "."))  # a decimal comma
        except ValueError:
            pass
    raise ReadError(f"{text[:40]!r} in column '{column[:40]}' is no number.", lines.path, f"line {number}")
