# SPDX-License-Identifier: GPL-3.0-or-later
"""What the columns of a keypoint table are called: joints with their axes, frames, people and times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .parsing import FRAME_KEYS, TIME_KEYS

SCORES = (
    "score", "scores", "likelihood", "confidence", "conf", "visibility", "visible", "vis", "v", "c", "s", "p", "prob",
    "probability", "certainty", "presence", "keypoint_score", "point_score",
)  # fmt: skip
"""What a keypoint's score is called; of several, the first counts."""
PEOPLE = (
    "person", "person_id", "personid", "person_index", "track_id", "trackid", "track", "individual", "individuals", "subject",
    "subject_id", "identity", "instance", "instance_id", "actor", "player", "player_id", "animal", "pose_id", "pose_index",
    "object_id", "obj_id", "idx", "id",
)  # fmt: skip
"""What the column of people is called, the surest first."""
JOINTS = (
    "joint", "joint_name", "jointname", "bodypart", "body_part", "bodyparts", "keypoint", "keypoint_name", "kpt", "kp",
    "landmark", "landmark_name", "part", "part_name", "marker", "node", "node_name", "point", "point_name", "label",
    "joint_id", "keypoint_id", "landmark_id", "joint_index", "keypoint_index", "landmark_index", "name",
)  # fmt: skip
"""What the column of joints is called where every row is one keypoint."""
FRAMES = (*dict.fromkeys(key.lower() for key in FRAME_KEYS), "frames", "frame#", "framenum", "framenumber", "image")
TIMES = {key.lower(): unit for key, unit in TIME_KEYS.items()}
TIMES |= {"ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "time_msec": 1e-3, "timestamp_ns": 1e-9, "time_us": 1e-6, "sec": 1.0}
TIMES |= {"time_seconds": 1.0, "timestamp_seconds": 1.0, "time_in_seconds": 1.0, "secs": 1.0, "times": 0.0, "timestamps": 0.0}

X, Y, SCORE = 0, 1, 2
_AXES = {"x": X, "y": Y} | dict.fromkeys(SCORES, SCORE)
_WORD = "|".join(sorted(_AXES, key=len, reverse=True))
_UNIT = r"(?:[ _.]?[\[(]?(?:px|pixels?)[\])]?)?"
_LAST = re.compile(rf"(.*?)(?:[ _.\-:/|]+|(?<=[0-9])|(?=[\[(]))[\[(]?({_WORD})[\])]?{_UNIT}", re.I)
_CAMEL = re.compile(rf"(.*[a-z0-9])([XY]|Score|Likelihood|Confidence|Visibility){_UNIT}")
_FIRST = re.compile(rf"({_WORD})[ _.\-:/|]+(.+?){_UNIT}", re.I)
_COUNTED = re.compile(rf"({_WORD})_?([0-9]{{1,4}})", re.I)
_NUMBER = re.compile(
    r"(?:key_?points?|kpts?|kp|landmarks?|lm|joints?|points?|markers?|nodes?|pose|j|p)?[ _.\-]?([0-9]{1,4})", re.I
)


def plain(name: str) -> str:
    """Return a column's name in lower case with single underscores: `Time (ms)` -> `time_ms`."""
    return re.sub(r"[^0-9a-z#]+", "_", name.lower()).strip("_")


def find(names: Sequence[str], wanted: Iterable[str]) -> int | None:
    """Return the first column that is called one of the names wanted, in their order, whatever the case."""
    there = {plain(name): column for column, name in reversed(list(enumerate(names)))}
    return next((there[name] for name in wanted if name in there), None)


def clock(names: Sequence[str]) -> tuple[int, float] | None:
    """Return the column of the times and their unit in seconds (0: told by the steps)."""
    column = find(names, TIMES)
    return None if column is None else (column, TIMES[plain(names[column])])


def joint_columns(names: Sequence[str]) -> dict[str, list[int | None]]:
    """Return the columns [x, y, score] of each joint that has both x and y; of scores, None where there is none.

    Names are a joint and an axis in either order: `nose_x`, `nose.x`, `noseX`, `nose (x)`, `x_nose`, `x0`, `0_x`.
    """
    found: dict[str, list[int | None]] = {}
    ranks: dict[str, int] = {}
    for column, name in enumerate(names):
        part = _part(name)
        if part is None:
            continue
        joint, word = part
        axis, columns = _AXES[word], found.setdefault(joint, [None, None, None])
        rank = SCORES.index(word) if axis == SCORE else 0
        if columns[axis] is None or (axis == SCORE and rank < ranks[joint]):
            columns[axis] = column
            if axis == SCORE:
                ranks[joint] = rank
    return {joint: columns for joint, columns in found.items() if columns[X] is not None and columns[Y] is not None}


def _part(name: str) -> tuple[str, str] | None:
    """Return the joint and the axis that a column's name says."""
    if len(name) > 200:
        return None
    if match := _COUNTED.fullmatch(name) or _FIRST.fullmatch(name):
        first = match[2], match[1].lower()
        if first[1] in ("x", "y") or not _LAST.fullmatch(name):
            return first
    for pattern in (_LAST, _CAMEL):
        if (match := pattern.fullmatch(name)) and any(map(str.isalnum, match[1])):
            return match[1].strip(" _.-:/|"), match[2].lower()
    return None


def numbered(joints: Iterable[str]) -> list[int] | None:
    """Return the joints' numbers where all are called by one (`0`, `kp_3`, `landmark 12`); None otherwise."""
    matches = [_NUMBER.fullmatch(joint) for joint in joints]
    return [int(match[1]) for match in matches if match] if matches and all(matches) else None
