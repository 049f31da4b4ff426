# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the markers of Blender's own motion tracker as keypoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import PoseliftError
from ..scene.clip_tracks import read_clip
from .languages import told
from .reports import cancelled, tell
from .settings import settings_of
from .source import found_in, remember

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


def clip_in(context: bpy.types.Context) -> bpy.types.MovieClip | None:
    """Return the clip to read: the clip editor's where this is one, else the one chosen in the sidebar."""
    space: Any = context.space_data
    if space is not None and space.type == "CLIP_EDITOR":
        return space.clip
    return settings_of(context).clip_to_read if context.scene is not None else None


class POSELIFT_OT_import_clip(bpy.types.Operator):
    """Read a movie clip's tracking markers as keypoints: tracks named after joints, such as left_wrist or Wrist.L"""

    bl_idname = "poselift.import_clip"
    bl_label = "Use Clip's Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing where there is no clip."""
        if context.scene is not None and clip_in(context) is not None:
            return True
        cls.poll_message_set(told("Choose a movie clip first"))
        return False

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the markers and note in the scene what they are."""
        clip = clip_in(context)
        assert clip is not None
        try:
            tracks = read_clip(clip)
        except PoseliftError as error:
            return cancelled(self, error)
        settings = settings_of(context)
        remember(settings, found_in(Path(clip.name), tracks, {}, clip))
        people = f"{len(tracks)} people" if len(tracks) > 1 else "1 person"
        tell(self, "INFO", f"{clip.name}: {people}, {settings.detected}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_import_clip,)
