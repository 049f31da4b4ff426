# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Training: one's own clips, what to begin with, the run with its losses, and the weights that came of it."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.lifter.history import History
from ..core.plotting import draw_curves
from ..operators import session, weights_place
from ..operators.own_weights import POSELIFT_OT_delete_weights, POSELIFT_OT_show_weights, POSELIFT_OT_use_weights, names_in
from ..operators.settings import settings_of
from ..operators.train import (
    POSELIFT_OT_add_training_clips,
    POSELIFT_OT_remove_training_clip,
    POSELIFT_OT_stop_training,
    POSELIFT_OT_train,
    running,
)
from ..operators.training_results import result_of
from ..operators.training_settings import PoseliftTrainingSettings, training_settings_of
from ..scene.preview import icon_of
from .progress import draw_bar
from .sidebar import RowList, SidebarPanel, properties
from .text import lines
from .weights_menu import draw_weights

CURVE_SCALE = 10.0
"""Times the height of a button."""
CURVE_PIXELS = 320


class POSELIFT_UL_training_clips(RowList, bpy.types.UIList):
    """Files and folders of keypoints to train on"""

    def draw_row(self, _context: bpy.types.Context, layout: Any, item: Any) -> None:
        """Draw one by its name."""
        layout.label(text=item.name, icon="FILE" if "." in item.name else "FILE_FOLDER")


class POSELIFT_PT_training(SidebarPanel, bpy.types.Panel):
    """Bend trained weights to your own clips"""

    bl_label = "Training"
    bl_idname = "POSELIFT_PT_training"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what to train on and how; while a run goes on, its progress and losses."""
        layout = properties(self)
        run = running()
        if run is not None:
            _draw_run(layout, context, run.history)
            return
        training = training_settings_of(context)
        if settings_of(context).source:
            layout.prop(training, "use_imported")
        _draw_clips(layout, training)
        column = layout.column()
        draw_weights(column, training.start, "TRAINING")
        column.prop(training, "preset")
        column.prop(training, "result")
        column.prop(training, "hold_out")
        column.prop(training, "epochs")
        column.prop(training, "minutes")
        large = layout.row()
        large.scale_y = 1.5
        stopped = result_of(training.result)
        go_on = stopped is not None and stopped.can_go_on
        if go_on:
            large.operator(POSELIFT_OT_train.bl_idname, text="Go On", icon="PLAY").resume = True
        large.operator(POSELIFT_OT_train.bl_idname, text="Begin Anew" if go_on else "Train", icon="MODIFIER")


class POSELIFT_PT_own_weights(SidebarPanel, bpy.types.Panel):
    """The weights that you have trained"""

    bl_label = "Own Weights"
    bl_idname = "POSELIFT_PT_own_weights"
    bl_parent_id = "POSELIFT_PT_training"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once there are any, but not while some are made."""
        return context.scene is not None and running() is None and bool(names_in(weights_place.activate()))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw a row for each, then the training of the one that is shown."""
        layout: Any = self.layout
        training, used = training_settings_of(context), weights_place.chosen(settings_of(context).weights)
        rows = layout.column(align=True)
        for name in names_in(weights_place.activate()):
            row = rows.row(align=True)
            icon = "TRIA_DOWN" if training.shown == name else "TRIA_RIGHT"
            row.operator(POSELIFT_OT_show_weights.bl_idname, text=name, icon=icon).name = name
            result = result_of(name)
            if result is None or not result.can_go_on:
                use = row.operator(
                    POSELIFT_OT_use_weights.bl_idname, text="Used" if used == name else "Use", depress=used == name
                )
                use.name, use.place = "" if used == name else name, "SCENE"
            row.operator(POSELIFT_OT_delete_weights.bl_idname, text="", icon="TRASH").name = name
        shown = result_of(training.shown)
        if shown is None:
            return
        if shown.can_go_on:
            lines(context, layout, "This run was stopped; give its name above to go on.", "PAUSE")
        _draw_curves(layout, shown.history, training.shown, shown.version)
        for line in shown.lines:
            lines(context, layout, line, "NONE")


def _draw_clips(layout: Any, training: PoseliftTrainingSettings) -> None:
    row = layout.row()
    row.template_list("POSELIFT_UL_training_clips", "", training, "clips", training, "clip_index", rows=2, maxrows=5)
    side = row.column(align=True)
    side.operator(POSELIFT_OT_add_training_clips.bl_idname, text="", icon="ADD")
    side.operator(POSELIFT_OT_remove_training_clip.bl_idname, text="", icon="REMOVE")


def _draw_run(layout: Any, context: bpy.types.Context, history: History) -> None:
    job = session.running()
    if job is None:
        return
    draw_bar(layout, job)
    points = sum(len(curve.trained) for curve in history.curves.values())
    _draw_curves(layout, history, "", (id(history), points))
    layout.operator(POSELIFT_OT_stop_training.bl_idname, text="Stop and Keep a Checkpoint", icon="PAUSE")
    lines(context, layout, "Esc stops it too. Blender can be used meanwhile; the scene is not changed.", "NONE")


def _draw_curves(layout: Any, history: History, name: str, version: object) -> None:
    """Draw the losses of both networks, teacher above, with the first and the last of each in numbers."""
    curves = list(history.curves.items())
    if not any(curve.trained for _, curve in curves):
        return
    key = f"losses of {name}"
    layout.template_icon(icon_of(key, lambda: draw_curves([c for _, c in curves], CURVE_PIXELS), version), scale=CURVE_SCALE)
    column = layout.column(align=True)
    for (stage, curve), place in zip(curves, ("above", "below"), strict=True):
        for what, points in ((f"{stage.capitalize()}, {place}", curve.trained), ("    held out (blue)", curve.held_out)):
            if points:
                column.label(text=f"{what}: {points[0][1]:.3f} → {points[-1][1]:.3f}")


CLASSES = (POSELIFT_UL_training_clips, POSELIFT_PT_training, POSELIFT_PT_own_weights)
