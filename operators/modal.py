# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that does not freeze the window: a job beside it, progress in the status bar and the panel, Esc to stop."""

# No postponed annotations here, as in the other files with operators.
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import CancelledError, PoseliftError, SettingsError
from ..scene.jobs import Job, Progress
from ..scene.state import in_scene, mark_of
from ..scene.steps import Steps, advance, finished
from . import session
from .languages import told
from .reports import cancelled, tell
from .terminal import clock

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

TICK = 0.1
"""Seconds between looks at the running work."""
STEP = 0.02
"""Seconds that using the result takes from the window at a time."""


class JobOperator:
    """An operator whose work is free of Blender: subclasses say how to prepare it, and what to do with its result.

    One job runs at a time. With a window it runs in a thread; without one, and for scripts, before the operator returns.
    """

    report: Callable[[set[str], str], None]
    _timer: bpy.types.Timer | None = None
    _scene: int | None = None
    _steps: Steps[str] | None = None

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], Any]:
        """Return the work, from what the scene says now. Raises `PoseliftError`."""
        raise NotImplementedError

    def take(self, context: bpy.types.Context, result: Any) -> str | Steps[str]:
        """Use the result, all or nothing, at once or in steps, and return what to tell the user. May raise anything."""
        raise NotImplementedError

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Start in the background of the window; without a window, as `execute` does."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if session.running() is not None:
            return cancelled(self, SettingsError("something of Poselift's is running; wait for it, or press Esc to stop it."))
        try:
            work = self.prepare(context)
        except PoseliftError as error:
            return cancelled(self, error)
        self._scene = mark_of(context.scene)
        session.begin(Job(work, "poselift"))
        manager: Any = context.window_manager
        self._timer = manager.event_timer_add(TICK, window=context.window)
        manager.modal_handler_add(self)
        show_progress(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Watch the work; Esc stops it; everything else stays usable."""
        job = session.running()
        if job is None:  # the add-on was switched off and on again meanwhile
            self._leave(context)
            return {"CANCELLED"}
        if self._steps is not None:
            return self._take_step(context, event)
        if event.type == "ESC" and event.value == "PRESS":
            job.cancel()
            show_progress(context)
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if job.running:
            show_progress(context)
            return {"PASS_THROUGH"}
        away = self._scene is not None and self._scene != mark_of(context.scene)
        try:
            with self._home():
                taken = self.take(bpy.context, job.result())
                if away and isinstance(taken, Generator):
                    taken = finished(taken)  # in a scene that the window shows for a moment only
        except Exception as error:  # reported, with the traceback where it is no error made for users
            self._leave(context)
            return self.failed(context, error)
        if isinstance(taken, Generator):
            self._steps = taken
            return {"RUNNING_MODAL"}
        self._leave(context)
        tell(self, "INFO", taken)
        return {"FINISHED"}

    def _take_step(self, context: bpy.types.Context, event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Go on using the result. It takes a moment, in which nobody else changes the scene: all events end here."""
        assert self._steps is not None
        steps, stop = self._steps, event.type == "ESC" and event.value == "PRESS"
        if not stop and event.type != "TIMER":
            return {"RUNNING_MODAL"}
        try:
            if stop:
                steps.close()  # which undoes them
                raise CancelledError("Cancelled; nothing was changed.")
            text = advance(steps, STEP)
        except Exception as error:  # as above
            self._leave(context)
            return self.failed(context, error)
        if text is None:
            return {"RUNNING_MODAL"}
        self._leave(context)
        tell(self, "INFO", text)
        return {"FINISHED"}

    def _home(self) -> "AbstractContextManager[None]":
        """Return the scene in which the work was started, as a context."""
        return in_scene(self._scene) if self._scene is not None else nullcontext()

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Do all of it before returning: for scripts and without a window."""
        manager: Any = context.window_manager
        manager.progress_begin(0, 1)
        try:
            return self._finish(context, lambda: self.prepare(context)(lambda share, _stage: manager.progress_update(share)))
        finally:
            manager.progress_end()

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop when Blender itself ends the operator: a file is loaded, or Blender quits."""
        if self._steps is not None:
            self._steps.close()
        job = session.running()
        if job is not None:
            job.cancel()
        self._leave(context)

    def failed(self, _context: bpy.types.Context, error: Exception) -> "set[OperatorReturnItems]":
        """Tell the user what went wrong."""
        return cancelled(self, error)

    def _finish(self, context: bpy.types.Context, result: Callable[[], Any]) -> "set[OperatorReturnItems]":
        try:
            taken = self.take(context, result())
            text = finished(taken) if isinstance(taken, Generator) else taken
        except Exception as error:  # as above
            return self.failed(context, error)
        tell(self, "INFO", text)
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        """Give back the timer and the status bar, and forget the job."""
        self._steps = None
        if self._timer is not None:
            manager: Any = context.window_manager
            manager.event_timer_remove(self._timer)
            self._timer = None
        session.finish()
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        redraw(context)


def show_progress(context: bpy.types.Context) -> None:
    """Show how far the running job is: in the status bar, and in the panel, which draws itself.

    Only what has changed is drawn again: drawing takes time from the work.
    """
    job = session.running()
    if job is None:
        return
    share, stage = job.progress
    left = f", {clock(job.left)} left" if job.left is not None else ""
    text = "Poselift: stopping…" if job.cancelling else f"Poselift: {stage or 'starting'}, {share:.0%}{left} (Esc to stop)"
    if text == job.shown:
        return
    job.shown = text
    if context.workspace is not None:
        context.workspace.status_text_set(told(text))
    redraw(context)


def redraw(context: bpy.types.Context) -> None:
    """Have what shows progress drawn again: the sidebars of all 3D viewports, and the preferences."""
    manager: Any = context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in (("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")):
                    region.tag_redraw()
