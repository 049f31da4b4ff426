# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader is asked to read, looked at once: the first bytes, the JSON in it, a folder's frame files."""

from __future__ import annotations

import os
from collections.abc import Container
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import ReadError
from .files import frame_number, read_json

HEAD = 1 << 16
"""Bytes of a file that formats are told by."""
_PATIENCE = 4096
"""Frame files whose size is looked at for one that is not empty."""
_EMPTY = 8
"""Bytes of a frame file that shows nobody, such as "[]"."""


class Source:
    """A file, or a folder of frame files, whose format is to be told.

    What was looked at is kept, so that the formats' checks and the reader share one look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()

    @cached_property
    def files(self) -> list[Path]:
        """The frame files: the file itself, or a folder's files with its most frequent ending, by frame number."""
        if not self.is_folder:
            return [self.path]
        names = [name for name in _names(self.path) if Path(name).suffix.lower() in FRAME_ENDINGS]
        if not names:
            return []
        endings = [Path(name).suffix.lower() for name in names]
        ending = max(FRAME_ENDINGS, key=endings.count)
        numbers = {name: frame_number(Path(name).stem) for name in names if _ends(name, ending)}
        # Names without a number, such as a list of classes, are no frames: last.
        return [self.path / n for n in sorted(numbers, key=lambda n: (numbers[n] is None, numbers[n] or 0, n))]

    @cached_property
    def sample(self) -> Path:
        """The file to look into: the first frame file that has any content. Raises `ReadError` where there is none."""
        if not self.files:
            raise ReadError("the folder holds no frame files (.json or .txt).", self.path)
        for file in self.files[:_PATIENCE]:
            try:
                if not self.is_folder or file.stat().st_size > _EMPTY:
                    return file
            except OSError:
                continue
        return self.files[0]

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the file (of a folder: of its sample), without a byte order mark and leading blanks.

        Raises `ReadError` where it cannot be opened or is empty.
        """
        try:
            with self.sample.open("rb") as file:
                start = file.read(HEAD)
        except OSError as error:
            raise ReadError(f"cannot be read: {error.strerror or error}.", self.sample) from error
        if not start:
            raise ReadError("the file is empty.", self.sample)
        return start.removeprefix(b"\xef\xbb\xbf").lstrip() or b" "

    @cached_property
    def text(self) -> str:
        """The head as text; what is no UTF-8 in it is replaced."""
        return self.head.decode("utf-8", "replace")

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip archive, as NumPy's .npz is."""
        return self.head.startswith(b"PK")

    @property
    def is_hdf5(self) -> bool:
        """Whether it is an HDF5 file."""
        return self.head.startswith(b"\x89HDF\r\n\x1a\n")

    @property
    def is_json(self) -> bool:
        """Whether it starts as a JSON object or list."""
        return self.head[:1] in (b"{", b"[")

    @cached_property
    def json(self) -> Any:
        """The parsed JSON of the file (of a folder: of its sample). Raises `ReadError` where it is none."""
        return read_json(self.sample)


FRAME_ENDINGS = (".json", ".txt")
"""Endings of the files that detectors write one of per frame."""


def numbered_files(folder: Path, ending: str = ".json", but: Container[str] = ()) -> list[tuple[int, Path]]:
    """Return (frame number, file) of a folder's files with an ending, in order.

    The number is the last one in the name. but: names of files that are no frames, in lower case. Raises `ReadError` where
    they are no one clip.
    """
    names = [name for name in _names(folder) if _ends(name, ending) and name.lower() not in but]
    if not names:
        raise ReadError(f"the folder holds no {ending} file; give one that holds a detector's files, one per frame.", folder)
    numbered = {name: frame_number(name[: -len(ending)]) for name in names}
    without = sorted(name for name, number in numbered.items() if number is None)
    if without and len(names) > 1:
        raise ReadError("no frame number in the file name.", folder / without[0])
    frames = sorted((number or 0, name) for name, number in numbered.items())
    for (number, name), (following, other) in pairwise(frames):
        if number == following:
            raise ReadError(f"'{name}' and '{other}' are both frame {number}; give each clip a folder of its own.", folder)
    return [(number, folder / name) for number, name in frames]


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_file()]
    except OSError as error:
        raise ReadError(f"the folder cannot be read: {error.strerror or error}.", folder) from error


def _ends(name: str, ending: str) -> bool:
    return name.lower().endswith(ending)
