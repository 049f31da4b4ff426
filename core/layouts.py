# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors' keypoint layouts, and the tables that map each of them to the canonical joints.

A layout is a `Skeleton`; its mapping says, for each canonical joint, from which keypoints and with which shares it is
derived. What a detector lacks stays masked: nothing is invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from .errors import SkeletonError
from .skeleton import HUMAN17, Skeleton, tree
from .track import KeypointTrack

Rule = Mapping[str, float]
"""Shares of source joints, which add up to 1."""

_PAIRED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "big_toe", "small_toe", "heel")
# Parents that all layouts share; "~" stands for the joint's own side.
_PARENTS: dict[str, str | None] = {"eye": "nose", "ear": "~eye", "elbow": "~shoulder", "wrist": "~elbow", "knee": "~hip"}
_PARENTS |= {"ankle": "~knee", "big_toe": "~ankle", "small_toe": "~big_toe", "heel": "~ankle"}


def _layout(name: str, order: str, centre: Mapping[str, str | None]) -> Skeleton:
    """Make a layout from its joints in order, and the parents (by part, without a side) that are its own."""
    parents = _PARENTS | dict(centre)
    joints, rows = order.split(), []
    for joint in joints:
        side, part = (joint[:2], joint[2:]) if joint[:2] in ("l_", "r_") else ("", joint)
        parent = parents[part]
        rows.append((joint, parent.replace("~", side) if parent else None))
    pairs = [(f"l_{part}", f"r_{part}") for part in _PAIRED if f"l_{part}" in joints]
    return tree(name, rows, pairs)


_FEET = "l_big_toe l_small_toe l_heel r_big_toe r_small_toe r_heel"
_COCO = (
    "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle"
)
_ARMS = "nose neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist"

BODY_25 = _layout(
    "body_25",
    f"{_ARMS} mid_hip r_hip r_knee r_ankle l_hip l_knee l_ankle r_eye l_eye r_ear l_ear {_FEET}",
    {"mid_hip": None, "neck": "mid_hip", "nose": "neck", "shoulder": "neck", "hip": "mid_hip"},
)
"""OpenPose's default model (its documentation, "output": pose output format BODY_25)."""

BODY_25B = _layout(
    "body_25b",
    f"{_COCO} upper_neck head_top {_FEET}",
    {"upper_neck": None, "head_top": "upper_neck", "nose": "upper_neck", "shoulder": "upper_neck", "hip": "~shoulder"},
)
"""OpenPose's experimental model: as many keypoints as BODY_25, in another order and with other head points."""

COCO_18 = _layout(
    "coco_18",
    f"{_ARMS} r_hip r_knee r_ankle l_hip l_knee l_ankle r_eye l_eye r_ear l_ear",
    {"neck": None, "nose": "neck", "shoulder": "neck", "hip": "neck"},
)
"""OpenPose's COCO model."""

COCO_17 = _layout("coco_17", _COCO, {"nose": None, "shoulder": "nose", "hip": "~shoulder"})
"""The COCO keypoint challenge's order, which most detectors write."""

LAYOUTS: dict[str, Skeleton] = {s.name: s for s in (BODY_25, BODY_25B, COCO_18, COCO_17, HUMAN17)}
"""Known layouts by their names on the command line."""


def _mean(*joints: str) -> Rule:
    return {joint: 1 / len(joints) for joint in joints}


def _mix(share: float, first: Rule, second: Rule) -> Rule:
    """Return the point that lies `share` of the way from `second` to `first`."""
    return {j: share * first.get(j, 0) + (1 - share) * second.get(j, 0) for j in {**first, **second}}


def _between(share: float, below: Rule) -> tuple[Rule, ...]:
    """Return the point at `share` of the way from `below` to the ears; one ear will do where the other is hidden.

    A hidden ear means a head seen from its side, so the half head's width between the ears is then along the view.
    """
    return tuple(_mix(share, ears, below) for ears in (_mean("l_ear", "r_ear"), _mean("l_ear"), _mean("r_ear")))


_SHOULDERS = _mean("l_shoulder", "r_shoulder")
_HIPS = _mean("l_hip", "r_hip")
# Detectors' "neck" is the middle between the shoulders, which lies 4 to 6 cm below the base of the neck, and the ears lie
# 4.5 cm above the head joint. Motion capture with ears (97,000 frames of CMU's) puts the base of the neck at 1/4 and the
# head joint at 3/4 of the way from the shoulders to the ears: median error 2 and 1.5 cm, against 5 and 4.5 cm without.
_HEAD = _between(0.75, _SHOULDERS)
_LIMBS = {f"{s}_{p}": (_mean(f"{s}_{p}"),) for s in "lr" for p in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")}

MAPPINGS: dict[str, dict[str, tuple[Rule, ...]]] = {
    "body_25": _LIMBS
    | {
        "pelvis": (_mean("mid_hip"), _HIPS),
        "neck_base": (*_between(0.25, _mean("neck")), _mean("neck"), _SHOULDERS),
        "head_joint": _HEAD,
    },
    # The upper neck of BODY_25B was measured at the same quarter of the way (real footage, 100 frames: 0.25).
    "body_25b": _LIMBS
    | {"pelvis": (_HIPS,), "neck_base": (_mean("upper_neck"),), "head_joint": _HEAD, "head_top": (_mean("head_top"),)},
    "coco_18": _LIMBS
    | {
        "pelvis": (_HIPS,),
        "neck_base": (*_between(0.25, _mean("neck")), _mean("neck"), _SHOULDERS),
        "head_joint": _HEAD,
    },
    "coco_17": _LIMBS | {"pelvis": (_HIPS,), "neck_base": (*_between(0.25, _SHOULDERS), _SHOULDERS), "head_joint": _HEAD},
}
"""Layout name -> HUMAN17 joint -> rules, best first: per frame, the first whose sources are all seen counts."""


def to_canonical(track: KeypointTrack, skeleton: Skeleton = HUMAN17) -> KeypointTrack:
    """Map a track onto the joints of the canonical skeleton.

    A derived joint is the weighted mean of its sources, its score the smallest of theirs; it is missing where no rule
    has all its sources. Canonical joints without a rule stay masked. The track's notes say what came from what.
    A track with the same joint names passes through (reordered); where one's names are all in the other, they are
    matched by name. Raises `SkeletonError`, naming the layout, where no mapping exists.
    """
    source = track.skeleton
    if source.joint_names == skeleton.joint_names:
        return track if source == skeleton else track.replace(skeleton=skeleton)
    rules = _rules(source, skeleton)
    keypoints = np.full((len(track), len(skeleton), 2), np.nan)
    scores = np.zeros((len(track), len(skeleton)))
    for joint, alternatives in rules.items():
        j = skeleton.index(joint)
        for rule in alternatives:
            sources, shares = [source.index(name) for name in rule], np.array(list(rule.values()))
            score = track.scores[:, sources].min(1)
            use = (scores[:, j] == 0) & (score > 0)
            keypoints[use, j] = np.einsum("tsc,s->tc", track.keypoints[np.ix_(use, sources)], shares)
            scores[use, j] = score[use]
    return track.replace(
        keypoints=keypoints, scores=scores, skeleton=skeleton, notes=(*track.notes, *_notes(source, skeleton, rules))
    )


def _rules(source: Skeleton, target: Skeleton) -> Mapping[str, tuple[Rule, ...]]:
    ours, theirs = set(target.joint_names), set(source.joint_names)
    if ours <= theirs or theirs <= ours:
        return {joint: ({joint: 1.0},) for joint in target.joint_names if joint in theirs}
    if target.joint_names == HUMAN17.joint_names and source.name in MAPPINGS:
        return MAPPINGS[source.name]
    known = ", ".join(MAPPINGS)
    raise SkeletonError(
        f"the keypoint layout '{source.name}' has no mapping to the skeleton '{target.name}'; known layouts: {known}."
    )


def _notes(source: Skeleton, target: Skeleton, rules: Mapping[str, tuple[Rule, ...]]) -> list[str]:
    derived = [f"{joint} from {', '.join(best[0])}" for joint, best in rules.items() if list(best[0]) != [joint] and best]
    absent = [joint for joint in target.joint_names if joint not in rules]
    notes = [f"joints derived: {'; '.join(derived)}."] if derived else []
    return notes + ([f"layout {source.name} has no {', '.join(absent)}: left masked."] if absent else [])


def plain_name(name: str) -> str:
    """Return a joint name in the spelling used here: `LShoulder`, `left_shoulder`, `Left Shoulder` -> `l_shoulder`."""
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3_\2", name.strip())
    words = re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_")
    words = re.sub(r"^(left|right)_?(?=.)", lambda m: f"{m[1][0]}_", words)
    return re.sub(r"^(.+)_(left|right|l|r)$", lambda m: f"{m[2][0]}_{m[1]}", words)


def find_layout(names: Iterable[str]) -> Skeleton | None:
    """Return the known layout that has exactly these joint names, in any order and spelling; None where there is none."""
    wanted = {plain_name(name) for name in names}
    return next((layout for layout in LAYOUTS.values() if set(layout.joint_names) == wanted), None)
