# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier lift made takes over what a new one says: its objects stay, with all that the user tied to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
from mathutils import Matrix

from . import compat
from .state import current

MARK, PART = "poselift", "poselift_part"
"""Names of the custom properties that say which lift an object is of, and what it is in it."""


def mark(lift: str, person: str, parts: dict[str, bpy.types.Object | None]) -> None:
    """Note on objects which lift and whose part of it they are."""
    for part, item in parts.items():
        if item is not None:
            item[MARK], item[PART] = lift, f"{part} {person}"


def made_by(lift: str) -> dict[str, bpy.types.Object]:
    """Return the current scene's objects that a lift made, by their part in it."""
    scene, _ = current()
    return {str(item[PART]): item for item in scene.objects if lift and item.get(MARK) == lift and item.get(PART)}


def renew(lift: str, made: Iterable[bpy.types.Object]) -> None:
    """Give what `made` holds (bones, keys, mesh, lens) to the objects that `lift` made, and remove what is left over.

    Constraints, children, materials of other objects and anything else that points at the old objects go on pointing at them.
    Where the user removed an old object, the new one stays.
    """
    scene, layer = current()
    before = made_by(lift)
    home = next((item.users_collection[0] for item in before.values() if item.users_collection), None)
    left: set[bpy.types.Collection] = set()
    for item in list(made):
        old = before.get(item[PART])
        left.update(item.users_collection)
        if old is None or old == item or old.type != item.type:
            _move(item, home)
            continue
        old[MARK] = item[MARK]
        active = layer.objects.active == item
        if scene.camera == item:
            scene.camera = old
        _hand_over(item, old)
        if active:
            layer.objects.active = old
            old.select_set(True)
    for collection in left - {home}:
        if home is not None and not collection.objects and not collection.children:
            bpy.data.collections.remove(collection)


def _move(item: bpy.types.Object, home: bpy.types.Collection | None) -> None:
    if home is None or item.name in home.objects:
        return
    for collection in item.users_collection:
        collection.objects.unlink(item)
    home.objects.link(item)


def _hand_over(new: bpy.types.Object, old: bpy.types.Object) -> None:
    """Move data and action from a new object to an old one; remove the new one, and what the old one had."""
    used = _blocks_of(old)
    old.data = new.data
    compat.assign_action(old, new.animation_data.action if new.animation_data else None)
    if old.type == "CAMERA":
        old.rotation_mode = new.rotation_mode
        old.location, old.rotation_quaternion = new.location, new.rotation_quaternion
    if old.pose is not None:
        for bone in old.pose.bones:  # what is not keyed now may have been before
            bone.rotation_mode = "QUATERNION"
            bone.matrix_basis = Matrix.Identity(4)
    bpy.data.objects.remove(new)
    names = {kind: block.name for kind, block in used.items()}
    for block in used.values():  # the mesh before the materials that only it used
        if block.users == 0:
            bpy.data.batch_remove([block])
    for kind, block in _blocks_of(old).items():
        if kind in names:
            block.name = names[kind]


def _blocks_of(owner: bpy.types.Object) -> dict[str, Any]:
    """Return the datablocks of ours that an object has to itself: its data, its action, its materials."""
    data: Any = owner.data
    blocks = {"data": data, "action": owner.animation_data.action if owner.animation_data else None}
    blocks |= {f"material {number}": block for number, block in enumerate(getattr(data, "materials", ()))}
    return {kind: block for kind, block in blocks.items() if block is not None}
