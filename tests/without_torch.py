# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the tests where torch is not installed, as with Blender 5.2's module: what needs torch is skipped, with a word."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TORCH = importlib.util.find_spec("torch") is not None
NEEDED = re.compile(r"No module named 'torch|PyTorch is needed|needs PyTorch")
"""What Python and Poselift say where torch is missing."""


def files_that_import_it() -> list[str]:
    """Return the names of the test files that cannot even be imported here; none where torch is installed."""
    if TORCH:
        return []
    folder = Path(__file__).parent
    helpers = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("test_") and _imports(path, "torch")]
    return [path.name for path in folder.glob("test_*.py") if _imports(path, "|".join(["torch", *helpers]))]


@contextmanager
def skipping() -> Iterator[None]:
    """Skip the test that fails in this context for the reason that torch is not installed."""
    met = 0 if TORCH else _errors_met()
    try:
        yield
    except Exception as error:
        if TORCH or (NEEDED.search(str(error)) is None and _errors_met() == met):
            raise
        pytest.skip("needs torch, which is not installed")


def _errors_met() -> int:
    """Return how often Poselift has said that torch is missing: a command line's test sees only an exit status."""
    from poselift.core.errors import TorchMissingError  # not before conftest.py has said which Poselift is tested

    if not _met:

        def count(error: TorchMissingError, *words: object) -> None:
            _met.append(1)
            Exception.__init__(error, *words)

        TorchMissingError.__init__ = count
        _met.append(0)
    return sum(_met)


_met: list[int] = []


def _imports(path: Path, names: str) -> bool:
    return re.search(rf"^(?:import|from) (?:{names})\b", path.read_text(encoding="utf-8"), re.M) is not None
