# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one known motion in the formats of many detectors: the fixtures of the readers, and the demo's inputs.

    python samples/write_detections.py OUT_FOLDER [--frames 60] [--fps 30]

Every file holds the exact image of the walking, waving figure (see `make_clip`), so that all of them must give one track.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import make_clip
import numpy as np
from numpy.typing import NDArray

from poselift.core.layouts import LAYOUTS
from poselift.core.readers.mediapipe_landmarks import JOINT_NAMES

Floats = NDArray[np.float64]
Row = list[float]

SIZE = (1920, 1080)
COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
COCO_18_ORDER = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""AlphaPose's two other forms: COCO's keypoints in OpenPose's order; None: the neck, the middle of the shoulders."""


@dataclass(frozen=True)
class Seen:
    """What a detector found: people's keypoints (P, T, K, 2) in pixels, NaN where missing, and scores (P, T, K).

    first: number of the first frame; empty: frames (from 0) that show nobody.
    """

    keypoints: Floats
    scores: Floats
    fps: Fraction = Fraction(30)
    size: tuple[int, int] = SIZE
    first: int = 0
    empty: frozenset[int] = field(default=frozenset())

    def frames(self) -> list[tuple[int, list[tuple[int, Floats, Floats]]]]:
        """Return (frame number, [(person, keypoints (K, 2), scores (K,)), ...]) of each frame."""
        people, length = self.scores.shape[:2]
        seen = self.scores.max(-1) > 0
        return [
            (
                self.first + t,
                [(p, self.keypoints[p, t], self.scores[p, t]) for p in range(people) if seen[p, t] and t not in self.empty],
            )
            for t in range(length)
        ]


def motion(layout: str, frames: int = 60, fps: Fraction | float = 30) -> Seen:
    """Return the figure as a perfect detector of a layout sees it; points that the figure lacks are missing."""
    points = make_clip.body_points(*make_clip.animate(frames, fps))
    nowhere = np.full((frames, 3), np.nan)
    exact = make_clip.true_keypoints({name: points.get(name, nowhere) for name in LAYOUTS[layout].joint_names}, LAYOUTS[layout])
    return Seen(exact[None], np.where(np.isfinite(exact).all(-1), 0.9, 0.0)[None], Fraction(fps))


def triples(keypoints: Floats, scores: Floats) -> Row:
    """Return [x, y, score, ...], zeros where missing, to a thousandth of a pixel."""
    found = np.isfinite(keypoints).all(-1) & (scores > 0)
    values: Row = np.where(found[:, None], np.c_[keypoints.round(3), scores.round(4)], 0.0).ravel().tolist()
    return values


def _box(keypoints: Floats) -> list[float]:
    """Return the box around keypoints with a margin: x1, y1, x2, y2."""
    low, high = np.nanmin(keypoints, 0), np.nanmax(keypoints, 0)
    margin = 0.05 * (high - low)
    corners: list[float] = [*(low - margin).round(2).tolist(), *(high + margin).round(2).tolist()]
    return corners


def _save(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def _per_frame(folder: Path, seen: Seen, image: Callable[[list[tuple[int, Floats, Floats]]], Any]) -> Path:
    """Write one JSON per frame into a folder."""
    for number, people in seen.frames():
        _save(folder / f"{folder.name}_{number:06d}.json", image(people))
    return folder


def coco_results(path: Path, seen: Seen) -> Path:
    """Write COCO results; of 133 keypoints, the parts' own lists."""
    entries = []
    for number, people in seen.frames():
        for _, keypoints, scores in people:
            values = triples(keypoints, scores)
            entry: dict[str, Any] = {"image_id": number, "category_id": 1, "score": 0.8}
            ends = (0, 51, 69, 273, 336, 399) if len(values) == 399 else (0, len(values))
            parts = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
            entries.append(entry | {part: values[a:b] for part, a, b in zip(parts, ends, ends[1:], strict=False)})
    return _save(path, entries)


def coco_annotations(path: Path, seen: Seen, names: tuple[str, ...] = COCO_NAMES) -> Path:
    """Write COCO annotations: labels with visibilities instead of scores, and the images' sizes."""
    images, annotations = [], []
    for number, people in seen.frames():
        images.append(
            {"id": 1000 + number, "file_name": f"take_{number:05d}.png", "width": seen.size[0], "height": seen.size[1]}
        )
        for person, keypoints, scores in people:
            label = np.where(scores <= 0, 0, np.where(scores < 0.5, 1, 2))
            values = triples(keypoints, label.astype(float))
            entry = {"id": len(annotations) + 1, "image_id": 1000 + number, "category_id": 1, "iscrowd": 0, "keypoints": values}
            annotations.append(entry | {"num_keypoints": int((label > 0).sum()), "track_id": person})
    person = {"id": 1, "name": "person", "keypoints": list(names), "skeleton": [[16, 14], [14, 12]]}
    return _save(path, {"info": {}, "images": images, "annotations": annotations, "categories": [person]})


def _instances(people: list[tuple[int, Floats, Floats]]) -> list[dict[str, Any]]:
    found = []
    for _, keypoints, scores in people:
        places = {"keypoints": np.nan_to_num(keypoints).round(3).tolist(), "keypoint_scores": scores.round(4).tolist()}
        found.append(places | {"bbox": [_box(keypoints)], "bbox_score": 0.9})
    return found


def mmpose_video(path: Path, seen: Seen, names: tuple[str, ...] = COCO_NAMES) -> Path:
    """Write what MMPose's demo writes for a video: names in the meta data, frames counted from 1."""
    meta = {"dataset_name": "coco", "num_keypoints": len(names), "keypoint_id2name": dict(enumerate(names))}
    frames = [{"frame_id": number + 1, "instances": _instances(people)} for number, people in seen.frames()]
    return _save(path, {"meta_info": meta, "instance_info": frames})


def mmpose_inferencer(path: Path, seen: Seen) -> Path:
    """Write what MMPose's inferencer writes for a video: the frames alone, counted from 0."""
    return _save(path, [{"frame_id": number, "instances": _instances(people)} for number, people in seen.frames()])


def mmpose_images(folder: Path, seen: Seen) -> Path:
    """Write what MMPose's inferencer writes for images: one list of instances each."""
    return _per_frame(folder, seen, _instances)


def mmpose_0(path: Path, seen: Seen) -> Path:
    """Write the pose results of MMPose 0.x: a list per frame, [x, y, score] in one, people tracked."""
    frames = []
    for _, people in seen.frames():
        found = [(person, _box(k), np.reshape(triples(k, s), (-1, 3)).tolist()) for person, k, s in people]
        frames.append([{"bbox": [*box, 0.9], "keypoints": points, "track_id": person} for person, box, points in found])
    return _save(path, frames)


def alphapose(path: Path, seen: Seen, tracked: bool = False) -> Path:
    """Write AlphaPose's list of detections; without tracking, everybody's `idx` is a list of zero."""
    entries = []
    for number, people in seen.frames():
        for person, keypoints, scores in people:
            x1, y1, x2, y2 = _box(keypoints)
            name = {"image_id": f"{number}.jpg", "category_id": 1, "keypoints": triples(keypoints, scores), "score": 2.9}
            entries.append(name | {"box": [x1, y1, x2 - x1, y2 - y1], "idx": person + 1 if tracked else [[0.0], [0.0]]})
    return _save(path, entries)


def alphapose_by_image(path: Path, seen: Seen, form: str = "cmu") -> Path:
    """Write AlphaPose's form 'cmu' or 'open': objects by image, COCO's keypoints in OpenPose's order, and a neck."""
    people_key, list_key = {"cmu": ("bodies", "joints"), "open": ("people", "pose_keypoints_2d")}[form]
    images = {}
    for number, people in seen.frames():
        rows = []
        for _, keypoints, scores in people:
            values = np.reshape(triples(keypoints, scores), (-1, 3))
            neck = (values[5] + values[6]) / 2
            rows.append({list_key: np.concatenate([neck if k is None else values[k] for k in COCO_18_ORDER]).tolist()})
        images[f"{number}.jpg"] = {"version": "AlphaPose v0.3", people_key: rows}
    return _save(path, images)


def yolo_labels(folder: Path, seen: Seen, scores: bool = True, confidence: bool = False, tracked: bool = False) -> Path:
    """Write what Ultralytics' `save_txt` writes: no file for a frame that shows nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, people in seen.frames():
        rows = []
        for person, keypoints, certain in people:
            x1, y1, x2, y2 = np.clip(np.reshape(_box(keypoints), (2, 2)) / seen.size, 0, 1).ravel()
            points = np.nan_to_num(keypoints / seen.size)
            points[certain <= 0] = 0
            values = np.c_[points, certain] if scores else points
            row = [0, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, *values.ravel()]
            rows.append(" ".join(f"{v:.7g}" for v in [*row, *([0.87] * confidence), *([person + 1] * tracked)]))
        if rows:
            (folder / f"{folder.name}_{number}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _results(seen: Seen, people: list[tuple[int, Floats, Floats]], normalised: bool, tracked: bool) -> list[dict[str, Any]]:
    scale = np.array(seen.size if normalised else (1, 1), float)
    found = []
    for person, keypoints, scores in people:
        x1, y1, x2, y2 = (np.reshape(_box(keypoints), (2, 2)) / scale).ravel().tolist()
        points = np.where((scores > 0)[:, None], np.nan_to_num(keypoints), 0) / scale
        result: dict[str, Any] = {
            "name": "person",
            "class": 0,
            "confidence": 0.9,
            "box": {"x1": x1, "y1": y1, "x2": x2, "y2": y2},
        }
        if tracked:
            result["track_id"] = person + 1
        x, y = points.round(6).T.tolist()
        found.append(result | {"keypoints": {"x": x, "y": y, "visible": scores.round(5).tolist()}})
    return found


def yolo_json(path: Path, seen: Seen, normalised: bool = False, tracked: bool = False) -> Path:
    """Write Ultralytics' results of all frames into one JSON, or one per frame where the path has no ending."""
    if path.suffix:
        return _save(path, [_results(seen, people, normalised, tracked) for _, people in seen.frames()])
    return _per_frame(path, seen, lambda people: _results(seen, people, normalised, tracked))


def landmarks(seen: Seen, keypoints: Floats, scores: Floats, pixels: bool = False) -> list[dict[str, float]]:
    """Return MediaPipe's landmarks of a pose: shares of the image (or pixels), depth and visibility."""
    points = keypoints / (1 if pixels else np.array(seen.size))
    return [
        {"x": round(float(x), 7), "y": round(float(y), 7), "z": -0.1, "visibility": round(float(s), 5)}
        for (x, y), s in zip(np.nan_to_num(points), scores, strict=True)
    ]


def mediapipe_frames(path: Path, seen: Seen, key: str = "landmarks", pixels: bool = False) -> Path:
    """Write frames with their number, time and the first person's landmarks under a key; null where nobody is seen."""
    frames = []
    for number, people in seen.frames():
        entry: dict[str, Any] = {"frame": number, "timestamp": round(number / float(seen.fps), 6)}
        frames.append(entry | {key: landmarks(seen, *people[0][1:], pixels) if people else None})
    width, height = seen.size
    return _save(path, {"fps": float(seen.fps), "width": width, "height": height, "frames": frames})


def mediapipe_lists(path: Path, seen: Seen) -> Path:
    """Write the bare lists of MediaPipe's result: frames of poses of landmarks."""
    return _save(path, [[landmarks(seen, k, s) for _, k, s in people] for _, people in seen.frames()])


def mediapipe_named(path: Path, seen: Seen) -> Path:
    """Write frames as objects by landmark name."""
    frames = [
        {name.upper(): point for name, point in zip(JOINT_NAMES, landmarks(seen, *people[0][1:]), strict=True)}
        if people
        else {}
        for _, people in seen.frames()
    ]
    return _save(path, frames)


def mediapipe_wide(path: Path, seen: Seen, style: str = "{name}_{axis}", first: int = 0) -> Path:
    """Write a CSV with a row per frame. style: of a column's name, of `name`, `number` (from `first`) and `axis`."""
    axes = ("x", "y", "z", "v") if "{number}" in style else ("x", "y", "z", "visibility")
    columns = [style.format(name=n, number=k, axis=a) for k, n in enumerate(JOINT_NAMES, first) for a in axes]
    rows: list[list[Any]] = [["frame", "timestamp", *columns]]
    for number, people in seen.frames():
        values: list[Any] = [""] * len(columns)
        if people:
            values = [point[key] for point in landmarks(seen, *people[0][1:]) for key in ("x", "y", "z", "visibility")]
        rows.append([number, round(number / float(seen.fps), 6), *values])
    return _save_csv(path, rows)


def mediapipe_long(path: Path, seen: Seen, named: bool = False) -> Path:
    """Write a CSV with a row per landmark, by its index or its name."""
    rows: list[list[Any]] = [["frame", "landmark", "x", "y", "z", "visibility"]]
    for number, people in seen.frames():
        for _, keypoints, scores in people[:1]:
            for k, point in enumerate(landmarks(seen, keypoints, scores)):
                rows.append([number, JOINT_NAMES[k] if named else k, *point.values()])
    return _save_csv(path, rows)


def _save_csv(path: Path, rows: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


WRITERS: Mapping[str, tuple[str, Callable[[Path, Seen], Path]]] = {
    "coco_results.json": ("coco_17", coco_results),
    "coco_annotations.json": ("coco_17", coco_annotations),
    "mmpose_video.json": ("coco_17", mmpose_video),
    "mmpose_inferencer.json": ("coco_17", mmpose_inferencer),
    "mmpose_images": ("coco_17", mmpose_images),
    "mmpose_0.json": ("coco_17", mmpose_0),
    "alphapose.json": ("coco_17", alphapose),
    "alphapose_cmu.json": ("coco_17", alphapose_by_image),
    "alphapose_open.json": ("coco_17", lambda path, seen: alphapose_by_image(path, seen, "open")),
    "yolo_labels": ("coco_17", yolo_labels),
    "yolo.json": ("coco_17", yolo_json),
    "yolo_results": ("coco_17", yolo_json),
    "coco_wholebody.json": ("coco_wholebody_133", coco_results),
    "alphapose_halpe.json": ("halpe_26", alphapose),
    "alphapose_fullbody.json": ("halpe_136", alphapose),
    "mediapipe.json": ("mediapipe_33", mediapipe_frames),
    "mediapipe_lists.json": ("mediapipe_33", mediapipe_lists),
    "mediapipe_named.json": ("mediapipe_33", mediapipe_named),
    "mediapipe_wide.csv": ("mediapipe_33", mediapipe_wide),
    "mediapipe_long.csv": ("mediapipe_33", mediapipe_long),
}
"""File or folder name -> the layout of its keypoints, and who writes it."""


def format_of(name: str) -> str:
    """Return the format that a name in `WRITERS` is of."""
    return name.split(".")[0].split("_")[0]


def write_all(folder: Path, frames: int = 60, fps: Fraction | float = 30) -> list[Path]:
    """Write the motion in all formats into a folder, which is made; layouts that are not known are left out."""
    return [
        writer(folder / name, motion(layout, frames, fps)) for name, (layout, writer) in WRITERS.items() if layout in LAYOUTS
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write a walking, waving figure in the formats of many detectors.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--fps", type=Fraction, default=Fraction(30), help="such as 30 or 30000/1001")
    options = parser.parse_args()
    if options.frames < 1 or options.fps <= 0:
        parser.error("frames and fps must be positive")
    for path in write_all(options.folder, options.frames, options.fps):
        print(path)


if __name__ == "__main__":
    main()
