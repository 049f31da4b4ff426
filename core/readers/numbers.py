# SPDX-License-Identifier: GPL-3.0-or-later
"""Decimal numbers in text to doubles, many at once: eight digits to an integer word in three multiplications.

Plain decimals of up to 15 digits come out exactly as `float()` gives them: both the digits as an integer and the power of
ten are exact doubles, and their quotient is rounded once. Others (with exponents, with more digits) are parsed one by one.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_COMMA, _MINUS, _DOT, _END = b",-.\n"
_PAD = 8
_TENS = 10.0 ** np.arange(16)
_JSON_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
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
    ends = np.flatnonzero((kinds == _COMMA) | (kinds == _END))
    if len(ends) != len(lists) * width or not _ends_at(kinds[ends], width):
        return None
    end = marks[ends]
    start = np.concatenate([[_PAD], end[:-1] + 1])
    # A plain number has a minus before it at most, and one point, which is then the mark just before its end.
    negative = raw[start] == _MINUS
    first = start + negative
    before = np.maximum(ends - 1, 0)
    has_point = (kinds[before] == _DOT) & (before < ends)
    point = np.where(has_point, marks[before], end)
    whole, part = point - first, end - point - has_point
    other = np.diff(ends, prepend=-1) - 1 - negative - has_point
    odd = (other != 0) | (whole < 1) | (whole > 8) | (part > 8) | (whole + part > 15) | (has_point & (part < 1))
    if raw.max() > ord("9"):
        odd[np.searchsorted(end, np.flatnonzero(raw > ord("9")))] = True
    strange = np.flatnonzero(odd)
    whole[strange], part[strange], point[strange] = 0, 0, end[strange]
    scale = _TENS[part]
    values = (_digits(raw, point, whole) * scale + _digits(raw, end, part)) / scale
    values[negative] *= -1.0
    for number in strange:
        token = raw[start[number] : end[number]].tobytes()
        if not _JSON_NUMBER.fullmatch(token):
            return None
        values[number] = float(token)
        if not np.isfinite(values[number]):
            return None
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
