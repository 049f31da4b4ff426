# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's landmarks in CSV: wide (one row per frame, columns per landmark) or long (one row per landmark)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import ReadError
from .mediapipe_landmarks import COUNT, Landmarks, landmark_index
from .parsing import FRAME_KEYS, TIME_KEYS, frame_of, identity, set_times
from .reading import Reading, Request

_AXES = {"x": 0, "y": 1, "z": 2, "v": 3, "vis": 3, "visibility": 3, "score": 3, "conf": 3, "confidence": 3}
_SUFFIX = re.compile(r"^(.+?)[_. -]?(?<![a-z])(x|y|z|v|vis|visibility|score|conf|confidence)$", re.I)
_PREFIX = re.compile(r"^(visibility|vis|x|y|z|v)_?(.+)$", re.I)
_NUMBER = re.compile(r"^(?:pose|pose_landmark|landmark|lm|kp|keypoint|point|joint)?_?([0-9]{1,3})$", re.I)
_LANDMARKS = ("landmark", "landmark_name", "name", "landmark_id", "landmark_index", "id", "index", "joint", "keypoint", "part")
_PEOPLE = ("person", "person_id", "pose", "pose_id", "pose_index", "track_id")
_OWN_NAMES = {landmark_index(name) for name in ("left_eye_inner", "mouth_left", "left_pinky", "left_foot_index")}
_COUNTS = (COUNT, 501, 543)
"""How many landmarks there are with numbers: the pose's, or with those of the face, and of the hands, after them."""
_LEAST = 12
"""Landmarks that columns must name; some write only those from the shoulders down."""


def is_table(text: str) -> bool:
    """Tell whether a text's first line names the columns of MediaPipe's landmarks, as no other layout has them."""
    lines = text.splitlines()
    if len(lines) < 2:
        return False
    header = _split(lines[0])
    column = _long(header, lines)
    if column is not None:
        rows = (_split(line, lines[0]) for line in lines[1 : max(2, len(lines) - 1)])
        return len({landmark_index(_value(row[column])) for row in rows if len(row) > column}) == COUNT
    landmarks = {index for index, _ in _wide(header).values()}
    counted = {number for number, _ in _numbered(header).values()}
    if counted:
        return len(counted) in _COUNTS or (len(landmarks) >= _LEAST and min(landmarks) == 11 and max(landmarks) > 22)
    return len(landmarks) >= _LEAST and bool(_OWN_NAMES & landmarks)


def read_table(path: Path, request: Request) -> Reading:
    """Read a CSV of either kind, with commas, semicolons or tabs. Raises `ReadError` with the file and line at fault."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error
    lines = text.splitlines()
    if not lines:
        raise ReadError("the file is empty.", path)
    header = _split(lines[0])
    landmark = _long(header, lines)
    if landmark is None and not _wide(header):
        raise ReadError("its first line names no landmarks of MediaPipe.", path, "line 1")
    rows = _rows(lines, path)
    return _read_long(rows, header, landmark, path) if landmark is not None else _read_wide(rows, header, path)


def _split(line: str, like: str | None = None) -> list[str]:
    delimiter = max(",;\t", key=(like or line).count)
    try:
        return [word.strip() for word in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _rows(lines: list[str], path: Path) -> Iterator[tuple[str, list[str]]]:
    width = len(_split(lines[0]))
    for index, line in enumerate(lines[1:], 2):
        if line.strip():
            row = _split(line, lines[0])
            if len(row) != width:
                raise ReadError(f"{len(row)} values for {width} columns.", path, f"line {index}")
            yield f"line {index}", row


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    lower = [name.lower() for name in header]
    return next((lower.index(name.lower()) for name in names if name.lower() in lower), None)


def _long(header: Sequence[str], lines: Sequence[str]) -> int | None:
    """Return the column that says which landmark a row is, where every row is one; None otherwise."""
    if _column(header, ("x",)) is None or _column(header, ("y",)) is None:
        return None
    first = [_split(line, lines[0]) for line in lines[1 : 2 * COUNT] if line.strip()]
    for name in _LANDMARKS:
        column = _column(header, (name,))
        whole = [row for row in first if column is not None and len(row) == len(header)]
        if column is not None and whole and all(landmark_index(_value(row[column])) is not None for row in whole):
            return column
    return None


def _part(column: str) -> tuple[str, int] | None:
    """Return what a column's name says besides the axis, and the axis: `nose_x`, `x_nose`, `x0`, `lm_0_vis`."""
    if "world" in column.lower():
        return None
    if match := _SUFFIX.match(column):
        return match[1], _AXES[match[2].lower()]
    if match := _PREFIX.match(column):
        return match[2], _AXES[match[1].lower()]
    return None


def _numbered(header: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Return (number, axis) of each column that has a number for its landmark."""
    parts = {column: part for column, name in enumerate(header) if (part := _part(name))}
    return {column: (int(match[1]), axis) for column, (name, axis) in parts.items() if (match := _NUMBER.match(name))}


def _wide(header: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Return (landmark, axis) of each column that is one. Numbers count from 0, or from 1 where there is a 33 and no 0."""
    counted = _numbered(header)
    numbers = {number for number, _ in counted.values()}
    first = 1 if COUNT in numbers and 0 not in numbers else 0
    found = {column: (n - first, axis) for column, (n, axis) in counted.items() if 0 <= n - first < COUNT}
    for column, name in enumerate(header):
        part = _part(name)
        index = landmark_index(part[0]) if part and column not in counted else None
        if part and index is not None:
            found[column] = index, part[1]
    return found


def _read_wide(rows: Iterator[tuple[str, list[str]]], header: Sequence[str], path: Path) -> Reading:
    columns, at, clock, who = _wide(header), _column(header, FRAME_KEYS), _clock(header), _column(header, _PEOPLE)
    gathered, numbers, times = Landmarks(), [], []
    for index, (place, row) in enumerate(rows):
        values = [np.nan] * (4 * COUNT)
        for column, (landmark, axis) in columns.items():
            values[4 * landmark + axis] = _float(row[column], path, place, header[column])
        frame = index if at is None else frame_of(_value(row[at]), path, place, "frame")
        gathered.add(frame, values, identity(row[who]) if who is not None else None)
        numbers.append(frame)
        if clock is not None and (time := _time(row, clock)):
            times.append(time)
    return _finished(gathered, numbers, times, path)


def _read_long(rows: Iterator[tuple[str, list[str]]], header: Sequence[str], landmark: int, path: Path) -> Reading:
    axes = {column: _AXES[name.lower()] for column, name in enumerate(header) if name.lower() in _AXES}
    at, clock, who = _column(header, FRAME_KEYS), _clock(header), _column(header, _PEOPLE)
    poses: dict[tuple[int, str | None], list[float]] = {}
    times: dict[int, tuple[float, float]] = {}
    for count, (place, row) in enumerate(rows):
        index = landmark_index(_value(row[landmark]))
        if index is None:
            raise ReadError(f"{row[landmark][:40]!r} is no landmark of MediaPipe's pose.", path, place)
        # Without a column for the frame, the first landmark begins the next one.
        frame = frame_of(_value(row[at]), path, place, "frame") if at is not None else count // COUNT
        pose = poses.setdefault((frame, identity(row[who]) if who is not None else None), [np.nan] * (4 * COUNT))
        for column, axis in axes.items():
            pose[4 * index + axis] = _float(row[column], path, place, header[column])
        if clock is not None and frame not in times and (time := _time(row, clock)):
            times[frame] = time
    gathered = Landmarks()
    for (frame, name), values in poses.items():
        gathered.add(frame, values, name)
    numbers = list(dict.fromkeys(frame for frame, _ in poses))
    return _finished(gathered, numbers, [times[frame] for frame in numbers if frame in times], path)


def _finished(gathered: Landmarks, numbers: list[int], times: list[tuple[float, float]], path: Path) -> Reading:
    if not numbers:
        raise ReadError("nobody is seen: there is no row below the first.", path)
    found = gathered.reading(path)
    found.numbers = numbers
    set_times(found, times)
    return found


def _clock(header: Sequence[str]) -> tuple[int, float] | None:
    """Return the column of the times, and their unit."""
    columns = ((_column(header, (name,)), unit) for name, unit in TIME_KEYS.items())
    return next(((column, unit) for column, unit in columns if column is not None), None)


def _time(row: Sequence[str], clock: tuple[int, float]) -> tuple[float, float] | None:
    """Return a row's time and its unit; None where it is no number (a date, a time of day)."""
    value = _value(row[clock[0]])
    return None if isinstance(value, str) else (value, clock[1])


def _value(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _float(word: str, path: Path, place: str, column: str) -> float:
    """Return a number; an empty value is NaN. Raises `ReadError`."""
    value = np.nan if word.lower() in ("", "none", "null") else _value(word)
    if isinstance(value, str):
        raise ReadError(f"{word[:40]!r} in column '{column[:40]}' is no number.", path, place)
    return value
