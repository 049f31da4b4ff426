# SPDX-License-Identifier: GPL-3.0-or-later
"""COCO keypoint results: one JSON list of detections of all frames.

Format: COCO's "results format" for keypoint detection: [{"image_id", "category_id", "keypoints": [x, y, score, ...],
"score"}, ...], pixels. It says neither the frame rate nor the image size.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ReadError
from .collector import Collector
from .files import frame_number, read_json
from .reading import Reading, Request
from .source import Source


def recognise(source: Source) -> bool:
    """Tell whether a file is a list whose first entry has an image and keypoints."""
    if not source.head.startswith(b"["):
        return False
    data = source.json
    return not data or (isinstance(data[0], dict) and {"image_id", "keypoints"} <= data[0].keys())


def read(path: Path, request: Request) -> Reading:
    """Read a results file. The frame is `image_id`: a number, or a name with one.

    Raises `ReadError` with the file and entry at fault.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ReadError("COCO keypoint results are one list of detections.", path)
    if not entries:
        raise ReadError("the list of detections is empty: nobody is seen.", path)
    collector = Collector()
    for index, entry in enumerate(entries):
        if index % 1024 == 0:
            request.advance(index / len(entries))
        place = f"entry {index + 1}"
        if not isinstance(entry, dict) or "image_id" not in entry or "keypoints" not in entry:
            raise ReadError("a detection must be an object with 'image_id' and 'keypoints'.", path, place)
        collector.add(frame_of(entry["image_id"], path, place), entry["keypoints"], path, place)
    return collector.reading()


def frame_of(image: object, path: Path, place: str) -> int:
    """Return the frame that an `image_id` stands for: a number, or a file name with one. Raises `ReadError`."""
    number = frame_number(Path(image).stem) if isinstance(image, str) else image
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 10**15:
        raise ReadError(f"'image_id' must be a frame's number or a name with one, not {str(image)[:40]!r}.", path, place)
    return number
