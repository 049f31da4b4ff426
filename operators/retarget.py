# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: an armature's motion onto the user's own character, and the mapping of its bones."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING

import bpy

from ..core.rig.presets import load_map, save_map
from ..core.rig.transfer import TransferSettings
from ..scene import retarget
from .json_dialogs import LoadsJson, SavesJson
from .reports import cancelled
from .retarget_settings import PoseliftRetargetSettings, map_in_list, retarget_settings_of, show_map, target_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


class POSELIFT_OT_map_bones(bpy.types.Operator):
    """Find the target's bones by their names or by the rig's shape, and list them"""

    bl_idname = "poselift.map_bones"
    bl_label = "Detect Bones"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a target."""
        return context.scene is not None and target_of(context) is not None

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Fill the list."""
        settings, target = retarget_settings_of(context), target_of(context)
        try:
            bones = retarget.map_armature(target, settings.family)
        except Exception as error:
            return cancelled(self, error)
        assert target is not None
        show_map(settings, bones, target.name)
        self.report({"INFO"}, f"{len(bones.bones)} bones of {target.name}, told by {bones.source}")
        for note in bones.notes:
            self.report({"WARNING"}, note)
        return {"FINISHED"}


class POSELIFT_OT_save_bone_map(SavesJson, bpy.types.Operator):
    """Save the list of bones as a preset (JSON)"""

    bl_idname = "poselift.save_bone_map"
    bl_label = "Save Bone Map"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a list."""
        return context.scene is not None and len(retarget_settings_of(context).bones) > 0

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file."""
        try:
            save_map(self.chosen, map_in_list(retarget_settings_of(context)))
        except Exception as error:
            return cancelled(self, error)
        return {"FINISHED"}


class POSELIFT_OT_load_bone_map(LoadsJson, bpy.types.Operator):
    """Load a list of bones from a preset (JSON)"""

    bl_idname = "poselift.load_bone_map"
    bl_label = "Load Bone Map"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the file into the list."""
        target = target_of(context)
        try:
            show_map(retarget_settings_of(context), load_map(self.chosen), target.name if target else "")
        except Exception as error:
            return cancelled(self, error)
        return {"FINISHED"}


class POSELIFT_OT_retarget(bpy.types.Operator):
    """Put the source's motion onto the target, in a new Action; the rig itself stays as it is"""

    bl_idname = "poselift.retarget"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing."""
        if context.scene is None:
            return False
        settings = retarget_settings_of(context)
        target = target_of(context)
        if settings.source is None or target is None:
            cls.poll_message_set("Choose an animated source armature and a target armature")
            return False
        if settings.source == target:
            cls.poll_message_set("Source and target are the same armature")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Transfer and key; on an error nothing has changed."""
        settings, target = retarget_settings_of(context), target_of(context)
        settings.result = ""
        try:
            listed = len(settings.bones) > 0 and target is not None and settings.mapped == target.name
            bones = map_in_list(settings) if listed else retarget.map_armature(target, settings.family)
            performance = retarget.performance_of_armature(settings.source)
            done = retarget.retarget(performance, target, bones, _to_scene(context, settings))
        except Exception as error:
            return cancelled(self, error)
        assert target is not None
        if not listed:
            show_map(settings, bones, target.name)
        settings.result = "\n".join(done.notes)
        for note in done.notes:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, f"{len(done.frames)} frames on {target.name}, path scaled by {done.moved.scale:.3f}")
        return {"FINISHED"}


def _to_scene(context: bpy.types.Context, settings: PoseliftRetargetSettings) -> retarget.RetargetSettings:
    source_frames = retarget.first_frame(settings.source)
    return retarget.RetargetSettings(
        settings.family,
        frame_start=source_frames,
        transfer=TransferSettings(
            settings.scale if settings.use_scale else None,
            settings.pin_feet,
            settings.root_motion == "NONE",
            settings.root_motion == "ROOT",
        ),
        tolerance=settings.thin,
    )


CLASSES = (POSELIFT_OT_map_bones, POSELIFT_OT_save_bone_map, POSELIFT_OT_load_bone_map, POSELIFT_OT_retarget)
