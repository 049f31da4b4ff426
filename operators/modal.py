# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that does not freeze the window: a job beside it, progress in the status bar and the panel, Esc to stop."""

# No postponed annotations here, as in the other files with operators.
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import PoseliftError
from ..scene.jobs import Job, Progress
from . import session
from .reports import cancelled
from .terminal import clock

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

TICK = 0.1
"""Seconds between looks at the running work."""


class JobOperator:
    """An operator whose work is free of Blender: subclasses say how to prepare it, and what to do with its result.

    One job runs at a time. With a window it runs in a thread; without one, and for scripts, before the operator returns.
    """

    report: Callable[[set[str], str], None]
    _timer: bpy.types.Timer | None = None

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], Any]:
        """Return the work, from what the scene says now. Raises `PoseliftError`."""
        raise NotImplementedError

    def take(self, context: bpy.types.Context, result: Any) -> str:
        """Use the result, all or nothing, and return what to tell the user. May raise anything."""
        raise NotImplementedError

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Start in the background of the window; without a window, as `execute` does."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        try:
            work = self.prepare(context)
        except PoseliftError as error:
            return cancelled(self, error)
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
        if event.type == "ESC" and event.value == "PRESS":
            job.cancel()
            show_progress(context)
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if job.running:
            show_progress(context)
            return {"PASS_THROUGH"}
        self._leave(context)
        return self._finish(context, job.result)

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
        job = session.running()
        if job is not None:
            job.cancel()
        self._leave(context)

    def _finish(self, context: bpy.types.Context, result: Callable[[], Any]) -> "set[OperatorReturnItems]":
        try:
            told = self.take(context, result())
        except Exception as error:  # reported, with the traceback where it is no error made for users
            return cancelled(self, error)
        self.report({"INFO"}, told)
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        """Give back the timer and the status bar, and forget the job."""
        if self._timer is not None:
            manager: Any = context.window_manager
            manager.event_timer_remove(self._timer)
            self._timer = None
        session.finish()
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        redraw(context)


def show_progress(context: bpy.types.Context) -> None:
    """Show how far the running job is: in the status bar, and in the panel, which draws itself."""
    job = session.running()
    if job is None:
        return
    share, stage = job.progress
    left = f", {clock(job.left)} left" if job.left is not None else ""
    text = "Poselift: stopping…" if job.cancelling else f"Poselift: {stage or 'starting'}, {share:.0%}{left} (Esc to stop)"
    if context.workspace is not None:
        context.workspace.status_text_set(text)
    redraw(context)


def redraw(context: bpy.types.Context) -> None:
    """Have what shows progress drawn again: the sidebars of all 3D viewports, and the preferences."""
    manager: Any = context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in (("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")):
                    region.tag_redraw()
