# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a moving camera's path has the actor's scale: with the right one, feet that carry the body stand still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera_path import CameraPath
from .contacts import SLOW

Array = NDArray[np.float64]

LARGEST = 5.0
"""Times as long or short as it is that a path is tried."""
TRIED = 81
TRAVELS = 0.15
"""Metres per second, at usual height, that a camera must make for feet to tell anything."""
GAINED = 0.08
"""Share of all frames in which feet must come to stand for another scale to be believed."""
MATTERS = 1.15
"""Times as long or short from which on another scale is worth a word."""


def path_scale(feet: Array, seen: NDArray[np.bool_], view: CameraPath, fps: float, size: float) -> float | None:
    """Return by how much the camera's path would have to be stretched for the feet to stand still; None where it fits.

    feet: (T, F, 3) metres in the world, placed through the camera without being held by a floor; seen: (T, F). Stretching the
    path by s moves what is seen through it by (s - 1) times the camera's way, as the distance from it comes from the actor's
    height alone. The scale is taken at which one foot or the other is slow in most frames. None too where the camera hardly
    travels, so that nothing tells.
    """
    travel = np.gradient(view.places, axis=0) * fps if len(feet) > 2 else np.zeros((len(feet), 3))
    limit = np.sqrt(size) * SLOW
    if np.median(np.linalg.norm(travel, axis=-1)) < TRAVELS * np.sqrt(size):
        return None
    velocity = np.gradient(feet, axis=0) * fps
    scales = np.geomspace(1 / LARGEST, LARGEST, TRIED)

    def standing(scale: float) -> float:
        speed = np.linalg.norm(velocity + (scale - 1) * travel[:, None], axis=-1)
        return float(np.where(seen, np.exp(-((speed / limit) ** 2)), 0.0).max(1).mean())

    shares = np.array([standing(scale) for scale in scales])
    best = float(scales[shares.argmax()])
    if shares.max() - standing(1.0) < GAINED or 1 / MATTERS < best < MATTERS:
        return None
    return best
