# SPDX-License-Identifier: GPL-3.0-or-later
"""Source: where the keypoints come from, what was recognised, whom to lift, what the keypoints are, how they are cleaned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..core.drawing import draw_keypoints
from ..core.track import KeypointTrack
from ..operators.footage import POSELIFT_OT_use_footage
from ..operators.import_clip import POSELIFT_OT_import_clip
from ..operators.import_keypoints import POSELIFT_OT_import_keypoints
from ..operators.joints import POSELIFT_OT_guess_joints, POSELIFT_OT_load_joints, POSELIFT_OT_save_joints
from ..operators.people import POSELIFT_OT_mark_people, POSELIFT_OT_stitch_people, POSELIFT_OT_swap_people
from ..operators.settings import PoseliftSettings, settings_of
from ..operators.source import kept_tracks
from ..scene.preview import icon_of
from .sidebar import RowList, SidebarPanel, properties
from .text import lines

PREVIEW_SCALE = 9.0
"""Times the height of a button."""


class POSELIFT_UL_people(RowList, bpy.types.UIList):
    """The people of the imported clip"""

    def draw_row(self, _context: bpy.types.Context, layout: Any, item: Any) -> None:
        """Draw one person: whether to lift, the name, how much of the clip, how large, how sure."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.label(text=item.name, translate=False)
        for text in (f"{item.coverage:.0f} %", f"{item.size:.0f} px", f"{item.score:.2f}"):
            cell = row.row()
            cell.alignment = "RIGHT"
            cell.label(text=text, translate=False)


class POSELIFT_UL_joints(RowList, bpy.types.UIList):
    """The keypoints of the imported clip and what they stand for"""

    def draw_row(self, context: bpy.types.Context, layout: Any, item: Any) -> None:
        """Draw one keypoint and a field for its joint."""
        row = layout.row(align=True)
        row.label(text=item.name, translate=False)
        row.prop_search(item, "joint", settings_of(context), "known_joints", text="", icon="BONE_DATA")


class POSELIFT_PT_source(SidebarPanel, bpy.types.Panel):
    """Where the keypoints come from"""

    bl_label = "Source"
    bl_idname = "POSELIFT_PT_source"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the import buttons, what was recognised, and fields for what the file does not say."""
        settings = settings_of(context)
        layout = properties(self)
        layout.operator(POSELIFT_OT_import_keypoints.bl_idname, text="Import Keypoints…", icon="IMPORT")
        row = layout.row(align=True)
        row.prop(settings, "clip_to_read", text="")
        row.operator(POSELIFT_OT_import_clip.bl_idname, text="", icon="TRACKER")
        if not settings.source:
            return
        about = layout.column(align=True)
        icon = "TRACKER" if settings.clip else "FILE" if Path(settings.source).suffix else "FILE_FOLDER"
        about.label(text=Path(settings.source).name, icon=icon, translate=False)
        lines(context, about, settings.detected)
        row = layout.row(align=True)
        row.prop(settings, "footage")
        row.operator(POSELIFT_OT_use_footage.bl_idname, text="", icon="FILE_REFRESH")
        column = layout.column()
        if not settings.has_rate:
            column.prop(settings, "rate")
            if settings.rate == "CUSTOM":
                column.prop(settings, "custom_rate")
        if not settings.has_size:
            column.row(heading="Image Size").prop(settings, "use_size", text="Known")
            size = column.column(align=True)
            size.active = settings.use_size
            size.prop(settings, "image_width")
            size.prop(settings, "image_height")


class _SourcePart(SidebarPanel):
    """A part of the source's panel that is there once there is a source."""

    bl_parent_id = "POSELIFT_PT_source"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once keypoints are."""
        return context.scene is not None and bool(settings_of(context).source)


class POSELIFT_PT_people(_SourcePart, bpy.types.Panel):
    """Whom to lift"""

    bl_label = "People"
    bl_idname = "POSELIFT_PT_people"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list, the active person's first pose, and what repairs the identities."""
        settings = settings_of(context)
        layout: Any = self.layout
        row = layout.row()
        row.template_list(
            "POSELIFT_UL_people", "", settings, "people", settings, "person_index", rows=min(max(len(settings.people), 2), 5)
        )
        side = row.column(align=True)
        side.operator(POSELIFT_OT_mark_people.bl_idname, text="", icon="CHECKBOX_HLT").use = True
        side.operator(POSELIFT_OT_mark_people.bl_idname, text="", icon="CHECKBOX_DEHLT").use = False
        if settings.person_index < len(settings.people):
            person = settings.people[settings.person_index]
            lines(context, layout, f"Person {person.name}: frames {person.first_frame} to {person.last_frame}")
        if len(settings.people) > 1:
            row = layout.row(align=True)
            row.operator(POSELIFT_OT_stitch_people.bl_idname)
            row.operator(POSELIFT_OT_swap_people.bl_idname)


class POSELIFT_PT_joints(_SourcePart, bpy.types.Panel):
    """What the keypoints are"""

    bl_label = "Keypoints"
    bl_idname = "POSELIFT_PT_joints"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the skeleton on the first frame, how it was told, and the mapping where it is made by hand."""
        settings = settings_of(context)
        layout: Any = self.layout
        _draw_preview(context, layout, settings)
        notes = layout.column(align=True)
        for note in settings.evidence.split("\n")[:4]:
            lines(context, notes, note)
        layout.prop(settings, "use_joints")
        if settings.use_joints:
            layout.template_list("POSELIFT_UL_joints", "", settings, "joints", settings, "joint_index", rows=6)
            layout.operator(POSELIFT_OT_guess_joints.bl_idname)
        row = layout.row(align=True)
        row.operator(POSELIFT_OT_load_joints.bl_idname, text="Load…")
        row.operator(POSELIFT_OT_save_joints.bl_idname, text="Save…")


class POSELIFT_PT_cleaning(_SourcePart, bpy.types.Panel):
    """How the keypoints are cleaned"""

    bl_label = "Cleaning"
    bl_idname = "POSELIFT_PT_cleaning"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw a switch per step, and its limit."""
        cleaning = settings_of(context).cleaning
        layout = properties(self)
        for switch, limit in (("use_gate", "gate"), ("use_swaps", ""), ("use_outliers", ""), ("use_fill", "longest_gap")):
            layout.prop(cleaning, switch)
            if limit:
                row = layout.row()
                row.active = getattr(cleaning, switch)
                row.prop(cleaning, limit)


def _draw_preview(context: bpy.types.Context, layout: Any, settings: PoseliftSettings) -> None:
    tracks = kept_tracks(settings)
    if not tracks or settings.person_index >= len(settings.people):
        layout.label(text="Import again to see them", icon="INFO")
        return
    name = settings.people[settings.person_index].name
    track = next((track for track in tracks if track.person == name), tracks[0])
    frame = first_frame_seen(track)
    marked = settings.joints[settings.joint_index].name if settings.joint_index < len(settings.joints) else ""
    key = f"{settings.session_key} {name} {frame} {marked}"
    layout.template_icon(
        icon_of(key, lambda: draw_keypoints(track.keypoints[frame], track.skeleton, highlight=marked)), scale=PREVIEW_SCALE
    )
    lines(context, layout, f"Frame {track.first_frame + frame}; blue is the person's left")


def first_frame_seen(track: KeypointTrack) -> int:
    """Return the index of the first frame that shows nearly as many keypoints as any: the first, mostly."""
    count = track.observed.sum(1)
    return int((count >= 0.8 * count.max()).argmax())


CLASSES = (
    POSELIFT_UL_people,
    POSELIFT_UL_joints,
    POSELIFT_PT_source,
    POSELIFT_PT_people,
    POSELIFT_PT_joints,
    POSELIFT_PT_cleaning,
)
