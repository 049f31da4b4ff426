# SPDX-License-Identifier: GPL-3.0-or-later
"""Spreading: loose detections become arrays over time, a person each, in hardly more memory than these take in the end.

A clip's detections and its people's tracks are the same numbers. So the tracks grow from the clip's end on, and what was
moved is cut off the detections, which lie in the order of frames.
"""

from __future__ import annotations

import numpy as np

from .detections import BLOCK, Detections, Floats, Indices

Arrays = tuple[Floats, Floats]
"""Keypoints (T, J, 2), NaN where missing, and scores (T, J), 0 where missing. Nobody can write to them."""

_STEP = 1 << 22
"""Bytes that are moved before memory is given back; a 32nd of all where that is more, as giving back may take copying."""


def over_time(found: Detections, people: list[Indices], spend: bool = False) -> list[Arrays]:
    """Return the arrays over time of people, who each are detections in order of time.

    spend: whether the detections may be used up. Their own arrays are returned where they are one person's, frame by frame.
    """
    if len(people) == 1 and len(people[0]) == len(found) == found.length:
        return [(found.keypoints, found.scores)]
    spend = spend and all(array.flags.owndata and array.flags.c_contiguous for array in (found.keypoints, found.scores))
    tracks = _moved(found, people) if spend else [_copied(found, rows) for rows in people]
    for arrays in tracks:
        for array in arrays:
            array.setflags(write=False)  # so that tracks take them as they are
    return tracks


def _copied(found: Detections, rows: Indices) -> Arrays:
    keypoints = np.full((found.length, *found.keypoints.shape[1:]), np.nan)
    scores = np.zeros(keypoints.shape[:2])
    for at in range(0, len(rows), BLOCK):
        some = rows[at : at + BLOCK]
        keypoints[found.frames[some]], scores[found.frames[some]] = found.keypoints[some], found.scores[some]
    return keypoints, scores


def _moved(found: Detections, people: list[Indices]) -> list[Arrays]:
    """Do it with the detections used up: both arrays are empty in the end."""
    joints = found.scores.shape[1]
    tracks = [(np.zeros((0, joints, 2)), np.zeros((0, joints))) for _ in people]
    whose = np.full(len(found), -1)
    for number, rows in enumerate(people):
        whose[rows] = number
    row = 24 * joints * len(people)
    step = max(_STEP, found.length * row // 32) // row + 1
    for array in (found.keypoints, found.scores):
        array.setflags(write=True)
    for stop in range(found.length, 0, -step):
        start = max(stop - step, 0)
        first = int(np.searchsorted(found.frames, start))
        here = whose[first : len(found.scores)]
        for number, track in enumerate(tracks):
            rows = first + np.flatnonzero(here == number)
            places = found.length - 1 - found.frames[rows]  # from the end on: what is there need not be moved to grow
            for target, source, absent in zip(track, (found.keypoints, found.scores), (np.nan, 0.0), strict=True):
                resize(target, found.length - start)
                if len(rows) < stop - start:
                    target[found.length - stop :] = absent
                for at in range(0, len(rows), BLOCK):
                    target[places[at : at + BLOCK]] = source[rows[at : at + BLOCK]]
        resize(found.keypoints, first)
        resize(found.scores, first)
    for track in tracks:
        for array in track:
            _reverse(array)
    return tracks


def resize(array: Floats, rows: int) -> None:
    """Give an array more or fewer rows in place; new ones are zeros. No view of it may be in use."""
    array.resize((rows, *array.shape[1:]), refcheck=False)


def _reverse(array: Floats) -> None:
    """Turn the order of the rows around, in place."""
    count = len(array)
    for at in range(0, count // 2, BLOCK):
        size = min(BLOCK, count // 2 - at)
        front, back = array[at : at + size], array[count - at - size : count - at]
        kept = front[::-1].copy()
        front[:] = back[::-1]
        back[:] = kept
