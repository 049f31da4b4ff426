# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of OpenPose's frames, gathered row by row: body always, hands and face where they were found."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from ..layouts import LAYOUTS, body_count
from .numbers import parse_lists
from .openpose_shape import Person, Run
from .reading import Reading

WIDTHS = {"l_hand": 63, "r_hand": 63, "face": 210}
"""Numbers in OpenPose's lists beside the body's: 21 keypoints per hand, 70 in the face; in the order of the track's joints."""


Parts = dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]]
"""Part -> which of some rows have it, and its numbers (N, 3 K)."""


class _Growing:
    """Keypoints and scores that grow in place, so that no second copy is made in the end."""

    def __init__(self) -> None:
        self._count = 0
        self._keypoints: NDArray[np.float64] = np.zeros((0, 1, 2))
        self._scores: NDArray[np.float64] = np.zeros((0, 1))

    def add(self, count: int, parts: Parts, places: dict[str, slice], share: float) -> None:
        """Append rows of which each has some of the parts, at their places among the joints; the others are missing.

        share: of all rows, how much is there with these, if it goes on as it began.
        """
        at, after = self._count, self._count + count
        if after > len(self._scores):
            joints = max(place.stop for place in places.values())
            self._resize(max(after, min(round(after / share), 2 * after + _FIRST)), joints)
        for part, (which, values) in parts.items():
            numbers = values.reshape(len(values), -1, 3)
            rows = slice(at, after) if len(values) == count else at + which
            self._keypoints[rows, places[part]], self._scores[rows, places[part]] = numbers[..., :2], numbers[..., 2]
        self._count = after

    def rearrange(self, columns: list[int], joints: int) -> None:
        """Make room for more joints: those that are there become `columns` of so many, the others are missing."""
        old = self._keypoints[: self._count], self._scores[: self._count]
        self._keypoints, self._scores = np.zeros((self._count, joints, 2)), np.zeros((self._count, joints))
        if self._count:
            self._keypoints[:, columns], self._scores[:, columns] = old

    def taken(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return keypoints (N, K, 2) and scores (N, K)."""
        self._resize(self._count, self._scores.shape[1])
        return self._keypoints, self._scores

    def _resize(self, count: int, joints: int) -> None:
        self._keypoints.resize((count, joints, 2), refcheck=False)
        self._scores.resize((count, joints), refcheck=False)


class Rows:
    """Rows of numbers as they come, one per person and frame.

    Doubles in plain arrays: 24 bytes per keypoint and person. There are columns for hands and face once any was found.
    """

    def __init__(self) -> None:
        self.width = 0
        self.share = 1.0
        """Of the clip's files, with those whose people are being added."""
        self.hands = self.face = False
        self.frames = array("q")
        self.people = array("q")
        self._rows = _Growing()

    def add_block(self, numbers: NDArray[np.int64], runs: list[Run] | None) -> bool:
        """Add frames whose lists were cut out of their files; False, and nothing added, where any is not as usual."""
        if runs is None:
            return False
        width, parts = self.width, Parts()
        sizes = [run.count * run.people for run in runs]
        for part in ("body", *WIDTHS):
            texts = [text for run in runs for text in run.texts_of(part)] if len(runs) > 1 else runs[0].texts_of(part)
            if not texts:
                continue
            if part == "body" and not width:
                width = texts[0].count(b",") + 1
                if not _is_known(width):
                    return False
            values = parse_lists(texts, WIDTHS.get(part, width))
            if values is None:
                return False
            parts[part] = np.flatnonzero(np.repeat([bool(run.shape.lists[part]) for run in runs], sizes)), values
        self.width = width
        if parts:
            self._add(sum(sizes), parts)
        people = np.repeat([run.people for run in runs], [run.count for run in runs])
        self.frames.frombytes(np.repeat(numbers, people).tobytes())
        for run, size in zip(runs, sizes, strict=True):
            self.people.extend(_person_numbers(run.texts_of("person"), size))
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
        row = np.zeros(1, np.intp)
        parts: Parts = {"body": (row, _doubles(body, file, place))}
        for part, columns in WIDTHS.items():
            values = person[part]
            if values:
                if not isinstance(values, list) or len(values) != columns:
                    raise ReadError(f"its {part} must be a list of {columns} numbers.", file, place)
                parts[part] = row, _doubles(values, file, place)
        self.width = len(body)
        self._add(1, parts)
        self.frames.append(number)
        identity = person["person"]
        whole = isinstance(identity, list) and len(identity) == 1 and type(identity[0]) is int and abs(identity[0]) < 2**62
        self.people.append(identity[0] if whole else -1)

    def reading(self, numbers: NDArray[np.int64]) -> Reading:
        """Return what was gathered. numbers: the frame numbers of all files."""
        count = len(self.frames)
        keypoints, scores = self._rows.taken()
        names = {person: str(person) for person in set(self.people)}
        people = [names[person] for person in self.people] if count and min(names) >= 0 else None
        frames = np.frombuffer(self.frames, np.int64) if count else np.zeros(0, np.int64)
        return Reading(keypoints, scores, frames, numbers, identities=people, hands=self.hands, face=self.face)

    def _add(self, count: int, parts: Parts) -> None:
        """Append rows of which each has some of the parts; the others score 0."""
        before, hands, face = self._places(), self.hands, self.face
        self.hands, self.face = hands or not {"l_hand", "r_hand"}.isdisjoint(parts), face or "face" in parts
        places = self._places()
        joints = max(place.stop for place in places.values())
        if len(self.frames) and (self.hands, self.face) != (hands, face):
            columns = [column for part, place in before.items() for column in range(joints)[places[part]]]
            self._rows.rearrange(columns, joints)
        self._rows.add(count, parts, places, self.share)

    def _places(self) -> dict[str, slice]:
        """Return which columns each part has: the body, then both hands and the face where any was found."""
        places, at = {"body": slice(0, self.width // 3)}, self.width // 3
        for part, width in WIDTHS.items():
            if self.face if part == "face" else self.hands:
                places[part] = slice(at, at + width // 3)
                at += width // 3
        return places


def _person_numbers(texts: list[bytes], count: int) -> array[int]:
    """Return each person's number, -1 where there is none."""
    if len(texts) != count:
        return array("q", [-1]) * count
    return array("q", [int(text) if text.isdigit() and len(text) < 16 else -1 for text in texts])


_FIRST = 1024
"""Rows that there is room for at first."""

_COUNTS = sorted({len(layout) for layout in LAYOUTS.values() if body_count(layout) == len(layout)})
"""Keypoints of the bodies that are known."""


def _is_known(width: int) -> bool:
    return width % 3 == 0 and width // 3 in _COUNTS


def _doubles(values: list[object], file: Path, place: str) -> NDArray[np.float64]:
    """Return parsed JSON values as one row. Raises `ReadError` where one is no number."""
    numbers = array("d")
    try:
        numbers.extend(values)  # type: ignore[arg-type]  # that is what is tried
    except (TypeError, OverflowError) as error:
        raise ReadError(f"a keypoint list holds something that is no number ({error}).", file, place) from error
    return np.frombuffer(numbers, np.float64)[None]
