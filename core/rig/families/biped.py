# SPDX-License-Identifier: GPL-3.0-or-later
"""3ds Max's Biped: Bip01 L Thigh."""

from __future__ import annotations

from .family import Family, table

_FINGERS = {
    f"finger{number}{segment or ''}": f"{finger}.{segment + 1}"
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"))
    for segment in (0, 1, 2)
}

FAMILY = Family(
    "biped",
    "3ds Max Biped",
    {
        **table(
            hips="pelvis",
            spine_1="spine",
            spine_2="spine1",
            spine_3="spine2",
            spine_4="spine3",
            neck_1="neck",
            neck_2="neck1",
            head="head",
            shoulder="clavicle",
            upper_arm="upperarm",
            forearm="forearm",
            hand="hand",
            thigh="thigh",
            shin="calf",
            foot="foot",
            toe="toe0",
            upper_arm_twist_1="upperarmtwist upertwist",
            forearm_twist_1="foretwist forearmtwist",
            forearm_twist_2="foretwist1 forearmtwist1",
            thigh_twist_1="thightwist",
            shin_twist_1="calftwist",
        ),
        **_FINGERS,
    },
)
