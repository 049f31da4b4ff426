# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of curves, for panels that can show a picture and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .drawing import Picture, paint
from .lifter.history import Curve, Points

TRAINED, HELD_OUT = (0.95, 0.50, 0.10), (0.20, 0.55, 0.95)
"""Colours (linear RGB) of what was trained on and of what was held out; seen on dark and on light."""
_FRAME = (0.5, 0.5, 0.5)
_MARGIN = 0.03
_BEYOND = 0.02
"""Share of the steps whose loss may be above the frame, and is drawn at its edge: the first ones would flatten all others."""


def draw_curves(curves: Sequence[Curve], size: int = 256) -> Picture:
    """Draw curves one below the other, each in a frame of its own: steps to the right, losses up from the least.

    Returns (size, size, 4) straight RGBA, the top row first, transparent where nothing is.
    """
    picture = np.zeros((size, size, 4), np.float32)
    height = size // max(len(curves), 1)
    for number, curve in enumerate(curves):
        _draw(picture[number * height : (number + 1) * height], curve)
    return picture


def _draw(part: Picture, curve: Curve) -> None:
    height, width = part.shape[:2]
    margin = max(3, round(_MARGIN * width))
    part[margin : height - margin, margin : width - margin] = (*_FRAME, 1.0)
    part[margin + 1 : height - margin - 1, margin + 1 : width - margin - 1] = 0.0
    trained, held_out = _finite(curve.trained), _finite(curve.held_out)
    values = [value for _, value in trained + held_out]
    if not values:
        return
    tops = [float(np.quantile([value for _, value in trained], 1 - _BEYOND))] if trained else []
    span = (min(values), max([*tops, *(value for _, value in held_out)]))
    inside = (margin + 3, margin + 3)
    for drawn, colour in ((trained, TRAINED), (held_out, HELD_OUT)):
        if drawn:
            paint(part, _away(drawn, curve.steps, span, (height, width), inside), width / 200, colour)


def _finite(points: Points) -> Points:
    return [point for point in points if np.isfinite(point).all()]


def _away(
    points: Points, steps: int, span: tuple[float, float], shape: tuple[int, int], inside: tuple[int, int]
) -> NDArray[np.float64]:
    """Return how many rows each pixel is above or below the line through points, infinite beside it."""
    (height, width), (top, side) = shape, inside
    step, value = np.array(points, float).T
    across = side + (width - 2 * side) * step / max(steps, 1)
    low, high = span
    up = np.clip((value - low) / max(high - low, 1e-9), 0, 1)
    down = height - top - (height - 2 * top) * up
    columns = np.arange(width) + 0.5
    ends = np.interp([columns - 0.5, columns, columns + 0.5], across, down)
    rows = np.arange(height)[:, None] + 0.5
    away: NDArray[np.float64] = np.maximum(np.maximum(ends.min(0) - rows, rows - ends.max(0)), 0)
    away[:, (columns < across[0] - 1) | (columns > across[-1] + 1)] = np.inf
    return away
