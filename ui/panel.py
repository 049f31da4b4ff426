# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab Poselift below its source: actor and camera, lift, result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..core.lifter.device import has_torch
from ..operators import session
from ..operators.go_to_frame import POSELIFT_OT_go_to_frame
from ..operators.lift import POSELIFT_OT_lift
from ..operators.preview import POSELIFT_OT_preview
from ..operators.settings import settings_of
from ..operators.torch_hint import POSELIFT_OT_copy_torch_command
from ..operators.torch_install import POSELIFT_OT_install_torch
from .sidebar import SidebarPanel, properties
from .text import wrapped
from .weights_menu import draw_weights


class POSELIFT_PT_lift(SidebarPanel, bpy.types.Panel):
    """Settings of the lift, and the button that starts it"""

    bl_label = "Lift"
    bl_idname = "POSELIFT_PT_lift"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings, then the button or the progress of what runs."""
        settings = settings_of(context)
        layout = properties(self)
        job = session.running()
        column = layout.column()
        column.enabled = job is None
        column.prop(settings, "actor_height")
        column.prop(settings, "contacts")
        column.prop(settings, "smoothing")
        column.prop(settings, "camera_mode")
        if settings.camera_mode == "scene":
            column.prop(settings, "scene_camera")
            if settings.clip is None:
                column.prop(settings, "scene_start")
        column.prop(settings, "lens")
        if settings.lens in ("FOV", "FILE"):
            column.prop(settings, "fov" if settings.lens == "FOV" else "calibration")
        draw_weights(column, settings.weights, "SCENE")
        column.prop(settings, "device")
        for name in ("rest", "bone_names", "thin"):
            column.prop(settings, name)
        if job is not None:
            share, stage = job.progress
            layout.progress(factor=share, text="Stopping…" if job.cancelling else stage.capitalize() or "Starting")
            layout.label(text="Esc stops it and changes nothing")
            return
        large = layout.row()
        large.scale_y = 1.5
        large.operator(POSELIFT_OT_lift.bl_idname, icon="ARMATURE_DATA")
        if not has_torch():
            hint = layout.box().column(align=True)
            hint.label(text="PyTorch is missing", icon="ERROR")
            for line in wrapped(context, "Install it here; the preferences also take it from a folder or an environment.", 1):
                hint.label(text=line)
            hint.operator(POSELIFT_OT_install_torch.bl_idname, icon="IMPORT")
            hint.operator(POSELIFT_OT_copy_torch_command.bl_idname, icon="COPYDOWN")


class POSELIFT_PT_result(SidebarPanel, bpy.types.Panel):
    """What the last lift says about itself"""

    bl_label = "Result"
    bl_idname = "POSELIFT_PT_result"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once there is a result."""
        return context.scene is not None and bool(settings_of(context).result)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the report, warnings marked."""
        layout: Any = self.layout
        column = layout.column(align=True)
        settings = settings_of(context)
        for entry in settings.result.replace(settings.source, Path(settings.source).name).split("\n"):
            warning = entry.startswith("warning: ")
            for number, line in enumerate(wrapped(context, entry.removeprefix("warning: "), 2 if warning else 0)):
                icon = "ERROR" if warning and number == 0 else "BLANK1" if warning else "NONE"
                column.label(text=line, icon=icon)
            column.separator(factor=0.5)
        frames = settings.worst.split()
        if frames:
            layout.label(text="Frames to look at", icon="VIEWZOOM")
            grid = layout.grid_flow(row_major=True, columns=5, align=True)
            for frame in frames[:10]:
                grid.operator(POSELIFT_OT_go_to_frame.bl_idname, text=frame).frame = int(frame)
        layout.prop(settings, "preview")
        layout.operator(POSELIFT_OT_preview.bl_idname, icon="RENDER_ANIMATION")


CLASSES = (POSELIFT_PT_lift, POSELIFT_PT_result)
