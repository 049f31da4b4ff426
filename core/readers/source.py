# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader is asked to read, looked at once: the first bytes, the JSON in it, a folder's frame files."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from ..json_file import read_json
from .files import frame_number

HEAD = 1 << 16
"""Bytes of a file that formats are told by."""
_GLANCE = 4096
"""Entries of a folder that are looked at to tell what it is."""
_EMPTY = 8
"""Bytes of a frame file that shows nobody, such as "[]"."""
_DIGIT = re.compile(r"\d")


class Source:
    """A file, or a folder of frame files, whose format is to be told.

    What was looked at is kept, so that the formats' checks and the reader share one look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()

    @cached_property
    def _glance(self) -> list[str]:
        return _names(self.path, _GLANCE) if self.is_folder else []

    @cached_property
    def ending(self) -> str:
        """The ending of a folder's frame files: the more frequent one. Empty where there is none, or for a file."""
        counts = {ending: len(_ending(self._glance, ending)) for ending in FRAME_ENDINGS}
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
        names = sorted(_ending(self._glance, self.ending))
        # Names without a number, such as that of a list of classes, are no frames: last.
        names.sort(key=lambda name: _DIGIT.search(name) is None)
        files = (self.path / name for name in names)
        return next((file for file in files if _size(file) > _EMPTY), self.path / names[0])

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


@dataclass(frozen=True)
class FrameNames:
    """A folder's frame files in order: their numbers (T,), and how to come to their names.

    pattern: what a number makes a name of; it saves keeping `names`, which are empty then.
    """

    numbers: NDArray[np.int64]
    pattern: str
    names: list[str]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, some: slice) -> list[str]:
        """Return the names of some frames."""
        return self.names[some] or [self.pattern % number for number in self.numbers[some].tolist()]


def numbered_files(folder: Path, ending: str = ".json", but: Container[str] = ()) -> list[tuple[int, Path]]:
    """Return (frame number, file) of a folder's files with an ending, in order; see `frame_names`."""
    frames = frame_names(folder, ending, but)
    return [(number, folder / name) for number, name in zip(frames.numbers.tolist(), frames[:], strict=True)]


def frame_names(folder: Path, ending: str = ".json", but: Container[str] = ()) -> FrameNames:
    """Return the numbers and names of a folder's files with an ending, in order of the numbers.

    The number is the last one in the name. but: names of files that are no frames, in lower case. Raises `ReadError` where
    they are no one clip.
    """
    names = _ending(_names(folder), ending)
    if but:
        names = [name for name in names if name.lower() not in but]
    if not names:
        raise ReadError(f"the folder holds no {ending} file; give one that holds a detector's files, one per frame.", folder)
    alike = _alike(names)
    if alike is not None:
        return alike
    frames = sorted(((frame_number(name[: -len(ending)]), name) for name in names), key=_with_none_first)
    if frames[0][0] is None and len(names) > 1:
        raise ReadError("no frame number in the file name.", folder / frames[0][1])
    for (number, name), (following, other) in pairwise(frames):
        if number == following:
            raise ReadError(f"'{name}' and '{other}' are both frame {number}; give each clip a folder of its own.", folder)
    return FrameNames(np.array([number or 0 for number, _ in frames], np.int64), "", [name for _, name in frames])


def _alike(names: list[str]) -> FrameNames | None:
    """Return the frames of names that are alike but for their last number, which is written in one way; else None."""
    found = re.search(r"^(.*?)([0-9]{1,15})([^0-9]*)$", names[0])
    if found is None or not "".join(names).isascii():
        return None
    before, after = (found[group].encode() for group in (1, 3))
    numbers, lengths = [], set(map(len, names))
    for length in lengths:
        same = names if len(lengths) == 1 else [name for name in names if len(name) == length]
        letters = np.frombuffer("".join(same).encode(), np.uint8).reshape(-1, length)
        digits = letters[:, len(before) : length - len(after)] - np.uint8(ord("0"))
        width = digits.shape[1]
        if not 0 < width < 16 or digits.max() > 9 or (width > 1 < len(lengths) and not digits[:, 0].all()):
            return None
        if (letters[:, : len(before)] != list(before)).any() or (letters[:, length - len(after) :] != list(after)).any():
            return None
        numbers.append(digits @ 10 ** np.arange(width - 1, -1, -1))
    pattern = "%d" if len(lengths) > 1 else f"%0{len(found[2])}d"
    pattern = found[1].replace("%", "%%") + pattern + found[3].replace("%", "%%")
    return FrameNames(np.sort(np.concatenate(numbers)), pattern, [])


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


def _ending(names: list[str], ending: str) -> list[str]:
    """Return the names with an ending, in capitals or not."""
    size = -len(ending)
    return [name for name in names if name[size:].lower() == ending]
