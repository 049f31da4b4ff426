# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe Pose (BlazePose): 33 landmarks, in JSON or CSV of the shapes that people write them in.

MediaPipe has no file format. Its landmarks (its guide, "pose landmark detection") have x and y in shares of the image, which
may lie beyond it, z, `visibility` and `presence`. JSON is read by frames (see `framed`); a pose is a list of 33 landmarks
(objects, or [x, y, z, visibility]), one flat list of numbers, or an object by landmark name or index. World landmarks are
metres around the hips, no places in the image: they are passed over, or refused where there is nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from .framed import CROWD, LISTS, FramedJson
from .mediapipe_landmarks import COUNT, Landmarks, landmark_index
from .mediapipe_table import is_table, read_table
from .parsing import first_of, number, numbers
from .reading import Reading, Request
from .source import Source

_IMAGE = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose", "normalized_landmarks")
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", "keypoints3D")
_OWN = ("name", "landmark", "landmark_name", "part", "joint", "id", "index", "idx", "landmark_id", "landmarkId")
_VISIBILITY = ("visibility", "score", "confidence", "presence", "likelihood")
_AXES = ("x", "y", "z", "visibility")
_LEAST = 8
"""Landmarks by name that are a pose."""
_DEPTH = 6
"""How deep in a frame its poses may lie."""


def recognise(source: Source) -> bool:
    """Tell whether a file (of a folder: its sample) has poses of 33 landmarks, or columns of such."""
    if not source.is_json:
        return not source.is_folder and is_table(source.text)
    data: Any = source.json
    if source.is_folder and not FramedJson(source.sample, Request(), _is_point, _IMAGE).is_one_frame(data, CROWD):
        return False  # a folder of clips
    if isinstance(data, dict):
        data = next((data[key] for key in LISTS if isinstance(data.get(key), (list, dict))), data)
    if _is_point(data):
        return False
    entries = [data, *(data if isinstance(data, list) else data.values())] if isinstance(data, (list, dict)) else []
    return any(_has_pose(entry) for entry in entries[:2000])


def _has_pose(entry: object) -> bool:
    try:
        return next(_poses(entry, Path(), ""), None) is not None or _world_only(entry)
    except ReadError:
        return False


def _world_only(entry: object) -> bool:
    return isinstance(entry, dict) and any(entry.get(key) for key in _WORLD) and not any(entry.get(key) for key in _IMAGE)


def read(path: Path, request: Request) -> Reading:
    """Read a JSON of a clip, a folder with one file per frame, or a CSV.

    Raises `ReadError` with the file and place at fault, also where there are world landmarks only.
    """
    if not path.is_dir() and not Source(path).is_json:
        return read_table(path, request)
    gathered = Landmarks()
    clip = FramedJson(path, request, _is_point, _IMAGE)
    for frame in clip:
        if _world_only(frame.content):
            raise ReadError(
                "only world landmarks, which are metres around the hips; write the image's landmarks (pose_landmarks).",
                frame.file, frame.place,
            )  # fmt: skip
        for values in _poses(frame.content, frame.file, frame.place):
            gathered.add(frame.number, values)
    return clip.complete(gathered.reading(path))


def _is_point(entry: object) -> bool:
    """Whether a piece of JSON is one landmark: an object with x and y, or two to five numbers."""
    if isinstance(entry, dict):
        return {"x", "y"} <= entry.keys() or {"X", "Y"} <= entry.keys()
    return isinstance(entry, list) and 2 <= len(entry) <= 5 and all(v is None or isinstance(v, (int, float)) for v in entry)


def _poses(entry: Any, path: Path, place: str, depth: int = 0) -> Iterator[list[float]]:
    """Yield the poses in what a frame has, each as x, y, third, visibility of 33 landmarks. Raises `ReadError`."""
    if not entry or depth > _DEPTH or isinstance(entry, str):
        return
    if isinstance(entry, list):
        if len(entry) in (2 * COUNT, 3 * COUNT, 4 * COUNT, 5 * COUNT) and not isinstance(entry[0], (list, dict)):
            width = len(entry) // COUNT
            flat = numbers(entry, path, place)
            yield [v for k in range(COUNT) for v in _four(flat[k * width : (k + 1) * width])]
        elif _is_point(entry[0]):
            yield _pose(entry, path, place)
        else:
            for index, inner in enumerate(entry):
                where = f"{place}, pose {index + 1}".removeprefix(", ") if len(entry) > 1 else place
                yield from _poses(inner, path, where, depth + 1)
    elif isinstance(entry, dict):
        if any(entry.get(key) is not None for key in _IMAGE):
            yield from _poses(first_of(entry, _IMAGE), path, place, depth + 1)
        else:
            named = {k: v for k, v in entry.items() if _is_point(v) and landmark_index(k) is not None}
            points = [v if isinstance(v, dict) else dict(zip(_AXES, v, strict=False)) for v in named.values()]
            if len(points) >= _LEAST:
                yield _pose([{**v, "name": k} for k, v in zip(named, points, strict=True)], path, place)


def _pose(points: list[Any], path: Path, place: str) -> list[float]:
    """Return a pose's numbers, each landmark at its own name's or index's place where all have one. Raises `ReadError`."""
    own = [_index(point) for point in points]
    if None in own or len(set(own)) < len(own):
        if len(points) != COUNT:
            raise ReadError(f"{len(points)} landmarks; MediaPipe's pose has {COUNT}.", path, place)
        own = list(range(COUNT))
    values = [np.nan] * (4 * COUNT)
    for position, (at, point) in enumerate(zip(own, points, strict=True)):
        if point is not None and at is not None:
            values[4 * at : 4 * at + 4] = _landmark(point, path, f"{place}, landmark {position + 1}".removeprefix(", "))
    return values


def _index(point: Any) -> int | None:
    """Return which landmark an object says it is, by name or index; None where it says nothing."""
    found = (landmark_index(point[key]) for key in _OWN if key in point) if isinstance(point, dict) else ()
    return next((index for index in found if index is not None), None)


def _landmark(point: Any, path: Path, place: str) -> list[float]:
    if not _is_point(point):
        raise ReadError("a landmark must have x and y.", path, place)
    if isinstance(point, list):
        return _four(numbers(point, path, place, "a landmark"))
    x, y, z = (number(first_of(point, (axis, axis.upper())), path, place, f"'{axis}'") for axis in "xyz")
    return [x, y, z, number(first_of(point, _VISIBILITY), path, place, "'visibility'")]


def _four(point: list[float]) -> list[float]:
    """Return x, y, z and visibility, NaN for what is not there (a fifth number is the presence)."""
    return (point + [np.nan] * 4)[:4]
