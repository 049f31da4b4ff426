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

from ..errors import ReadError
from ..json_file import parse_json
from .files import frame_number
from .openpose_rows import Rows
from .openpose_shape import Shapes, people_of
from .reading import Reading, Request
from .source import Source, numbered_names

_BLOCK = 256
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
    folder, frames = (
        (path, numbered_names(path)) if path.is_dir() else (path.parent, [(frame_number(path.stem) or 0, path.name)])
    )
    shapes, rows = Shapes(), Rows()
    for at in range(0, len(frames), _BLOCK):
        request.advance(at / len(frames))
        block = frames[at : at + _BLOCK]
        texts = _contents(folder, block)
        if not rows.add_block([number for number, _ in block], shapes.cut(texts)):
            for (number, name), text in zip(block, texts, strict=True):
                _add_frame(folder / name, number, text, rows)
    return rows.reading([number for number, _ in frames])


def _contents(folder: Path, block: list[tuple[int, str]]) -> list[bytes]:
    start = f"{folder}{os.sep}"
    return [_content(start + name) for _, name in block]


def _content(file: str) -> bytes:
    """Return a small file's bytes, in half the time that Python's file objects take."""
    try:
        handle = os.open(file, _FLAGS)
        try:
            text = os.read(handle, _USUAL)
            while len(text) % _USUAL == 0 and (more := os.read(handle, _USUAL)):
                text += more
        finally:
            os.close(handle)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", file) from error
    return text


def _add_frame(file: Path, number: int, text: bytes, rows: Rows) -> None:
    """Add a frame through Python's JSON, checking everything."""
    for place, person in people_of(parse_json(text, file), file):
        if person["body"]:  # OpenPose writes an empty list for a person of whom only hands or face were found
            rows.add_person(number, person, file, place)
