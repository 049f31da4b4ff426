# SPDX-License-Identifier: GPL-3.0-or-later
"""A small valid file of every shape of every format, from one known motion."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import make_clip
import numpy as np
import write_detections
import write_tables

from poselift.core.layouts import COCO_17
from poselift.core.readers import track_npz
from poselift.core.track import KeypointTrack

FRAMES = 6


def exact(layout: str, frames: int = FRAMES) -> np.ndarray:
    """Return the exact keypoints (T, J, 2) of the sample figure in a layout, pixels of a 1920 x 1080 image."""
    return write_detections.motion(layout, frames).keypoints[0]


def write(name: str, folder: Path) -> dict[str, Path]:
    """Write a format's files and return them by the name of their shape."""
    folder.mkdir(parents=True)
    return _WRITERS[name](folder)


def _track(folder: Path) -> dict[str, Path]:
    keypoints = exact("coco_17")
    track = KeypointTrack(keypoints, np.full(keypoints.shape[:2], 0.8), COCO_17, Fraction(30), (1920, 1080))
    track_npz.write(folder / "one.npz", [track])
    track_npz.write(folder / "two.npz", [track, track.replace(person="2", keypoints=track.keypoints + 100)])
    return {"one person": folder / "one.npz", "two people": folder / "two.npz"}


def _openpose(folder: Path) -> dict[str, Path]:
    return {
        "frames": make_clip.write_clip(folder / "op", FRAMES).keypoints,
        "one frame": min(make_clip.write_clip(folder / "single", 1).keypoints.iterdir()),
    }


def _detections(form: str, folder: Path) -> dict[str, Path]:
    paths = {}
    for name, (layout, writer) in write_detections.WRITERS.items():
        if write_detections.format_of(name) == form:
            keypoints = exact(layout)[None]
            both = np.concatenate([keypoints, keypoints + [300, 0]])
            scores = np.where(np.isfinite(both).all(-1), 0.9, 0.0)
            paths[name] = writer(folder / name, write_detections.Seen(both, scores))
    return paths


_WRITERS = {"openpose": _openpose, "track": _track}
_WRITERS |= {form: partial(_detections, form) for form in ("alphapose", "coco", "mediapipe", "mmpose", "yolo")}


def _tables(form: str, folder: Path) -> dict[str, Path]:
    keypoints = exact("coco_17")[None]
    both = np.concatenate([keypoints, keypoints + [300, 0]])
    seen = write_detections.Seen(both, np.where(np.isfinite(both).all(-1), 0.9, 0.0))
    writers = {name: writer for name, (of, _, writer) in write_tables.WRITERS.items() if of == form}
    return {name: writer(folder / name, seen) for name, writer in writers.items()}


_WRITERS |= {form: partial(_tables, form) for form in ("deeplabcut", "sleap", "sports2d", "csv", "arrays")}
