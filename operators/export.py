# SPDX-License-Identifier: GPL-3.0-or-later
"""Export: an animated armature with its meshes, with the settings that game engines open right."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy_extras.io_utils import ExportHelper

from ..scene import export
from .reports import cancelled
from .retarget_settings import target_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

FORMATS = (
    (".fbx", "FBX", "For Unreal and Unity: Y up, every frame keyed, no end bones, from 0 seconds"),
    (".glb", "glTF", "For Godot and the web: metres, Y up, sampled at every frame, from 0 seconds"),
    (".usd", "USD", "Metres, Y up, from 0 seconds"),
    (".bvh", "BVH", "The skeleton's motion alone: metres, Z up"),
)


class POSELIFT_OT_export(bpy.types.Operator, ExportHelper):
    """Export the character with its motion, with the settings that game engines open right"""

    bl_idname = "poselift.export"
    bl_label = "Export for Engines"

    if TYPE_CHECKING:
        filepath: str

    filter_glob: bpy.props.StringProperty(default="*.fbx;*.glb;*.usd;*.bvh", options={"HIDDEN"})
    ending: bpy.props.EnumProperty(name="Format", items=FORMATS)
    deform_only: bpy.props.BoolProperty(
        name="Deforming Bones Only",
        description="Leave out bones that no mesh follows, such as a generated rig's controls (FBX and glTF)",
        default=False,
    )

    @property
    def filename_ext(self) -> str:
        """What the file dialog lets the name end in."""
        return self.ending

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need an armature."""
        if context.scene is not None and target_of(context) is not None:
            return True
        cls.poll_message_set("Choose a target, or make an armature the active object")
        return False

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file, whole or not at all."""
        path, character = Path(bpy.path.abspath(self.filepath)), target_of(context)
        assert character is not None
        try:
            export.save(path, character, self.deform_only)
        except Exception as error:
            return cancelled(self, error)
        self.report({"INFO"}, f"Exported {character.name} to {path.name}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_export,)
