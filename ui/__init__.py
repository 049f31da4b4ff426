# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels and preferences: they draw, and change nothing. Importing this needs no Blender; `register` does."""

from __future__ import annotations

from typing import Any

_registered: list[type] = []


def register() -> None:
    """Register panels and preferences. Twice is once."""
    if _registered:
        return
    import bpy

    from . import (
        clip_panel,
        export_panel,
        panel,
        preferences,
        presets,
        retarget_panel,
        source_panel,
        training_panel,
        weights_menu,
    )

    # The order of the panels in the tab.
    modules: tuple[Any, ...] = (preferences, presets, weights_menu, source_panel, panel, retarget_panel, export_panel)
    modules += (training_panel, clip_panel)
    try:
        for part in (part for module in modules for part in module.CLASSES):
            bpy.utils.register_class(part)
            _registered.append(part)
    except BaseException:
        unregister()
        raise
    _use_preferences()


def _use_preferences() -> None:
    """Look for PyTorch in the environment that the preferences name, and for weights in their folder."""
    from ..operators import weights_place
    from ..operators.defaults import preferences
    from ..operators.torch_place import activate

    usual = preferences()
    if usual is not None:
        activate(usual.environment)
        weights_place.activate()


def unregister() -> None:
    """Undo `register`, last things first."""
    if not _registered:
        return
    import bpy

    from ..scene import preview

    preview.forget()
    while _registered:
        bpy.utils.unregister_class(_registered.pop())
