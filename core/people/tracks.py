# SPDX-License-Identifier: GPL-3.0-or-later
"""One track per person from detections, identified by their source or linked here, best seen first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..skeleton import Skeleton
from ..track import KeypointTrack
from .choosing import prominence
from .detections import BLOCK, Detections, Floats, Indices, beyond
from .linking import link

MAX_PEOPLE_PER_FRAME = 50
"""More detections in one frame than this are cut to the best: it bounds time and memory on broken files."""

MAX_TRACK_BYTES = 1 << 29
"""Of all tracks together; people beyond are left out."""


def to_tracks(
    found: Detections, skeleton: Skeleton, max_gap: int | None = None, body: int | None = None, **common: Any
) -> list[KeypointTrack]:
    """Link detections and return one track per person, best seen first, each as long as the clip.

    max_gap: frames without a detection that a person survives (default: one second). body: how many joints, from the first,
    tell who is who (default: all). `common` goes to every `KeypointTrack` (source, fps, image_size, first_frame, notes ...);
    its fps is what the linking takes for the frame rate. Pieces of fewer than three frames are left out where longer ones
    exist, and so are the worst people beyond half a gigabyte of tracks; the notes say so. Returns [] where nobody is seen.
    """
    somebody = (found.scores > 0).any(1)
    if not somebody.all():
        found = found.take(somebody)
    if not len(found):
        return []
    notes = list(common.pop("notes", ()))
    people = found.identities
    if people is None:
        crowd = beyond(found, MAX_PEOPLE_PER_FRAME)
        if crowd.any():
            notes.append(f"detections beyond {MAX_PEOPLE_PER_FRAME} in one frame, left out: {crowd.sum()}.")
            found = found.take(~crowd)
    bodies = found.first_joints(body)
    if people is None:
        people = link(bodies, max_gap, common.get("fps"))
    by_person = np.argsort(people, kind="stable")[(people < 0).sum() :]
    members = np.split(by_person, np.flatnonzero(np.diff(people[by_person])) + 1)
    if (people < 0).any():
        notes.append(f"duplicates of other detections, left out: {(people < 0).sum()}.")
    least = min(3, max(map(len, members))) if found.identities is None else 1
    short = sum(len(m) for m in members if len(m) < least)
    if short:
        notes.append(f"detections of nobody that is seen in {least} frames or more, left out: {short}.")
    sizes, totals = bodies.sizes, found.totals
    rank = sorted((m for m in members if len(m) >= least), key=lambda m: -prominence(totals[m], sizes[m]))
    limit = max(1, MAX_TRACK_BYTES // (found.length * len(skeleton) * 24))
    if len(rank) > limit:
        notes.append(f"of {len(rank)} people only the {limit} best seen are kept, to bound the memory.")
    tracks = []
    for number, m in enumerate(rank[:limit], 1):
        keypoints, scores = _over_time(found, m)
        name = str(number) if found.identities is None else str(people[m[0]])
        tracks.append(KeypointTrack(keypoints, scores, skeleton, person=name, notes=tuple(notes), **common))
    return tracks


def _over_time(found: Detections, members: Indices) -> tuple[Floats, Floats]:
    """Return a person's keypoints (T, J, 2) and scores (T, J); the detections' own where those are all, frame by frame."""
    if len(members) == len(found) == found.length:
        return found.keypoints, found.scores
    keypoints = np.full((found.length, *found.keypoints.shape[1:]), np.nan)
    scores = np.zeros(keypoints.shape[:2])
    for at in range(0, len(members), BLOCK):
        some = members[at : at + BLOCK]
        keypoints[found.frames[some]], scores[found.frames[some]] = found.keypoints[some], found.scores[some]
    keypoints.setflags(write=False)  # so that the track takes them as they are
    scores.setflags(write=False)
    return keypoints, scores
