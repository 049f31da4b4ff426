# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames in JSON, however they are arranged: one file of a whole clip, or a folder with one file per frame.

A clip's file may be a list with one entry per frame, an object with such a list in it (and the rate and size of the
footage beside it), or an object with one entry per frame, by its number or its image's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import ReadError
from ..json_file import read_json
from .files import frame_number
from .parsing import FRAME_KEYS, TIME_KEYS, first_of, footage, frame_of, set_times, time_of
from .reading import Reading, Request
from .source import numbered_files

LISTS = ("frames", "instance_info", "results", "predictions", "data", "poses", "detections", "frames_data")
"""What the list of frames is called."""

CROWD = 8
"""A single frame has no more lists of detections."""
_ABOUT = {*FRAME_KEYS, *TIME_KEYS}


@dataclass(frozen=True)
class Frame:
    """One frame: its number, what the file has for it (None: nobody), and where that stands, for messages."""

    number: int
    content: Any
    file: Path
    place: str
    time: tuple[float, float] | None = None


class FramedJson:
    """The frames of a file or folder, one after the other, and what the file says about the footage.

    is_one: whether a piece of JSON is one detection (a list of such is a frame); keys: what a frame's list of detections is
    called. Frames that name no number are numbered as they come.
    """

    def __init__(self, path: Path, request: Request, is_one: Callable[[object], bool], keys: Sequence[str]) -> None:
        self.path, self.request, self.is_one, self.keys = path, request, is_one, keys
        self.head: dict[str, Any] = {}
        self.fps: Fraction | None = None
        self.size: tuple[int, int] | None = None
        self.numbers: list[int] = []
        self.times: list[tuple[float, float]] = []

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. Raises `ReadError` with the file and place at fault."""
        for frame in self._folder() if self.path.is_dir() else self._file():
            self.numbers.append(frame.number)
            if frame.time is not None:
                self.times.append(frame.time)
            yield frame

    def complete(self, found: Reading) -> Reading:
        """Return a reading with the numbers, times, rate and size of the footage added."""
        found.numbers, found.fps, found.image_size = self.numbers, self.fps, self.size
        set_times(found, self.times)
        return found

    def _folder(self) -> Iterator[Frame]:
        files = numbered_files(self.path)
        for done, (number, file) in enumerate(files):
            if done % 64 == 0:
                self.request.advance(done / len(files))
            data = read_json(file)
            time = None
            if isinstance(data, dict):
                self._about(data)
                time = time_of(data, file, "")
            yield Frame(number, self._image(data), file, "", time)

    def _file(self) -> Iterator[Frame]:
        data = read_json(self.path)
        if isinstance(data, dict):
            self._about(data)
        entries = list(self.entries(data))
        if not entries:
            raise ReadError("the list of frames is empty: nobody is seen.", self.path)
        named = all(number is not None for number, _, _ in entries)
        for index, (number, entry, place) in enumerate(entries):
            if index % 1024 == 0:
                self.request.advance(index / len(entries))
            time = time_of(entry, self.path, place) if isinstance(entry, dict) else None
            counted = index if number is None or not named else number
            yield Frame(counted, self._content(entry), self.path, place, time)

    def is_one_frame(self, data: object, most: int = 1) -> bool:
        """Tell whether a JSON holds one frame, and not a clip. most: how many lists in it may be one frame's.

        Raises `ReadError` where it is neither.
        """
        entries = list(islice(self.entries(data), most + 1))
        return len(entries) <= most and (len(entries) < 2 or all(number is None for number, _, _ in entries))

    def _unwrapped(self, data: object) -> object:
        """Return the frames, out of the object that may be around them."""
        if not isinstance(data, dict) or self.is_one(data):
            return data
        inner = next((data[key] for key in LISTS if isinstance(data.get(key), (list, dict))), None)
        if inner is not None:
            return inner
        column = first_of(data, self.keys)
        several = isinstance(column, list) and len(column) > CROWD and not self.is_one(column[0])
        return column if several else data  # of all frames, beside other columns

    def entries(self, data: object) -> Iterator[tuple[int | None, Any, str]]:
        """Yield (number or None, entry, place) of a clip's frames. Raises `ReadError` where it is none."""
        data = self._unwrapped(data)
        one = frame_number(self.path.stem) or 0
        if isinstance(data, dict):
            if not self.is_one(data) and data and all(frame_number(Path(key).stem) is not None for key in data):
                yield from ((frame_number(Path(key).stem), entry, repr(key[:60])) for key, entry in data.items())
            else:
                yield one, data, ""
        elif not isinstance(data, list):
            raise ReadError("neither a list of frames nor an object with one.", self.path)
        elif data and all(self.is_one(entry) for entry in data) and not self._numbered(data[0]):
            yield one, data, ""
        else:
            for index, entry in enumerate(data):
                place = f"frame {index + 1}"
                number = None
                if isinstance(entry, dict) and (key := self._numbered(entry)):
                    number = frame_of(entry[key], self.path, place, key)
                yield number, entry, place

    def _numbered(self, entry: object) -> str | None:
        """Return the key under which an entry has its frame's number."""
        return next((key for key in FRAME_KEYS if entry.get(key) is not None), None) if isinstance(entry, dict) else None

    def _content(self, entry: Any) -> Any:
        if isinstance(entry, dict) and not self.is_one(entry):
            if any(key in entry for key in self.keys):
                return first_of(entry, self.keys)
            return entry if entry.keys() - _ABOUT else None
        return [entry] if isinstance(entry, dict) else entry

    def _image(self, data: Any) -> Any:
        """Return what a folder's file has for its frame, out of the list of one frame that may be around it."""
        if isinstance(data, dict) and not self.is_one(data) and not any(key in data for key in self.keys):
            data = next((data[key] for key in LISTS if isinstance(data.get(key), list)), data)
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict):
            data = data[0]
        return self._content(data)

    def _about(self, data: dict[str, Any]) -> None:
        if not self.head:
            self.head = {key: value for key, value in data.items() if key not in LISTS}
            self.fps, self.size = footage(data)
