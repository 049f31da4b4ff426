# SPDX-License-Identifier: GPL-3.0-or-later
"""MMPose's predictions: the JSON of its inferencer and demos, for a video or with one file per image.

Formats (MMPose's `split_instances` and what writes its result): a frame's instances are [{"keypoints": [[x, y], ...],
"keypoint_scores": [...], "bbox": [[...]], "bbox_score"}, ...], pixels. A video is {"meta_info": {...}, "instance_info":
[{"frame_id": 1, "instances": [...]}, ...]} (demos, with the joints' names in the meta data) or that list alone
(inferencer, counted from 0); images give one list of instances each. MMPose 0.x gave [x, y, score] and no list of scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ReadError
from .collector import Collector
from .framed import FramedJson
from .parsing import first_of, identity, triples
from .reading import Reading, Request
from .source import Source

_INSTANCES = ("instances", "pose_results", "predictions")
_NAMES = ("keypoint_id2name", "keypoint_names")
_IDENTITIES = ("track_id", "instance_id", "tracking_id")
_OWN = {"keypoint_scores", "bbox", "bbox_score", "track_id", "area"}
NO_SCORES = "keypoints without scores, taken for sure."


def recognise(source: Source) -> bool:
    """Tell whether a file (of a folder: its sample) has instances: keypoints as pairs, with their own list of scores."""
    if not source.is_json:
        return False
    data: Any = source.json
    if source.is_folder and not FramedJson(source.sample, Request(), _is_instance, _INSTANCES).is_one_frame(data):
        return False  # a folder of clips
    if isinstance(data, dict):
        if isinstance(data.get("instance_info"), list):
            return True
        data = first_of(data, _INSTANCES)
    for _ in range(3):
        if not isinstance(data, list):
            break
        data = next((entry for entry in data if entry and not (isinstance(entry, dict) and _seen_nobody(entry))), None)
        if isinstance(data, dict) and "keypoints" not in data:
            data = first_of(data, _INSTANCES)
    return _is_instance(data) and bool(_OWN & data.keys()) and "image_id" not in data


def _seen_nobody(entry: dict[str, Any]) -> bool:
    return any(key in entry and not entry[key] for key in _INSTANCES)


def _is_instance(entry: object) -> bool:
    keypoints = entry.get("keypoints") if isinstance(entry, dict) else None
    return isinstance(keypoints, list) and bool(keypoints) and isinstance(keypoints[0], list) and len(keypoints[0]) in (2, 3)


def read(path: Path, request: Request) -> Reading:
    """Read a video's predictions, one image's, or a folder's with one file per image.

    Joints are named where the file names them. Raises `ReadError` with the file and place at fault.
    """
    collector, scored = Collector(named=True), True
    clip = FramedJson(path, request, _is_instance, _INSTANCES)
    for frame in clip:
        for index, instance in enumerate(_instances(frame.content, frame.file, frame.place)):
            place = f"{frame.place}, instance {index + 1}".removeprefix(", ")
            if not isinstance(instance, dict) or "keypoints" not in instance:
                raise ReadError("an instance must be an object with 'keypoints'.", frame.file, place)
            values, known = triples(instance["keypoints"], instance.get("keypoint_scores"), frame.file, place)
            scored &= known
            collector.add(frame.number, values, frame.file, place, identity(first_of(instance, _IDENTITIES)))
    names = _names(clip.head, collector.width // 3)
    return clip.complete(collector.reading(joint_names=names, notes=[] if scored else [NO_SCORES]))


def _instances(content: Any, file: Path, place: str) -> list[Any]:
    """Return a frame's instances; a list around them (one per image of a batch) is taken off."""
    if content is None:
        return []
    if not isinstance(content, list):
        raise ReadError("a frame's instances must be a list.", file, place)
    if len(content) == 1 and isinstance(content[0], list):
        return content[0]
    return content


def _names(head: dict[str, Any], count: int) -> list[str] | None:
    """Return the joints' names in the meta data, where there is one for each."""
    meta = head.get("meta_info")
    found = first_of(meta, _NAMES) if isinstance(meta, dict) else None
    if isinstance(found, dict):
        found = [found.get(str(index)) for index in range(count)]
    if not isinstance(found, list) or len(found) != count or not count:
        return None
    return found if all(isinstance(name, str) and name for name in found) and len(set(found)) == count else None
