# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences say of new scenes: taken over when keypoints are imported, where nothing was set by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from .. import __package__ as package

if TYPE_CHECKING:
    from .settings import PoseliftSettings

DEFAULTS = ("actor_height", "contacts", "smoothing", "camera_mode", "device")
"""Settings of a scene that the preferences have too, under the same names."""


def preferences() -> Any:
    """Return the extension's preferences; None where Poselift runs as no extension."""
    context: Any = bpy.context
    addon = context.preferences.addons.get(str(package))
    return addon.preferences if addon is not None else None


def use_defaults(settings: PoseliftSettings) -> None:
    """Give a scene's settings that were never touched the values that the preferences have."""
    usual = preferences()
    for name in DEFAULTS if usual is not None else ():
        if not settings.is_property_set(name):
            setattr(settings, name, getattr(usual, name))
