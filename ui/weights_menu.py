# SPDX-License-Identifier: GPL-3.0-or-later
"""The menus of weights: those that come with Poselift, and one's own. Names, not numbers: files come and go."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.lifter import weights
from ..operators import weights_place
from ..operators.own_weights import POSELIFT_OT_use_weights

LABEL_SHARE = 0.4
"""Of a row, as in Blender's own two columns."""
_NAMES = {"SCENE": "Weights", "TRAINING": "Begin With", "PREFERENCES": "Default Weights"}


class _WeightsMenu:
    """Weights to choose from for one purpose."""

    place = ""

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the preferences' choice, then all that there are."""
        layout: Any = self.layout  # type: ignore[attr-defined] # Blender's
        weights_place.activate()
        usual = weights.DEFAULT if self.place == "PREFERENCES" else weights_place.chosen()
        self._entry(layout, "", f"Default ({usual})")
        layout.separator()
        for name in weights.shipped():
            self._entry(layout, name, name)
        own = weights.own()
        if own:
            layout.separator()
        for name in own:
            self._entry(layout, name, name, "USER")

    def _entry(self, layout: Any, name: str, text: str, icon: str = "NONE") -> None:
        entry = layout.operator(POSELIFT_OT_use_weights.bl_idname, text=text, icon=icon)
        entry.name, entry.place = name, self.place


class POSELIFT_MT_weights_scene(_WeightsMenu, bpy.types.Menu):
    """Weights to lift with in this scene"""

    bl_label = "Weights"
    bl_idname = "POSELIFT_MT_weights_scene"
    place = "SCENE"


class POSELIFT_MT_weights_training(_WeightsMenu, bpy.types.Menu):
    """Weights to begin training with"""

    bl_label = "Begin With"
    bl_idname = "POSELIFT_MT_weights_training"
    place = "TRAINING"


class POSELIFT_MT_weights_preferences(_WeightsMenu, bpy.types.Menu):
    """Weights of scenes that name none"""

    bl_label = "Default Weights"
    bl_idname = "POSELIFT_MT_weights_preferences"
    place = "PREFERENCES"


def draw_weights(layout: Any, name: str, place: str) -> None:
    """Draw a row with the weights that are chosen for a place, and the menu to choose others."""
    usual = weights.DEFAULT if place == "PREFERENCES" else weights_place.chosen()
    row = layout.split(factor=LABEL_SHARE)
    label = row.row()
    label.alignment = "RIGHT"
    label.label(text=_NAMES[place])
    row.menu(f"POSELIFT_MT_weights_{place.lower()}", text=name or usual)


CLASSES = (POSELIFT_MT_weights_scene, POSELIFT_MT_weights_training, POSELIFT_MT_weights_preferences)
