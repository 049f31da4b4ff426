# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that fits: Blender's labels are cut off at the panel's edge."""

from __future__ import annotations

import blf
import bpy

MARGIN = 56
"""Pixels at 1x that tabs, panel and label take from the region's width."""
ICON = 20
"""Pixels at 1x of one icon's width."""
FONT = 0
"""Blender's interface font."""


def wrapped(context: bpy.types.Context, text: str, indent: int = 0) -> list[str]:
    """Break a text at its spaces into lines that fit the region's width, less `indent` icons."""
    scale, points = 1.0, 11.0
    if context.preferences:
        scale, points = context.preferences.system.ui_scale, context.preferences.ui_styles[0].widget.points
    room = (context.region.width if context.region else 300) - (MARGIN + indent * ICON) * scale
    blf.size(FONT, points * scale)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and blf.dimensions(FONT, longer)[0] > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
