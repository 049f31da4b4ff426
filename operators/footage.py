# SPDX-License-Identifier: GPL-3.0-or-later
"""The footage behind the keypoints: its rate and size for tracks that do not say, the lens, and the camera's background."""

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..core.calibration import CalibratedCamera, read_camera, split_reference
from ..core.errors import CameraError, PoseliftError
from ..scene.footage import footage_facts
from ..scene.user_camera import intrinsics_of_camera
from .camera_options import Given, SceneCamera
from .languages import told
from .reports import cancelled, tell
from .settings import RATES, PoseliftSettings, settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


class POSELIFT_OT_use_footage(bpy.types.Operator):
    """Take the frame rate and the image size from the footage"""

    bl_idname = "poselift.use_footage"
    bl_label = "Use Footage"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there once footage is chosen."""
        if context.scene is not None and settings_of(context).footage:
            return True
        cls.poll_message_set(told("Choose the footage first"))
        return False

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Look at the footage and fill in what it says."""
        settings = settings_of(context)
        try:
            facts = footage_facts(Path(bpy.path.abspath(settings.footage)))
        except PoseliftError as error:
            return cancelled(self, error)
        settings.use_size = True
        settings.image_width, settings.image_height = facts.size
        if facts.fps is not None:
            known = {rate for rate, _, _ in RATES}
            settings.rate = str(facts.fps) if str(facts.fps) in known else "CUSTOM"
            settings.custom_rate = float(facts.fps)
        rate = f", {float(facts.fps):.4g} fps" if facts.fps else ""
        tell(self, "INFO", f"{facts.size[0]} × {facts.size[1]} px{rate}, {facts.frames} frames")
        return {"FINISHED"}


def given_in(context: bpy.types.Context) -> Given:
    """Return the calibration and the footage that the scene's settings name. Raises `ReadError`, `CameraError`."""
    settings = settings_of(context)
    footage = footage_facts(Path(bpy.path.abspath(settings.footage))) if settings.footage else None
    return Given(_lens(settings, context), footage, scene_in(settings))


def scene_in(settings: PoseliftSettings) -> SceneCamera | None:
    """Return the scene's camera that the body is to be placed through; None in the other modes."""
    if settings.camera_mode != "scene":
        return None
    # A clip's frames are the scene's.
    start = 0 if settings.clip is not None else settings.scene_start
    return SceneCamera(settings.scene_camera.name if settings.scene_camera else "", start)


def _lens(settings: PoseliftSettings, context: bpy.types.Context) -> CalibratedCamera | None:
    if settings.lens == "FILE":
        path, camera = split_reference(bpy.path.abspath(settings.calibration))
        size = (settings.image_width, settings.image_height) if settings.use_size else None
        return read_camera(path, camera, size)
    if settings.lens == "CAMERA":
        scene = context.scene
        if scene is None or scene.camera is None:
            raise CameraError("the scene has no active camera; choose one, or another lens.")
        return CalibratedCamera(scene.camera.name, intrinsics_of_camera(scene.camera, scene))
    return None


CLASSES = (POSELIFT_OT_use_footage,)
