# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the body is: a root path in metres from poses of known size and the rays they were seen along."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NEAREST = 1 / 3
"""Of the body's reach from its root: nobody is filmed from nearer."""
_RIDGE = 1e-9


def place_root(pose: Array, rays: Array, scores: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Find the root positions (T, 3), camera frame, from which poses (T, J, 3) project closest to what was seen.

    rays: (T, J, 3) with z = 1, NaN where unseen; scores: (T, J). For every joint x and its ray n, (x + r)_xy =
    n_xy (x + r)_z is linear in the root r; the equations are weighted twice by the inverse depth, so that the residuals
    are those of the image. Returns the positions and which frames had at least two joints and a root in front of the camera.
    """
    seen = np.isfinite(rays).all(-1) & (scores > 0)
    plane = np.where(seen[..., None], rays[..., :2], 0.0)
    # Rows (1, 0, -u) and (0, 1, -v) times r equal u z - x and v z - y.
    rows = np.zeros((*plane.shape[:2], 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -plane
    right = plane * pose[..., 2:] - pose[..., :2]
    weight = np.where(seen, scores, 0.0)
    root = np.zeros((len(pose), 3))
    nearest = _NEAREST * float(np.linalg.norm(pose, axis=-1).max())
    for _ in range(3):
        depth = np.maximum(pose[..., 2] + root[:, None, 2], nearest)
        w = weight / (depth * depth if root.any() else 1.0)
        normal = np.einsum("tj,tjki,tjkl->til", w, rows, rows)
        scale = np.trace(normal, axis1=1, axis2=2)[:, None, None] / 3 + 1e-12
        moment = np.einsum("tj,tjki,tjk->ti", w, rows, right)
        root = np.linalg.solve(normal + _RIDGE * scale * np.eye(3), moment[..., None])[..., 0]
    good = (seen.sum(1) >= 2) & (root[:, 2] > nearest)
    return root, good
