# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene as it was: what an action changed is undone where the action fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from ..core.errors import SettingsError


def current() -> tuple[bpy.types.Scene, bpy.types.ViewLayer]:
    """Return the scene and the view layer that the user is in."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    assert scene is not None and layer is not None
    return scene, layer


def mark_of(block: bpy.types.ID | None) -> int | None:
    """Return by what `in_scene` finds a scene again, and `object_of` an object: it survives undo, which references do not."""
    return None if block is None else int(block.session_uid)


def object_of(mark: int | None) -> bpy.types.Object:
    """Return the object of a mark. Raises `SettingsError` where it is gone."""
    found = next((item for item in bpy.data.objects if item.session_uid == mark), None)
    if found is None:
        raise SettingsError("the object that this was for has been removed; nothing was changed.")
    return found


@contextmanager
def in_scene(mark: int) -> Iterator[None]:
    """Have the window show a scene for a moment, so that what is made is made there.

    Raises `SettingsError` where that scene is gone.
    """
    context: Any = bpy.context
    now = context.window.scene if context.window else context.scene
    there = next((scene for scene in bpy.data.scenes if scene.session_uid == mark), None)
    if there is None:
        raise SettingsError("the scene that this was for has been removed; nothing was changed.")
    if there == now or context.window is None:
        yield
        return
    context.window.scene = there
    try:
        yield
    finally:
        context.window.scene = now


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Undo, when the block raises, what it did to Blender's data: new datablocks, scene settings, selection, mode."""
    before = _datablocks()
    restore = _remember_scene()
    try:
        yield
    except BaseException:
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        _remove_all_but(before)
        restore()
        raise


@contextmanager
def temporary() -> Iterator[None]:
    """Remove every datablock that the block makes, whether it ends well or not."""
    before = _datablocks()
    try:
        yield
    finally:
        _remove_all_but(before)


@contextmanager
def remembered() -> Iterator[Callable[[], None]]:
    """Give a function that removes, at any later time, what the block made and what is still there of it."""
    before = _datablocks()
    made: dict[int, int] = {}

    def remove() -> None:
        # An address may be another datablock's by then; the number of the session is its own.
        now = _datablocks()
        bpy.data.batch_remove([block for address, block in now.items() if made.get(address) == block.session_uid])

    try:
        yield remove
    finally:
        made |= {address: block.session_uid for address, block in _datablocks().items() if address not in before}


def _datablocks() -> dict[int, Any]:
    """Return the datablocks of the kinds that Poselift makes, by their address, users before what they use."""
    data = bpy.data
    kinds: list[Any] = [
        data.scenes, data.collections, data.objects, data.armatures, data.meshes, data.cameras, data.actions,
        data.materials, data.worlds, data.images, data.movieclips,
        data.node_groups, data.libraries,
    ]  # fmt: skip
    return {block.as_pointer(): block for kind in kinds for block in kind}


def _remove_all_but(before: dict[int, Any]) -> None:
    bpy.data.batch_remove([block for address, block in _datablocks().items() if address not in before])


def leave_modes() -> None:
    """Go to Object mode, where objects can be made, whatever mode the user is in."""
    if current()[1].objects.active is not None and bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def _remember_scene() -> Callable[[], None]:
    """Return a function that puts the scene's settings, the selection and the mode back to what they are now."""
    scene, layer = current()
    render_names = (
        "fps",
        "fps_base",
        "resolution_x",
        "resolution_y",
        "resolution_percentage",
        "pixel_aspect_x",
        "pixel_aspect_y",
    )
    render = {name: getattr(scene.render, name) for name in render_names}
    span, now, camera = (scene.frame_start, scene.frame_end), (scene.frame_current, scene.frame_subframe), scene.camera
    active, selected = layer.objects.active, [item for item in layer.objects if item.select_get()]
    mode = active.mode if active else "OBJECT"

    markers = {marker.as_pointer() for marker in scene.timeline_markers}

    def restore() -> None:
        for marker in [marker for marker in scene.timeline_markers if marker.as_pointer() not in markers]:
            scene.timeline_markers.remove(marker)
        layer.update()  # until then it lists what was removed as None
        for name, value in render.items():
            setattr(scene.render, name, value)
        scene.frame_start, scene.frame_end = span
        scene.camera = camera
        if (scene.frame_current, scene.frame_subframe) != now:
            scene.frame_set(now[0], subframe=now[1])
        for item in layer.objects:
            item.select_set(item in selected)
        layer.objects.active = active
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)

    return restore
