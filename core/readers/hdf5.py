# SPDX-License-Identifier: GPL-3.0-or-later
"""HDF5 files through h5py, an optional library; texts in them; and pickled names, which are read without unpickling."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError

MAX_BYTES = 4 << 30
"""Arrays larger than this are refused before they are read: no clip is that long."""
_MOST_NAMES = 10_000


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading. Raises `ReadError` where h5py is missing, or for whatever it finds wrong."""
    try:
        import h5py
    except ImportError as error:
        raise ReadError("HDF5 files are read by h5py, which is not installed: pip install h5py.", path) from error
    try:
        with h5py.File(path, "r") as file:
            check_size(file, path)
            yield file
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # h5py raises nearly everything on damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ReadError(f"a damaged HDF5 file: {reason[:200]}.", path) from error


def check_size(file: Any, path: Path) -> None:
    """Refuse a file whose arrays say that they are larger than any clip's. Raises `ReadError`."""

    def check(name: str, item: Any) -> None:
        size = getattr(item, "nbytes", 0) or 0
        if size > MAX_BYTES:
            raise ReadError(f"{size / 2**30:.3g} GiB; no keypoints are that large.", path, name[:60])

    file.visititems(check)


def texts_of(dataset: Any, path: Path) -> list[str]:
    """Return a data set's texts. Raises `ReadError` where it holds something else, or too many."""
    if dataset.size > _MOST_NAMES:
        raise ReadError(f"holds {dataset.size} names; no body has as many joints.", path, str(dataset.name)[:60])
    values = np.ravel(dataset[()])
    words = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values.tolist()]
    if not all(isinstance(word, str) for word in words):
        raise ReadError("holds no texts.", path, str(dataset.name)[:60])
    return words


def plain_pickle(data: bytes, path: Path, place: str) -> object:
    """Return the list, tuples and texts that a pickle spells, from its opcodes alone: nothing is imported or called.

    Raises `ReadError` where the pickle holds anything else, which could run code when unpickled.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > 20 * _MOST_NAMES:
                break
            if opcode.name == "STOP":
                return stack[-1]
            _step(opcode.name, argument, stack, memo)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise ReadError(f"its pickled names are damaged ({error}); export a CSV.", path, place) from error
    except _RefusedError as error:
        raise ReadError(
            f"its names are pickled with '{error}', which could run code: refused; export a CSV.", path, place
        ) from error
    raise ReadError("its pickled names are damaged; export a CSV.", path, place)


class _RefusedError(Exception):
    """An opcode that does more than build lists, tuples and texts."""


_MARK = object()


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Take one step of a pickle: push a value, gather values, or remember one."""
    if name in ("PROTO", "FRAME"):
        return
    if name in ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "INT", "BININT", "BININT1", "BININT2", "LONG1"):
        stack.append(argument)
    elif name == "NONE":
        stack.append(None)
    elif name == "MARK":
        stack.append(_MARK)
    elif name in ("EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append([] if name == "EMPTY_LIST" else ())
    elif name in ("LIST", "TUPLE", "APPENDS"):
        at = len(stack) - 1 - stack[::-1].index(_MARK)
        values = stack[at + 1 :]
        del stack[at:]
        if name == "APPENDS":
            stack[-1].extend(values)
        else:
            stack.append(values if name == "LIST" else tuple(values))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    else:
        raise _RefusedError(name)
