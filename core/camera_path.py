# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera that is known in every frame, standing or moving: the user's own, from a scene with a world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import Intrinsics
from .errors import CameraError

Array = NDArray[np.float64]

UP = (0.0, 0.0, 1.0)
"""Of the world that the camera moves in."""


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Intrinsics, without distortion, and the extrinsics of T frames: rotation (T, 3, 3), translation (T, 3), world to camera.

    Raises `CameraError` where the rotations are none, or anything is not finite.
    """

    intrinsics: Intrinsics
    rotation: Array
    translation: Array

    def __post_init__(self) -> None:
        turns = self.rotation @ np.swapaxes(self.rotation, -1, -2)
        if self.rotation.shape != (len(self), 3, 3) or self.translation.shape != (len(self), 3):
            raise CameraError("a camera's path has a rotation (3, 3) and a translation (3,) for every frame.")
        if not np.isfinite(self.translation).all() or not np.allclose(turns, np.eye(3), atol=1e-4):
            raise CameraError("the camera's path has a frame whose rotation is none; check its keys and its scale.")

    def __len__(self) -> int:
        return len(self.rotation)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CameraPath) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Intrinsics, bytes, bytes]:
        return self.intrinsics, self.rotation.tobytes(), self.translation.tobytes()

    def during(self, frames: slice) -> CameraPath:
        """Return the path over some of the frames."""
        return CameraPath(self.intrinsics, self.rotation[frames], self.translation[frames])

    @property
    def places(self) -> Array:
        """(T, 3) where the camera is, in the world."""
        return -np.einsum("tba,tb->ta", self.rotation, self.translation)

    def turned(self, vectors: Array) -> Array:
        """Turn vectors (T, ..., 3) from the camera's axes to the world's."""
        return np.einsum("tba,t...b->t...a", self.rotation, vectors)

    def to_world(self, points: Array) -> Array:
        """Return points (T, ..., 3) of the camera's frame in the world."""
        return self.turned(points - self._spread(points))

    def to_camera(self, points: Array) -> Array:
        """Return points (T, ..., 3) of the world in the camera's frame."""
        seen: Array = np.einsum("tab,t...b->t...a", self.rotation, points) + self._spread(points)
        return seen

    def _spread(self, points: Array) -> Array:
        return self.translation.reshape(len(self), *(1,) * (points.ndim - 2), 3)
