# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinhole cameras with lens distortion: intrinsics, projection and its inverse.

Image frame: pixels, origin top left, y down. Camera frame: metres, x right, y down, z forward (OpenCV).
Extrinsics map world to camera: x_cam = R x_world + t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from . import distortion as models
from .errors import CameraError

Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])


@dataclass(frozen=True)
class Intrinsics:
    """A camera's intrinsics, in pixels of an image of `width` x `height`.

    `distortion`: the coefficients of the lens model `model`, in the order that `distortion.py` gives; OpenCV's (k1, k2, p1, p2,
    k3), fewer or none, where nothing else is said. `source`: where the numbers came from, for the report.
    Raises `CameraError` where a focal length or the image size is not a positive finite number, or where there is no such
    model or it has another number of coefficients.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()
    source: str = ""
    model: str = "opencv"

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, self.width, self.height, *self.distortion)
        if not np.isfinite(numbers).all() or min(self.fx, self.fy, self.width, self.height) <= 0:
            raise CameraError("focal lengths and image size must be positive finite numbers.")
        if any(abs(coefficient) > models.LARGEST for coefficient in self.distortion):
            raise CameraError(f"no lens has distortion coefficients beyond {models.LARGEST:g}; check the calibration.")
        if self.model not in models.COUNTS:
            raise CameraError(f"there is no lens model '{self.model}'; known are {', '.join(models.COUNTS)}.")
        counts = models.COUNTS[self.model]
        if len(self.distortion) not in counts:
            known = ", ".join(map(str, counts))
            raise CameraError(f"{len(self.distortion)} distortion coefficients; the lens model '{self.model}' has {known}.")

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float, source: str = "") -> Intrinsics:
        """Build a centred camera with square pixels whose larger image side spans `fov` radians."""
        if not 0 < fov < np.pi:
            raise CameraError(f"a field of view of {np.degrees(fov):g} degrees is impossible.")
        focal = 0.5 * max(width, height) / np.tan(0.5 * fov)
        return cls(focal, focal, 0.5 * width, 0.5 * height, width, height, source=source)

    @classmethod
    def from_matrix(
        cls,
        matrix: NDArray[np.floating],
        width: int,
        height: int,
        distortion: tuple[float, ...] = (),
        source: str = "",
        model: str = "opencv",
    ) -> Intrinsics:
        """Build from a (3, 3) camera matrix. Raises `CameraError` where it is none, or has skew."""
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.allclose(matrix[[0, 1, 2, 2], [1, 0, 0, 1]], 0) or not np.isclose(matrix[2, 2], 1):
            raise CameraError("a camera matrix is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]].")
        fx, fy, cx, cy = (float(v) for v in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
        return cls(fx, fy, cx, cy, width, height, distortion, source, model)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def fov(self) -> float:
        """Angle in radians that the larger image side spans."""
        size, focal = (self.width, self.fx) if self.width >= self.height else (self.height, self.fy)
        return float(2 * np.arctan(0.5 * size / focal))

    @property
    def is_distorted(self) -> bool:
        """Whether the lens bends anything."""
        return self.model == "fisheye" or any(self.distortion)

    @property
    def coverage(self) -> float:
        """Share of the image, 0 to 1, for which the lens model holds; keypoints beyond it have no viewing ray."""
        x, y = np.meshgrid(np.linspace(0, self.width, 65), np.linspace(0, self.height, 65))
        return float(np.isfinite(unproject(np.stack([x, y], -1), self)).all(-1).mean())

    def undistorted(self) -> Intrinsics:
        """Return the same camera without lens distortion."""
        return Intrinsics(self.fx, self.fy, self.cx, self.cy, self.width, self.height, (), self.source)

    def scaled(self, width: int, height: int) -> Intrinsics:
        """Return the camera of the same picture at another size in pixels. Lens coefficients do not depend on it."""
        across, down = width / self.width, height / self.height
        return replace(
            self, fx=self.fx * across, fy=self.fy * down, cx=self.cx * across, cy=self.cy * down, width=width, height=height
        )

    @property
    def _lens(self) -> models.Lens:
        """The lens model; nuke's unit is half the larger side of the image in square pixels, as wide as they are."""
        half = 0.5 * max(self.width, self.height * self.fx / self.fy)
        return models.Lens(self.model, self.distortion, self.fx / half if self.model == "nuke" else 1.0)


def project(points: Floats, camera: Intrinsics) -> Floats:
    """Project points in front of the camera onto the image.

    points: (..., 3) camera frame, metres. Returns (..., 2) pixels, in the points' dtype; NaN where z <= 0, and where the lens
    model ends (`distortion.py`).
    """
    z = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
    plane = points[..., :2] / z
    if camera.is_distorted:
        plane = models.distort(plane.astype(np.float64), camera._lens).astype(points.dtype)
    scale, offset = _scale_offset(camera, plane.dtype)
    return plane * scale + offset


def unproject(pixels: Floats, camera: Intrinsics) -> Floats:
    """Return the viewing rays of pixels, as (..., 3) directions with z = 1 in the camera frame.

    pixels: (..., 2). The inverse of `project` up to depth, exact to `distortion.ACCURACY`; NaN where the lens model ends.
    """
    scale, offset = _scale_offset(camera, pixels.dtype)
    plane = (pixels - offset) / scale
    if camera.is_distorted:
        plane = models.undistort(plane.astype(np.float64), camera._lens).astype(pixels.dtype)
    return np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)


def undistort(pixels: Floats, camera: Intrinsics) -> Floats:
    """Move (..., 2) pixels to where an undistorted lens would have seen them."""
    if not camera.is_distorted:
        return pixels
    return project(unproject(pixels, camera), camera.undistorted())


def _scale_offset(camera: Intrinsics, dtype: np.dtype) -> tuple[NDArray, NDArray]:
    return np.array([camera.fx, camera.fy], dtype), np.array([camera.cx, camera.cy], dtype)


def to_world(points: Floats, rotation: Floats, translation: Floats) -> Floats:
    """Return points (T, J, 3) of the camera's frame in the world; rotation (T, 3, 3), translation (T, 3): world to camera."""
    return np.einsum("tba,tjb->tja", rotation, points - translation[:, None])
