# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader is asked to read, looked at once: the first bytes, the JSON in it, a folder's frame files."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from ..errors import ReadError
from ..json_file import read_json
from .files import frame_number

HEAD = 1 << 16
"""Bytes of a file that formats are told by."""
_GLANCE = 4096
"""Entries of a folder that are looked at to tell what it is."""
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
    def ending(self) -> str:
        """The ending of a folder's frame files: the more frequent one. Empty where there is none, or for a file."""
        names = _names(self.path, _GLANCE) if self.is_folder else []
        counts = {ending: sum(_ends(name, ending) for name in names) for ending in FRAME_ENDINGS}
        best = max(FRAME_ENDINGS, key=lambda ending: counts[ending])
        return best if counts[best] else ""

    @cached_property
    def sample(self) -> Path:
        """The file to look into: a folder's first frame file that has any content.

        Raises `ReadError` where there is none.
        """
        if not self.is_folder:
            return self.path
        if not self.ending:
            raise ReadError("the folder holds no frame files (.json or .txt), so it is no clip.", self.path)
        names = [name for name in _names(self.path, _GLANCE) if _ends(name, self.ending)]
        # Names without a number, such as that of a list of classes, are no frames: last.
        files = [self.path / name for name in sorted(names, key=lambda name: (not any(map(str.isdecimal, name)), name))]
        return next((file for file in files if _size(file) > _EMPTY), files[0])

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
    """Return (frame number, file) of a folder's files with an ending, in order; see `numbered_names`."""
    return [(number, folder / name) for number, name in numbered_names(folder, ending, but)]


def numbered_names(folder: Path, ending: str = ".json", but: Container[str] = ()) -> list[tuple[int, str]]:
    """Return (frame number, name) of a folder's files with an ending, in order.

    The number is the last one in the name. but: names of files that are no frames, in lower case. Raises `ReadError` where
    they are no one clip.
    """
    names = [name for name in _names(folder) if _ends(name, ending) and name.lower() not in but]
    if not names:
        raise ReadError(f"the folder holds no {ending} file; give one that holds a detector's files, one per frame.", folder)
    frames = _alike(names) or sorted(((frame_number(name[: -len(ending)]), name) for name in names), key=_with_none_first)
    if frames[0][0] is None and len(names) > 1:
        raise ReadError("no frame number in the file name.", folder / frames[0][1])
    for (number, name), (following, other) in pairwise(frames):
        if number == following:
            raise ReadError(f"'{name}' and '{other}' are both frame {number}; give each clip a folder of its own.", folder)
    return [(number or 0, name) for number, name in frames]


def _alike(names: list[str]) -> list[tuple[int | None, str]] | None:
    """Return the numbers of names that are alike but for their last number, several times as fast as name by name."""
    found = re.search(r"^(.*?)[0-9]{1,15}([^0-9]*)$", names[0])
    if found is None:
        return None
    before, after = found.groups()
    start, stop = len(before), -len(after) or None
    digits = [name[start:stop] for name in names if name.startswith(before) and name.endswith(after)]
    if len(digits) < len(names) or not all(map(str.isdecimal, digits)) or max(map(len, digits)) > 15:
        return None
    return sorted(zip(map(int, digits), names, strict=True))


def _with_none_first(entry: tuple[int | None, str]) -> tuple[int, str]:
    return (-1 if entry[0] is None else entry[0]), entry[1]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _names(folder: Path, most: int | None = None) -> list[str]:
    """Return the names of a folder's visible files, of its first `most` entries. Raises `ReadError` where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, most) if entry.name[0] != "." and entry.is_file()]
    except OSError as error:
        raise ReadError(f"the folder cannot be read: {error.strerror or error}.", folder) from error


def _ends(name: str, ending: str) -> bool:
    return name.lower().endswith(ending)
