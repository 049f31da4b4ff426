# SPDX-License-Identifier: GPL-3.0-or-later
"""`lift(track, settings) -> Motion`: the one path that the panel, the command line and the tests share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .assumptions import GUESSED_FOV, GUESSED_FPS, assumed_camera, guessed_size
from .camera import Intrinsics, project, unproject
from .cleaning import CleaningSettings, clean
from .errors import SettingsError, TrackError
from .layouts import to_canonical
from .lifter.device import resolve_device
from .lifter.weights import DEFAULT, find
from .motion.motion import Motion
from .report import Report
from .skeleton import Skeleton, usual_height
from .track import KeypointTrack, exact_rate

if TYPE_CHECKING:
    from .lifter.inference import Lifter

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

CAMERA_MODES = ("static", "orbit")
CONTACT_MODES = ("auto", "always", "never", "ground")


@dataclass(frozen=True)
class LiftSettings:
    """Everything a user can set about a lift.

    camera_mode: 'static' (one camera for the clip) or 'orbit' (the body stays, the camera turns about it).
    actor_height: metres; None for the usual one of the weights' skeleton. device: 'auto', 'cpu', 'cuda' or 'mps'.
    weights: a name or a file.
    fps, image_size, intrinsics, fov (radians over the larger side): override or supply what the track does not say.
    smoothing: strength of the solve's smoothing, 0 for none, 1 for the usual.
    contacts: 'auto' (feet stay where they are found to stand), 'always' (both stand all the time), 'never' (no floor holds
    anything), 'ground' (a floor that no foot goes below, but that holds none).
    Raises `SettingsError` where a value is out of range.
    """

    camera_mode: str = "static"
    actor_height: float | None = None
    device: str = "auto"
    weights: str = DEFAULT
    fps: Fraction | None = None
    image_size: tuple[int, int] | None = None
    fov: float | None = None
    intrinsics: Intrinsics | None = None
    smoothing: float = 1.0
    contacts: str = "auto"
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)

    def __post_init__(self) -> None:
        if self.camera_mode not in CAMERA_MODES:
            raise SettingsError(f"there is no camera mode '{self.camera_mode}'; known are {', '.join(CAMERA_MODES)}.")
        if self.actor_height is not None and not 0.05 <= self.actor_height <= 50:
            raise SettingsError(f"an actor height of {self.actor_height:g} m is out of range (0.05 to 50 m).")
        if self.fps is not None and not 0 < self.fps <= 10000:
            raise SettingsError(f"a frame rate of {float(self.fps):g} is out of range.")
        if self.contacts not in CONTACT_MODES:
            raise SettingsError(f"there is no contact mode '{self.contacts}'; known are {', '.join(CONTACT_MODES)}.")
        if self.smoothing < 0:
            raise SettingsError("smoothing cannot be negative.")


def lift(track: KeypointTrack, settings: LiftSettings | None = None, progress: Progress | None = None) -> Motion:
    """Lift one person's 2D keypoints to a 3D motion and the camera that saw it.

    progress: called with the share done and the stage's name; an exception from it stops the work and passes through.
    Raises `TrackError`, `SkeletonError`, `CameraError`, `SettingsError`, `WeightsError`, `DeviceError`,
    `TorchMissingError`.
    """
    run = _Run(track, settings or LiftSettings(), progress)
    with run.stage("load", 0.0, 0.1):
        device = resolve_device(run.settings.device)
        path = find(run.settings.weights)
        from .lifter.inference import cached_lifter  # imports torch, which the line before the last has found

        lifter = cached_lifter(path, path.stat().st_mtime_ns, device)
        run.report.weights, run.report.device = lifter.weights.name, str(device)
    with run.stage("clean", 0.1, 0.15):
        canonical = run.clean(lifter.weights.skeleton)
    return run.solve(canonical, lifter)


class _Run:
    """One lift: its settings, its report, and where it is."""

    def __init__(self, track: KeypointTrack, settings: LiftSettings, progress: Progress | None) -> None:
        self.track, self.settings, self._progress = track, settings, progress
        self.report = Report(
            source=track.source, person=track.person, frames=len(track), camera_mode=settings.camera_mode
        )  # fmt: skip
        self._span = (0.0, 1.0)
        self._stage = ""

    @contextmanager
    def stage(self, name: str, start: float, end: float) -> Iterator[None]:
        """Time a stage and give it its part of the progress."""
        self._span, self._stage = (start, end), name
        self.advance(0.0)
        begin = time.perf_counter()
        yield
        self.report.seconds[name] = round(time.perf_counter() - begin, 4)
        self.advance(1.0)

    def advance(self, share: float) -> None:
        """Tell the caller how far the running stage is."""
        if self._progress:
            start, end = self._span
            self._progress(start + (end - start) * share, self._stage)

    def clean(self, skeleton: Skeleton) -> KeypointTrack:
        """Clean, calibrate and map the track: canonical skeleton, undistorted pixels, intrinsics and rate known."""
        track = self.track
        if not track.observed.any():
            raise TrackError(f"{track.label}: no keypoint has a score above zero, so there is nothing to lift.")
        fps = self._frame_rate(track)
        track = track.replace(fps=fps)
        camera = self._camera(track)
        if track.skeleton.joint_names == skeleton.joint_names:
            track = track.replace(skeleton=skeleton)  # a file's own says nothing of sides, which cleaning may ask for
        track, self.report.cleaned = clean(track, self.settings.cleaning)
        track = to_canonical(track, skeleton).undistorted(camera)
        self.report.fps = f"{float(fps):.6g}"
        self.report.camera = (
            f"{camera.width} x {camera.height}, focal length {camera.fx:.0f} px, "
            f"field of view {np.degrees(camera.fov):.1f} degrees ({camera.source or 'given'})"
        )
        self.report.notes += track.notes
        return track

    def solve(self, track: KeypointTrack, lifter: Lifter) -> Motion:
        """Lift the canonical track and solve it for one body, one root path and one camera."""
        from .lifter.lift_track import lift_track
        from .motion import world
        from .motion.performance import Performer
        from .motion.solve import SolveSettings
        from .rig.bones import bone_table
        from .rig.rest import rest_pose

        settings, skeleton, camera = self.settings, track.skeleton, track.intrinsics
        assert camera is not None and track.fps is not None
        fps = _sampling_rate(track)
        height = self.report.actor_height = settings.actor_height or usual_height(skeleton)
        with self.stage("lift", 0.15, 0.4):
            lifted = lift_track(track, lifter, fps, self.advance)
            pose, rotation = lifted.pose, lifted.rotation
        with self.stage("solve", 0.4, 0.95):
            rays = unproject(track.keypoints, camera)
            performer = Performer(
                pose, rotation, rays, track.scores, skeleton, fps, height, settings.contacts,
                SolveSettings(smoothing=settings.smoothing), lifter.device,
            )  # fmt: skip
            performance = performer.perform(self.advance)
            joints, lengths = performance.joints, performance.lengths
        with self.stage("camera", 0.95, 1.0):
            if settings.camera_mode == "static":
                up, level = performance.up, performance.level
                r, t = world.static_camera(joints, track.scores, up, skeleton, height, level)
                turn, shift = np.tile(r, (len(track), 1, 1)), np.tile(t, (len(track), 1))
            else:
                at_rest = rest_pose(bone_table(skeleton, joints), lengths).joints
                turn, shift = world.orbit_camera(performance.path, rotation, float(at_rest[skeleton.root, 2]), fps)
            joints_world = np.einsum("tba,tjb->tja", turn, joints - shift[:, None])
        error = np.linalg.norm(project(joints, camera) - track.keypoints, axis=-1)
        self._judge(track, error, lifted.flipped, lifted.empty)
        return Motion(
            skeleton=skeleton, times=track.frame_times(), fps=track.fps, joints_world=joints_world, joints_camera=joints,
            lifted=pose, canonical=lifted.canonical, teacher_rotation=rotation, intrinsics=camera, camera_rotation=turn,
            camera_translation=shift, camera_mode=settings.camera_mode, bone_lengths=lengths, keypoints=track.keypoints,
            scores=track.scores, reprojection_error=error, person=track.person, source=track.source,
            first_frame=track.first_frame, report=self.report, contacts=performance.contacts,
        )  # fmt: skip

    def _frame_rate(self, track: KeypointTrack) -> Fraction:
        fps = self.settings.fps or track.fps
        if fps is None and track.times is not None and len(track) > 1:
            fps = exact_rate(1 / float(np.median(np.diff(track.times))))
        if fps is None:
            self.report.warnings.append(f"the frame rate is unknown; {GUESSED_FPS} was assumed: set it.")
            fps = GUESSED_FPS
        return fps

    def _camera(self, track: KeypointTrack) -> Intrinsics:
        settings = self.settings
        known = settings.intrinsics or track.intrinsics
        if known is not None and settings.fov is None:
            return known
        size = settings.image_size or track.image_size
        if size is None:
            size = guessed_size(track)
            self.report.warnings.append(f"the image size is unknown; {size[0]} x {size[1]} was assumed: set it.")
        if settings.fov is not None:
            return Intrinsics.from_fov(*size, settings.fov, "given field of view")
        self.report.warnings.append(
            f"the camera is unknown; a field of view of {np.degrees(GUESSED_FOV):.0f} degrees was assumed: set it."
        )
        return assumed_camera(track.replace(image_size=size))

    def _judge(self, track: KeypointTrack, error: Array, flipped: NDArray[np.bool_], empty: NDArray[np.bool_]) -> None:
        report = self.report
        seen = error[np.isfinite(error)]
        report.reprojection_median = round(float(np.median(seen)), 3) if len(seen) else 0.0
        report.reprojection_95 = round(float(np.percentile(seen, 95)), 3) if len(seen) else 0.0
        report.mirrored_frames, report.frames_without_person = int(flipped.sum()), int(empty.sum())
        per_frame = np.nan_to_num(np.where(np.isfinite(error), error, 0).max(1))
        limit = 3 * max(report.reprojection_95, 1e-9)
        worst = [int(t) for t in np.argsort(-per_frame)[:5] if per_frame[t] > limit]
        report.worst_frames = sorted(track.first_frame + t for t in worst)


def _sampling_rate(track: KeypointTrack) -> float:
    """Frames per second as the frames lie in time (a track may have times of its own)."""
    times = track.frame_times()
    return float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else float(track.fps or GUESSED_FPS)
