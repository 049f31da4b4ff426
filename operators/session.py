# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender runs and is no data of the file: tracks that were read, and the job that is running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..core.motion.motion import Motion
from ..core.track import KeypointTrack
from ..scene.jobs import Job
from .camera_options import Given

Tracks = list[KeypointTrack]


@dataclass(frozen=True)
class Lifted:
    """What a lift gives: the people's motions, the tracks they come from, what was given beside the keypoints, and the clip's
    tracks with their path and key, for the next lift.
    """

    motions: list[Motion]
    wanted: Tracks
    given: Given
    tracks: Tracks
    path: Path
    key: str


KEPT_CLIPS = 8
"""Clips whose tracks are kept; older ones are read again when they are needed."""
GRACE = 5.0
"""Seconds that a running lift is given to stop when the add-on is switched off."""

_clips: dict[str, tuple[Path, Tracks]] = {}
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


def remember(actions: Sequence[str], motions: Sequence[Motion]) -> None:
    """Keep the motions of the last lift by the names of their actions, to draw their keypoints."""
    _motions.clear()
    _motions.update(zip(actions, motions, strict=True))


def motions_of(actions: Sequence[str]) -> list[Motion]:
    """Return the motions of actions; none where one of them is not of the last lift of this session."""
    return [_motions[name] for name in actions] if all(name in _motions for name in actions) else []


def begin(job: Job[Any]) -> Job[Any]:
    """Start a job and remember it as the one that runs."""
    global _job
    _job = job.start()
    return job


def running() -> Job[Any] | None:
    """Return the job that runs, or None."""
    return _job


def finish() -> None:
    """Forget the job that ran."""
    global _job
    _job = None


def end() -> None:
    """Stop what runs and forget everything."""
    if _job is not None:
        _job.cancel()
        _job.wait(GRACE)
    finish()
    _clips.clear()
    _motions.clear()
