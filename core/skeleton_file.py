# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons as JSON files, so that any creature can be trained: what `Skeleton.to_dict` returns."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import ReadError, SkeletonError
from .skeleton import Skeleton

_LISTS = ("joint_names", "parents", "mirror_pairs", "hinges", "midpoints")


def read_skeleton(path: Path) -> Skeleton:
    """Read a skeleton's JSON file.

    An object with `name`, `joint_names` and `parents` (each joint's parent as an index into the names, -1 for the root);
    optional: `mirror_pairs` ([left, right]), `hinges` ([joint, before, after, sign, weight]), `axes` ([down, up,
    [[right, left], …], "front" where the spine lies level]), `midpoints` ([joint, left, right]), `stature` ([joints, factor,
    feet, foot height, usual height]), `rest` ([x, y, z] per joint); `skeleton.py` says what they mean. Raises `ReadError`
    with the file and the place.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error
    except UnicodeDecodeError as error:
        raise ReadError("is not text in UTF-8, so it is no skeleton in JSON.", path) from error
    except json.JSONDecodeError as error:
        raise ReadError(f"is not JSON: {error.msg}.", path, f"line {error.lineno}, column {error.colno}") from error
    if not isinstance(data, dict):
        raise ReadError("holds no object with joint_names and parents, so it is no skeleton.", path)
    for key in ("name", "joint_names", "parents"):
        if key not in data:
            raise ReadError("is missing; a skeleton needs name, joint_names and parents.", path, key)
    for key in _LISTS:
        if not isinstance(data.get(key, []), list):
            raise ReadError(f"is a {type(data[key]).__name__}, but must be a list.", path, key)
    for row, parent in enumerate(data["parents"]):
        if type(parent) is not int:
            raise ReadError(f"is {parent!r}, but must be the parent's index, or -1.", path, f"parents[{row}]")
    for row, name in enumerate(data["joint_names"]):
        if not isinstance(name, str) or not name:
            raise ReadError(f"is {name!r}, but must be a joint's name.", path, f"joint_names[{row}]")
    if data["parents"].count(-1) != 1:
        raise ReadError(f"has {data['parents'].count(-1)} roots (-1), but a body has one.", path, "parents")
    try:
        return Skeleton.from_dict(data)
    except SkeletonError as error:
        raise ReadError(str(error), path) from error
