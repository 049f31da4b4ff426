# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: whether PyTorch is there, and how to get it."""

from __future__ import annotations

import bpy

from .. import __package__ as package
from ..core.lifter.device import has_torch
from ..operators.torch_hint import POSELIFT_OT_copy_torch_command, install_command


class PoseliftPreferences(bpy.types.AddonPreferences):
    """Poselift's entry in Preferences > Add-ons."""

    bl_idname = str(package)

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw torch's state."""
        layout = self.layout
        if has_torch():
            layout.label(text="PyTorch is installed", icon="CHECKMARK")
            return
        layout.label(text="PyTorch is missing: keypoints can be imported, but not lifted", icon="ERROR")
        layout.label(text="Run this in a terminal, then restart Blender:")
        layout.label(text=install_command())
        layout.operator(POSELIFT_OT_copy_torch_command.bl_idname, icon="COPYDOWN")


CLASSES = (PoseliftPreferences,)
