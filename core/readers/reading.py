# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader found, and the one way from there to tracks: units, missing values, layout, people, times.

A reader only parses: it fills a `Reading` with what its file says. `to_people` does what all formats need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics
from ..errors import ImageSizeNeededError, ReadError, SettingsError, SkeletonError
from ..layouts import LAYOUTS, OPENPOSE_FACE, body_count, find_layout, plain_name, with_parts
from ..people import Detections, to_tracks
from ..skeleton import Skeleton
from ..track import KeypointTrack
from .files import Progress, checked, choose_layout

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MAX_SPAN = 100
"""Frame numbers may run this many times farther than there are frames, and a thousand beyond; more is a wrong number."""


@dataclass(frozen=True)
class Request:
    """What the user says about a file beyond the file.

    layout: "auto" or a name in `LAYOUTS`; image_size: (width, height) of the footage, needed where the file has shares of
    the image and not its size; fps: rate of the footage; joints: the file's joint names -> joint names known here (a user's
    own layout); progress: called with 0..1 now and then (it may raise `CancelledError`).
    """

    layout: str = "auto"
    image_size: tuple[int, int] | None = None
    fps: Fraction | None = None
    joints: Mapping[str, str] = field(default_factory=dict)
    progress: Progress | None = None

    def advance(self, share: float) -> None:
        """Tell the caller how much is read, 0..1."""
        if self.progress:
            self.progress(share)


@dataclass
class Reading:
    """What a file says, before it is known what is what and who is who. N detections of K keypoints. Its arrays are its own.

    keypoints: (N, K, 2), NaN where missing; in pixels, or where `shares` in shares of the image's width and height (origin
    top left, y down); None: in what their values look like. scores: (N, K), not above 0 or NaN where missing.
    frames: (N,) frame numbers as the source counts.
    numbers: the frame numbers that the source has, with those that show nobody; None: those of `frames`.
    identities: (N,) names of people where the source has them. joint_names: (K,) where the source has them.
    skeleton: the layout where the format has only one. hands, face: whether OpenPose's 21 keypoints of either hand and the 70
    of the face come behind the body's. times: (len(numbers),) seconds. Everything else as in `KeypointTrack`.
    """

    keypoints: Floats
    scores: Floats
    frames: Sequence[int] | Indices
    numbers: Sequence[int] | Indices | None = None
    identities: Sequence[str] | None = None
    joint_names: Sequence[str] | None = None
    skeleton: Skeleton | None = None
    parents: Sequence[int] | None = None
    hands: bool = False
    face: bool = False
    shares: bool | None = None
    fps: Fraction | None = None
    image_size: tuple[int, int] | None = None
    times: Floats | None = None
    intrinsics: Intrinsics | None = None
    notes: list[str] = field(default_factory=list)


def to_people(found: Reading, request: Request, path: Path) -> list[KeypointTrack]:
    """Return one track per person, best seen first, each as long as the clip.

    Raises `ReadError` where nobody is seen or frame numbers are wild, `ImageSizeNeededError` where shares of the image need
    its size, `SettingsError` for an unknown layout.
    """
    frames = np.asarray(found.frames, np.int64)
    numbers = frames if found.numbers is None else np.asarray(found.numbers, np.int64)
    first, length = _span(numbers, path)
    keypoints, scores, notes = checked(found.keypoints, found.scores)
    found.keypoints, found.scores = np.zeros((0, 1, 2)), np.zeros((0, 1))  # so that what was copied is freed
    if not scores.max(initial=0.0) > 0:
        raise ReadError(f"nobody is seen in any of {len(np.unique(numbers))} frames (every score is 0).", path)
    size = request.image_size or found.image_size
    keypoints, more = _in_pixels(keypoints, found.shares, size, path)
    order = None
    if (frames[1:] < frames[:-1]).any():
        order = np.argsort(frames, kind="stable")
        keypoints, scores, frames = keypoints[order], scores[order], frames[order]
    frames = frames - first
    keypoints.setflags(write=False)  # so that tracks take them as they are
    scores.setflags(write=False)
    skeleton, columns, evidence = _layout(found, keypoints, scores, request, path)
    if columns is not None:
        keypoints, scores = keypoints[:, columns], scores[:, columns]
    identities, names = _identities(found.identities, order)
    if identities is not None:
        twice = _twice(frames, identities)
        if twice is not None:
            raise ReadError(f"person '{names[identities[twice]]}' is there twice.", path, f"frame {frames[twice] + first}")
    absent = length - len(np.unique(numbers))
    if absent:
        last = first + length - 1
        notes.append(f"frame numbers that the source lacks between {first} and {last}, taken for empty frames: {absent}.")
    tracks = to_tracks(
        Detections(keypoints, scores, frames, length, identities),
        skeleton,
        body=body_count(skeleton),
        spend=True,
        source=str(path),
        fps=found.fps or request.fps,
        image_size=size,
        times=_times(found.times, numbers, first, length, path),
        intrinsics=found.intrinsics,
        first_frame=first,
        notes=[*found.notes, *notes, *more, *evidence],
    )
    request.advance(1.0)
    return [track.replace(person=names[int(track.person)]) for track in tracks] if names else tracks


def _span(numbers: Indices, path: Path) -> tuple[int, int]:
    if not len(numbers):
        raise ReadError("nobody is seen: there is no detection in it.", path)
    first, last, count = int(numbers.min()), int(numbers.max()), len(np.unique(numbers))
    if last - first >= MAX_SPAN * count + 1000:
        raise ReadError(f"frame numbers run from {first} to {last}, but there are {count} frames.", path)
    return first, last - first + 1


def _in_pixels(keypoints: Floats, shares: bool | None, size: tuple[int, int] | None, path: Path) -> tuple[Floats, list[str]]:
    """Return keypoints in pixels, and notes. Pixels that all lie within one pixel are shares that nobody declared."""
    notes = []
    low, high = float(np.nanmin(keypoints)), float(np.nanmax(keypoints))
    if shares is None and max(-low, high) <= 1.0:
        shares = True
        what = "0 and 1" if low >= 0 else "-1 and 1"
        notes.append(f"all coordinates lie between {what}: taken for shares of the image, not for pixels.")
        if low < 0:
            keypoints = (keypoints + 1) / 2
    if not shares:
        return keypoints, notes
    if size is None:
        raise ImageSizeNeededError(
            "coordinates are shares of the image: give its size, or write pixels (OpenPose: --keypoint_scale 0).", path
        )
    return keypoints * np.array(size, np.float64), notes


def _layout(
    found: Reading, keypoints: Floats, scores: Floats, request: Request, path: Path
) -> tuple[Skeleton, list[int] | None, list[str]]:
    """Return the skeleton, which columns become its joints in which order (None: as they are), and the evidence."""
    count = keypoints.shape[1]
    if request.layout != "auto" and request.layout not in LAYOUTS:
        raise SettingsError(f"no keypoint layout is called '{request.layout}'; known: {', '.join(LAYOUTS)}.")
    if found.joint_names is None or (request.layout != "auto" and len(LAYOUTS[request.layout]) == count):
        if found.skeleton is not None and request.layout == "auto":
            return found.skeleton, None, []
        parts = 42 * found.hands + OPENPOSE_FACE * found.face
        body = count - parts if request.layout == "auto" or len(LAYOUTS[request.layout]) != count else count
        skeleton, evidence = choose_layout(keypoints[:, :body], scores[:, :body], request.layout, path)
        return (with_parts(skeleton, found.hands, OPENPOSE_FACE * found.face) if body < count else skeleton), None, evidence
    given = [str(name) for name in found.joint_names]
    names = [request.joints.get(name, name) for name in given]
    plain = [plain_name(name) for name in names]
    known = LAYOUTS[request.layout] if request.layout != "auto" else find_layout(names)
    if known is not None and len(set(plain)) == count and set(known.joint_names) <= set(plain):
        return known, [plain.index(joint) for joint in known.joint_names], []
    parents = tuple(found.parents) if found.parents is not None else (-1,) * count
    try:
        skeleton = Skeleton(path.stem, tuple(names), parents)
    except SkeletonError as error:
        raise ReadError(str(error), path, "joint_names") from error
    return skeleton, None, [f"joint names of no known layout ({', '.join(LAYOUTS)}): taken by their names."]


def _identities(identities: Sequence[str] | None, order: Indices | None) -> tuple[Indices | None, list[str]]:
    """Return person numbers in the detections' new order, and each number's name."""
    if identities is None:
        return None, []
    names = list(dict.fromkeys(identities))
    numbers = {name: number for number, name in enumerate(names)}
    people = np.array([numbers[name] for name in identities], np.intp)
    return people if order is None else people[order], [str(name) for name in names]


def _twice(frames: Indices, identities: Indices) -> int | None:
    """Return a detection that has the frame and person of another one; None where there is none."""
    _, at, count = np.unique(np.stack([frames, identities]), axis=1, return_index=True, return_counts=True)
    return int(at[count.argmax()]) if count.max(initial=0) > 1 else None


def _times(times: Floats | None, numbers: Indices, first: int, length: int, path: Path) -> Floats | None:
    """Return a time for every frame of the clip; those of frames that the source lacks lie between their neighbours'."""
    if times is None:
        return None
    at, where = np.unique(numbers - first, return_index=True)
    known = np.asarray(times, np.float64)[where]
    if not np.isfinite(known).all() or (np.diff(known) <= 0).any():
        raise ReadError("times must be rising numbers of seconds, one per frame.", path)
    return np.interp(np.arange(length), at, known)
