# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to lift: what is known of each person, and choosing one, several or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError, TrackError
from ..layouts import body_count
from ..track import KeypointTrack


@dataclass(frozen=True)
class PersonSummary:
    """One person of a clip.

    coverage: share of the clip's frames with any keypoint; first_frame, last_frame: numbers of the first and last such frame,
    as the source counts; size: median diagonal of the box around the body's keypoints, pixels; score: mean of what was seen.
    """

    name: str
    coverage: float
    first_frame: int
    last_frame: int
    size: float
    score: float


def summaries(tracks: Sequence[KeypointTrack]) -> list[PersonSummary]:
    """Return what is known of each person, in the tracks' order."""
    return [_summary(track) for track in tracks]


def _summary(track: KeypointTrack) -> PersonSummary:
    body = slice(0, body_count(track.skeleton))
    observed = track.observed
    frames = np.flatnonzero(observed.any(1))
    if not len(frames):
        return PersonSummary(track.person, 0.0, track.first_frame, track.first_frame, 0.0, 0.0)
    seen = observed[frames, body]
    points = track.keypoints[frames, body]
    some = seen.any(1)
    low = np.where(seen[..., None], points, np.inf)[some].min(1)
    high = np.where(seen[..., None], points, -np.inf)[some].max(1)
    size = float(np.median(np.linalg.norm(high - low, axis=-1))) if some.any() else 0.0
    return PersonSummary(
        track.person,
        track.coverage,
        track.first_frame + int(frames[0]),
        track.first_frame + int(frames[-1]),
        size,
        float(track.scores[observed].mean()),
    )


def choose(tracks: Sequence[KeypointTrack], want: str | Sequence[str]) -> list[KeypointTrack]:
    """Return the wanted people's tracks.

    want: "best" (the first: the one best seen), "all", names separated by commas, or a list of names. A person whose name
    has a comma in it can be named alone, too. Raises `TrackError` where there is no such person, naming those there are.
    """
    if isinstance(want, str):
        if want in ("best", "all"):
            return list(tracks) if want == "all" else list(tracks[:1])
        whole = any(track.person == want for track in tracks)
        want = [want] if whole else [name.strip() for name in want.split(",") if name.strip()]
    people = {track.person: track for track in tracks}
    missing = [name for name in want if name not in people]
    if missing or not want:
        source = tracks[0].source if tracks else "the clip"
        raise TrackError(f"{source}: there is no person '{', '.join(missing)}'; people are {', '.join(people)}.")
    return [people[name] for name in dict.fromkeys(want)]


def parse_stitches(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of people that texts such as "1+3" join. Raises `SettingsError`."""
    pairs = []
    for text in texts:
        parts = [part.strip() for part in text.split("+")]
        if len(parts) < 2 or not all(parts):
            raise SettingsError(f"'{text}' joins nobody; write two people's names as in 1+3.")
        pairs += [(parts[0], other) for other in parts[1:]]
    return pairs
