# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinhole cameras with lens distortion: intrinsics, projection and its inverse.

Image frame: pixels, origin top left, y down. Camera frame: metres, x right, y down, z forward (OpenCV).
Extrinsics map world to camera: x_cam = R x_world + t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import CameraError

Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])


@dataclass(frozen=True)
class Intrinsics:
    """A camera's intrinsics, in pixels of an image of `width` x `height`.

    `distortion`: OpenCV's (k1, k2, p1, p2, k3), fewer or none. `source`: where the numbers came from, for the report.
    Raises `CameraError` where a focal length or the image size is not a positive finite number.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, self.width, self.height, *self.distortion)
        if not np.isfinite(numbers).all() or min(self.fx, self.fy, self.width, self.height) <= 0:
            raise CameraError("focal lengths and image size must be positive finite numbers.")
        if len(self.distortion) > 5:
            raise CameraError(f"{len(self.distortion)} distortion coefficients; at most five (k1, k2, p1, p2, k3) are known.")

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float, source: str = "") -> Intrinsics:
        """Build a centred camera with square pixels whose larger image side spans `fov` radians."""
        if not 0 < fov < np.pi:
            raise CameraError(f"a field of view of {np.degrees(fov):g} degrees is impossible.")
        focal = 0.5 * max(width, height) / np.tan(0.5 * fov)
        return cls(focal, focal, 0.5 * width, 0.5 * height, width, height, source=source)

    @classmethod
    def from_matrix(
        cls, matrix: NDArray[np.floating], width: int, height: int, distortion: tuple[float, ...] = (), source: str = ""
    ) -> Intrinsics:
        """Build from a (3, 3) camera matrix. Raises `CameraError` where it is none, or has skew."""
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.allclose(matrix[[0, 1, 2, 2], [1, 0, 0, 1]], 0) or not np.isclose(matrix[2, 2], 1):
            raise CameraError("a camera matrix is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]].")
        fx, fy, cx, cy = (float(v) for v in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
        return cls(fx, fy, cx, cy, width, height, distortion, source)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def fov(self) -> float:
        """Angle in radians that the larger image side spans."""
        size, focal = (self.width, self.fx) if self.width >= self.height else (self.height, self.fy)
        return float(2 * np.arctan(0.5 * size / focal))

    def undistorted(self) -> Intrinsics:
        """Return the same camera without lens distortion."""
        return Intrinsics(self.fx, self.fy, self.cx, self.cy, self.width, self.height, (), self.source)


def project(points: Floats, camera: Intrinsics) -> Floats:
    """Project points in front of the camera onto the image.

    points: (..., 3) camera frame, metres. Returns (..., 2) pixels, in the points' dtype; NaN where z <= 0.
    Distortion: Brown's model as OpenCV defines it (calib3d, "pinhole camera model").
    """
    z = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
    plane = _distort(points[..., :2] / z, camera.distortion)
    scale, offset = _scale_offset(camera, plane.dtype)
    return plane * scale + offset


def unproject(pixels: Floats, camera: Intrinsics) -> Floats:
    """Return the viewing rays of pixels, as (..., 3) directions with z = 1 in the camera frame.

    pixels: (..., 2). The inverse of `project` up to depth; distortion is inverted by fixed-point iteration (as OpenCV's
    undistortPoints does).
    """
    scale, offset = _scale_offset(camera, pixels.dtype)
    plane = _undistort((pixels - offset) / scale, camera.distortion)
    return np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)


def undistort(pixels: Floats, camera: Intrinsics) -> Floats:
    """Move (..., 2) pixels to where an undistorted lens would have seen them."""
    if not any(camera.distortion):
        return pixels
    return project(unproject(pixels, camera), camera.undistorted())


def _scale_offset(camera: Intrinsics, dtype: np.dtype) -> tuple[NDArray, NDArray]:
    return np.array([camera.fx, camera.fy], dtype), np.array([camera.cx, camera.cy], dtype)


def _distort(plane: Floats, coefficients: tuple[float, ...]) -> Floats:
    if not any(coefficients):
        return plane
    k1, k2, p1, p2, k3 = (*coefficients, *(0.0,) * (5 - len(coefficients)))
    x, y = plane[..., 0], plane[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], axis=-1
    )


def _undistort(distorted: Floats, coefficients: tuple[float, ...]) -> Floats:
    plane = distorted
    if any(coefficients):
        for _ in range(20):
            plane = plane + (distorted - _distort(plane, coefficients))
    return plane
