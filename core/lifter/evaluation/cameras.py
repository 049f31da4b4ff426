# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual cameras as users have them: real lenses, principal points and distances, the person somewhere in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...camera import Intrinsics, project
from ...rotation import normalised, shortest_arc

Array = NDArray[np.float64]

LENS = (24.0, 85.0)
"""Focal lengths in millimetres, on a sensor whose longer side has 36."""

DISTANCE = (2.0, 8.0)
"""Metres from the camera to the person's smoothed path."""

ELEVATION = (-10.0, 40.0)
"""Degrees from which the camera looks down at the person; azimuths are all alike."""

SIZES = ((1920, 1080), (1080, 1920))
SENSOR = 36.0
CENTRE_SHIFT = 0.05
"""The principal point is up to this share of the width and height off the image's centre."""

FILL = 0.9
"""Share of the image that the person fills at most: longer lenses are not used from so near."""

PLACE = 0.6
"""The person's place in the picture is drawn from this middle part of where the person still fits."""

PATH_SECONDS = 0.5
NEAREST = 0.5
"""Metres that every joint is at least in front of the camera."""


@dataclass(frozen=True)
class View:
    """A camera that travels along with a person: x_cam = rotation x_world + translation[t]."""

    intrinsics: Intrinsics
    rotation: Array
    translation: Array

    def camera_axes(self, joints: Array) -> Array:
        """Return joints (T, J, 3) of the world in the camera's frame, metres."""
        return joints @ self.rotation.T + self.translation[:, None]

    def during(self, frames: slice) -> View:
        """Return the view of some of its frames."""
        return replace(self, translation=self.translation[frames])


def draw_view(
    joints: Array, root: int, fps: float, generator: np.random.Generator, distance: tuple[float, float] = DISTANCE
) -> View:
    """Draw a camera for a clip: its lens, its image, whence it looks, and where in its picture the person is.

    joints: (T, J, 3) world, the root's path without gaps. The camera keeps its axes and follows the root's path, smoothed
    over half a second, at a constant distance. The lens is uniform in its logarithm, up to the longest that shows the whole
    clip's motion; where none does, the image is turned upright or level, then the camera steps back within `distance`.
    """
    path = smooth_path(joints[:, root], fps)
    azimuth, elevation = generator.uniform(0, 2 * np.pi), np.radians(generator.uniform(*ELEVATION))
    start, side = generator.uniform(*distance), int(generator.integers(len(SIZES)))
    lens, shift, place = float(generator.uniform()), generator.uniform(-1, 1, 2), generator.uniform(-1, 1, 2)

    looking = _look(azimuth, elevation)
    known = np.isfinite(joints).all((-1, -2))
    around = (joints[known] - path[known, None]) @ looking.T
    for away, (width, height) in _tries(start, side, distance[1]):  # where all fail, the last is taken
        low, high = _box(around, away)
        longest = FILL * float(np.min([width, height] / np.maximum(high - low, 1e-9))) * SENSOR / max(width, height)
        if longest >= LENS[0]:
            break
    size = np.array([width, height], float)
    focal = LENS[0] * (np.clip(longest, *LENS) / LENS[0]) ** lens * max(width, height) / SENSOR
    cx, cy = (float(c) for c in size * (0.5 + CENTRE_SHIFT * shift))
    camera = Intrinsics(focal, focal, cx, cy, width, height, source="virtual")
    rotation = _placed(looking, around, away, camera, place)
    translation = away * looking[2] - path
    return View(camera, rotation, translation @ rotation.T)


def smooth_path(path: Array, fps: float) -> Array:
    """Smooth a path (T, C) over half a second: local straight lines, weighted by a Gaussian, which lag at no end."""
    reach = int(np.ceil(4 * PATH_SECONDS * fps))
    offset = np.arange(-reach, reach + 1)
    weight = np.exp(-0.5 * (offset / (PATH_SECONDS * fps)) ** 2)

    def summed(values: Array, power: int) -> Array:  # sum over s of weight(s - t) (s - t)^power values(s)
        return np.convolve(values, (weight * offset**power)[::-1])[reach : reach + len(path)]

    ones = np.ones(len(path))
    s0, s1, s2 = (summed(ones, power) for power in range(3))
    determinant = s0 * s2 - s1 * s1
    flat = determinant < 1e-9
    lines = [
        np.where(flat, summed(x, 0) / s0, (s2 * summed(x, 0) - s1 * summed(x, 1)) / np.where(flat, 1, determinant))
        for x in path.T
    ]
    return np.stack(lines, -1)


def body_unit(clips: list[tuple[Array, View]], root: int, head: int) -> float:
    """Return the body unit in metres: how far the head is from the root, on average, in pictures of the root's scale.

    clips: joints (T, J, 3) of the world and who looks at them. The configuration's definition of the unit: the virtual
    camera at t units sees head and root 1/t apart in the mean.
    """
    total, frames = 0.0, 0
    for joints, view in clips:
        pose = view.camera_axes(joints)
        place = pose[:, root]
        look = shortest_arc(normalised(place), np.array([0.0, 0.0, 1.0]))
        seen = np.einsum("tij,tj->ti", look, pose[:, head])
        away = np.linalg.norm(place, axis=-1)
        total += float((np.linalg.norm(seen[:, :2], axis=-1) / seen[:, 2] * away).sum())
        frames += len(joints)
    return total / frames


def _look(azimuth: float, elevation: float) -> Array:
    """Return the rotation (3, 3) from the world (Z up) to a level camera (y down) that looks down by `elevation`."""
    forward = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    return np.stack([right, np.cross(forward, right), forward])


def _tries(away: float, side: int, farthest: float) -> Iterator[tuple[float, tuple[int, int]]]:
    """Yield distances and image sizes to try: as drawn, the image turned, then both from ever farther away."""
    while True:
        yield away, SIZES[side]
        yield away, SIZES[1 - side]
        if away >= farthest:
            return
        away = min(1.15 * away, farthest)


def _box(around: Array, away: float) -> tuple[Array, Array]:
    """Return the smallest and largest (x, y) of joints, given around the axis, in the plane at distance 1."""
    plane = around[..., :2] / np.maximum(around[..., 2:] + away, NEAREST)
    return plane.min((0, 1)), plane.max((0, 1))


def _placed(looking: Array, around: Array, away: float, camera: Intrinsics, place: Array) -> Array:
    """Turn a camera so that the person is at `place`, -1 to 1 within the part of the picture in which the person fits.

    Perspective stretches a person who moves off the axis, so a place where someone leaves the picture is moved to the
    middle, step by step.
    """
    size, centre = np.array([camera.width, camera.height], float), np.array([camera.cx, camera.cy])
    low, high = (camera.fx * side for side in _box(around, away))
    first, last = 0.02 * size - low, 0.98 * size - high
    rotation = looking
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        pixel = 0.5 * (first + last) + share * PLACE * np.maximum(0.5 * (last - first), 0) * place
        ray = normalised(np.append((pixel - centre) / camera.fx, 1.0))
        rotation = shortest_arc(np.array([0.0, 0.0, 1.0]), ray) @ looking
        turned = (around @ looking + away * looking[2]) @ rotation.T
        seen = project(turned, camera)
        if turned[..., 2].min() > NEAREST and (seen >= 0).all() and (seen <= size).all():
            break
    return rotation
