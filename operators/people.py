# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to lift: mark people, join two pieces of one person, exchange two people from a frame on."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING, Any

import bpy

from .languages import told
from .settings import settings_of
from .source import Edit, edit_people

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


def other_marked(context: bpy.types.Context) -> str:
    """Return the one marked person beside the active one; empty where there is not exactly one."""
    settings = settings_of(context)
    active = settings.people[settings.person_index].name if settings.person_index < len(settings.people) else ""
    others = [person.name for person in settings.people if person.use and person.name != active]
    return others[0] if len(others) == 1 else ""


class _TwoPeople:
    """An operator on the active person and the one other that is marked."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say how to choose two people where two are not chosen."""
        if context.scene is not None and other_marked(context):
            return True
        blender_class: Any = cls
        blender_class.poll_message_set(told("Click one person, and mark exactly one other"))
        return False


class POSELIFT_OT_stitch_people(_TwoPeople, bpy.types.Operator):
    """Make the active person and the marked other one: two pieces of the same person's track"""

    bl_idname = "poselift.stitch_people"
    bl_label = "Join"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Join the pieces; the person that comes first keeps the name."""
        settings, other = settings_of(context), other_marked(context)
        return edit_people(self, context, Edit("stitch", settings.people[settings.person_index].name, other))


class POSELIFT_OT_swap_people(_TwoPeople, bpy.types.Operator):
    """Exchange the active person and the marked other from a frame on: repairs a track that changed over to the other"""

    bl_idname = "poselift.swap_people"
    bl_label = "Exchange…"
    bl_options = {"REGISTER", "UNDO"}

    frame: bpy.props.IntProperty(name="Frame", description="First frame, as the source counts, that is exchanged", min=0)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Ask for the frame; the current one is offered."""
        self.frame = max(0, context.scene.frame_current)
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Exchange them."""
        settings, other = settings_of(context), other_marked(context)
        return edit_people(self, context, Edit("swap", settings.people[settings.person_index].name, other, self.frame))


class POSELIFT_OT_mark_people(bpy.types.Operator):
    """Mark all people for lifting, or none"""

    bl_idname = "poselift.mark_people"
    bl_label = "Mark People"
    bl_options = {"REGISTER", "UNDO"}

    use: bpy.props.BoolProperty(name="Mark", description="Whether to mark them or not", default=True)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once people are."""
        return context.scene is not None and len(settings_of(context).people) > 0

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Mark them."""
        for person in settings_of(context).people:
            person.use = self.use
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_stitch_people, POSELIFT_OT_swap_people, POSELIFT_OT_mark_people)
