# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering of keypoint lists while files are parsed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from ..layouts import known_lengths
from .reading import Reading


class Collector:
    """Gathers keypoint lists while files are parsed, and turns them into arrays once, at the end.

    Numbers are kept as plain doubles: 24 bytes per keypoint and person, whatever the length of the clip. The lists must
    all be equally long, and as long as some known layout's unless `named` (the file may name its joints, or the choice of
    the layout, which comes later, has more to say).
    """

    def __init__(self, named: bool = False) -> None:
        self.values = array("d")
        self.frames: list[int] = []
        self.identities: list[str] = []
        self.named = named
        self.width = 0

    def add(self, frame: int, values: object, path: Path, place: str, identity: str | None = None) -> None:
        """Add one person's [x, y, score, ...] of a frame. Raises `ReadError` where it is no such list."""
        if not isinstance(values, list):
            raise ReadError(f"keypoints must be a list of numbers, not {type(values).__name__}.", path, place)
        if len(values) != self.width or not values:
            self._check_width(len(values), path, place)
        before = len(self.values)
        try:
            self.values.extend(values)
        except (TypeError, OverflowError) as error:
            del self.values[before:]
            raise ReadError(f"a keypoint list holds something that is no number ({error}).", path, place) from error
        self.frames.append(frame)
        if identity is not None:
            self.identities.append(identity)

    def _check_width(self, width: int, path: Path, place: str) -> None:
        known = [3 * count for count in known_lengths()]
        if width % 3 or not width or not (self.named or width in known):
            why = (
                "holds no triples x, y, score" if self.named else f"is none of the known lengths ({', '.join(map(str, known))})"
            )
            raise ReadError(f"a keypoint list of {width} numbers {why}.", path, place)
        if self.width:
            raise ReadError(f"a keypoint list of {width} numbers, after lists of {self.width}.", path, place)
        self.width = width

    def reading(self, numbers: Sequence[int] | None = None, **more: Any) -> Reading:
        """Return what was gathered. numbers: the frame numbers of the whole clip; `more`: other fields of the `Reading`.

        Identities count where every list came with one.
        """
        data = np.frombuffer(self.values, np.float64).reshape(len(self.frames), -1, 3) if self.width else np.zeros((0, 1, 3))
        whole = len(self.identities) == len(self.frames) > 0
        found = Reading(
            data[..., :2], data[..., 2], self.frames, numbers, identities=self.identities if whole else None, **more
        )
        if self.identities and not whole:
            found.notes.append(f"only {len(self.identities)} of {len(self.frames)} detections are tracked: linked by place.")
        return found
