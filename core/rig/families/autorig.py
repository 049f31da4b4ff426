# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto-Rig Pro's deforming bones, as it exports them: thigh_stretch.l, spine_01.x."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "autorig",
    "Auto-Rig Pro (exported)",
    {
        **table(
            hips="rootx",
            spine_1="spine01x",
            spine_2="spine02x",
            spine_3="spine03x",
            spine_4="spine04x",
            neck_1="neckx",
            head="headx",
            shoulder="shoulder",
            upper_arm="armstretch arm",
            forearm="forearmstretch forearm",
            hand="hand",
            thigh="thighstretch thigh",
            shin="legstretch leg",
            foot="foot",
            toe="toes01 toes",
            upper_arm_twist_1="armtwist",
            forearm_twist_1="forearmtwist",
            thigh_twist_1="thightwist",
            shin_twist_1="legtwist",
        ),
        **fingers("c{finger}{number}"),
        **fingers("{finger}{number}"),
    },
)
