# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers share: JSON with typed errors, frame numbers, checked numbers, and the choice of the layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError, SettingsError
from ..layouts import BODY_25, BODY_25B, COCO_17, COCO_18, LAYOUTS
from ..people import Detections
from ..skeleton import Skeleton

Floats = NDArray[np.float64]
Progress = Callable[[float], None]

CANDIDATES: dict[int, tuple[Skeleton, ...]] = {17: (COCO_17,), 18: (COCO_18,), 25: (BODY_25, BODY_25B)}
"""Layouts that a list of so many keypoints can be."""

MAX_PIXEL = 1e6
"""Coordinates beyond this are no place in an image, whatever wrote them."""


def read_json(path: Path) -> Any:
    """Return a JSON file's content. Raises `ReadError` where it cannot be opened or is no complete JSON."""
    try:
        return parse_json(path.read_bytes(), path)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error


def parse_json(text: bytes, path: Path) -> Any:
    """Return the content of a JSON file that was read. Raises `ReadError` where it is no complete JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(
            f"not complete JSON ({error.msg}); write the file again.", path, f"line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise ReadError("nested too deeply to be keypoints.", path) from error
    except ValueError as error:  # wrong encoding, or a number of thousands of digits
        raise ReadError(f"not JSON: {error}.", path) from error


def frame_number(name: str) -> int | None:
    """Return the last number in a name without its ending (`clip2_000012_keypoints` -> 12), None where there is none.

    Roboflow's exports have a hash after `.rf.`, which does not count.
    """
    digits = re.findall(r"[0-9]+", name.split(".rf.")[0])
    return int(digits[-1]) if digits and len(digits[-1]) < 16 else None


def checked(keypoints: Floats, scores: Floats) -> tuple[Floats, Floats, list[str]]:
    """Return keypoints and scores with impossible values taken for missing and scores within 0..1, and notes on that."""
    notes = []
    keypoints, scores = keypoints.copy(), scores.copy()
    broken = ~np.isfinite(keypoints).all(-1) | ~np.isfinite(scores)
    with np.errstate(invalid="ignore"):
        far = ~broken & (np.abs(keypoints) > MAX_PIXEL).any(-1)
        above = ~broken & (scores > 1)
    if far.any():
        notes.append(f"keypoints more than {MAX_PIXEL:g} pixels away, taken for missing: {far.sum()}.")
    if above.any():
        notes.append(f"scores above 1 (up to {scores[above].max():.3g}), taken for 1: {above.sum()}.")
    missing = broken | far | ~(scores > 0)
    keypoints[missing] = np.nan
    return keypoints, np.where(missing, 0.0, np.minimum(scores, 1.0)), notes


def choose_layout(keypoints: Floats, scores: Floats, layout: str, path: Path) -> tuple[Skeleton, list[str]]:
    """Return the layout of (N, J, 2) keypoints, with the evidence where several have as many joints.

    layout: "auto" or a name in `LAYOUTS`. Raises `ReadError` where it has another number of joints, `SettingsError`
    where there is no such layout.
    """
    count = keypoints.shape[1]
    if layout != "auto":
        if layout not in LAYOUTS:
            raise SettingsError(f"no keypoint layout is called '{layout}'; known: {', '.join(LAYOUTS)}.")
        if len(LAYOUTS[layout]) != count:
            raise ReadError(f"{count} keypoints per person, but the layout '{layout}' has {len(LAYOUTS[layout])}.", path)
        return LAYOUTS[layout], []
    candidates = CANDIDATES.get(count) or tuple(known for known in LAYOUTS.values() if len(known) == count)
    if not candidates:
        known = ", ".join(f"{name} ({len(skeleton)})" for name, skeleton in LAYOUTS.items())
        raise ReadError(f"{count} keypoints per person are no known layout; known are {known}.", path)
    if len(candidates) == 1:
        return candidates[0], []
    return tell_layout(keypoints, scores, candidates)


def tell_layout(keypoints: Floats, scores: Floats, candidates: Sequence[Skeleton]) -> tuple[Skeleton, list[str]]:
    """Tell layouts of equal length apart by geometry: with the wrong one, edges run all over the body.

    Each detection's edge lengths are averaged (weighted by score) in units of its size; the layout whose median over
    the whole clip is smallest wins. keypoints: (N, J, 2), scores: (N, J). Returns it with a note on the evidence.
    """
    every = max(1, len(keypoints) // 4000)
    keypoints, scores = keypoints[::every], scores[::every]
    spread = Detections(keypoints, scores, np.arange(len(keypoints)), len(keypoints)).sizes
    medians, used = [], 0
    for skeleton in candidates:
        heads, tails = np.array(skeleton.edges).T
        weight = np.minimum(scores[:, heads], scores[:, tails])
        with np.errstate(invalid="ignore", divide="ignore"):
            length = np.linalg.norm(keypoints[:, heads] - keypoints[:, tails], axis=-1) / spread[:, None]
            mean = np.where(weight > 0, length * weight, 0.0).sum(1) / weight.sum(1)
        enough = ((weight > 0).sum(1) >= len(heads) // 3) & np.isfinite(mean)
        used = max(used, int(enough.sum()))
        medians.append(float(np.median(mean[enough])) if enough.any() else np.inf)
    best, second = np.argsort(medians, kind="stable")[:2]
    name = candidates[best].name
    if not np.isfinite(medians[best]) or medians[second] < 1.15 * medians[best]:
        return candidates[best], [f"layout taken for {name}, but it might be {candidates[second].name}; set it by hand if so."]
    return candidates[best], [
        f"layout {name}: its edges measure {medians[best]:.2f} of a person's size on average, those of "
        f"{candidates[second].name} {medians[second]:.2f} (median of {used} detections)."
    ]
