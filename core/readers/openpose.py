# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPose's JSON output: a folder with one file per frame, or a single such file.

Format: OpenPose's documentation, "output format": {"people": [{"pose_keypoints_2d": [x, y, score, ...]}, ...]}, pixels,
(0, 0, 0) where missing. It says neither the frame rate nor the image size.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ReadError
from .collector import Collector
from .files import frame_number, read_json
from .reading import Reading, Request
from .source import Source, numbered_files

_KEYS = ("pose_keypoints_2d", "pose_keypoints")


def recognise(source: Source) -> bool:
    """Tell whether a file (of a folder: its sample) is a frame of OpenPose: an object with a list `people`."""
    return source.head.startswith(b"{") and isinstance(source.json, dict) and isinstance(source.json.get("people"), list)


def read(path: Path, request: Request) -> Reading:
    """Read a folder of frames, or one frame.

    Frames are ordered by the last number in the file name; numbers that are left out are frames without people.
    Raises `ReadError` with the file and place at fault.
    """
    frames = numbered_files(path) if path.is_dir() else [(frame_number(path.stem) or 0, path)]
    collector = Collector()
    for done, (number, file) in enumerate(frames):
        if done % 64 == 0:
            request.advance(done / len(frames))
        _read_frame(file, number, collector)
    return collector.reading([number for number, _ in frames])


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
