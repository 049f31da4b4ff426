# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings as JSON files: written for people to read and edit, read with every mistake named."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ReadError, RigError
from ..json_file import read_json
from ..output import written_aside
from .mapping import BoneMap
from .roles import is_role

KIND = "poselift bone map"
VERSION = 1
LARGEST = 1_000_000
"""Bytes; no mapping is larger."""


def save_map(path: Path, bones: BoneMap) -> None:
    """Write a mapping as JSON, whole or not at all. Raises `OutputError`."""
    data = {"kind": KIND, "version": VERSION, "bones": {role: bones.bones[role] for role in bones.roles}}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_map(path: Path) -> BoneMap:
    """Read a mapping. Raises `ReadError` that names the place where the file is no mapping."""
    data = read_json(path, LARGEST)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ReadError(f"this is no mapping; one has 'kind': '{KIND}'.", path)
    if data.get("version") != VERSION:
        raise ReadError(f"this mapping is of version {data.get('version')!r}; Poselift reads version {VERSION}.", path)
    bones = data.get("bones")
    if not isinstance(bones, dict) or not bones:
        raise ReadError("give a table of roles and bone names.", path, "bones")
    for role, bone in bones.items():
        if not is_role(role):
            raise ReadError(
                "this is no role of a body; roles are hips, spine.1, upper_arm.L and the like.", path, f"bones, '{role}'"
            )
        if not isinstance(bone, str) or not bone:
            raise ReadError("give a bone's name.", path, f"bones, '{role}'")
    try:
        return BoneMap(bones, "preset")
    except RigError as error:
        raise ReadError(str(error), path, "bones") from error
