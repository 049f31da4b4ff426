# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures for panels, kept by Blender's previews: no datablock of the user's file is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

_pictures: Any = None
_versions: dict[str, object] = {}
_MOST = 32
"""Pictures that are kept; then all are forgotten."""


def icon_of(key: str, draw: Callable[[], Picture], version: object = None) -> int:
    """Return the icon of a picture (H, W, 4), top row first, straight alpha; drawn once for each key and version.

    A new version of a key takes the place of the last, in a picture of the same size.
    """
    global _pictures
    if _pictures is None or (key not in _pictures and len(_pictures) >= _MOST):
        forget()
        _pictures = bpy.utils.previews.new()
    if key not in _pictures or _versions.get(key) != version:
        picture = draw()
        preview = _pictures[key] if key in _pictures else _pictures.new(key)
        preview.image_size = picture.shape[1], picture.shape[0]
        preview.image_pixels_float.foreach_set(picture[::-1].ravel())
        preview.icon_size = preview.image_size
        preview.icon_pixels_float.foreach_set(picture[::-1].ravel())
        _versions[key] = version
    return int(_pictures[key].icon_id)


def forget() -> None:
    """Give the pictures back."""
    global _pictures
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
    _pictures = None
    _versions.clear()
