# SPDX-License-Identifier: GPL-3.0-or-later
"""The known formats, and which of them a file is: told by its content, never by its name alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import PoseliftError, ReadError, SettingsError
from .reading import Reading, Request
from .source import Source


@dataclass(frozen=True)
class Format:
    """One way in which keypoints are written.

    name: on the command line; label: for people; endings: what its files are usually called; frames: one file per frame is
    one clip; persons: one file per person is one clip; module: of this package, where it is not called as the format is. It
    is imported when a file is there to be read: names and labels are all that Blender needs to register the extension.
    """

    name: str
    label: str
    endings: tuple[str, ...]
    frames: bool = False
    persons: bool = False
    module: str = ""

    def recognise(self, source: Source) -> bool:
        """Say whether a source is such. May raise `ReadError`, which counts as no."""
        return bool(self._module().recognise(source))

    def read(self, path: Path, request: Request) -> Reading:
        """Parse a file, or a folder where `folders`. Raises `ReadError` and what else the format's module says."""
        reading: Reading = self._module().read(path, request)
        return reading

    def _module(self) -> Any:
        return import_module(f".{self.module or self.name}", __package__)

    @property
    def folders(self) -> bool:
        """Whether a folder can be one clip."""
        return self.frames or self.persons


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("openpose", "OpenPose JSON", (".json",), frames=True),
        Format("alphapose", "AlphaPose results", (".json",), frames=True),
        Format("coco", "COCO keypoints", (".json",)),
        Format("mmpose", "MMPose predictions", (".json",), frames=True),
        Format("mediapipe", "MediaPipe Pose landmarks", (".json", ".csv"), frames=True),
        Format("yolo", "YOLO pose labels or results", (".txt", ".json"), frames=True),
        Format("track", "Poselift track", (".npz",), module="track_npz"),
        Format("arrays", "NumPy arrays", (".npz", ".npy")),
        Format("deeplabcut", "DeepLabCut predictions", (".csv", ".h5", ".hdf5")),
        Format("sleap", "SLEAP analysis", (".h5", ".hdf5")),
        Format("sports2d", "Sports2D pixels (TRC)", (".trc",), persons=True),
        Format("csv", "table of keypoints", (".csv", ".tsv"), module="csv_keypoints"),
    )
}
"""All formats by name. The first that recognises a file has it, so the special come before the general."""

ENDINGS: tuple[str, ...] = tuple(dict.fromkeys(ending for form in FORMATS.values() for ending in form.endings))
"""Endings of keypoint files, for file browsers."""


def format_named(name: str) -> Format:
    """Return a format. Raises `SettingsError` where there is none of that name."""
    if name not in FORMATS:
        raise SettingsError(f"no keypoint format is called '{name}'; known: {', '.join(FORMATS)}.")
    return FORMATS[name]


def detect_format(path: Path) -> str:
    """Return the name of a file's or folder's format.

    Raises `ReadError` where there is nothing, nothing known, or text in JSON that breaks off.
    """
    if not path.exists():
        raise ReadError("no such file or folder.", path)
    source = Source(path)
    if (source.ending or not source.is_folder) and not source.head.strip():
        raise ReadError("the file is empty.", path)
    for form in FORMATS.values():
        if (form.folders or not source.is_folder) and _recognised(form, source):
            return form.name
    if source.is_json:
        _ = source.json  # says where it breaks off, if it does
    from . import arrays, csv_keypoints, hdf5

    if source.is_zip:
        raise arrays.explain(path)
    if source.is_hdf5:
        raise hdf5.explain(path)
    if not source.is_folder and path.suffix.lower() in FORMATS["csv"].endings:
        raise csv_keypoints.explain(path)
    labels = ", ".join(form.label for form in FORMATS.values())
    raise ReadError(f"none of the known formats ({labels}); if it is one of them, name it.", source.sample)


def _recognised(form: Format, source: Source) -> bool:
    try:
        return form.recognise(source)
    except ReadError:
        return False


def find_clips(path: Path) -> list[Path]:
    """Return the clips in a folder, in order of their names, or the path itself where it is a clip.

    A folder of frame files is one clip; any other folder is searched, one level deep, for files and folders that are, and are
    no motions: those have been lifted.
    Raises `ReadError` where there is none.
    """
    if not path.is_dir() or _is_frames(path):
        detect_format(path)
        return [path]
    clips = [child for child in sorted(path.iterdir()) if not child.name.startswith(".") and _is_clip(child)]
    if not clips:
        raise ReadError("the folder holds no keypoints: neither one file per frame nor files of clips.", path)
    return clips


def _is_frames(folder: Path) -> bool:
    """Whether a folder's files are the frames, or the persons, of one clip."""
    try:
        return FORMATS[detect_format(folder)].folders
    except PoseliftError:
        return False


def _is_clip(path: Path) -> bool:
    if path.is_dir():
        return _is_frames(path)
    if path.suffix.lower() not in ENDINGS:
        return False
    try:
        return bool(detect_format(path)) and not _is_motion(path)
    except (PoseliftError, OSError):
        # A broken clip is named when it is read, not passed over; what merely is something else is.
        return path.suffix.lower() in _SURE and not _is_something_else(path)


def _is_motion(path: Path) -> bool:
    """Whether a file is what a lift has written."""
    from . import numpy_files

    return path.suffix.lower() == ".npz" and "joints_world" in numpy_files.members(path)


_SURE = (".json", ".npz", ".npy", ".h5", ".hdf5")
"""Endings of files that are worth a word where they are broken; text may be anything."""


def _content(source: Source) -> object:
    from . import hdf5, numpy_files

    if source.is_zip:
        return numpy_files.members(source.path)
    if source.is_hdf5:
        with hdf5.opened(source.path) as file:
            return hdf5.members(file)
    return source.json


def _is_something_else(path: Path) -> bool:
    """Whether a file is whole, but holds no keypoints."""
    try:
        source = Source(path)
        return bool(_content(source))
    except (PoseliftError, OSError):
        return False
