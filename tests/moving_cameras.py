# SPDX-License-Identifier: GPL-3.0-or-later
"""A walking figure, whose feet truly stand, before a camera that pans, travels and rolls."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from motions import look_at
from walking_figure import animate

from poselift.core.camera import Intrinsics, project
from poselift.core.camera_path import CameraPath
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

LENS = Intrinsics.from_fov(1280, 720, np.radians(60), "scene")
FPS = Fraction(30)


def moving_camera(frames: int, lens: Intrinsics = LENS) -> CameraPath:
    """Return a camera that travels half a metre a second, holds the figure in view, and rolls."""
    t = np.arange(frames) / float(FPS)
    views = [
        look_at((-1.5 + 0.5 * s, -5.0 + 0.15 * s, 1.2 + 0.15 * s), (0.3 * np.sin(s), 0.3, 0.9), 0.15 * np.sin(0.9 * s))
        for s in t
    ]
    return CameraPath(lens, np.stack([r for r, _ in views]), np.stack([s for _, s in views]))


def filmed(frames: int, noise: float = 2.0, lens: Intrinsics = LENS) -> tuple[KeypointTrack, CameraPath, np.ndarray]:
    """Return the figure's track with `noise` pixels, the camera's path, and the true joints (T, 17, 3) of the world."""
    joints, _ = animate(frames, FPS)
    view = moving_camera(frames, lens)
    keypoints = project(view.to_camera(joints), lens)
    keypoints += np.random.default_rng(0).normal(0, noise, keypoints.shape)
    scores = np.ones(keypoints.shape[:2])
    track = KeypointTrack(keypoints, scores, HUMAN17, fps=FPS, image_size=(lens.width, lens.height), source="walk.json")
    return track, view, joints
