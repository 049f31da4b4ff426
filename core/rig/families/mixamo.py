# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixamo, and what is named after MotionBuilder's HumanIK: mixamorig:LeftUpLeg."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "mixamo",
    "Mixamo",
    {
        **table(
            root="reference",
            hips="hips",
            spine_1="spine",
            spine_2="spine1",
            spine_3="spine2",
            spine_4="spine3",
            neck_1="neck",
            neck_2="neck1",
            head="head",
            shoulder="shoulder",
            upper_arm="arm",
            forearm="forearm",
            hand="hand",
            thigh="upleg",
            shin="leg",
            foot="foot",
            toe="toebase toe",
            upper_arm_twist_1="armroll armtwist",
            forearm_twist_1="forearmroll forearmtwist",
            thigh_twist_1="uplegroll uplegtwist",
            shin_twist_1="legroll legtwist",
        ),
        **fingers("hand{finger}{number}"),
    },
    output={
        "hips": "mixamorig:Hips",
        "spine.1": "mixamorig:Spine",
        "spine.2": "mixamorig:Spine1",
        "neck.1": "mixamorig:Neck",
        "head": "mixamorig:Head",
        "hip": "mixamorig:{L}Hip",
        "shoulder": "mixamorig:{L}Shoulder",
        "upper_arm": "mixamorig:{L}Arm",
        "forearm": "mixamorig:{L}ForeArm",
        "hand": "mixamorig:{L}Hand",
        "thigh": "mixamorig:{L}UpLeg",
        "shin": "mixamorig:{L}Leg",
        "foot": "mixamorig:{L}Foot",
    },
    sides=("Left", "Right"),
)
