# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure as a movie, over its footage or over the keypoints that were lifted, to judge a whole clip by.

Rendered here and now, also without a screen, or by Blender in its own window.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bpy

from ..core.errors import CancelledError, OutputError
from ..core.motion.motion import Motion
from ..core.output import written_aside
from . import compat
from .build import Built
from .preview_scene import new_preview_scene
from .state import current, remembered, temporary

Progress = Callable[[int, int], None]

CONTAINERS = {".mp4": "MPEG4", ".mov": "QUICKTIME", ".mkv": "MKV"}
"""Names' endings and Blender's names for what they are; all with H.264 inside."""


def save_movie(path: Path, built: Sequence[Built], motions: Sequence[Motion] = (), progress: Progress | None = None) -> None:
    """Render what was built, over its whole length, as a movie.

    motions: of the same people; their keypoints are drawn where the camera has no footage. progress: called with the frames
    done and all of them; what it raises stops the render and goes on. Nothing is left of a movie that was not finished.
    Raises `OutputError` where it cannot be written, and `SettingsError` where nothing was built.
    """
    source, _ = current()
    now = source.frame_current, source.frame_subframe
    with temporary(), written_aside(path) as aside:
        scene = new_preview_scene(built, motions)
        set_output(scene, aside)
        try:
            _render(scene, progress)
        finally:
            source.frame_set(now[0], subframe=now[1])


class Running:
    """A movie that Blender renders in its own window; `finish` puts it in its place."""

    def __init__(self, path: Path, built: Sequence[Built], motions: Sequence[Motion]) -> None:
        self._path, self._complete, self._ended, self._open = path, False, False, ExitStack()
        handlers: Any = bpy.app.handlers
        self._handlers = [(handlers.render_complete, self._completed), (handlers.render_cancel, self._cancelled)]
        with ExitStack() as until_started:
            aside = until_started.enter_context(written_aside(path))
            with remembered() as remove:
                until_started.callback(lambda: remove())
                scene = new_preview_scene(built, motions)
            set_output(scene, aside)
            for handler, told in self._handlers:
                handler.append(told)
                until_started.callback(_forget, handler, told)
            if bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=scene.name) != {"RUNNING_MODAL"}:
                raise OutputError(f"{path}: Blender starts no render now; end what is rendering.")
            self._open = until_started.pop_all()

    def _completed(self, *_: object) -> None:
        self._complete = self._ended = True

    def _cancelled(self, *_: object) -> None:
        self._ended = True

    @property
    def going(self) -> bool:
        """Whether the render still runs."""
        return not self._ended or renders()

    def finish(self) -> Path:
        """Put the movie in its place, or remove what there is of it, and what was made for it.

        Raises `CancelledError` where the render was stopped, and `OutputError` where the movie could not be written.
        """
        with self._open:
            if not self._complete:
                raise CancelledError("Stopped; there is no preview.")
        return self._path


def renders() -> bool:
    """Say whether Blender renders something in its window."""
    blender: Any = bpy.app
    return bool(blender.is_job_running("RENDER"))


def _forget(handler: Any, told: Callable[..., None]) -> None:
    if told in handler:  # loading a file forgets handlers
        handler.remove(told)


def set_output(scene: bpy.types.Scene, path: Path) -> None:
    """Have a scene rendered into a movie of the kind that the name's ending says. Raises `OutputError` for another one."""
    check_movie(path)
    compat.write_movie(scene, CONTAINERS[path.suffix.lower()], "H264")
    scene.render.filepath, scene.render.use_file_extension = str(path), False


def check_movie(path: Path) -> None:
    """Raise `OutputError` where a name's ending is no movie's (nor a picture's), or this Blender writes none."""
    if path.suffix.lower() not in CONTAINERS:
        raise OutputError(f"{path}: '{path.suffix}' is none of .png, {', '.join(CONTAINERS)}.")
    if not bpy.app.build_options.codec_ffmpeg:
        raise OutputError(f"{path}: this Blender was built without FFmpeg and writes no movies; ask for a .png.")


def _render(scene: bpy.types.Scene, progress: Progress | None) -> None:
    """Render a scene's animation, and stop after the frame in which `progress` raises or the user presses Ctrl-C."""
    frames, done = scene.frame_end - scene.frame_start + 1, 0
    raised: BaseException | None = None

    def stop(*_: object) -> None:
        nonlocal raised
        raised = raised or KeyboardInterrupt()

    def wrote(*_: object) -> None:
        nonlocal done, raised
        done += 1
        try:
            if progress and raised is None:
                progress(done, frames)
        except BaseException as error:  # Blender would print it and go on
            raised = error
        if raised is not None:
            scene.frame_current = scene.frame_end  # the render counts its frames there: this is its last one

    handlers: Any = bpy.app.handlers.render_write
    handlers.append(wrote)
    try:
        with _interrupted(stop):
            result = bpy.ops.render.render(animation=True, scene=scene.name)
    finally:
        handlers.remove(wrote)
    if raised is not None:
        raise raised
    if done < frames or result != {"FINISHED"}:
        raise KeyboardInterrupt  # Blender was told to stop


@contextmanager
def _interrupted(stop: Callable[..., None]) -> Iterator[None]:
    """Have Ctrl-C call `stop`: raised inside a handler of Blender's, an interrupt would be printed and lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual if usual is not None else signal.default_int_handler)
