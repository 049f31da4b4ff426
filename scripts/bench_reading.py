#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure reading OpenPose's JSON against a plain loop of `json.load` and NumPy, and the memory it takes beyond the tracks.

Three kinds of clips: one body; two bodies; one body with hands and face. The plain loop reads the bodies alone and checks,
links and names nothing. Both take turns, and the medians of their processor time are compared. Prints a table and writes
build/bench_reading.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from plain_reading import compared, read_plainly

from poselift.core.layouts import BODY_25, OPENPOSE_FACE, with_parts
from poselift.core.readers import read
from poselift.core.track import KeypointTrack

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from make_clip import animate, body_points, true_keypoints  # noqa: E402

KINDS = {"one body": (1, False), "two bodies": (2, False), "body, hands and face": (1, True)}
PERIOD = 300
"""Frames of the figure's motion that are made; longer clips repeat them."""


def write_frames(folder: Path, frames: int, people: int, whole: bool) -> None:
    """Write a clip as OpenPose does, up to the digits it writes."""
    layout = with_parts(BODY_25, True, OPENPOSE_FACE) if whole else BODY_25
    exact = true_keypoints(body_points(*animate(PERIOD, 30)), layout)
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 0.95, exact.shape[:2])
    values = np.concatenate([(exact + rng.normal(0, 1, exact.shape)).round(3), scores[..., None].round(6)], -1)
    names = ("pose", "hand_left", "hand_right", "face")
    cuts = np.cumsum([25, 21, 21])
    texts = []
    for frame in values:
        persons = []
        for person in range(people):
            moved = (frame + [600.0 * person, 0.0, 0.0]).round(6)
            parts = np.split(moved, cuts) if whole else [moved, *([np.zeros((0, 3))] * 3)]
            lists: dict[str, Any] = {"person_id": [-1]}
            lists |= {f"{name}_keypoints_2d": part.ravel().tolist() for name, part in zip(names, parts, strict=True)}
            persons.append(lists | {f"{name}_keypoints_3d": [] for name in names})
        texts.append(json.dumps({"version": 1.3, "people": persons}, separators=(",", ":")))
    folder.mkdir()
    for number in range(frames):
        (folder / f"clip_{number:012d}_keypoints.json").write_text(texts[number % PERIOD])


def beyond_the_tracks(folder: Path) -> tuple[float, float]:
    """Return megabytes of the tracks, and of what reading needs at its peak beside them."""
    tracemalloc.start()
    tracks: list[KeypointTrack] = read(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = sum(track.keypoints.nbytes + track.scores.nbytes for track in tracks)
    return size / 1e6, (peak - size) / 1e6


def main() -> int:
    """Measure every kind of clip and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 2000, 20_000], help="of the clips (200 2000 20000)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of clips (default: all)")
    options = parser.parse_args()
    rows = []
    print(f"{'clip':<24}{'frames':>8}{'frames/s':>10}{'json.load':>11}{'ratio':>7}{'tracks MB':>11}{'beyond MB':>11}")
    for kind, frames in itertools.product(options.kinds, options.frames):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "clip"
            write_frames(folder, frames, *KINDS[kind])
            read(folder)
            times = min(31, max(5, 100_000 // frames))
            seconds = compared(lambda folder=folder: read(folder), lambda folder=folder: read_plainly(folder), times)
            tracks, beyond = beyond_the_tracks(folder)
        ours, theirs = (frames / each for each in seconds)
        rows.append(
            {"clip": kind, "frames": frames, "rate": ours, "json.load": theirs, "ratio": ours / theirs}
            | {"tracks": tracks, "beyond": beyond}
        )
        print(f"{kind:<24}{frames:>8}{ours:>10,.0f}{theirs:>11,.0f}{ours / theirs:>7.2f}{tracks:>11.1f}{beyond:>11.1f}")
    output = ROOT / "build" / "bench_reading.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({"rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
