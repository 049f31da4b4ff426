# SPDX-License-Identifier: GPL-3.0-or-later
"""Daz and Poser figures, and BVH files made for them: lShldrBend, lThigh, abdomenLower."""

from __future__ import annotations

from .family import Family, table

_FINGERS = {
    f"{called}{segment}": f"{finger}.{segment}"
    for finger, called in (("thumb", "thumb"), ("index", "index"), ("middle", "mid"), ("ring", "ring"), ("pinky", "pinky"))
    for segment in (1, 2, 3)
}

FAMILY = Family(
    "daz",
    "Daz",
    {
        **table(
            hips="hip",
            spine_1="abdomen abdomenlower spine1",
            spine_2="chest abdomenupper abdomen2 spine2",
            spine_3="chestlower spine3",
            spine_4="chestupper spine4",
            neck_1="neck necklower neck1",
            neck_2="neckupper neck2",
            head="head",
            shoulder="collar shoulder",
            upper_arm="shldr shldrbend upperarm",
            forearm="forearm forearmbend",
            hand="hand",
            thigh="thigh thighbend",
            shin="shin",
            foot="foot",
            toe="toe toes",
            upper_arm_twist_1="shldrtwist upperarmtwist1",
            forearm_twist_1="forearmtwist forearmtwist1",
            thigh_twist_1="thightwist thightwist1",
        ),
        **_FINGERS,
    },
)
