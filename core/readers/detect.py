# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file or folder is, told by its content."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..errors import PoseliftError, ReadError
from .openpose import frame_files


def detect_format(path: Path) -> str:
    """Return the name of a file's or folder's format: "openpose", "coco" or "track".

    Looks at the first bytes only. Raises `ReadError` where there is nothing, or nothing known.
    """
    if path.is_dir():
        return "openpose"  # whose reader says what is wrong with a folder that holds something else
    if not path.exists():
        raise ReadError("no such file or folder.", path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error
    if not start:
        raise ReadError("the file is empty.", path)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PK"):
        return "track"
    if text.startswith(b"{"):
        return "openpose"
    if text.startswith(b"["):
        return "coco"
    raise ReadError(
        "neither OpenPose JSON, nor COCO keypoint results, nor a track .npz; if it is one of them, name its format.", path
    )


def find_clips(path: Path) -> list[Path]:
    """Return the clips in a folder, in order of their names, or the path itself where it is a clip.

    A folder of OpenPose frames is one clip; any other folder is searched, one level deep, for files and folders that are.
    Raises `ReadError` where there is none.
    """
    if not path.is_dir() or _is_frames(path):
        detect_format(path)
        return [path]
    clips = [child for child in sorted(path.iterdir()) if not child.name.startswith(".") and _is_clip(child)]
    if not clips:
        raise ReadError("the folder holds no keypoints: no OpenPose frames, COCO results or track .npz.", path)
    return clips


def _is_frames(folder: Path) -> bool:
    """Whether a folder's JSON files are the frames of one clip: the first one is an object, not a list."""
    try:
        return detect_format(frame_files(folder)[0][1]) == "openpose"
    except PoseliftError:
        return False


def _is_clip(path: Path) -> bool:
    if path.is_dir():
        return _is_frames(path)
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                return "keypoints.npy" in archive.namelist()
        return path.suffix.lower() == ".json" and bool(detect_format(path))
    except (PoseliftError, OSError, zipfile.BadZipFile):
        return path.suffix.lower() in (".json", ".npz")  # a broken clip is named when it is read, not passed over
