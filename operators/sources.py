# SPDX-License-Identifier: GPL-3.0-or-later
"""Where keypoints come from on the command line: keypoint files, and Blender files with tracked movie clips.

The same three functions as `core.readers` has, for which a `.blend` is one more format.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..core import readers
from ..core.errors import ReadError
from ..core.readers.files import Progress
from ..core.track import KeypointTrack
from .blender_needed import has_blender

BLEND = "blend"


def find_clips(path: Path) -> list[Path]:
    """Return the clips in a folder, or the path itself where it is a clip. Raises `ReadError` where there is none."""
    return [path] if _is_blend(path) else readers.find_clips(path)


def detect_format(path: Path) -> str:
    """Return the name of a clip's format. Raises `ReadError` where it is unknown."""
    return BLEND if _is_blend(path) else readers.detect_format(path)


def read(
    path: Path,
    *,
    file_format: str = "auto",
    layout: str = "auto",
    image_size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    progress: Progress | None = None,
) -> list[KeypointTrack]:
    """Read all people of a clip, best seen first. A Blender file's tracks say themselves what they are.

    Raises `ReadError` and `SettingsError` as `core.readers.read`, and `TrackError` where a clip's markers are no body.
    """
    if not _is_blend(path):
        return readers.read(path, file_format=file_format, layout=layout, image_size=image_size, fps=fps, progress=progress)
    if not has_blender():
        raise ReadError("is read by Blender; run this in Blender, or install its module: pip install bpy.", path)
    from ..scene.clip_tracks import read_blend

    tracks = read_blend(path)
    if progress:
        progress(1.0)
    return tracks


def _is_blend(path: Path) -> bool:
    return path.suffix.lower() == ".blend" and path.is_file()
