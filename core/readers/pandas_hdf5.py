# SPDX-License-Identifier: GPL-3.0-or-later
"""A pandas DataFrame in HDF5, with columns of several levels, read without pandas and without unpickling.

The fixed format keeps each level's names and labels as arrays (`axis0_level*`, `axis0_label*`, and the same per block). The
table format keeps rows as one compound dataset, and the columns' names as a pickled list of tuples in an attribute: that one
is read by `pickled_names`, which runs nothing and knows nothing but lists, tuples and text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from . import hdf5
from .pickled_names import pickled_names

Floats = NDArray[np.float64]

_KINDS = ("frame_table", "frame")
_MOST_BLOCKS = 64
_MOST_LEVELS = 8


@dataclass(frozen=True)
class Frame:
    """columns: C tuples of names; values: (N, C); index: (N,) row numbers, or names of the rows."""

    columns: list[tuple[str, ...]]
    values: Floats
    index: Floats | list[str]


def frames_in(file: Any) -> list[str]:
    """Return the names of a file's DataFrames."""
    return [name for name in hdf5.members(file) if _kind(file, name)]


def _kind(file: Any, name: str) -> str:
    kind = hdf5.text(file[name].attrs.get("pandas_type", ""))
    return kind if kind in _KINDS else ""


def read_frame(file: Any, name: str, path: Path) -> Frame:
    """Read one of a file's DataFrames. Raises `ReadError` with the dataset at fault."""
    if _kind(file, name) == "frame":
        return _read_fixed(file[name], path)
    return _read_table(file[name], path)


def _read_fixed(group: Any, path: Path) -> Frame:
    columns: list[tuple[str, ...]] = []
    blocks: list[Floats] = []
    for block in range(_whole(group, "nblocks", _MOST_BLOCKS, path)):
        names = _multi_index(group, f"block{block}_items", path)
        values = hdf5.numbers(group, f"block{block}_values", path)
        if not group[f"block{block}_values"].attrs.get("transposed", 1):
            values = values.T
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ReadError(f"shape {values.shape} for {len(names)} columns.", path, f"dataset 'block{block}_values'")
        columns += names
        blocks.append(values)
    if not blocks or len({len(block) for block in blocks}) > 1:
        raise ReadError("its blocks have different numbers of rows.", path)
    return _checked(Frame(columns, np.concatenate(blocks, 1), _index(group, path)), path)


def _multi_index(group: Any, name: str, path: Path) -> list[tuple[str, ...]]:
    """Return the tuples of an index of several levels."""
    levels, labels = [], []
    for level in range(_whole(group, f"{name}_nlevels", _MOST_LEVELS, path)):
        levels.append(hdf5.texts(group, f"{name}_level{level}", path))
        label = hdf5.numbers(group, f"{name}_label{level}", path)
        if label.ndim != 1 or not ((label >= 0) & (label < len(levels[-1]))).all() or len(label) > hdf5.MAX_NAMES:
            raise ReadError("labels that are no names of its level.", path, f"dataset '{name}_label{level}'")
        labels.append(label.astype(int).tolist())
    if not levels or len({len(label) for label in labels}) > 1:
        raise ReadError("levels of different length.", path, f"dataset '{name}_label0'")
    return [tuple(level[k] for level, k in zip(levels, key, strict=True)) for key in zip(*labels, strict=True)]


def _index(group: Any, path: Path) -> Floats | list[str]:
    if "axis1" not in hdf5.members(group):
        # Labels by hand have the image's folder, video and name.
        rows = _multi_index(group, "axis1", path)
        return [row[-1] for row in rows]
    found = hdf5.dataset(group, "axis1", path)
    return hdf5.numbers(group, "axis1", path) if found.dtype.kind in "fiu" else hdf5.texts(group, "axis1", path)


def _read_table(group: Any, path: Path) -> Frame:
    table = hdf5.dataset(group, "table", path)
    fields = table.dtype.fields or {}
    blocks = [field for field in fields if field.startswith("values_block_")]
    place = "dataset 'table'"
    if "index" not in fields or not blocks or table.ndim != 1:
        raise ReadError("no table with an index and values; write it again as CSV.", path, place)
    rows = table[...]
    columns: list[tuple[str, ...]] = []
    values = []
    for field in blocks:
        block = rows[field]
        block = block[:, None] if block.ndim == 1 else block
        names = pickled_names(bytes(table.attrs.get(f"{field}_kind", b"")), path, f"{place}, attribute '{field}_kind'")
        if block.ndim != 2 or block.shape[1] != len(names) or block.dtype.kind not in "fiu":
            raise ReadError(f"{block.dtype} of shape {block.shape} for {len(names)} columns.", path, place)
        columns += names
        values.append(block.astype(np.float64))
    index = rows["index"]
    if index.ndim != 1 or index.dtype.kind not in "fiuS":
        raise ReadError("its rows have neither numbers nor names.", path, place)
    named: Floats | list[str] = [hdf5.text(v) for v in index] if index.dtype.kind == "S" else index.astype(np.float64)
    return _checked(Frame(columns, np.concatenate(values, 1), named), path)


def _checked(frame: Frame, path: Path) -> Frame:
    if len(frame.index) != len(frame.values):
        raise ReadError(f"{len(frame.index)} names for {len(frame.values)} rows.", path)
    return frame


def _whole(group: Any, name: str, most: int, path: Path) -> int:
    value = group.attrs.get(name)
    if not isinstance(value, (int, np.integer)) or not 0 < value <= most:
        raise ReadError("no whole number, or too large a one.", path, f"attribute '{name}'")
    return int(value)
