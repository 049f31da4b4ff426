# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters and motions in files of other programs: opened or imported by Blender's own importers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReadError
from ..core.track import exact_rate
from . import compat, timing
from .files import new_file

USD_ENDINGS = (".usd", ".usda", ".usdc")
RIG_ENDINGS = (".blend", ".glb", ".gltf", ".fbx", ".vrm", *USD_ENDINGS)
MOTION_ENDINGS = (".blend", ".bvh", ".fbx", ".glb", ".gltf", *USD_ENDINGS)


def open_character(path: Path, name: str = "", animated: bool = False) -> bpy.types.Object:
    """Open a file as the scene and return its armature.

    name: of the armature object, where there are several. animated: take one with keyframes. A `.blend` is opened without
    running its scripts; other files are imported into an empty scene. Raises `ReadError`.
    """
    if not path.is_file():
        raise ReadError("there is no such file.", path)
    ending = path.suffix.lower()
    if ending == ".blend":
        _run(path, lambda: bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=False))
    else:
        importers: dict[str, Callable[[], Any]] = {
            ".glb": lambda: bpy.ops.import_scene.gltf(filepath=str(path)),
            ".gltf": lambda: bpy.ops.import_scene.gltf(filepath=str(path)),
            ".vrm": lambda: bpy.ops.import_scene.gltf(filepath=str(path)),
            ".fbx": lambda: bpy.ops.import_scene.fbx(filepath=str(path)),
            ".bvh": lambda: bpy.ops.import_anim.bvh(
                filepath=str(path), axis_forward="Y", axis_up="Z", update_scene_fps=True, use_fps_scale=False
            ),
            **dict.fromkeys(USD_ENDINGS, lambda: bpy.ops.wm.usd_import(filepath=str(path))),
        }
        if ending not in importers:
            raise ReadError(f"'{ending}' is not one of {', '.join(sorted({*RIG_ENDINGS, *MOTION_ENDINGS}))}.", path)
        if ending in USD_ENDINGS and not compat.has_usd():
            raise ReadError("this Blender was built without USD; give a .glb or .fbx.", path)
        new_file()
        _run(path, importers[ending])
        if animated and ending in USD_ENDINGS:
            codes = compat.usd_rate(path)
            if codes is None:
                raise ReadError("this Blender cannot tell how fast it plays; give a .glb or .fbx.", path)
            timing.set_rate(timing.usual_rate(codes, 5e-5) or exact_rate(codes))
        if animated and ending in (".glb", ".gltf"):
            owner = find_armature(path, name, animated)
            rate = _written_rate(owner)
            if rate is not None:
                # glTF has seconds, not frames: with the rate that it was sampled at, every key is on a frame.
                new_file()
                timing.set_rate(rate)
                _run(path, importers[ending])
    return find_armature(path, name, animated)


def _written_rate(owner: bpy.types.Object) -> Fraction | None:
    """Return the frame rate at which an imported animation was sampled, where its keys are evenly spaced at a usual one."""
    steps: list[NDArray] = []
    for curve in compat.fcurves_of(owner):
        points: Any = curve.keyframe_points
        keys = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", keys)
        if len(points) > 2:
            steps.append(np.diff(keys[::2].astype(np.float64)))
    if not steps:
        return None
    step = float(np.median(np.concatenate(steps)))
    scene = bpy.context.scene
    assert scene is not None
    rate = timing.scene_rate(scene) / step if step > 0 else 0.0
    return timing.usual_rate(rate, 0.0004) if rate > 0 else None


def find_armature(path: Path, name: str, animated: bool) -> bpy.types.Object:
    """Return the scene's armature: the named one, else the only one, else the one with the most bones. Raises `ReadError`."""
    scene = bpy.context.scene
    assert scene is not None
    found = [item for item in scene.objects if item.type == "ARMATURE"]
    if name:
        for item in found:
            if item.name == name:
                return item
        raise ReadError(f"there is no armature '{name}'; there is {', '.join(item.name for item in found) or 'none'}.", path)
    if animated:
        found = [item for item in found if compat.fcurves_of(item)]
    if not found:
        raise ReadError(f"it holds no {'armature with keyframes' if animated else 'armature'}.", path)
    return max(found, key=lambda item: (item.visible_get(), len(item.data.bones)))  # type: ignore[union-attr]


def _run(path: Path, step: Callable[[], Any]) -> None:
    try:
        step()
    except (RuntimeError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error).strip().removeprefix("Error: ").splitlines()
        raise ReadError(f"Blender cannot open it ({reason[-1] if reason else type(error).__name__}).", path) from error
