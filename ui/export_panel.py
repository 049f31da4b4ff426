# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Export: a button for every format, each with the settings that the programs of that format want."""

from __future__ import annotations

import bpy

from ..operators.export import FORMATS, POSELIFT_OT_export, armature_in
from ..operators.languages import told
from ..scene.compat import has_usd
from .sidebar import SidebarPanel
from .text import lines


class POSELIFT_PT_export(SidebarPanel, bpy.types.Panel):
    """Write an armature's motion to a file for other programs"""

    bl_label = "Export"
    bl_idname = "POSELIFT_PT_export"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what would be exported, and the buttons."""
        layout = self.layout
        assert layout is not None and context.scene is not None
        armature, scene = armature_in(context), context.scene
        if armature is not None:
            layout.label(text=armature.name, icon="ARMATURE_DATA", translate=False)
            layout.label(text=told(f"Frames {scene.frame_start} to {scene.frame_end}"))
        else:
            lines(context, layout, "Select an armature to export it", "INFO")
        grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
        for ending, name, _ in FORMATS:
            cell = grid.row(align=True)
            cell.enabled = ending != ".usd" or has_usd()
            cell.operator(POSELIFT_OT_export.bl_idname, text=name, icon="EXPORT").ending = ending
        if not has_usd():
            lines(context, layout, "This Blender was built without USD", "INFO")


CLASSES = (POSELIFT_PT_export,)
