# SPDX-License-Identifier: GPL-3.0-or-later
"""What a naming family is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..roles import FINGERS


@dataclass(frozen=True)
class Family:
    """A family's name, what to call it, and its table from bases to roles without side.

    glued: sides are written onto the base as one letter without a break ('lfemur').
    output: role to bone name, for armatures that Poselift makes; {L} stands for the side. Empty: cannot be made.
    sides: what {L} becomes, left and right.
    """

    name: str
    label: str
    table: Mapping[str, str]
    glued: bool = False
    output: Mapping[str, str] = field(default_factory=dict)
    sides: tuple[str, str] = ("L", "R")


def table(**roles: str | Iterable[str]) -> dict[str, str]:
    """Turn role=names into a table by name; 'spine_1' means the role spine.1, 'thumb_1' thumb.1."""
    found: dict[str, str] = {}
    for key, names in roles.items():
        part, _, number = key.rpartition("_")
        role = f"{part}.{number}" if number.isdigit() else key
        for name in names.split() if isinstance(names, str) else names:
            found[name] = role
    return found


def fingers(pattern: str, names: Mapping[str, str] | None = None, first: int = 1, count: int = 3) -> dict[str, str]:
    """Return the table of all fingers' bones named by a pattern such as '{finger}{number:02}'.

    names: what the family calls a finger, where not as here. first: number of the bone next to the palm.
    """
    names = names or {}
    return {
        pattern.format(finger=names.get(finger, finger), number=first + i): f"{finger}.{i + 1}"
        for finger in FINGERS
        for i in range(count)
    }
