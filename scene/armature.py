# SPDX-License-Identifier: GPL-3.0-or-later
"""A new armature from a rest pose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Vector

from ..core.rig.rest import RestPose
from .state import current


def new_armature(name: str, rest: RestPose, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make an armature object at the world's origin whose bones lie as in the rest pose.

    Every bone's `matrix_local` has the rest pose's axes, its roll included. A bone is connected where it starts at its
    parent's tail. The object becomes the active one. Must be called in Object mode.
    """
    armature = bpy.data.armatures.new(name)
    owner = bpy.data.objects.new(name, armature)
    collection.objects.link(owner)
    owner.show_in_front = True
    table = rest.table
    with _edit_mode(owner):
        bones = armature.edit_bones
        for index in range(len(table)):
            edit = bones.new(table.labels[index])
            edit.head, edit.tail = Vector(rest.heads[index]), Vector(rest.tails[index])
            edit.align_roll(Vector(rest.matrices[index][:, 2]))
            parent = table.parents[index]
            if parent >= 0:
                edit.parent = bones[table.labels[parent]]
                edit.use_connect = bool(np.abs(rest.heads[index] - rest.tails[parent]).max() < 1e-7)
    assert owner.pose is not None
    for pose_bone in owner.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    return owner


@contextmanager
def _edit_mode(owner: bpy.types.Object) -> Iterator[None]:
    """Put one object, made active, into Edit mode; there is no other way to its bones' rolls."""
    current()[1].objects.active = owner
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
