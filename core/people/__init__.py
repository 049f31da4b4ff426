# SPDX-License-Identifier: GPL-3.0-or-later
"""People over time: a clip's loose detections are linked into one track per person; people are chosen and repaired by hand."""

from .choosing import PersonSummary, best_first, choose, parse_stitches, stitch, summaries, swap
from .detections import Detections
from .linking import link
from .tracks import MAX_PEOPLE_PER_FRAME, to_tracks

__all__ = [
    "MAX_PEOPLE_PER_FRAME",
    "Detections",
    "PersonSummary",
    "best_first",
    "choose",
    "link",
    "parse_stitches",
    "stitch",
    "summaries",
    "swap",
    "to_tracks",
]
