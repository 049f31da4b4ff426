# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom properties by which rigs choose between IK and FK, or how far a part follows the trunk."""

from __future__ import annotations

import re

_FK_AT_ONE = re.compile(r"ik[_\-/ ]?(2|to)?[_\-/ ]?fk([_\-/ ]?(switch|blend))?([._\- ].*)?", re.IGNORECASE)
_FK_AT_ZERO = re.compile(r"(fk[_\-/ ]?(2|to)?[_\-/ ]?ik([_\-/ ]?(switch|blend))?|use[_\- ]?ik|ik)([._\- ].*)?", re.IGNORECASE)
_NOT_A_SWITCH = re.compile(r"stretch|parent|pole|vector|follow|snap|auto", re.IGNORECASE)
_FOLLOWS = ("neck_follow", "head_follow")


def wanted(name: str, value: float) -> float | None:
    """Return what a property has to be so that FK keys count alone, or None where it is no such switch.

    A part that follows half-way cannot be keyed exactly, so it is made to follow; one that follows fully or not at all is
    left as it is.
    """
    if name in _FOLLOWS:
        return 1.0 if 0.0 < value < 1.0 else None
    if _NOT_A_SWITCH.search(name):
        return None
    if _FK_AT_ONE.fullmatch(name):
        return 1.0
    return 0.0 if _FK_AT_ZERO.fullmatch(name) else None
