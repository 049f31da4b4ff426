# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoint files: written aside and moved into place, so that a kill at any moment leaves the last whole one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import ReadError
from ..output import written_aside


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain data, on the disk before it takes the last one's place. Raises `OutputError`."""
    with written_aside(path) as aside, aside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())  # else a power cut could leave the new name with none of the contents


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state, its tensors on the CPU, executing nothing. Raises `ReadError` where the file is no checkpoint."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(type(state).__name__)
    except Exception as error:  # torch.load's errors have no common base
        raise ReadError(f"is not a training checkpoint ({type(error).__name__}).", path) from error
    return state
