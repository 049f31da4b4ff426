# SPDX-License-Identifier: GPL-3.0-or-later
"""Keypoint files to `KeypointTrack`s: one module per format, told apart by content."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from ..errors import ReadError, TrackError
from ..track import KeypointTrack
from .files import Progress
from .formats import ENDINGS, FORMATS, detect_format, find_clips, format_named
from .reading import Request, to_people

__all__ = ["ENDINGS", "FORMATS", "detect_format", "find_clips", "read"]


def read(
    path: str | Path,
    *,
    file_format: str = "auto",
    layout: str = "auto",
    image_size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    joints: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[KeypointTrack]:
    """Read all people of a clip, linked over its frames, best seen first (coverage x mean score x size).

    file_format: "auto" (told by content) or one of `FORMATS`; the rest is what `Request` says. Every track is as long as
    the clip. Raises `ReadError`, which names the file and place, `ImageSizeNeededError` where the file has shares of an
    image of unknown size, and `SettingsError` for an unknown format or layout.
    """
    path = Path(path)
    if file_format != "auto":
        format_named(file_format)
    if not path.exists():
        raise ReadError("no such file or folder.", path)
    form = format_named(detect_format(path) if file_format == "auto" else file_format)
    request = Request(layout, image_size, fps, joints or {}, progress)
    try:
        return to_people(form.read(path, request), request, path)
    except TrackError as error:
        raise ReadError(str(error), path) from error
    except MemoryError as error:
        raise ReadError("too large for this machine's memory.", path) from error
