# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reader against hundreds of broken and hostile variants of every shape of its files.

A read ends in tracks, or in a typed error of one line that names a file; in bounded time and memory, whatever comes.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import format_fixtures
import mutations
import numpy as np
import pytest

from poselift.core.cleaning import clean
from poselift.core.errors import PoseliftError, ReadError
from poselift.core.readers import FORMATS, read

MUTATIONS = 500
"""Of each reader, shared among the shapes of its files."""
SLOWEST = 5.0
"""Seconds for one small file, on a busy machine."""
MOST_MEMORY = 1 << 30
"""Bytes that the process may grow by over all of it."""


def mutators(file: Path) -> list[Callable[[bytes, np.random.Generator], bytes]]:
    """Return what can be done to a file: anything to its bytes, and to its structure where it has one."""
    content = file.read_bytes()
    if content[:1] in (b"{", b"["):
        return [mutations.byte_mutation, mutations.json_mutation, mutations.json_mutation]
    if content.startswith(b"PK"):
        return [mutations.byte_mutation, mutations.npz_mutation, mutations.npz_mutation]
    if content.startswith((b"\x89HDF", b"\x93NUMPY")):
        return [mutations.byte_mutation]
    return [mutations.byte_mutation, mutations.table_mutation, mutations.table_mutation]


def victims(source: Path) -> list[Path]:
    """Return the files of a clip that are worth breaking: the first, one inside, and the last of a folder."""
    if source.is_file():
        return [source]
    files = sorted(path for path in source.rglob("*") if path.is_file())
    return [files[0], files[len(files) // 2], files[-1]]


@pytest.mark.parametrize("name", list(FORMATS))
def test_no_file_brings_a_reader_down(tmp_path: Path, name: str) -> None:
    shapes = format_fixtures.write(name, tmp_path / "good")
    assert shapes, "every format needs a fixture"
    rng = np.random.default_rng(len(name))
    before = _memory()
    refused = tried = 0
    for shape, source in shapes.items():
        for number in range(-(-MUTATIONS // len(shapes))):
            target = tmp_path / "bad" / source.name
            shutil.rmtree(tmp_path / "bad", ignore_errors=True)
            _copy(source, target)
            victim = target if target.is_file() else target / rng.choice(victims(source)).relative_to(source)  # type: ignore[arg-type]
            content = victim.read_bytes()
            if not content:
                continue
            mutate = mutators(victim)
            victim.write_bytes(mutate[rng.integers(len(mutate))](content, rng))
            started = time.monotonic()
            tried += 1
            refused += _survives(target, "auto" if number % 2 else name, shape)
            assert time.monotonic() - started < SLOWEST, f"{shape}: mutation {number} took too long"
    assert tried >= MUTATIONS * 0.9
    assert 0.05 * tried < refused < tried, f"{refused} of {tried} were refused"
    assert _memory() - before < MOST_MEMORY


def _survives(target: Path, file_format: str, shape: str) -> bool:
    """Read it; whether it was refused. What is neither tracks nor a typed error fails the test."""
    try:
        tracks = read(target, file_format=file_format, image_size=(1920, 1080))
    except PoseliftError as error:
        assert str(error).strip(), shape
        assert "\n" not in str(error), (shape, str(error))
        assert not isinstance(error, ReadError) or error.path is not None, (shape, str(error))
        return True
    assert tracks, shape
    for track in tracks[:2]:
        try:
            clean(track)
        except PoseliftError:
            return True
    return False


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def _memory() -> int:
    """Return the most memory that the process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
