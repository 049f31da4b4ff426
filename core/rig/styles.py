# SPDX-License-Identifier: GPL-3.0-or-later
"""What an armature that Poselift makes can look like: T-pose or A-pose at rest, bones named as another program names them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import SettingsError
from ..rotation import matrix_from_axis_angle
from .bones import BoneTable, Vector
from .families import FAMILIES
from .performance import ROLE_OF

RESTS = ("T", "A")
NAMINGS = tuple(family.name for family in FAMILIES.values() if family.output)
"""Families whose names an armature can be made with."""
LOWERED = np.radians(45.0)
"""Angle below the horizontal of the arms in an A-pose."""
_ARMS = ("upper_arm", "forearm", "hand")


def styled(table: BoneTable, rest: str = "T", names: str = "plain") -> BoneTable:
    """Return a table with another rest pose or other names; a table of no human keeps both.

    Raises `SettingsError` where there is no such rest pose or naming.
    """
    if rest not in RESTS:
        raise SettingsError(f"a rest pose is {' or '.join(RESTS)}, not '{rest}'.")
    if names not in NAMINGS:
        raise SettingsError(f"bones can be named as {', '.join(NAMINGS)}, not '{names}'.")
    bones = table.bones
    if not {"pelvis", "upper_arm.L", "thigh.L"} <= set(table.names):
        return table
    carried = table.carried
    if rest == "A":
        bones = tuple(
            replace(bone, direction=_lowered(bone.direction, bone.name), x_axis=_lowered(bone.x_axis, bone.name))
            for bone in bones
        )
        carried = tuple((joint, bone, _lowered(direction, bone)) for joint, bone, direction in carried)
    if names != "plain":
        bones = tuple(replace(bone, label=_label(bone.name, names)) for bone in bones)
    return replace(table, bones=bones, carried=carried)


def _lowered(vector: Vector, bone: str) -> Vector:
    """Return a direction on an arm's bone turned down about the body's front; on another bone as it is."""
    part, _, side = bone.partition(".")
    if part not in _ARMS:
        return vector
    turn = matrix_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(LOWERED if side == "L" else -LOWERED))
    x, y, z = turn @ np.array(vector)
    return (float(x), float(y), float(z))


def _label(name: str, names: str) -> str:
    """Return what a family calls one of Poselift's bones."""
    family = FAMILIES[names]
    side = name.partition(".")[2]
    role = ROLE_OF.get(name, name).removesuffix(f".{side}") if side else ROLE_OF[name]
    return family.output[role].replace("{L}", family.sides[side == "R"]) if role in family.output else name
