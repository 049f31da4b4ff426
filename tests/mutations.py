# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken and hostile variants of files: cut, overwritten and repeated bytes, and wrong values where the structure is kept."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

PIECES = [
    b"", b"NaN", b"-Infinity", b"null", b"{}", b"[]", b"[[[[", b"1e999", b'"\xf0\x9f\x8f\x83"', b"\x00", b"true", b"9" * 400,
    b",", b"\n", b";", b'"', b"\xff\xfe", b"-", b"\r\n\r\n",
]  # fmt: skip

VALUES: list[Any] = [
    None, True, False, 0, -1, 10**18, 10**400, -(2**63), 1e308, float("nan"), float("inf"), -float("inf"), "", "abc", "1",
    "人物 🏃", "x" * 5000, [], [[]], {}, {"x": 1}, [None] * 20, ["a"], [[1, 2], [3]], {"0": {"0": {}}},
]  # fmt: skip

CELLS = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "abc",
    "人物 🏃",
    '"',
    "-",
    "9" * 400,
    "0x10",
    "1_0",
    "None",
    "1;2",
    "1,5",
    "x" * 5000,
]


def byte_mutation(content: bytes, rng: np.random.Generator) -> bytes:
    """Return content that is cut, overwritten, repeated, has a piece replaced, or one bit flipped."""
    kind, a = rng.integers(5), int(rng.integers(len(content)))
    b = min(len(content), a + int(rng.integers(1, 60)))
    if kind == 0:
        return content[:a]
    if kind == 1:
        return content[:a] + rng.bytes(b - a) + content[b:]
    if kind == 2:
        return content[:a] + PIECES[rng.integers(len(PIECES))] + content[b:]
    if kind == 3:
        return content[:b] + content[a:]
    flipped = bytearray(content)
    flipped[a] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def json_mutation(content: bytes, rng: np.random.Generator) -> bytes:
    """Return JSON with one value replaced, removed, repeated or buried deep, or one key renamed."""
    data = json.loads(content)
    places = list(_places(data))
    holder, key = places[rng.integers(len(places))]
    kind = rng.integers(5)
    if kind == 0:
        holder[key] = VALUES[rng.integers(len(VALUES))]
    elif kind == 1:
        del holder[key]
    elif kind == 2 and isinstance(holder, list):
        holder[:] = holder * int(rng.integers(2, 4))
    elif kind == 3 and isinstance(holder, dict):
        holder[str(VALUES[rng.integers(len(VALUES))])] = holder.pop(key)
    else:
        depth = int(rng.integers(1, 3000))
        holder[key] = "\x00deep"
        text = json.dumps(data, ensure_ascii=bool(rng.integers(2)))
        return text.replace(json.dumps("\x00deep"), "[" * depth + "]" * depth).encode("utf-8", "surrogatepass")
    return json.dumps(data, ensure_ascii=bool(rng.integers(2))).encode("utf-8", "surrogatepass")


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key) of every value, a few of each long list."""
    if isinstance(data, dict):
        keys: Any = list(data)
    elif isinstance(data, list):
        keys = sorted({*range(min(3, len(data))), *range(max(len(data) - 2, 0), len(data))})
    else:
        return
    for key in keys:
        yield data, key
        yield from _places(data[key])


def table_mutation(content: bytes, rng: np.random.Generator) -> bytes:
    """Return lines of cells with one cell replaced, one line dropped, repeated or exchanged, or one column missing."""
    text = content.decode()
    separator = max("\t;, ", key=text.count)
    rows = [line.split(separator) for line in text.splitlines()]
    kind, row = rng.integers(5), int(rng.integers(len(rows))) if rng.integers(2) else int(rng.integers(min(4, len(rows))))
    if kind == 0:
        rows[row][rng.integers(len(rows[row]))] = CELLS[rng.integers(len(CELLS))]
    elif kind == 1:
        del rows[row]
    elif kind == 2:
        rows.insert(int(rng.integers(len(rows))), rows[row])
    elif kind == 3:
        column = int(rng.integers(max(map(len, rows))))
        rows = [cells[:column] + cells[column + 1 :] for cells in rows]
    else:
        rows[row] = rows[row][: int(rng.integers(len(rows[row]) + 1))]
    return "\n".join(separator.join(cells) for cells in rows).encode()


def npz_mutation(content: bytes, rng: np.random.Generator) -> bytes:
    """Return an archive with one array of another kind, shape or name, of wild values, pickled, or missing."""
    with np.load(io.BytesIO(content)) as archive:
        arrays: dict[str, Any] = dict(archive)
    name = list(arrays)[rng.integers(len(arrays))]
    arrays[name] = array_mutation(arrays[name], rng)
    if rng.integers(8) == 0:
        del arrays[name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for key, value in arrays.items():
            array = io.BytesIO()
            np.lib.format.write_array(array, np.asanyarray(value), allow_pickle=True)
            out.writestr(f"{key}.npy", array.getvalue())
    return buffer.getvalue()


def array_mutation(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an array of another kind or shape, of wild values, or of pickled objects."""
    kind = rng.integers(8)
    if kind == 0:
        return array.ravel()[: int(rng.integers(array.size + 1))]
    if kind == 1:
        return np.broadcast_to(array, (2, *array.shape)).copy()
    if kind == 2:
        return array.astype(object)
    if kind == 3:
        return array.astype("U8") if array.dtype.kind in "fiu" else np.arange(array.size)
    if kind == 4:
        return np.zeros((0, *array.shape[1:]), array.dtype) if array.ndim else np.zeros(0)
    if kind == 5 and array.dtype.kind == "f" and array.size:
        wild = array.copy()
        wild.flat[rng.integers(wild.size)] = [np.nan, np.inf, -np.inf, 1e300, -1e7, 5.0][rng.integers(6)]
        return wild
    if kind == 6 and array.ndim > 1:
        return np.swapaxes(array, 0, -1)
    return np.asarray(array.astype(np.complex64) if array.dtype.kind in "fiu" else array[..., None])
