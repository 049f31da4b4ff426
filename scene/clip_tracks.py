# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers of Blender's own motion tracker as keypoint tracks: one track per joint, named after it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.calibration import coverage_note
from ..core.camera import Intrinsics
from ..core.errors import ReadError, SettingsError, TrackError
from ..core.layouts import LAYOUTS, meanings, plain_name
from ..core.skeleton import Skeleton
from ..core.track import KeypointTrack, exact_rate
from . import timing
from .clip_camera import intrinsics_of_clip, is_untouched, tracking_of
from .state import current, temporary

Array = NDArray[np.float64]

FEWEST_JOINTS = 4
"""A body cannot be told from fewer."""
SHOWN = 8
"""Names that a note lists before it counts the rest."""

_PERSON = re.compile(r"(?:(?:p|person|actor|performer|subject)[ _-]?)?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class _Markers:
    """The markers of one track: which joint's of which person, at which clip frames, where, and how much they count."""

    name: str
    person: str
    joint: str
    frames: NDArray[np.int64]
    places: Array
    weight: float


def read_clip(
    clip: bpy.types.MovieClip, object_name: str | None = None, joint_map: Mapping[str, str] | None = None
) -> list[KeypointTrack]:
    """Read the markers of a movie clip, one `KeypointTrack` per person, best seen first.

    A track counts where its name is a joint's (`left_wrist`, `Wrist.L`, `LeftHand` …), with or without its person before it
    (`P1.left_wrist`); tracking objects other than the camera are persons too. Frames without a marker, and disabled ones, are
    gaps; a track's weight is its score. Several tracks of one joint are one: the first with a marker counts.

    object_name: read this tracking object only. joint_map: track name -> joint (or person.joint), instead of what the name
    says. Frames are the scene's, in which clip frame 1 is `clip.frame_start`. The rate is the movie's; an image sequence
    plays at the scene's. The tracking camera gives the intrinsics where somebody set or solved it.
    Raises `TrackError` where the clip cannot be read or has too few joints, `SettingsError` where the object or a joint of
    `joint_map` is unknown.
    """
    size = _size(clip)
    found, others = _joint_tracks(_objects(clip, object_name), dict(joint_map or {}))
    people = _people(found)
    if not people:
        _refuse(clip, found, others)
    frames = np.concatenate([track.frames for tracks in people.values() for track in tracks])
    first, length = int(frames.min()), int(np.ptp(frames)) + 1
    fps, rate_notes = _rate(clip)
    camera, camera_notes = _camera(clip, size)
    dropped = [track.name for track in found if track.person not in people]
    notes = (*_unused(others + dropped), *rate_notes, *camera_notes)
    read = []
    for person, tracks in people.items():
        skeleton, joints, own_notes = _layout(tracks)
        keypoints, scores = np.full((length, len(skeleton), 2), np.nan), np.zeros((length, len(skeleton)))
        for track, joint in zip(tracks, joints, strict=True):
            if joint is None:
                continue
            rows, j = track.frames - first, skeleton.index(joint)
            free = scores[rows, j] == 0
            keypoints[rows[free], j] = (track.places[free] * (1, -1) + (0, 1)) * size
            scores[rows[free], j] = track.weight
        track_of_person = KeypointTrack(keypoints, scores, skeleton, fps, size, person=person, source=clip.name)
        start = first + clip.frame_start - 1
        read.append(track_of_person.replace(intrinsics=camera, first_frame=start, notes=(*own_notes, *notes)))
    return sorted(read, key=lambda track: -float(track.scores.sum()))


def read_blend(path: Path) -> list[KeypointTrack]:
    """Read the tracked people of a Blender file's movie clips, best seen first; nothing of it stays in the open file.

    Frames are the footage's, from 0, as in files of keypoints: the file's scene plays no part. Clips without joints are passed
    over. Raises `ReadError` where the file is damaged or has no clip, and `TrackError`, which lists the tracks, where no clip
    has a body.
    """
    read: list[KeypointTrack] = []
    refused: list[TrackError] = []
    with temporary():
        for clip in _clips_in(path):
            try:
                # The file's own scene is not loaded, so an image sequence has no rate here.
                own_rate = None if clip.fps <= 0 else exact_rate(clip.fps)
                tracks = read_clip(clip)
                read += [
                    track.replace(fps=own_rate, source=str(path), first_frame=track.first_frame - clip.frame_start)
                    for track in tracks
                ]
            except TrackError as error:
                refused.append(error)
    if not read and refused:
        raise refused[0]
    if not read:
        raise ReadError("has no movie clip; track the joints in Blender's clip editor first.", path)
    return sorted(read, key=lambda track: -float(track.scores.sum()))


def _clips_in(path: Path) -> list[bpy.types.MovieClip]:
    libraries: Any = bpy.data.libraries  # of whose `load` the type stubs do not know that it is a context manager
    try:
        with libraries.load(str(path), link=False) as (there, here):
            here.movieclips = there.movieclips
    except (OSError, RuntimeError) as error:
        raise ReadError("is no Blender file that this Blender can open.", path) from error
    return [clip for clip in here.movieclips if clip is not None]


def _size(clip: bpy.types.MovieClip) -> tuple[int, int]:
    width, height = clip.size
    if min(width, height) < 1 or clip.frame_duration < 1:
        raise TrackError(
            f"the clip '{clip.name}' has no picture, so its markers have no pixels: {clip.filepath or 'its file'} is missing "
            "or cannot be read; set its path in the clip editor."
        )
    return int(width), int(height)


def _objects(clip: bpy.types.MovieClip, name: str | None) -> list[bpy.types.MovieTrackingObject]:
    objects: list[bpy.types.MovieTrackingObject] = list(tracking_of(clip).objects)
    if name is None:
        return objects
    chosen = [item for item in objects if item.name == name]
    if not chosen:
        known = ", ".join(item.name for item in objects)
        raise SettingsError(f"the clip '{clip.name}' has no tracking object '{name}'; it has {known}.")
    return chosen


def _joint_tracks(
    objects: Iterable[bpy.types.MovieTrackingObject], joint_map: dict[str, str]
) -> tuple[list[_Markers], list[str]]:
    """Return the tracks whose names say a joint and that have enabled markers, and the names of the others."""
    for name, joint in joint_map.items():
        if joint_of(joint) is None:
            raise SettingsError(f"'{joint}', which the track '{name}' is mapped to, is no known joint; known: {_known()}.")
    found, others = [], []
    for item in objects:
        for track in item.tracks:
            told = joint_of(joint_map.get(track.name, track.name))
            markers = _enabled(track)
            if told is None or not len(markers[0]) or track.weight <= 0:
                others.append(track.name)
                continue
            own = "" if item.is_camera else item.name
            person = " ".join(part for part in (own, told[0]) if part) or "1"
            found.append(_Markers(track.name, person, told[1], *markers, min(float(track.weight), 1.0)))
    return found, others


def _enabled(track: bpy.types.MovieTrackingTrack) -> tuple[NDArray[np.int64], Array]:
    """Return clip frames (M,) and places (M, 2) of a track's enabled markers, from the bottom left, in image sizes."""
    count = len(track.markers)
    frames, mute, places = np.empty(count, np.int32), np.empty(count, bool), np.empty(2 * count, np.float32)
    track.markers.foreach_get("frame", frames)
    track.markers.foreach_get("mute", mute)
    track.markers.foreach_get("co", places)
    # The tracked point is the marker moved by the track's offset (an offset track follows a feature beside its point).
    moved = places.reshape(count, 2).astype(np.float64) + np.array(track.offset)
    return frames[~mute].astype(np.int64), moved[~mute]


def joint_of(name: str) -> tuple[str, str] | None:
    """Return person ('' where none is named) and joint that a track's name says, None where it says no joint."""
    name = re.sub(r"\.\d{3}$", "", name.strip())  # Blender's number for a name that was taken
    if meanings(name):
        return "", plain_name(name)
    for separator in re.finditer(r"[.:/|]", name):
        person, rest = name[: separator.start()].strip(), name[separator.end() :]
        if person and meanings(rest):
            return person, plain_name(rest)
    match = _PERSON.match(name)
    rest = name[match.end() :].lstrip(" _-") if match else ""
    return (name[: match.end()], plain_name(rest)) if match and meanings(rest) else None


def _people(found: Sequence[_Markers]) -> dict[str, list[_Markers]]:
    """Group tracks by person, and keep the persons with enough joints."""
    people: dict[str, list[_Markers]] = defaultdict(list)
    for track in found:
        people[track.person].append(track)
    return {p: tracks for p, tracks in people.items() if len({track.joint for track in tracks}) >= FEWEST_JOINTS}


def _layout(tracks: Sequence[_Markers]) -> tuple[Skeleton, list[str | None], list[str]]:
    """Choose the layout that has the most of the joints, under their own names and with few others; name them in it."""

    def named(layout: Skeleton) -> list[str | None]:
        return [next((j for j in meanings(track.joint) if j in layout.joint_names), None) for track in tracks]

    def fit(layout: Skeleton) -> tuple[int, int, int]:
        exact = {track.joint for track in tracks} & set(layout.joint_names)
        return len({joint for joint in named(layout) if joint is not None}), len(exact), -len(layout)

    best = max(LAYOUTS.values(), key=fit)
    joints = named(best)
    left = [track.name for track, joint in zip(tracks, joints, strict=True) if joint is None]
    count = len({joint for joint in joints if joint is not None})
    notes = [f"markers of {count} joints, in the layout {best.name}."]
    twice = sorted({joint for joint in joints if joint is not None and joints.count(joint) > 1})
    if twice:
        notes.append(f"several tracks of one joint, joined: {_listed(twice)}.")
    return best, joints, notes + ([f"the layout {best.name} has no place for: {_listed(left)}."] if left else [])


def _rate(clip: bpy.types.MovieClip) -> tuple[Fraction, list[str]]:
    if clip.fps > 0:
        return exact_rate(clip.fps), []
    rate = exact_rate(timing.scene_rate(current()[0]))
    why = "an image sequence has no rate" if clip.source == "SEQUENCE" else "the movie's file is missing"
    return rate, [f"{why}: the scene's, {float(rate):.6g}, was taken."]


def _camera(clip: bpy.types.MovieClip, size: tuple[int, int]) -> tuple[Intrinsics | None, list[str]]:
    if is_untouched(clip, size):
        return None, ["the clip's tracking camera was never set nor solved, so it says nothing about the lens."]
    camera = intrinsics_of_clip(clip, size)
    return camera, [note for note in (coverage_note(camera),) if note]


def _refuse(clip: bpy.types.MovieClip, found: Sequence[_Markers], others: Sequence[str]) -> None:
    names = _listed([*(track.name for track in found), *others]) or "none"
    count = len({track.joint for track in found})
    raise TrackError(
        f"the clip '{clip.name}' has markers of {count} joints, but {FEWEST_JOINTS} of one person are needed; its tracks are "
        f"{names}: name them after joints, such as {_known()}, or map them."
    )


def _unused(names: Sequence[str]) -> list[str]:
    return [f"tracks that are no joint, or have no enabled marker: {_listed(names)}."] if names else []


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _known() -> str:
    return ", ".join(LAYOUTS["body_25"].joint_names)
