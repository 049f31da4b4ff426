# SPDX-License-Identifier: GPL-3.0-or-later
"""A small valid file of every shape of every format, from one known motion."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import make_clip
import numpy as np

from poselift.core.layouts import COCO_17, LAYOUTS
from poselift.core.readers import track_npz
from poselift.core.track import KeypointTrack

FRAMES = 6


def exact(layout: str, frames: int = FRAMES) -> np.ndarray:
    """Return the exact keypoints (T, J, 2) of the sample figure in a layout, pixels of a 1920 x 1080 image."""
    return make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(frames, 30)), LAYOUTS[layout])


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


_WRITERS = {"openpose": _openpose, "track": _track}
