# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs of identities by hand: two pieces made one, and two people exchanged from a frame on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import TrackError
from ..track import KeypointTrack
from .choosing import choose

MOST_OVERLAP = 0.2
"""Of the shorter piece's frames: who is seen twice at a time for longer is two people."""


def stitch(tracks: Sequence[KeypointTrack], first: str, second: str) -> list[KeypointTrack]:
    """Return the tracks with two pieces of one person joined under the first's name, in the first's place.

    Where only one is seen, its keypoints are taken; where both are, those of the higher total score in that frame.
    Raises `TrackError` where a person is not there, and where they are seen together for long.
    """
    one, other = _two(tracks, first, second)
    seen, seen_too = one.observed.any(1), other.observed.any(1)
    both = seen & seen_too
    if both.sum() > MOST_OVERLAP * min(seen.sum(), seen_too.sum()):
        raise TrackError(
            f"{one.source}: '{first}' and '{second}' are seen together in {both.sum()} frames, so they are two people; "
            "where their tracks change over, exchange them from that frame on."
        )
    take = seen_too & (~seen | (other.scores.sum(1) > one.scores.sum(1)))
    joined = one.replace(
        keypoints=np.where(take[:, None, None], other.keypoints, one.keypoints),
        scores=np.where(take[:, None], other.scores, one.scores),
    ).noted(f"person {second} was joined to this one by hand.")
    return [joined if track is one else track for track in tracks if track is not other]


def swap(tracks: Sequence[KeypointTrack], first: str, second: str, frame: int) -> list[KeypointTrack]:
    """Return the tracks with two people exchanged from a frame on, which is counted as the source counts.

    Raises `TrackError` where a person or the frame is not there.
    """
    one, other = _two(tracks, first, second)
    start = frame - one.first_frame
    if not 0 < start < len(one):
        last = one.first_frame + len(one) - 1
        raise TrackError(
            f"{one.source}: there is nothing to exchange from frame {frame} on; frames are {one.first_frame} to {last}."
        )
    later = np.arange(len(one)) >= start

    def mixed(a: KeypointTrack, b: KeypointTrack) -> KeypointTrack:
        return a.replace(
            keypoints=np.where(later[:, None, None], b.keypoints, a.keypoints),
            scores=np.where(later[:, None], b.scores, a.scores),
        ).noted(f"from frame {frame} on exchanged with person {b.person} by hand.")

    new = {one.person: mixed(one, other), other.person: mixed(other, one)}
    return [new.get(track.person, track) for track in tracks]


def _two(tracks: Sequence[KeypointTrack], first: str, second: str) -> tuple[KeypointTrack, KeypointTrack]:
    one, other = choose(tracks, [first])[0], choose(tracks, [second])[0]
    if one is other:
        raise TrackError(f"{one.source}: '{first}' is one person already.")
    if len(one) != len(other) or one.skeleton != other.skeleton or one.first_frame != other.first_frame:
        raise TrackError(f"{one.source}: '{first}' and '{second}' are not of one clip and layout.")
    return one, other
