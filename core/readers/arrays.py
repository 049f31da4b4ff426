# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare NumPy arrays: `.npy` and `.npz` of (T, J, 2) or (T, J, 3), also with people before, as research code writes them.

VideoPose3D's `data_2d_*.npz` and Detectron's keep dictionaries and lists as pickled objects: these are refused, for unpickling
runs whatever code the file holds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from .reading import Reading, Request
from .source import Source
from .track_npz import load_array, members

_NAMES = (
    "keypoints",
    "keypoints_2d",
    "kpts",
    "kps",
    "positions_2d",
    "pose_2d",
    "poses_2d",
    "joints_2d",
    "reconstruction",
    "arr_0",
)
_SCORES = ("scores", "keypoint_scores", "confidence", "conf")
_MOST_JOINTS = 1000


def recognise(source: Source) -> bool:
    """Tell whether a file is an array of NumPy, or an archive with one under a usual name."""
    if source.head.startswith(b"\x93NUMPY"):
        return True
    return source.is_zip and any(name in _NAMES for name in members(source.path))


def read(path: Path, request: Request) -> Reading:
    """Read the array. Raises `ReadError` where it is pickled, or no keypoints by its shape."""
    source = Source(path)
    there = members(path) if source.is_zip else []
    name = next((name for name in _NAMES if name in there), "")
    if source.is_zip and not name:
        raise ReadError(f"has no array called {', '.join(_NAMES)}.", path)
    values = load_array(path, name)
    scores_name = next((other for other in _SCORES if other in there), "")
    scores = load_array(path, scores_name) if scores_name else None
    request.advance(0.5)
    return _reading(values, scores, path, name)


def _reading(values: NDArray, scores: NDArray | None, path: Path, name: str) -> Reading:
    if values.dtype.kind not in "fiu":
        raise ReadError(f"{values.dtype} where numbers are needed.", path, name)
    if values.ndim not in (3, 4) or values.shape[-1] not in (2, 3) or 0 in values.shape or values.shape[-2] > _MOST_JOINTS:
        raise ReadError(f"shape {values.shape}, but (frames, joints, 2 or 3) is needed, or people before that.", path, name)
    values = values.astype(np.float64)
    values = values if values.ndim == 4 else values[None]
    notes = []
    if scores is not None:
        scores = np.squeeze(scores.astype(np.float64)) if scores.dtype.kind in "fiu" else None
        if scores is None or scores.size != values[..., 0].size:
            raise ReadError("its scores do not fit its keypoints.", path, "scores")
        scores = scores.reshape(values.shape[:3])
    elif values.shape[-1] == 3:
        scores = values[..., 2]
        seen = scores[np.isfinite(scores)]
        if len(seen) and (seen.min() < 0 or seen.max() > 1.5):
            raise ReadError(
                f"the third numbers run from {seen.min():.3g} to {seen.max():.3g}, so these are places in space and no scores: "
                "give the 2D keypoints.",
                path,
                name,
            )
    else:
        scores = np.isfinite(values).all(-1).astype(np.float64)
        notes.append("the file has no scores: every keypoint counts fully.")
    people, length, joints = values.shape[:3]
    return Reading(
        values[..., :2].swapaxes(0, 1).reshape(-1, joints, 2),
        scores.swapaxes(0, 1).reshape(-1, joints),
        np.repeat(np.arange(length), people),
        range(length),
        identities=[str(number + 1) for number in range(people)] * length,
        notes=notes,
    )
