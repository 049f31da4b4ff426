# SPDX-License-Identifier: GPL-3.0-or-later
"""From any layout to the canonical joints: which keypoints each joint is taken or derived from.

One table serves all layouts, for they share a vocabulary: a rule counts where the layout has all that it needs. What a
detector lacks stays masked: nothing is invented.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import SkeletonError
from ..skeleton import HUMAN17, HUMAN26, Skeleton
from ..track import KeypointTrack
from .names import suggested_mapping
from .tables import LAYOUTS

Rule = Mapping[str, float]
"""Shares of source joints, which add up to 1."""

FEWEST = 4
"""Canonical joints; a body cannot be told from fewer."""


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
_TOP = _mean("head_top")
_AS_THEY_ARE = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "ear", "heel")

# Motion capture with ears and crown (88,000 frames of CMU's; medians): the middle of the shoulders lies 6 cm below the base
# of the neck, which is 1/4 of the way from there to the ears (1.0 cm off) or 1/5 to the crown (1.2 cm); the head joint is
# 3/4 of the way to the ears (1.3 cm; the ears lie 4.5 cm above it) or 0.6 to the crown (2.3 cm). The nose tells neither
# (3 and 8 cm). The upper neck of BODY_25B and MPII was measured at the same quarter (real footage, 100 frames: 0.25).
# A chest, half way from hips to shoulders, is 4 cm from the middle of the back and no substitute for it: spines stay masked.
RULES: dict[str, tuple[Rule, ...]] = {
    "pelvis": (_mean("pelvis"), _mean("mid_hip"), _mean("l_hip", "r_hip")),
    "spine": (_mean("spine"),),
    "neck_base": (
        _mean("neck_base"),
        _mean("upper_neck"),
        *_between(0.25, _mean("neck")),
        *_between(0.25, _SHOULDERS),
        _mix(0.2, _TOP, _mean("neck")),
        _mix(0.2, _TOP, _SHOULDERS),
        _mean("neck"),
        _SHOULDERS,
    ),
    "head_joint": (
        _mean("head_joint"),
        *_between(0.75, _SHOULDERS),
        _mix(0.6, _TOP, _SHOULDERS),
        _mix(0.6, _TOP, _mean("neck")),
    ),
    "head_top": (_TOP,),
    "nose": (_mean("nose"),),
} | {
    joint: rules
    for s in "lr"
    for joint, rules in {
        **{
            f"{s}_{part}": (_mean(f"{s}_{part}"),)
            for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "ear", "heel")
        },
        # The front of the foot: between the tips of the big and the small toe.
        f"{s}_toe": (
            _mean(f"{s}_toe"),
            _mean(f"{s}_big_toe", f"{s}_small_toe"),
            _mean(f"{s}_foot_index"),
            _mean(f"{s}_big_toe"),
        ),
        # The knuckles' middle.
        f"{s}_hand": (_mean(f"{s}_hand"), _mean(f"{s}_hand_middle_1"), _mean(f"{s}_index", f"{s}_pinky")),
    }.items()
}
"""HUMAN26 joint -> rules, best first: per frame, the first whose sources are all seen counts."""


def rules_for(layout: Skeleton) -> dict[str, tuple[Rule, ...]]:
    """Return the rules that a layout's joints can serve, by canonical joint; joints that none serves are left out."""
    there = set(layout.joint_names)
    possible = {joint: tuple(rule for rule in rules if rule.keys() <= there) for joint, rules in RULES.items()}
    return {joint: rules for joint, rules in possible.items() if rules}


MAPPINGS: dict[str, dict[str, tuple[Rule, ...]]] = {
    name: rules_for(layout) for name, layout in LAYOUTS.items() if layout not in (HUMAN17, HUMAN26)
}
"""Layout name -> its rules."""


def to_canonical(track: KeypointTrack, skeleton: Skeleton = HUMAN17) -> KeypointTrack:
    """Map a track onto the joints of the canonical skeleton.

    A derived joint is the weighted mean of its sources, its score the smallest of theirs; it is missing where no rule
    has all its sources. Canonical joints without a rule stay masked. The track's notes say what came from what.
    A track with the same joint names passes through (reordered); where one's names are all in the other, they are
    matched by name. Raises `SkeletonError`, naming the layout, where too little of a body can be found in it.
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
    if ours > set(HUMAN26.joint_names) or not ours <= set(HUMAN26.joint_names):
        raise SkeletonError(
            f"the keypoint layout '{source.name}' has no mapping to the skeleton '{target.name}', whose joints are "
            f"{_listed(target.joint_names)}."
        )
    found = {joint: rules for joint, rules in _by_meaning(source).items() if joint in ours}
    if len(found) < FEWEST:
        raise SkeletonError(
            f"of the keypoint layout '{source.name}' ({_listed(source.joint_names)}) only {_listed(found) or 'nothing'} is "
            f"known of a human body; say what the keypoints are (a layout of your own), or name one of {', '.join(LAYOUTS)}."
        )
    return found


def _by_meaning(source: Skeleton) -> dict[str, tuple[Rule, ...]]:
    """Return a layout's rules, in its own joint names; those of a layout of the user's go by what its names mean."""
    if source.name in MAPPINGS and source == LAYOUTS[source.name]:
        return MAPPINGS[source.name]
    meant = suggested_mapping(source.joint_names)
    own = {joint: name for name, joint in meant.items()}
    return {
        joint: rules
        for joint, alternatives in RULES.items()
        if (rules := tuple({own[j]: share for j, share in rule.items()} for rule in alternatives if rule.keys() <= own.keys()))
    }


def _listed(names: object) -> str:
    every = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(every[:12]) + (f" and {len(every) - 12} more" if len(every) > 12 else "")


def _notes(source: Skeleton, target: Skeleton, rules: Mapping[str, tuple[Rule, ...]]) -> list[str]:
    derived = [f"{joint} from {', '.join(best[0])}" for joint, best in rules.items() if list(best[0]) != [joint] and best]
    absent = [joint for joint in target.joint_names if joint not in rules]
    notes = [f"joints derived: {'; '.join(derived)}."] if derived else []
    return notes + ([f"layout {source.name} has no {', '.join(absent)}: left masked."] if absent else [])
