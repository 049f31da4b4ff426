#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the README's picture: the sample clip's keypoints on the lifted figure, and the same moments from another side.

Columns are moments of the clip. Above: rendered through the camera that Poselift made, with the keypoints that were lifted
(white). Below: the same figure from another side, which no keypoint shows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from poselift.core.motion.motion import Motion
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.readers import read
from poselift.scene import build, files, render

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from make_clip import camera, write_clip  # noqa: E402

FPS = Fraction(30)
TILE = (270, 360)
"""Width and height of one tile, pixels."""
GAP = 6

Image = NDArray[np.float32]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Render the README's picture.")
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 75, 130, 240], help="moments of the clip, from 0")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "images" / "lift.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poselift-pictures-") as folder:
        track = read(write_clip(Path(folder) / "keypoints", 300).keypoints)[0]
        motion = lift(track, LiftSettings(fps=FPS, intrinsics=camera()[0]))
        files.new_file()
        built = build.apply(motion)
        columns = [column(motion, built, frame, Path(folder)) for frame in options.frames]
    gap = np.ones((columns[0].shape[0], GAP, 3), np.float32)
    parts = [part for tiles in columns for part in (tiles, gap)][:-1]
    save(np.concatenate(parts, 1), options.output)
    print(options.output)


def column(motion: Motion, built: build.Built, frame: int, folder: Path) -> Image:
    """Return one moment's two tiles, one above the other."""
    path = folder / "still.png"
    first = build.BuildSettings().frame_start
    width = motion.intrinsics.width
    render.save_still(path, built, first + frame, longest=width)
    through = load(path)
    keypoints = motion.keypoints[frame][motion.scores[frame] > 0]
    draw_dots(through, keypoints, radius=0.0035 * width)
    above = crop(through, keypoints)
    render.save_still(path, built, first + frame, view="three-quarter", longest=TILE[1])
    below = load(path)
    return np.concatenate([above, np.ones((GAP, TILE[0], 3), np.float32), below], 0)


def draw_dots(image: Image, places: NDArray[np.floating], radius: float) -> None:
    """Draw white, dark-rimmed discs into an image, at (N, 2) pixels."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for place in places:
        distance = np.hypot(x + 0.5 - place[0], y + 0.5 - place[1])
        image[distance < radius + 2] = 0.1
        image[distance < radius] = 1.0


def crop(image: Image, places: NDArray[np.floating]) -> Image:
    """Cut the part around (N, 2) pixels out of an image, in a tile's shape and size."""
    low, high = places.min(0), places.max(0)
    height = 1.25 * max(high[1] - low[1], (high[0] - low[0]) * TILE[1] / TILE[0])
    middle = 0.5 * (low + high) - (0, 0.02 * height)
    x = middle[0] + (np.arange(4 * TILE[0]) / (4 * TILE[0]) - 0.5) * height * TILE[0] / TILE[1]
    y = middle[1] + (np.arange(4 * TILE[1]) / (4 * TILE[1]) - 0.5) * height
    rows = np.clip(y.astype(int), 0, image.shape[0] - 1)
    columns = np.clip(x.astype(int), 0, image.shape[1] - 1)
    large = image[rows[:, None], columns]
    return large.reshape(TILE[1], 4, TILE[0], 4, 3).mean((1, 3))


def load(path: Path) -> Image:
    """Read a picture as (H, W, 3), top row first, as stored (no colour transform)."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1, :, :3].copy()


def save(picture: Image, path: Path) -> None:
    """Write an (H, W, 3) picture as a PNG, aside first."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new("picture", width, height)
    image.colorspace_settings.name = "Non-Color"
    rgba = np.concatenate([picture[::-1], np.ones((height, width, 1), np.float32)], -1)
    image.pixels.foreach_set(np.ascontiguousarray(rgba, np.float32).ravel())
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}")
    image.filepath_raw, image.file_format = str(aside), "PNG"
    image.save()
    aside.replace(path)


if __name__ == "__main__":
    main()
