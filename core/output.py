# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from .errors import OutputError

_MARK = "poselift-"
_ASIDE = re.compile(rf"\..+\.{_MARK}([0-9]+)-[0-9a-f]{{8}}\.[^.]+")
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
        reason = str(error).strip().removeprefix("Error: ").splitlines()
        raise OutputError(f"{path}: cannot be written: {reason[0] if reason else type(error).__name__}") from error
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
    return path.with_name(f".{path.stem}.{_MARK}{os.getpid()}-{uuid4().hex[:8]}{path.suffix}")


def save_npz(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write arrays as a compressed `.npz`, whole or not at all. Raises `OutputError`."""
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def remove_leftovers(folder: Path) -> None:
    """Remove what runs that were killed left half-written in a folder; what a living process writes stays."""
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _ASIDE.fullmatch(path.name)
        if found and not _is_alive(int(found[1]), path):
            path.unlink(missing_ok=True)


def _is_alive(process: int, path: Path) -> bool:
    try:
        if os.name == "nt":  # there os.kill ends what it asks about
            return time.time() - path.stat().st_mtime < _ABANDONED
        os.kill(process, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
