# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure's face, hands and feet in detail: every point that a detector's layout names, from the joints that move them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poselift.core.layouts.tables import FINGERS

Floats = NDArray[np.float64]
Points = dict[str, Floats]

HAND = 0.09
"""Metres from the wrist to the knuckles."""
_FACE_POINTS = 70


def with_details(points: Points) -> Points:
    """Return points (T, 3) by name with eyes, mouth, face, hands and feet added; what is there stays."""
    more: Points = {"chest": (points["neck"] + points["mid_hip"]) / 2}
    ears = (points["l_ear"] + points["r_ear"]) / 2
    left, ahead = _unit(points["l_ear"] - points["r_ear"]), _unit(points["nose"] - ears)
    up = np.cross(ahead, left)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        eye = points[f"{side}_eye"]
        more |= {f"{side}_eye_inner": eye - 0.012 * sign * left, f"{side}_eye_outer": eye + 0.014 * sign * left}
        more[f"{side}_mouth"] = points["nose"] - 0.045 * up + 0.025 * sign * left - 0.02 * ahead
        more |= _hand(points, side, sign)
        more[f"{side}_foot_index"] = points[f"{side}_big_toe"]
        more[f"{side}_toe"] = (points[f"{side}_big_toe"] + points[f"{side}_small_toe"]) / 2
    for number in range(_FACE_POINTS):
        angle = 2.399963 * number  # the golden angle spreads them evenly over an oval
        reach = np.sqrt((number + 0.5) / _FACE_POINTS)
        more[f"face_{number}"] = (
            points["nose"] + reach * (0.07 * np.cos(angle) * left + 0.09 * np.sin(angle) * up) - 0.03 * ahead
        )
    return more | points


def _hand(points: Points, side: str, sign: float) -> Points:
    """Return a hand that goes on in the forearm's direction, the thumb towards the body's front."""
    wrist = points[f"{side}_wrist"]
    along = _unit(wrist - points[f"{side}_elbow"])
    front = np.cross(points["l_hip"] - points["r_hip"], points["neck"] - points["mid_hip"])
    across = _unit(front - (front * along).sum(-1, keepdims=True) * along)
    out: Points = {f"{side}_hand_base": wrist}
    for number, finger in enumerate(FINGERS):
        spread = (1.6, 0.8, 0.0, -0.7, -1.4)[number] * 0.02 * across
        for joint in range(1, 5):
            reach = (0.4 if finger == "thumb" else 1.0) * HAND + 0.025 * (joint - 1)
            out[f"{side}_hand_{finger}_{joint}"] = wrist + reach * along + spread
    out[f"{side}_hand"] = out[f"{side}_hand_middle_1"]
    out |= {f"{side}_index": out[f"{side}_hand_index_1"], f"{side}_pinky": out[f"{side}_hand_pinky_1"]}
    out[f"{side}_thumb"] = out[f"{side}_hand_thumb_2"]
    return out


def _unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
