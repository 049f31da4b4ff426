# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of the lift's settings, by Blender's own preset system: small files in the user's folder of scripts."""

from __future__ import annotations

import bpy
from bl_operators.presets import AddPresetBase

SUBFOLDER = "poselift/lift"
MENU = "POSELIFT_PT_presets"
NAMES = (
    *("actor_height", "contacts", "smoothing", "camera_mode", "lens", "fov", "weights", "device", "rest", "bone_names", "thin"),
    *(f"cleaning.{name}" for name in ("use_gate", "gate", "use_swaps", "use_outliers", "use_fill", "longest_gap")),
)
"""Settings that are a way of working; what belongs to one clip (rate, size, files, people) is none."""


class POSELIFT_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Add the settings of lifting and cleaning as a preset, or remove the chosen one"""

    bl_idname = "poselift.add_preset"
    bl_label = "Add Lift Preset"
    preset_menu = MENU
    preset_subdir = SUBFOLDER
    preset_defines = ("settings = bpy.context.scene.poselift",)
    preset_values = tuple(f"settings.{name}" for name in NAMES)


CLASSES = (POSELIFT_OT_add_preset,)
