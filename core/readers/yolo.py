# SPDX-License-Identifier: GPL-3.0-or-later
"""Ultralytics YOLO-pose: label files (one text file per frame) and the JSON of its results.

Formats (Ultralytics' documentation, "pose datasets", and its `Results.save_txt` and `Results.summary`): rows `class cx cy w h
x y [v] x y [v] ... [confidence] [track id]`, shares of the image, v a score or a label's visibility; JSON lists per frame of
{"name", "class", "confidence", "box": {"x1", ...}, "track_id"?, "keypoints": {"x": [...], "y": [...], "visible"?: [...]}},
pixels unless normalised. Keypoints that the model is not sure of are set to (0, 0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from .coco import visibilities_scored
from .collector import Collector
from .framed import FramedJson
from .mmpose import NO_SCORES
from .parsing import first_of, identity, numbers, triples
from .reading import Floats, Reading, Request
from .source import Source
from .yolo_labels import is_labels, read_labels

_DETECTIONS = ("detections", "results", "predictions", "objects", "people", "persons")
_IDENTITIES = ("track_id", "id")


def recognise(source: Source) -> bool:
    """Tell whether a file (of a folder: its sample) has label rows, or detections with keypoints as lists of x and y."""
    if not source.is_json:
        return is_labels(source.text)
    data: Any = source.json
    if source.is_folder and not FramedJson(source.sample, Request(), _is_detection, _DETECTIONS).is_one_frame(data):
        return False  # a folder of clips
    for _ in range(4):
        if isinstance(data, dict) and not _is_detection(data):
            inner = first_of(data, (*_DETECTIONS, "frames", "data"))
            data = inner if inner is not None else list(data.values())
        elif isinstance(data, list):
            data = next((e for e in data if e and isinstance(e, (list, dict)) and not _sees_nobody(e)), None)
    return _is_detection(data) and isinstance(data.get("keypoints"), dict)


def _sees_nobody(entry: Any) -> bool:
    return isinstance(entry, dict) and any(key in entry and not entry[key] for key in _DETECTIONS)


def _is_detection(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    keypoints = entry.get("keypoints")
    return (isinstance(keypoints, dict) and {"x", "y"} <= keypoints.keys()) or {"box", "class"} <= entry.keys()


def read(path: Path, request: Request) -> Reading:
    """Read label files or JSON: a folder with one file per frame, one frame, or a JSON of the whole clip.

    Raises `ReadError` with the file and place at fault.
    """
    first = Source(path)
    found = _results(path, request) if first.is_json else read_labels(path, request)
    with np.errstate(invalid="ignore"):
        found.keypoints = np.where((found.keypoints == 0).all(-1, keepdims=True), np.nan, found.keypoints)
    return visibilities_scored(found)


def _results(path: Path, request: Request) -> Reading:
    collector, scored = Collector(named=True), True
    corners: list[float] = []
    clip = FramedJson(path, request, _is_detection, _DETECTIONS)
    for frame in clip:
        content = [] if frame.content is None else frame.content
        if not isinstance(content, list):
            raise ReadError("a frame's detections must be a list.", frame.file, frame.place)
        for index, detection in enumerate(content):
            place = f"{frame.place}, detection {index + 1}".removeprefix(", ")
            if not isinstance(detection, dict):
                raise ReadError(f"a detection must be an object, not {type(detection).__name__}.", frame.file, place)
            if detection.get("keypoints") is None:
                continue  # of a model without keypoints, beside the others
            values, known = _keypoints(detection["keypoints"], frame.file, place)
            scored &= known
            corners += _corners(detection.get("box"))
            collector.add(frame.number, values, frame.file, place, identity(first_of(detection, _IDENTITIES)))
    shares = bool(np.median(corners) <= 1.0) if corners else None
    return clip.complete(collector.reading(shares=shares, notes=[] if scored else [NO_SCORES]))


def _keypoints(found: object, path: Path, place: str) -> tuple[list[float], bool]:
    if isinstance(found, list):
        return triples(found, None, path, place)
    if not isinstance(found, dict) or not {"x", "y"} <= found.keys():
        raise ReadError("keypoints must be lists 'x' and 'y'.", path, place)
    x, y = numbers(found["x"], path, place, "'x'"), numbers(found["y"], path, place, "'y'")
    seen = found.get("visible")
    scores = [1.0] * len(x) if seen is None else numbers(seen, path, place, "'visible'")
    if not len(x) == len(y) == len(scores):
        raise ReadError(f"{len(x)} x, {len(y)} y and {len(scores)} scores are no list of keypoints.", path, place)
    values: Floats = np.stack([x, y, scores], 1)
    return values.ravel().tolist(), seen is not None


def _corners(box: object) -> list[float]:
    """Return a box's far corner, by which pixels are told from shares."""
    far = [box.get("x2"), box.get("y2")] if isinstance(box, dict) else []
    return [float(v) for v in far if isinstance(v, float) or (isinstance(v, int) and abs(v) < 10**15)]
