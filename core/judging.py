# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of a finished lift: how far joints are from keypoints, how feet slide, which frames show nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .metrics import foot_slide, jitter
from .report import Report
from .track import KeypointTrack

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_NAMED = 5
"""Frames to look at that are named."""
FAR = 3
"""Times as far off as 95 % of the joints, from where on a frame is worth a look."""


def judge_reprojection(report: Report, track: KeypointTrack, error: Array, flipped: Mask) -> None:
    """Note how far the solved joints are from their keypoints. error: (T, J) pixels, NaN where unseen; flipped: (T,)."""
    seen = error[np.isfinite(error)]
    report.reprojection_median = round(float(np.median(seen)), 3) if len(seen) else 0.0
    report.reprojection_95 = round(float(np.percentile(seen, 95)), 3) if len(seen) else 0.0
    report.mirrored_frames = int(flipped.sum())
    per_frame = np.nan_to_num(np.where(np.isfinite(error), error, 0).max(1))
    limit = FAR * max(report.reprojection_95, 1e-9)
    worst = [int(t) for t in np.argsort(-per_frame)[:MOST_NAMED] if per_frame[t] > limit]
    report.worst_frames = sorted(track.first_frame + t for t in worst)
    report.reprojection_by_joint = {
        name: round(float(np.median(column[np.isfinite(column)])), 3)
        for name, column in zip(track.skeleton.joint_names, error.T, strict=True)
        if np.isfinite(column).any()
    }


def judge_motion(report: Report, track: KeypointTrack, world: Array, contacts: Mask, fps: float) -> None:
    """Note how joints (T, J, 3) jerk, and how feet slide while they stand; contacts: (T, F) of the skeleton's feet."""
    if len(world) > 3:
        report.jitter = round(float(jitter(world, fps).mean()), 1)
    if contacts.shape[1] and contacts.any():
        names = track.skeleton.stature.feet if track.skeleton.stature else ()
        slide = foot_slide(world[:, [track.skeleton.index(name) for name in names]], contacts, fps)
        report.foot_slide = round(100 * float(np.median(slide)), 2) if len(slide) else 0.0
        report.frames_in_contact = int(contacts.any(1).sum())


def judge_evidence(report: Report, track: KeypointTrack, empty: Mask) -> None:
    """Note which spans of frames show nobody. empty: (T,)."""
    report.frames_without_person = int(empty.sum())
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(int)))
    report.spans_without_evidence = [
        [track.first_frame + int(a), track.first_frame + int(b) - 1] for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def judge_floor(report: Report, level: float | None, scale: float | None) -> None:
    """Note where the floor is in a scene's world, and whether its camera's path has the actor's scale.

    level: metres, None without a floor; scale: by which the path would have to be stretched, None where it fits.
    """
    if level is not None:
        report.notes.append(f"the feet stand at z = {level:.2f} m of the scene.")
    if scale is not None:
        report.camera_scale = round(scale, 2)
        report.warnings.append(
            f"the feet would stand still if the camera's path were {scale:.2g} times as long: scale the camera's world by "
            f"that, or give the actor's height as {report.actor_height / scale:.2f} m if that is what it is."
        )
