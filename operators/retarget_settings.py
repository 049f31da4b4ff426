# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user has chosen for retargeting, kept with the scene: source, target, and the list of bones by role."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING, Any

import bpy

from ..core.rig.families import FAMILIES
from ..core.rig.mapping import AUTO, BY_STRUCTURE, BoneMap
from ..core.rig.roles import REQUIRED
from .settings import thin_property

FAMILY_ITEMS = (
    (AUTO, "Automatic", "By names, of whatever family; by the rig's shape where they say too little"),
    (BY_STRUCTURE, "By Shape", "By the rig's shape alone"),
    *((family.name, family.label, f"Names as in {family.label}") for family in FAMILIES.values()),
)

ROOT_MOTIONS = (
    ("HIPS", "Hips", "The hips travel"),
    ("ROOT", "Root Bone", "The root bone travels, where Unreal and other engines look for root motion"),
    ("NONE", "In Place", "Nothing travels, for engines that move the character themselves"),
)


class PoseliftBoneRole(bpy.types.PropertyGroup):
    """One line of the mapping: a role and the bone that plays it."""

    # PropertyGroup has `name` already: the role.
    bone: bpy.props.StringProperty(name="Bone", description="The bone of the target that plays this role; empty for none")

    if TYPE_CHECKING:
        name: str


class PoseliftRetargetSettings(bpy.types.PropertyGroup):
    """The retarget panel's settings; one per scene, saved with the file.

    It has no methods and no callbacks: either crashes the module bpy 4.2 when Python ends.
    """

    source: bpy.props.PointerProperty(
        name="Source",
        description="The armature whose Action is transferred, such as one that Poselift has made",
        type=bpy.types.Object,
    )
    target: bpy.props.PointerProperty(name="Target", description="The character's armature", type=bpy.types.Object)
    family: bpy.props.EnumProperty(
        name="Names", description="How the target's bones are told", items=FAMILY_ITEMS, default=AUTO
    )
    bones: bpy.props.CollectionProperty(type=PoseliftBoneRole)
    bone_index: bpy.props.IntProperty(name="Role", min=0)
    mapped: bpy.props.StringProperty(name="Mapped", description="The armature that the list is of", options={"HIDDEN"})
    pin_feet: bpy.props.BoolProperty(
        name="Keep Feet Planted",
        description="Make feet that stand in the source stand still on the target's floor",
        default=True,
    )
    root_motion: bpy.props.EnumProperty(
        name="Root Motion", description="Which bone takes the way over the floor", items=ROOT_MOTIONS, default="HIPS"
    )
    use_scale: bpy.props.BoolProperty(name="Known Scale", description="Set the scale of the path; otherwise legs are compared")
    scale: bpy.props.FloatProperty(name="Path Scale", description="Scale of the root's path", default=1.0, min=0.01, max=100.0)
    thin: thin_property()
    result: bpy.props.StringProperty(name="Result", description="What the last retargeting says, line by line")


def retarget_settings_of(context: bpy.types.Context) -> PoseliftRetargetSettings:
    """Return the retarget settings of the scene that the user is in."""
    scene: Any = context.scene
    return scene.poselift_retarget


def target_of(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the chosen target, or the active armature where none is chosen."""
    settings = retarget_settings_of(context)
    if settings.target is not None:
        return settings.target
    active = context.active_object
    return active if active is not None and active.type == "ARMATURE" and active != settings.source else None


def show_map(settings: PoseliftRetargetSettings, bones: BoneMap, armature: str) -> None:
    """Fill the list from a mapping; required roles without a bone are listed too, empty."""
    settings.bones.clear()
    for role in [*bones.roles, *(role for role in REQUIRED if role not in bones.bones)]:
        line = settings.bones.add()
        line.name, line.bone = role, bones.bones.get(role, "")
    settings.mapped = armature
    settings.bone_index = min(settings.bone_index, max(0, len(settings.bones) - 1))


def map_in_list(settings: PoseliftRetargetSettings, source: str = "preset") -> BoneMap:
    """Return the mapping that the list shows. Raises `RigError` where a bone has two roles."""
    return BoneMap({line.name: line.bone for line in settings.bones if line.bone}, source)


CLASSES = (PoseliftBoneRole, PoseliftRetargetSettings)
