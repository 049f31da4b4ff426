# SPDX-License-Identifier: GPL-3.0-or-later
"""One track per person from detections, identified by their source or linked here, best seen first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..skeleton import Skeleton
from ..track import KeypointTrack
from .choosing import prominence
from .detections import Detections, beyond
from .linking import link
from .spreading import over_time

MAX_PEOPLE_PER_FRAME = 50
"""More detections in one frame than this are cut to the best: it bounds time and memory on broken files."""

MAX_TRACK_BYTES = 1 << 29
"""Of all tracks together; people beyond are left out."""


def to_tracks(
    found: Detections,
    skeleton: Skeleton,
    max_gap: int | None = None,
    body: int | None = None,
    spend: bool = False,
    **common: Any,
) -> list[KeypointTrack]:
    """Link detections and return one track per person, best seen first, each as long as the clip.

    max_gap: frames without a detection that a person survives (default: one second). body: how many joints, from the first,
    tell who is who (default: all). spend: whether the detections may be used up, to save memory. `common` goes to every
    `KeypointTrack` (source, fps, image_size, first_frame, notes ...); its fps is what the linking takes for the frame rate.
    Pieces of fewer than three frames are left out where longer ones exist, and so are the worst people beyond half a gigabyte
    of tracks; the notes say so. Returns [] where nobody is seen.
    """
    somebody = found.totals > 0
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
    chosen = rank[:limit]
    names = [str(number) if found.identities is None else str(people[m[0]]) for number, m in enumerate(chosen, 1)]
    return [
        KeypointTrack(keypoints, scores, skeleton, person=name, notes=tuple(notes), **common)
        for name, (keypoints, scores) in zip(names, over_time(found, chosen, spend), strict=True)
    ]
