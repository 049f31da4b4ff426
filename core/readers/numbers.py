# SPDX-License-Identifier: GPL-3.0-or-later
"""Decimal numbers in text to doubles, many at once: eight digits to an integer word in three multiplications.

Plain decimals of up to 15 digits come out exactly as `float()` gives them: both the digits as an integer and the power of
ten are exact doubles, and their quotient is rounded once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_COMMA, _MINUS, _DOT, _END = b",-.\n"
_PAD = 8
_TENS = 10.0 ** np.arange(16)
_PLAIN = np.isin(np.arange(256), (_COMMA, _MINUS, _DOT, _END))
_LAST = np.array([0x0F0F0F0F0F0F0F0F >> 8 * (8 - n) << 8 * (8 - n) for n in range(9)], np.uint64)
"""Masks of the last n of eight characters, and of the digits' values in them."""


def parse_lists(lists: list[bytes], width: int) -> Floats | None:
    """Parse lists of `width` numbers each, as JSON writes them between brackets.

    Returns (len(lists), width) doubles, or None where one is no such list; whoever asked finds out which and why.
    """
    text = b"\n".join(lists)
    if b" " in text:
        text = text.replace(b", ", b",")
    raw = np.frombuffer(b"".join((b"0" * _PAD, text, b"\n")), np.uint8)
    marks = np.flatnonzero(raw < ord("0"))
    kinds = raw[marks]
    if raw.max() > ord("9") or not _PLAIN[kinds].all():
        return _one_by_one(text, len(lists), width)
    minus = marks[:0]
    if (kinds == _MINUS).any():
        negative = kinds == _MINUS
        minus, marks, kinds = marks[negative], marks[~negative], kinds[~negative]
    ends = np.flatnonzero(kinds != _DOT)
    if len(ends) != len(lists) * width or not _ends_at(kinds[ends], width):
        return None
    end = marks[ends]
    start = np.concatenate([[_PAD], end[:-1] + 1])
    owner = np.minimum(np.searchsorted(end, minus), len(end) - 1)
    if (start[owner] != minus).any():
        return None
    start[owner] += 1
    # Each number has one point at most, and then it is the mark just before its end.
    before = np.maximum(ends - 1, 0)
    has_point = (kinds[before] == _DOT) & (before < ends)
    point = np.where(has_point, marks[before], end)
    if len(kinds) - len(ends) != has_point.sum():
        return None
    whole, part = point - start, end - point - has_point
    if (whole < 1).any() or (has_point & (part < 1)).any():
        return None
    if whole.max() > 8 or part.max() > 8 or (whole + part).max() > 15:
        return _one_by_one(text, len(lists), width)
    scale = _TENS[part]
    values = (_digits(raw, point, whole) * scale + _digits(raw, end, part)) / scale
    values[owner] *= -1.0
    return values.reshape(len(lists), width)


def _ends_at(kinds: NDArray[np.uint8], width: int) -> bool:
    """Whether a list ends at every `width`-th number and nowhere else."""
    last = kinds == _END
    return bool(last[width - 1 :: width].all()) and int(last.sum()) * width == len(kinds)


def _digits(raw: NDArray[np.uint8], end: NDArray[np.intp], count: NDArray[np.intp]) -> Floats:
    """Return the integers that the `count` (0 to 8) digits before each `end` spell."""
    words: Words = np.ndarray((len(raw) - 7,), "<u8", raw, strides=(1,))[end - 8]
    words &= _LAST[count]
    words = (words * np.uint64(2561)) >> np.uint64(8)
    words = ((words & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    words = ((words & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return words.astype(np.float64)


def _one_by_one(text: bytes, count: int, width: int) -> Floats | None:
    """Parse numbers that are not plain: with exponents, or with more digits than a double holds exactly."""
    rows = [row.split(b",") for row in text.split(b"\n")]
    if len(rows) != count or any(len(row) != width for row in rows):
        return None
    try:
        values = np.array([[float(number) for number in row] for row in rows])
    except ValueError:
        return None
    return values if _ALLOWED.issuperset(text) else None


_ALLOWED = frozenset(b"0123456789+-.eE,\n")
"""What JSON's numbers and their separators are made of: `float` takes more (underscores, blanks, names)."""
