# SPDX-License-Identifier: GPL-3.0-or-later
"""Lift: the imported keypoints become an animated armature, a mannequin and a matching camera."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core import readers
from ..core.errors import CancelledError, PoseliftError
from ..core.lifter.device import has_torch, leave_a_core_free
from ..core.people import choose
from ..core.pipeline import lift
from ..scene import build
from ..scene.jobs import Job, Progress
from . import session
from .settings import PoseliftSettings, person_of, settings_of, to_core

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

TICK = 0.1
"""Seconds between looks at the running work."""
READING = 0.1
"""Share of the progress that reading the file again takes."""


class POSELIFT_OT_lift(bpy.types.Operator):
    """Turn the imported keypoints into an animated armature and a camera that matches the footage"""

    bl_idname = "poselift.lift"
    bl_label = "Lift to 3D"
    bl_options = {"REGISTER", "UNDO"}

    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing where a lift cannot start."""
        reason = why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Start in the background of the window; without a window, as `execute` does."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        try:
            work = prepare(settings_of(context))
        except PoseliftError as error:
            return self._failed(error)
        session.begin(Job(beside_the_window(work), "poselift lift"))
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
        return self._take(context, job.result)

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Do all of it before returning: for scripts and without a window."""
        manager: Any = context.window_manager
        manager.progress_begin(0, 1)
        try:
            return self._take(
                context, lambda: prepare(settings_of(context))(lambda share, _stage: manager.progress_update(share))
            )
        finally:
            manager.progress_end()

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop when Blender itself ends the operator: a file is loaded, or Blender quits."""
        job = session.running()
        if job is not None:
            job.cancel()
        self._leave(context)

    def _take(self, context: bpy.types.Context, result: Callable[[], session.Lifted]) -> "set[OperatorReturnItems]":
        """Put a result into the scene, or say why there is none; then the scene is as it was."""
        try:
            lifted = result()
            session.keep(lifted.path, lifted.tracks, lifted.key)
            build.apply(lifted.motion)
        except Exception as error:  # reported, with the traceback where it is no error made for users
            return self._failed(error)
        report = lifted.motion.report
        settings_of(context).result = "\n".join(report.lines())
        self.report({"INFO"}, f"Lifted {report.frames} frames; median reprojection error {report.reprojection_median:.1f} px")
        return {"FINISHED"}

    def _failed(self, error: Exception) -> "set[OperatorReturnItems]":
        if isinstance(error, CancelledError):
            self.report({"INFO"}, str(error))
        elif isinstance(error, PoseliftError):
            self.report({"ERROR"}, str(error))
        else:
            traceback.print_exception(error)
            self.report({"ERROR"}, f"Poselift failed: {type(error).__name__}: {error} (details are on the console).")
        return {"CANCELLED"}

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


def beside_the_window(work: Callable[[Progress], session.Lifted]) -> Callable[[Progress], session.Lifted]:
    """Return the work, done on all processor cores but the one that draws the window."""

    def done(progress: Progress) -> session.Lifted:
        if has_torch():
            leave_a_core_free()
        return work(progress)

    return done


def why_not(context: bpy.types.Context) -> str:
    """Return what is missing for a lift, as a sentence for the user; empty where nothing is."""
    if session.running() is not None:
        return "A lift is running; wait for it, or press Esc to stop it"
    if context.scene is None or not settings_of(context).source:
        return "Import keypoints first"
    if not has_torch():
        return "PyTorch is missing; the tab says how to install it"
    return ""


def prepare(settings: PoseliftSettings) -> Callable[[Progress], session.Lifted]:
    """Return the work of a lift, free of Blender, from what the scene's settings say now.

    Tracks that are not kept any more (the file was reloaded) are read again by the work. Raises `SettingsError`.
    """
    path, key, person, options = Path(settings.source), settings.session_key, person_of(settings), to_core(settings)
    how = {"file_format": settings.file_format, "layout": settings.layout}
    kept = session.find(key, path)

    def work(progress: Progress) -> session.Lifted:
        tracks, start = kept, 0.0
        if tracks is None:
            tracks = readers.read(path, **how, progress=lambda share: progress(READING * share, "read"))
            start = READING
        motion = lift(choose(tracks, person)[0], options, lambda share, stage: progress(start + (1 - start) * share, stage))
        return session.Lifted(motion, tracks, path, key)

    return work


def show_progress(context: bpy.types.Context) -> None:
    """Show how far the running lift is: in the status bar, and in the panel, which draws itself."""
    job = session.running()
    if job is None:
        return
    share, stage = job.progress
    text = "Poselift: stopping…" if job.cancelling else f"Poselift: {stage or 'starting'}, {share:.0%} (Esc to stop)"
    if context.workspace is not None:
        context.workspace.status_text_set(text)
    redraw(context)


def redraw(context: bpy.types.Context) -> None:
    """Have the sidebars of all 3D viewports drawn again."""
    manager: Any = context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


CLASSES = (POSELIFT_OT_lift,)
