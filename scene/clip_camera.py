# SPDX-License-Identifier: GPL-3.0-or-later
"""A movie clip's tracking camera as intrinsics, and back.

The clip editor counts pixels from the bottom left, y up, and measures the focal length in pixels of the image's width; an
anamorphic picture's rows count `pixel_aspect` times as much as its columns. What each lens model means was measured: Blender's
own solver reprojects what `core.camera.project` sees through these intrinsics to 4e-6 px (tests/test_clip_camera.py).
"""

from __future__ import annotations

from typing import Any

import bpy

from ..core.camera import Intrinsics
from ..core.errors import CameraError

DEFAULT_LENS = 24.0
"""Millimetres that Blender gives a new clip's camera; they say nothing about the footage."""


def tracking_of(clip: bpy.types.MovieClip) -> Any:
    """Return a clip's tracking data, which every clip has although the type stubs doubt it."""
    return clip.tracking


def intrinsics_of_clip(clip: bpy.types.MovieClip, size: tuple[int, int]) -> Intrinsics:
    """Return the intrinsics, with distortion, of a clip's tracking camera for images of a size in pixels.

    Raises `CameraError` where the clip's camera is impossible.
    """
    (width, height), camera = size, tracking_of(clip).camera
    focal, aspect, (x, y) = camera.focal_length_pixels, camera.pixel_aspect, camera.principal_point
    model, distortion = _lens(camera)
    return Intrinsics(
        focal, focal * aspect, 0.5 * width * (1 + x), 0.5 * height * (1 - y), width, height, distortion,
        f"tracking camera of the clip {clip.name}", model,
    )  # fmt: skip


def is_untouched(clip: bpy.types.MovieClip, size: tuple[int, int]) -> bool:
    """Say whether a clip's camera is still what Blender gives every new clip: nobody has set or solved it."""
    camera = tracking_of(clip).camera
    # A default camera has Blender's 24 mm, whatever the unit it is shown in.
    default = DEFAULT_LENS * size[0] / camera.sensor_width
    solved = any(item.reconstruction.is_valid for item in tracking_of(clip).objects)
    return (
        not solved
        and abs(camera.focal_length_pixels - default) < 1e-4 * default
        and not any(camera.principal_point)
        and not any(_lens(camera)[1])
    )


def set_clip_camera(clip: bpy.types.MovieClip, intrinsics: Intrinsics) -> None:
    """Give a clip's tracking camera these intrinsics, so that Blender can undistort the footage.

    Raises `CameraError`, before anything is changed, where Blender has no such lens model.
    """
    model, coefficients = _blender_lens(intrinsics)
    camera = tracking_of(clip).camera
    camera.pixel_aspect = intrinsics.fy / intrinsics.fx
    camera.focal_length_pixels = intrinsics.fx
    camera.principal_point = (2 * intrinsics.cx / intrinsics.width - 1, 1 - 2 * intrinsics.cy / intrinsics.height)
    camera.distortion_model = model
    for name, value in coefficients.items():
        setattr(camera, name, value)


def _lens(camera: Any) -> tuple[str, tuple[float, ...]]:
    """Return a clip camera's lens model and coefficients as `core.distortion` has them."""
    c, model = camera, "opencv"
    given: tuple[float, ...] = (c.k1, c.k2, 0.0, 0.0, c.k3)
    if c.distortion_model == "DIVISION":
        given = (0.0, 0.0, 0.0, 0.0, 0.0, c.division_k1, c.division_k2, 0.0)
    elif c.distortion_model == "NUKE":
        model, given = "nuke", (c.nuke_k1, c.nuke_k2)
    elif c.distortion_model == "BROWN":
        # Blender's p1 is OpenCV's p2 and the other way round, and its y points up.
        model, given = "brown", (c.brown_k1, c.brown_k2, -c.brown_p2, c.brown_p1, c.brown_k3, c.brown_k4)
    return (model, given) if any(given) else ("opencv", ())


def _blender_lens(intrinsics: Intrinsics) -> tuple[str, dict[str, float]]:
    """Return Blender's lens model and its coefficients by name."""
    c = intrinsics.distortion
    if intrinsics.model == "nuke":
        return "NUKE", {"nuke_k1": c[0], "nuke_k2": c[1]}
    if intrinsics.model in ("opencv", "brown") and not any(c[6:] if intrinsics.model == "brown" else c[5:]):
        k1, k2, p1, p2, k3, k4 = (*c[:6], *(0.0,) * (6 - len(c[:6])))
        if any((p1, p2, k4)):
            names = ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2")
            return "BROWN", dict(zip(names, (k1, k2, k3, k4, p2, -p1), strict=True))
        return "POLYNOMIAL", {"k1": k1, "k2": k2, "k3": k3}
    if intrinsics.model == "opencv" and not any(c[:5]) and not any(c[7:]):
        return "DIVISION", {"division_k1": c[5], "division_k2": c[6]}
    raise CameraError(
        f"Blender's clips have no lens model like this one ({intrinsics.model}, {len(c)} coefficients); undistort the footage."
    )
