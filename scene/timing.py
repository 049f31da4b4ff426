# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds to frames: the scene's exact rate, its range, and the frame of every moment."""

from __future__ import annotations

from fractions import Fraction

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.track import exact_rate
from .state import current

Array = NDArray[np.float64]

USUAL = tuple(Fraction(n) for n in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)) + tuple(
    Fraction(n * 1000, 1001) for n in (24, 30, 60, 120)
)
FASTEST = 32767
"""The highest nominal rate that Blender stores."""
SNAP = 1e-4
"""Frames; moments that miss a whole frame by less than this are on it."""


def rate_of(fps: Fraction) -> tuple[int, float]:
    """Return Blender's pair (fps, fps_base) whose quotient is the rate: 30000/1001 is (30, 1.001).

    Raises `SettingsError` where Blender cannot hold it.
    """
    nominal = max(1, round(fps))
    if fps <= 0 or nominal > FASTEST:
        raise SettingsError(f"a frame rate of {float(fps):g} is out of Blender's range (above 0, up to {FASTEST}).")
    return nominal, float(nominal / fps)


def frames_of(times: Array, fps: float | Fraction, start: float) -> Array:
    """Return the frame numbers (T,) of moments (T,) in seconds, the first one at `start`."""
    frames = start + (times - times[0]) * float(fps)
    whole = np.round(frames)
    return np.where(np.abs(frames - whole) < SNAP, whole, frames)


def scene_rate(scene: bpy.types.Scene) -> float:
    """Return a scene's frames per second."""
    return scene.render.fps / scene.render.fps_base


def set_timing(scene: bpy.types.Scene, fps: Fraction, frames: Array) -> None:
    """Give a scene the rate, the range of the frames, and its first frame as the current one."""
    scene.render.fps, scene.render.fps_base = rate_of(fps)
    _set_span(scene, frames)


def set_rate(fps: Fraction) -> None:
    """Give the current scene a rate. Raises `SettingsError` where Blender cannot hold it."""
    scene, _ = current()
    scene.render.fps, scene.render.fps_base = rate_of(fps)


def set_span(frames: Array) -> None:
    """Give the current scene the range of the frames, and its first frame as the current one."""
    _set_span(current()[0], frames)


def exact_scene_rate() -> Fraction:
    """Return the current scene's rate as the fraction that it is meant to be: 30 over 1.001 is 30000/1001."""
    rate = scene_rate(current()[0])
    return usual_rate(rate, 5e-5) or exact_rate(rate)


def usual_rate(rate: float, tolerance: float) -> Fraction | None:
    """Return the usual frame rate that a rounded one is meant to be, or None; tolerance: as a share of the rate."""
    nearest = min(USUAL, key=lambda value: abs(float(value) - rate))
    return nearest if abs(float(nearest) - rate) < tolerance * float(nearest) else None


def _set_span(scene: bpy.types.Scene, frames: Array) -> None:
    first, last = int(np.floor(frames[0])), int(np.ceil(frames[-1]))
    scene.frame_start, scene.frame_end = first, last
    scene.frame_set(first)
