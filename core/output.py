# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from .errors import OutputError

_MARK = "poselift-"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
"""Marks what this computer writes: folders are shared, and process numbers mean nothing elsewhere."""
_ASIDE = re.compile(rf"\..*\.{_MARK}([0-9a-f]{{8}})-([0-9]+)-[0-9a-f]{{8}}\.[^.]+")
_LITTLE = 50e6
"""Bytes of free space that are worth a word where something could not be written."""
_STEM = 40
"""Characters of a file's name that are kept in the name aside, so that this is no longer than a system allows."""
_ABANDONED = 3600.0
"""Seconds after which a file that was not finished is nobody's, where nobody can be asked."""


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to, and move that file onto `path` when the block ends well.

    The name has the same ending, which exporters look at. On an error nothing is left of it and `path` is as before.
    Raises `OutputError` where the folder is missing, where nothing was written, and for every error that the system (or
    Blender, as a RuntimeError) reports.
    """
    path = Path(path)
    _check_place(path)
    aside = _beside(path)
    try:
        yield aside
        if not aside.is_file() or aside.stat().st_size == 0:
            raise OutputError(f"{path}: nothing was written; check that the folder can be written to and has space.")
        aside.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: cannot be written: {_reason(error)}{_room(path)}") from error
    finally:
        aside.unlink(missing_ok=True)


def check_target(path: Path) -> None:
    """Raise `OutputError`, before long work, where a file could not be written: no folder, or one that takes no files."""
    _check_place(path)
    aside = _beside(path)
    try:
        aside.touch()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        aside.unlink(missing_ok=True)


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise OutputError(f"{path}: this is a folder; give the name of a file.")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem[:_STEM]}.{_MARK}{_HOST}-{os.getpid()}-{uuid4().hex[:8]}{path.suffix}")


def save_npz(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write arrays as a compressed `.npz`, whole or not at all. Raises `OutputError`."""
    with written_aside(path) as aside, BytesIO() as archive:
        # Not straight into the file: an archive that cannot be written complains again when it is forgotten.
        np.savez_compressed(archive, **arrays)
        aside.write_bytes(archive.getvalue())


def _reason(error: Exception) -> str:
    """Return in a line what went wrong; Blender's errors from exporters hold the whole traceback, whose last line says it."""
    lines = str(error).strip().removeprefix("Error: ").removeprefix("Python: ").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("Location: ")]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def _room(path: Path) -> str:
    """Return a remark where there is little space: Blender says 'no such file' when its disk is full."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return ""
    return f" ({free / 1e6:.1f} MB are free there)" if free < _LITTLE else ""


def remove_leftovers(folder: Path, gone: Collection[int] = ()) -> None:
    """Remove what runs that were killed left half-written in a folder; what a living process writes stays.

    gone: processes that are known to have ended.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _ASIDE.fullmatch(path.name)
        if found and (int(found[2]) in gone or not _is_alive(found[1], int(found[2]), path)):
            path.unlink(missing_ok=True)


def _is_alive(host: str, process: int, path: Path) -> bool:
    try:
        if host != _HOST or os.name == "nt":  # nobody to ask; and on Windows os.kill ends what it asks about
            return time.time() - path.stat().st_mtime < _ABANDONED
        os.kill(process, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
