# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab Poselift below its source: actor and camera, lift, result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..core.lifter.device import has_torch
from ..operators import session
from ..operators.go_to_frame import POSELIFT_OT_go_to_frame
from ..operators.languages import OWN
from ..operators.lift import POSELIFT_OT_lift, POSELIFT_OT_solve_again
from ..operators.preview import POSELIFT_OT_preview
from ..operators.settings import settings_of
from ..operators.torch_hint import POSELIFT_OT_copy_torch_command
from ..operators.torch_install import POSELIFT_OT_install_torch
from .presets import POSELIFT_PT_presets
from .progress import draw_progress
from .sidebar import SidebarPanel, properties
from .text import lines
from .weights_menu import draw_weights


class POSELIFT_PT_actor(SidebarPanel, bpy.types.Panel):
    """The person and the camera"""

    bl_label = "Actor and Camera"
    bl_idname = "POSELIFT_PT_actor"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what is known of the person and of the camera."""
        settings = settings_of(context)
        column = properties(self).column()
        column.enabled = session.running() is None
        column.prop(settings, "actor_height")
        column.prop(settings, "contacts")
        column.separator()
        column.prop(settings, "camera_mode")
        if settings.camera_mode == "scene":
            column.prop(settings, "scene_camera")
            if settings.clip is None:
                column.prop(settings, "scene_start")
        column.prop(settings, "lens")
        if settings.lens in ("FOV", "FILE"):
            column.prop(settings, "fov" if settings.lens == "FOV" else "calibration")


class POSELIFT_PT_lift(SidebarPanel, bpy.types.Panel):
    """Settings of the lift, and the button that starts it"""

    bl_label = "Lift"
    bl_translation_context = OWN
    bl_idname = "POSELIFT_PT_lift"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        """Draw the menu of presets."""
        POSELIFT_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings, then the button or the progress of what runs."""
        settings = settings_of(context)
        layout = properties(self)
        column = layout.column()
        column.enabled = session.running() is None
        draw_weights(column, settings.weights, "SCENE")
        for name in ("device", "smoothing"):
            column.prop(settings, name)
        column.separator()
        for name in ("rest", "bone_names", "thin"):
            column.prop(settings, name)
        if draw_progress(context, layout):
            return
        large = layout.column(align=True)
        large.scale_y = 1.5
        large.operator(POSELIFT_OT_lift.bl_idname, icon="ARMATURE_DATA")
        if settings.lift_id:
            layout.operator(POSELIFT_OT_solve_again.bl_idname, icon="FILE_REFRESH")
        if not has_torch():
            hint = layout.box().column(align=True)
            lines(context, hint, "PyTorch is missing", "ERROR")
            lines(context, hint, "Install it here; the preferences also take it from a folder or an environment")
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
        settings = settings_of(context)
        for entry in settings.result.replace(settings.source, Path(settings.source).name).split("\n"):
            warning = entry.startswith("warning: ")
            lines(context, layout, entry.removeprefix("warning: "), "ERROR" if warning else "NONE")
        frames = settings.worst.split()
        if frames and context.scene is not None:
            layout.label(text="Frames to look at", icon="VIEWZOOM")
            grid = layout.grid_flow(row_major=True, columns=5, align=True)
            for frame in frames[:10]:
                here = context.scene.frame_current == int(frame)
                grid.operator(POSELIFT_OT_go_to_frame.bl_idname, text=frame, depress=here).frame = int(frame)
        layout.prop(settings, "preview")
        layout.operator(POSELIFT_OT_preview.bl_idname, icon="RENDER_ANIMATION")


CLASSES = (POSELIFT_PT_actor, POSELIFT_PT_lift, POSELIFT_PT_result)
