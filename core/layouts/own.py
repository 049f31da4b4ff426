# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout of the user's own: a small JSON that says which joint each of a detector's names stands for.

{"name": "my dog", "joints": {"their name": "a known joint's name", …}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import OutputError, ReadError, TrackError
from ..json_file import read_json
from ..output import written_aside
from ..track import KeypointTrack
from .names import meanings

MOST = 1000
"""Names in a layout; a file with more is something else."""


@dataclass(frozen=True)
class OwnLayout:
    """A mapping by its name. joints: a detector's names -> known joints."""

    name: str
    joints: dict[str, str]


def read_layout(path: Path) -> OwnLayout:
    """Read a layout's JSON. Raises `ReadError` naming file and place where it is none, or a joint is unknown."""
    data = read_json(path)
    joints = data.get("joints") if isinstance(data, dict) else None
    if not isinstance(joints, dict) or not joints:
        raise ReadError('holds no object "joints" of names and the joints that they stand for.', path)
    if len(joints) > MOST:
        raise ReadError(f"has {len(joints)} names; no layout is that large.", path, "joints")
    for name, joint in joints.items():
        if not isinstance(joint, str) or not meanings(joint):
            raise ReadError(f"{str(joint)[:40]!r} is no joint that is known here (such as l_wrist or nose).", path, name[:40])
    twice = sorted(joint for joint in set(joints.values()) if list(joints.values()).count(joint) > 1)
    if twice:
        raise ReadError(f"several names stand for '{twice[0]}'; only one can.", path, "joints")
    return OwnLayout(str(data.get("name", path.stem))[:100], {str(name): meanings(joint)[0] for name, joint in joints.items()})


def write_layout(path: Path, name: str, joints: Mapping[str, str]) -> None:
    """Write a layout's JSON, whole or not at all. Raises `OutputError`."""
    if not joints:
        raise OutputError(f"{path}: no name stands for a joint, so there is nothing to save.")
    with written_aside(path) as aside:
        aside.write_text(json.dumps({"name": name, "joints": dict(joints)}, indent=1, ensure_ascii=False), encoding="utf-8")


def apply_joint_map(track: KeypointTrack, joints: Mapping[str, str]) -> KeypointTrack:
    """Return a track whose keypoints are called what the mapping says; what it does not name is called nothing known.

    joints: the track's names -> known joints, or "" for none. Raises `TrackError` where it names none of the track's.
    """
    names = track.skeleton.joint_names
    if not any(joints.get(name) for name in names):
        raise TrackError(f"{track.label}: the mapping names none of its keypoints ({', '.join(names[:8])} …).")
    wanted = [joints.get(name, "") for name in names]
    twice = next((joint for joint in wanted if joint and wanted.count(joint) > 1), None)
    if twice:
        raise TrackError(f"{track.label}: several keypoints are mapped to '{twice}'; only one can be it.")
    renamed = tuple(joint or f"unused {number}" for number, joint in enumerate(wanted))
    pairs = tuple((n, f"r_{n[2:]}") for n in renamed if n.startswith("l_") and f"r_{n[2:]}" in renamed)
    skeleton = replace(
        track.skeleton,
        name="own layout",
        joint_names=renamed,
        mirror_pairs=pairs,
        hinges=(),
        axes=None,
        midpoints=(),
        stature=None,
    )
    return track.replace(skeleton=skeleton)
