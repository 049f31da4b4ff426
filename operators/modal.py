# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that does not freeze the window: a job beside it, progress in the status bar and the panel, Esc to stop."""

# No postponed annotations here, as in the other files with operators.
import time
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
STEP, LONGEST = 0.03, 0.07
"""Seconds that steps on the main thread take from the window at a time: as many as drawing it takes, between these two."""
PAUSE = 0.005
"""Seconds between them, in which the window is drawn."""
BUSY = "Something is running; wait for it, or press Esc to stop it"


Work = Callable[[Progress], Any]


class JobOperator:
    """An operator whose work is free of Blender: subclasses say how to prepare it, and what to do with its result.

    One job runs at a time. With a window it runs in a thread; without one, and for scripts, before the operator returns.
    """

    report: Callable[[set[str], str], None]
    parts = (0.0, 1.0)
    """How much of everything is done when the work begins, and when it has ended."""
    stages = ("read", "build")
    """What is done in steps before the work, and after it."""
    _timer: bpy.types.Timer | None = None
    _scene: int | None = None
    _steps: Steps[Any] | None = None
    _stepped = 0.0

    def prepare(self, context: bpy.types.Context) -> Work | Steps[Work]:
        """Return the work, from what the scene says now, at once or in steps, which read it. Raises `PoseliftError`."""
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
            prepared = self.prepare(context)
        except PoseliftError as error:
            return cancelled(self, error)
        self._scene = mark_of(context.scene)
        if isinstance(prepared, Generator):
            self._steps = prepared
            session.hold(Job())
        else:
            session.begin(Job(self._scaled(prepared)))
        self._tick(context)
        manager: Any = context.window_manager
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
            return self._step(context, event, job)
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
            self._tick(context)
            return {"RUNNING_MODAL"}
        self._leave(context)
        tell(self, "INFO", taken)
        return {"FINISHED"}

    def _step(self, context: bpy.types.Context, event: bpy.types.Event, job: Job[Any]) -> "set[OperatorReturnItems]":
        """Go on with steps before or after the work. Nobody else changes the scene meanwhile: all events end here."""
        assert self._steps is not None
        steps, stop = self._steps, event.type == "ESC" and event.value == "PRESS"
        if not stop and event.type != "TIMER":
            return {"RUNNING_MODAL"}
        try:
            if stop:
                steps.close()  # which undoes them
                raise CancelledError("Cancelled; nothing was changed.")
            drawing = time.perf_counter() - self._stepped
            done = advance(steps, min(max(STEP, drawing), LONGEST), lambda share: self._tell(job, share))
            self._stepped = time.perf_counter()
        except Exception as error:  # as above
            self._leave(context)
            return self.failed(context, error)
        if done is None:
            show_progress(context)
            return {"RUNNING_MODAL"}
        if callable(done):  # what the first steps give is the work
            self._steps = None
            self._tick(context)
            job.start(self._scaled(done))
            return {"RUNNING_MODAL"}
        self._leave(context)
        tell(self, "INFO", done)
        return {"FINISHED"}

    def _tell(self, job: Job[Any], share: float) -> None:
        """Note how far the steps are, as a share of everything: those before the work where it has not begun yet."""
        start, end = self.parts
        if job.begun:
            job.tell(end + (1 - end) * share, self.stages[1])
        else:
            job.tell(start * share, self.stages[0])

    def _scaled(self, work: Work) -> Work:
        """Return the work with its progress told as a share of everything."""
        start, end = self.parts
        return lambda progress: work(lambda share, stage: progress(start + (end - start) * share, stage))

    def _tick(self, context: bpy.types.Context) -> None:
        """Ask to be called again and again: often while there are steps to do, else now and then."""
        manager: Any = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
        self._timer = manager.event_timer_add(TICK if self._steps is None else PAUSE, window=context.window)

    def _home(self) -> "AbstractContextManager[None]":
        """Return the scene in which the work was started, as a context."""
        return in_scene(self._scene) if self._scene is not None else nullcontext()

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Do all of it before returning: for scripts and without a window."""
        manager: Any = context.window_manager
        manager.progress_begin(0, 1)

        def result() -> Any:
            prepared = self.prepare(context)
            work = finished(prepared) if isinstance(prepared, Generator) else prepared
            return work(lambda share, _stage: manager.progress_update(share))

        try:
            return self._finish(context, result)
        finally:
            manager.progress_end()

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop when Blender itself ends the operator: a file is loaded, or Blender quits."""
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
        """Give back the timer and the status bar, undo steps that are left half done, and forget the job."""
        if self._steps is not None:
            self._steps.close()
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
