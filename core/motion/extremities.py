# SPDX-License-Identifier: GPL-3.0-or-later
"""What a motion has beyond the canonical joints: toes and heels, and knuckles, where a detector saw them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics, to_world
from ..camera_path import CameraPath
from ..track import KeypointTrack
from .feet import lift_feet
from .hands import lift_hands
from .performance import Performance

Array = NDArray[np.float64]


def lift_extremities(
    track: KeypointTrack,
    performance: Performance,
    camera: Intrinsics,
    fps: float,
    turn: Array,
    shift: Array,
    pinned: bool,
    view: CameraPath | None = None,
) -> dict[str, Array]:
    """Return what was seen of `Motion.feet` and `Motion.hands`, by these names, in the world.

    track: in the detector's own layout, pixels of `camera`, which has no distortion. turn: (T, 3, 3), shift: (T, 3), world to
    camera. pinned: whether feet that stand are held in place. view: the camera in whose world the performance is, if it is.
    """
    joints, lengths = performance.joints, performance.lengths
    floor = performance.up, performance.level
    feet = lift_feet(track, joints, lengths, camera, fps, floor, performance.contacts, pinned, view)
    hands = lift_hands(track, view.to_camera(joints) if view else joints, lengths, camera, fps)
    found = {} if hands is None else {"hands": to_world(hands, turn, shift)}
    if feet is not None:
        found["feet"] = feet if view else to_world(feet, turn, shift)
    return found
