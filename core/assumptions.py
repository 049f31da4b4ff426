# SPDX-License-Identifier: GPL-3.0-or-later
"""What is assumed of a track where nobody told: rate, image size, field of view."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .camera import Intrinsics
from .track import KeypointTrack

GUESSED_FPS = Fraction(30)

ASSUMED = "assumed"
"""The source of a camera nobody told about."""

GUESSED_FOV = np.radians(55.0)
"""Of a camera nobody told about: between a phone's main camera (65 to 70 degrees) and a 50 mm lens (40)."""


def guessed_size(track: KeypointTrack) -> tuple[int, int]:
    """Return the smallest common image size that holds every keypoint; a 16-pixel-aligned box where none does."""
    right, bottom = np.nanmax(track.keypoints.reshape(-1, 2), axis=0)
    for width, height in ((640, 480), (1280, 720), (1920, 1080), (3840, 2160)):
        for size in ((width, height), (height, width)):
            if right <= size[0] and bottom <= size[1]:
                return size
    return int(np.ceil(max(right, 16) / 16) * 16), int(np.ceil(max(bottom, 16) / 16) * 16)


def assumed_camera(track: KeypointTrack) -> Intrinsics:
    """Return a camera for a track whose own is unknown: the usual field of view over its image."""
    return Intrinsics.from_fov(*(track.image_size or guessed_size(track)), GUESSED_FOV, ASSUMED)
