# SPDX-License-Identifier: GPL-3.0-or-later
"""Decimal numbers in text to doubles, many at once: eight characters to an integer word in some twenty operations.

Plain decimals of up to 15 digits come out exactly as `float()` gives them: both the digits as an integer and the power of
ten are exact doubles, and their quotient is rounded once. Others (with exponents, with more digits) are parsed one by one.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Indices = NDArray[np.intp]

_COMMA, _MINUS, _POINT, _NINE, _END = b",-.9\n"
_WORD = 8
"""Characters."""
_PAD = 2 * _WORD
"""Zeros behind the text, so that two words can be taken from any place in it."""
_JSON_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_FIRST = np.array([0x0F0F0F0F0F0F0F0F & ((1 << 8 * n) - 1) for n in range(9)], np.uint64)
"""Masks of the values of a word's first n characters, if these are digits."""
_SCALE = np.array([1.0, *(10.0 ** (8 - n) for n in range(8))])
"""How much too large eight digits are where n are before the point, at n + 1; at 0 where all are."""

_ONE, _FOUR, _EIGHT, _TOP = (np.uint64(n) for n in (1, 4, 8, 60))
_ZERO = np.uint64(ord("0") | ord(",") << 8)
_NO_DIGIT = np.uint64(0x1010101010101010)  # bits that digits have, and what ends a number or its whole part has not
_BEYOND_NINE, _CARRY = np.uint64(0x7676767676767676), np.uint64(0x8080808080808080)
_PLACES = np.uint64(0x1020304050607080)  # times 1 << 8 * n: n + 1 in the top four bits
_TEN, _HUNDRED, _MYRIAD = np.uint64(2561), np.uint64(6553601), np.uint64(42949672960001)  # 10 << 8 | 1, and so on
_PAIRS, _FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)


def parse_lists(lists: list[bytes], width: int) -> Floats | None:
    """Parse lists of `width` numbers each, as JSON writes them between brackets.

    Returns (len(lists), width) doubles, or None where one is no such list; whoever asked finds out which and why.
    """
    text = b"\n".join(lists)
    if b" " in text:
        text = text.replace(b", ", b",")
    raw = np.frombuffer(b"".join((text, b"\n", b"0" * _PAD)), np.uint8)
    marks = raw < _MINUS
    end = np.flatnonzero(marks)
    if len(end) != len(lists) * width or not _ends_at(raw[end], width):
        return None
    if b"/" in text:  # alone between point and digits
        return None
    start = np.zeros_like(end)
    np.add(end[:-1], 1, out=start[1:])
    negative = raw[start] == _MINUS if b"-" in text else np.zeros(len(end), bool)
    start += negative
    length = end - start
    odd = length > 2 * _WORD
    if raw.max() > _NINE:
        odd[np.searchsorted(end, np.flatnonzero(raw > _NINE))] = True
    length[odd] = 0
    values = _decimals(raw, start, length, odd)
    if values is None:
        return None
    values[negative] *= -1.0
    minuses = np.count_nonzero(negative)
    for number in np.flatnonzero(odd):
        token = raw[start[number] - negative[number] : end[number]].tobytes()
        minuses += token.count(b"-", 1)
        values[number] = float(token) if _JSON_NUMBER.fullmatch(token) else np.inf
        if not np.isfinite(values[number]):
            return None
    return values.reshape(len(lists), width) if text.count(b"-") == minuses else None


def _ends_at(kinds: NDArray[np.uint8], width: int) -> bool:
    """Whether a list ends at every `width`-th mark, and all others are commas."""
    kinds = kinds.reshape(-1, width)
    return bool((kinds[:, -1] == _END).all() and (kinds[:, :-1] == _COMMA).all())


def _decimals(raw: NDArray[np.uint8], start: Indices, length: Indices, odd: NDArray[np.bool_]) -> Floats | None:
    """Return numbers without a sign of up to 16 characters, None where one is none; what is `odd` may come out as anything.

    Numbers of more than eight characters without a point among the first eight are marked as odd.
    """
    words: Words = np.ndarray((len(raw) - _WORD + 1,), "<u8", raw, strides=(1,))
    first = words[start]
    first[odd] = _ZERO
    digits, places, sound = _digits(first, _FIRST.take(length, mode="clip"))
    if not sound or (places == length).any() or (places == 1).any() or ((digits < 10**7) & (places != 2)).any():
        return None  # a point behind or before all digits, or a zero before others
    values = digits.astype(np.float64)
    values /= _SCALE.take(places, mode="clip")
    long = np.flatnonzero(length > _WORD)
    if len(long):
        odd[long[places[long] == 0]] = True
        long = long[places[long] > 0]
        more, ends, sound = _digits(words[start[long] + _WORD], _FIRST[length[long] - _WORD])
        if not sound or (ends != (length[long] - _WORD + 1) % (_WORD + 1)).any():
            return None
        values[long] = (digits[long] * 10**7 + more) / (_SCALE[places[long]] * 1e7)
    return values


def _digits(words: Words, kept: Words) -> tuple[Indices, Indices, bool]:
    """Return the integers that words' characters before and behind a point spell, filled up with zeros to eight digits.

    words: characters, the first in the lowest byte; overwritten. kept: a `_FIRST` of each. Also returns how many digits are
    before the point or, without a point, in all; plus one, and 0 for eight. And whether they are digits; letters may pass.
    """
    point = ~words & _NO_DIGIT
    point &= -point
    point >>= _FOUR
    words &= kept
    before = point - _ONE
    before &= words
    words &= -(point << _EIGHT)
    words >>= _EIGHT
    words |= before
    sound = not np.bitwise_or.reduce(words + _BEYOND_NINE) & _CARRY
    words *= _TEN
    words >>= _EIGHT
    words &= _PAIRS
    words *= _HUNDRED
    words >>= _EIGHT + _EIGHT
    words &= _FOURS
    words *= _MYRIAD
    words >>= _EIGHT * _FOUR
    point *= _PLACES
    point >>= _TOP
    return words.view(np.int64), point.view(np.int64), sound
