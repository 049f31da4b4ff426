# SPDX-License-Identifier: GPL-3.0-or-later
"""HDF5 files read without trust: only plain datasets inside the file, of bounded size. Needs h5py, which is optional."""

from __future__ import annotations

import math
import mmap
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError

MAX_BYTES = 2 << 30
"""Datasets larger than this are refused: no clip is that long."""
MAX_NAMES = 10_000
"""Names of joints or people beyond this are none."""
_MOST = 100
_HEAP = b"HEAP\0\0\0\0"
_NO_MORE = 1


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading. Raises `ReadError` where h5py is missing, and for whatever is damaged."""
    try:
        import h5py
    except ImportError as error:
        raise ReadError(
            f'HDF5 files need the Python package h5py: run "{sys.executable}" -m pip install h5py, or export the keypoints '
            "as CSV.",
            path,
        ) from error
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            yield file
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # h5py passes on whatever HDF5 and NumPy make of damaged bytes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ReadError(f"a damaged HDF5 file: {reason[:200]}.", path) from error


def _check_heaps(path: Path) -> None:
    """Refuse a file in which a heap's list of free places runs in a circle: the HDF5 library follows it until memory ends.

    Format: "HDF5 File Format Specification", local heaps: HEAP, 4 bytes of 0, size, first free place, place of the data; a
    free place has the next one's offset (1: none) and its size. Raises `ReadError`.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_HEAP)
        while at >= 0:
            size, free, place = struct.unpack_from("<3Q", data, at + 8) if at + 32 <= len(data) else (0, 0, len(data))
            visited: set[int] = set()
            while free != _NO_MORE:
                if free in visited or free + 16 > size or place + free + 16 > len(data):
                    raise ReadError("a damaged HDF5 file: a heap's free places run in a circle, or out of it.", path)
                visited.add(free)
                free = struct.unpack_from("<Q", data, place + free)[0]
            at = data.find(_HEAP, at + 1)


def members(node: Any) -> list[str]:
    """Return the names in a group that are really in the file, not links elsewhere; the first hundred."""
    import h5py

    names = []
    for name in node:
        if isinstance(node.get(name, getlink=True), h5py.HardLink):
            names.append(name)
        if len(names) == _MOST:
            break
    return names


def dataset(node: Any, name: str, path: Path) -> Any:
    """Return a dataset of a group. Raises `ReadError` where it is none, or its data lie in other files."""
    import h5py

    if not isinstance(node.get(name, getlink=True), h5py.HardLink) or not isinstance(node[name], h5py.Dataset):
        raise ReadError("no such dataset in the file itself.", path, f"dataset '{name}'")
    found = node[name]
    if found.external or found.is_virtual:
        raise ReadError("its data lie in other files: refused.", path, f"dataset '{name}'")
    if found.shape is None:
        raise ReadError("the dataset is empty.", path, f"dataset '{name}'")
    size = math.prod(found.shape) * max(found.dtype.itemsize, 1)
    if size > MAX_BYTES:
        raise ReadError(f"{size / 2**30:.3g} GiB; no clip's keypoints are that large.", path, f"dataset '{name}'")
    return found


def numbers(node: Any, name: str, path: Path) -> NDArray[np.float64]:
    """Return a dataset of numbers as doubles. Raises `ReadError`."""
    found = dataset(node, name, path)
    if found.dtype.kind not in "fiu":
        raise ReadError(f"{found.dtype} where numbers are needed.", path, f"dataset '{name}'")
    return np.asarray(found[...]).astype(np.float64)


def texts(node: Any, name: str, path: Path) -> list[str]:
    """Return a dataset of text, flat. Raises `ReadError`."""
    import h5py

    found = dataset(node, name, path)
    if found.dtype.kind != "S" and h5py.check_string_dtype(found.dtype) is None:
        if math.prod(found.shape) == 0:
            return []  # SLEAP writes no names at all as an empty array of numbers
        raise ReadError(f"{found.dtype} where text is needed.", path, f"dataset '{name}'")
    if math.prod(found.shape) > MAX_NAMES:
        raise ReadError(f"{math.prod(found.shape)} names are no keypoints'.", path, f"dataset '{name}'")
    return [text(value) for value in np.ravel(found[...])]


def text(value: object) -> str:
    """Return a value that HDF5 keeps as bytes or as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def explain(path: Path) -> ReadError:
    """Return why an HDF5 file that no format recognised is none of keypoints. Raises `ReadError` where it is damaged."""
    with opened(path) as file:
        there = members(file)
    if {"frames", "instances", "points"} & set(there) and "metadata" in there:
        return ReadError("a SLEAP project: export its analysis HDF5 (File, Export Analysis HDF5).", path)
    names = ", ".join(name[:40] for name in there[:10]) or "nothing"
    return ReadError(f"neither DeepLabCut's nor SLEAP's keypoints are in it (but {names}).", path)
