# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of a known person in front of a known camera, made by code: what the Blender tests are measured against."""

from fractions import Fraction

import numpy as np

from poselift.core.camera import Intrinsics, project
from poselift.core.motion.motion import Motion
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17, Skeleton

LENGTHS = {
    "hip": 0.09, "knee": 0.42, "ankle": 0.41, "spine": 0.23, "neck_base": 0.28, "head_joint": 0.11,
    "head_top": 0.17, "shoulder": 0.18, "elbow": 0.28, "wrist": 0.26,
}  # fmt: skip
X, Y, Z = np.eye(3)


def bone_lengths(scale=1.0):
    """Return (17,) metres of a person about 1.75 m tall."""
    parts = [name.removeprefix("l_").removeprefix("r_") for name in HUMAN17.joint_names]
    return scale * np.array([LENGTHS.get(part, 0.0) for part in parts])


def turn(axis, angles):
    """Return rotations (T, 3, 3) about one world axis."""
    angles = np.atleast_1d(np.asarray(angles, float))
    return matrix_from_axis_angle(np.broadcast_to(axis, (len(angles), 3)), angles)


def assemble(directions, pelvis, lengths):
    """Put joints (T, 17, 3) together from edge directions {child joint: (T, 3)} and the pelvis' path (T, 3)."""
    joints = np.zeros((len(pelvis), len(HUMAN17), 3))
    for joint in HUMAN17.order:
        parent = HUMAN17.parents[joint]
        if parent < 0:
            joints[:, joint] = pelvis
        else:
            joints[:, joint] = joints[:, parent] + lengths[joint] * directions[HUMAN17.joint_names[joint]]
    return joints


def standing(frames=1):
    """Return the edge directions of someone who stands at ease, arms down, facing -Y, as (T, 3) each."""
    one = {
        "spine": Z, "neck_base": Z, "head_joint": (0, -0.3, 0.95), "head_top": Z,
        "l_hip": X, "l_knee": (0.05, -0.05, -1), "l_ankle": (0.02, 0.08, -1),
        "l_shoulder": (0.93, 0.05, -0.35), "l_elbow": (0.15, 0.05, -1), "l_wrist": (0.05, -0.3, -1),
    }  # fmt: skip
    one |= {f"r_{name[2:]}": np.array(v) * (-1, 1, 1) for name, v in one.items() if name.startswith("l_")}
    return {name: np.tile(np.array(v, float) / np.linalg.norm(v), (frames, 1)) for name, v in one.items()}


def raised_left_arm():
    """Return joints (1, 17, 3) of someone who stands, faces -Y and stretches the left arm straight up."""
    directions = standing()
    directions["l_elbow"] = directions["l_wrist"] = Z[None]
    return assemble(directions, np.array([[0.0, 0.0, 0.95]]), bone_lengths())


def walking(frames=60, seconds=2.0, scale=1.0):
    """Return joints (T, 17, 3) of someone who walks in a curve, turns once around and waves the left hand."""
    t = np.linspace(0, seconds, frames)
    swing = 0.5 * np.sin(2 * np.pi * t)
    directions = standing(frames)
    for side, phase in (("l", 1), ("r", -1)):
        hip, knee = turn(X, phase * swing), turn(X, 0.6 + 0.5 * phase * np.cos(2 * np.pi * t))
        directions[f"{side}_knee"] = np.einsum("tij,tj->ti", hip, directions[f"{side}_knee"])
        directions[f"{side}_ankle"] = np.einsum("tij,tjk,tk->ti", hip, knee, directions[f"{side}_ankle"])
    arm, fore = turn(X, 0.8 * swing), turn(X, -0.7 + 0.3 * swing)
    directions["r_elbow"] = np.einsum("tij,tj->ti", arm, directions["r_elbow"])
    directions["r_wrist"] = np.einsum("tij,tjk,tk->ti", arm, fore, directions["r_wrist"])
    directions["l_elbow"] = np.tile((0.8, -0.3, 0.52), (frames, 1))
    directions["l_wrist"] = np.stack([0.5 * np.sin(6 * np.pi * t), np.full(frames, -0.2), np.ones(frames)], -1)
    chest = turn(Z, 0.2 * np.sin(2 * np.pi * t)) @ turn(X, np.full(frames, 0.1))
    for name in ("neck_base", "head_joint", "head_top", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist"):
        directions[name] = np.einsum("tij,tj->ti", chest, directions[name])
    heading = turn(Z, 2 * np.pi * t / seconds) @ turn(Y, 0.05 * np.sin(4 * np.pi * t))
    directions = {
        name: np.einsum("tij,tj->ti", heading, v / np.linalg.norm(v, axis=-1, keepdims=True)) for name, v in directions.items()
    }
    pelvis = scale * np.stack([0.4 * np.cos(t), 0.3 * np.sin(2 * t), 0.93 + 0.02 * np.cos(4 * np.pi * t)], -1)
    return assemble(directions, pelvis, bone_lengths(scale))


def look_at(position, target=(0.0, 0.0, 0.95), roll=0.0):
    """Return extrinsics R (3, 3), t (3,) of a camera at `position` that looks at `target`, turned by `roll` about its axis."""
    forward = np.asarray(target, float) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, Z)
    right /= np.linalg.norm(right)
    rotation = turn(Z, roll)[0] @ np.stack([right, np.cross(forward, right), forward])
    return rotation, -rotation @ np.asarray(position, float)


PORTRAIT = Intrinsics(1400.0, 1330.0, 500.5, 1010.25, 1080, 1920)
LANDSCAPE = Intrinsics(1500.0, 1550.0, 1010.0, 470.0, 1920, 1080)
SQUARE_PIXELS = Intrinsics.from_fov(1280, 720, np.radians(50))


def motion_of(joints, intrinsics=SQUARE_PIXELS, mode="static", fps=Fraction(30), times=None, skeleton=HUMAN17, lengths=None):
    """Return the `Motion` of joints (T, J, 3): seen from the front by one camera, or by one that circles ('orbit')."""
    frames = len(joints)
    if mode == "orbit":
        angles = np.linspace(0.0, 2.5 * np.pi, frames)
        views = [look_at((4.5 * np.sin(a), -4.5 * np.cos(a), 1.2 + 0.4 * np.sin(2 * a)), roll=0.1 * np.sin(a)) for a in angles]
    else:
        views = [look_at((0.3, -5.0, 1.4), roll=0.05)] * frames
    rotation, translation = np.stack([r for r, _ in views]), np.stack([t for _, t in views])
    in_camera = np.einsum("tij,tkj->tki", rotation, joints) + translation[:, None]
    root = skeleton.root
    if lengths is None:
        lengths = np.zeros(len(skeleton))
        for parent, child in skeleton.edges:
            lengths[child] = np.linalg.norm(joints[0, child] - joints[0, parent])
    return Motion(
        skeleton=skeleton,
        times=np.arange(frames) / float(fps) if times is None else times,
        fps=fps,
        joints_world=joints,
        joints_camera=in_camera,
        lifted=in_camera - in_camera[:, [root]],
        canonical=joints - joints[:, [root]],
        teacher_rotation=rotation,
        intrinsics=intrinsics,
        camera_rotation=rotation,
        camera_translation=translation,
        camera_mode=mode,
        bone_lengths=lengths,
        keypoints=project(in_camera, intrinsics),
        scores=np.ones(joints.shape[:2]),
        reprojection_error=np.zeros(joints.shape[:2]),
        source="clip.json",
    )


def dog_skeleton():
    """Return a small quadruped, a skeleton that nothing in Poselift has a table for."""
    from poselift.core.skeleton import BodyAxes, tree

    joints = [("hips", None), ("back", "hips"), ("withers", "back"), ("skull", "withers"), ("nose", "skull"), ("tail", "hips")]
    joints += [(f"{s}_{a}", b) for s in "lr" for a, b in (("thigh", "hips"), ("stifle", f"{s}_thigh"), ("hock", f"{s}_stifle"))]
    joints += [
        (f"{s}_{a}", b) for s in "lr" for a, b in (("shoulder", "withers"), ("elbow", f"{s}_shoulder"), ("paw", f"{s}_elbow"))
    ]
    parts = ("thigh", "stifle", "hock", "shoulder", "elbow", "paw")
    return tree(
        "dog", joints, [(f"l_{p}", f"r_{p}") for p in parts],
        axes=BodyAxes("l_hock", "l_thigh", (("r_thigh", "l_thigh"), ("r_shoulder", "l_shoulder"))),
    )  # fmt: skip


def dog_joints(skeleton: Skeleton, frames=20):
    """Return joints (T, J, 3) of a dog that stands along -Y, nods and wags."""
    at = {
        "hips": (0, 0.3, 0.5), "back": (0, 0, 0.52), "withers": (0, -0.3, 0.55),
        "skull": (0, -0.5, 0.7), "nose": (0, -0.65, 0.65), "tail": (0, 0.5, 0.6),
        "l_thigh": (0.08, 0.3, 0.5), "l_stifle": (0.08, 0.2, 0.3), "l_hock": (0.08, 0.35, 0.1),
        "l_shoulder": (0.08, -0.3, 0.5), "l_elbow": (0.08, -0.25, 0.3), "l_paw": (0.08, -0.3, 0.05),
    }  # fmt: skip
    at |= {f"r_{name[2:]}": (-x, y, z) for name, (x, y, z) in at.items() if name.startswith("l_")}
    joints = np.tile(np.array([at[name] for name in skeleton.joint_names], float), (frames, 1, 1))
    nod = turn(X, 0.4 * np.sin(np.linspace(0, 6, frames)))
    wag = turn(Z, 0.8 * np.sin(np.linspace(0, 20, frames)))
    for names, pivot, rotation in ((("skull", "nose"), "withers", nod), (("tail",), "hips", wag)):
        for name in names:
            centre = joints[:, skeleton.index(pivot)]
            joints[:, skeleton.index(name)] = centre + np.einsum(
                "tij,tj->ti", rotation, joints[:, skeleton.index(name)] - centre
            )
    return np.einsum("tij,tkj->tki", turn(Z, np.linspace(0, 1, frames)), joints)
