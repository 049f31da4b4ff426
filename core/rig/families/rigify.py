# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig that Rigify has generated, through its FK controls.

The torso control moves the pelvis; the spine's lower controls turn about the chest, and stay as they are, so that the
bones above the pivot bend against it.
"""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "rigify",
    "Rigify",
    {
        **table(
            root="root",
            hips="torso",
            spine_1="spinefk002",
            spine_2="spinefk003",
            neck_1="neck",
            head="head",
            shoulder="shoulder",
            upper_arm="upperarmfk",
            forearm="forearmfk",
            hand="handfk",
            thigh="thighfk",
            shin="shinfk",
            foot="footfk",
            toe="toefk",
        ),
        **fingers("f{finger}{number:02}"),
        **{f"thumb{number:02}": f"thumb.{number}" for number in (1, 2, 3)},
    },
)
