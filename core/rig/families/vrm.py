# SPDX-License-Identifier: GPL-3.0-or-later
"""VRM 0 and 1: the standard's own bone names (leftUpperArm), and VRoid's (J_Bip_L_UpperArm)."""

from __future__ import annotations

from .family import Family, fingers, table

_SEGMENTS = ("proximal", "intermediate", "distal")

FAMILY = Family(
    "vrm",
    "VRM",
    {
        **table(
            root="root",
            hips="hips chips",
            spine_1="spine cspine",
            spine_2="chest cchest",
            spine_3="upperchest cupperchest",
            neck_1="neck cneck",
            head="head chead",
            shoulder="shoulder",
            upper_arm="upperarm",
            forearm="lowerarm",
            hand="hand",
            thigh="upperleg",
            shin="lowerleg",
            foot="foot",
            toe="toes toebase",
            thumb_1="thumbmetacarpal",
        ),
        **{
            f"{called}{segment}": f"{finger}.{i + 1}"
            for finger, called in (
                ("thumb", "thumb"),
                ("index", "index"),
                ("middle", "middle"),
                ("ring", "ring"),
                ("pinky", "little"),
            )
            for i, segment in enumerate(_SEGMENTS)
        },
        **fingers("{finger}{number}", {"pinky": "little"}),
    },
    output={
        "hips": "hips",
        "spine.1": "spine",
        "spine.2": "chest",
        "neck.1": "neck",
        "head": "head",
        "hip": "{L}Hip",
        "shoulder": "{L}Shoulder",
        "upper_arm": "{L}UpperArm",
        "forearm": "{L}LowerArm",
        "hand": "{L}Hand",
        "thigh": "{L}UpperLeg",
        "shin": "{L}LowerLeg",
        "foot": "{L}Foot",
    },
    sides=("left", "right"),
)
