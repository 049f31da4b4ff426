# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a pose and its mirror image in depth is a body: hinges bend one way only. NumPy, any skeleton with hinges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rotation import normalised
from ..skeleton import Skeleton

Array = NDArray[np.floating]


def body_frame(poses: Array, skeleton: Skeleton) -> Array:
    """Return (..., 3, 3) rotations whose rows are a body's own axes: left, back, up. Identity without body axes.

    poses: (..., J, 3). They take camera or world vectors to the body's frame (x left, facing -y, z up).
    """
    if skeleton.axes is None:
        return np.broadcast_to(np.eye(3, dtype=poses.dtype), (*poses.shape[:-2], 3, 3))
    index, axes = skeleton.index, skeleton.axes
    spine = poses[..., index(axes.up), :] - poses[..., index(axes.down), :]
    left = sum(normalised(poses[..., index(b), :] - poses[..., index(a), :]) for a, b in axes.right_left)
    spine = normalised(spine, (0, 0, 1) if axes.spine == "up" else (0, -1, 0))
    left = normalised(left - (left * spine).sum(-1, keepdims=True) * spine, (1, 0, 0))
    if axes.spine == "front":
        return np.stack([left, -spine, np.cross(spine, left)], -2)
    return np.stack([left, np.cross(spine, left), spine], -2)


def hinge_evidence(poses: Array, skeleton: Skeleton) -> Array:
    """Return (T,) evidence that poses (T, J, 3) are the right way round: positive as it should be.

    For each hinge, how far the joint stands out of the line between its neighbours towards the body's front (or back),
    as a share of the two bones' length, weighted. Mirroring a pose changes exactly the sign. That asks for a front made of
    two other directions: left and up, or where the spine lies level, left and the way that the limb comes from.
    """
    left, back, _ = np.moveaxis(body_frame(poses, skeleton), -2, 0)
    level = skeleton.axes is not None and skeleton.axes.spine == "front"
    evidence = np.zeros(poses.shape[:-2], poses.dtype)
    for hinge in skeleton.hinges:
        joint, before, after = (poses[..., skeleton.index(n), :] for n in (hinge.joint, hinge.before, hinge.after))
        along = normalised(after - before)
        offset = (joint - before) - ((joint - before) * along).sum(-1, keepdims=True) * along
        front = np.cross(along, left) if level else -back
        length = np.linalg.norm(joint - before, axis=-1) + np.linalg.norm(after - joint, axis=-1)
        evidence += hinge.sign * hinge.weight * (offset * front).sum(-1) / np.maximum(length, 1e-9)
    return evidence


def mirrored_frames(evidence: Array, fps: float, trust: float = 0.02, switch: float = 0.6) -> NDArray[np.bool_]:
    """Decide frame by frame which poses to mirror, consistently over time.

    evidence: (T,) of `hinge_evidence`. The best sequence of two states (Viterbi 1967): a frame in its wrong state costs
    its evidence, `trust` is what the network's own answer is worth, and each change of state costs `switch` (frames at
    30 fps are the unit of all three).
    """
    unit = 30.0 / fps
    cost = np.stack([-evidence - trust, evidence + trust], -1).astype(np.float64) * unit
    best, back = cost[0], np.zeros((len(cost), 2), np.intp)
    for t in range(1, len(cost)):
        stay, change = best, best[::-1] + switch
        back[t] = np.where(change < stay, [1, 0], [0, 1])
        best = np.minimum(stay, change) + cost[t]
    states = np.empty(len(cost), np.intp)
    states[-1] = best.argmin()
    for t in range(len(cost) - 1, 0, -1):
        states[t - 1] = back[t, states[t]]
    return states == 1
