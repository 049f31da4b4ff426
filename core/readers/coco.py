# SPDX-License-Identifier: GPL-3.0-or-later
"""COCO keypoints: results (a list of detections of all frames), or annotations with their images and categories.

Formats: COCO's "results format" [{"image_id", "category_id", "keypoints": [x, y, score, ...], "score"}, ...] and its
annotations {"images": [{"id", "file_name", "width", "height"}], "annotations": [{"image_id", "keypoints": [x, y, v, ...]}],
"categories": [{"keypoints": [names]}]}, pixels; v is 0 for not labelled, 1 for labelled but hidden, 2 for visible.
COCO-WholeBody adds `foot_kpts`, `face_kpts`, `lefthand_kpts` and `righthand_kpts` to the body's keypoints, or lists all 133.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from ..json_file import read_json
from .collector import Collector
from .files import frame_number
from .parsing import first_of, footage, frame_of, identity, image_size, numbers
from .reading import MAX_SPAN, Reading, Request
from .source import Source

HIDDEN = 0.5
"""Score of a keypoint that was labelled though it is hidden; a visible one has 1."""
_PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
_IDENTITIES = ("track_id", "instance_id", "person_id", "trackId")


def recognise(source: Source) -> bool:
    """Tell whether a file is a list whose first entry has an image and keypoints, or an object with such annotations."""
    if not source.is_json:
        return False
    data = source.json
    if isinstance(data, dict):
        found = data.get("annotations")
        return isinstance(found, list) and any(isinstance(entry, dict) and "keypoints" in entry for entry in found)
    return not data or (isinstance(data[0], dict) and {"image_id", "keypoints"} <= data[0].keys())


def read(path: Path, request: Request) -> Reading:
    """Read results or annotations.

    The frame of results is `image_id`: a number, or a name with one. That of annotations is the number in the image's file
    name where every image has its own, else the image's id. Raises `ReadError` with the file and entry at fault.
    """
    data = read_json(path)
    if isinstance(data, dict):
        return _annotations(data, path, request)
    if not isinstance(data, list):
        raise ReadError("COCO keypoint results are one list of detections.", path)
    if not data:
        raise ReadError("the list of detections is empty: nobody is seen.", path)
    collector = _collected(data, None, path, request)
    return visibilities_scored(collector.reading())


def _annotations(data: dict[str, Any], path: Path, request: Request) -> Reading:
    entries = data.get("annotations")
    if not isinstance(entries, list):
        raise ReadError("no list 'annotations' (and results are one list of detections).", path)
    images = data.get("images")
    frames, size = _images(images, path) if isinstance(images, list) and images else (None, None)
    kept, names, notes = _one_category(entries, data.get("categories"))
    if not kept:
        raise ReadError("no annotation has keypoints.", path)
    collector = _collected(entries, frames, path, request, kept)
    found = collector.reading(
        list(frames.values()) if frames else None, fps=footage(data)[0], image_size=size, notes=notes, joint_names=names
    )
    if names is not None and 3 * len(names) != collector.width:
        found.joint_names = None
    return visibilities_scored(found)


def _collected(
    entries: list[Any], frames: dict[Any, int] | None, path: Path, request: Request, kept: set[int] | None = None
) -> Collector:
    """Gather the detections. frames: of the images' ids; kept: which entries count, all where None."""
    collector = Collector(named=True)
    whole = any(isinstance(entry, dict) and any(part in entry for part in list(_PARTS)[1:]) for entry in entries)
    for index, entry in enumerate(entries):
        if index % 1024 == 0:
            request.advance(index / len(entries))
        place = f"entry {index + 1}"
        if kept is not None and index not in kept:
            continue
        if not isinstance(entry, dict) or "image_id" not in entry or "keypoints" not in entry:
            raise ReadError("a detection must be an object with 'image_id' and 'keypoints'.", path, place)
        values = _keypoints(entry, whole, path, place)
        image = entry["image_id"]
        if frames is None:
            frame = frame_of(image, path, place)
        elif isinstance(image, (int, str)) and image in frames:
            frame = frames[image]
        else:
            raise ReadError("its 'image_id' is none of the images.", path, place)
        extra = entry.get("attributes")
        name = first_of({**extra, **entry} if isinstance(extra, dict) else entry, _IDENTITIES)
        collector.add(frame, values, path, place, identity(name))
    return collector


def _keypoints(entry: dict[str, Any], whole: bool, path: Path, place: str) -> list[float]:
    """Return an entry's keypoints; with `whole`, those of all parts, missing where the entry lacks a part."""
    values = numbers(entry["keypoints"], path, place)
    if not whole or len(values) != 3 * _PARTS["keypoints"]:
        return values
    for part, count in list(_PARTS.items())[1:]:
        more = numbers(entry[part], path, place, f"'{part}'") if entry.get(part) is not None else []
        if more and len(more) != 3 * count:
            raise ReadError(f"'{part}' has {len(more)} numbers, not {3 * count}.", path, place)
        values += more or [0.0] * (3 * count)
    return values


def _images(images: list[Any], path: Path) -> tuple[dict[Any, int], tuple[int, int] | None]:
    """Return the frame of each image's id, and the size that all images have."""
    by_name: dict[Any, int | None] = {}
    sizes = set()
    for index, image in enumerate(images):
        key = image.get("id") if isinstance(image, dict) else None
        if not isinstance(key, (int, str)):
            raise ReadError("an image must be an object with an 'id'.", path, f"image {index + 1}")
        name = image.get("file_name")
        by_name[key] = frame_number(Path(name).stem) if isinstance(name, str) else None
        sizes.add(image_size(image.get("width"), image.get("height")))
    size = sizes.pop() if len(sizes) == 1 else None
    for numbering in (by_name, {key: key if isinstance(key, int) else None for key in by_name}):
        frames = {key: value for key, value in numbering.items() if value is not None and 0 <= value < 10**15}
        found = frames.values()
        if len(set(found)) == len(by_name) and max(found) - min(found) < MAX_SPAN * len(found) + 1000:
            return frames, size
    return {key: index for index, key in enumerate(by_name)}, size  # photos of a data set: as they come


def _one_category(entries: list[Any], categories: object) -> tuple[set[int], list[str] | None, list[str]]:
    """Return the annotations with keypoints of the most frequent category, the names of its keypoints, and notes."""
    with_keypoints = [
        index for index, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("keypoints") and not _crowd(entry)
    ]
    kinds = {index: identity(entries[index].get("category_id")) for index in with_keypoints}
    counts = Counter(kinds.values()).most_common()
    notes = []
    if len(counts) > 1:
        notes.append(f"annotations of other categories than {counts[0][0]}, left out: {sum(n for _, n in counts[1:])}.")
    kept = {index for index, kind in kinds.items() if kind == counts[0][0]}
    known = categories if isinstance(categories, list) and counts else []
    for category in known:
        if isinstance(category, dict) and (len(known) == 1 or identity(category.get("id")) == counts[0][0]):
            names = category.get("keypoints")
            if isinstance(names, list) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
                return kept, names, notes
    return kept, None, notes


def _crowd(entry: dict[str, Any]) -> bool:
    return entry.get("iscrowd") == 1


def visibilities_scored(found: Reading) -> Reading:
    """Turn labels' visibilities 0, 1 and 2 into scores, where a 2 shows that they are no scores."""
    values = set(np.unique(found.scores)[:4].tolist())
    if 2.0 in values and values <= {0.0, 1.0, 2.0}:
        found.notes.append(f"visibilities taken for scores: hidden {HIDDEN:g}, visible 1.")
        found.scores = np.select([found.scores == 1.0, found.scores == 2.0], [HIDDEN, 1.0], 0.0)
    return found
