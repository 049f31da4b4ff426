# SPDX-License-Identifier: GPL-3.0-or-later
"""What an MP4 or MOV file says about how to hold its picture: phones write upright videos lying, with a mark to turn them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FOLDERS = (b"moov", b"trak")
_ENTRIES = 10_000


def quarter_turns(path: Path) -> int:
    """Return by how many quarter turns, clockwise, a movie is to be shown: 0 to 3; 0 where it does not say.

    The file's track headers are read (ISO 14496-12, "tkhd"): the transformation of the first one that has a picture.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            for header in _track_headers(file, 0, size, 0):
                matrix = header[52:88] if header[:1] == b"\1" else header[40:76]
                width, height = struct.unpack(">II", header[-8:])
                if len(matrix) == 36 and width and height:
                    a, b, _, c, d = struct.unpack(">5i", matrix[:20])
                    one = 1 << 16
                    turns = {(one, 0, 0, one): 0, (0, one, -one, 0): 1, (-one, 0, 0, -one): 2, (0, -one, one, 0): 3}
                    return turns.get((a, b, c, d), 0)
    except (OSError, struct.error):
        pass
    return 0


def _track_headers(file: BinaryIO, start: int, end: int, depth: int) -> Iterator[bytes]:
    """Yield the content of every track header between two places of a file."""
    for _ in range(_ENTRIES):
        if start + 8 > end:
            return
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        body = start + 8
        if length == 1:
            length, body = struct.unpack(">Q", file.read(8))[0], start + 16
        stop = end if length == 0 else start + length
        if stop < body or stop > end:
            return
        if kind in _FOLDERS and depth < 4:
            yield from _track_headers(file, body, stop, depth + 1)
        elif kind == b"tkhd" and 84 <= stop - body <= 200:
            file.seek(body)
            yield file.read(stop - body)
        start = stop
