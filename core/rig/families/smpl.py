# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL, SMPL-H and SMPL-X: L_Hip or left_hip is the thigh, L_Shoulder the upper arm; each joint names the bone below it."""

from __future__ import annotations

from .family import Family, fingers, table

FAMILY = Family(
    "smpl",
    "SMPL",
    {
        **table(
            root="root",
            hips="pelvis",
            spine_1="spine1",
            spine_2="spine2",
            spine_3="spine3",
            neck_1="neck",
            head="head",
            shoulder="collar",
            upper_arm="shoulder",
            forearm="elbow",
            hand="wrist",
            thigh="hip",
            shin="knee",
            foot="ankle",
            toe="foot",
        ),
        **fingers("{finger}{number}"),
    },
)
