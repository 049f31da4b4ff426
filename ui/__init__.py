# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels and preferences: they draw, and change nothing. Importing this needs no Blender; `register` does."""

from __future__ import annotations

_registered: list[type] = []


def register() -> None:
    """Register panels and preferences. Twice is once."""
    if _registered:
        return
    import bpy

    from . import panel, preferences, retarget_panel, source_panel

    try:
        for part in (*preferences.CLASSES, *source_panel.CLASSES, *panel.CLASSES, *retarget_panel.CLASSES):
            bpy.utils.register_class(part)
            _registered.append(part)
    except BaseException:
        unregister()
        raise


def unregister() -> None:
    """Undo `register`, last things first."""
    if not _registered:
        return
    import bpy

    from ..scene import preview

    preview.forget()
    while _registered:
        bpy.utils.unregister_class(_registered.pop())
