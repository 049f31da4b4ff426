# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPose's JSON output: a folder with one file per frame, or a single such file.

Format: OpenPose's documentation, "output format": {"people": [{"pose_keypoints_2d": [x, y, score, ...]}, ...]}, pixels,
(0, 0, 0) where missing. It says neither the frame rate nor the image size.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from ..errors import ReadError
from ..people import to_tracks
from ..track import KeypointTrack
from .files import Collector, Progress, frame_number, read_json

_KEYS = ("pose_keypoints_2d", "pose_keypoints")


def read(path: Path, layout: str = "auto", progress: Progress | None = None) -> list[KeypointTrack]:
    """Read a folder of frames (or one frame) as one track per person, best seen first.

    Frames are ordered by the last number in the file name; numbers that are left out are frames without people.
    Raises `ReadError` with the file and place at fault.
    """
    frames = frame_files(path) if path.is_dir() else [(frame_number(path.stem) or 0, path)]
    collector = Collector(path)
    for done, (number, file) in enumerate(frames):
        if progress and done % 64 == 0:
            progress(done / len(frames))
        _read_frame(file, number, collector)
    found, skeleton, first, notes = collector.finish([number for number, _ in frames], layout)
    absent = found.length - len(frames)
    if absent:
        notes.append(
            f"frame numbers that no file has between {first} and {first + found.length - 1}, taken for empty frames: {absent}."
        )
    tracks = to_tracks(found, skeleton, source=str(path), first_frame=first, notes=notes)
    if progress:
        progress(1.0)
    return tracks


def frame_files(folder: Path) -> list[tuple[int, Path]]:
    """Return (frame number, file) of a folder's JSON files in order. Raises `ReadError` where they are no one clip."""
    try:
        names = [e.name for e in os.scandir(folder) if e.name.lower().endswith(".json") and not e.name.startswith(".")]
    except OSError as error:
        raise ReadError(f"the folder cannot be read: {error.strerror or error}.", folder) from error
    if not names:
        raise ReadError("the folder holds no .json file; give one that holds OpenPose's files, one per frame.", folder)
    numbered = {name: frame_number(name[: -len(".json")]) for name in names}
    without = sorted(name for name, number in numbered.items() if number is None)
    if without and len(names) > 1:
        raise ReadError("no frame number in the file name.", folder / without[0])
    frames = sorted((number or 0, name) for name, number in numbered.items())
    for (number, name), (following, other) in pairwise(frames):
        if number == following:
            raise ReadError(f"'{name}' and '{other}' are both frame {number}; give each clip a folder of its own.", folder)
    return [(number, folder / name) for number, name in frames]


def _read_frame(file: Path, number: int, collector: Collector) -> None:
    data = read_json(file)
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise ReadError("no list 'people': this is not a frame of OpenPose.", file)
    for index, person in enumerate(people):
        place = f"person {index + 1}"
        if not isinstance(person, dict):
            raise ReadError(f"a person must be an object, not {type(person).__name__}.", file, place)
        values = next((person[key] for key in _KEYS if key in person), None)
        if values is None:
            raise ReadError(f"no '{_KEYS[0]}'.", file, place)
        if values:  # OpenPose writes an empty list for a person of whom only hands or face were found
            collector.add(number, values, file, place)
