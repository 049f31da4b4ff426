# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of one clip have in common: everything but the numbers in their lists.

A shape is learned from a file that was parsed and checked in full. A later file that agrees with it in every byte between
the lists has the same structure, and its lists are cut out without parsing anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ReadError

PARTS: dict[str, tuple[str, ...]] = {
    "body": ("pose_keypoints_2d", "pose_keypoints"),
    "l_hand": ("hand_left_keypoints_2d", "hand_left_keypoints"),
    "r_hand": ("hand_right_keypoints_2d", "hand_right_keypoints"),
    "face": ("face_keypoints_2d", "face_keypoints"),
    "person": ("person_id",),
}
"""The lists of a person that are read, by the names that OpenPose's versions give them."""

_PART_OF = {key: part for part, keys in PARTS.items() for key in keys}
_LIST = re.compile(rb'"(\w+)"\s*:\s*\[([^\[\]"{}]+)\]')
_MOST = 64
"""Shapes that are remembered: a clip has one per number of people, more where hands come and go."""

Person = dict[str, Any]


def people_of(data: object, file: Path) -> list[tuple[str, Person]]:
    """Return each person's lists by part, with its place for messages. Raises `ReadError` where it is no OpenPose frame."""
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise ReadError("no list 'people': this is not a frame of OpenPose.", file)
    out = []
    for index, person in enumerate(people):
        place = f"person {index + 1}"
        if not isinstance(person, dict):
            raise ReadError(f"a person must be an object, not {type(person).__name__}.", file, place)
        parts = {part: next((person[key] for key in keys if key in person), None) for part, keys in PARTS.items()}
        if parts["body"] is None:
            raise ReadError(f"no '{PARTS['body'][0]}'.", file, place)
        out.append((place, parts))
    return out


@dataclass(frozen=True)
class Shape:
    """The bytes before, between and behind a file's lists, and which of the lists are which part of the people, in order."""

    pieces: tuple[bytes, ...]
    lists: Mapping[str, tuple[int, ...]]

    @cached_property
    def _span(self) -> tuple[bytes, bytes, int, int]:
        return self.pieces[0], self.pieces[-1], len(self.pieces[0]), -len(self.pieces[-1])

    def cut(self, text: bytes) -> list[bytes] | None:
        """Return the texts of a file's lists, in order; None where it has another shape."""
        head, tail, start, stop = self._span
        if not (text.startswith(head) and text.endswith(tail)):
            return None
        if len(self.pieces) == 2:
            return [text[start:stop]]
        if len(self.pieces) == 1:
            return [] if len(text) == start else None
        out, stop = [], stop + len(text)
        for piece in self.pieces[1:-1]:
            end = text.find(piece, start, stop)
            if end < 0:
                return None
            out.append(text[start:end])
            start = end + len(piece)
        out.append(text[start:stop])
        return out if start <= stop else None


@dataclass
class Run:
    """Files of one shape that follow each other: how many, and the texts of their lists, file after file."""

    shape: Shape
    count: int
    texts: list[bytes]

    @property
    def people(self) -> int:
        """How many people each of the files shows."""
        return len(self.shape.lists["body"])

    def texts_of(self, part: str) -> list[bytes]:
        """Return the texts of a part's lists, of one person after the other, file after file."""
        every = len(self.shape.pieces) - 1
        columns = [self.texts[at::every] for at in self.shape.lists[part]]
        return columns[0] if len(columns) == 1 else [text for people in zip(*columns, strict=True) for text in people]


class Shapes:
    """The shapes of a clip's files, those met last first."""

    def __init__(self) -> None:
        self._known: list[Shape] = []

    def cut(self, texts: list[bytes]) -> list[Run] | None:
        """Return the texts of the files' lists; None where a file has no shape that could be learned."""
        runs: list[Run] = []
        for text in texts:
            values = runs[-1].shape.cut(text) if runs else None
            if values is None:
                found = self._match(text) or (self._match(text) if self._study(text) else None)
                if found is None:
                    return None
                shape, values = found
                runs.append(Run(shape, 0, []))
            runs[-1].count += 1
            runs[-1].texts += values
        return runs

    def _match(self, text: bytes) -> tuple[Shape, list[bytes]] | None:
        for place, shape in enumerate(self._known):
            values = shape.cut(text)
            if values is not None:
                if place:
                    self._known.insert(0, self._known.pop(place))
                return shape, values
        return None

    def _study(self, text: bytes) -> bool:
        """Learn a file's shape through Python's JSON; False where it is not as OpenPose writes it."""
        try:
            people = people_of(json.loads(text), Path())
        except (ReadError, ValueError, RecursionError):
            return False
        self.learn(text, [person for _, person in people])
        return True

    def learn(self, text: bytes, people: list[Person]) -> None:
        """Remember the shape of a file that holds these people, where the parts of each follow from their order."""
        found = [(match, _PART_OF.get(match[1].decode(), "")) for match in _LIST.finditer(text)]
        for part in PARTS:
            has = [bool(person[part]) for person in people]
            if sum(name == part for _, name in found) != sum(has) or (any(has) and not all(has)):
                return
        if people and not people[0]["body"]:  # of whom only hands or a face were found
            return
        # Who nobody is tracked as is the same everywhere: no need to look at it.
        found = [(match, part) for match, part in found if (part, match[2]) != ("person", b"-1")]
        ends = [0, *(match.end(2) for match, _ in found)]
        starts = [*(match.start(2) for match, _ in found), len(text)]
        pieces = tuple(text[end:start] for end, start in zip(ends, starts, strict=True))
        lists = {part: tuple(n for n, (_, name) in enumerate(found) if name == part) for part in PARTS}
        self._known = [Shape(pieces, lists), *self._known[: _MOST - 1]]
