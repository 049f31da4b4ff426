#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what cleaning repairs, what it breaks, and how long it takes, on motion capture seen by random cameras.

    python scripts/bench_cleaning.py ARCHIVE.npz [--seed 0]

Every clip is seen by a camera that follows the person and by one that stands still. Prints what share of keypoints and
frames is changed on exact and on noisy tracks, and the error of broken tracks (10 % missing, 2 % gross outliers, 3 % of
the frames swapped, in runs) after cleaning as a ratio to that of the noise alone; then the time for 100,000 frames.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poselift.core.camera import project
from poselift.core.cleaning import Change, clean
from poselift.core.cleaning.swaps import Units
from poselift.core.layouts import BODY_25
from poselift.core.lifter.evaluation.cameras import draw_view
from poselift.core.lifter.evaluation.clips import read_clips
from poselift.core.skeleton import HUMAN17, Skeleton
from poselift.core.track import KeypointTrack

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MISSING, GROSS, SWAPPED = 0.10, 0.02, 0.03
RUNS = (1, 1, 1, 2, 3, 6, 12)
GROSS_PIXELS = (80.0, 300.0)
MATTERS = 15.0
"""Pixels between left and right from which an unrepaired swap counts."""


def seen(path: Path, step: int, rng: np.random.Generator) -> Iterator[KeypointTrack]:
    """Yield two exact tracks of every clip of 20 frames or more, at 1/`step` of the archive's rate."""
    for clip in read_clips(path, HUMAN17):
        for piece in clip.pieces():
            joints = clip.joints[piece]
            view = draw_view(joints, HUMAN17.root, clip.fps, rng)
            for keypoints in (project(view.camera_axes(joints), view.intrinsics), standing(joints, rng)):
                if len(keypoints) >= 20 * step:
                    part = keypoints[::step]
                    rate = Fraction(clip.fps).limit_denominator(1000) / step
                    yield KeypointTrack(part, np.ones(part.shape[:2]), HUMAN17, rate, source=clip.name)


def standing(joints: Floats, rng: np.random.Generator) -> Floats:
    """Return joints (T, J, 3) as a camera that stands still sees them: the whole clip fills a picture of 1920 x 1080."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-5, 30))
    forward = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    points = joints.reshape(-1, 3)
    local = (joints - (points.min(0) + points.max(0)) / 2) @ np.stack([right, np.cross(forward, right), forward]).T
    focal, half = 1400.0, 0.45 * np.array([1920.0, 1080.0])
    away = max(2.0, 1 - local[..., 2].min(), (np.abs(local[..., :2]) * focal / half - local[..., 2:]).max())
    return local[..., :2] / (local[..., 2:] + away) * focal + [960.0, 540.0]


def swaps(skeleton: Skeleton, frames: int, rng: np.random.Generator) -> Mask:
    """Return (T, J) True where a detector confuses the sides of the body (every other time), the legs or the arms."""
    units, out = Units.of(skeleton), np.zeros((frames, len(skeleton)), bool)
    limbs = [units.pairs[units.limb == limb] for limb in np.unique(units.limb)]
    for _ in range(100):
        if out.any(1).sum() >= SWAPPED * frames:
            break
        length = min(int(rng.choice(RUNS)), frames // 4)
        start = int(rng.integers(0, frames - length + 1))
        if not out[max(0, start - 3) : start + length + 3].any():
            pairs = units.pairs if rng.random() < 0.5 else limbs[rng.integers(len(limbs))]
            out[start : start + length, pairs] = True
    return out


def broken(track: KeypointTrack, noise: float, rng: np.random.Generator) -> tuple[KeypointTrack, KeypointTrack, Mask]:
    """Return the track with noise alone, the one with all faults, and which keypoints are swapped in it."""
    noisy = track.keypoints + rng.normal(0, noise, track.keypoints.shape)
    swapped = swaps(track.skeleton, len(track), rng)
    bad = np.where(swapped[..., None], noisy[:, track.skeleton.mirror], noisy)
    missing, gross = rng.random((2, *swapped.shape)) < np.array([MISSING, GROSS])[:, None, None]
    angle, size = rng.uniform(0, 2 * np.pi, gross.sum()), rng.uniform(*GROSS_PIXELS, gross.sum())
    bad[gross] += size[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return track.replace(keypoints=noisy), track.replace(keypoints=bad, scores=np.where(missing, 0, 1.0)), swapped


def error(track: KeypointTrack, truth: KeypointTrack) -> float:
    """Return the mean distance in pixels over the keypoints that are there."""
    return float(np.nanmean(np.linalg.norm(track.keypoints - truth.keypoints, axis=-1)))


def harm(tracks: list[KeypointTrack], noise: float, rng: np.random.Generator) -> str:
    """Say what cleaning changes on tracks with nothing but noise."""
    keypoints = frames = outliers = swapped = changed = 0
    for track in tracks:
        cleaned, record = clean(track.replace(keypoints=track.keypoints + rng.normal(0, noise, track.keypoints.shape)))
        keypoints, frames = keypoints + cleaned.scores.size, frames + len(track)
        outliers, changed = outliers + record["outliers"], changed + int((record.changes > 0).sum())
        swapped += len(record.frames(Change.SWAPPED))
    return (
        f"noise {noise:g} px: changed {changed / keypoints:.1e} of the keypoints, outliers {outliers / keypoints:.1e}, "
        f"swaps in {1000 * swapped / frames:.2f} of 1000 frames"
    )


def repair(tracks: list[KeypointTrack], noise: float, rng: np.random.Generator) -> str:
    """Say what cleaning leaves of faults."""
    ratios, before, there, left, wrong, frames = [], [], [], 0, 0, 0
    for track in tracks:
        noisy, bad, swapped = broken(track, noise, rng)
        cleaned, record = clean(bad)
        alone = error(noisy, track)
        ratios.append(error(cleaned, track) / alone)
        before.append(error(bad, track) / alone)
        there.append(cleaned.observed.mean())
        found = (record.changes & int(Change.SWAPPED)) > 0
        apart = np.linalg.norm(track.keypoints - track.keypoints[:, track.skeleton.mirror], axis=-1) > MATTERS
        seen_ = bad.observed & apart
        left, wrong = left + (swapped & ~found & seen_).any(1).sum(), wrong + (found & ~swapped & seen_).any(1).sum()
        frames += swapped.any(1).sum()
    return (
        f"noise {noise:g} px: error {np.mean(ratios):.2f} times the noise alone (95 %: {np.percentile(ratios, 95):.2f}, worst "
        f"{max(ratios):.2f}; uncleaned {np.mean(before):.2f}), {np.mean(there):.1%} present; of {frames} swapped frames "
        f"{left} left, {wrong} others changed"
    )


def seconds_for(frames: int) -> float:
    """Return how many seconds of one core a broken track of BODY_25 takes."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None, None] / 30
    keypoints = 500 + rng.uniform(0, 300, (1, 25, 2)) + 60 * np.sin(t * rng.uniform(1, 6, (1, 25, 2)))
    track = KeypointTrack(keypoints, np.ones(keypoints.shape[:2]), BODY_25, Fraction(30))
    _, bad, _ = broken(track, 4.0, rng)
    start = time.process_time()
    clean(bad)
    return time.process_time() - start


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description="Measure what cleaning repairs, what it breaks, and how long it takes.")
    parser.add_argument("archive", type=Path, help="motion capture, such as cmu17_val.npz")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for step in (1, 2):
        rng = np.random.default_rng(options.seed)
        tracks = list(seen(options.archive, step, rng))
        print(f"{float(tracks[0].fps or 0):g} fps: {len(tracks)} tracks, {sum(map(len, tracks))} frames")
        for noise in (0.0, 3.0, 6.0):
            print("  " + harm(tracks, noise, rng))
        for noise in (3.0, 6.0):
            print("  " + repair(tracks, noise, rng))
    for frames in (25_000, 100_000):
        print(f"{frames} broken frames of 25 joints: {seconds_for(frames):.1f} s")


if __name__ == "__main__":
    main()
