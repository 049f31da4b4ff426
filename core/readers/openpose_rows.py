# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of OpenPose's frames, gathered row by row: body always, hands and face where they were found."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from ..layouts import LAYOUTS, body_count
from .numbers import parse_lists
from .openpose_shape import PARTS, Cut, Person
from .reading import Reading

WIDTHS = {"l_hand": 63, "r_hand": 63, "face": 210}
"""Numbers in OpenPose's lists beside the body's: 21 keypoints per hand, 70 in the face; in the order of the track's joints."""


class _Growing:
    """Keypoints and scores that grow in place, so that no second copy is made in the end."""

    def __init__(self) -> None:
        self._count = 0
        self._keypoints: NDArray[np.float64] = np.zeros((0, 1, 2))
        self._scores: NDArray[np.float64] = np.zeros((0, 1))

    def add(self, rows: NDArray[np.float64]) -> None:
        """Append rows (N, 3 K) of x, y, score."""
        rows = rows.reshape(len(rows), -1, 3)
        count = self._count + len(rows)
        if count > len(self._scores):
            self._resize(max(count, len(self._scores) * 5 // 4 + _FIRST), rows.shape[1])
        self._keypoints[self._count : count], self._scores[self._count : count] = rows[..., :2], rows[..., 2]
        self._count = count

    def taken(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return keypoints (N, K, 2) and scores (N, K)."""
        self._resize(self._count, self._scores.shape[1])
        return self._keypoints, self._scores

    def _resize(self, count: int, joints: int) -> None:
        self._keypoints.resize((count, joints, 2), refcheck=False)
        self._scores.resize((count, joints), refcheck=False)


class Rows:
    """Rows of numbers as they come, one per person and frame.

    Doubles in plain arrays: 24 bytes per keypoint and person. Hands and face have rows only where they were found.
    """

    def __init__(self) -> None:
        self.width = 0
        self.frames = array("q")
        self.people = array("q")
        self.body = _Growing()
        self.parts = {part: (array("q"), array("d")) for part in WIDTHS}

    def add_block(self, numbers: Sequence[int], found: list[Cut] | None) -> bool:
        """Add frames whose lists were cut out of their files; False, and nothing added, where any is not as usual."""
        if found is None:
            return False
        texts = {part: [lists[at] for shape, lists in found for at in shape.lists[part]] for part in PARTS}
        width = self.width or (texts["body"][0].count(b",") + 1 if texts["body"] else 0)
        if width and not _is_known(width):
            return False
        values = {part: parse_lists(texts[part], WIDTHS.get(part, width)) for part in (*WIDTHS, "body") if texts[part]}
        if any(value is None for value in values.values()):
            return False
        owners = [(shape, number) for number, (shape, _) in zip(numbers, found, strict=True) for _ in shape.lists["body"]]
        start = len(self.frames)
        for part, block in values.items():
            assert block is not None
            if part != "body":
                self.parts[part][0].extend(start + row for row, (shape, _) in enumerate(owners) if shape.lists[part])
            if part == "body":
                self.body.add(block)
            else:
                self.parts[part][1].frombytes(block.tobytes())
        self.width = width
        self.frames.extend(number for _, number in owners)
        self.people.extend(_person_numbers(texts["person"], len(owners)))
        return True

    def add_person(self, number: int, person: Person, file: Path, place: str) -> None:
        """Add one person's parsed lists. Raises `ReadError` where they are no lists of numbers, or of a wrong length."""
        body = person["body"]
        if not isinstance(body, list):
            raise ReadError(f"keypoints must be a list of numbers, not {type(body).__name__}.", file, place)
        if len(body) != self.width:
            if not _is_known(len(body)):
                known = ", ".join(str(3 * count) for count in _COUNTS)
                raise ReadError(f"a keypoint list of {len(body)} numbers is none of the known lengths ({known}).", file, place)
            if self.width:
                raise ReadError(f"a keypoint list of {len(body)} numbers, after lists of {self.width}.", file, place)
            self.width = len(body)
        numbers = array("d")
        _extend(numbers, body, file, place)
        self.body.add(np.frombuffer(numbers, np.float64)[None])
        for part, columns in WIDTHS.items():
            values = person[part]
            if values:
                if not isinstance(values, list) or len(values) != columns:
                    raise ReadError(f"its {part} must be a list of {columns} numbers.", file, place)
                rows, numbers = self.parts[part]
                _extend(numbers, values, file, place)
                rows.append(len(self.frames))
        self.frames.append(number)
        identity = person["person"]
        whole = isinstance(identity, list) and len(identity) == 1 and type(identity[0]) is int and abs(identity[0]) < 2**62
        self.people.append(identity[0] if whole else -1)

    def reading(self, numbers: Sequence[int]) -> Reading:
        """Return what was gathered. numbers: the frame numbers of all files."""
        count = len(self.frames)
        keypoints, scores = self.body.taken()
        hands, face = (bool(self.parts["l_hand"][0] or self.parts["r_hand"][0]), bool(self.parts["face"][0]))
        wanted = ["l_hand", "r_hand"] * hands + ["face"] * face
        if wanted:
            more = [self._part(part, count) for part in wanted]
            keypoints = np.concatenate([keypoints, *(part[..., :2] for part in more)], axis=1)
            scores = np.concatenate([scores, *(part[..., 2] for part in more)], axis=1)
        people = [str(person) for person in self.people] if count and min(self.people) >= 0 else None
        frames = np.frombuffer(self.frames, np.int64) if count else np.zeros(0, np.int64)
        return Reading(keypoints, scores, frames, numbers, identities=people, hands=hands, face=face)

    def _part(self, part: str, count: int) -> NDArray[np.float64]:
        """Return (count, K, 3) of a part; zeros where it was not found."""
        rows, values = self.parts[part]
        out = np.zeros((count, WIDTHS[part] // 3, 3))
        if rows:
            out[np.frombuffer(rows, np.int64)] = np.frombuffer(values, np.float64).reshape(len(rows), -1, 3)
        return out


def _person_numbers(texts: list[bytes], count: int) -> list[int]:
    """Return each person's number, -1 where there is none."""
    if len(texts) != count or set(texts) == {b"-1"}:
        return [-1] * count
    return [int(text) if text.isdigit() and len(text) < 16 else -1 for text in texts]


_FIRST = 1024
"""Rows that there is room for at first."""

_COUNTS = sorted({len(layout) for layout in LAYOUTS.values() if body_count(layout) == len(layout)})
"""Keypoints of the bodies that are known."""


def _is_known(width: int) -> bool:
    return width % 3 == 0 and width // 3 in _COUNTS


def _extend(numbers: array[float], values: list[object], file: Path, place: str) -> None:
    """Append parsed JSON values, all or none. Raises `ReadError` where one is no number."""
    before = len(numbers)
    try:
        numbers.extend(values)  # type: ignore[arg-type]  # that is what is tried
    except (TypeError, OverflowError) as error:
        del numbers[before:]
        raise ReadError(f"a keypoint list holds something that is no number ({error}).", file, place) from error
