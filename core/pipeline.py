# SPDX-License-Identifier: GPL-3.0-or-later
"""`lift(track, settings) -> Motion`: the one path that the panel, the command line and the tests share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .assumptions import ASSUMED, GUESSED_FPS, assumed_camera, guessed_size
from .calibration import fit_to_image
from .camera import Intrinsics, project, to_world, unproject
from .camera_path import UP, CameraPath
from .cleaning import CleaningSettings, clean
from .errors import SettingsError, TrackError
from .judging import judge_evidence, judge_floor, judge_motion, judge_reprojection
from .layouts import to_canonical
from .lifter.device import resolve_device, threads_for
from .lifter.weights import DEFAULT, find
from .motion.motion import Motion
from .report import Report
from .skeleton import HUMAN17, Skeleton, usual_height
from .track import KeypointTrack, exact_rate

if TYPE_CHECKING:
    from .lifter.device import Device
    from .lifter.inference import Lifter
    from .lifter.lift_track import LiftedTrack
    from .motion.performance import Performer

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

CAMERA_MODES = ("static", "orbit", "scene")
CONTACT_MODES = ("auto", "always", "never", "ground")
UP_DOUBT = 0.1
"""From what likelihood on that the world is not upright it is worth a word."""
SOLVE_FROM = 0.4
"""Share of a lift's progress at which the networks are done and the solve begins."""


@dataclass(frozen=True)
class LiftSettings:
    """Everything a user can set about a lift.

    camera_mode: 'static' (one camera for the clip), 'orbit' (the body stays, the camera turns about it), or 'scene' (the body
    is placed in the world of `scene_camera`, the user's own, which has a frame for each of the track's).
    actor_height: metres; None for the usual one of the weights' skeleton. device: 'auto', 'cpu', 'cuda' or 'mps'.
    weights: a name or a file.
    fps, image_size, intrinsics, fov (radians over the larger side): override or supply what the track does not say.
    verticals: directions in the camera's frame of which one may be up: that near what the body tells is taken, or none.
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
    scene_camera: CameraPath | None = None
    verticals: tuple[tuple[float, float, float], ...] = ()
    smoothing: float = 1.0
    contacts: str = "auto"
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)

    def __post_init__(self) -> None:
        if self.camera_mode not in CAMERA_MODES:
            raise SettingsError(f"there is no camera mode '{self.camera_mode}'; known are {', '.join(CAMERA_MODES)}.")
        if self.scene_camera is not None and self.camera_mode != "scene":
            raise SettingsError("a scene's camera was given, but not the camera mode 'scene'.")
        if self.camera_mode == "scene" and self.fov is not None:
            raise SettingsError("a field of view contradicts the scene's camera, which has one; give one of them.")
        if self.actor_height is not None and not 0.05 <= self.actor_height <= 50:
            raise SettingsError(f"an actor height of {self.actor_height:g} m is out of range (0.05 to 50 m).")
        if self.fps is not None and not 0 < self.fps <= 10000:
            raise SettingsError(f"a frame rate of {float(self.fps):g} is out of range.")
        if self.contacts not in CONTACT_MODES:
            raise SettingsError(f"there is no contact mode '{self.contacts}'; known are {', '.join(CONTACT_MODES)}.")
        if self.smoothing < 0:
            raise SettingsError("smoothing cannot be negative.")


def lift(
    track: KeypointTrack,
    settings: LiftSettings | None = None,
    progress: Progress | None = None,
    lifter: Lifter | None = None,
) -> Motion:
    """Lift one person's 2D keypoints to a 3D motion and the camera that saw it.

    progress: called with the share done and the stage's name; an exception from it stops the work and passes through.
    lifter: a lifter of your own in place of that of the settings' weights and device.
    Raises `TrackError`, `SkeletonError`, `CameraError`, `SettingsError`, `WeightsError`, `DeviceError`,
    `TorchMissingError`.
    """
    return lift_people([track], settings, progress, lifter)[0]


def lift_people(
    tracks: Sequence[KeypointTrack],
    settings: LiftSettings | None = None,
    progress: Progress | None = None,
    lifter: Lifter | None = None,
) -> list[Motion]:
    """Lift several people of one clip: the world and the camera that the first one's track gives are everybody's.

    Everything else as in `lift`. Raises what `lift` raises, and `SettingsError` where several people are to be orbited.
    """
    settings = settings or LiftSettings()
    return solve_people(lift_frames(tracks, settings, progress, lifter), settings, progress)


@dataclass(frozen=True)
class LiftedFrames:
    """What the networks say of one person, frame by frame, before the solve: kept, it is solved again with other settings.

    track: cleaned, canonical, undistorted, its intrinsics and rate known. report: what was found out so far. seen: the cleaned
    track in the detector's own layout, with toes, heels and hands; None where the skeleton is no human's.
    """

    track: KeypointTrack
    lifted: LiftedTrack
    device: Device
    report: Report
    seen: KeypointTrack | None = None


def lift_frames(
    tracks: Sequence[KeypointTrack],
    settings: LiftSettings,
    progress: Progress | None = None,
    lifter: Lifter | None = None,
) -> list[LiftedFrames]:
    """Clean and lift several people of one clip, frame by frame: the part of `lift_people` that `solve_people` does not repeat.

    progress: gets shares from 0 to `SOLVE_FROM`. Raises what `lift_people` raises.
    """
    _check_camera(len(tracks), settings)
    found: list[LiftedFrames] = []
    for number, track in enumerate(tracks):
        part = _part(progress, number, len(tracks), 0.0, SOLVE_FROM)
        run = _Run(Report(source=track.source, person=track.person, frames=len(track)), settings, part)
        found.append(_lift_one(run, track, found[0] if found else None, lifter))
    return found


def solve_people(people: Sequence[LiftedFrames], settings: LiftSettings, progress: Progress | None = None) -> list[Motion]:
    """Solve lifted people for bodies that move in one world: all that `camera_mode`, `actor_height`, `smoothing`,
    `contacts` and `verticals` decide. The other settings are those of the lift.

    progress: gets shares from `SOLVE_FROM` to 1. Raises `TrackError`, `SettingsError`.
    """
    _check_camera(len(people), settings)
    motions: list[Motion] = []
    for number, frames in enumerate(people):
        run = _Run(deepcopy(frames.report), settings, _part(progress, number, len(people), SOLVE_FROM, 1.0))
        with threads_for(len(frames.track)):
            motions.append(run.solve(frames, motions[0] if motions else None))
    return motions


def lift_part(settings: LiftSettings) -> LiftSettings:
    """Return settings with the usual values for all that the solve alone decides: equal ones share their lifted frames.

    A scene's camera stays, through whose lens frames are lifted.
    """
    usual = LiftSettings()
    return replace(
        settings,
        camera_mode=usual.camera_mode if settings.scene_camera is None else settings.camera_mode,
        actor_height=usual.actor_height,
        smoothing=usual.smoothing,
        contacts=usual.contacts,
        verticals=usual.verticals,
    )


def _check_camera(people: int, settings: LiftSettings) -> None:
    if people > 1 and settings.camera_mode == "orbit":
        raise SettingsError("the camera can orbit one person only; lift one, or choose the static camera.")


def _part(progress: Progress | None, number: int, count: int, start: float, end: float) -> Progress | None:
    """Return the progress of one of several people, whose own goes from `start` to `end` as all of theirs does."""
    if progress is None:
        return None
    return lambda share, stage: progress(start + (number * (end - start) + share - start) / count, stage)


def _lift_one(run: _Run, track: KeypointTrack, first: LiftedFrames | None, lifter: Lifter | None) -> LiftedFrames:
    with run.stage("load", 0.0, 0.1):
        lifter = lifter or _lifter_of(run.settings)
        run.report.weights, run.report.device = lifter.weights.name, str(lifter.device)
    with threads_for(len(track)):
        with run.stage("clean", 0.1, 0.15):
            canonical = run.clean(track, lifter.weights.skeleton)
        return run.lift(canonical, lifter, first)


def _lifter_of(settings: LiftSettings) -> Lifter:
    device = resolve_device(settings.device)
    path = find(settings.weights)
    from .lifter.inference import cached_lifter  # imports torch, which the line before the last has found

    return cached_lifter(path, path.stat().st_mtime_ns, device)


class _Run:
    """One lift: its settings, its report, and where it is."""

    def __init__(self, report: Report, settings: LiftSettings, progress: Progress | None) -> None:
        self.report, self.settings, self._progress = report, settings, progress
        self.seen: KeypointTrack | None = None  # the cleaned track with toes, heels and hands, which the canonical joints lack
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

    def clean(self, track: KeypointTrack, skeleton: Skeleton) -> KeypointTrack:
        """Clean, calibrate and map a track: canonical skeleton, undistorted pixels, intrinsics and rate known."""
        if not track.observed.any():
            raise TrackError(f"{track.label}: no keypoint has a score above zero, so there is nothing to lift.")
        fps = self._frame_rate(track)
        track = track.replace(fps=fps)
        camera = self._camera(track)
        if track.skeleton.joint_names == skeleton.joint_names:
            track = track.replace(skeleton=skeleton)  # a file's own says nothing of sides, which cleaning may ask for
        track, self.report.cleaned = clean(track, self.settings.cleaning)
        if skeleton == HUMAN17:
            self.seen = track.undistorted(camera)
        track = to_canonical(track, skeleton).undistorted(camera)
        if self.settings.camera_mode == "scene":
            track = self._through_scene(track)
        self.report.fps = f"{float(fps):.6g}"
        self.report.notes += track.notes
        return track

    def lift(self, track: KeypointTrack, lifter: Lifter, first: LiftedFrames | None = None) -> LiftedFrames:
        """Lift the canonical track frame by frame, through the first person's lens if there is one and none is known."""
        from .lifter.lift_track import lift_track

        assert track.intrinsics is not None and track.fps is not None
        fps = _sampling_rate(track)
        assumed = track.intrinsics.source == ASSUMED
        if assumed and first is not None:
            track = track.replace(intrinsics=first.track.intrinsics)
            self.report.focal_uncertainty = first.report.focal_uncertainty
        elif assumed:
            with self.stage("focal length", 0.15, 0.3):
                track = track.replace(intrinsics=self._estimated(track, lifter, fps))
        assert track.intrinsics is not None
        self._tell_camera(track.intrinsics)
        with self.stage("lift", 0.3, SOLVE_FROM):
            lifted = lift_track(track, lifter, fps, self.advance)
        return LiftedFrames(track, lifted, lifter.device, self.report, self.seen)

    def solve(self, frames: LiftedFrames, first: Motion | None = None) -> Motion:
        """Solve lifted frames for one body, one root path and one camera: the first person's if any."""
        from .motion import world
        from .motion.extremities import lift_extremities
        from .rig.bones import bone_table
        from .rig.rest import rest_pose

        settings, track, lifted = self.settings, frames.track, frames.lifted
        skeleton, camera, fps = track.skeleton, track.intrinsics, _sampling_rate(track)
        assert camera is not None and track.fps is not None
        self.report.camera_mode = settings.camera_mode
        self.report.actor_height = settings.actor_height or usual_height(skeleton)
        with self.stage("solve", SOLVE_FROM, 0.95):
            performer = self._performer(frames)
            floor = _floor_of(first) if first else None
            if floor is not None:
                # Of the others nobody said how tall they are: that they stand on the same floor tells.
                height = performer.height_on(*floor)
                if height is None:
                    floor = None
                    self.report.notes.append("stands on no floor that the first one stands on: placed by size alone.")
                else:
                    self.report.actor_height = round(height, 3)
                    performer = self._performer(frames)
                    self.report.notes.append(f"taken to be {height:.2f} m tall, so as to stand on the first one's floor.")
            pose, rotation = lifted.pose, lifted.rotation
            performance = performer.perform(self.advance, floor, settings.verticals)
            if performance.vertical is not None:
                self.report.notes.append("the calibration's world says which way is up.")
            if performance.doubt > UP_DOUBT:
                self.report.warnings.append(
                    "which way is up is uncertain, as the body is not upright for long: look at the floor. A calibration that "
                    "says how the camera stands, or the scene's own camera, tells it."
                )
            joints, lengths = performance.joints, performance.lengths
        with self.stage("camera", 0.95, 1.0):
            view = settings.scene_camera
            if view is not None:
                turn, shift = view.rotation, view.translation
                joints = view.to_camera(joints)
            elif first is not None:
                turn, shift = (_every_frame(x[0], len(track)) for x in (first.camera_rotation, first.camera_translation))
            elif settings.camera_mode == "static":
                up, level = performance.up, performance.level
                r, t = world.static_camera(joints, track.scores, up, skeleton, self.report.actor_height, level)
                turn, shift = (_every_frame(x, len(track)) for x in (r, t))
            else:
                at_rest = rest_pose(bone_table(skeleton, joints), lengths).joints
                turn, shift = world.orbit_camera(performance.path, rotation, float(at_rest[skeleton.root, 2]), fps)
            joints_world = to_world(joints, turn, shift)
            pinned = settings.contacts != "ground"
            extremities = (
                lift_extremities(frames.seen, performance, camera, fps, turn, shift, pinned, view) if frames.seen else {}
            )
        error = np.linalg.norm(project(joints, camera) - track.keypoints, axis=-1)
        judge_reprojection(self.report, track, error, lifted.flipped)
        level = 0.0
        if view is not None:
            judge_floor(self.report, performance.level, performer.path_scale())
            level = performance.level or 0.0
        judge_motion(self.report, track, joints_world, performance.contacts, fps)
        judge_evidence(self.report, track, lifted.empty)
        return Motion(
            skeleton=skeleton, times=track.frame_times(), fps=track.fps, joints_world=joints_world, joints_camera=joints,
            lifted=pose, canonical=lifted.canonical, teacher_rotation=rotation, intrinsics=camera, camera_rotation=turn,
            camera_translation=shift, camera_mode=settings.camera_mode, bone_lengths=lengths, keypoints=track.keypoints,
            scores=track.scores, reprojection_error=error, person=track.person, source=track.source,
            first_frame=track.first_frame, report=self.report, contacts=performance.contacts,
            evidence=~lifted.empty, floor=level, **extremities,
        )  # fmt: skip

    def _performer(self, frames: LiftedFrames) -> Performer:
        settings = self.settings
        height, view = self.report.actor_height, settings.scene_camera
        return _performer(frames, height, settings.contacts, settings.smoothing, view=view)

    def _estimated(self, track: KeypointTrack, lifter: Lifter, fps: float) -> Intrinsics:
        """Return the track's assumed camera with the focal length under which the solve leaves least unexplained.

        It is a fact of the footage: how tall somebody is taken to be and how much is smoothed have no say in it.
        """
        from .lifter.lift_track import lift_track
        from .motion.focal import estimate_focal, telling_frames

        camera, usual = track.intrinsics, LiftSettings()
        assert camera is not None
        seen = np.where(track.observed.sum(1)[:, None] > 2, track.keypoints[..., 1], 0.0)
        frames = telling_frames(np.nanmax(seen, 1) - np.nanmin(seen, 1))
        part = track.replace(
            keypoints=track.keypoints[frames], scores=track.scores[frames], times=track.frame_times()[frames]
        )  # fmt: skip
        if part.observed.sum(1).max() < 3:
            return camera

        def cost(focal: float) -> float:
            lens = replace(camera, fx=focal, fy=focal)
            seen = part.replace(intrinsics=lens)
            frames = LiftedFrames(seen, lift_track(seen, lifter, fps), lifter.device, self.report)
            return _performer(frames, usual_height(track.skeleton), usual.contacts, usual.smoothing, fps).unexplained()

        focal, deviation = estimate_focal(cost, camera.fx, max(camera.width, camera.height), fps, self.advance)
        self.report.focal_uncertainty = round(100 * deviation, 1)
        return replace(camera, fx=focal, fy=focal, source=f"estimated from the track, +- {100 * deviation:.0f} %")

    def _tell_camera(self, camera: Intrinsics) -> None:
        self.report.camera = (
            f"{camera.width} x {camera.height}, focal length {camera.fx:.0f} px, "
            f"field of view {np.degrees(camera.fov):.1f} degrees ({camera.source or 'given'})"
        )

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
        if known is None and settings.scene_camera is not None:
            return settings.scene_camera.intrinsics
        if known is not None and settings.fov is None:
            return known
        size = settings.image_size or track.image_size
        if size is None:
            size = guessed_size(track)
            self.report.warnings.append(f"the image size is unknown; {size[0]} x {size[1]} was assumed: set it.")
        if settings.fov is not None:
            return Intrinsics.from_fov(*size, settings.fov, "given field of view")
        self.report.warnings.append(
            "the camera is unknown; its field of view was estimated from the track, which is never sure: set it if you know it."
        )
        return assumed_camera(track.replace(image_size=size))

    def _through_scene(self, track: KeypointTrack) -> KeypointTrack:
        """Return the undistorted track as the scene's camera sees it."""
        view = self.settings.scene_camera
        if view is None:
            raise SettingsError("the camera mode 'scene' needs a scene's camera.")
        if len(view) != len(track):
            raise SettingsError(
                f"the scene's camera has {len(view)} frames, the keypoints {len(track)}; they must be the same."
            )
        size = self.settings.image_size or track.image_size
        camera, _ = fit_to_image(view.intrinsics, size)
        if size is not None and (camera.width, camera.height) != size:
            self.report.warnings.append(
                f"the scene renders {camera.width} x {camera.height} pixels, the footage has {size[0]} x {size[1]}, which is "
                "another shape: give the scene the footage's resolution."
            )
        return track.replace(intrinsics=camera)


def _performer(
    frames: LiftedFrames,
    height: float,
    contacts: str,
    smoothing: float,
    fps: float | None = None,
    view: CameraPath | None = None,
) -> Performer:
    """Make ready to solve lifted frames. fps: as they lie in time, the track's own where not given; view: a scene's camera."""
    from .motion.performance import Performer
    from .motion.solve import SolveSettings

    track, lifted = frames.track, frames.lifted
    assert track.intrinsics is not None
    rays = unproject(track.keypoints, track.intrinsics)
    return Performer(
        lifted.pose, lifted.rotation, rays, track.scores, track.skeleton, fps or _sampling_rate(track), height,
        contacts, SolveSettings(smoothing=smoothing), frames.device, track.label, view,
    )  # fmt: skip


def _every_frame(one: Array, frames: int) -> Array:
    """Return what holds for one frame for all of them, along a new first axis."""
    return np.tile(one, (frames, *(1,) * one.ndim))


def _floor_of(motion: Motion) -> tuple[Array, float]:
    """Return up (3,) and the floor's level, up . x: in a scene's world, else in the frame of a camera that stands still."""
    if motion.camera_mode == "scene":
        return np.array(UP), motion.floor
    up = motion.camera_rotation[0, :, 2]
    return up, float(up @ motion.camera_translation[0])


def _sampling_rate(track: KeypointTrack) -> float:
    """Frames per second as the frames lie in time (a track may have times of its own)."""
    times = track.frame_times()
    return float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else float(track.fps or GUESSED_FPS)
