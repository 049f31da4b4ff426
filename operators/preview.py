# SPDX-License-Identifier: GPL-3.0-or-later
"""Render Preview: the figures over their footage as a movie, by Blender's own render and in its own window."""

# No postponed annotations here, as in the other files with operators.
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import CancelledError, PoseliftError, SettingsError
from ..scene import movie
from ..scene.preview_scene import lifted_in
from . import session
from .languages import told
from .reports import cancelled, tell
from .settings import settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

TICK = 0.2
"""Seconds between looks at the running render."""


class POSELIFT_OT_preview(bpy.types.Operator):
    """Render the lifted figures over the footage, or over the keypoints where there is none, as a movie"""

    bl_idname = "poselift.preview"
    bl_label = "Render Preview"
    bl_options = {"REGISTER"}

    _timer: bpy.types.Timer | None = None
    _running: movie.Running | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once something was lifted, and while nothing is rendered."""
        if context.scene is None or not lifted_in(context.scene):
            cls.poll_message_set(told("Lift first"))
            return False
        if movie.renders():
            cls.poll_message_set(told("A render is running; wait for it"))
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Start the render in its own window, which shows it and stops it; without a window, as `execute` does."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        try:
            self._running = movie.Running(*self._work(context))
        except PoseliftError as error:
            return cancelled(self, error)
        manager: Any = context.window_manager
        self._timer = manager.event_timer_add(TICK, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Wait for the render's end, and put the movie in its place."""
        if event.type != "TIMER" or self._running is None or self._running.going:
            return {"PASS_THROUGH"}
        manager: Any = context.window_manager
        manager.event_timer_remove(self._timer)
        return self._told(self._running.finish)

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Render all of it before returning: for scripts and without a window."""

        def render() -> Path:
            path, built, motions = self._work(context)
            movie.save_movie(path, built, motions)
            return path

        return self._told(render)

    def cancel(self, context: bpy.types.Context) -> None:
        """Leave nothing where Blender itself ends the operator: a file is loaded, or Blender quits."""
        if self._running is not None:
            with suppress(CancelledError):
                self._running.finish()

    def _work(self, context: bpy.types.Context) -> tuple[Path, list[Any], list[Any]]:
        assert context.scene is not None
        path = Path(bpy.path.abspath(settings_of(context).preview))
        if not path.is_absolute():
            raise SettingsError(
                "this file was never saved, so that '//' means nothing; save it, or give the preview a full path."
            )
        built = lifted_in(context.scene)
        return path, built, session.motions_of([each.action.name for each in built])

    def _told(self, render: Callable[[], Path]) -> "set[OperatorReturnItems]":
        try:
            path = render()
        except Exception as error:  # reported, with the traceback where it is no error made for users
            return cancelled(self, error)
        tell(self, "INFO", f"Rendered {path}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_preview,)
