# SPDX-License-Identifier: GPL-3.0-or-later
"""From pixels to the network's input: a virtual camera per frame that looks at the root, at the training's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import unproject
from ..errors import TrackError
from ..interpolation import over_time
from ..rotation import normalised, shortest_arc
from ..track import KeypointTrack
from .impute import complete_track

Array = NDArray[np.float64]

SIZE_WINDOW_SECONDS = 1.0


@dataclass(frozen=True)
class NetworkInput:
    """2D poses of the virtual camera, and the way back.

    plane: (T, J, 2), complete, root at the origin, at the training's size.
    look: (T, 3, 3) rotations from the camera's axes to the virtual camera's.
    distance: (T,) of the virtual camera from the root, body units, told from the apparent size: what is half as large is
    twice as far.
    observed: (T, J) joints that were not completed.
    empty: (T,) True where a frame shows nothing, and its pose is carried over time.
    """

    plane: Array
    look: Array
    distance: Array
    observed: NDArray[np.bool_]
    empty: NDArray[np.bool_]


def prepare(track: KeypointTrack, statistics: Mapping[str, Array], t: float, fps: float) -> NetworkInput:
    """Turn a track on the weights' skeleton, with intrinsics, into the network's input.

    statistics: 'mean', 'covariance' and 'edges' of the training's 2D poses (`Weights.part`). t: the constant distance that
    every body is brought to. Raises `TrackError` where no frame shows two joints that share a bone.
    """
    assert track.intrinsics is not None
    skeleton, mean, covariance = track.skeleton, statistics["mean"], statistics["covariance"]
    observed = track.observed
    empty = ~observed.any(1)
    window = max(1, round(SIZE_WINDOW_SECONDS * fps))

    rays = unproject(track.keypoints, track.intrinsics)
    size = apparent_size(rays[..., :2], skeleton.edges, statistics["edges"], window)
    flat = rays[..., :2] / size[:, None, None]
    flat = complete_track(flat, observed, mean, covariance, fps)
    root = over_time(flat[:, skeleton.root] * size[:, None], ~empty)

    look = shortest_arc(normalised(np.concatenate([root, np.ones_like(root[:, :1])], -1)), np.array([0.0, 0.0, 1.0]))
    turned = rays @ np.swapaxes(look, -1, -2)
    plane = turned[..., :2] / np.where(turned[..., 2:] > 1e-3, turned[..., 2:], np.nan)
    size = apparent_size(plane, skeleton.edges, statistics["edges"], window)
    known = np.isfinite(plane).all(-1)
    known[:, skeleton.root] = True
    plane[:, skeleton.root] = 0.0
    plane = complete_track(plane / size[:, None, None], known, mean, covariance, fps)
    return NetworkInput(over_time(plane, ~empty), look, t / size, known & ~empty[:, None], empty)


def apparent_size(plane: Array, edges: tuple[tuple[int, int], ...], typical: Array, window: int) -> Array:
    """Return (T,) how large poses (T, J, 2) appear against the training's, from the seen edges, over a running window.

    A window, for a foreshortened frame is not a distant one. typical: (edges,) mean lengths of the training's edges.
    """
    parents, children = (np.array(side) for side in zip(*edges, strict=True))
    length = np.linalg.norm(plane[:, children] - plane[:, parents], axis=-1)
    seen = np.isfinite(length)
    seen_sum = _running_sum(np.where(seen, length, 0.0).sum(1), window)
    typical_sum = _running_sum((seen * typical).sum(1), window)
    usable = (typical_sum > 0) & (seen_sum > 0)
    if not usable.any():
        raise TrackError("no frame shows two neighbouring joints, so there is no body to lift.")
    return over_time(np.where(usable, seen_sum / np.where(typical_sum > 0, typical_sum, 1), 1.0), usable)


def _running_sum(values: Array, window: int) -> Array:
    """Sum over the frames within `window` of each frame."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    frames = np.arange(len(values))
    return total[np.minimum(frames + window + 1, len(values))] - total[np.maximum(frames - window, 0)]
