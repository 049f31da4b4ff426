# SPDX-License-Identifier: GPL-3.0-or-later
"""Export: an armature and its motion to a file, by Blender's own exporters with the settings that other programs want."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy_extras.io_utils import ExportHelper

from ..core.errors import PoseliftError
from ..scene import export, files
from .languages import told
from .reports import allowed, cancelled, tell
from .retarget_settings import target_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

FORMATS = (
    (".fbx", "FBX", "For Unreal, Unity and others: Y up, centimetres, every frame"),
    (".glb", "glTF Binary", "For Godot, the web and others: Y up, metres, every frame"),
    (".usd", "USD", "For Omniverse, Houdini and others: Y up, metres"),
    (".bvh", "BVH", "The bones' motion alone: Z up, metres"),
)


def armature_in(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the armature to export: the active object, the one that deforms the active mesh, or the retargeting's target."""
    active = context.active_object
    if active is not None and active.type == "MESH":
        active = active.find_armature()
    if active is not None and active.type == "ARMATURE":
        return active
    return target_of(context) if context.scene is not None else None


class POSELIFT_OT_export(bpy.types.Operator, ExportHelper):
    """Export the active armature, its meshes and its motion over the scene's frame range"""

    bl_idname = "poselift.export"
    bl_label = "Export Motion"
    bl_options = {"PRESET"}

    if TYPE_CHECKING:
        filepath: str

    filename_ext = ".fbx"
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{ending}" for ending, _, _ in FORMATS), options={"HIDDEN"})
    ending: bpy.props.EnumProperty(name="Format", description="Which kind of file", items=FORMATS, default=".fbx")
    deform_only: bpy.props.BoolProperty(
        name="Only Deform Bones", description="Leave out bones that no mesh follows, such as the controls of a generated rig"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing."""
        armature = armature_in(context)
        reason = ""
        if armature is None:
            reason = "Select an armature, or a mesh that one deforms"
        elif armature.animation_data is None or armature.animation_data.action is None:
            reason = "The active armature has no motion: lift or retarget first"
        return allowed(cls, reason)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        """Say what the button's own format is for."""
        about = next(text for ending, _, text in FORMATS if ending == properties.ending)
        return f"{told(str(cls.__doc__))}.\n{told(about)}"

    def invoke(  # type: ignore[override] # the stubs say that it returns nothing
        self, context: bpy.types.Context, event: bpy.types.Event
    ) -> "set[OperatorReturnItems]":
        """Open the file browser; the armature's name is offered, beside the Blender file."""
        armature = armature_in(context)
        if not self.filepath and armature is not None:
            self.filepath = str(files.home() / f"{bpy.path.clean_name(armature.name)}{self.ending}")
        browse: Any = ExportHelper.invoke
        return browse(self, context, event)

    def check(self, _context: bpy.types.Context) -> bool:  # type: ignore[override] # so for this one
        """Keep the name's ending that of the format."""
        path = Path(self.filepath)
        known = {ending for ending, _, _ in FORMATS}
        named = str(path.with_suffix("") if path.suffix.lower() in known else path) + self.ending
        changed = named != self.filepath
        self.filepath = named
        return changed

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the settings beside the file browser."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "ending")
        row = layout.row()
        row.enabled = self.ending in (".fbx", ".glb")
        row.prop(self, "deform_only")

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file, whole or not at all."""
        armature = armature_in(context)
        assert armature is not None
        path = Path(bpy.path.abspath(self.filepath))
        try:
            export.save(path, armature, self.deform_only)
        except PoseliftError as error:
            return cancelled(self, error)
        tell(self, "INFO", f"Wrote {path.name}, {path.stat().st_size / 1e6:.1f} MB")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_export,)
