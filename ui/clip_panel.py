# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the movie clip editor's sidebar: the clip's markers as keypoints."""

from __future__ import annotations

import bpy

from ..operators.import_clip import POSELIFT_OT_import_clip
from ..operators.settings import settings_of
from .sidebar import TAB
from .text import lines


class POSELIFT_PT_clip(bpy.types.Panel):
    """Use the markers of this clip as keypoints"""

    bl_label = "Keypoints From Markers"
    bl_idname = "POSELIFT_PT_clip"
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what to do, the button, and what was taken."""
        layout = self.layout
        assert layout is not None
        lines(context, layout, "Name tracks after joints, such as left_wrist or Wrist.L; then they are lifted in the 3D view")
        layout.operator(POSELIFT_OT_import_clip.bl_idname, icon="TRACKER")
        if context.scene is not None and settings_of(context).clip is not None:
            lines(context, layout, settings_of(context).detected, "CHECKMARK")


CLASSES = (POSELIFT_PT_clip,)
