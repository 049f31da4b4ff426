# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoint files to `KeypointTrack`s: one module per format, told apart by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import ReadError, SettingsError, TrackError
from ..track import KeypointTrack
from . import coco, openpose, track_npz
from .detect import detect_format, find_clips
from .files import Progress

__all__ = ["FORMATS", "detect_format", "find_clips", "read"]

_READERS: dict[str, Callable[[Path, str, Progress | None], list[KeypointTrack]]] = {
    "openpose": openpose.read,
    "coco": coco.read,
    "track": track_npz.read,
}
FORMATS: tuple[str, ...] = tuple(_READERS)
"""Names of the formats, for the command line and menus."""


def read(
    path: str | Path, *, file_format: str = "auto", layout: str = "auto", progress: Progress | None = None
) -> list[KeypointTrack]:
    """Read all people of a clip, linked over its frames, best seen first (coverage x mean score x size).

    file_format: "auto" (told by content) or one of `FORMATS`; layout: "auto" or a name in `layouts.LAYOUTS`;
    progress: called with 0..1 now and then (it may raise `CancelledError`). Every track is as long as the clip.
    Raises `ReadError`, which names the file and place, and `SettingsError` for an unknown format or layout.
    """
    path = Path(path)
    if file_format != "auto" and file_format not in _READERS:
        raise SettingsError(f"no keypoint format is called '{file_format}'; known: {', '.join(FORMATS)}.")
    if not path.exists():
        raise ReadError("no such file or folder.", path)
    reader = _READERS[detect_format(path) if file_format == "auto" else file_format]
    try:
        return reader(path, layout, progress)
    except TrackError as error:
        raise ReadError(str(error), path) from error
    except MemoryError as error:
        raise ReadError("too large for this machine's memory.", path) from error
