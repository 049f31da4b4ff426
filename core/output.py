# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from .errors import OutputError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to, and move that file onto `path` when the block ends well.

    The name has the same ending, which exporters look at. On an error nothing is left of it and `path` is as before.
    Raises `OutputError` where the folder is missing, where nothing was written, and for every error that the system (or
    Blender, as a RuntimeError) reports.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise OutputError(f"{path}: this is a folder; give the name of a file.")
    aside = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{path.suffix}")
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


def save_npz(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write arrays as a compressed `.npz`, whole or not at all. Raises `OutputError`."""
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)
