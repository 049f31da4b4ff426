# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors' keypoint layouts as data: the joints in each one's order, their parents and mirror pairs.

All layouts share one vocabulary: `neck` is the middle between the shoulders, `upper_neck` the root of the neck,
`mid_hip` the middle between the hips, `head_top` the crown; `l_` and `r_` are the person's own sides.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..skeleton import HUMAN17, HUMAN26, Skeleton, tree

# Parents that all layouts share; "~" stands for the joint's own side.
_PARENTS: dict[str, str | None] = {
    "eye": "nose", "eye_inner": "nose", "eye_outer": "~eye", "ear": "~eye", "mouth": "nose", "elbow": "~shoulder",
    "wrist": "~elbow", "knee": "~hip", "ankle": "~knee", "big_toe": "~ankle", "small_toe": "~big_toe", "heel": "~ankle",
    "foot_index": "~ankle", "pinky": "~wrist", "index": "~wrist", "thumb": "~wrist", "hip": "~shoulder",
}  # fmt: skip


def _layout(name: str, order: str, centre: Mapping[str, str | None]) -> Skeleton:
    """Make a layout from its joints in order, and the parents (by part, without a side) that are its own."""
    parents = _PARENTS | dict(centre)
    joints, rows = order.split(), []
    for joint in joints:
        side, part = (joint[:2], joint[2:]) if joint[:2] in ("l_", "r_") else ("", joint)
        parent = parents[part]
        rows.append((joint, parent.replace("~", side) if parent else None))
    return tree(name, rows, mirror_pairs(joints))


def mirror_pairs(joints: list[str]) -> list[tuple[str, str]]:
    """Return the (left, right) pairs among joint names."""
    return [(joint, f"r_{joint[2:]}") for joint in joints if joint.startswith("l_") and f"r_{joint[2:]}" in joints]


_FEET = "l_big_toe l_small_toe l_heel r_big_toe r_small_toe r_heel"
_COCO = (
    "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle"
)
_ARMS = "nose neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist"
_LEGS = "r_hip r_knee r_ankle l_hip l_knee l_ankle"

BODY_25 = _layout(
    "body_25",
    f"{_ARMS} mid_hip {_LEGS} r_eye l_eye r_ear l_ear {_FEET}",
    {"mid_hip": None, "neck": "mid_hip", "nose": "neck", "shoulder": "neck", "hip": "mid_hip"},
)
"""OpenPose's default model (its documentation, "output": pose output format BODY_25)."""

BODY_25B = _layout(
    "body_25b",
    f"{_COCO} upper_neck head_top {_FEET}",
    {"upper_neck": None, "head_top": "upper_neck", "nose": "upper_neck", "shoulder": "upper_neck"},
)
"""OpenPose's experimental model: as many keypoints as BODY_25, in another order and with other head points."""

COCO_18 = _layout(
    "coco_18",
    f"{_ARMS} {_LEGS} r_eye l_eye r_ear l_ear",
    {"neck": None, "nose": "neck", "shoulder": "neck", "hip": "neck"},
)
"""OpenPose's COCO model."""

MPI_15 = _layout(
    "mpi_15",
    f"head_top neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist {_LEGS} chest",
    {"chest": None, "neck": "chest", "head_top": "neck", "shoulder": "neck", "hip": "chest"},
)
"""OpenPose's MPI model, its background channel left out."""

COCO_17 = _layout("coco_17", _COCO, {"nose": None, "shoulder": "nose"})
"""The COCO keypoint challenge's order, which most detectors write."""

MEDIAPIPE_33 = _layout(
    "mediapipe_33",
    "nose l_eye_inner l_eye l_eye_outer r_eye_inner r_eye r_eye_outer l_ear r_ear l_mouth r_mouth l_shoulder r_shoulder "
    "l_elbow r_elbow l_wrist r_wrist l_pinky r_pinky l_index r_index l_thumb r_thumb l_hip r_hip l_knee r_knee "
    "l_ankle r_ankle l_heel r_heel l_foot_index r_foot_index",
    {"nose": None, "shoulder": "nose", "eye": "~eye_inner"},
)
"""MediaPipe Pose (BlazePose's 33 landmarks)."""

_HALPE_26 = f"{_COCO} head_top neck mid_hip l_big_toe r_big_toe l_small_toe r_small_toe l_heel r_heel"
_HALPE_CENTRE = {"mid_hip": None, "neck": "mid_hip", "head_top": "neck", "nose": "neck", "shoulder": "neck", "hip": "mid_hip"}

HALPE_26 = _layout("halpe_26", _HALPE_26, _HALPE_CENTRE)
"""AlphaPose's and RTMPose's body with feet."""

MPII_16 = _layout(
    "mpii_16",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle mid_hip neck upper_neck head_top r_wrist r_elbow r_shoulder "
    "l_shoulder l_elbow l_wrist",
    {"mid_hip": None, "neck": "mid_hip", "upper_neck": "neck", "head_top": "upper_neck", "shoulder": "neck", "hip": "mid_hip"},
)
"""MPII Human Pose; its "thorax" is the middle between the shoulders."""

CROWDPOSE_14 = _layout(
    "crowdpose_14",
    "l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle head_top neck",
    {"neck": None, "head_top": "neck", "shoulder": "neck"},
)
"""CrowdPose."""

LSP_14 = _layout(
    "lsp_14",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist neck head_top",
    {"neck": None, "head_top": "neck", "shoulder": "neck"},
)
"""Leeds Sports Pose."""

_SIDE: dict[str, tuple[float, float, float]] = {
    "eye": (0.03, 0.10, 1.64), "eye_inner": (0.02, 0.10, 1.64), "eye_outer": (0.04, 0.09, 1.64), "ear": (0.08, 0.0, 1.61),
    "mouth": (0.03, 0.10, 1.56), "shoulder": (0.18, 0.0, 1.43), "elbow": (0.22, 0.0, 1.15), "wrist": (0.24, 0.05, 0.89),
    "pinky": (0.24, 0.03, 0.80), "index": (0.24, 0.08, 0.80), "thumb": (0.24, 0.10, 0.84), "hand": (0.24, 0.06, 0.80),
    "hip": (0.09, 0.0, 0.93), "knee": (0.09, 0.0, 0.50), "ankle": (0.09, 0.0, 0.08), "big_toe": (0.07, 0.18, 0.02),
    "small_toe": (0.13, 0.15, 0.02), "toe": (0.10, 0.17, 0.02), "foot_index": (0.07, 0.18, 0.02), "heel": (0.09, -0.05, 0.02),
}  # fmt: skip
STANDING: dict[str, tuple[float, float, float]] = {
    "pelvis": (0.0, 0.0, 0.93), "mid_hip": (0.0, 0.0, 0.93), "spine": (0.0, 0.0, 1.18), "chest": (0.0, 0.0, 1.18),
    "neck": (0.0, 0.0, 1.43), "neck_base": (0.0, 0.0, 1.48), "upper_neck": (0.0, 0.0, 1.48), "head_joint": (0.0, 0.0, 1.57),
    "head_top": (0.0, 0.02, 1.75), "nose": (0.0, 0.12, 1.60),
} | {f"{s}_{part}": (x if s == "l" else -x, y, z) for s in "lr" for part, (x, y, z) in _SIDE.items()}  # fmt: skip
"""Where the body's joints are on a person of 1.75 m who stands: metres to the left, ahead, and up from the floor."""

FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def hand(side: str) -> list[tuple[str, str]]:
    """Return the 21 keypoints of a hand and their parents, in the order that all detectors share. side: "l" or "r"."""
    base = f"{side}_hand_base"
    rows = [(base, f"{side}_wrist")]
    for finger in FINGERS:
        names = [f"{side}_hand_{finger}_{joint}" for joint in range(1, 5)]
        rows += list(zip(names, [base, *names[:-1]], strict=True))
    return rows


def face(count: int) -> list[tuple[str, str]]:
    """Return numbered keypoints of a face, all held by the nose."""
    return [(f"face_{number}", "nose") for number in range(count)]


def with_parts(body: Skeleton, hands: bool = False, face_points: int = 0, name: str = "", face_first: bool = False) -> Skeleton:
    """Return a body's layout with both hands (left, right) and a face behind it; in the other order where `face_first`.

    Parts whose holders the body lacks (a nose, a wrist) hang on its root.
    """
    both = hand("l") + hand("r") if hands else []
    parts = face(face_points) + both if face_first else both + face(face_points)
    if not parts:
        return body
    names = [*body.joint_names, *(joint for joint, _ in parts)]
    root = body.joint_names[body.root]
    parents = (*body.parents, *(names.index(parent if parent in names else root) for _, parent in parts))
    title = name or body.name + "_hands" * hands + "_face" * bool(face_points)
    return Skeleton(title, tuple(names), parents, tuple(mirror_pairs(names)))


def body_count(skeleton: Skeleton) -> int:
    """Return how many of a layout's first joints are the body's: hands and face come behind them."""
    parts = [n for n, name in enumerate(skeleton.joint_names) if name.startswith(("l_hand_", "r_hand_", "face_"))]
    return parts[0] if parts else len(skeleton)


OPENPOSE_FACE = 70

COCO_WHOLEBODY_133 = with_parts(
    _layout("coco_wholebody_23", f"{_COCO} {_FEET}", {"nose": None, "shoulder": "nose"}),
    True,
    68,
    "coco_wholebody_133",
    face_first=True,
)
"""COCO-WholeBody: 17 joints, 6 of the feet, 68 of the face, 21 of each hand."""

HALPE_136 = with_parts(HALPE_26, True, 68, "halpe_136", face_first=True)
"""Halpe-FullBody: 26 joints, 68 of the face, 21 of each hand."""

_OPENPOSE = tuple(
    with_parts(body, hands, OPENPOSE_FACE * has_face)
    for body in (BODY_25, BODY_25B, COCO_18, MPI_15)
    for hands, has_face in ((True, True), (True, False), (False, True))
)

LAYOUTS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        BODY_25, BODY_25B, COCO_18, MPI_15, COCO_17, HUMAN17, HUMAN26, MEDIAPIPE_33, HALPE_26, HALPE_136, COCO_WHOLEBODY_133,
        MPII_16, CROWDPOSE_14, LSP_14, *_OPENPOSE,
    )
}  # fmt: skip
"""Known layouts by their names on the command line."""
