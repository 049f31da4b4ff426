# SPDX-License-Identifier: GPL-3.0-or-later
"""How exact a track's keypoints are, told from the track itself: what of their motion no body could do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera_path import CameraPath

Array = NDArray[np.float64]

ORDER = 4
"""Differences of this order hardly see a body's motion at 25 frames a second and more, but all of the noise."""
FEWEST = 20
_GAIN = np.sqrt(70.0)
"""Root of the sum of the squared binomials (1, 4, 6, 4, 1): by which such a difference enlarges noise."""
_NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def tremble(rays: Array, depth: Array, view: CameraPath | None = None) -> Array:
    """Estimate (J,) the standard deviation of each joint's noise from frame to frame, in metres.

    rays: (T, J, 3) with z = 1, NaN where unseen; depth: (T,) metres of the body. A joint that is seldom seen in five frames
    on end gets the median of the others; all are 0 where there is none. view: of a camera whose own trembling does not count.
    """
    places = rays * depth[:, None, None]
    if view is not None:
        places = view.to_world(places)
    result = np.full(rays.shape[1], np.nan)
    if len(rays) > ORDER:
        change = np.diff(places, n=ORDER, axis=0) / _GAIN
        if view is not None:
            change = np.einsum("tab,tjb->tja", view.rotation[ORDER // 2 : -ORDER // 2], change)
        change = change[..., :2]  # across the line of sight, which is all that keypoints say
        for joint in range(rays.shape[1]):
            seen = change[:, joint][np.isfinite(change[:, joint]).all(-1)]
            if len(seen) >= FEWEST:
                result[joint] = _NORMAL * float(np.median(np.abs(seen)))
    known = np.isfinite(result)
    return np.where(known, result, np.median(result[known]) if known.any() else 0.0)
