# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature of the scene as the core's data."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.rig.skeletal import Rig, ordered


def read_rig(owner: bpy.types.Object) -> Rig:
    """Return an armature object's bones at rest, in the object's place in the world. Reads only."""
    armature = owner.data
    assert isinstance(armature, bpy.types.Armature)
    bones = list(armature.bones)
    at = {bone.name: i for i, bone in enumerate(bones)}
    parents = [at[bone.parent.name] if bone.parent else -1 for bone in bones]
    order = ordered([bone.name for bone in bones], parents)
    place = {old: new for new, old in enumerate(order)}
    place[-1] = -1
    return Rig(
        tuple(bones[i].name for i in order),
        tuple(place[parents[i]] for i in order),
        np.array([bones[i].matrix_local for i in order], np.float64).reshape(-1, 4, 4),
        np.array([bones[i].length for i in order], np.float64),
        np.array(owner.matrix_world, np.float64),
        owner.name,
    )
