# SPDX-License-Identifier: GPL-3.0-or-later
"""Go to a frame that the report wants looked at."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


class POSELIFT_OT_go_to_frame(bpy.types.Operator):
    """Go to this frame: the figure is farthest from its keypoints here"""

    bl_idname = "poselift.go_to_frame"
    bl_label = "Go to Frame"
    bl_options = {"INTERNAL"}

    frame: bpy.props.IntProperty(name="Frame", description="Frame of the scene")

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Go there."""
        if context.scene is None:
            return {"CANCELLED"}
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_go_to_frame,)
