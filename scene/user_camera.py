# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own Blender camera, whatever its settings, as intrinsics and extrinsics: what `camera.py` does, backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.camera import Intrinsics
from ..core.camera_path import CameraPath
from ..core.errors import CameraError

Array = NDArray[np.float64]

ZOOM = 1e-5
"""Relative; a focal length or shift (in image sizes) that changes by more than this is animated."""


def intrinsics_of_camera(camera: bpy.types.Object, scene: bpy.types.Scene) -> Intrinsics:
    """Return the intrinsics of a Blender camera for a scene's rendered image, at the current frame.

    The image is as large as it renders (resolution times percentage). Blender fits the sensor to one side of the image in
    square pixels; lens and shift are measured along that side (`BKE_camera_params_compute_viewplane` in Blender's source).
    Raises `CameraError` where the camera is orthographic or panoramic, or the object is no camera.
    """
    data: Any = camera.data
    if camera.type != "CAMERA":
        raise CameraError(f"'{camera.name}' is no camera; choose one.")
    if data.type != "PERSP":
        raise CameraError(f"the camera '{camera.name}' is not a perspective one; set its type to Perspective.")
    render = scene.render
    # Blender cuts fractions of pixels off; the small number undoes what its own division loses.
    width, height = (
        max(1, int(side * render.resolution_percentage / 100 + 1e-9)) for side in (render.resolution_x, render.resolution_y)
    )
    tall = render.pixel_aspect_y / render.pixel_aspect_x
    fit = data.sensor_fit
    if fit == "AUTO":
        fit = "HORIZONTAL" if width >= tall * height else "VERTICAL"
    side = width if fit == "HORIZONTAL" else tall * height
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    focal = data.lens / sensor * side
    return Intrinsics(
        focal,
        focal / tall,
        0.5 * width - data.shift_x * side,
        0.5 * height + data.shift_y * side / tall,
        width,
        height,
        source=f"camera {camera.name}",
    )


def extrinsics_of_camera(
    camera: bpy.types.Object, frames: Sequence[float] | Array, scene: bpy.types.Scene | None = None
) -> tuple[Array, Array]:
    """Return a camera's rotations (T, 3, 3) and translations (T, 3), world to camera, at frames (T,), fractions allowed.

    Everything that moves it counts: keys, parents, constraints, drivers. The scene's frame is as before afterwards. Raises
    `CameraError` where the camera zooms between the frames, or is mirrored, sheared or squashed to nothing.
    """
    scene = scene or bpy.context.scene
    assert scene is not None
    before = scene.frame_current, scene.frame_subframe
    rotation, translation = np.empty((len(frames), 3, 3)), np.empty((len(frames), 3))
    lenses = np.empty((len(frames), 4))
    try:
        for row, frame in enumerate(frames):
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame) - whole)
            seen = camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
            rotation[row], translation[row] = _world_to_camera(np.array(seen.matrix_world), camera.name)
            found = intrinsics_of_camera(seen, scene)
            lenses[row] = np.array([found.fx, found.fy, found.cx, found.cy]) / max(found.width, found.height)
    finally:
        scene.frame_set(before[0], subframe=before[1])
    if len(lenses) and (np.ptp(lenses, axis=0) > ZOOM).any():
        raise CameraError(f"the camera '{camera.name}' zooms; its focal length and shift must stay the same over the clip.")
    return rotation, translation


def path_of_camera(name: str, frames: Sequence[float] | Array, scene: bpy.types.Scene | None = None) -> CameraPath:
    """Return the way of a scene's camera over frames (T,): the one of a name, or the active one where that is empty.

    Neither the camera nor the scene is changed. Raises `CameraError` where there is no such camera, or where it zooms or
    is no pinhole.
    """
    scene = scene or bpy.context.scene
    assert scene is not None
    camera = scene.objects.get(name) if name else scene.camera
    if camera is None:
        missing = f"no camera '{name}'" if name else "no active camera"
        raise CameraError(f"the scene '{scene.name}' has {missing}; choose one.")
    rotation, translation = extrinsics_of_camera(camera, frames, scene)
    return CameraPath(intrinsics_of_camera(camera, scene), rotation, translation)


def _world_to_camera(matrix: Array, name: str) -> tuple[Array, Array]:
    """Turn a Blender camera's world matrix (4, 4) to R and t. Scale has no meaning for a camera and is dropped."""
    axes = matrix[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if lengths.min() < 1e-9:
        raise CameraError(f"the camera '{name}' is scaled to nothing; reset its scale.")
    # Blender looks along -Z with +Y up.
    rotation = (axes / lengths * (1, -1, -1)).T
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-4 or np.linalg.det(rotation) < 0:
        raise CameraError(f"the camera '{name}' is mirrored or sheared by its scale or its parent's; apply the scale.")
    return rotation, -rotation @ matrix[:3, 3]
