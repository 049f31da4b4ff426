# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that fits: Blender's labels are cut off at the panel's edge."""

from __future__ import annotations

import re
from typing import Any

import blf
import bpy

from ..operators.languages import told

MARGIN = 56
"""Pixels at 1x that tabs, panel and label take from the region's width."""
ICON = 20
"""Pixels at 1x of one icon's width."""
FONT = 0
"""Blender's interface font."""


def wrapped(context: bpy.types.Context, text: str, indent: int = 0) -> list[str]:
    """Break a text into lines that fit the region's width, less `indent` icons, in the user's language.

    Lines break at spaces, and between any two characters of scripts that are written without.
    """
    scale, points = 1.0, 11.0
    if context.preferences:
        scale, points = context.preferences.system.ui_scale, context.preferences.ui_styles[0].widget.points
    room = (context.region.width if context.region else 300) - (MARGIN + indent * ICON) * scale
    blf.size(FONT, points * scale)
    broken = [""]
    for piece in pieces(told(text)):
        longer = broken[-1] + piece
        if broken[-1].strip() and blf.dimensions(FONT, longer.rstrip())[0] > room:
            broken.append(piece.lstrip())
        else:
            broken[-1] = longer
    return [line.rstrip() for line in broken]


def pieces(text: str) -> list[str]:
    """Cut a text where a line may end: before spaces, and around Chinese characters and kana, but not before punctuation."""
    return _PIECE.findall(text)


def lines(context: bpy.types.Context, layout: Any, text: str, icon: str = "NONE") -> None:
    """Draw a text as labels, broken to the region's width, with an icon on the first."""
    column = layout.column(align=True)
    for number, line in enumerate(wrapped(context, text, 0 if icon == "NONE" else 1)):
        column.label(text=line, icon=icon if number == 0 else "NONE" if icon == "NONE" else "BLANK1", translate=False)


_WIDE = "\u3040-\u30ff\u3400-\u9fff"
_CLOSING = "、。」』）：；，・ー？！"
_PIECE = re.compile(f"\\s*(?:[{_WIDE}][{_CLOSING}]*|[^\\s{_WIDE}]+[{_CLOSING}]*|$)")
