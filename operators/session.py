# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender runs and is no data of the file: tracks that were read, and the job that is running."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..core.motion.motion import Motion
from ..core.pipeline import LiftedFrames
from ..core.track import KeypointTrack
from ..scene.jobs import Job
from .camera_options import Given

if TYPE_CHECKING:
    from ..scene.build import BuildSettings, Figure

Tracks = list[KeypointTrack]


@dataclass(frozen=True)
class Lifted:
    """What a lift gives: the people's figures, ready to be built, the track that the camera belongs to, what was given beside
    the keypoints, and for the next lift the clip's tracks with their path and key, and the frames as the networks left them.
    """

    figures: list[Figure]
    build: BuildSettings
    wanted: Tracks
    given: Given
    tracks: Tracks
    path: Path
    key: str
    kept: KeptLift


@dataclass(frozen=True)
class KeptLift:
    """Lifted frames and what they were made of: as long as that is equal, they are solved again without the networks."""

    recipe: Hashable
    wanted: Tracks
    people: list[LiftedFrames]


KEPT_CLIPS = 8
"""Clips whose tracks are kept; older ones are read again when they are needed."""
KEPT_LIFTS = 4
"""Lifts whose frames are kept: a few MB for 10,000 frames of one person."""
GRACE = 5.0
"""Seconds that a running lift is given to stop when the add-on is switched off."""

PATIENCE = 0.0005
"""Seconds after which a job's thread gives way to the one that draws the window: every panel that is drawn waits so long."""

_interval: float | None = None
_clips: dict[str, tuple[Path, Tracks]] = {}
_lifts: list[KeptLift] = []
_job: Job[Any] | None = None
_motions: dict[str, Motion] = {}


def keep(path: Path, tracks: Tracks, key: str = "") -> str:
    """Keep a clip's tracks and return the key to find them by: the one given, or a new one."""
    key = key or uuid4().hex
    _clips.pop(key, None)
    _clips[key] = (path, tracks)
    while len(_clips) > KEPT_CLIPS:
        del _clips[next(iter(_clips))]
    return key


def find(key: str, path: Path) -> Tracks | None:
    """Return the tracks kept under a key, or None where they are not here (any more) or were read from another path."""
    where, tracks = _clips.get(key, (None, None))
    return tracks if where == path else None


def keep_lift(lift: KeptLift) -> None:
    """Keep a lift's frames, in place of older ones of the same recipe."""
    _lifts[:] = [lift, *(other for other in _lifts if other.recipe != lift.recipe)][:KEPT_LIFTS]


def find_lift(recipe: Hashable) -> KeptLift | None:
    """Return the lift that was made by a recipe, or None where it is not here (any more)."""
    return next((lift for lift in _lifts if lift.recipe == recipe), None)


def remember(actions: Sequence[str], motions: Sequence[Motion]) -> None:
    """Keep the motions of the last lift by the names of their actions, to draw their keypoints."""
    _motions.clear()
    _motions.update(zip(actions, motions, strict=True))


def motions_of(actions: Sequence[str]) -> list[Motion]:
    """Return the motions of actions; none where one of them is not of the last lift of this session."""
    return [_motions[name] for name in actions] if all(name in _motions for name in actions) else []


def begin(job: Job[Any]) -> Job[Any]:
    """Start a job and remember it as the one that runs."""
    return hold(job).start()


def hold(job: Job[Any]) -> Job[Any]:
    """Remember a job as the one that runs, before it is started: its work is being prepared."""
    global _job, _interval
    if _interval is None:
        _interval = sys.getswitchinterval()
        sys.setswitchinterval(PATIENCE)
    _job = job
    return job


def running() -> Job[Any] | None:
    """Return the job that runs, or None."""
    return _job


def finish() -> None:
    """Forget the job that ran."""
    global _job, _interval
    if _interval is not None:
        sys.setswitchinterval(_interval)
        _interval = None
    _job = None


def end() -> None:
    """Stop what runs and forget everything."""
    if _job is not None:
        _job.cancel()
        _job.wait(GRACE)
    finish()
    _clips.clear()
    _lifts.clear()
    _motions.clear()
