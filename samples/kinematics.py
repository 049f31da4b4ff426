# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sample figures are moved by: turns about an axis, two bones between two places, a soft step. NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poselift.core.rotation import matrix_from_axis_angle, normalised

Floats = NDArray[np.float64]


def about(axis: int, angle: Floats | float) -> Floats:
    """Return (..., 3, 3) rotations about a coordinate axis by angles (...,)."""
    angle = np.asarray(angle, float)
    return matrix_from_axis_angle(np.broadcast_to(np.eye(3)[axis], (*angle.shape, 3)), angle)


def bend(top: Floats, end: Floats, first: float, second: float, pole: Floats) -> Floats:
    """Return the joint (T, 3) between two bones that reach from `top` to `end`, to the side of the directions `pole`."""
    line = end - top
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    line = line / distance
    side = normalised(pole - (pole * line).sum(-1, keepdims=True) * line)
    return top + along * line + np.sqrt(np.maximum(first**2 - along**2, 0.0)) * side


def smooth(x: Floats) -> Floats:
    """Return a soft step: 0 up to 0, 1 from 1 on, level at both."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
