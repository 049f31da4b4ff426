# SPDX-License-Identifier: GPL-3.0-or-later
"""Naming families: one module per kind of rig, each a table from plain bone names to roles.

A table's keys are bases as `names.plain_name` gives them; its values are roles without side. `CONTROLS` families are
animated through controls that other bones copy.
"""

from __future__ import annotations

from . import (
    autorig,
    autorig_controls,
    biped,
    cmu,
    daz,
    makehuman,
    mixamo,
    plain,
    rigify,
    rigify_metarig,
    smpl,
    unreal,
    vrm,
)
from .family import Family

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        rigify,
        rigify_metarig,
        autorig_controls,
        autorig,
        mixamo,
        unreal,
        vrm,
        makehuman,
        cmu,
        daz,
        smpl,
        biped,
        plain,
    )
}
"""All families; of two that fit a rig alike, the earlier one counts."""
