# SPDX-License-Identifier: GPL-3.0-or-later
"""DeepLabCut's predictions, CSV or HDF5: columns by scorer, individual (with several animals), body part and coordinate.

Format: DeepLabCut's documentation, "output files". Pixels; the likelihood is the score. An individual called `single` has the
body parts that are unique in the scene. Files of labels by hand (`CollectedData_*`) have no likelihood and the images' names
instead of frame numbers. HDF5 is what pandas writes (see `pandas_hdf5`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from . import hdf5
from .csv_keypoints import NO_SCORES
from .files import frame_number
from .pandas_hdf5 import frames_in, read_frame
from .reading import Reading, Request
from .source import Source
from .table import may_be_table, read_table

Floats = NDArray[np.float64]

_COORDS = {"x": 0, "y": 1, "likelihood": 2}
_SINGLE = "single"
_KEYS = ("df_with_missing", "tracks", "keypoints")
"""What DeepLabCut calls its DataFrames; any other is read where it is alone."""
_LEVELS = {3: ("scorer", "bodyparts", "coords"), 4: ("scorer", "individuals", "bodyparts", "coords")}


def recognise(source: Source) -> bool:
    """Tell whether a file's columns are by scorer and body part."""
    if source.is_hdf5:
        with hdf5.opened(source.path) as file:
            return bool(frames_in(file))
    if not may_be_table(source):
        return False
    first = [re.split('[",;\t\r]+', line.lstrip('"').lower(), maxsplit=1)[0] for line in source.text.split("\n", 4)]
    return first[0] == "scorer" and "bodyparts" in first[1:3]


def read(path: Path, request: Request) -> Reading:
    """Read a file. Raises `ReadError` with the line and column, or the dataset, at fault."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89HDF\r\n\x1a\n":
            return _read_csv(path, request)
    with hdf5.opened(path) as data:
        names = frames_in(data)
        chosen = next((key for key in _KEYS if key in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            raise ReadError(f"none of DeepLabCut's tables is in it (but {', '.join(names[:10]) or 'nothing'}).", path)
        frame = read_frame(data, chosen, path)
    request.advance(0.5)
    return _reading(frame.columns, frame.values, _numbers(frame.index, path), path)


def _read_csv(path: Path, request: Request) -> Reading:
    rows = 4 if len(header := read_table(path, 3).header) == 3 and _starts(header[1]) == "individuals" else 3
    table = read_table(path, rows)
    started = [_starts(row) for row in table.header]
    if started != list(_LEVELS[rows]):
        raise ReadError(f"its rows begin with {', '.join(started)}, not with {', '.join(_LEVELS[rows])}.", path, "line 1")
    # The columns before the first coordinate say which row it is: a frame's number, or an image's folder, video and name.
    lead = next((k for k, cell in enumerate(table.names) if cell.lower() in _COORDS), 0)
    width = len(table.names)
    if not lead or any(len(row) < width for row in table.header):
        raise ReadError("the rows of its header differ in length.", path, f"line {table.start}")
    by_number = table.is_number(lead - 1)
    wanted = [*([lead - 1] if by_number else []), *range(lead, width)]
    cells = table.cells(wanted, [] if by_number else [lead - 1], request)
    index: Floats | list[str] = cells.numbers[:, 0] if by_number else cells.texts[0]
    columns = list(zip(*(row[lead:width] for row in table.header), strict=True))
    return _reading(columns, cells.numbers[:, by_number:], _numbers(index, path), path)


def _starts(row: Sequence[str]) -> str:
    return row[0].lower() if row else ""


def _numbers(index: Floats | list[str], path: Path) -> NDArray[np.int64]:
    """Return the frame of each row: its number, or the one in an image's name. Raises `ReadError`."""
    if isinstance(index, list):
        found = [frame_number(Path(name).stem) for name in index]
        index = np.array([np.nan if number is None else number for number in found], np.float64)
    with np.errstate(invalid="ignore"):
        wrong = ~((index >= 0) & (index < 1e15) & (index == np.floor(index)))
    if wrong.any():
        raise ReadError("no whole number as a frame's, nor an image's name with one.", path, f"row {wrong.argmax() + 1}")
    return index.astype(np.int64)


def _reading(columns: Sequence[tuple[str, ...]], values: Floats, frames: NDArray[np.int64], path: Path) -> Reading:
    """Sort columns by person, body part and coordinate. Raises `ReadError`."""
    levels = {len(column) for column in columns}
    if len(levels) != 1 or not levels <= _LEVELS.keys():
        raise ReadError("its columns are not named by scorer, (individual,) body part and coordinate.", path)
    scorers = dict.fromkeys(column[0] for column in columns)
    if len(scorers) > 1:
        raise ReadError(f"{len(scorers)} scorers ({', '.join(list(scorers)[:3])}): write one of them alone.", path)
    notes = []
    keyed = [(column[1] if len(column) == 4 else "1", column[-2], column[-1].lower()) for column in columns]
    if any(coord == "z" for _, _, coord in keyed):
        raise ReadError("its keypoints are places in space (x, y, z): give a camera's 2D predictions.", path)
    people = list(dict.fromkeys(person for person, _, _ in keyed))
    if _SINGLE in people and len(people) > 1:
        people.remove(_SINGLE)
        unique = dict.fromkeys(part for person, part, _ in keyed if person == _SINGLE)
        notes.append(f"body parts that are nobody's (unique in the scene), left out: {', '.join(list(unique)[:6])}.")
    parts = list(dict.fromkeys(part for person, part, _ in keyed if person in people))
    if len(people) * len(parts) > 4 * len(columns):
        raise ReadError(f"{len(people)} individuals of {len(parts)} body parts in {len(columns)} columns.", path)
    at_person, at_part = ({name: k for k, name in enumerate(names)} for names in (people, parts))
    data = np.full((len(values), len(people), len(parts), 3), np.nan)
    if not any(coord == "likelihood" for _, _, coord in keyed):
        data[..., 2] = 1.0
        notes.append(NO_SCORES)
    seen = set()
    for k, (person, part, coord) in enumerate(keyed):
        if coord not in _COORDS:
            raise ReadError(f"a coordinate must be x, y or likelihood, not {coord[:40]!r}.", path, f"body part '{part[:40]}'")
        if person in at_person:
            if (person, part, coord) in seen:
                raise ReadError(f"{coord} is there twice.", path, f"body part '{part[:40]}'")
            seen.add((person, part, coord))
            data[:, at_person[person], at_part[part], _COORDS[coord]] = values[:, k]
    return Reading(
        data[..., :2].reshape(-1, len(parts), 2),
        data[..., 2].reshape(-1, len(parts)),
        np.repeat(frames, len(people)),
        frames,
        identities=people * len(frames),
        joint_names=parts,
        shares=False,
        notes=notes,
    )
