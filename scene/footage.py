# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage as Blender reads it: size, rate and length, and as a camera's background."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from ..core.camera import Intrinsics
from ..core.errors import CameraError, ReadError
from ..core.movie_header import quarter_turns
from ..core.track import exact_rate
from . import compat
from .clip_camera import set_clip_camera
from .state import temporary

MISFIT = 0.02
"""Pictures whose sides' ratios differ by less than this fill the camera's frame; others keep their shape in it."""


@dataclass(frozen=True)
class Footage:
    """A movie, or an image sequence by its first image.

    size: (width, height) pixels as a player shows it. fps: exact, None for images. frames: how many there are.
    unturned: this Blender shows it on its side or upside down; `size` is that of the upright picture all the same.
    """

    path: Path
    size: tuple[int, int]
    fps: Fraction | None
    frames: int
    unturned: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user ought to know."""
        if not self.unturned:
            return ()
        told = "was filmed with the camera turned, which Blender heeds from 4.4 on"
        return (f"{self.path.name} {told}: as a background it does not stand upright here.",)


def footage_facts(path: Path) -> Footage:
    """Return what Blender finds in a movie, an image, or a folder of numbered images; nothing of it stays in the file.

    Raises `ReadError` where there is no such file or Blender cannot read it.
    """
    path = _first_image(Path(path)) if Path(path).is_dir() else Path(path)
    with temporary():
        clip = _load(path)
        movie = clip.source == "MOVIE"
        size = (int(clip.size[0]), int(clip.size[1])) if movie else _image_size(path)
        if clip.frame_duration < 1 or min(size) < 1:
            raise ReadError("neither a movie nor an image that Blender can read; convert it (H.264 in MP4 works).", path)
        rate = exact_rate(clip.fps) if movie and clip.fps > 0 else None
        turns = quarter_turns(path) if movie and not compat.turns_movies() else 0
        return Footage(path, size[::-1] if turns % 2 else size, rate, int(clip.frame_duration), turns != 0)


def set_background(
    camera: bpy.types.Object,
    footage: Footage,
    frame_start: int,
    intrinsics: Intrinsics | None = None,
    alpha: float = 1.0,
    front: bool = False,
) -> tuple[str, ...]:
    """Show footage behind (or before) what a camera sees, as a movie clip of its own; return notes for the user.

    frame_start: the scene frame at which the footage's first frame shows; from there on it plays one of its frames per scene
    frame. intrinsics: the lens it was filmed through; where that distorts, the clip is given it and shows undistorted, as the
    camera sees. The clip and the background are removed again where anything fails. Raises `ReadError`.
    """
    data: Any = camera.data
    shown, notes = data.show_background_images, list(footage.notes)
    clip, background = _load(footage.path), None
    try:
        clip.name, clip.frame_start = footage.path.name, frame_start
        background = data.background_images.new()
        background.source, background.use_camera_clip, background.clip = "MOVIE_CLIP", False, clip
        background.alpha, background.display_depth = alpha, "FRONT" if front else "BACK"
        background.frame_method = "STRETCH"
        if intrinsics is not None:
            across, down = footage.size[0] / intrinsics.width, footage.size[1] / intrinsics.height
            if abs(across / down - 1) > MISFIT:
                background.frame_method = "FIT"
                notes.append(
                    f"the footage has {footage.size[0]} x {footage.size[1]} pixels, the camera {intrinsics.width} x "
                    f"{intrinsics.height}: they cannot lie on each other."
                )
            notes += _undistort(clip, background, intrinsics.scaled(*footage.size))
        data.show_background_images = True
    except BaseException:
        data.show_background_images = shown
        if background is not None:
            data.background_images.remove(background)
        bpy.data.movieclips.remove(clip)
        raise
    return tuple(notes)


def _undistort(clip: bpy.types.MovieClip, background: Any, intrinsics: Intrinsics) -> list[str]:
    try:
        set_clip_camera(clip, intrinsics)
    except CameraError as error:
        return [f"the footage shows distorted: {error}"]
    background.clip_user.use_render_undistorted = intrinsics.is_distorted
    return []


def _load(path: Path) -> bpy.types.MovieClip:
    if not path.is_file():
        raise ReadError("does not exist; give a movie, an image, or a folder of images.", path)
    try:
        return bpy.data.movieclips.load(str(path.resolve()))
    except RuntimeError as error:
        reason = str(error).strip().removeprefix("Error: ").splitlines()
        raise ReadError(f"cannot be opened as footage: {reason[0] if reason else 'Blender does not say why'}", path) from error


def _first_image(folder: Path) -> Path:
    endings: frozenset[str] = getattr(bpy.path, "extensions_image")  # noqa: B009 - the type stubs do not know it
    images = sorted(file for file in folder.iterdir() if file.suffix.lower() in endings and file.is_file())
    if not images:
        raise ReadError("is a folder without images; give a movie, or a folder of numbered images.", folder)
    return images[0]


def _image_size(path: Path) -> tuple[int, int]:
    """Return an image's size; (0, 0) where it is none (a clip would say 256 x 256)."""
    try:
        width, height = bpy.data.images.load(str(path.resolve())).size
    except RuntimeError:
        return 0, 0
    return int(width), int(height)
