# SPDX-License-Identifier: GPL-3.0-or-later
"""The imported source: how its tracks are read (again), mapped and repaired as the user said, and noted in the scene."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core import readers
from ..core.errors import PoseliftError
from ..core.layouts import apply_joint_map, suggested_mapping
from ..core.people import PersonSummary, stitch, summaries, swap
from ..core.skeleton import HUMAN26
from ..core.track import KeypointTrack
from ..scene.clip_tracks import read_clip
from . import session
from .defaults import use_defaults
from .reports import cancelled
from .settings import PoseliftSettings, settings_of
from .source_settings import list_people

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

Progress = Callable[[float], None]
Tracks = list[KeypointTrack]

KNOWN_JOINTS = tuple(
    dict.fromkeys((*HUMAN26.joint_names, "mid_hip", "neck", "l_big_toe", "r_big_toe", "l_small_toe", "r_small_toe"))
)
"""What the panel's mapping offers: the canonical joints, and what they are derived from."""


@dataclass(frozen=True)
class Edit:
    """One repair by hand: two pieces are one person, or from a frame on two people are exchanged."""

    kind: str
    first: str
    second: str
    frame: int = 0

    def apply(self, tracks: Tracks) -> Tracks:
        """Return the repaired tracks. Raises `TrackError` where the people are not there (any more)."""
        if self.kind == "stitch":
            return stitch(tracks, self.first, self.second)
        return swap(tracks, self.first, self.second, self.frame)


@dataclass(frozen=True)
class Recipe:
    """How the scene's tracks come about, free of Blender: what to read, and which repairs to make."""

    path: Path
    options: dict[str, Any]
    edits: tuple[Edit, ...]
    joints: dict[str, str]

    def read(self, progress: Progress | None = None) -> Tracks:
        """Read the file and make the repairs. Raises `ReadError`, `TrackError`, `SettingsError`."""
        return self.repaired(readers.read(self.path, **self.options, progress=progress))

    def repaired(self, tracks: Tracks) -> Tracks:
        """Make the repairs on tracks as they were read."""
        for edit in self.edits:
            tracks = edit.apply(tracks)
        return tracks

    def mapped(self, track: KeypointTrack) -> KeypointTrack:
        """Return a track whose keypoints have the names of the joints that the user gave them."""
        return apply_joint_map(track, self.joints) if self.joints else track


def recipe_of(settings: PoseliftSettings) -> Recipe:
    """Return how the scene's tracks come about."""
    size = (settings.read_width, settings.read_height)
    options = {"file_format": settings.file_format, "layout": settings.layout, "image_size": size if all(size) else None}
    return Recipe(Path(settings.source), options, edits_of(settings), joints_of(settings))


def edits_of(settings: PoseliftSettings) -> tuple[Edit, ...]:
    """Return the repairs that the scene has noted, the first one first."""
    return tuple(Edit(*edit) for edit in json.loads(settings.edits or "[]"))


def joints_of(settings: PoseliftSettings) -> dict[str, str]:
    """Return the user's mapping: keypoint name -> joint; empty where the names that are known do."""
    return {item.name: item.joint for item in settings.joints} if settings.use_joints else {}


def kept_tracks(settings: PoseliftSettings) -> Tracks | None:
    """Return the scene's tracks where the session still has them."""
    return session.find(settings.session_key, Path(settings.source))


def tracks_of(settings: PoseliftSettings) -> Tracks:
    """Return the scene's tracks, read again where the session has not kept them.

    Raises `ReadError`, `TrackError`, `SettingsError`.
    """
    tracks = kept_tracks(settings)
    if tracks is None:
        if settings.clip is not None:
            tracks = recipe_of(settings).repaired(read_clip(settings.clip))
        else:
            tracks = recipe_of(settings).read()
        session.keep(Path(settings.source), tracks, settings.session_key)
    return tracks


@dataclass(frozen=True)
class Found:
    """What an import found: path, tracks, how they were read, who is in them, the movie clip whose markers they are."""

    path: Path
    tracks: Tracks
    options: dict[str, Any]
    people: list[PersonSummary]
    clip: bpy.types.MovieClip | None = None


def found_in(path: Path, tracks: Tracks, options: dict[str, Any], clip: bpy.types.MovieClip | None = None) -> Found:
    """Sum up tracks that were read. Needs no Blender."""
    return Found(path, tracks, options, summaries(tracks), clip)


def remember(settings: PoseliftSettings, found: Found) -> None:
    """Take note of what was imported: where from, who, which keypoints, and what it says of rate and size."""
    use_defaults(settings)
    options = found.options
    settings.source, settings.session_key = str(found.path), session.keep(found.path, found.tracks)
    settings.result, settings.edits, settings.worst, settings.lift_id = "", "", "", ""
    settings.clip, settings.use_joints, settings.joint_index = found.clip, False, 0
    settings.file_format, settings.layout = options.get("file_format", "auto"), options.get("layout", "auto")
    settings.read_width, settings.read_height = options.get("image_size") or (0, 0)
    settings.people.clear()
    list_people(settings.people, found.people)
    settings.person_index = 0
    first = found.tracks[0]
    settings.known_joints.clear()
    for joint in KNOWN_JOINTS:
        settings.known_joints.add().name = joint
    settings.joints.clear()
    known = suggested_mapping(first.skeleton.joint_names)
    for name in first.skeleton.joint_names:
        item = settings.joints.add()
        item.name, item.joint = name, known.get(name, "")
    camera = first.intrinsics
    size = first.image_size or ((camera.width, camera.height) if camera else None)
    settings.has_rate, settings.has_size = first.fps is not None or first.times is not None, size is not None
    frames = "1 frame" if len(first) == 1 else f"{len(first)} frames"
    facts = [first.skeleton.name, frames]
    facts += [f"{float(first.fps):.4g} fps"] if first.fps else []
    facts += [f"{size[0]} × {size[1]} px"] if size else []
    settings.detected = ", ".join(facts)
    settings.evidence = "\n".join(first.notes)


def edit_people(operator: bpy.types.Operator, context: bpy.types.Context, edit: Edit) -> set[OperatorReturnItems]:
    """Make one repair, keep it with the scene, and list the people anew."""
    settings = settings_of(context)
    try:
        tracks = edit.apply(tracks_of(settings))
    except PoseliftError as error:
        return cancelled(operator, error)
    settings.edits = json.dumps([astuple(one) for one in (*edits_of(settings), edit)])
    # A key of its own, so that undo finds the tracks as they were.
    settings.session_key = session.keep(Path(settings.source), tracks)
    list_people(settings.people, summaries(tracks))
    settings.person_index = min(settings.person_index, len(settings.people) - 1)
    return {"FINISHED"}
