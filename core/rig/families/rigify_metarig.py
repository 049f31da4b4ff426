# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's human metarigs, and the deforming bones of what they generate: spine.001, upper_arm.L."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "rigify_metarig",
    "Rigify metarig",
    {
        **table(
            hips="spine",
            spine_1="spine001",
            spine_2="spine002",
            spine_3="spine003",
            neck_1="spine004",
            neck_2="spine005",
            head="spine006",
            shoulder="shoulder",
            upper_arm="upperarm",
            forearm="forearm",
            hand="hand",
            thigh="thigh",
            shin="shin",
            foot="foot",
            toe="toe",
        ),
        **fingers("f{finger}{number:02}"),
        **{f"thumb{number:02}": f"thumb.{number}" for number in (1, 2, 3)},
    },
    output={
        "hips": "spine",
        "spine.1": "spine.001",
        "spine.2": "spine.002",
        "neck.1": "spine.003",
        "head": "spine.004",
        "hip": "pelvis.{L}",
        "shoulder": "shoulder.{L}",
        "upper_arm": "upper_arm.{L}",
        "forearm": "forearm.{L}",
        "hand": "hand.{L}",
        "thigh": "thigh.{L}",
        "shin": "shin.{L}",
        "foot": "foot.{L}",
    },
)
