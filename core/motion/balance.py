# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way is up, told by balance: who stands or walks has the weight over the feet that stand, however the body leans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lifter.anatomy import body_frame
from ..rotation import normalised
from ..skeleton import Skeleton

Array = NDArray[np.float64]

AXIAL = 10.0
"""How much heavier trunk and head are than limbs of the same length."""
SOLE = 0.04
"""How far the middle of the sole lies before the ankle, as a share of the height."""
LEAN = 0.15
"""Radians off balance, as while one steps, that count half or less in the mean (Geman and McClure 1987)."""
BODY = 0.25
STEPS = 5


def centre_of_mass(joints: Array, lengths: Array, skeleton: Skeleton) -> Array:
    """Return (T, 3) of joints (T, J, 3): every bone weighs as its length cubed, those of trunk and head ten times that.

    For `HUMAN17` that gives thigh, shank, upper arm and forearm their usual shares (Winter 2009, table 4.1) within a third.
    """
    parents, children = (np.array(side) for side in zip(*skeleton.edges, strict=True))
    mass = lengths[children] ** 3 * np.where(skeleton.paired[children], 1.0, AXIAL)
    middles = 0.5 * (joints[:, parents] + joints[:, children])
    return np.einsum("e,tec->tc", mass / mass.sum(), middles)


def balanced_up(
    joints: Array,
    lengths: Array,
    contact: Array,
    feet: tuple[int, ...],
    skeleton: Skeleton,
    fps: float,
    height: float,
    body: Array,
) -> Array:
    """Return the direction (3,) from the standing feet to the centre of mass, in the robust mean over time.

    joints: (T, J, 3) metres; contact: (T, F) 0..1, somewhere above 0; body: (3,) up by the body's own uprightness, which counts
    as much as `BODY` seconds on balance.
    """
    weight = contact.sum(1)
    standing = weight > 0
    support = (joints[:, feet] * contact[..., None]).sum(1)[standing] / weight[standing, None]
    front = -body_frame(joints[standing], skeleton)[:, 1]
    lean = normalised(centre_of_mass(joints, lengths, skeleton)[standing] - support - SOLE * height * front)
    up = body
    for _ in range(STEPS):
        off = np.linalg.norm(lean - up, axis=-1) / LEAN
        up = normalised((((1 + off * off) ** -2)[:, None] * lean).sum(0) / fps + BODY * body)
    return up
