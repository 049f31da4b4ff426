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

    from . import panel, preferences, retarget_panel, source_panel, training_panel, weights_menu

    try:
        modules = (preferences, weights_menu, source_panel, panel, retarget_panel, training_panel)
        for part in (part for module in modules for part in module.CLASSES):
            bpy.utils.register_class(part)
            _registered.append(part)
    except BaseException:
        unregister()
        raise
    _use_preferences()


def _use_preferences() -> None:
    """Look for PyTorch in the environment that the preferences name, and for weights in their folder."""
    import bpy

    from .. import __package__ as package
    from ..operators import weights_place
    from ..operators.torch_place import activate

    context: Any = bpy.context
    addon = context.preferences.addons.get(str(package))
    if addon is not None and addon.preferences is not None:
        activate(addon.preferences.environment)
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
