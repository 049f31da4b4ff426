# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint names as people write them, and which of the joints known here they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ..skeleton import Skeleton
from .tables import LAYOUTS

# What people call joints, in the spelling of `plain_name` without a side; the first that a layout has counts.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "hand": ("wrist",), "palm": ("wrist",), "foot": ("ankle",), "toe": ("big_toe",), "toes": ("big_toe",),
    "bigtoe": ("big_toe",), "smalltoe": ("small_toe",), "little_toe": ("small_toe",), "toe_base": ("big_toe",),
    "toe_tip": ("big_toe",),
    "foot_tip": ("foot_index",), "upper_leg": ("hip",), "up_leg": ("hip",), "thigh": ("hip",), "shin": ("knee",),
    "lower_leg": ("knee",), "leg": ("knee",), "calf": ("knee",), "upper_arm": ("shoulder",), "arm": ("shoulder",),
    "forearm": ("elbow",), "fore_arm": ("elbow",), "lower_arm": ("elbow",), "pelvis": ("pelvis", "mid_hip"),
    "hips": ("pelvis", "mid_hip"), "root": ("pelvis", "mid_hip"), "hip": ("pelvis", "mid_hip"), "midhip": ("mid_hip", "pelvis"),
    "hip_centre": ("mid_hip", "pelvis"), "hip_center": ("mid_hip", "pelvis"), "mid_hip": ("mid_hip", "pelvis"),
    "centre_hip": ("mid_hip", "pelvis"), "center_hip": ("mid_hip", "pelvis"), "thorax": ("neck",), "mid_shoulder": ("neck",),
    "shoulder_centre": ("neck",), "shoulder_center": ("neck",), "neck": ("neck", "neck_base"),
    "neck_base": ("neck_base", "neck"),
    "upper_neck": ("upper_neck", "neck_base"), "head": ("head_top",), "top_of_head": ("head_top",), "headtop": ("head_top",),
    "vertex": ("head_top",), "crown": ("head_top",), "torso": ("chest",),
    "belly": ("spine",), "mid_back": ("spine",), "snout": ("nose",), "mid_eye": ("nose",),
}  # fmt: skip


def plain_name(name: str) -> str:
    """Return a joint name in the spelling used here.

    `LShoulder`, `left_shoulder`, `Left Shoulder`, `shoulder.L`, `lShoulder`, `shoulderLeft` -> `l_shoulder`.
    """
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3_\2", name.strip())
    words = re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_")
    words = re.sub(r"^(left|right)_?(?=.)", lambda m: f"{m[1][0]}_", words)
    return re.sub(r"^(.+)_(left|right|l|r)$", lambda m: f"{m[2][0]}_{m[1]}", words)


def meanings(name: str) -> tuple[str, ...]:
    """Return the known joints that a name may mean, the likeliest first; none where it means no joint."""
    return _meanings(name) if len(name) <= 100 else ()


@lru_cache(maxsize=4096)
def _meanings(name: str) -> tuple[str, ...]:
    plain = plain_name(name)
    side, part = (plain[:2], plain[2:]) if plain[:2] in ("l_", "r_") else ("", plain)
    # A hip with a side is a hip, one without is the middle of both.
    others = () if side and part == "hip" else _SYNONYMS.get(part, ())
    meant = (plain, *(f"{side}{other}" for other in others))
    return tuple(dict.fromkeys(joint for joint in meant if joint in _KNOWN))


_KNOWN = frozenset(joint for layout in LAYOUTS.values() for joint in layout.joint_names)


def find_layout(names: Iterable[str]) -> Skeleton | None:
    """Return the known layout that has exactly these joint names, in any order and spelling; None where there is none."""
    wanted = {plain_name(name) for name in names}
    return next((layout for layout in LAYOUTS.values() if set(layout.joint_names) == wanted), None)


def suggested_mapping(names: Iterable[str]) -> dict[str, str]:
    """Return what names mean by themselves: name -> known joint, for those that mean one; no joint twice."""
    out: dict[str, str] = {}
    given = list(names)
    exact = {plain_name(name) for name in given}
    for name in given:
        meant = meanings(name)
        if meant and meant[0] in ("l_hand", "r_hand") and f"{meant[0][:2]}wrist" not in exact:
            meant = meant[1:]  # who has no wrist calls it the hand
        free = [j for j in meant if j not in out.values() and (j == plain_name(name) or j not in exact)]
        if free:
            out[name] = free[0]
    return out
