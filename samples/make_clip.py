# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a clip of 2D keypoints: a walking, waving figure, seen by a known camera, as a detector would write it.

    python samples/make_clip.py OUT_FOLDER [--frames 300] [--seed 0] [--fps 30] [--layout body_25]

Writes OpenPose JSON (BODY_25, BODY_25B, COCO-18: one file per frame) or COCO keypoint results (COCO-17: one file) into
OUT_FOLDER, and beside it OUT_FOLDER_truth.npz: the true joints in world space, the camera, and the frame rate.
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from details import with_details
from numpy.typing import NDArray
from walking_figure import EXTRA_NAMES, animate, waving

from poselift.core.camera import Intrinsics, project
from poselift.core.layouts import LAYOUTS
from poselift.core.skeleton import HUMAN17, Skeleton

Floats = NDArray[np.float64]

# Pixels of standard deviation beside the 1.8 that every keypoint has, as detectors are unsure about limbs' ends.
_UNSURE = {"wrist": 1.8, "ankle": 1.4, "elbow": 0.5, "knee": 0.5, "big_toe": 1.5, "small_toe": 2.0, "heel": 1.5, "hip": 1.2}


class Clip(NamedTuple):
    """What `write_clip` wrote: the keypoints (a folder, or a file in it) and the truth."""

    keypoints: Path
    truth: Path


def camera() -> tuple[Intrinsics, Floats, Floats]:
    """Return the clip's camera: intrinsics, and R (3, 3) and t (3,) from the world to the camera.

    1920 x 1080, 50 degrees across, 1.4 m above the ground, 4.7 m from the middle of the loop, looking down by 5 degrees.
    """
    intrinsics = Intrinsics.from_fov(1920, 1080, np.radians(50), source="sample clip")
    place, aim = np.array([0.4, -4.2, 1.4]), np.array([0.0, 0.5, 0.99])
    forward = (aim - place) / np.linalg.norm(aim - place)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return intrinsics, rotation, -rotation @ place


def body_points(joints: Floats, extras: Floats) -> dict[str, Floats]:
    """Return every point that a known layout has a name for, as (T, 3) in the frame of `animate`'s result."""
    points = {name: joints[:, j] for j, name in enumerate(HUMAN17.joint_names)}
    points |= {name: extras[:, e] for e, name in enumerate(EXTRA_NAMES)}
    points |= {"neck": points["mid_shoulder"], "mid_hip": points["pelvis"], "upper_neck": points["neck_base"]}
    return with_details(points)


# Detectors learn these from the means of labels in the image, which are not quite the images of the means in space.
_MEANS = {"neck": ("l_shoulder", "r_shoulder"), "mid_hip": ("l_hip", "r_hip")}


def true_keypoints(points: dict[str, Floats], skeleton: Skeleton) -> Floats:
    """Return the exact projections (T, J, 2) of a layout's keypoints through `camera`, pixels."""
    intrinsics, rotation, translation = camera()
    world = np.stack([points[name] for name in skeleton.joint_names], 1)
    inside: Floats = world @ rotation.T + translation
    keypoints = project(inside, intrinsics)
    for name in _MEANS.keys() & set(skeleton.joint_names):
        sources = [skeleton.index(source) for source in _MEANS[name]]
        keypoints[:, skeleton.index(name)] = keypoints[:, sources].mean(1)
    return keypoints


def detect(points: dict[str, Floats], skeleton: Skeleton, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what a detector makes of the figure: keypoints (T, J, 2) and scores (T, J), 0 where it finds none.

    Noise is partly carried from frame to frame, as a detector's is. Points on the far side of head or body score less, are
    noisier and often missing; now and then a keypoint is grossly wrong, or is lost for a few frames.
    """
    exact = true_keypoints(points, skeleton)
    frames, joints = exact.shape[:2]
    hidden = _hidden(points, skeleton)
    sigma = 1.8 + np.array([_UNSURE.get(name.removeprefix("l_").removeprefix("r_"), 0.0) for name in skeleton.joint_names])
    noise = rng.normal(size=(frames, joints, 2))
    for t in range(1, frames):
        noise[t] = 0.6 * noise[t - 1] + 0.8 * noise[t]
    keypoints = exact + noise * (sigma * (1 + hidden))[..., None]
    scores = np.clip(0.84 - 0.5 * hidden - 0.02 * sigma + rng.normal(0, 0.06, (frames, joints)), 0.05, 1.0)

    gross = rng.random((frames, joints)) < 0.004
    keypoints[gross] += rng.normal(0, 70, (gross.sum(), 2))
    scores[gross] *= rng.uniform(0.3, 0.8, gross.sum())
    lost = rng.random((frames, joints)) < 0.004 + 0.03 * hidden
    for t, j in zip(*np.nonzero(lost), strict=True):
        scores[t : t + rng.integers(1, 7), j] = 0.0
    width, height = camera()[0].width, camera()[0].height
    scores[((keypoints < 0) | (keypoints > [width, height])).any(-1)] = 0.0
    return keypoints, scores


def _hidden(points: dict[str, Floats], skeleton: Skeleton) -> Floats:
    """Return (T, J) in 0..1: how far a point is turned away from the camera, behind the head or behind the body."""
    _, rotation, translation = camera()
    view = points["pelvis"] + rotation.T @ translation
    view = -view / np.linalg.norm(view, axis=-1, keepdims=True)
    ears = points["l_ear"] - points["r_ear"]
    face = points["nose"] - (points["l_ear"] + points["r_ear"]) / 2
    hips = points["l_hip"] - points["r_hip"]
    out = np.zeros((len(view), len(skeleton)))
    for j, name in enumerate(skeleton.joint_names):
        side = {"l_": 1.0, "r_": -1.0}.get(name[:2], 0.0)
        if name in ("nose", "l_eye", "r_eye"):
            normal = face / 0.12 + side * 0.5 * ears / 0.15
        else:
            normal = side * (ears / 0.15 if name.endswith("ear") else hips / 0.18)
        towards = (normal * view).sum(-1)
        out[:, j] = np.clip((-towards - 0.3) / 0.5, 0, 1)
    return out


def spurious(keypoints: Floats, rng: np.random.Generator) -> list[tuple[Floats, Floats]]:
    """Return false detections of one frame, with few keypoints and low scores: on the background, or on the figure."""
    if rng.random() > 0.05:
        return []
    joints = len(keypoints)
    scores = np.where(rng.random(joints) < rng.uniform(0.15, 0.4), rng.uniform(0.06, 0.35, joints), 0.0)
    if rng.random() < 0.4:
        return [(keypoints + rng.normal(0, 12, keypoints.shape), scores)]
    return [(rng.uniform([0, 0], [1920, 1080]) + rng.normal(0, 60, keypoints.shape), scores)]


def write_clip(
    folder: Path | str, frames: int = 300, seed: int = 0, fps: Fraction | float = 30, layout: str = "body_25"
) -> Clip:
    """Write a clip into a folder, which is made, and the truth beside it.

    layout: a name in `LAYOUTS` that detectors write: body_25, body_25b, coco_18 or coco_17. The same seed gives the same
    bytes.
    """
    folder, rate, rng = Path(folder), Fraction(fps).limit_denominator(100_000), np.random.default_rng(seed)
    skeleton = LAYOUTS[layout]
    joints, extras = animate(frames, rate)
    keypoints, scores = detect(body_points(joints, extras), skeleton, rng)
    people = [[(keypoints[t], scores[t]), *spurious(keypoints[t], rng)] for t in range(frames)]
    for detections in people:
        if len(detections) > 1 and rng.random() < 0.5:
            detections.reverse()
    folder.mkdir(parents=True, exist_ok=True)
    source = _write_coco(folder, people) if layout == "coco_17" else _write_openpose(folder, people)
    return Clip(source, write_truth(folder.with_name(f"{folder.name}_truth.npz"), joints, extras, rate))


def write_truth(path: Path, joints: Floats, extras: Floats, fps: Fraction) -> Path:
    """Write joints, extra points, waving frames, frame rate and camera, under the names that a motion `.npz` uses."""
    intrinsics, rotation, translation = camera()
    np.savez_compressed(
        path,
        joint_names=np.array(HUMAN17.joint_names),
        parents=np.array(HUMAN17.parents),
        joints_world=joints,
        extra_names=np.array(EXTRA_NAMES),
        extras_world=extras,
        waving=waving(len(joints), fps),
        fps=np.array(float(fps)),
        fps_fraction=np.array([fps.numerator, fps.denominator]),
        camera_matrix=intrinsics.matrix,
        image_size=np.array([intrinsics.width, intrinsics.height]),
        camera_rotation=np.repeat(rotation[None], len(joints), 0),
        camera_translation=np.repeat(translation[None], len(joints), 0),
    )
    return path


def _numbers(keypoints: Floats, scores: Floats) -> list[float]:
    seen = (scores > 0)[:, None]
    return np.where(seen, np.c_[keypoints.round(3), scores.round(6)], 0.0).ravel().tolist()


def _write_openpose(folder: Path, people: list[list[tuple[Floats, Floats]]]) -> Path:
    empty: dict[str, list[float]] = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": []}
    for frame, detections in enumerate(people):
        persons = [{"person_id": [-1], "pose_keypoints_2d": _numbers(*found), **empty} for found in detections]
        text = json.dumps({"version": 1.3, "people": persons}, separators=(",", ":"))
        (folder / f"{folder.name}_{frame:012d}_keypoints.json").write_text(text, encoding="utf-8")
    return folder


def _write_coco(folder: Path, people: list[list[tuple[Floats, Floats]]]) -> Path:
    results: list[dict[str, Any]] = [
        {"image_id": frame, "category_id": 1, "keypoints": _numbers(*found), "score": round(float(found[1].mean()), 6)}
        for frame, detections in enumerate(people)
        for found in detections
    ]
    path = folder / "keypoint_results.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make a clip of 2D keypoints of a walking, waving figure.")
    parser.add_argument("folder", type=Path, help="folder for the keypoints; the truth goes beside it")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fps", type=Fraction, default=Fraction(30), help="such as 30 or 30000/1001")
    parser.add_argument("--layout", choices=[name for name in LAYOUTS if name != "human17"], default="body_25")
    options = parser.parse_args()
    if options.frames < 1 or options.fps <= 0:
        parser.error("frames and fps must be positive")
    clip = write_clip(options.folder, options.frames, options.seed, options.fps, options.layout)
    print(f"{clip.keypoints}\n{clip.truth}")


if __name__ == "__main__":
    main()
