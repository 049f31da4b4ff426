# SPDX-License-Identifier: GPL-3.0-or-later
"""Text tables (CSV, TSV, TRC): rows of cells below a header, read in blocks, with errors that name line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from .reading import Request
from .source import Source

Floats = NDArray[np.float64]

LONGEST = 1 << 23
"""Characters of a line; longer ones are no table."""
_BLOCK = 1 << 20
_DELIMITERS = ",;\t"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_MISSING = frozenset(("", "nan", "none", "null", "na", "n/a", "nil"))


@dataclass(frozen=True)
class Cells:
    """The cells of some columns, of N rows.

    numbers: (N, C), NaN where empty; texts: (N,) for each column asked for; lines: (N,) line of each row, for messages.
    """

    numbers: Floats
    texts: list[list[str]]
    lines: NDArray[np.intp]


@dataclass(frozen=True)
class Table:
    """A text file of rows below a header.

    header: the header's rows of stripped cells; start: the line that the data begins after; sample: the first row. Where
    cells are not separated by commas, a comma in a number is its decimal point.
    """

    path: Path
    header: list[list[str]]
    delimiter: str
    start: int
    sample: list[str]

    @property
    def names(self) -> list[str]:
        """What the columns are called: the header's last row."""
        return self.header[-1]

    def is_number(self, column: int) -> bool:
        """Tell whether a column begins with a number."""
        try:
            return bool(np.isfinite(self._number(self.sample[column], 0, column)))
        except (ReadError, IndexError):
            return False

    def place(self, line: int, column: int) -> str:
        """Return where a cell is, for messages."""
        return f"line {line}, column '{self.names[column][:40] or column + 1}'"

    def cells(self, numbers: Sequence[int], texts: Sequence[int] = (), request: Request | None = None) -> Cells:
        """Read columns. Raises `ReadError` naming the line and column of a number that is none, or a row that breaks off.

        numbers, texts: the columns' indices; request: is told how much is read.
        """
        found = [
            self._block(lines, first, numbers, texts)
            for first, lines in self._blocks(request)
            if any(line.strip() for line in lines)
        ]
        if not found:
            raise ReadError("there is no row below the header.", self.path)
        return Cells(
            np.concatenate([block.numbers for block in found]),
            [[text for block in found for text in block.texts[k]] for k in range(len(texts))],
            np.concatenate([block.lines for block in found]),
        )

    def _blocks(self, request: Request | None) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number of the first, lines), a megabyte at a time."""
        at = self.start + 1
        with _opened(self.path) as file:
            size = max(self.path.stat().st_size, 1)
            for _ in islice(_lines(file, self.path), self.start):
                pass
            for lines in _chunks(file, self.path, at):
                yield at, lines
                at += len(lines)
                if request:
                    request.advance(min(file.buffer.tell() / size, 1.0))  # type: ignore[attr-defined]

    def _block(self, lines: list[str], first: int, numbers: Sequence[int], texts: Sequence[int]) -> Cells:
        places = np.array([k for k, line in enumerate(lines) if line.strip() and line[0] != "#"], np.intp)
        rows = [lines[k] for k in places] if len(places) < len(lines) else lines
        if not rows:
            return Cells(np.zeros((0, len(numbers))), [[] for _ in texts], places + first)
        quick = self._quick(rows, numbers, texts)
        return Cells(*(quick or self._thorough(rows, places + first, numbers, texts)), places + first)

    def _quick(self, rows: list[str], numbers: Sequence[int], texts: Sequence[int]) -> tuple[Floats, list[list[str]]] | None:
        """Parse rows of plain cells by NumPy's own reader; None where something is not plain."""
        d, width = self.delimiter, len(self.names)
        if {row.count(d) for row in rows} != {width - 1}:
            return None
        text = d.join(rows) if texts else "\n".join(rows)
        if '"' in text:
            return None
        try:
            if texts:
                flat = text.split(d)
                values = (
                    np.array([self._column(flat[c::width]) for c in numbers], np.float64).reshape(len(numbers), len(rows)).T
                )
                return values, [list(map(str.strip, flat[c::width])) for c in texts]
            if d != ",":
                text = text.replace(",", ".")
            if d in text:
                text = text.replace(d + d, f"{d}nan{d}").replace(d + d, f"{d}nan{d}")
                text = f"\n{text}\n".replace(f"\n{d}", f"\nnan{d}").replace(f"{d}\n", f"{d}nan\n").strip("\n")
            values = np.loadtxt(text.split("\n"), np.float64, None, d, usecols=numbers, ndmin=2)
        except (ValueError, IndexError):
            return None
        return (values, []) if len(values) == len(rows) else None

    def _column(self, cells: list[str]) -> list[float]:
        """Return numbers, empty cells as NaN. Raises `ValueError` where a cell is anything else."""
        if self.delimiter != ",":
            cells = [cell.replace(",", ".") for cell in cells]
        try:
            found = list(map(float, cells))
        except ValueError:
            found = [float(cell.strip() or "nan") for cell in cells]
        if any("_" in cell for cell in cells):
            raise ValueError
        return found

    def _thorough(
        self, rows: list[str], lines: NDArray[np.intp], numbers: Sequence[int], texts: Sequence[int]
    ) -> tuple[Floats, list[list[str]]]:
        """Parse rows cell by cell."""
        values = np.empty((len(rows), len(numbers)))
        columns: list[list[str]] = [[] for _ in texts]
        for k, text in enumerate(rows):
            row = split_row(text, self.delimiter, self.path, int(lines[k]))
            if len(row) < len(self.names) or any(row[len(self.names) :]):
                raise ReadError(f"{len(row)} cells, but the header has {len(self.names)}.", self.path, f"line {lines[k]}")
            values[k] = [self._number(row[c], int(lines[k]), c) for c in numbers]
            for column, c in zip(columns, texts, strict=True):
                column.append(row[c])
        return values, columns

    def _number(self, cell: str, line: int, column: int) -> float:
        try:
            if "_" not in cell:
                return float(cell if self.delimiter == "," else cell.replace(",", "."))
        except ValueError:
            if cell.lower() in _MISSING:
                return float("nan")
        raise ReadError(f"{cell[:40]!r} is no number.", self.path, self.place(line, column))


def read_table(path: Path, rows: int = 1) -> Table:
    """Read a table's header and find out how its cells are separated.

    rows: lines of the header. Lines that are blank or begin with # do not count, but a # before the header itself, as
    `numpy.savetxt` writes it, does not hide it. Raises `ReadError` where there is no header.
    """
    header: list[list[str]] = []
    comment, sample, delimiter, start = "", "", ",", 0
    with _opened(path) as file:
        lines = enumerate(_lines(file, path), 1)
        for start, line in lines:
            if line.startswith("#") and not header:
                comment = line[1:]
            elif line.strip():
                if not header:
                    delimiter = max(_DELIMITERS, key=line.count)
                    if rows == 1 and _is_data(line, delimiter) and comment.count(delimiter) == line.count(delimiter):
                        sample, line, start = line, comment, start - 1
                header.append(split_row(line, delimiter, path, start))
                if len(header) == rows:
                    break
        if len(header) < rows:
            raise ReadError("the file breaks off before its header is complete." if header else "the file is empty.", path)
        width = max((k for k, cell in enumerate(header[-1], 1) if cell), default=0)
        header[-1] = header[-1][:width]
        sample = sample or next((line for _, line in lines if line.strip() and line[0] != "#"), "")
    return Table(path, header, delimiter, start, split_row(sample, delimiter, path, start + 1))


def may_be_table(source: Source) -> bool:
    """Tell whether a source is a file of text, and no JSON."""
    return not (source.is_folder or source.is_json) and (source.head.startswith(_WIDE) or b"\x00" not in source.head)


def split_row(line: str, delimiter: str, path: Path, number: int) -> list[str]:
    """Return a line's stripped cells. Raises `ReadError` where they cannot be told apart."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise ReadError(f"no row of a table ({error}).", path, f"line {number}") from error


def _is_data(line: str, delimiter: str) -> bool:
    try:
        return bool([float(cell) for cell in line.split(delimiter) if cell.strip()])
    except ValueError:
        return False


def _opened(path: Path) -> IO[str]:
    """Open a text file: UTF-8, or UTF-16 where a byte order mark says so. Raises `ReadError`."""
    try:
        with path.open("rb") as file:
            wide = file.read(2) in _WIDE
        return path.open(encoding="utf-16" if wide else "utf-8-sig", errors="replace")
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yield lines of bounded length."""
    number = 1
    while line := file.readline(LONGEST):
        if len(line) == LONGEST:
            raise ReadError(f"a line of more than {LONGEST} characters is no row of a table.", path, f"line {number}")
        yield line
        number += 1


def _chunks(file: IO[str], path: Path, first: int) -> Iterator[list[str]]:
    """Yield lines without their ends, a megabyte at a time."""
    rest = ""
    while text := file.read(_BLOCK):
        text = rest + text
        cut = text.rfind("\n") + 1
        if not cut and len(text) > LONGEST:
            raise ReadError(f"a line of more than {LONGEST} characters is no row of a table.", path, f"line {first}")
        rest = text[cut:]
        if cut:
            lines = text[: cut - 1].split("\n")
            yield lines
            first += len(lines)
    if rest:
        yield [rest]
