# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain tables of keypoints, CSV or TSV with a header, wide or long.

Wide: a row per frame (and person), columns per joint and axis: `frame,time,nose_x,nose_y,nose_score,...` in any of the
spellings of `csv_columns`. Long: a row per keypoint: `frame,joint,x,y,score,person`. Columns come in any order; those of
scores, people, times and, in wide tables, frames may be absent. An empty cell is a missing keypoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from . import csv_columns as columns
from .files import frame_number
from .parsing import identity, set_times
from .reading import Reading, Request
from .source import Source
from .table import Table, may_be_table, read_table

Floats = NDArray[np.float64]

NO_SCORES = "the file has no scores: every keypoint counts fully."
_X = ("x", "x_px", "px_x", "x_pixel", "x_pixels", "pos_x", "x_pos", "x_coord", "coord_x", "u")
_Y = ("y", "y_px", "px_y", "y_pixel", "y_pixels", "pos_y", "y_pos", "y_coord", "coord_y", "v")
_LEAST = 3
"""Joints that columns must name, to be told from other tables."""
_HELP = (
    "the header names no keypoints: columns such as nose_x, nose_y, nose_score (a row per frame), or frame, joint, x, y, "
    "score (a row per keypoint) are needed."
)


def recognise(source: Source) -> bool:
    """Tell whether a file is a table whose header names keypoints."""
    if not may_be_table(source):
        return False
    names = read_table(source.path).names
    return _long(names) is not None or len(columns.joint_columns(names)) >= _LEAST


def read(path: Path, request: Request) -> Reading:
    """Read a table. Raises `ReadError` with the line and column at fault."""
    table = read_table(path)
    long = _long(table.names)
    return _read_wide(table, request) if long is None else _read_long(table, long, request)


def explain(path: Path) -> ReadError:
    """Return why a table that no format recognised is none of keypoints."""
    read_table(path)
    return ReadError(_HELP, path, "line 1")


def _long(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Return the columns of joint, x and y where every row is one keypoint; None otherwise."""
    found = [columns.find(names, wanted) for wanted in (columns.JOINTS, _X, _Y)]
    joint, x, y = found
    return None if joint is None or x is None or y is None or len({*found}) < 3 else (joint, x, y)


class _Rows:
    """What rows say of frame, person and time: columns to read, and what they come to."""

    def __init__(self, table: Table, but: Sequence[int] = ()) -> None:
        names = ["" if column in but else name for column, name in enumerate(table.names)]
        self.table, self.notes = table, list[str]()
        self.frame, self.person, self.clock = columns.find(names, columns.FRAMES), None, columns.clock(names)
        if self.frame is None and names and names[0].lower() in ("", "index", "unnamed: 0") and 0 not in but:
            self.frame = 0 if table.is_number(0) else None  # pandas' index
        self.person = columns.find(names, columns.PEOPLE)
        if self.clock and not table.is_number(self.clock[0]):
            self.notes.append(f"times in column '{names[self.clock[0]][:40]}' are no numbers: left out.")
            self.clock = None
        by_name = self.frame is not None and not table.is_number(self.frame)
        self.numbers = [c for c in (None if by_name else self.frame, self.clock and self.clock[0]) if c is not None]
        self.texts = [c for c in (self.person, self.frame if by_name else None) if c is not None]
        self.used = {*self.numbers, *self.texts}

    def frames(self, numbers: Floats, texts: list[list[str]], lines: NDArray[np.intp]) -> NDArray[np.int64] | None:
        """Return (N,) frame numbers, by the frame or by the time; None where there is neither. Raises `ReadError`."""
        table = self.table
        if self.frame is not None and self.frame in self.texts:
            names = texts[self.texts.index(self.frame)]
            known = {name: frame_number(Path(name).stem) for name in dict.fromkeys(names)}
            values = np.array([np.nan if known[name] is None else known[name] for name in names], np.float64)
        elif self.frame is not None:
            values = numbers[:, 0]
        elif self.clock is not None:
            return np.unique(numbers[:, 0], return_inverse=True)[1].astype(np.int64)
        else:
            return None
        with np.errstate(invalid="ignore"):
            wrong = ~((values >= 0) & (values < 1e15) & (values == np.floor(values)))
        if wrong.any():
            place = table.place(int(lines[wrong.argmax()]), self.frame)
            raise ReadError("a frame must be a whole number, or a name with one.", table.path, place)
        return values.astype(np.int64)

    def people(self, texts: list[list[str]]) -> list[str | None] | None:
        """Return each row's person; None where there is no such column."""
        if self.person is None:
            return None
        known = {text: _person(text) for text in dict.fromkeys(texts[0])}
        return [known[text] for text in texts[0]]

    def set_times(self, found: Reading, numbers: Floats) -> None:
        """Give a reading the rows' times; numbers: as read, of the rows that are the reading's detections."""
        if self.clock is not None:
            at = self.numbers.index(self.clock[0])
            set_times(found, [(value, self.clock[1]) for value in numbers[:, at].tolist()])

    def others(self, used: Sequence[int | None]) -> list[str]:
        """Return a note on the columns that are not used, except depths."""
        there = {*self.used, *used}
        left = [name for c, name in enumerate(self.table.names) if c not in there and name and not _is_depth(name)]
        return [f"columns not used: {', '.join(n[:40] for n in left[:6])}{' ...' if len(left) > 6 else ''}."] if left else []


def _is_depth(name: str) -> bool:
    return columns.plain(name).strip("_0123456789") == "z" or columns.plain(name).endswith("_z")


def _person(text: str) -> str | None:
    try:
        return identity(float(text))
    except ValueError:
        return identity(text)


def _read_wide(table: Table, request: Request) -> Reading:
    joints = columns.joint_columns(table.names)
    if not joints:
        raise ReadError(_HELP, table.path, f"line {table.start}")
    joints, names = _ordered(joints, table.path)
    axes = [column for three in joints.values() for column in three]
    rows = _Rows(table, [c for c in axes if c is not None])
    wanted = [*rows.numbers, *(c for c in axes if c is not None)]
    cells = table.cells(wanted, rows.texts, request)
    at = {column: k for k, column in enumerate(wanted)}
    # A column of ones stands for scores that are not there.
    values = np.concatenate([cells.numbers, np.ones((len(cells.lines), 1))], 1)
    data = values[:, [len(wanted) if c is None else at[c] for c in axes]].reshape(len(values), -1, 3)
    scores, notes = _scores(data[..., 2], all(three[2] is None for three in joints.values()))
    frames, people = rows.frames(cells.numbers, cells.texts, cells.lines), rows.people(cells.texts)
    if frames is None:
        if people is not None:
            raise ReadError("a table of several people needs a column 'frame' or 'time'.", table.path, f"line {table.start}")
        frames = np.arange(len(values))
    if people is None and len(np.unique(frames)) == len(frames):
        people = ["1"] * len(frames)
    found = _reading(data[..., :2], scores, frames, people, names)
    found.notes += [*rows.notes, *notes, *rows.others(axes)]
    rows.set_times(found, cells.numbers)
    return found


def _read_long(table: Table, where: tuple[int, int, int], request: Request) -> Reading:
    joint, x, y = where
    rows = _Rows(table, where)
    names = ["" if c in where or c in rows.used else name for c, name in enumerate(table.names)]
    score = columns.find(names, columns.SCORES)
    measured = [x, y] if score is None else [x, y, score]
    cells = table.cells([*rows.numbers, *measured], [*rows.texts, joint], request)
    frames, people = rows.frames(cells.numbers, cells.texts, cells.lines), rows.people(cells.texts)
    if frames is None:
        raise ReadError("a table with a row per keypoint needs a column 'frame' or 'time'.", table.path, f"line {table.start}")
    order, labels = _ordered({name: [] for name in dict.fromkeys(cells.texts[-1])}, table.path)
    codes = {name: k for k, name in enumerate(order)}
    who = people or [None] * len(frames)
    persons = {name: k for k, name in enumerate(dict.fromkeys(who))}
    moment = np.unique(frames, return_inverse=True)[1] * len(persons) + np.array([persons[name] for name in who], np.int64)
    _, first, detection = np.unique(moment, return_index=True, return_inverse=True)
    k = np.array([codes[name] for name in cells.texts[-1]], np.intp)
    places, at = np.unique(detection * len(codes) + k, return_index=True)
    if len(places) < len(k):
        again = np.setdiff1d(np.arange(len(k)), at)[0]
        more = "" if people else "; if it is another person's, add a column 'person'"
        place = table.place(int(cells.lines[again]), joint)
        raise ReadError(f"joint '{cells.texts[-1][again][:40]}' is there twice in a frame{more}.", table.path, place)
    if len(first) * len(codes) > 64 * len(k) + 1000:
        raise ReadError(f"{len(codes)} joints, but the people have {len(k) / len(first):.2g} each.", table.path)
    data = np.full((len(first), len(codes), 3), np.nan)
    data[detection, k, : len(measured)] = cells.numbers[:, len(rows.numbers) :]
    if score is None:
        data[..., 2] = 1.0
    scores, notes = _scores(data[..., 2], score is None)
    owners = [who[row] for row in first] if people else None
    if owners is None and len(np.unique(frames[first])) == len(first):
        owners = ["1"] * len(first)
    found = _reading(data[..., :2], scores, frames[first], owners, labels)
    found.notes += [*rows.notes, *notes, *rows.others([*measured, joint])]
    rows.set_times(found, cells.numbers[first])
    return found


def _ordered(joints: dict[str, list[int | None]], path: Path) -> tuple[dict[str, list[int | None]], list[str] | None]:
    """Return joints in their order, and their names; None where they have numbers, which are then put in order."""
    numbers = columns.numbered(joints)
    if numbers is None:
        return joints, list(joints)
    ordered = dict(sorted(zip(numbers, joints, strict=True)))
    first = min(ordered)
    if len(ordered) < len(joints) or first > 1 or max(ordered) - first + 1 != len(ordered):
        raise ReadError(f"the keypoints' numbers ({min(ordered)} to {max(ordered)}, {len(joints)} of them) have gaps.", path)
    return {name: joints[name] for name in ordered.values()}, None


def _scores(scores: Floats, none: bool) -> tuple[Floats, list[str]]:
    """Return scores and notes; COCO's visibility (0: not there, 1: hidden, 2: visible) counts half and fully."""
    if none:
        return scores, [NO_SCORES]
    if np.nanmax(scores, initial=0.0) == 2.0 and np.isin(scores[np.isfinite(scores)], (0.0, 1.0, 2.0)).all():
        return scores / 2, ["scores are COCO's visibilities 0, 1 and 2: hidden keypoints count half."]
    return scores, []


def _reading(
    keypoints: Floats, scores: Floats, frames: NDArray[np.int64], people: Sequence[str | None] | None, names: list[str] | None
) -> Reading:
    found = Reading(keypoints, scores, frames, joint_names=names)
    if people is not None and all(name is not None for name in people):
        found.identities = [str(name) for name in people]
    elif people is not None:
        found.notes.append("some rows name no person: people are told apart by place.")
    return found
