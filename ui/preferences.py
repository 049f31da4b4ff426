# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's preferences: PyTorch (what is there, three ways to get it), and weights."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import Any

import bpy

from .. import __package__ as package
from ..core.lifter.device import has_torch
from ..operators import session
from ..operators.torch_hint import POSELIFT_OT_copy_torch_command
from ..operators.torch_install import KINDS, POSELIFT_OT_install_torch, POSELIFT_OT_remove_torch
from ..operators.torch_state import POSELIFT_OT_find_devices, POSELIFT_OT_use_environment, devices, where_from
from .sidebar import properties
from .text import wrapped
from .weights_menu import draw_weights


class PoseliftPreferences(bpy.types.AddonPreferences):
    """Poselift's entry in Preferences > Add-ons."""

    bl_idname = str(package)

    kind: bpy.props.EnumProperty(name="Install", description="Which PyTorch, and from where", items=KINDS, default="CPU")
    wheels: bpy.props.StringProperty(
        name="Wheels", description="Folder with the wheels of torch and what it needs, for this Python", subtype="DIR_PATH"
    )
    environment: bpy.props.StringProperty(
        name="Environment",
        description="Folder of a Python environment that has PyTorch, of the same Python version as Blender's",
        subtype="DIR_PATH",
    )

    weights_folder: bpy.props.StringProperty(
        name="Weights Folder",
        description="Folder of the weights that you train; empty for the one that Blender keeps for Poselift",
        subtype="DIR_PATH",
    )
    default_weights: bpy.props.StringProperty(
        name="Default Weights", description="What scenes lift with that name no weights; empty for Poselift's own"
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the weights' folder, torch's state, then the ways to have it."""
        layout = properties(self)
        draw_weights(layout, self.default_weights, "PREFERENCES")
        layout.prop(self, "weights_folder")
        layout.separator()
        header = layout.column(align=True)
        if has_torch():
            header.label(text=f"PyTorch {where_from()}", icon="CHECKMARK")
            row = layout.row()
            row.label(text=devices() or "Devices are found when PyTorch is first used")
            row.operator(POSELIFT_OT_find_devices.bl_idname, icon="FILE_REFRESH")
        else:
            header.label(text="PyTorch is missing: everything works but lifting", icon="ERROR")
        job = session.running()
        if job is not None:
            share, stage = job.progress
            layout.progress(factor=share, text=stage or "Starting")
            layout.label(text="Esc stops it and changes nothing")
            return
        self._draw_ways(context, layout)

    def _draw_ways(self, context: bpy.types.Context, layout: Any) -> None:
        box = layout.column()
        box.prop(self, "kind")
        if self.kind == "FOLDER":
            box.prop(self, "wheels")
        elif not getattr(bpy.app, "online_access", True):
            for line in wrapped(context, "Blender may not use the network: allow it in System, or install from a folder", 1):
                box.label(text=line, icon="INTERNET_OFFLINE")
        row = box.row()
        install = row.operator(POSELIFT_OT_install_torch.bl_idname, icon="IMPORT")
        install.kind, install.wheels = self.kind, self.wheels
        row.operator(POSELIFT_OT_remove_torch.bl_idname, text="Remove", icon="TRASH")
        row = layout.row()
        row.prop(self, "environment")
        row.operator(POSELIFT_OT_use_environment.bl_idname, text="Use").folder = self.environment
        layout.operator(POSELIFT_OT_copy_torch_command.bl_idname, icon="COPYDOWN")


CLASSES = (PoseliftPreferences,)
