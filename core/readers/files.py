# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers share: JSON with typed errors, frame numbers, checked numbers, and the choice of the layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError, SettingsError
from ..layouts import LAYOUTS, candidates, known_lengths, tell_layout
from ..skeleton import Skeleton

Floats = NDArray[np.float64]
Progress = Callable[[float], None]

_BLOCK = 1024
"""Detections that are checked at a time, to bound the memory."""
MAX_PIXEL = 1e6
"""Coordinates beyond this are no place in an image, whatever wrote them."""


def frame_number(name: str) -> int | None:
    """Return the last number in a name without its ending (`clip2_000012_keypoints` -> 12), None where there is none.

    Roboflow's exports have a hash after `.rf.`, which does not count.
    """
    digits = re.findall(r"[0-9]+", name.split(".rf.")[0])
    return int(digits[-1]) if digits and len(digits[-1]) < 16 else None


def checked(keypoints: Floats, scores: Floats) -> tuple[Floats, Floats, list[str]]:
    """Return keypoints and scores with impossible values taken for missing and scores within 0..1, and notes on that.

    keypoints: (N, K, 2), scores: (N, K), or with more axes before; doubles that can be written to are changed in place.
    """
    keypoints, scores = np.require(keypoints, np.float64, "W"), np.require(scores, np.float64, "W")
    far, above, highest = 0, 0, 1.0
    for at in range(0, len(scores), _BLOCK):
        points, certain = keypoints[at : at + _BLOCK], scores[at : at + _BLOCK]
        with np.errstate(invalid="ignore"):
            reach = np.maximum(np.abs(points[..., 0]), np.abs(points[..., 1]))
            whole = np.isfinite(reach) & np.isfinite(certain)
            inside = reach <= MAX_PIXEL
            over = whole & inside & (certain > 1)
            missing = ~(whole & inside & (certain > 0))
        far += int((whole & ~inside).sum())
        if over.any():
            above, highest = above + int(over.sum()), max(highest, float(certain[over].max()))
            certain[over] = 1.0
        points[missing] = np.nan
        certain[missing] = 0.0
    notes = []
    if far:
        notes.append(f"keypoints more than {MAX_PIXEL:g} pixels away, taken for missing: {far}.")
    if above:
        notes.append(f"scores above 1 (up to {highest:.3g}), taken for 1: {above}.")
    return keypoints, scores, notes


def choose_layout(keypoints: Floats, scores: Floats, layout: str, path: Path) -> tuple[Skeleton, list[str]]:
    """Return the layout of (N, J, 2) keypoints, with the evidence where several have as many joints.

    layout: "auto" or a name in `LAYOUTS`. Raises `ReadError` where it has another number of joints, or no known layout has
    so many, `SettingsError` where there is no such layout.
    """
    count = keypoints.shape[1]
    if layout != "auto":
        if layout not in LAYOUTS:
            raise SettingsError(f"no keypoint layout is called '{layout}'; known: {', '.join(LAYOUTS)}.")
        if len(LAYOUTS[layout]) != count:
            raise ReadError(f"{count} keypoints per person, but the layout '{layout}' has {len(LAYOUTS[layout])}.", path)
        return LAYOUTS[layout], []
    among = candidates(count)
    if not among:
        known = ", ".join(map(str, known_lengths()))
        raise ReadError(f"{count} keypoints per person are no known layout (which have {known}); name the joints.", path)
    return tell_layout(keypoints, scores, among)
