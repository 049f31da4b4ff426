# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line needs Blender for, and what to do where it is not there."""

from __future__ import annotations

import importlib.util

from ..core.errors import OutputError


def has_blender() -> bool:
    """Return whether this is Blender, or its module is there."""
    return importlib.util.find_spec("bpy") is not None


def need_blender(what: str) -> None:
    """Raise `OutputError` where Blender is not there. what: is wanted of it, as the beginning of a sentence."""
    if not has_blender():
        raise OutputError(f"{what}; run this in Blender, or install its module: pip install bpy.")
