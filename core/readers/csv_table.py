# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain tables with a header: wide (a row per frame, columns per joint) or long (a row per joint and frame).

Wide: `nose_x, nose_y, nose_score, …` in any spelling (`nose.x`, `x_nose`, `x0`), with columns for frame, time and person where
there are any. Long: `frame, joint, x, y, score, person, time` in any order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReadError
from .parsing import FRAME_KEYS, TIME_KEYS, frame_of, identity, set_times
from .reading import Floats, Reading, Request
from .source import Source
from .table import Lines, numbers_of, separator_of, split_lines

_SCORES = ("score", "likelihood", "confidence", "conf", "visibility", "vis", "prob", "probability", "p", "c", "v", "s")
_AXES = {"x": 0, "y": 1} | dict.fromkeys(_SCORES, 2)
_BEHIND = re.compile(rf"^(.*?)[_. :-]*(?<![a-z])(x|y|z|{'|'.join(_SCORES)})$", re.I)
_BEFORE = re.compile(rf"^(x|y|z|{'|'.join(_SCORES)})(?:[_. :-]+(.+)|([0-9]{{1,3}}))$", re.I)
_CAMEL = re.compile(r"^(.*[a-z0-9])(X|Y|Z|Score|Confidence|Likelihood)$")
_JOINTS = (
    "joint",
    "joint_name",
    "keypoint",
    "keypoint_name",
    "bodypart",
    "body_part",
    "part",
    "landmark",
    "marker",
    "node",
    "name",
)
_PEOPLE = ("person", "person_id", "personid", "people", "subject", "individual", "track_id", "trackid", "track", "idx", "id")
_FRAMES = tuple(dict.fromkeys((*(key.lower() for key in FRAME_KEYS), "frames", "image", "img", "index", "frame#")))
_LEAST = 3
"""Joints that a header must name."""


@dataclass(frozen=True)
class _Header:
    """What the columns are: (joint, axis) -> column, and the columns of frame, time, person and (long) joint."""

    names: list[str]
    joints: dict[tuple[str, int], int]
    frame: int | None
    time: tuple[int, float] | None
    person: int | None
    joint: int | None


def recognise(source: Source) -> bool:
    """Tell whether a text's first line is a header that names joints, or the columns of a long table."""
    if source.is_folder or source.is_json or source.is_zip or source.is_hdf5 or "\0" in source.text[:1000]:
        return False
    header = _header(source.text)
    return header is not None


def read(path: Path, request: Request) -> Reading:
    """Read a table of either kind. Raises `ReadError` with the line and column at fault."""
    text = Source(path).text
    header, separator = _header(text), separator_of(text)
    if header is None:
        raise ReadError("its first line names no joints (such as nose_x, nose_y, …) and no columns frame, joint, x, y.", path)
    lines = Lines(path, separator, _header_line(path, separator))
    request.advance(0.1)
    return _read_wide(lines, header) if header.joint is None else _read_long(lines, header)


def _header(text: str) -> _Header | None:
    separator = separator_of(text)
    first = next((line for line in text.splitlines() if line.strip()), "")
    names = [name.strip().strip('"').strip() for name in first.split(separator)]
    if len(names) < _LEAST:
        return None
    lower = [re.sub(r"[\s-]+", "_", name.lower()) for name in names]

    def column(known: Sequence[str]) -> int | None:
        return next((lower.index(name) for name in known if name in lower), None)

    frame, person = column(_FRAMES), column(_PEOPLE)
    clocks = ((column((key.lower(),)), unit) for key, unit in TIME_KEYS.items())
    time = next(((at, unit) for at, unit in clocks if at is not None), None)
    joint = column(_JOINTS)
    if joint is not None and "x" in lower and "y" in lower:
        score = column(_SCORES)
        axes = {("", 0): lower.index("x"), ("", 1): lower.index("y")} | ({("", 2): score} if score is not None else {})
        return _Header(names, axes, frame, time, person if person != joint else None, joint)
    joints: dict[tuple[str, int], int] = {}
    for at, name in enumerate(names):
        part = _part(name)
        if part is not None and part[1] < 3:
            joints.setdefault(part, at)
    whole = [name for name in dict.fromkeys(name for name, _ in joints) if {(name, 0), (name, 1)} <= joints.keys()]
    joints = {key: at for key, at in joints.items() if key[0] in whole}
    return _Header(names, joints, frame, time, person, None) if len(whole) >= _LEAST else None


def _part(name: str) -> tuple[str, int] | None:
    """Return the joint and the axis that a column's name says: 0 x, 1 y, 2 score, 3 what is not needed (z)."""
    match = _BEFORE.match(name)
    if match:
        return (match[2] or match[3]), _AXES.get(match[1].lower(), 3)
    match = _BEHIND.match(name) or _CAMEL.match(name)
    return (match[1], _AXES.get(match[2].lower(), 3)) if match and match[1] else None


def _header_line(path: Path, separator: str) -> int:
    """Return the number of the first line that is not blank."""
    return next((number for number, cells in split_lines(path, separator) if any(cells)), 1)


def _read_wide(lines: Lines, header: _Header) -> Reading:
    joints = list(dict.fromkeys(joint for joint, _ in header.joints))
    columns = [header.joints.get((joint, axis), -1) for joint in joints for axis in range(3)]
    wanted = [at for at in columns if at >= 0]
    texts = [at for at in (header.frame, header.person, header.time[0] if header.time else None) if at is not None]
    values, words = numbers_of(lines, header.names, wanted, texts)
    rest = iter(words)
    frames = _frames(next(rest), lines) if header.frame is not None else list(range(len(values)))
    people = [identity(word) for word in next(rest)] if header.person is not None else None
    data = np.ones((len(values), 3 * len(joints)))
    data[:, [n for n, at in enumerate(columns) if at >= 0]] = values
    data = data.reshape(len(values), len(joints), 3)
    found = _reading(data, frames, people, joints, any(axis == 2 for _, axis in header.joints))
    if header.time is not None:
        _set_times(found, frames, next(rest), header.time[1])
    return found


def _read_long(lines: Lines, header: _Header) -> Reading:
    assert header.joint is not None
    axes = [header.joints[key] for key in (("", 0), ("", 1), ("", 2)) if key in header.joints]
    texts = [
        at for at in (header.joint, header.frame, header.person, header.time[0] if header.time else None) if at is not None
    ]
    values, words = numbers_of(lines, header.names, axes, texts)
    rest = iter(words)
    named = next(rest)
    joints = list(dict.fromkeys(named))
    if len(joints) > 1000 or "" in joints:
        raise ReadError(f"names {len(joints)} joints, the empty name included or not; no body has as many.", lines.path)
    number = {joint: n for n, joint in enumerate(joints)}
    which = np.array([number[joint] for joint in named])
    # Without a column for the frame, a frame begins where its first joint comes again.
    frames = _frames(next(rest), lines) if header.frame is not None else (np.cumsum(which == which[0]) - 1).tolist()
    people = [identity(word) or "" for word in next(rest)] if header.person is not None else [""] * len(frames)
    keys = list(dict.fromkeys(zip(frames, people, strict=True)))
    row = {key: n for n, key in enumerate(keys)}
    where = np.array([row[key] for key in zip(frames, people, strict=True)])
    data = np.full((len(keys), len(joints), 3), np.nan)
    data[..., 2] = 0.0
    data[where, which, :2] = values[:, :2]
    data[where, which, 2] = values[:, 2] if values.shape[1] > 2 else 1.0
    who = [person for _, person in keys] if header.person is not None else None
    found = _reading(data, [frame for frame, _ in keys], who, joints, values.shape[1] > 2)
    if header.time is not None:
        clock = dict(zip(frames, next(rest), strict=True))
        _set_times(found, [frame for frame, _ in keys], [clock[frame] for frame, _ in keys], header.time[1])
    return found


def _reading(data: Floats, frames: list[int], people: Sequence[str | None] | None, joints: list[str], scored: bool) -> Reading:
    numbered = all(re.fullmatch(r"(?:kp|keypoint|joint|point|lm|landmark|p)?_?[0-9]{1,3}", joint, re.I) for joint in joints)
    tracked = [person for person in people or () if person]
    return Reading(
        data[..., :2],
        data[..., 2],
        frames,
        sorted(set(frames)),
        identities=tracked if people and len(tracked) == len(people) else None,
        joint_names=None if numbered else joints,
        notes=[] if scored else ["the table has no scores: every keypoint counts fully."],
    )


def _frames(words: Sequence[str], lines: Lines) -> list[int]:
    out = []
    for number, word in enumerate(words):
        try:
            out.append(int(word))
        except ValueError:
            place = f"row {number + 1}"
            try:
                out.append(frame_of(float(word), lines.path, place, "frame"))
            except ValueError:
                out.append(frame_of(word, lines.path, place, "frame"))
    if min(out) < 0 or max(out) >= 10**15:
        raise ReadError("frame numbers are negative, or none.", lines.path)
    return out


def _set_times(found: Reading, frames: list[int], words: Sequence[str], unit: float) -> None:
    first: dict[int, str] = {}
    for frame, word in zip(frames, words, strict=True):
        first.setdefault(frame, word)
    try:
        set_times(found, [(float(first[frame]), unit) for frame in sorted(first)])
    except ValueError:
        found.notes.append("times that are no numbers, left out.")
