# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keypoints are: the mapping of a layout of one's own, edited in the panel, saved and loaded as a small JSON."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..core.errors import PoseliftError
from ..core.layouts import suggested_mapping
from ..core.layouts.own import read_layout, write_layout
from .languages import told
from .reports import cancelled, tell
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
        blender_class.poll_message_set(told("Import keypoints first"))
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


class POSELIFT_OT_load_joints(_WithJoints, bpy.types.Operator, ImportHelper):
    """Load a mapping of keypoints to joints that was saved"""

    bl_idname = "poselift.load_joints"
    bl_label = "Load Mapping"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        filepath: str

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the file and take over what it says of the keypoints that are here."""
        settings = settings_of(context)
        try:
            layout = read_layout(Path(self.filepath))
        except PoseliftError as error:
            return cancelled(self, error)
        here = [item for item in settings.joints if item.name in layout.joints]
        if not here:
            tell(self, "ERROR", f"{Path(self.filepath).name} names none of these keypoints; import the keypoints it is for.")
            return {"CANCELLED"}
        for item in here:
            item.joint = layout.joints[item.name]
        settings.use_joints = True
        tell(self, "INFO", f"Mapped {len(here)} of {len(settings.joints)} keypoints")
        return {"FINISHED"}


class POSELIFT_OT_save_joints(_WithJoints, bpy.types.Operator, ExportHelper):
    """Save the mapping of keypoints to joints, for the next clip of this detector"""

    bl_idname = "poselift.save_joints"
    bl_label = "Save Mapping"

    if TYPE_CHECKING:
        filepath: str

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file."""
        path = Path(self.filepath)
        joints = {item.name: item.joint for item in settings_of(context).joints if item.joint}
        try:
            write_layout(path, path.stem, joints)
        except PoseliftError as error:
            return cancelled(self, error)
        tell(self, "INFO", f"Saved {len(joints)} joints to {path.name}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_guess_joints, POSELIFT_OT_load_joints, POSELIFT_OT_save_joints)
