# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of a humanoid told by the shape of the rig alone: two legs below a fork, two arms above it, a head on top.

Nothing here reads a name. Heights are along the world's Z. Left is told by where the toes point, and by the world's X
where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from .skeletal import Rig

Array = NDArray[np.float64]

SYMMETRY = 0.06
"""Share of the rig's height by which mirrored bones may miss each other."""
LEGS_ON_TRUNK = -0.7
"""Cosine between trunk and legs at rest, from the hips; people have about -1, animals on four legs about 0."""
SPINE_ON_LEGS = -0.6
"""The same of the spine, from its lowest bone to the neck: a bird's shoulders are above its legs, but its spine lies."""
ARM_OF_LEG = 0.85
"""Usual length of an arm with its hand, as a share of a leg with its foot."""
LEG_OF_LONGEST = 0.6
"""Share of the longest chain that reaches the floor; shorter ones are no legs."""
MIDDLE = 0.03
"""Share of the height within which a bone is on the middle line."""


@dataclass(frozen=True)
class _Limb:
    """A chain of bones from the one that hangs on the fork, and the middle bone that it hangs on."""

    fork: int
    bones: tuple[int, ...]


def map_by_structure(rig: Rig) -> dict[str, str]:
    """Return a humanoid's bones by role. Raises `RigError` with the reason where the rig has no such shape."""
    heads, tails = rig.heads, rig.tails
    height = float(np.ptp(np.concatenate([heads, tails])[:, 2]))
    if height <= 0 or len(rig) < 10:
        raise RigError(f"{rig.label}: it is no humanoid: {len(rig)} bones cannot be two arms, two legs and a spine.")
    reasons = []
    for axis in (0, 1):
        middle = _mirror_plane(heads[:, axis], heads, axis, height)
        try:
            return _named(rig, _roles(rig, axis, middle, height))
        except RigError as error:
            reasons.append(error)
    raise reasons[0]


def _mirror_plane(values: Array, heads: Array, axis: int, height: float) -> float:
    """Return where along an axis the mirror plane stands: the candidate that most bones have a partner across."""
    candidates = {0.0, float(np.median(values)), float(0.5 * (values.min() + values.max())), float(values[0])}

    def partners(plane: float) -> int:
        mirrored = heads.copy()
        mirrored[:, axis] = 2 * plane - mirrored[:, axis]
        distance = np.linalg.norm(heads[:, None] - mirrored[None], axis=-1).min(1)
        return int((distance < SYMMETRY * height).sum())

    return max(sorted(candidates, key=abs), key=partners)


def _roles(rig: Rig, axis: int, plane: float, height: float) -> dict[str, int]:
    heads, tails = rig.heads, rig.tails
    limbs = _mirrored_limbs(rig, axis, plane, height)
    floor = float(np.concatenate([heads, tails])[:, 2].min())
    lowest = [min(float(tails[bone, 2]) for bone in pair[0].bones) for pair in limbs]
    standing = [pair for pair, low in zip(limbs, lowest, strict=True) if low < floor + 0.12 * height]
    if not standing:
        raise RigError(f"{rig.label}: it is no humanoid: no two mirrored chains of bones reach down to its feet.")
    legs = _legs(rig, standing)
    hips = legs[0].fork
    above = [pair for pair in limbs if pair is not legs and _is_below(rig, hips, pair[0].fork)]
    arms_found = [pair for pair in above if _reach(rig, pair[0]) > 0.2 * height]
    if not arms_found:
        raise RigError(f"{rig.label}: it is no humanoid: no two mirrored arms were found above the legs.")
    # What hangs on the hips beside the legs is a skirt or a belt, wherever there is anything else.
    arms_found = [pair for pair in arms_found if pair[0].fork != hips] or arms_found
    arms = max(arms_found, key=lambda pair: _armlike(rig, pair[0], axis, plane, _reach(rig, legs[0])))
    chest = arms[0].fork
    spine = [bone for bone in reversed([chest, *rig.ancestors(chest)]) if hips in rig.ancestors(bone)]
    roles: dict[str, int] = {"hips": hips}
    roles |= {f"spine.{i + 1}": bone for i, bone in enumerate(spine)}
    if not spine:
        raise RigError(f"{rig.label}: it is no humanoid: arms and legs hang on the same bone, with no spine between them.")
    roles |= _head(rig, chest, axis, plane, height)
    ends = [_leg(rig, leg) | _arm(rig, arm) for leg, arm in zip(legs, arms, strict=True)]
    sides = _sides(rig, ends, axis, plane)
    for side, part in zip(sides, ends, strict=True):
        roles |= {f"{role}.{side}": bone for role, bone in part.items()}
    return roles


def _mirrored_limbs(rig: Rig, axis: int, plane: float, height: float) -> list[tuple[_Limb, _Limb]]:
    """Return the pairs of chains that start off the middle line, are each other's mirror image and hang on one middle bone."""
    heads, tails = rig.heads, rig.tails
    children = rig.children()
    off = np.abs(0.5 * (heads + tails)[:, axis] - plane) > MIDDLE * 0.3 * height
    # A collar bone may start on the middle line; what counts is where it leads.
    found = []
    for fork, below in enumerate(children):
        sided = [child for child in below if off[child]]
        for i, first in enumerate(sided):
            image = heads[first].copy(), tails[first].copy()
            for point in image:
                point[axis] = 2 * plane - point[axis]
            for second in sided[i + 1 :]:
                gap = max(np.linalg.norm(heads[second] - image[0]), np.linalg.norm(tails[second] - image[1]))
                if gap < SYMMETRY * height:
                    a, b = _longest(rig, first, children), _longest(rig, second, children)
                    if len(a) == len(b):
                        found.append((_Limb(fork, a), _Limb(fork, b)))
    return found


def _longest(rig: Rig, start: int, children: list[list[int]]) -> tuple[int, ...]:
    """Return the chain of bones from a start that leads farthest along its bones, the first where two are alike."""
    lengths = np.linalg.norm(rig.tails - rig.heads, axis=-1)
    heads = rig.heads
    best: dict[int, tuple[float, tuple[int, ...]]] = {}
    family, todo = [], [start]
    while todo:
        bone = todo.pop()
        family.append(bone)
        todo += children[bone]
    for bone in reversed(family):
        options = [
            (best[child][0] + float(np.linalg.norm(heads[child] - heads[bone])), best[child][1]) for child in children[bone]
        ]
        way, below = max(options, key=lambda option: round(option[0], 4)) if options else (float(lengths[bone]), ())
        best[bone] = (way, (bone, *below))
    return best[start][1]


def _reach(rig: Rig, limb: _Limb) -> float:
    """Return how long a chain is along its joints."""
    points = np.concatenate([rig.heads[list(limb.bones)], rig.tails[[limb.bones[-1]]]])
    return float(np.linalg.norm(np.diff(points, axis=0), axis=-1).sum())


def _legs(rig: Rig, standing: list[tuple[_Limb, _Limb]]) -> tuple[_Limb, _Limb]:
    """Return the pair of long chains that hangs nearest to the root: a cape that reaches the floor hangs on the chest."""
    longest = max(_reach(rig, pair[0]) for pair in standing)
    long = [pair for pair in standing if _reach(rig, pair[0]) > LEG_OF_LONGEST * longest]
    return min(long, key=lambda pair: (len(rig.ancestors(pair[0].fork)), -_reach(rig, pair[0])))


def _armlike(rig: Rig, limb: _Limb, axis: int, plane: float, leg: float) -> float:
    """Return how much a chain is an arm and no wing, cape or hair: as long as an arm, off to its side, with fingers."""
    bones, children = list(limb.bones), rig.children()
    reach = _reach(rig, limb)
    aside = float(np.abs(rig.tails[bones, axis] - plane).max()) / reach
    fingers = any(len(children[bone]) >= 3 for bone in bones[2:])
    return min(aside, 1.0) - abs(float(np.log(reach / (ARM_OF_LEG * leg)))) + 0.5 * fingers


def _is_below(rig: Rig, hips: int, bone: int) -> bool:
    """Whether a bone is the hips or hangs on them."""
    return bone == hips or hips in rig.ancestors(bone)


def _split(points: Array, first: int, last: int) -> tuple[int, int]:
    """Return the nodes (start, joint) of a limb that ends at node `last`: two long segments of nearly one length."""
    best, found = float("-inf"), (first, first + 1)
    total = float(np.linalg.norm(np.diff(points[: last + 1], axis=0), axis=-1).sum())
    for start in range(first, last - 1):
        for joint in range(start + 1, last):
            a, b = np.linalg.norm(points[joint] - points[start]), np.linalg.norm(points[last] - points[joint])
            score = float((a + b) / total - 1.5 * abs(a - b) / (a + b))
            if score > best:
                best, found = score, (start, joint)
    return found


def _leg(rig: Rig, limb: _Limb) -> dict[str, int]:
    """Return thigh, shin, foot and toe of a leg's chain: the ankle is where it turns away from the vertical."""
    bones = limb.bones
    points = rig.heads[list(bones)]
    floor = float(rig.tails[list(bones), 2].min())
    top = float(points[0, 2])
    low = [i for i in range(2, len(bones)) if points[i, 2] < floor + 0.25 * (top - floor)]
    ankle = low[0] if low else len(bones) - 1
    if ankle < 2:
        raise RigError(f"{rig.label}: it is no humanoid: a leg needs a thigh, a shin and a foot.")
    start, knee = _split(points, 0, ankle)
    roles = {"thigh": bones[start], "shin": bones[knee], "foot": bones[ankle]}
    if ankle + 1 < len(bones):
        roles["toe"] = bones[ankle + 1]
    return roles


def _arm(rig: Rig, limb: _Limb) -> dict[str, int]:
    """Return collar bone, upper arm, forearm and hand of an arm's chain; the hand is where fingers part, or the last joint."""
    bones = limb.bones
    points = rig.heads[list(bones)]
    children = rig.children()
    parting = [i for i in range(2, len(bones)) if len(children[bones[i]]) >= 3]
    if parting:
        wrist = parting[0]
    else:
        # Without fingers: hand is the joint that the two longest segments, one after the other, end at.
        segments = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        if len(segments) < 2:
            raise RigError(f"{rig.label}: it is no humanoid: an arm needs an upper arm, a forearm and a hand.")
        wrist = int(np.argmax(segments[:-1] + segments[1:])) + 2
    start, elbow = _split(points, 0, wrist)
    roles = {"upper_arm": bones[start], "forearm": bones[elbow], "hand": bones[wrist]}
    if start > 0:
        roles["shoulder"] = bones[start - 1]
    return roles


def _head(rig: Rig, chest: int, axis: int, plane: float, height: float) -> dict[str, int]:
    """Return neck and head: the chain in the middle that goes up from the chest."""
    heads, tails, children = rig.heads, rig.tails, rig.children()
    path: list[int] = []
    bone = chest
    while True:
        middle = [
            child
            for child in children[bone]
            if abs(float(heads[child, axis]) - plane) < MIDDLE * height
            and tails[child, 2] > heads[chest, 2]
            and abs(float(tails[child, axis]) - plane) < MIDDLE * height
        ]
        if not middle or (path and len(children[bone]) > 2):
            break
        bone = max(middle, key=lambda child: float(tails[child, 2]))
        path.append(bone)
    # Leaves beyond the head (end bones) are none of it: where the last is the crown's end, the one before is the head.
    if len(path) > 2:
        path = path[:-1]
    if not path:
        return {}
    return {**{f"neck.{i + 1}": bone for i, bone in enumerate(path[:-1])}, "head": path[-1]}


def _sides(rig: Rig, ends: list[dict[str, int]], axis: int, plane: float) -> tuple[str, str]:
    """Return the sides of a body's mirrored halves, from where the feet point; as of one that faces -Y where they do not."""
    toe = ends[0].get("toe")
    foot = ends[0]["foot"]
    ahead = (rig.heads[toe] if toe is not None else rig.tails[foot]) - rig.heads[foot]
    front = np.zeros(2)
    front[1 - axis] = ahead[1 - axis]
    if np.abs(front).max() < 0.02 * float(np.ptp(rig.heads[:, 2])):
        front = np.array([0.0, -1.0]) if axis == 0 else np.array([1.0, 0.0])
    left = np.array([-front[1], front[0]])  # up x front
    first_left = float((rig.heads[ends[0]["thigh"], axis] - plane) * left[axis]) > 0
    return ("L", "R") if first_left else ("R", "L")


def _named(rig: Rig, roles: dict[str, int]) -> dict[str, str]:
    heads = rig.heads
    if len(set(roles.values())) < len(roles) or not upright({role: heads[bone] for role, bone in roles.items()}):
        raise RigError(f"{rig.label}: it is no humanoid: its trunk does not stand on its legs.")
    return {role: rig.names[bone] for role, bone in roles.items()}


def upright(heads: Mapping[str, Array]) -> bool:
    """Return whether the legs go on where trunk and spine end, as in people and in no animal; heads (3,) by role."""

    def middle(part: str) -> Array:
        return 0.5 * (heads[f"{part}.L"] + heads[f"{part}.R"])

    low = "foot" if "foot.L" in heads and "foot.R" in heads else "shin"
    trunk, legs = middle("upper_arm") - middle("thigh"), middle(low) - middle("thigh")
    lines = [(trunk, LEGS_ON_TRUNK)]
    top = next((role for role in ("neck.1", "head") if role in heads), None)
    if top is not None:
        lines.append((heads[top] - heads["hips"], SPINE_ON_LEGS))
    return all(float(line @ legs) < limit * float(np.linalg.norm(line) * np.linalg.norm(legs)) for line, limit in lines)
