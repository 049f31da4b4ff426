# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's 33 pose landmarks by name and index, and what their numbers mean: shares or pixels, image or world."""

from __future__ import annotations

import re
from array import array
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..layouts import LAYOUTS, plain_name
from .reading import Floats, Reading

JOINT_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear",
    "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index",
    "right_foot_index",
)  # fmt: skip
"""MediaPipe's own names, in its order."""

COUNT = len(JOINT_NAMES)
_HIPS = (JOINT_NAMES.index("left_hip"), JOINT_NAMES.index("right_hip"))
_BY_NAME = {plain_name(name): index for index, name in enumerate(JOINT_NAMES)}
_PREFIX = re.compile(r"^(pose|landmark|lm|kp|keypoint|joint|point|pose_landmark)_?(?=\d+$)")
_SHARES = 3.0
"""Shares of the image rarely lie as far outside of it; pixels are mostly larger."""
_CENTRED = 0.01
"""World landmarks have the middle of the hips at 0; no image has it in its corner."""


def landmark_index(name: object) -> int | None:
    """Return the index of a landmark by its name (in any spelling) or its number; None where it is none."""
    if isinstance(name, bool):
        return None
    if isinstance(name, (int, float)):
        return int(name) if 0 <= name < COUNT and name == int(name) else None
    return _index_of(name) if isinstance(name, str) and len(name) <= 60 else None


@lru_cache(maxsize=1024)
def _index_of(name: str) -> int | None:
    plain = plain_name(re.sub(r"^(PoseLandmark|pose)[ ._](?=.*[a-z]{3})", "", name, flags=re.I))
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    digits = _PREFIX.sub("", plain)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 3 and int(digits) < COUNT else None


class Landmarks:
    """Gathers poses of x, y, z, visibility of 33 landmarks, and tells at the end what the numbers are."""

    def __init__(self) -> None:
        self.values = array("d")
        self.frames: list[int] = []
        self.identities: list[str] = []

    def add(self, frame: int, values: list[float], identity: str | None = None) -> None:
        """Add one pose of a frame: 4 x 33 numbers, NaN for what is not there."""
        self.values.extend(values)
        self.frames.append(frame)
        if identity is not None:
            self.identities.append(identity)

    def reading(self, path: Path) -> Reading:
        """Return what was gathered. Raises `ReadError` where the landmarks are no places in an image."""
        data = np.frombuffer(self.values, np.float64).reshape(len(self.frames), COUNT, 4)
        points = data[..., :2].copy()
        with np.errstate(invalid="ignore"):
            points[(points == 0).all(-1)] = np.nan  # what people write where nobody was found
        seen = np.isfinite(points).all(-1)
        if _around_the_hips(points):
            raise ReadError(
                "the hips are always at (0, 0): world landmarks, metres around the hips; write the image's landmarks.", path
            )
        scores, notes = _scores(data, seen)
        far = np.abs(points[seen]).max(-1) if seen.any() else np.zeros(1)
        whole = len(self.identities) == len(self.frames) > 0
        return Reading(
            points,
            scores,
            self.frames,
            identities=self.identities if whole else None,
            skeleton=LAYOUTS["mediapipe_33"],
            shares=bool(np.quantile(far, 0.9) <= _SHARES),
            notes=notes,
        )


def _around_the_hips(points: Floats) -> bool:
    middle = points[:, _HIPS].mean(1)
    middle = middle[np.isfinite(middle).all(-1)]
    return len(middle) > 0 and bool((np.abs(middle).max(-1) < _CENTRED).mean() > 0.9)


def _scores(data: Floats, seen: np.ndarray) -> tuple[Floats, list[str]]:
    """Return scores and notes: the visibility, or a third number that is one, or 1 for what is there."""
    third, visibility = data[..., 2], data[..., 3]
    with np.errstate(invalid="ignore"):
        if (visibility[seen] > 0).any():
            return np.where(np.isnan(visibility), 0.0, visibility), []
        # Depths lie before and behind the hips; a third number within 0..1 throughout is a visibility.
        if (third[seen] > 0).any() and ((third[seen] >= 0) & (third[seen] <= 1)).all():
            return third, []
    return seen.astype(np.float64), ["landmarks without visibility, taken for sure."]
