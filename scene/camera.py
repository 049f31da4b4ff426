# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender camera that sees what the footage's camera saw."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Quaternion, Vector
from numpy.typing import NDArray

from ..core.camera import Intrinsics
from ..core.errors import CameraError
from ..core.motion.motion import Motion
from ..core.rotation import continuous_quaternions, quaternion_from_matrix
from .keyframes import Channel, key_channels

Array = NDArray[np.float64]

SENSOR_WIDTH = 36.0
"""Millimetres. Only its quotient with the focal length is seen; this is what Blender and full-frame cameras have."""
STILL = 1e-9
"""A camera whose extrinsics vary by no more than this stands still."""


@dataclass(frozen=True)
class Lens:
    """Blender's camera settings, of a sensor fitted horizontally: focal length in mm, shifts in image widths, pixel aspect."""

    lens: float
    shift_x: float
    shift_y: float
    aspect_x: float
    aspect_y: float


def lens_of(intrinsics: Intrinsics) -> Lens:
    """Return the lens settings of a pinhole camera.

    Blender's view plane is one unit wide where the sensor is fitted horizontally; its pixels are aspect_y / aspect_x as
    high as they are wide, and a positive shift moves the picture's centre right and up, away from the principal point.
    Raises `CameraError` where the focal length or the pixel aspect is beyond what Blender holds.
    """
    width, height = intrinsics.width, intrinsics.height
    lens = intrinsics.fx * SENSOR_WIDTH / width
    tall = intrinsics.fx / intrinsics.fy
    if lens < 1 or not 1 / 200 <= tall <= 200 or min(width, height) < 4 or max(width, height) > 65536:
        raise CameraError(
            f"Blender has no camera of fx {intrinsics.fx:g}, fy {intrinsics.fy:g} and {width} x {height} pixels; "
            "check the intrinsics."
        )
    return Lens(
        lens,
        0.5 - intrinsics.cx / width,
        (intrinsics.cy - 0.5 * height) * tall / width,
        max(1.0, 1 / tall),
        max(1.0, tall),
    )


def camera_pose(rotation: Array, translation: Array) -> tuple[Array, Array]:
    """Return a Blender camera's quaternions (T, 4), continuous in sign, and locations (T, 3) from extrinsics.

    rotation: (T, 3, 3), translation: (T, 3), world to camera (x right, y down, z forward). Blender's camera looks along
    its -Z, with +Y up.
    """
    to_world = np.swapaxes(rotation, -1, -2)
    quaternions = continuous_quaternions(quaternion_from_matrix(to_world * np.array([1.0, -1.0, -1.0])))
    return quaternions, -(to_world @ translation[..., None])[..., 0]


def new_camera(name: str, motion: Motion, frames: Array, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make the camera of a motion: standing where the motion's stands, keyed frame by frame where it moves.

    frames: (T,) frame numbers. The render size is the scene's (`set_render_size`).
    """
    lens = lens_of(motion.intrinsics)
    camera = bpy.data.cameras.new(name)
    camera.type = "PERSP"
    camera.lens_unit = "MILLIMETERS"
    camera.sensor_fit = "HORIZONTAL"
    camera.sensor_width = SENSOR_WIDTH
    camera.lens = lens.lens
    camera.shift_x, camera.shift_y = lens.shift_x, lens.shift_y
    camera.clip_start = 0.01
    camera.clip_end = max(100.0, 4.0 * float(np.abs(motion.joints_camera[..., 2]).max()))
    owner = bpy.data.objects.new(name, camera)
    collection.objects.link(owner)
    owner.rotation_mode = "QUATERNION"
    rotations, locations = camera_pose(motion.camera_rotation, motion.camera_translation)
    owner.location, owner.rotation_quaternion = Vector(locations[0]), Quaternion(rotations[0])
    if max(np.ptp(motion.camera_rotation, axis=0).max(), np.ptp(motion.camera_translation, axis=0).max()) > STILL:
        channels = [Channel("location", "Location", locations), Channel("rotation_quaternion", "Rotation", rotations)]
        key_channels(owner, name, channels, frames)
    return owner


def set_render_size(scene: bpy.types.Scene, intrinsics: Intrinsics) -> None:
    """Give a scene the camera's image size and pixel aspect."""
    lens = lens_of(intrinsics)
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = intrinsics.width, intrinsics.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = lens.aspect_x, lens.aspect_y
