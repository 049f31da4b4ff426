# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Retarget: source, target, the list of bones by role, the button, and what the last run says."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.rig.roles import REQUIRED
from ..operators import session
from ..operators.languages import told
from ..operators.retarget import (
    POSELIFT_OT_load_bone_map,
    POSELIFT_OT_map_bones,
    POSELIFT_OT_retarget,
    POSELIFT_OT_save_bone_map,
)
from ..operators.retarget_settings import retarget_settings_of
from .progress import draw_progress
from .sidebar import RowList, SidebarPanel, properties
from .text import lines


class POSELIFT_UL_bones(RowList, bpy.types.UIList):
    """The roles of a body and the bones that play them"""

    def draw_row(self, context: bpy.types.Context, layout: Any, item: Any) -> None:
        """Draw one role, its bone to be chosen from the target's."""
        row = layout.split(factor=0.42, align=True)
        needed = item.name in REQUIRED and not item.bone
        row.label(text=told(readable(item.name)), icon="ERROR" if needed else "NONE")
        target = retarget_settings_of(context).target or context.active_object
        if target is not None and target.type == "ARMATURE":
            row.prop_search(item, "bone", target.data, "bones", text="", icon="BONE_DATA")
        else:
            row.prop(item, "bone", text="")


class POSELIFT_PT_retarget(SidebarPanel, bpy.types.Panel):
    """Put a motion onto a character"""

    bl_label = "Retarget"
    bl_idname = "POSELIFT_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw from source to result."""
        settings = retarget_settings_of(context)
        layout = properties(self)
        column = layout.column()
        column.enabled = session.running() is None
        column.prop(settings, "source", icon="ARMATURE_DATA")
        column.prop(settings, "target", icon="ARMATURE_DATA")
        column.prop(settings, "family")
        row = layout.row(align=True)
        row.operator(POSELIFT_OT_map_bones.bl_idname, icon="VIEWZOOM")
        row.operator(POSELIFT_OT_load_bone_map.bl_idname, text="", icon="FILE_FOLDER")
        row.operator(POSELIFT_OT_save_bone_map.bl_idname, text="", icon="FILE_TICK")
        if len(settings.bones):
            layout.template_list("POSELIFT_UL_bones", "", settings, "bones", settings, "bone_index", rows=5, maxrows=12)
        options = layout.column()
        options.enabled = session.running() is None
        options.prop(settings, "pin_feet")
        options.prop(settings, "root_motion")
        scale = options.row(heading="Path Scale")
        scale.prop(settings, "use_scale", text="")
        value = scale.row()
        value.active = settings.use_scale
        value.prop(settings, "scale", text="")
        options.prop(settings, "thin")
        if not draw_progress(context, layout):
            large = layout.row()
            large.scale_y = 1.5
            large.operator(POSELIFT_OT_retarget.bl_idname, icon="CON_ARMATURE")
        for note in filter(None, settings.result.split("\n")):
            lines(context, layout, note, "INFO")


def readable(role: str) -> str:
    """Return a role as people read it: 'upper_arm.L' is 'Upper Arm L'."""
    return role.replace("_", " ").replace(".", " ").title()


CLASSES = (POSELIFT_UL_bones, POSELIFT_PT_retarget)
