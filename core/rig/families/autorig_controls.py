# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto-Rig Pro's controls, limbs through FK: c_thigh_fk.l, c_spine_01.x."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "autorig_controls",
    "Auto-Rig Pro",
    {
        **table(
            hips="crootmasterx",
            spine_1="cspine01x",
            spine_2="cspine02x",
            spine_3="cspine03x",
            spine_4="cspine04x",
            neck_1="cneckx",
            head="cheadx",
            shoulder="cshoulder",
            upper_arm="carmfk",
            forearm="cforearmfk",
            hand="chandfk",
            thigh="cthighfk",
            shin="clegfk",
            foot="cfootfk",
            toe="ctoesfk",
        ),
        **fingers("c{finger}{number}"),
    },
)
