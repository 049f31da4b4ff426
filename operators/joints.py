# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keypoints are: the mapping of a layout of one's own, edited in the panel, saved and loaded as a small JSON."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import PoseliftError
from ..core.layouts import suggested_mapping
from ..core.layouts.own import read_layout, write_layout
from .json_dialogs import LoadsJson, SavesJson
from .reports import cancelled
from .settings import settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


class _WithJoints:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once keypoints are."""
        if context.scene is not None and len(settings_of(context).joints):
            return True
        blender_class: Any = cls
        blender_class.poll_message_set("Import keypoints first")
        return False


class POSELIFT_OT_guess_joints(_WithJoints, bpy.types.Operator):
    """Set every keypoint to what its name says"""

    bl_idname = "poselift.guess_joints"
    bl_label = "Guess From Names"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Forget the edited mapping."""
        settings = settings_of(context)
        known = suggested_mapping([item.name for item in settings.joints])
        for item in settings.joints:
            item.joint = known.get(item.name, "")
        return {"FINISHED"}


class POSELIFT_OT_load_joints(_WithJoints, LoadsJson, bpy.types.Operator):
    """Load a mapping of keypoints to joints that was saved"""

    bl_idname = "poselift.load_joints"
    bl_label = "Load Mapping"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the file and take over what it says of the keypoints that are here."""
        settings = settings_of(context)
        try:
            layout = read_layout(self.chosen)
        except PoseliftError as error:
            return cancelled(self, error)
        here = [item for item in settings.joints if item.name in layout.joints]
        if not here:
            self.report({"ERROR"}, f"{self.chosen.name} names none of these keypoints; import the keypoints it is for.")
            return {"CANCELLED"}
        for item in here:
            item.joint = layout.joints[item.name]
        settings.use_joints = True
        self.report({"INFO"}, f"Mapped {len(here)} of {len(settings.joints)} keypoints")
        return {"FINISHED"}


class POSELIFT_OT_save_joints(_WithJoints, SavesJson, bpy.types.Operator):
    """Save the mapping of keypoints to joints, for the next clip of this detector"""

    bl_idname = "poselift.save_joints"
    bl_label = "Save Mapping"

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file."""
        path = self.chosen
        joints = {item.name: item.joint for item in settings_of(context).joints if item.joint}
        try:
            write_layout(path, path.stem, joints)
        except PoseliftError as error:
            return cancelled(self, error)
        self.report({"INFO"}, f"Saved {len(joints)} joints to {path.name}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_guess_joints, POSELIFT_OT_load_joints, POSELIFT_OT_save_joints)
