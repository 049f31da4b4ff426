# SPDX-License-Identifier: GPL-3.0-or-later
"""What a motion has beyond the canonical joints: toes and heels, and knuckles, where a detector saw them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics
from ..track import KeypointTrack
from .feet import lift_feet
from .hands import lift_hands
from .performance import Performance

Array = NDArray[np.float64]


def lift_extremities(
    track: KeypointTrack, performance: Performance, camera: Intrinsics, fps: float, turn: Array, shift: Array, pinned: bool
) -> dict[str, Array]:
    """Return what was seen of `Motion.feet` and `Motion.hands`, by these names, in the world.

    track: in the detector's own layout, pixels of `camera`, which has no distortion. turn: (T, 3, 3), shift: (T, 3), world to
    camera. pinned: whether feet that stand are held in place.
    """
    joints, lengths = performance.joints, performance.lengths
    floor = performance.up, performance.level
    found = {
        "feet": lift_feet(track, joints, lengths, camera, fps, floor, performance.contacts, pinned),
        "hands": lift_hands(track, joints, lengths, camera, fps),
    }
    return {
        name: np.einsum("tba,tjb->tja", turn, points - shift[:, None]) for name, points in found.items() if points is not None
    }
