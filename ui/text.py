# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that fits: Blender's labels are cut off at the panel's edge."""

from __future__ import annotations

import textwrap

import blf
import bpy

MARGIN = 34
"""Pixels at 1x that panel and label take from the region's width on both sides."""
ICON = 20
"""Pixels at 1x of one icon's width."""


def wrapped(context: bpy.types.Context, text: str, indent: int = 0) -> list[str]:
    """Break a text into lines that fit the region's width, less `indent` icons."""
    scale = context.preferences.system.ui_scale if context.preferences else 1.0
    width = (context.region.width if context.region else 300) - (MARGIN + indent * ICON) * scale
    blf.size(0, 11 * scale)
    letter = max(blf.dimensions(0, "etaoin shrdlu 0123")[0] / 18, 1.0)
    return textwrap.wrap(text, max(12, int(width / letter))) or [""]
