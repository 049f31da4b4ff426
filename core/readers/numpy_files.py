# SPDX-License-Identifier: GPL-3.0-or-later
"""NumPy's .npy and .npz files, read without trust: never unpickled, and no larger than their bytes can fill."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError

MAX_BYTES = 4 << 30
"""Unpacked arrays larger than this are refused: no clip is that long, but a zip bomb is."""
PICKLED = (
    "holds pickled objects, which could run code: refused; save plain arrays, such as "
    "numpy.savez(file, keypoints=k, scores=s) with k of shape (frames, joints, 2) or (people, frames, joints, 2)."
)
_HEADERS: dict[tuple[int, int], Callable] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def members(path: Path) -> list[str]:
    """Return the names of an archive's arrays. Raises `ReadError` where it is damaged."""
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def shape_of(path: Path, name: str = "") -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and kind of the array in a .npy file, or of a named one in an archive, from its header alone.

    Raises `ReadError` where it is pickled, damaged, or says that it is larger than its bytes.
    """
    with _damage_named(path, name):
        if not name:
            with path.open("rb") as file:
                return _header(file, path.stat().st_size, path, name)
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as file:
                return _header(file, info.file_size, path, name)


def _header(file: IO[bytes], size: int, path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    if version not in _HEADERS:
        raise ReadError(f"an array of version {version[0]}.{version[1]} of NumPy's format is not of numbers.", path, name)
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ReadError(PICKLED, path, name)
    if not all(isinstance(n, int) and n >= 0 for n in shape) or math.prod(shape) * dtype.itemsize > size:
        raise ReadError(f"its header says shape {str(shape)[:80]}, but the file is too short for it.", path, name)
    return shape, dtype


def load_archive(path: Path, kinds: dict[str, str]) -> dict[str, NDArray]:
    """Return those arrays of an archive that have a kind, as doubles or text.

    kinds: name -> f (numbers), i (whole numbers) or U (text). Raises `ReadError` with the array at fault.
    """
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        entries = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
    unpacked = sum(size for name, size in entries.items() if name in kinds)
    if unpacked > MAX_BYTES:
        raise ReadError(f"{unpacked / 2**30:.3g} GiB unpacked; no clip is that large.", path)
    found = {}
    for name in kinds.keys() & entries.keys():
        shape_of(path, name)
        with _damage_named(path, name), np.load(path, allow_pickle=False) as data:
            value = data[name]
        found[name] = as_kind(value, kinds[name], path, name)
    return found


def load_array(path: Path) -> NDArray[np.float64]:
    """Return the numbers of a .npy file as doubles. Raises `ReadError`."""
    shape, dtype = shape_of(path)
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise ReadError("no clip is that large.", path)
    with _damage_named(path, "array"):
        value = np.load(path, allow_pickle=False)
    return as_kind(value, "f", path, "")


def as_kind(value: object, kind: str, path: Path, name: str) -> NDArray:
    """Return an array as doubles, or as text. Raises `ReadError` where it is something else."""
    wanted = {"f": "fiu", "i": "iuf", "U": "US"}[kind]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in wanted:
        found = value.dtype if isinstance(value, np.ndarray) else "no array"
        raise ReadError(f"{found} where {'text' if wanted == 'US' else 'numbers'} are needed.", path, name)
    if value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "replace")
    return value if value.dtype.kind == "U" else value.astype(np.float64)


@contextmanager
def _damage_named(path: Path, place: str = "") -> Iterator[None]:
    """Turn whatever zipfile, zlib, tokenize and NumPy raise on damaged bytes (it is a long list) into a `ReadError`."""
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ReadError(f"cannot be read: {error.strerror}.", path) from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "pickle" in reason or "Object arrays" in reason:
            raise ReadError(PICKLED, path, place) from error
        raise ReadError(f"a damaged {'array' if place else '.npz archive'}: {reason}.", path, place) from error
