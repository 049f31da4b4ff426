# SPDX-License-Identifier: GPL-3.0-or-later
"""`Motion`: the result of a lift, and its `.npz` form."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics
from ..output import save_npz
from ..report import Report
from ..skeleton import HUMAN17, HUMAN21, HUMAN23, HUMAN27, Skeleton

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """One person's 3D motion and the camera that saw it. T frames, J joints.

    skeleton: the canonical skeleton of all joint arrays.
    times: (T,) seconds; fps: exact frame rate.
    joints_world: (T, J, 3) metres, world frame (Z up), constant bone lengths.
    joints_camera: (T, J, 3) the same joints in the camera frame.
    lifted: (T, J, 3) the student's raw output, camera axes, root at the origin.
    canonical: (T, J, 3) the teacher's canonical pose; teacher_rotation: (T, 3, 3) canonical to camera axes.
    intrinsics: of the (undistorted) camera; camera_rotation (T, 3, 3), camera_translation (T, 3): world to camera.
    camera_mode: 'static', 'orbit' or 'scene'.
    bone_lengths: (J,) metres, from each joint to its parent; 0 for the root.
    keypoints: (T, J, 2) pixels as used (undistorted, canonical skeleton); scores: (T, J).
    reprojection_error: (T, J) pixels, NaN where nothing was observed.
    contacts: (T, F) which of the skeleton's feet (`Skeleton.stature`) stand on the floor; no columns where it has none.
    evidence: (T,) which frames show the person; in the others the pose is carried over time. Empty where nobody said.
    floor: metres, the z of the floor in the world: 0 unless the world is that of a camera of the user's own.
    hands: (T, 6, 3) the knuckles that `HUMAN23` has beyond `HUMAN17`, in its order, world frame, metres; NaN where a hand was
    not seen. No rows where none ever was.
    feet: (T, 4, 3) the same for the toes and heels that `HUMAN21` has.
    """

    skeleton: Skeleton
    times: Array
    fps: Fraction
    joints_world: Array
    joints_camera: Array
    lifted: Array
    canonical: Array
    teacher_rotation: Array
    intrinsics: Intrinsics
    camera_rotation: Array
    camera_translation: Array
    camera_mode: str
    bone_lengths: Array
    keypoints: Array
    scores: Array
    reprojection_error: Array
    person: str = "1"
    source: str = ""
    first_frame: int = 0
    report: Report = field(default_factory=Report)
    contacts: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))
    evidence: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    floor: float = 0.0
    hands: Array = field(default_factory=lambda: np.zeros((0, len(HUMAN23) - len(HUMAN17), 3)))
    feet: Array = field(default_factory=lambda: np.zeros((0, len(HUMAN21) - len(HUMAN17), 3)))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def body(self) -> tuple[Skeleton, Array, Array]:
        """What an armature is made of: skeleton, joints (T, J, 3) in the world, bone lengths (J,); feet and hands included."""
        return with_extremities(self.skeleton, self.joints_world, self.bone_lengths, self.feet, self.hands)

    def save(self, path: Path) -> None:
        """Write the design's motion `.npz`. Raises `OutputError`."""
        save_npz(path, self.arrays())

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays of the design's motion `.npz`."""
        skeleton = self.skeleton
        return {
            "joint_names": np.array(skeleton.joint_names),
            "parents": np.array(skeleton.parents, np.int64),
            "times": self.times,
            "fps": np.array(float(self.fps)),
            "fps_fraction": np.array([self.fps.numerator, self.fps.denominator], np.int64),
            "joints_world": self.joints_world,
            "joints_camera": self.joints_camera,
            "lifted": self.lifted,
            "canonical": self.canonical,
            "teacher_rotation": self.teacher_rotation,
            "camera_matrix": self.intrinsics.matrix,
            "image_size": np.array([self.intrinsics.width, self.intrinsics.height], np.int64),
            "camera_rotation": self.camera_rotation,
            "camera_translation": self.camera_translation,
            "camera_mode": np.array(self.camera_mode),
            "bone_lengths": self.bone_lengths,
            "keypoints": self.keypoints,
            "scores": self.scores,
            "reprojection_error": self.reprojection_error,
            "contacts": self.contacts,
            "evidence": self.evidence,
            **({"hands": self.hands} if len(self.hands) else {}),
            **({"feet": self.feet} if len(self.feet) else {}),
        }


def with_extremities(
    skeleton: Skeleton, joints: Array, lengths: Array, feet: Array, hands: Array
) -> tuple[Skeleton, Array, Array]:
    """Return a human body (skeleton, joints (T, J, 3), lengths (J,)) with what there is of toes and heels (T, 4, 3) and of
    knuckles (T, 6, 3); no rows of either where there is none.
    """
    if len(feet) or len(hands):
        skeleton = HUMAN27 if len(feet) and len(hands) else HUMAN21 if len(feet) else HUMAN23
    for extra in (feet, hands):
        if len(extra):
            start = joints.shape[1]
            ends = joints[:, list(skeleton.parents[start : start + extra.shape[1]])]
            away = np.linalg.norm(extra - ends, axis=-1).T
            reach = [float(np.median(seen)) if len(seen := column[np.isfinite(column)]) else np.nan for column in away]
            joints, lengths = np.concatenate([joints, extra], 1), np.concatenate([lengths, reach])
    return skeleton, joints, lengths
