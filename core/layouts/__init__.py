# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors' keypoint layouts, telling them apart, and the way from each of them to the canonical joints."""

from .mapping import MAPPINGS, to_canonical
from .names import find_layout, meanings, plain_name, suggested_mapping
from .own import OwnLayout, apply_joint_map, read_layout, write_layout
from .tables import BODY_25, BODY_25B, COCO_17, COCO_18, LAYOUTS, OPENPOSE_FACE, body_count, with_parts
from .telling import candidates, known_lengths, tell_layout

__all__ = [
    "BODY_25",
    "BODY_25B",
    "COCO_17",
    "COCO_18",
    "LAYOUTS",
    "MAPPINGS",
    "OPENPOSE_FACE",
    "OwnLayout",
    "apply_joint_map",
    "body_count",
    "candidates",
    "find_layout",
    "known_lengths",
    "meanings",
    "plain_name",
    "read_layout",
    "suggested_mapping",
    "tell_layout",
    "to_canonical",
    "with_parts",
    "write_layout",
]
