# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing weights, and deleting one's own."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..core.errors import OutputError, PoseliftError, WeightsError
from ..core.lifter import weights
from . import session, weights_place
from .languages import told
from .modal import BUSY
from .reports import cancelled, tell
from .settings import settings_of
from .training_settings import training_settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

ASIDE = (".checkpoint", ".jsonl")
"""What lies beside weights that were trained: where a stopped run goes on from, and the log with its losses."""


class POSELIFT_OT_use_weights(bpy.types.Operator):
    """Use these weights"""

    bl_idname = "poselift.use_weights"
    bl_label = "Use Weights"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.StringProperty(name="Weights", description="Name or file; empty for the preferences' choice")
    place: bpy.props.EnumProperty(
        name="For",
        description="What to use them for",
        items=(
            ("SCENE", "This Scene", "Lift with them in this scene"),
            ("TRAINING", "Training", "Begin training with them"),
            ("PREFERENCES", "All Scenes", "Lift with them in every scene that names no others"),
        ),
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the file once, so that one that cannot be used is never chosen."""
        weights_place.activate()
        try:
            if self.name:
                weights.load(weights.find(self.name))
        except PoseliftError as error:
            return cancelled(self, error)
        if self.place == "PREFERENCES":
            weights_place.prefer(self.name)
        elif self.place == "TRAINING":
            training_settings_of(context).start = self.name
        else:
            settings_of(context).weights = self.name
        return {"FINISHED"}


class POSELIFT_OT_show_weights(bpy.types.Operator):
    """Show what training made of these weights"""

    bl_idname = "poselift.show_weights"
    bl_label = "Show Training"
    bl_options = {"INTERNAL"}

    name: bpy.props.StringProperty(name="Weights", description="One of your own weights")

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Show them, or nothing where they are shown already."""
        settings = training_settings_of(context)
        settings.shown = "" if settings.shown == self.name else self.name
        return {"FINISHED"}


class POSELIFT_OT_delete_weights(bpy.types.Operator):
    """Delete weights of your own from the disk, with their checkpoint and log"""

    bl_idname = "poselift.delete_weights"
    bl_label = "Delete Weights"

    name: bpy.props.StringProperty(name="Weights", description="One of your own weights")

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Be there where nothing runs that could need them."""
        if session.running() is None:
            return True
        cls.poll_message_set(told(BUSY))
        return False

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Ask, for there is no undo."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Delete them."""
        try:
            delete(self.name)
        except PoseliftError as error:
            return cancelled(self, error)
        settings, training = settings_of(context), training_settings_of(context)
        if weights_place.chosen() == self.name:
            weights_place.prefer("")
        settings.weights = "" if settings.weights == self.name else settings.weights
        training.start = "" if training.start == self.name else training.start
        training.shown = "" if training.shown == self.name else training.shown
        tell(self, "INFO", f"Deleted '{self.name}'")
        return {"FINISHED"}


def delete(name: str) -> None:
    """Delete the user's own weights of a name, and what lies beside them. Raises `WeightsError`, `OutputError`."""
    place = weights_place.activate()
    if place is None or name not in names_in(place):
        raise WeightsError(f"there are no weights '{name}' of your own.")
    for ending in (".npz", *ASIDE):
        path = place / f"{name}{ending}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be deleted: {error.strerror or error}.") from error


def names_in(place: Path | None) -> list[str]:
    """Return the names of the user's own weights, and of stopped runs that can go on."""
    if place is None:
        return []
    try:
        stopped = [path.stem for path in place.glob("*.checkpoint") if not path.name.startswith(".")]
    except OSError:
        stopped = []
    return sorted({*weights.own(), *stopped})


CLASSES = (POSELIFT_OT_use_weights, POSELIFT_OT_show_weights, POSELIFT_OT_delete_weights)
