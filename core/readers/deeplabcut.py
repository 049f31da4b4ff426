# SPDX-License-Identifier: GPL-3.0-or-later
"""DeepLabCut's results: CSV with three header rows (four for several animals), and pandas' HDF5 of the same.

Header rows: scorer, (individuals,) bodyparts, coords (x, y, likelihood). The first column is the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from .files import frame_number
from .hdf5 import opened, plain_pickle, texts_of
from .reading import Floats, Reading, Request
from .source import Source
from .table import Lines, numbers_of, separator_of, split_lines

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_AXES = {"x": 0, "y": 1, "likelihood": 2}
_UNIQUE = "single"
"""DeepLabCut's name for what belongs to nobody in particular."""

Column = tuple[str, str, str]
"""Person ("" in a project with one animal), body part, coordinate."""


def recognise(source: Source) -> bool:
    """Tell whether a CSV has DeepLabCut's header rows, or an HDF5 file a data frame of pandas."""
    if source.is_hdf5:
        return b"pandas_type" in source.head or b"df_with_missing" in source.head
    rows = [line.split(",", 1)[0].strip().strip('"').lower() for line in source.text.splitlines()[:4]]
    return rows[:1] == ["scorer"] and "bodyparts" in rows and "coords" in rows


def read(path: Path, request: Request) -> Reading:
    """Read either kind. Raises `ReadError` with the line, or the place in the HDF5 file, at fault."""
    if Source(path).is_hdf5:
        columns, values, frames = _read_h5(path)
    else:
        columns, values, frames = _read_csv(path)
    request.advance(0.5)
    return _reading(columns, values, frames, path)


def _read_csv(path: Path) -> tuple[list[Column], Floats, list[int]]:
    separator = separator_of(Source(path).text)
    levels: dict[str, list[str]] = {}
    last = 0
    for number, cells in split_lines(path, separator):
        if not cells or cells[0].lower() not in _LEVELS:
            break
        levels[cells[0].lower()], last = cells, number
        if cells[0].lower() == "coords":
            break
    if "bodyparts" not in levels or "coords" not in levels:
        raise ReadError("its header has no rows 'bodyparts' and 'coords'.", path, "line 1")
    width = len(levels["coords"])
    if any(len(cells) != width for cells in levels.values()):
        raise ReadError("its header rows are not equally long.", path, f"line {last}")
    # Labelled (not tracked) data has up to three columns of folder and image names.
    start = next((n for n, name in enumerate(levels["coords"]) if name.lower() in _AXES), width)
    people = levels.get("individuals", [""] * width)
    columns = [(people[n], levels["bodyparts"][n], levels["coords"][n].lower()) for n in range(start, width)]
    values, words = numbers_of(Lines(path, separator, last), levels["coords"], range(start, width), [max(start - 1, 0)])
    return columns, values, _frames(words[0], path)


def _frames(words: Sequence[str], path: Path) -> list[int]:
    """Return frame numbers: rows' own, or those of image names; rows in order where these repeat or are none."""
    found = [int(word) if word.isdecimal() and len(word) < 16 else frame_number(Path(word).stem) for word in words]
    numbers = [number for number in found if number is not None]
    return numbers if len(set(numbers)) == len(words) else list(range(len(words)))


def _read_h5(path: Path) -> tuple[list[Column], Floats, list[int]]:
    with opened(path) as file:
        group = next((item for item in file.values() if "pandas_type" in item.attrs), None)
        if group is None:
            raise ReadError("holds no data frame of pandas, as DeepLabCut writes.", path)
        if "table" in group:
            return _from_table(group["table"], path)
        if "block0_values" in group:
            return _from_fixed(group, path)
    raise ReadError("holds a data frame of a kind that DeepLabCut does not write.", path)


def _from_table(table: Any, path: Path) -> tuple[list[Column], Floats, list[int]]:
    """Read pandas' table format: the columns' names are pickled text, which is read without unpickling."""
    fields = table.dtype.names or ()
    blocks = [name for name in fields if name.startswith("values_block_")]
    if "index" not in fields or not blocks:
        raise ReadError("its table has no index or no values.", path, "table")
    columns: list[Column] = []
    parts = []
    for name in blocks:
        values = np.atleast_2d(np.asarray(table[name]).reshape(len(table), -1))
        keys = plain_pickle(bytes(table.attrs.get(f"{name}_kind", b"")), path, f"{name}_kind")
        if not isinstance(keys, list) or len(keys) != values.shape[1] or values.dtype.kind not in "fiu":
            raise ReadError("its columns and their names do not fit.", path, name)
        columns += [_column(key, path) for key in keys]
        parts.append(values.astype(np.float64))
    index = np.asarray(table["index"])
    frames = index.tolist() if index.dtype.kind in "iu" else list(range(len(index)))
    return columns, np.concatenate(parts, axis=1), frames


def _from_fixed(group: Any, path: Path) -> tuple[list[Column], Floats, list[int]]:
    """Read pandas' fixed format: every level of the header is an array of names and one of numbers of names."""
    values = np.asarray(group["block0_values"], np.float64)
    levels = []
    for level in range(8):
        names, labels = group.get(f"block0_items_level{level}"), group.get(f"block0_items_label{level}")
        if names is None or labels is None:
            break
        words, numbers = texts_of(names, path), np.asarray(labels).ravel()
        if numbers.dtype.kind not in "iu" or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(words)):
            raise ReadError("its header's names and numbers do not fit.", path, f"block0_items_label{level}")
        levels.append([words[n] for n in numbers])
    if len(levels) < 3 or values.ndim != 2 or any(len(level) != values.shape[1] for level in levels):
        raise ReadError("its header and its values do not fit.", path, "block0_values")
    columns = [_column(key, path) for key in zip(*levels, strict=True)]
    index = np.asarray(group["axis1"]) if "axis1" in group else np.arange(len(values))
    frames = index.tolist() if index.dtype.kind in "iu" and index.shape == (len(values),) else list(range(len(values)))
    return columns, values, frames


def _column(key: object, path: Path) -> Column:
    """Return person, part and coordinate of (scorer, (individual,) body part, coordinate)."""
    if isinstance(key, tuple) and len(key) in (3, 4) and all(isinstance(word, str) for word in key):
        return (key[1] if len(key) == 4 else ""), key[-2], key[-1].lower()
    raise ReadError("a column is not named by scorer, body part and coordinate.", path)


def _reading(columns: list[Column], values: Floats, frames: list[int], path: Path) -> Reading:
    people = [name for name in dict.fromkeys(person for person, _, _ in columns) if name != _UNIQUE] or [_UNIQUE]
    joints = list(dict.fromkeys(part for person, part, _ in columns if person in people))
    if len(people) * len(joints) * len(values) > max(10 * values.size, 1000):
        raise ReadError(f"names {len(people)} animals and {len(joints)} body parts, but few columns.", path)
    data = np.full((len(values), len(people), len(joints), 3), np.nan)
    data[..., 2] = 1.0
    for at, (person, part, axis) in enumerate(columns):
        if person in people and axis in _AXES:
            data[:, people.index(person), joints.index(part), _AXES[axis]] = values[:, at]
    scored = any(axis == "likelihood" for _, _, axis in columns)
    seen = np.isfinite(data[..., :2]).all(-1).any(-1)
    flat = data.reshape(-1, len(joints), 3)[seen.ravel()]
    who = np.tile(np.arange(len(people)), len(values))[seen.ravel()]
    return Reading(
        flat[..., :2],
        flat[..., 2],
        np.repeat(np.array(frames, np.int64), len(people))[seen.ravel()],
        frames,
        identities=[people[n] or "1" for n in who] if len(flat) else None,
        joint_names=joints,
        shares=False,
        notes=[] if scored else ["the file has no likelihoods: every keypoint counts fully."],
    )
