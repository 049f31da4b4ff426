# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of YOLO-pose label files: what their columns are is told by the rows' lengths and by the boxes around the poses."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..layouts import LAYOUTS
from .files import frame_number
from .mmpose import NO_SCORES
from .parsing import identity
from .reading import Floats, Reading, Request
from .source import numbered_files

_BOX = 5
_NOT_FRAMES = ("classes.txt", "labels.txt", "readme.txt", "predefined_classes.txt")
_MARGIN = 0.15
"""Share of the box that keypoints may lie outside of it: models' boxes cut hands and feet."""
_INSIDE = 0.6
"""Share of the keypoints that must lie in their boxes; polygons and tables of other things do not."""


@dataclass(frozen=True)
class _Columns:
    """How rows are laid out: K keypoints of `size` numbers."""

    count: int
    size: int

    def rest(self, width: int) -> int:
        """Return how many columns of so long a row follow the keypoints."""
        return width - _BOX - self.count * self.size


def is_labels(text: str) -> bool:
    """Tell whether a text's first rows are a class, a box as shares of the image, and keypoints in it."""
    rows: dict[int, array[float]] = {}
    lines = text.splitlines()
    for line in lines[: max(1, len(lines) - 1)][:50]:  # the last one may be cut
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            return False
        if row:
            rows.setdefault(len(row), array("d")).extend(row)
    return bool(rows) and min(rows) > 2 * _BOX and _columns(rows, strict=True) is not None


def read_labels(path: Path, request: Request) -> Reading:
    """Read a folder of label files, or one frame's. Raises `ReadError` with the file and line at fault."""
    files = numbered_files(path, ".txt", _NOT_FRAMES) if path.is_dir() else [(frame_number(path.stem) or 0, path)]
    rows: dict[int, array[float]] = {}
    frames: dict[int, list[int]] = {}
    for done, (number, file) in enumerate(files):
        if done % 64 == 0:
            request.advance(done / len(files))
        for row in _rows(file):
            rows.setdefault(len(row), array("d")).extend(row)
            frames.setdefault(len(row), []).append(number)
    if not rows:
        raise ReadError("nobody is seen: there is no row in it.", path)
    columns = _columns(rows)
    if columns is None:
        widths = ", ".join(map(str, sorted(rows)))
        raise ReadError(f"rows of {widths} columns are no boxes with keypoints in them: this is no YOLO pose.", path)
    return _reading(rows, frames, columns, [number for number, _ in files])


def _rows(file: Path) -> list[list[float]]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", file) from error
    rows = []
    for index, line in enumerate(lines):
        words = line.split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise ReadError("a row must be numbers.", file, f"line {index + 1}") from None
        if len(words) <= 2 * _BOX:
            what = "a box without keypoints" if len(words) in (5, 6, 7) else f"{len(words)} numbers, too few for a pose"
            raise ReadError(f"{what}: use a pose model.", file, f"line {index + 1}")
    return rows


def _columns(rows: dict[int, array[float]], strict: bool = False) -> _Columns | None:
    """Return the columns that fit all rows' lengths and put most keypoints into their boxes; None where none does.

    strict: boxes must be shares of an image.
    """
    tables = {width: np.frombuffer(values, np.float64).reshape(-1, width)[:2000] for width, values in rows.items()}
    boxes = np.concatenate([table[:, 1:_BOX] for table in tables.values()])
    first = np.concatenate([table[:, 0] for table in tables.values()])
    with np.errstate(invalid="ignore"):
        if strict and not (
            (boxes >= 0).all() and (boxes <= 1.001).all() and (first == np.round(first)).all() and (first >= 0).all()
        ):
            return None
    known = {len(layout) for layout in LAYOUTS.values()}
    longest = max(tables)
    fits: list[tuple[float, _Columns]] = []
    for size in (3, 2):
        for rest in (0, 1, 2):
            count, left = divmod(longest - _BOX - rest, size)
            columns = _Columns(count, size)
            if left or count < 3 or any(not 0 <= columns.rest(width) <= 2 for width in tables):
                continue
            inside = float(np.mean([_inside(table, columns) for table in tables.values()]))
            if inside >= _INSIDE:
                # Where the boxes leave it open, a known layout is likelier, and COCO's 17 before all.
                fits.append((inside + 0.01 * (count in known) + 0.01 * (count == 17), columns))
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _inside(table: Floats, columns: _Columns) -> float:
    """Return the share of keypoints that lie in their boxes, 0 where the other columns cannot be what they should."""
    points, scores = _points(table, columns)
    seen = np.isfinite(points).all(-1) & (points != 0).any(-1)
    extra = table[:, _BOX + columns.count * columns.size :]
    with np.errstate(invalid="ignore", over="ignore"):
        if columns.size == 3 and not ((scores >= 0) & (scores <= 2)).mean() > 0.99:
            return 0.0
        if extra.shape[1] == 2 and not ((extra[:, 0] <= 1).all() and (extra[:, 1] == np.round(extra[:, 1])).all()):
            return 0.0
        centre, half = table[:, None, 1:3], table[:, None, 3:5] * (0.5 + _MARGIN)
        within = (np.abs(points - centre) <= half).all(-1)
    return float(within[seen].mean()) if seen.any() else 0.0


def _points(table: Floats, columns: _Columns) -> tuple[Floats, Floats]:
    """Return keypoints (N, K, 2) and scores (N, K), 1 where the rows have none."""
    values = table[:, _BOX : _BOX + columns.count * columns.size].reshape(len(table), columns.count, columns.size)
    return values[..., :2], values[..., 2] if columns.size == 3 else np.ones(values.shape[:2])


def _reading(rows: dict[int, array[float]], frames: dict[int, list[int]], columns: _Columns, numbers: list[int]) -> Reading:
    keypoints, scores, at, names, boxes = [], [], [], [], []
    for width, values in rows.items():
        table = np.frombuffer(values, np.float64).reshape(-1, width)
        points, certain = _points(table, columns)
        keypoints.append(points)
        scores.append(certain)
        at += frames[width]
        boxes.append(table[:, 1:_BOX])
        rest = columns.rest(width)
        last = table[:, -1]
        # One column more is a track's number where all are whole, else the detection's confidence.
        tracked = rest == 2 or (rest == 1 and bool((last == np.round(last)).all()))
        names += [identity(value) if tracked else None for value in last.tolist()]
    found = Reading(np.concatenate(keypoints), np.concatenate(scores), at, numbers)
    if all(name is not None for name in names):
        found.identities = [name for name in names if name is not None]
    elif any(name is not None for name in names):
        found.notes.append("only a part of the detections is tracked: linked by place.")
    if columns.size == 2:
        found.notes.append(NO_SCORES)
    every = np.concatenate(boxes)
    found.shares = (
        bool(np.nanmedian(np.where(np.isfinite(every), np.abs(every), np.nan)) <= 1.0) if np.isfinite(every).any() else True
    )
    return found
