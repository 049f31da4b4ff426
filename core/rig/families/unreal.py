# SPDX-License-Identifier: GPL-3.0-or-later
"""Unreal's mannequins and MetaHumans: thigh_l, spine_01."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "unreal",
    "Unreal",
    {
        **table(
            root="root",
            hips="pelvis",
            spine_1="spine01",
            spine_2="spine02",
            spine_3="spine03",
            spine_4="spine04",
            spine_5="spine05",
            neck_1="neck01",
            neck_2="neck02",
            head="head",
            shoulder="clavicle",
            upper_arm="upperarm",
            forearm="lowerarm",
            hand="hand",
            thigh="thigh",
            shin="calf",
            foot="foot",
            toe="ball",
            upper_arm_twist_1="upperarmtwist01",
            upper_arm_twist_2="upperarmtwist02",
            forearm_twist_1="lowerarmtwist01",
            forearm_twist_2="lowerarmtwist02",
            thigh_twist_1="thightwist01",
            thigh_twist_2="thightwist02",
            shin_twist_1="calftwist01",
            shin_twist_2="calftwist02",
        ),
        **fingers("{finger}{number:02}"),
    },
    output={
        "hips": "pelvis",
        "spine.1": "spine_01",
        "spine.2": "spine_02",
        "neck.1": "neck_01",
        "head": "head",
        "hip": "hip_{L}",
        "shoulder": "clavicle_{L}",
        "upper_arm": "upperarm_{L}",
        "forearm": "lowerarm_{L}",
        "hand": "hand_{L}",
        "thigh": "thigh_{L}",
        "shin": "calf_{L}",
        "foot": "foot_{L}",
    },
    sides=("l", "r"),
)
