# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare arrays of keypoints, .npz or .npy, as Human3.6M's and VideoPose3D's users pass them around.

(T, J, 2), (T, J, 3) with scores, (P, T, J, C) or (T, P, J, C), under any of the usual names; in an archive also an array of
scores, and whatever else a Poselift track has (see `track_npz`). VideoPose3D's own `data_2d_*.npz` and the archives of its
Detectron scripts are pickled dictionaries and lists: refused, for unpickling runs what the file says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from ..layouts import known_lengths
from . import track_npz
from .numpy_files import load_archive, load_array, members, shape_of
from .reading import Reading, Request
from .source import Source

Floats = NDArray[np.float64]

_POINTS = (
    "keypoints", "keypoints_2d", "keypoints2d", "kps", "kpts", "kp", "positions_2d", "pose_2d", "poses_2d", "pose2d", "poses2d",
    "joints_2d", "joints2d", "reconstruction", "positions", "poses", "pose", "joints", "landmarks", "points", "coords",
)  # fmt: skip
_SCORES = (
    "scores", "score", "keypoint_scores", "keypoints_scores", "confidence", "confidences", "conf", "likelihood", "visibility",
)  # fmt: skip
_NAMES = ("joint_names", "keypoint_names", "keypoints_names", "node_names", "landmark_names", "bodyparts")
_MOST = 200
"""Arrays of an archive that are looked at."""
_CROWD = 50
_SCORE_LIMIT = 1.5
"""A third coordinate within 0 and this is a score; detectors' scores can lie a little above 1."""
_SHAPES = "(frames, joints, 2 or 3) or (people, frames, joints, 2 or 3)"


def recognise(source: Source) -> bool:
    """Tell whether a file is a .npy, or an archive with an array that by its name or shape is of keypoints."""
    return source.head.startswith(b"\x93NUMPY") or (source.is_zip and _points_in(source.path) is not None)


def read(path: Path, request: Request) -> Reading:
    """Read arrays. Raises `ReadError` with the array at fault."""
    with path.open("rb") as file:
        single = file.read(6) == b"\x93NUMPY"
    if single:
        name, data = "", {"": load_array(path)}
    else:
        name, data = _load(path)
    request.advance(0.5)
    given = data.pop(name)
    keypoints, scores, notes = _split(given, data.pop("scores", None), name, path)
    data["keypoints"] = keypoints
    if scores is not None:
        data["scores"] = scores
    found = track_npz.reading(data, path, shares=None)
    found.notes += notes
    return found


def explain(path: Path) -> ReadError:
    """Return why an archive that no format recognised is none of keypoints."""
    there = ", ".join(name[:40] for name in members(path)[:10])
    return ReadError(f"no array 'keypoints', nor another of shape {_SHAPES} (but {there}): this is not a keypoint track.", path)


def _points_in(path: Path) -> str | None:
    """Return the name of an archive's array of keypoints; None where there is none, or several that could be."""
    names = members(path)[:_MOST]
    lower = {name.lower(): name for name in reversed(names)}
    for wanted in _POINTS:
        if wanted in lower:
            return lower[wanted]
    fitting = [name for name in names if _fits(path, name, alone=len(names) == 1)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(path: Path, name: str, alone: bool) -> bool:
    try:
        shape, dtype = shape_of(path, name)
    except ReadError:
        return False
    widths = (2, 3) if alone else (2,)
    return len(shape) in (3, 4) and shape[-1] in widths and shape[-2] in known_lengths() and dtype.kind in "fiu"


def _load(path: Path) -> tuple[str, dict[str, NDArray]]:
    """Return the name of the keypoints, and the arrays under the names that a track's have."""
    name = _points_in(path)
    if name is None:
        raise explain(path)
    lower = {member.lower(): member for member in reversed(members(path)[:_MOST]) if member != name}
    others = track_npz.KINDS.keys() - {"keypoints", "scores", "joint_names"}
    renamed = {key: key for key in others & set(lower.values())}
    for other in _NAMES:
        if other in lower and "joint_names" not in renamed.values():
            renamed[lower[other]] = "joint_names"
    shape = shape_of(path, name)[0][:-1]
    for other in _SCORES:
        # Others than `scores` may well be something else's, such as the boxes'.
        fits = other in lower and (other == "scores" or shape_of(path, lower[other])[0] in (shape, (*shape, 1)))
        if fits and "scores" not in renamed.values():
            renamed[lower[other]] = "scores"
    data = load_archive(path, {name: "f"} | {member: track_npz.KINDS[key] for member, key in renamed.items()})
    return name, {renamed.get(member, member): value for member, value in data.items()}


def _split(given: Floats, scores: Floats | None, name: str, path: Path) -> tuple[Floats, Floats | None, list[str]]:
    """Return keypoints (T, J, 2) or (P, T, J, 2), scores alike or None, and notes. Raises `ReadError`."""
    shape, notes = given.shape, []
    if len(shape) not in (3, 4) or shape[-1] not in (2, 3) or 0 in shape:
        raise ReadError(f"shape {shape}, but {_SHAPES} is needed.", path, name)
    if scores is not None and scores.shape == (*shape[:-1], 1):
        scores = scores[..., 0]
    if shape[-1] == 3:
        third = given[..., 2]
        if not _are_scores(given):
            raise ReadError("its keypoints are places in space (x, y, z): give the 2D keypoints.", path, name)
        scores = third if scores is None else scores
    if scores is not None and scores.shape != shape[:-1]:
        raise ReadError(f"shape {scores.shape} does not fit keypoints of shape {shape}.", path, "scores")
    keypoints = given[..., :2]
    if len(shape) == 4 and shape[1] < shape[0] and shape[1] <= _CROWD:
        notes.append(f"shape {shape}: taken for {shape[0]} frames of {shape[1]} people.")
        keypoints, scores = keypoints.swapaxes(0, 1), None if scores is None else scores.swapaxes(0, 1)
    if scores is None:
        nowhere = (keypoints == 0).all(-1)
        if nowhere.any():
            notes.append(f"keypoints at exactly (0, 0) in a file without scores, taken for missing: {nowhere.sum()}.")
            keypoints = np.where(nowhere[..., None], np.nan, keypoints)
    return keypoints, scores, notes


def _are_scores(points: Floats) -> bool:
    """Whether a third coordinate is a score, not a depth: never negative, about 1 at most, beside pixels or shares."""
    known = points[np.isfinite(points).all(-1)]
    if not len(known):
        return True
    third, far = known[:, 2], np.abs(known[:, :2]).max()
    return bool(third.min() >= 0 and third.max() <= _SCORE_LIMIT and (far > 10 or far <= 1.0))
