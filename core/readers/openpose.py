# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPose's JSON output: a folder with one file per frame, or a single such file.

Format: OpenPose's documentation, "output format": {"people": [{"pose_keypoints_2d": [x, y, score, ...]}, ...]}, pixels,
(0, 0, 0) where missing; beside the body also "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d".
It says neither the frame rate nor the image size.

A clip has a file per frame, and these differ in little but their numbers: `openpose_shape` takes these out, and a block of
frames' numbers is parsed at once. Whatever is not as usual goes through Python's JSON, which also finds out what is wrong
and where.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..json_file import parse_json
from .files import frame_number
from .openpose_rows import Rows
from .openpose_shape import Shapes, people_of
from .reading import Reading, Request
from .source import FrameNames, Source, frame_names

_BLOCK = 128
"""Frames at a time: it bounds the memory beside the result, and a block's numbers fit the processor's cache."""
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_USUAL = 1 << 16
"""Bytes; hardly any frame has more."""


def recognise(source: Source) -> bool:
    """Tell whether a file (of a folder: its sample) is a frame of OpenPose: an object with a list `people`."""
    return source.head.startswith(b"{") and isinstance(source.json, dict) and isinstance(source.json.get("people"), list)


def read(path: Path, request: Request) -> Reading:
    """Read a folder of frames, or one frame.

    Frames are ordered by the last number in the file name; numbers that are left out are frames without people.
    Raises `ReadError` with the file and place at fault.
    """
    if path.is_dir():
        folder, frames = path, frame_names(path)
    else:
        folder, frames = path.parent, FrameNames(np.array([frame_number(path.stem) or 0]), "", [path.name])
    shapes, rows = Shapes(), Rows()
    for at in range(0, len(frames), _BLOCK):
        request.advance(at / len(frames))
        block = slice(at, at + _BLOCK)
        numbers, names = frames.numbers[block], frames[block]
        texts = _contents(folder, names)
        rows.share = (at + len(names)) / len(frames)
        if not rows.add_block(numbers, shapes.cut(texts)):
            for number, name, text in zip(numbers.tolist(), names, texts, strict=True):
                _add_frame(folder / name, number, text, rows)
    return rows.reading(frames.numbers)


def _contents(folder: Path, names: list[str]) -> list[bytes]:
    """Return small files' bytes, in half the time that Python's file objects take."""
    start, texts = f"{folder}{os.sep}", []
    for name in names:
        try:
            handle = os.open(start + name, _FLAGS)
            try:
                text = os.read(handle, _USUAL)
                while len(text) % _USUAL == 0 and (more := os.read(handle, _USUAL)):
                    text += more
            finally:
                os.close(handle)
        except OSError as error:
            raise ReadError(f"cannot be read: {error.strerror or error}.", folder / name) from error
        texts.append(text)
    return texts


def _add_frame(file: Path, number: int, text: bytes, rows: Rows) -> None:
    """Add a frame through Python's JSON, checking everything."""
    for place, person in people_of(parse_json(text, file), file):
        if person["body"]:  # OpenPose writes an empty list for a person of whom only hands or face were found
            rows.add_person(number, person, file, place)
