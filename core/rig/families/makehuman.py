# SPDX-License-Identifier: GPL-3.0-or-later
"""MakeHuman's and MPFB's default rigs: upperleg01.L, spine05 (counted from above)."""

from __future__ import annotations

from .family import Family, table

_FINGERS = {
    f"finger{number}{segment}": f"{finger}.{segment}"
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1)
    for segment in (1, 2, 3)
}

FAMILY = Family(
    "makehuman",
    "MakeHuman",
    {
        **table(
            hips="root",
            spine_1="spine05",
            spine_2="spine04",
            spine_3="spine03",
            spine_4="spine02",
            spine_5="spine01",
            neck_1="neck01",
            neck_2="neck02",
            neck_3="neck03",
            head="head",
            shoulder="clavicle",
            upper_arm="upperarm01",
            forearm="lowerarm01",
            hand="wrist",
            thigh="upperleg01",
            shin="lowerleg01",
            foot="foot",
            upper_arm_twist_1="upperarm02",
            forearm_twist_1="lowerarm02",
            thigh_twist_1="upperleg02",
            shin_twist_1="lowerleg02",
        ),
        **_FINGERS,
    },
)
