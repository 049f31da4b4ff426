# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns that one rig has in more or fewer bones than the other: along spine and neck, along a limb's twist, at the feet."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ..rotation import (
    continuous_quaternions,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    normalised,
    quaternion_from_matrix,
    wrapped_angle,
)
from .performance import Body
from .roles import SIDES, TWISTS, chain

Array = NDArray[np.float64]

EASE = 0.15
"""Seconds in which a foot that nothing is known about goes from flat on the floor to following the shin."""


def shared_chain(source: Body, turns: Mapping[str, Array], target: Body, part: str) -> dict[str, Array]:
    """Return the turns (T, 3, 3) of the target's spine or neck, each bone with its share of the source's by length.

    turns: the source's, already aligned to the target's rest. The last bone of the spine turns as the source's last, since
    the shoulders hang on it. Where the source has no neck, the target's goes evenly from chest to head.
    """
    here, there = _chain(target, part), _chain(source, part)
    if not here:
        return {}
    if not there:
        ends = [chain(turns, "spine")[-1:], ["head"] if "head" in turns else []]
        if part == "spine" or not all(ends):
            return {}
        chest, head = turns[ends[0][0]], turns["head"]
        return {role: blend([chest, head], [1 - w, w]) for i, (role, *_) in enumerate(here) if (w := (i + 1) / (len(here) + 1))}
    found: dict[str, Array] = {}
    sources = [("hips", 0.0, there[0][1]), *there] if part == "spine" else there
    for i, (role, low, high) in enumerate(here):
        shares = [max(0.0, min(high, end) - max(low, start)) for _, start, end in sources]
        if part == "spine" and i == len(here) - 1:
            shares = [0.0] * (len(shares) - 1) + [1.0]
        if sum(shares) <= 1e-9:
            shares = [0.0] * (len(shares) - 1) + [1.0]
        found[role] = blend([turns[name] for name, *_ in sources], shares)
    return found


def _chain(body: Body, part: str) -> list[tuple[str, float, float]]:
    """Return (role, start, end) of a chain's bones, as shares of its length; the spine's is measured from the hips."""
    roles = chain(body.heads, part)
    if not roles:
        return []
    after = chain(body.heads, "neck") if part == "spine" else []
    after = after or (["head"] if "head" in body.heads else [])
    points = [body.heads[role] for role in roles]
    points.append(body.heads[after[0]] if after else body.tails[roles[-1]])
    if part == "spine":
        points.insert(0, body.mid("thigh"))
    marks = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
    marks = marks / max(float(marks[-1]), 1e-12)
    marks = marks[1:] if part == "spine" else marks
    return [(role, float(marks[i]), float(marks[i + 1])) for i, role in enumerate(roles)]


def blend(turns: list[Array], shares: list[float]) -> Array:
    """Return the weighted mean of rotations (T, 3, 3) less than half a turn apart: of their quaternions, scaled to 1."""
    parts = [(turn, share) for turn, share in zip(turns, shares, strict=True) if share > 0]
    if len(parts) == 1:
        return parts[0][0]
    first = quaternion_from_matrix(parts[0][0])
    total = parts[0][1] * first
    for turn, share in parts[1:]:
        q = quaternion_from_matrix(turn)
        total = total + share * np.where((q * first).sum(-1, keepdims=True) < 0, -q, q)
    return matrix_from_quaternion(total)


def flat_foot(shin: Array, axes: Array, stands: NDArray[np.bool_], fps: float) -> Array:
    """Return how a foot turns (T, 3, 3) that the source says nothing of: flat while it stands, with the shin while not.

    shin: (T, 3, 3) since rest, world; axes: (3, 3) the body's own frame at rest.
    """
    ahead = -(shin @ axes[:, 1])
    ahead[:, 2] = 0
    long = np.linalg.norm(ahead, axis=-1)
    front = normalised(ahead, fallback=tuple(-axes[:, 1]))
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), front.shape)
    flat = np.stack([np.cross(front, up) * -1, -front, up], -1)
    flat[..., 0] = np.cross(flat[..., 1], flat[..., 2])
    level = flat @ axes.T
    reach = max(1, round(EASE * fps))
    kernel = np.hanning(2 * reach + 1)
    padded = np.pad(stands.astype(np.float64), reach, mode="edge")
    weight = np.convolve(padded, kernel / kernel.sum(), mode="valid") * np.clip(long / 0.3, 0, 1)
    a, b = quaternion_from_matrix(shin), quaternion_from_matrix(level)
    b = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    return matrix_from_quaternion((1 - weight[:, None]) * a + weight[:, None] * b)


def twist_bones(body: Body, turns: Mapping[str, Array], roles: Collection[str]) -> dict[str, Array]:
    """Return the turns of bones beside a limb that take a share of its twist, by how far along the limb they lie.

    Along forearm and shin the twist of hand and foot comes on; along upper arm and thigh the bone's own goes off towards
    the trunk. Bones that lie in the limb's own line on the way to the next joint keep still there.
    """
    found: dict[str, Array] = {}
    for side in SIDES:
        for kind in TWISTS:
            part = kind.removesuffix("_twist")
            limb = f"{part}.{side}"
            after = {"forearm": f"hand.{side}", "shin": f"foot.{side}"}.get(part)
            above = {"upper_arm": f"shoulder.{side}", "thigh": "hips"}.get(part)
            if above == f"shoulder.{side}" and above not in turns:
                above = next(iter(chain(turns, "spine")[-1:]), None)
            for role in (name for name in roles if name.startswith(f"{kind}.") and name.endswith(f".{side}")):
                if limb not in turns or (after or above) not in turns:
                    continue
                line = body.end(limb) - body.heads[limb]
                share = float(np.clip((body.heads[role] - body.heads[limb]) @ line / (line @ line), 0, 1))
                axis = normalised(line)
                if after:
                    angle = share * twist_angle(turns[limb], turns[after], axis)
                else:
                    angle = (share - 1) * twist_angle(turns[above or ""], turns[limb], axis)
                found[role] = turns[limb] @ matrix_from_axis_angle(np.broadcast_to(axis, (len(angle), 3)), angle)
    return found


def twist_angle(first: Array, second: Array, axis: Array) -> Array:
    """Return the twist (T,) in radians about an axis (3,), at rest, of `second` (T, 3, 3) seen from `first`.

    Swing-twist decomposition: of the relative quaternion, the part along the axis. Unwrapped over time, and within half a
    turn in the first frame.
    """
    q = continuous_quaternions(quaternion_from_matrix(np.swapaxes(first, -1, -2) @ second))
    angles = 2 * np.arctan2(q[:, 1:] @ axis, q[:, 0])
    return np.unwrap(angles) - angles[0] + wrapped_angle(angles[0])
