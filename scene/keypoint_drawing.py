# SPDX-License-Identifier: GPL-3.0-or-later
"""The keypoints that were lifted, drawn before the camera where they were seen: dots, and lines between them.

Every dot and every line is one small mesh with keys on every frame, so that any render of the scene shows them.
"""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.camera import unproject
from ..core.drawing import LEFT, MIDDLE, RIGHT
from ..core.motion.motion import Motion
from ..core.rotation import continuous_quaternions, multiply_quaternions
from . import compat
from .camera import camera_pose
from .keyframes import Channel, key_channels

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

NAME = "Poselift keypoints"
DOT, LINE = 1 / 250, 1 / 500
"""Radius of a dot and half the width of a line, as shares of the image's longer side."""
RIM = 1.45
"""A dot's dark rim, in radii."""
CORNERS = 16
NEAR = 0.2
"""Metres before the camera at which the keypoints hang: before all that is filmed, behind a camera's near end."""
WHITE, DARK = (0.95, 0.95, 0.95), (0.02, 0.02, 0.02)


def draw_keypoints(motion: Motion, frames: Array, collection: bpy.types.Collection) -> None:
    """Draw a motion's keypoints, as used in the lift, before its camera. frames: (T,) scene frames."""
    rays = unproject(motion.keypoints, motion.intrinsics)
    rays = np.where((motion.scores > 0)[..., None], rays, np.nan)
    turn, eye = camera_pose(motion.camera_rotation, motion.camera_translation)
    unit = max(motion.intrinsics.width, motion.intrinsics.height) / motion.intrinsics.fx
    palette = {colour: _material(colour) for colour in (WHITE, DARK, LEFT, RIGHT, MIDDLE)}
    skeleton, dot, lines = motion.skeleton, _dot(palette), {c: _line(palette[c]) for c in (LEFT, RIGHT, MIDDLE)}
    to_world = np.swapaxes(motion.camera_rotation, 1, 2)
    for joint, name in enumerate(skeleton.joint_names):
        # A dot lies a little nearer than the lines that meet in it.
        place = 0.99 * NEAR * rays[:, joint]
        _animate(name, dot, place, turn, np.full((len(rays), 3), 0.99 * NEAR * DOT * unit), to_world, eye, frames, collection)
    side = {left: LEFT for left, _ in skeleton.mirror_pairs} | {right: RIGHT for _, right in skeleton.mirror_pairs}
    for parent, joint in skeleton.edges:
        name = skeleton.joint_names[joint]
        along = NEAR * (rays[:, joint] - rays[:, parent])
        length = np.linalg.norm(along, axis=-1)
        size = np.stack([length, *[np.full(len(rays), NEAR * LINE * unit)] * 2], -1)
        angle = np.nan_to_num(np.arctan2(-along[:, 1], along[:, 0]))  # Blender's camera has y up
        twist = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], -1)
        mesh = lines[side.get(name, MIDDLE)]
        _animate(name, mesh, NEAR * rays[:, parent], multiply_quaternions(turn, twist), size, to_world, eye, frames, collection)


def _animate(
    name: str,
    mesh: bpy.types.Mesh,
    place: Array,
    turn: Array,
    size: Array,
    to_world: Array,
    eye: Array,
    frames: Array,
    collection: bpy.types.Collection,
) -> None:
    """Key an object of a mesh at places (T, 3) of the camera's frame; it vanishes where they are NaN."""
    seen = np.isfinite(place).all(-1) & np.isfinite(size).all(-1)
    owner = bpy.data.objects.new(f"{NAME} {name}", mesh)
    collection.objects.link(owner)
    owner.rotation_mode = "QUATERNION"
    owner.display.show_shadows = False
    world = (to_world @ np.nan_to_num(place)[..., None])[..., 0] + eye
    channels = [
        Channel("location", "Location", world),
        Channel("rotation_quaternion", "Rotation", continuous_quaternions(turn)),
        Channel("scale", "Scale", np.where(seen[:, None], size, 0.0)),
    ]
    key_channels(owner, owner.name, channels, frames)


def _material(colour: Colour) -> bpy.types.Material:
    material = bpy.data.materials.new(NAME)
    compat.colour_material(material, (*colour, 1.0))
    return material


def _dot(palette: dict[Colour, bpy.types.Material]) -> bpy.types.Mesh:
    """Make a disc of radius 1 that faces +Z, white with a dark rim."""
    angles = np.arange(CORNERS) * 2 * np.pi / CORNERS
    circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)
    mesh = bpy.data.meshes.new(NAME)
    ring = [(i, i + CORNERS, (i + 1) % CORNERS + CORNERS, (i + 1) % CORNERS) for i in range(CORNERS)]
    mesh.from_pydata(np.concatenate([circle, RIM * circle]).tolist(), [], [tuple(range(CORNERS)), *ring])
    mesh.materials.append(palette[WHITE])
    mesh.materials.append(palette[DARK])
    mesh.polygons.foreach_set("material_index", np.array([0] + [1] * CORNERS, np.int32))
    mesh.update()
    return mesh


def _line(material: bpy.types.Material) -> bpy.types.Mesh:
    """Make a strip from x = 0 to 1, 2 wide, that faces +Z."""
    mesh = bpy.data.meshes.new(NAME)
    mesh.from_pydata([(0, -1, 0), (1, -1, 0), (1, 1, 0), (0, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    mesh.update()
    return mesh
