# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain English: Poselift's own armatures, and rigs that call things what they are."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "plain",
    "Plain",
    {
        **table(
            root="root master armature",
            hips="pelvis hips hip",
            spine_1="spine spine01 spine1 abdomen lowerspine waist",
            spine_2="chest spine02 spine2 torso ribcage middlespine",
            spine_3="upperchest spine03 spine3 upperspine",
            neck_1="neck neck01 neck1",
            neck_2="neck02 neck2",
            head="head",
            shoulder="shoulder clavicle collar collarbone",
            upper_arm="upperarm arm uparm bicep armupper",
            forearm="forearm lowerarm lowarm elbow armlower",
            hand="hand wrist palm",
            thigh="thigh upperleg upleg legupper",
            shin="shin lowerleg calf knee leg lowleg leglower",
            foot="foot ankle",
            toe="toe toes toebase ball",
        ),
        **fingers("{finger}{number}"),
        **fingers("{finger}{number:02}"),
        **fingers("f{finger}{number:02}"),
    },
    output={
        "hips": "pelvis",
        "spine.1": "spine",
        "spine.2": "chest",
        "neck.1": "neck",
        "head": "head",
        "hip": "hip.{L}",
        "shoulder": "shoulder.{L}",
        "upper_arm": "upper_arm.{L}",
        "forearm": "forearm.{L}",
        "hand": "hand.{L}",
        "thigh": "thigh.{L}",
        "shin": "shin.{L}",
        "foot": "foot.{L}",
    },
)
