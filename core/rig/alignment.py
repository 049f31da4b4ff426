# SPDX-License-Identifier: GPL-3.0-or-later
"""Two rest poses compared: the rotation, per role, that brings the target's bone at rest into the source's rest pose.

The source's turn since its rest, after that rotation, is the target's turn since its own. Arms, legs and fingers are
brought to point alike, and palms to face alike, so that a T-pose and an A-pose give one motion. Trunk, head and feet keep
the shape that they have at rest, since their bones are cut differently in every rig; where the two bodies are one and the
same they too point alike.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ..rotation import matrix_from_axis_angle, normalised, shortest_arc
from .bones import FOREARMS_SHARE
from .performance import Body
from .roles import FINGERS, SIDES, chain
from .twist import signed_angle

Array = NDArray[np.float64]

ALIKE = 0.03
"""Two bodies are one and the same where no bone's share of the leg differs by more than this."""
ACROSS = 0.3
"""Sine of the angle between a hand and the line across its palm below which that line tells nothing."""
OFF_HIPS = 0.05
"""Share of the leg by which a joint of the spine has to be off the hips to tell how the pelvis tilts."""


def rest_alignments(source: Body, target: Body, roles: Collection[str], same: bool) -> dict[str, Array]:
    """Return (3, 3) world rotations by role, of those that both bodies have. same: as `same_body` says."""
    whole = source.axes @ target.axes.T
    found = dict.fromkeys((role for role in roles if role in source.heads), whole)
    if same:
        found |= _aligned_trunk(source, target, found)
    for side in SIDES:
        start = found.get(f"shoulder.{side}", whole) if same else whole
        for line, first in ((("upper_arm", "forearm", "hand"), start), (("thigh", "shin"), found.get("hips", whole))):
            turn = first
            for part in line:
                role = f"{part}.{side}"
                if role in found:
                    turn = _pointing(source, target, role, turn)
                    found[role] = turn
        found |= _palms(source, target, side, found)
        found |= _feet(source, target, side, found, same)
        for finger in FINGERS:
            turn = found.get(f"hand.{side}", whole)
            for number in range(1, 5):
                role = f"{finger}.{number}.{side}"
                if role in found:
                    turn = shortest_arc(turn @ _finger(target, role), _finger(source, role)) @ turn
                    found[role] = turn
    return found


def same_body(source: Body, target: Body) -> bool:
    """Return whether two rigs have the same joints in the same proportions, whatever their rest poses and sizes."""
    scale = target.leg_length / source.leg_length
    lengths = []
    for body in (source, target):
        spine = [body.heads[role] for role in chain(body.heads, "spine")]
        neck = [body.heads[role] for role in chain(body.heads, "neck")]
        parts = [[body.segment(part, side) for part in ("upper_arm", "forearm", "thigh", "shin")] for side in SIDES]
        middle = [body.mid("thigh"), *spine, *neck, *([body.heads["head"]] if "head" in body.heads else [])]
        across = [body.heads["thigh.L"] - body.heads["thigh.R"]]
        tops = [role for side in SIDES if (role := f"shoulder.{side}") in body.heads]
        across += [body.heads[role] - middle[-2 if neck or "head" in body.heads else -1] for role in tops if len(middle) > 1]
        lengths.append(
            [*parts[0], *parts[1], *np.linalg.norm(np.diff(middle, axis=0), axis=-1), *np.linalg.norm(across, axis=-1)]
            + [body.segment("shoulder", role[-1]) for role in tops]
        )
    if len(lengths[0]) != len(lengths[1]):
        return False
    return bool(np.abs(np.array(lengths[1]) / scale - lengths[0]).max() < ALIKE * source.leg_length)


def _aligned_trunk(source: Body, target: Body, found: dict[str, Array]) -> dict[str, Array]:
    """Return the alignments of hips, spine, neck, head and collar bones that make them point alike at rest."""
    turn = _tilted_axes(source) @ _tilted_axes(target).T
    aligned = {"hips": turn}
    line = [role for role in (*chain(found, "spine"), *chain(found, "neck"), "head") if role in found]
    chest = turn
    for role, after in zip(line, [*line[1:], None], strict=True):
        ends = [body.heads[after] if after else body.tails[role] for body in (source, target)]
        turn = shortest_arc(turn @ (ends[1] - target.heads[role]), ends[0] - source.heads[role]) @ turn
        aligned[role] = turn
        chest = turn if role.startswith("spine") else chest
    for side in SIDES:
        if (role := f"shoulder.{side}") in found:
            aligned[role] = _pointing(source, target, role, chest)
    return aligned


def _tilted_axes(body: Body) -> Array:
    """Return the pelvis' own frame (3, 3): the line through the hips, and where the spine goes on from them."""
    middle = body.mid("thigh")
    points = [body.heads[role] for role in (*chain(body.heads, "spine"), *chain(body.heads, "neck"))]
    points = [point for point in points if np.linalg.norm(point - middle) > OFF_HIPS * body.leg_length]
    if not points:
        return body.axes
    left = body.heads["thigh.L"] - body.heads["thigh.R"]
    left = left / np.linalg.norm(left)
    up = points[0] - middle
    up = up - (up @ left) * left
    up = up / np.linalg.norm(up)
    return np.stack([left, np.cross(up, left), up], -1)


def _pointing(source: Body, target: Body, role: str, turn: Array) -> Array:
    """Return `turn`, turned on by the shortest way so that the target's bone at rest points as the source's does."""
    here, there = (body.end(role) - body.heads[role] for body in (target, source))
    return shortest_arc(turn @ here, there) @ turn


def _palms(source: Body, target: Body, side: str, found: dict[str, Array]) -> dict[str, Array]:
    """Return the alignments of forearm and hand that make palms face alike at rest too, where the target has knuckles.

    A source without fingers is taken to rest with its thumbs to the front, as in a T-pose with palms down, or with arms that
    hang. The forearm takes its share, as it does of a palm's turn in motion.
    """
    here, there = target.palm(side), source.palm(side)
    hand = f"hand.{side}"
    if here is None or hand not in found:
        return {}
    there = -source.axes[:, 1] if there is None else there
    along = normalised(source.end(hand) - source.heads[hand])
    lines = found[hand] @ here, there
    if any(np.linalg.norm(np.cross(line, along)) < ACROSS * np.linalg.norm(line) for line in lines):
        return {}
    angle = np.asarray(signed_angle(*lines, along))
    turned = {}
    for role, share in ((f"forearm.{side}", FOREARMS_SHARE), (hand, 1.0)):
        if role in found:
            axis = normalised(source.end(role) - source.heads[role])
            turned[role] = matrix_from_axis_angle(axis, share * angle) @ found[role]
    return turned


def _finger(body: Body, role: str) -> Array:
    finger, number, side = role.split(".")
    after = f"{finger}.{int(number) + 1}.{side}"
    return (body.heads[after] if after in body.heads else body.tails[role]) - body.heads[role]


def _feet(source: Body, target: Body, side: str, found: dict[str, Array], same: bool) -> dict[str, Array]:
    """Return the alignment of foot and toe: flat is flat, and both point the same way as seen from above."""
    role = f"foot.{side}"
    if role not in found:
        return {}
    if same:
        turn = _pointing(source, target, role, found[role])
    else:
        up = source.axes[:, 2]
        here, there = found[role] @ (target.end(role) - target.heads[role]), source.end(role) - source.heads[role]
        level = [vector - (vector @ up) * up for vector in (here, there)]
        turn = shortest_arc(*level) @ found[role] if min(np.linalg.norm(vector) for vector in level) > 1e-6 else found[role]
    return {role: turn, **({f"toe.{side}": turn} if f"toe.{side}" in found else {})}
