# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone names as rigs write them, brought to one form: 'mixamorig:LeftUpLeg.001' is ('upleg', 'L')."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SUFFIX = re.compile(r"[._](\d{3,})$")
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SIDE = {"l": "L", "left": "L", "r": "R", "right": "R", "lt": "L", "rt": "R"}
_PREFIX_SHARE = 0.6
"""A prefix is dropped where so many of the bones have it."""
_NAMESPACE = re.compile(r"^(?:.*[:|])")
_PREFIX = re.compile(r"^(?:mixamorig\d*_|[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*?[_\- ])")
_KNOWN = re.compile(r"^(?:mixamorig\d*|J_Bip|CC_Base|Bip\d+|Character\d*|ValveBiped)[_\-. :]+")


@dataclass(frozen=True)
class PlainName:
    """A bone's name without prefix, suffix and side. base: lower-case letters and digits; side: 'L', 'R' or ''."""

    base: str
    side: str


def plain_names(names: Sequence[str]) -> list[PlainName]:
    """Bring the names of one armature's bones to their plain forms.

    Dropped are namespaces, prefixes that most bones share, and numbers such as .001 where they tell no two bones apart.
    """
    stripped = [_NAMESPACE.sub("", name) for name in names]
    stripped = _without_copies_number(stripped)
    stripped = _without_common_prefix(stripped)
    return [plain_name(name) for name in stripped]


def plain_name(name: str) -> PlainName:
    """Split a name into its base and side, wherever and however the side is written."""
    words = _WORDS.findall(name)
    lower = [word.lower() for word in words]
    for position in _side_positions(lower):
        if lower[position] in _SIDE and len(words) > 1:
            # 'l' and 'r' in the middle of camel case ('armLower') are no words of their own, so a letter counts as it is.
            rest = lower[:position] + lower[position + 1 :]
            return PlainName("".join(rest), _SIDE[lower[position]])
    return PlainName("".join(lower), "")


def _side_positions(words: list[str]) -> list[int]:
    """Return where a side may stand, the likeliest first: the end, the start, before a number, anywhere."""
    last = len(words) - 1
    places = [last, 0, *range(1, last)]
    return [place for place in places if 0 <= place <= last]


def _without_copies_number(names: list[str]) -> list[str]:
    """Drop a number at the end that most names carry, and any that leaves a name unlike all others' beginnings."""
    endings = Counter(match[1] for name in names if (match := _SUFFIX.search(name)))
    if not endings:
        return names
    ending, count = endings.most_common(1)[0]
    if count < _PREFIX_SHARE * len(names):
        return names
    return [re.sub(rf"[._]{ending}$", "", name) for name in names]


def _without_common_prefix(names: list[str]) -> list[str]:
    """Drop a known prefix from every name that has it, and an unknown one, of two letters or more, that most names share."""
    for _ in range(2):  # "ValveBiped.Bip01_L_Thigh"
        names = [_KNOWN.sub("", name) or name for name in names]
    counts = Counter(match[0] for name in names if (match := _PREFIX.match(name)) and 2 < len(match[0]) < len(name))
    if counts:
        prefix, count = counts.most_common(1)[0]
        if count >= _PREFIX_SHARE * len(names):
            return [name.removeprefix(prefix) for name in names]
    return names
