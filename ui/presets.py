# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of presets in a panel's header."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.presets import MENU, SUBFOLDER, POSELIFT_OT_add_preset


class POSELIFT_PT_presets(PresetPanel, bpy.types.Panel):
    """Presets of the settings of lifting and cleaning"""

    bl_idname = MENU
    bl_label = "Lift Presets"
    preset_subdir = SUBFOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = POSELIFT_OT_add_preset.bl_idname


CLASSES = (POSELIFT_PT_presets,)
