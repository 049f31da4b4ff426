# SPDX-License-Identifier: GPL-3.0-or-later
"""COCO keypoint results: one JSON list of detections of all frames.

Format: COCO's "results format" for keypoint detection: [{"image_id", "category_id", "keypoints": [x, y, score, ...],
"score"}, ...], pixels. It says neither the frame rate nor the image size.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ReadError
from ..people import to_tracks
from ..track import KeypointTrack
from .files import Collector, Progress, frame_number, read_json


def read(path: Path, layout: str = "auto", progress: Progress | None = None) -> list[KeypointTrack]:
    """Read a results file as one track per person, best seen first.

    The frame is `image_id`: a number, or a name with one. Raises `ReadError` with the file and entry at fault.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ReadError("COCO keypoint results are one list of detections.", path)
    if not entries:
        raise ReadError("the list of detections is empty: nobody is seen.", path)
    collector = Collector(path)
    for index, entry in enumerate(entries):
        if progress and index % 1024 == 0:
            progress(index / len(entries))
        place = f"entry {index + 1}"
        if not isinstance(entry, dict) or "image_id" not in entry or "keypoints" not in entry:
            raise ReadError("a detection must be an object with 'image_id' and 'keypoints'.", path, place)
        collector.add(_frame(entry["image_id"], path, place), entry["keypoints"], path, place)
    found, skeleton, first, notes = collector.finish(collector.frames, layout)
    tracks = to_tracks(found, skeleton, source=str(path), first_frame=first, notes=notes)
    if progress:
        progress(1.0)
    return tracks


def _frame(image: object, path: Path, place: str) -> int:
    number = frame_number(Path(image).stem) if isinstance(image, str) else image
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 10**15:
        raise ReadError(f"'image_id' must be a frame's number or a name with one, not {str(image)[:40]!r}.", path, place)
    return number
