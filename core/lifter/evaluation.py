# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of a lifter against 3D motion capture it has not seen, through virtual cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics import n_mpjpe, p_mpjpe, pck
from .anatomy import hinge_evidence
from .config import ViewConfig
from .data import MotionCapture
from .inference import Lifter, mirror

Array = NDArray[np.float64]

WIDE = ViewConfig(roll=0.0, distance=(0.6, 2.3))
"""Cameras as users have them: any azimuth, 10 degrees below to 40 above, 2 to 8 metres away. Exact keypoints."""

CONDITIONS: dict[str, ViewConfig] = {
    "constant distance": ViewConfig(roll=0.0, distance=(0.999, 1.001)),
    "exact": WIDE,
    "noise": replace(WIDE, noise=0.004),
    "detector joints": replace(WIDE, noise=0.004, hidden=(("spine", "head_top"),), drop=0.05),
}
"""Named conditions: the paper's regime, and wide views with exact keypoints, with noise, and with joints missing as well."""


@dataclass(frozen=True)
class Score:
    """Means over the poses of one condition, in millimetres and shares.

    p_mpjpe: after a similarity, no reflection. n_mpjpe: after the best scale. pck: joints within 150 mm, after the scale.
    oracle: the paper's number, P-MPJPE of the better of each pose and its mirror image. mirrored: share of poses whose mirror
    image is the better one.
    """

    condition: str
    network: str
    p_mpjpe: float
    n_mpjpe: float
    pck: float
    oracle: float
    mirrored: float


def evaluate(
    lifter: Lifter, data: Path, samples: int = 8192, seed: int = 0, progress: Callable[[int], object] | None = None
) -> list[Score]:
    """Score a lifter's student and teacher, and poses of no depth, under every condition.

    Anatomy decides the mirror image of each pose, as in `pipeline.lift` but from single frames.

    progress: called with 1 after each condition. Raises `ReadError`.
    """
    config, skeleton = lifter.weights.config, lifter.weights.skeleton
    scores: list[Score] = []
    for name, views in CONDITIONS.items():
        source = MotionCapture(data, skeleton, replace(config, views=views), torch.device("cpu"))
        plane, true = source.sample(samples, torch.Generator().manual_seed(seed))
        assert true is not None
        truth = true.double().numpy() * source.unit * 1000
        lifted = lifter.lift(plane.double().numpy())
        wrong = [hinge_evidence(pose, skeleton) < 0 for pose in (lifted.pose, lifted.teacher_pose())]
        lifted = mirror(lifted, wrong[0], wrong[1], config.distance)
        everything = np.ones(samples, bool)
        twin = mirror(lifted, everything, everything, config.distance)
        flat = np.concatenate([plane.double().numpy(), np.zeros((*plane.shape[:2], 1))], -1)
        pairs = {
            "student": (lifted.pose, twin.pose),
            "teacher": (lifted.teacher_pose(), twin.teacher_pose()),
            "no depth": (flat, flat),
        }
        scores += [_score(name, network, pose, other, truth, skeleton.root) for network, (pose, other) in pairs.items()]
        if progress:
            progress(1)
    return scores


def _score(condition: str, network: str, pose: Array, twin: Array, truth: Array, root: int) -> Score:
    own, other = p_mpjpe(pose, truth), p_mpjpe(twin, truth)
    return Score(
        condition,
        network,
        float(own.mean()),
        float(n_mpjpe(pose, truth, root).mean()),
        float(pck(pose, truth, 150.0, root).mean()),
        float(np.minimum(own, other).mean()),
        float((other < own - 1e-9).mean()),
    )
