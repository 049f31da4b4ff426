# SPDX-License-Identifier: GPL-3.0-or-later
"""Score lifters on motion capture: every clip before virtual cameras, as a track in pixels, lifted the way users lift it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...camera import project
from ...errors import SettingsError
from ...metrics import chordal_mean, mpjpe, rotation_angle
from ...motion.bones import stature
from ...skeleton import Skeleton
from ...track import KeypointTrack, exact_rate
from ..anatomy import body_frame
from ..data import head_joint
from ..inference import Lifter
from ..lift_track import LiftedTrack, lift_track
from .cameras import DISTANCE, View, body_unit, draw_view
from .clips import Clip, choose_segments, read_clips
from .conditions import CONDITIONS, CONSTANT_DISTANCE, HALF_BODY, legs
from .scores import OVERALL, Sample, Score, pose_errors

Array = NDArray[np.float64]

STUDENT, TEACHER, FLAT = "student", "teacher", "no depth"
NOBODY = "(none)"
"""The weights of poses of no depth."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How to evaluate.

    cameras: per clip; the numbers about two cameras need two. step: score about one frame in so many, in runs of two
    seconds. seed: of cameras, noise and confidence intervals. conditions: names in `CONDITIONS`; all where none is named.
    Raises `SettingsError` where a value is out of range.
    """

    cameras: int = 2
    step: int = 1
    seed: int = 0
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cameras < 1 or self.step < 1 or self.seed < 0:
            raise SettingsError("cameras and step are at least 1, and the seed is not negative.")
        unknown = [name for name in self.conditions if name not in CONDITIONS]
        if unknown:
            raise SettingsError(f"there is no condition '{unknown[0]}'; known are {', '.join(CONDITIONS)}.")

    def conditions_for(self, skeleton: Skeleton) -> tuple[str, ...]:
        """Return the conditions to score: those named, else all that suit the skeleton, for not every one has legs to hide.

        Raises `SettingsError` where a named one does not suit it.
        """
        if not legs(skeleton).any():
            if HALF_BODY in self.conditions:
                raise SettingsError(f"the skeleton '{skeleton.name}' names no feet, so it cannot lose its legs ({HALF_BODY}).")
            return self.conditions or tuple(name for name in CONDITIONS if name != HALF_BODY)
        return self.conditions or tuple(CONDITIONS)


class Case(NamedTuple):
    """A run of frames before one camera: what is lifted, and the truth (T, J, 3) in camera axes, root-relative, millimetres."""

    clip: int
    track: KeypointTrack
    view: View
    truth: Array


class Subject(NamedTuple):
    """What is scored: how a case is lifted, and what the scores must know of the lifter.

    distance: t, the distance of the paper's virtual camera in body units. with_flat: whether to score poses of no depth too.
    """

    name: str
    skeleton: Skeleton
    distance: float
    lift: Callable[[Case], LiftedTrack]
    with_flat: bool = False


def evaluate(
    lifters: Sequence[Lifter], data: Path, settings: EvaluationSettings, progress: Callable[[float], object] | None = None
) -> list[Score]:
    """Score the students and teachers of lifters, and once poses of no depth, on a motion-capture archive.

    The poses of no depth are the first lifter's: of joints that are missing it guesses the place in the image.
    progress: gets the share done. Raises `ReadError`, `SettingsError`.
    """
    scores: list[Score] = []
    for number, lifter in enumerate(lifters):
        weights = lifter.weights
        clips = read_clips(data, weights.skeleton)

        def lift(case: Case, lifter: Lifter = lifter) -> LiftedTrack:
            assert case.track.fps is not None
            return lift_track(case.track, lifter, float(case.track.fps))

        def advance(share: float, number: int = number) -> None:
            if progress:
                progress((number + share) / len(lifters))

        subject = Subject(weights.name, weights.skeleton, weights.config.distance, lift, with_flat=number == 0)
        scores += score(subject, clips, settings, advance)
    return scores


def score(
    subject: Subject, clips: Sequence[Clip], settings: EvaluationSettings, progress: Callable[[float], object] | None = None
) -> list[Score]:
    """Score one lifter on clips: overall and by category, under every condition of the settings.

    The angle of the teacher's rotation (canonical to camera) is taken to that of the true pose's body frame (body to
    camera, `anatomy.body_frame`), after one rotation of the canonical frame, whose axes are a convention: the chordal mean
    over all frames of the first condition, kept for the others.
    """
    conditions = settings.conditions_for(subject.skeleton)
    bench = _Bench(subject, clips, settings)
    scores: list[Score] = []
    frame: Array | None = None
    for number, condition in enumerate(conditions):

        def advance(share: float, number: int = number) -> None:
            if progress:
                progress((number + share) / len(conditions))

        samples, frames = bench.run(condition, advance)
        if subject.skeleton.axes is not None:
            if frame is None:
                frame = chordal_mean(np.concatenate([turns for _, turns in frames]))
            for clip, turns in frames:
                samples[TEACHER].add(clip, {"rotation": np.degrees(rotation_angle(turns, frame))})
        for network, sample in samples.items():
            name = NOBODY if network == FLAT else subject.name
            scores += _by_category(name, network, condition, sample, clips, settings.seed)
    return scores


class _Bench:
    """One lifter before the virtual cameras of all clips."""

    def __init__(self, subject: Subject, clips: Sequence[Clip], settings: EvaluationSettings) -> None:
        self.subject, self.clips, self.settings = subject, clips, settings
        self.segments = choose_segments(clips, settings.step)
        root, head = subject.skeleton.root, head_joint(subject.skeleton)
        self.views = self._draw(DISTANCE)
        pairs = [
            (clip.joints[piece], view.during(piece))
            for clip, pieces, views in zip(clips, self.segments, self.views, strict=True)
            for piece in pieces
            for view in views
        ]
        self.unit = body_unit(pairs, root, head)

    def _draw(self, distance: tuple[float, float]) -> list[list[View]]:
        """Draw every clip's cameras, which depend on the seed, the clip's and the camera's numbers alone."""
        seed, root = self.settings.seed, self.subject.skeleton.root
        return [
            [
                draw_view(clip.joints, root, clip.fps, np.random.default_rng([seed, number, camera]), distance)
                for camera in range(self.settings.cameras if pieces else 0)
            ]
            for number, (clip, pieces) in enumerate(zip(self.clips, self.segments, strict=True))
        ]

    def run(self, condition: str, progress: Callable[[float], object]) -> tuple[dict[str, Sample], list[tuple[int, Array]]]:
        """Score one condition. Returns samples by network, and for each track the teacher's rotations to the body frame."""
        networks = (STUDENT, TEACHER, FLAT) if self.subject.with_flat else (STUDENT, TEACHER)
        samples: dict[str, Sample] = {network: Sample() for network in networks}
        frames: list[tuple[int, Array]] = []
        skeleton = self.subject.skeleton
        for cases in self._cases(condition):
            found = [(case, self.subject.lift(case)) for case in cases]
            for case, lifted in found:
                twin, fps = lifted.twin(), self.clips[case.clip].fps
                pairs = {
                    STUDENT: (lifted.pose, twin.pose),
                    TEACHER: (lifted.teacher_pose, twin.teacher_pose),
                    FLAT: (lifted.flat, lifted.flat),
                }
                for network, sample in samples.items():
                    errors = pose_errors(*pairs[network], case.truth, skeleton, fps)
                    if network == FLAT:
                        del errors["mirrored"]  # its mirror image is itself
                    sample.add(case.clip, errors)
                samples[STUDENT].add(case.clip, {"reprojection": reprojection_error(case, lifted)})
                frames.append((case.clip, body_frame(case.truth, skeleton) @ lifted.rotation))
            for (a, one), (b, other) in pairwise(found):
                samples[STUDENT].add(a.clip, {"equivariance": self._equivariance(a, one, b, other)})
                samples[TEACHER].add(a.clip, {"invariance": self._apart(one.canonical, other.canonical)})
            progress((cases[0].clip + 1) / len(self.clips))
        return samples, frames

    def _equivariance(self, a: Case, one: LiftedTrack, b: Case, other: LiftedTrack) -> Array:
        """Return (T,) distances between two estimates of one pose, the first turned as its camera is to the second's."""
        return self._apart(one.pose @ (b.view.rotation @ a.view.rotation.T).T, other.pose)

    def _apart(self, a: Array, b: Array) -> Array:
        """Return (T,) mean joint distances in millimetres between poses in body units, roots together."""
        root = self.subject.skeleton.root
        return mpjpe(a - a[:, [root]], b - b[:, [root]]) * self.unit * 1000

    def _cases(self, condition: str) -> Iterator[list[Case]]:
        """Yield each run of frames as all its cameras see it."""
        views = self.views
        if condition == CONSTANT_DISTANCE:
            away = self.subject.distance * self.unit
            views = self._draw((away, away))
        for number, (clip, pieces) in enumerate(zip(self.clips, self.segments, strict=True)):
            for piece in pieces:
                cameras = enumerate(views[number])
                yield [self._case(number, clip, piece, camera, view, condition) for camera, view in cameras]

    def _case(self, number: int, clip: Clip, piece: slice, camera: int, view: View, condition: str) -> Case:
        skeleton, lens = self.subject.skeleton, view.intrinsics
        view = view.during(piece)
        joints = view.camera_axes(clip.joints[piece])
        size = lens.fx * person_height(clip.joints[piece], skeleton) / joints[:, skeleton.root, 2]
        dice = np.random.default_rng([self.settings.seed, number, camera, piece.start, 1 + list(CONDITIONS).index(condition)])
        keypoints = CONDITIONS[condition](project(joints, lens), size, skeleton, clip.fps, dice)
        track = KeypointTrack(
            keypoints,
            np.isfinite(keypoints).all(-1).astype(float),
            skeleton,
            fps=_rate(clip.fps),
            image_size=(lens.width, lens.height),
            source=f"{clip.name}, camera {camera + 1}",
            intrinsics=lens,
            first_frame=piece.start,
        )
        truth: Array = 1000.0 * (joints - joints[:, [skeleton.root]])
        return Case(number, track, view, truth)


def reprojection_error(case: Case, lifted: LiftedTrack) -> Array:
    """Return (T,) how far the student's worst observed joint is from its keypoint, as a share of the image's longer side.

    NaN in frames without a keypoint.
    """
    camera, keypoints = case.view.intrinsics, case.track.keypoints
    error = np.linalg.norm(lifted.reprojected(keypoints, camera) - keypoints, axis=-1) / max(camera.width, camera.height)
    worst: Array = np.where(case.track.observed, error, -1.0).max(1)
    return np.where(worst < 0, np.nan, worst)


def person_height(joints: Array, skeleton: Skeleton) -> float:
    """Return the height in metres that a person's mean bones make, by the skeleton's stature. joints: (T, J, 3) metres."""
    lengths = np.zeros(len(skeleton))
    for parent, child in skeleton.edges:
        lengths[child] = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1).mean()
    return stature(lengths, skeleton)


def _rate(fps: float) -> Fraction:
    return exact_rate(round(fps, 6))


def _by_category(name: str, network: str, condition: str, sample: Sample, clips: Sequence[Clip], seed: int) -> Iterator[Score]:
    """Yield the score over all clips, frame by frame alike, then of each category of motion."""
    groups = {OVERALL: set(sample.clips)}
    for clip in sample.clips:
        groups.setdefault(clips[clip].category, set()).add(clip)
    for category in sorted(groups, key=lambda c: (c != OVERALL, c)):
        chosen = sample.of(sorted(groups[category]))
        frames = sum(len(values["p_mpjpe"]) for values in chosen.tracks if "p_mpjpe" in values)
        yield Score(name, network, condition, category, len(groups[category]), frames, chosen.estimates(seed))
