# SPDX-License-Identifier: GPL-3.0-or-later
"""CMU motion capture: its BVH conversions (LeftUpLeg, LowerBack) and its own ASF names (lfemur)."""

from __future__ import annotations

from .family import Family, table

FAMILY = Family(
    "cmu",
    "CMU",
    table(
        hips="hips root",
        spine_1="lowerback",
        spine_2="spine upperback",
        spine_3="spine1 thorax",
        neck_1="neck lowerneck",
        neck_2="neck1 upperneck",
        head="head",
        shoulder="shoulder clavicle",
        upper_arm="arm humerus",
        forearm="forearm radius",
        hand="hand wrist",
        thigh="upleg femur",
        shin="leg tibia",
        foot="foot",
        toe="toebase toes",
    ),
    glued=True,
)
