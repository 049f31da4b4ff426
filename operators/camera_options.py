# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line is told beside the keypoints: a calibration file, and the footage."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.calibration import CalibratedCamera, coverage_note, fit_to_image, read_camera, split_reference
from ..core.errors import OutputError, SettingsError
from ..core.motion.motion import Motion
from ..core.pipeline import LiftSettings
from ..core.track import KeypointTrack

if TYPE_CHECKING:
    import bpy

    from ..scene.footage import Footage


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `Given.of` reads."""
    parser.add_argument("--calibration", metavar="FILE[:CAMERA]", help="intrinsics: OpenCV, Pose2Sim, Anipose, ROS or COLMAP")
    parser.add_argument("--footage", metavar="FILE", help="the movie or images: size, rate, and the camera's background")


@dataclass(frozen=True)
class Given:
    """The calibration and the footage of a lift, where there are any."""

    calibration: CalibratedCamera | None = None
    footage: Footage | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, clips: int) -> Given:
        """Read what the options name. Raises `ReadError`, `SettingsError` and, without Blender, `OutputError`."""
        if options.calibration and options.fov is not None:
            raise SettingsError("--calibration and --fov contradict each other; give one of them.")
        if options.footage and clips > 1:
            raise SettingsError(f"{clips} clips cannot all be of the one footage {options.footage}; lift them one by one.")
        footage = _footage(Path(options.footage)) if options.footage else None
        if not options.calibration:
            return cls(footage=footage)
        path, camera = split_reference(options.calibration)
        size = options.size or (footage.size if footage else None)
        return cls(read_camera(path, camera, size), footage)

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

    def show(self, motion: Motion, camera: bpy.types.Object | None, frame_start: int, track: KeypointTrack) -> None:
        """Show the footage behind the camera that was built for a motion; the report tells what is to be known of it."""
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


def _footage(path: Path) -> Footage:
    if not importlib.util.find_spec("bpy"):
        raise OutputError("--footage is read by Blender; run this in Blender, or install its module: pip install bpy.")
    from ..scene.footage import footage_facts

    return footage_facts(path)
