# SPDX-License-Identifier: GPL-3.0-or-later
"""AlphaPose's results: one JSON list of detections, or one of its two other forms, by image.

Formats (AlphaPose's documentation, "output format", and its `write_json`): [{"image_id": "0.jpg", "category_id", "keypoints":
[x, y, score, ...], "score", "box", "idx"}, ...], pixels; `--format cmu` and `open`: {"0.jpg": {"version", "bodies":
[{"joints": [...]}]}} and {"0.jpg": {"version", "people": [{"pose_keypoints_2d": [...]}]}}, 18 keypoints, and a folder
`sep-json` with each image's object. The detection's "score" is a sum and may exceed 1; the keypoints' count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ReadError
from ..json_file import read_json
from .collector import Collector
from .files import frame_number
from .parsing import frame_of, identity, numbers
from .reading import Reading, Request
from .source import Source, numbered_files

_FORMS = {"bodies": "joints", "people": "pose_keypoints_2d"}
_TWICE = "one 'idx' for several people of a frame, so they are no identities: people are linked by where they are."


def recognise(source: Source) -> bool:
    """Tell whether a file is a list of detections with AlphaPose's own `box` or `idx`, or an object by image."""
    if not source.is_json:
        return False
    data = source.json
    if isinstance(data, list) and data and not source.is_folder:
        first = data[0]
        return isinstance(first, dict) and {"image_id", "keypoints"} <= first.keys() and bool({"box", "idx"} & first.keys())
    if not isinstance(data, dict):
        return False
    if isinstance(data.get("bodies"), list):
        return True
    return not source.is_folder and bool(data) and all(_people(image) is not None for image in data.values())


def read(path: Path, request: Request) -> Reading:
    """Read a results file of any form, or a folder of images' files. The frame is the number in the image's name.

    Raises `ReadError` with the file and place at fault.
    """
    if path.is_dir():
        files = numbered_files(path)
        return _by_image(((number, read_json(file), file, "") for number, file in files), len(files), request)
    data = read_json(path)
    if isinstance(data, dict):
        if _people(data) is not None:
            return _by_image(iter([(frame_number(path.stem) or 0, data, path, "")]), 1, request)
        images = ((frame_of(key, path, repr(key[:60])), image, path, repr(key[:60])) for key, image in data.items())
        return _by_image(images, len(data), request)
    if not isinstance(data, list) or not data:
        raise ReadError("no list of detections: nobody is seen.", path)
    return _detections(data, path, request)


def _detections(entries: list[Any], path: Path, request: Request) -> Reading:
    collector, tracked = Collector(named=True), False
    for index, entry in enumerate(entries):
        if index % 1024 == 0:
            request.advance(index / len(entries))
        place = f"entry {index + 1}"
        if not isinstance(entry, dict) or "image_id" not in entry or "keypoints" not in entry:
            raise ReadError("a detection must be an object with 'image_id' and 'keypoints'.", path, place)
        name = entry.get("idx")
        # Without tracking, everybody is [0.0], or [[0.0], [0.0]] where detections were merged.
        tracked |= not isinstance(name, list)
        while isinstance(name, list) and name:
            name = name[0]
        frame = frame_of(entry["image_id"], path, place)
        collector.add(frame, numbers(entry["keypoints"], path, place), path, place, identity(name))
    notes: list[str] = []
    whole = len(collector.identities) == len(collector.frames)
    if whole and len(set(zip(collector.frames, collector.identities, strict=True))) < len(entries):
        notes.append(_TWICE)
        collector.identities.clear()
    elif not tracked and len(set(collector.identities)) == 1:
        collector.identities.clear()
    return collector.reading(notes=notes)


def _by_image(images: Iterator[tuple[int, Any, Path, str]], count: int, request: Request) -> Reading:
    collector, frames = Collector(named=True), []
    for done, (number, image, file, place) in enumerate(images):
        if done % 64 == 0:
            request.advance(done / count)
        people = _people(image)
        if people is None:
            raise ReadError("no list 'bodies' or 'people': this is not an image of AlphaPose.", file, place)
        frames.append(number)
        for index, person in enumerate(people):
            where = f"{place}, person {index + 1}".removeprefix(", ")
            key = next((key for key in _FORMS.values() if isinstance(person, dict) and key in person), None)
            if key is None:
                raise ReadError(f"a person must be an object with {' or '.join(map(repr, _FORMS.values()))}.", file, where)
            collector.add(number, numbers(person[key], file, where), file, where)
    return collector.reading(frames)


def _people(image: object) -> list[Any] | None:
    """Return the people of an image's object; None where it is none."""
    found = next((image[key] for key in _FORMS if key in image), None) if isinstance(image, dict) else None
    return found if isinstance(found, list) else None
