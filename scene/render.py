# SPDX-License-Identifier: GPL-3.0-or-later
"""A still of the figure, quick enough to judge a pose by: Workbench, in a scene of its own that is gone afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from ..core.output import written_aside
from .build import Built
from .compat import colour_material
from .state import current, temporary

Array = NDArray[np.float64]

VIEWS = {"front": (0.0, -1.0, 0.12), "side": (1.0, 0.0, 0.12), "back": (0.0, 1.0, 0.12), "three-quarter": (0.8, -1.0, 0.4)}
"""Where to look from, beside 'camera', the built camera's own view: directions from the figure, world axes."""

SQUARE = 0.5
"""Metres of a floor square's side."""
AROUND = 4.0
"""Metres of floor around where somebody stands."""
BACKGROUND = (0.32, 0.34, 0.37)
FLOOR = ((0.40, 0.42, 0.45, 1.0), (0.5, 0.52, 0.55, 1.0))


def save_still(
    path: Path, built: Built, frame: int | None = None, view: str = "camera", longest: int = 960, floor: bool = True
) -> None:
    """Render what `build.apply` made, at one frame, as a PNG.

    frame: the scene's current one where not given. view: 'camera' or one of `VIEWS`. longest: pixels of the longer side.
    floor: show the ground at z = 0 as squares of half a metre. Works without a screen. Raises `OutputError` where the file
    cannot be written.
    """
    source, _ = current()
    shown = source.frame_current if frame is None else frame
    with temporary(), written_aside(path) as aside:
        scene = bpy.data.scenes.new("Poselift preview")
        scene.collection.children.link(built.collection)
        set_look(scene)
        render = scene.render
        render.image_settings.file_format = "PNG"
        render.fps, render.fps_base = source.render.fps, source.render.fps_base
        scene.frame_set(shown)
        if view == "camera" and built.camera is not None:
            width, height = source.render.resolution_x, source.render.resolution_y
            render.pixel_aspect_x, render.pixel_aspect_y = source.render.pixel_aspect_x, source.render.pixel_aspect_y
            scene.camera = built.camera
        else:
            width, height = 3, 4
            scene.camera = _camera_towards(scene, built.armature, Vector(VIEWS["front" if view == "camera" else view]))
        scale = longest / max(width, height)
        render.resolution_x, render.resolution_y = (max(4, round(side * scale)) for side in (width, height))
        if floor:
            assert built.armature.pose is not None
            middle = np.array(built.armature.matrix_world @ built.armature.pose.bones[0].head)[:2]
            scene.collection.objects.link(new_floor(middle, middle))
        render.filepath, render.use_file_extension = str(aside), False
        _render(scene, source)


def _render(scene: bpy.types.Scene, source: bpy.types.Scene) -> None:
    """Render one scene while another is the current one, whose frame the operator takes for its own."""
    now = source.frame_current, source.frame_subframe
    source.frame_current, source.frame_subframe = scene.frame_current, 0.0
    try:
        bpy.ops.render.render(write_still=True, scene=scene.name)
    finally:
        source.frame_current, source.frame_subframe = now


def set_look(scene: bpy.types.Scene) -> None:
    """Light and colours that show form: studio light, soft creases, material colours, a quiet background."""
    # Blender's type stubs know neither the engine's name nor that a scene always has these.
    everything: Any = scene
    everything.render.engine = "BLENDER_WORKBENCH"
    everything.view_settings.view_transform = "Standard"
    everything.display.light_direction = (0.3, 0.35, 0.88)
    shading = everything.display.shading
    shading.light, shading.color_type = "STUDIO", "MATERIAL"
    shading.show_cavity = shading.show_shadows = True
    shading.cavity_type = "BOTH"
    shading.shadow_intensity = 0.35
    scene.render.resolution_percentage = 100
    scene.world = bpy.data.worlds.new("Poselift preview")
    scene.world.color = BACKGROUND


def _camera_towards(scene: bpy.types.Scene, armature: bpy.types.Object, direction: Vector) -> bpy.types.Object:
    """Make a camera that frames the armature as it stands, from a direction."""
    assert armature.pose is not None
    points = [armature.matrix_world @ end for bone in armature.pose.bones for end in (bone.head, bone.tail)]
    data = bpy.data.cameras.new("Poselift preview")
    camera = bpy.data.objects.new("Poselift preview", data)
    scene.collection.objects.link(camera)
    data.lens, data.sensor_width, data.sensor_height, data.sensor_fit = 70.0, 27.0, 36.0, "VERTICAL"
    turn = direction.normalized().to_track_quat("Z", "Y").to_matrix()
    seen = np.array(points) @ np.array(turn)
    low, high = seen.min(0), seen.max(0)
    # A margin of 20 cm: limbs are thicker than bones.
    half = 0.5 * (high - low)[:2] + 0.2
    distance = 70.0 * max(half[0] / 13.5, half[1] / 18.0) + high[2]
    place = turn @ Vector((*(0.5 * (low + high))[:2], distance))
    camera.matrix_world = Matrix.Translation(place) @ turn.to_4x4()
    return camera


def new_floor(low: Array, high: Array, level: float = 0.0) -> bpy.types.Object:
    """Make a checkered floor at z = level, `AROUND` a rectangle of the world's x and y; low, high: (2,) metres."""
    pair = 2 * SQUARE  # the pattern stays where it is in the world
    start = np.floor((np.asarray(low) - AROUND) / pair) * pair
    counts = np.ceil((np.asarray(high) + AROUND - start) / SQUARE).astype(int)
    across, along = (np.arange(count + 1) * SQUARE for count in counts)
    x, y = np.meshgrid(across + start[0], along + start[1])
    vertices = np.stack([x, y, np.full_like(x, level)], -1).reshape(-1, 3)
    i, j = np.mgrid[: len(along) - 1, : len(across) - 1]
    corner = i * len(across) + j
    faces = np.stack([corner, corner + 1, corner + len(across) + 1, corner + len(across)], -1).reshape(-1, 4)
    mesh = bpy.data.meshes.new("Poselift preview floor")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    for colour in FLOOR:
        material = bpy.data.materials.new("Poselift preview floor")
        colour_material(material, colour)
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", ((i + j) % 2).ravel().astype(np.int32))
    mesh.update()
    return bpy.data.objects.new("Poselift preview floor", mesh)
