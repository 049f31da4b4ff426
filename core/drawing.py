# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of keypoints, for previews: bones as lines, keypoints as dots, left and right in two colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .skeleton import Skeleton

Floats = NDArray[np.float64]
Picture = NDArray[np.float32]

LEFT, RIGHT, MIDDLE = (0.20, 0.55, 0.95), (0.95, 0.50, 0.10), (0.85, 0.85, 0.85)
"""Colours (linear RGB) of the person's left side, right side (orange, as on the mannequin), and the middle."""
_MARGIN = 0.08


def draw_keypoints(keypoints: Floats, skeleton: Skeleton, size: int = 256, highlight: str = "") -> Picture:
    """Draw one pose as large as fits a square picture.

    keypoints: (J, 2) pixels, y down, NaN where missing; highlight: a joint that is drawn larger and white. Returns
    (size, size, 4) straight RGBA, the top row first, transparent where nothing is.
    """
    picture = np.zeros((size, size, 4), np.float32)
    seen = np.isfinite(keypoints).all(-1)
    if not seen.any():
        return picture
    points = _fitted(keypoints, seen, size)
    width = size / 90
    grid = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1)
    for parent, joint in skeleton.edges:
        if seen[parent] and seen[joint]:
            away = _distance_to_segment(grid, points[parent], points[joint])
            paint(picture, away, width, _colour(skeleton, joint))
    for joint in np.flatnonzero(seen):
        marked = skeleton.joint_names[joint] == highlight
        away = np.linalg.norm(grid - points[joint], axis=-1)
        paint(picture, away, width * (4 if marked else 2), (1.0, 1.0, 1.0) if marked else _colour(skeleton, int(joint)))
    return picture


def _fitted(keypoints: Floats, seen: NDArray[np.bool_], size: int) -> Floats:
    low, high = keypoints[seen].min(0), keypoints[seen].max(0)
    scale = size * (1 - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    return (keypoints - (low + high) / 2) * scale + size / 2


def _colour(skeleton: Skeleton, joint: int) -> tuple[float, float, float]:
    name = skeleton.joint_names[joint]
    for left, right in skeleton.mirror_pairs:
        if name in (left, right):
            return LEFT if name == left else RIGHT
    return MIDDLE


def _distance_to_segment(grid: Floats, start: Floats, end: Floats) -> Floats:
    along = end - start
    share = np.clip((grid - start) @ along / max(float(along @ along), 1e-12), 0, 1)
    return np.linalg.norm(grid - start - share[..., None] * along, axis=-1)


def paint(picture: Picture, away: Floats, radius: float, colour: tuple[float, float, float]) -> None:
    """Lay a colour over what is within `radius` of a shape, its edge one pixel soft. away: (H, W) pixels from the shape."""
    where = away < radius + 0.5
    under = picture[where]
    cover = np.minimum(radius + 0.5 - away[where], 1).astype(np.float32)[:, None]
    alpha = cover + under[:, 3:] * (1 - cover)
    mixed = np.array(colour, np.float32) * cover + under[:, :3] * under[:, 3:] * (1 - cover)
    picture[where] = np.concatenate([mixed / alpha, alpha], 1)
