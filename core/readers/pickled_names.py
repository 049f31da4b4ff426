# SPDX-License-Identifier: GPL-3.0-or-later
"""Names out of a pickled list of tuples of text, without unpickling.

A pickle is a program. Of its operations, only those are known here that build lists, tuples and text, or remember one of
these: nothing can be imported, called or set, and whatever else a pickle asks for refuses it.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from ..errors import ReadError

_TEXT = frozenset(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"))
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LONGEST = 16 << 20
_MOST = 2_000_000
"""Operations; each column takes about a dozen."""
_REFUSED = "the columns' pickled names are damaged, or more than lists and text, which could run code: refused; export CSV."


def pickled_names(data: bytes, path: Path, place: str) -> list[tuple[str, ...]]:
    """Return the tuples of text of a pickled list. Raises `ReadError` where the pickle is of anything else."""
    if len(data) > _LONGEST:
        raise ReadError(_REFUSED, path, place)
    try:
        found = _build(data)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ReadError(_REFUSED, path, place) from error
    whole = isinstance(found, list) and all(isinstance(row, tuple) and all(isinstance(s, str) for s in row) for row in found)
    if not whole:
        raise ReadError(_REFUSED, path, place)
    return found


def _build(data: bytes) -> Any:
    """Return what a pickle of lists, tuples and text builds. Raises `ValueError` and the like for any other."""
    mark = object()
    stack: list[Any] = []
    memory: dict[int, Any] = {}

    def above_mark() -> list[Any]:
        items = []
        while (item := stack.pop()) is not mark:
            items.append(item)
        return items[::-1]

    argument: Any
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        name = operation.name
        if count > _MOST:
            raise ValueError("too long")
        if name in _TEXT:
            stack.append(argument)
        elif name == "MARK":
            stack.append(mark)
        elif name in ("LIST", "TUPLE"):
            items = above_mark()
            stack.append(items if name == "LIST" else tuple(items))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in _TUPLES:
            size = _TUPLES[name]
            stack[len(stack) - size :] = [tuple(stack[len(stack) - size :])]
        elif name == "APPEND":
            item = stack.pop()
            _list(stack).append(item)
        elif name == "APPENDS":
            items = above_mark()
            _list(stack).extend(items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memory[len(memory) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memory[int(argument)])
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(name)
    raise ValueError("no end")


def _list(stack: list[Any]) -> list[Any]:
    if not isinstance(stack[-1], list):
        raise ValueError("no list")
    return stack[-1]
