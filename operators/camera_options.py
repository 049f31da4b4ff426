# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line is told beside the keypoints: a calibration file, the footage, and a scene with a camera."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.calibration import CalibratedCamera, coverage_note, fit_to_image, read_camera, split_reference
from ..core.errors import SettingsError
from ..core.motion.motion import Motion
from ..core.pipeline import LiftSettings
from ..core.track import KeypointTrack
from .blender_needed import need_blender

if TYPE_CHECKING:
    import bpy

    from ..scene.footage import Footage


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `Given.of` reads."""
    parser.add_argument(
        "--scene", metavar="BLEND", help="with --camera scene: the file whose camera it is, and the result's scene"
    )
    parser.add_argument("--scene-camera", metavar="NAME", default="", help="its camera (default: the active one)")
    parser.add_argument(
        "--scene-start", metavar="FRAME", type=int, default=1, help="its frame that shows the footage's first (default: 1)"
    )
    parser.add_argument("--calibration", metavar="FILE[:CAMERA]", help="intrinsics: OpenCV, Pose2Sim, Anipose, ROS or COLMAP")
    parser.add_argument("--footage", metavar="FILE", help="the movie or images: size, rate, and the camera's background")


@dataclass(frozen=True)
class SceneCamera:
    """The user's own camera: its name (the active one's where empty), the scene frame of the footage's first frame, and the
    file it is in (the open one where there is none).
    """

    name: str = ""
    start: int = 1
    file: Path | None = None

    def frames(self, track: KeypointTrack, fps: Fraction | None) -> NDArray[np.float64]:
        """Return the scene frames (T,) that show a track's: one of the scene's for each of the footage's."""
        times = track.frame_times() if track.times is not None and (fps or track.fps) else None
        first = float(self.start + track.first_frame)
        if times is None:
            return first + np.arange(len(track))
        return first + (times - times[0]) * float(fps or track.fps or 1)

    def open(self) -> None:
        """Open the file that the camera is in, if it is in one. Raises `ReadError`."""
        if self.file is not None:
            from ..scene.files import open_file

            open_file(self.file)


@dataclass(frozen=True)
class Given:
    """The calibration, the footage and the scene's camera of a lift, where there are any."""

    calibration: CalibratedCamera | None = None
    footage: Footage | None = None
    scene: SceneCamera | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, clips: int) -> Given:
        """Read what the options name. Raises `ReadError`, `SettingsError` and, without Blender, `OutputError`."""
        if options.calibration and options.fov is not None:
            raise SettingsError("--calibration and --fov contradict each other; give one of them.")
        if options.footage and clips > 1:
            raise SettingsError(f"{clips} clips cannot all be of the one footage {options.footage}; lift them one by one.")
        scene = _scene(options, clips)
        footage = _footage(Path(options.footage)) if options.footage else None
        if not options.calibration:
            return cls(footage=footage, scene=scene)
        path, camera = split_reference(options.calibration)
        size = options.size or (footage.size if footage else None)
        return cls(read_camera(path, camera, size), footage, scene)

    def told(self, track: KeypointTrack, settings: LiftSettings) -> tuple[KeypointTrack, LiftSettings]:
        """Return the track with what only the footage knows, and the settings with the calibration for its images."""
        if self.footage is not None:
            size, fps = track.image_size or self.footage.size, track.fps or self.footage.fps
            track = track.replace(image_size=size, fps=fps).noted(*self.footage.notes)
        if self.calibration is None:
            return track, settings
        intrinsics, note = fit_to_image(self.calibration.intrinsics, settings.image_size or track.image_size)
        notes = [text for text in (note, coverage_note(intrinsics)) if text]
        return track.noted(*notes), replace(settings, intrinsics=intrinsics, verticals=self.calibration.verticals)

    def placed(self, track: KeypointTrack, settings: LiftSettings) -> LiftSettings:
        """Return the settings with the way of the scene's camera over a track, where there is one.

        Raises `CameraError`, and `ReadError` where its file cannot be opened.
        """
        if self.scene is None:
            return settings
        from ..scene.user_camera import path_of_camera

        self.scene.open()
        return replace(settings, scene_camera=path_of_camera(self.scene.name, self.scene.frames(track, settings.fps)))

    def show(self, motion: Motion, camera: bpy.types.Object | None, frame_start: int, track: KeypointTrack) -> None:
        """Show the footage behind the camera that was built for a motion; the report tells what is to be known of it."""
        if motion.camera_mode == "scene":
            self._tell_scene(motion)
            return
        if self.footage is None or camera is None:
            return
        from ..scene.footage import set_background

        # Frames are numbered as the footage's where that can be; a numbering of its own starts with the footage.
        inside = motion.first_frame + len(motion) <= self.footage.frames
        start = frame_start - (motion.first_frame if inside else 0)
        lens = (self.calibration and self.calibration.intrinsics) or track.intrinsics or motion.intrinsics
        lens = fit_to_image(lens, (motion.intrinsics.width, motion.intrinsics.height))[0]
        motion.report.notes += set_background(camera, self.footage, start, lens)
        if self.footage.fps is not None and self.footage.fps != motion.fps:
            motion.report.warnings.append(
                f"the footage has {float(self.footage.fps):.6g} frames a second, the keypoints {float(motion.fps):.6g}: "
                "they run apart; check --fps."
            )

    def _tell_scene(self, motion: Motion) -> None:
        """Say what of the user's scene, which stays as it is, does not go with the motion."""
        from ..scene.state import current
        from ..scene.timing import scene_rate

        if self.footage is not None:
            motion.report.notes.append("the footage was not put behind the scene's own camera, which stays as it is.")
        rate = scene_rate(current()[0])
        if abs(rate - motion.fps) > 1e-3 * rate:
            motion.report.warnings.append(
                f"the scene has {rate:.6g} frames a second, the keypoints {float(motion.fps):.6g}: its frames were taken for "
                "the footage's one by one; give the scene the footage's rate, or check that of the keypoints."
            )


def _scene(options: argparse.Namespace, clips: int) -> SceneCamera | None:
    if options.camera != "scene":
        if options.scene or options.scene_camera:
            raise SettingsError("--scene goes with --camera scene.")
        return None
    if clips > 1:
        raise SettingsError(f"{clips} clips cannot all be of the one scene; lift them one by one.")
    own = next((name for name in options.inputs if Path(name).suffix.lower() == ".blend"), None)
    file = options.scene or own
    if not file:
        raise SettingsError("--camera scene needs the scene: give its Blender file by --scene.")
    if not Path(file).is_file():
        raise SettingsError(f"--scene {file} does not exist; give a Blender file.")
    need_blender("--scene is read by Blender")
    return SceneCamera(options.scene_camera, options.scene_start, Path(file))


def _footage(path: Path) -> Footage:
    need_blender("--footage is read by Blender")
    from ..scene.footage import footage_facts

    return footage_facts(path)
