# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a human body that bones of any rig are told by, and how they hang together.

A role is a name such as 'hips', 'spine.2', 'upper_arm.L' or 'index.1.R'. Spine and neck have as many roles as the rig has
bones there, counted from below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SIDES = ("L", "R")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
ARM = ("shoulder", "upper_arm", "forearm", "hand")
LEG = ("thigh", "shin", "foot", "toe")
TWISTS = ("upper_arm_twist", "forearm_twist", "thigh_twist", "shin_twist")
"""Bones beside a limb that take a share of its twist; numbered, since there may be several."""
REQUIRED = (
    "hips",
    "spine.1",
    *(f"{part}.{side}" for side in SIDES for part in ("upper_arm", "forearm", "thigh", "shin")),
)
"""Without these a rig cannot take a human's motion."""

_CHAIN = re.compile(r"(spine|neck)\.([1-9]\d?)")
_SIDED = re.compile(rf"(?:({'|'.join(ARM + LEG)})|({'|'.join(TWISTS)})\.[1-9]|({'|'.join(FINGERS)})\.[1-4])\.[LR]")


def is_role(name: str) -> bool:
    """Return whether a name is a role's."""
    return name in ("root", "hips", "head") or bool(_CHAIN.fullmatch(name) or _SIDED.fullmatch(name))


def mirrored(role: str) -> str:
    """Return the role on the other side; a middle one is its own."""
    if role.endswith(".L"):
        return f"{role[:-2]}.R"
    return f"{role[:-2]}.L" if role.endswith(".R") else role


def chain(roles: Iterable[str], part: str) -> list[str]:
    """Return those of some roles that are numbered parts of the spine or neck, from below."""
    found = [match for role in roles if (match := _CHAIN.fullmatch(role)) and match[1] == part]
    return [match[0] for match in sorted(found, key=lambda match: int(match[2]))]


def sort_key(role: str) -> tuple[int, int, int, str]:
    """Return what puts roles into the order of a body: root, hips, spine, neck, head, then arm, fingers and leg by side."""
    if role in ("root", "hips"):
        return (0, int(role == "hips"), 0, "")
    if match := _CHAIN.fullmatch(role):
        return (1, int(match[1] == "neck"), int(match[2]), "")
    if role == "head":
        return (2, 0, 0, "")
    part, _, rest = role.partition(".")
    order = (*ARM, *FINGERS, *LEG, *TWISTS)
    number = int(rest[0]) if rest[0].isdigit() else 0
    return (3 + (rest[-1] == "R"), order.index(part), number, role)
