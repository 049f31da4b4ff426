# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion file (`.npz`) read for what a rig needs of it, with every mistake named."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import PoseliftError, ReadError
from ..motion.motion import with_extremities
from ..readers.numpy_files import load_archive
from ..skeleton import HUMAN17, HUMAN21, HUMAN23, HUMAN26, Skeleton
from ..track import exact_rate
from .performance import Performance, performance_of_joints

Array = NDArray[np.float64]

_NEEDED = {"joint_names": "U", "parents": "i", "times": "f", "fps": "f", "joints_world": "f", "bone_lengths": "f"}
_KINDS = {**_NEEDED, "fps_fraction": "i", "feet": "f", "hands": "f"}


@dataclass(frozen=True)
class JointMotion:
    """Joints over time. skeleton; joints: (T, J, 3) world metres; lengths: (J,); times: (T,) seconds; fps: exact rate."""

    skeleton: Skeleton
    joints: Array
    lengths: Array
    times: Array
    fps: Fraction
    label: str

    def performance(self) -> Performance:
        """Return what the person does. Raises `RigError` where it is no human's motion."""
        return performance_of_joints(self.skeleton, self.joints, self.lengths, self.times, float(self.fps), self.label)


def read_motion(path: Path) -> JointMotion:
    """Read the design's motion `.npz`. Raises `ReadError` that says what is wrong with it."""
    arrays = load_archive(path, _KINDS)
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        hint = " It is a keypoint track: lift it first." if "keypoints" in missing or "joints_world" in missing else ""
        raise ReadError(f"the motion lacks {', '.join(missing)}.{hint}", path)
    try:
        names = tuple(str(name) for name in arrays["joint_names"])
        parents = tuple(int(parent) for parent in arrays["parents"])
        joints, lengths, times = (arrays[key] for key in ("joints_world", "bone_lengths", "times"))
        fraction = arrays.get("fps_fraction")
        rate = exact_rate(float(arrays["fps"])) if fraction is None else Fraction(int(fraction[0]), int(fraction[1]))
        skeleton = _skeleton(names, parents)
    except (ValueError, TypeError, IndexError, ZeroDivisionError, PoseliftError) as error:
        raise ReadError(f"the motion is damaged ({error}).", path) from error
    count = len(names)
    if joints.ndim != 3 or joints.shape[1:] != (count, 3) or not len(joints) or lengths.shape != (count,):
        raise ReadError(f"{count} joints do not fit an array of shape {joints.shape}.", path, "joints_world")
    if times.shape != (len(joints),) or not np.isfinite(times).all() or (np.diff(times) <= 0).any() or rate <= 0:
        raise ReadError("every frame needs a time later than the one before.", path, "times")
    ends = []
    for key, whole in (("feet", HUMAN21), ("hands", HUMAN23)):
        extra = arrays.get(key, np.zeros((0, len(whole) - len(HUMAN17), 3)))
        if len(extra) and (skeleton != HUMAN17 or extra.shape != (len(joints), len(whole) - count, 3)):
            raise ReadError(f"an array of shape {extra.shape} is no human's {key} over {len(joints)} frames.", path, key)
        ends.append(extra)
    return JointMotion(*with_extremities(skeleton, joints, lengths, *ends), times, rate, path.stem)


def _skeleton(names: tuple[str, ...], parents: tuple[int, ...]) -> Skeleton:
    """Return the known skeleton of these joints, or a plain tree."""
    for known in (HUMAN17, HUMAN26):
        if (names, parents) == (known.joint_names, known.parents):
            return known
    return Skeleton("motion", names, parents)
