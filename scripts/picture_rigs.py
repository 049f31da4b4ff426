#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the picture of docs/retargeting.md: the same moments of the sample clip on four rigs.

Columns are rigs: the armature that Poselift makes; the rig that Rigify generates from its human metarig, moved through its
FK controls; a rig with Mixamo's names, long arms and short legs, whose bones have random rolls; and a character file where
one is given. Rigs without a mesh are shown by one octahedron per bone. Rows are moments.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from pictures import FPS, GAP, ROOT, Image, load, save

from poselift.core.motion.motion import Motion
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.readers import read
from poselift.core.rig.mapping import BoneMap
from poselift.core.rig.performance import performance_of_motion
from poselift.core.rig.transfer import TransferSettings
from poselift.scene import build, compat, files, render
from poselift.scene.retarget import RetargetSettings, retarget

sys.path.insert(0, str(ROOT / "samples"))
sys.path.insert(0, str(ROOT / "tests"))

from make_clip import camera, write_clip
from rigs import FAMILIES, armature_of_rig, human_rig

TILE = (204, 272)
"""Width and height of one tile, pixels; a preview is 3 to 4."""
CHARACTER = (0.45, 0.52, 0.6, 1.0)
STICKS = {"L": (0.1, 0.35, 0.8, 1.0), "R": (0.9, 0.35, 0.06, 1.0), "": (0.62, 0.62, 0.6, 1.0)}
THICK = 0.035
"""Metres from the middle of a bone's octahedron to its side."""
IN_PLACE = RetargetSettings(transfer=TransferSettings(in_place=True))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Render the same moments on four rigs.")
    parser.add_argument("--frames", type=int, nargs="+", default=[75, 240], help="moments of the clip, from 0")
    parser.add_argument("--character", type=Path, help="a character (.glb) for the last column")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "images" / "rigs.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poselift-pictures-") as folder:
        track = read(write_clip(Path(folder) / "keypoints", 300).keypoints)[0]
        motion = lift(track, LiftSettings(fps=Fraction(FPS), intrinsics=camera()[0]))
        files.new_file()
        figures = [own(motion), generated(motion), named(motion)]
        figures += [character(motion, options.character)] if options.character else []
        rows = [row(figures, 1 + frame, Path(folder) / "still.png") for frame in options.frames]
    gap = np.ones((GAP, rows[0].shape[1], 3), np.float32)
    save(np.concatenate([part for tiles in rows for part in (tiles, gap)][:-1], 0), options.output)
    print(options.output)


def row(figures: list[build.Built], frame: int, path: Path) -> Image:
    """Return one moment on every rig, side by side."""
    tiles = []
    bpy.context.scene.frame_set(frame)  # by which the view is chosen
    for figure in figures:
        seen = replace(figure, armature=figures[0].armature)  # all through one view
        render.save_still(path, seen, frame, view="three-quarter", longest=2 * TILE[1])
        large = load(path)
        tiles += [large.reshape(TILE[1], 2, TILE[0], 2, 3).mean((1, 3)), np.ones((TILE[1], GAP, 3), np.float32)]
    return np.concatenate(tiles[:-1], 1)


def own(motion: Motion) -> build.Built:
    """Return the armature that a lift makes, with its mannequin, in place as the others are."""
    built = build.apply(motion)
    armature: Any = built.armature
    held = retarget(performance_of_motion(motion), armature, settings=IN_PLACE)
    return build.Built(built.collection, armature, held.keyed.action, None, built.body)


def generated(motion: Motion) -> build.Built:
    """Return Rigify's generated human, moved through its FK controls."""
    import addon_utils  # Blender's own, there once bpy is

    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    owner = bpy.context.object
    bpy.data.objects.remove(metarig)
    owner.scale = (0.88, 0.88, 0.88)  # as tall as the others, and an object that is scaled
    bpy.context.view_layer.update()
    shown = [bone.name for bone in owner.data.bones if bone.name.startswith("DEF-") and not _is_of_a_face(bone)]
    return shown_by_sticks(owner, motion, shown)


def named(motion: Motion) -> build.Built:
    """Return a rig with Mixamo's names and other proportions, in an A-pose, in centimetres."""
    owner = armature_of_rig(bpy, human_rig(FAMILIES["mixamo"], arms=40.0, rolls=5, scale=100.0, size=1.25, thigh=0.38))
    return shown_by_sticks(owner, motion, [bone.name for bone in owner.data.bones])


def character(motion: Motion, path: Path) -> build.Built:
    """Return a character of a file."""
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=str(path))
    new = [item for item in bpy.data.objects if item not in before]
    owner = next(item for item in new if item.type == "ARMATURE")
    material = bpy.data.materials.new("character")
    compat.colour_material(material, CHARACTER)
    meshes = [item for item in new if item.type == "MESH" and item.find_armature() == owner]
    for item in meshes:
        item.data.materials.clear()
        item.data.materials.append(material)
    return moved(owner, motion, meshes)


def _is_of_a_face(bone: Any) -> bool:
    """Return whether a bone hangs on the head, or is a breast or pelvis helper that no limb follows."""
    above = [parent.name for parent in bone.parent_recursive]
    return any(name in ("ORG-face", "DEF-spine.006") for name in above) or "breast" in bone.name or "pelvis" in bone.name


def shown_by_sticks(owner: Any, motion: Motion, names: list[str]) -> build.Built:
    """Return a rig with a mesh of one octahedron per bone of some names, which follow these bones."""
    vertices, faces, sides, groups = [], [], [], {}
    for name in names:
        bone = owner.data.bones[name]
        matrix, length = np.array(bone.matrix_local), bone.length
        thick = min(0.25 * length, THICK * float(owner.matrix_world.inverted().median_scale))
        ring = [(thick, 0.2 * length, 0), (0, 0.2 * length, thick), (-thick, 0.2 * length, 0), (0, 0.2 * length, -thick)]
        local = np.array([(0, 0, 0), *ring, (0, length, 0)])
        first = len(vertices)
        vertices += (local @ matrix[:3, :3].T + matrix[:3, 3]).tolist()
        for i in range(4):
            after = 1 + (i + 1) % 4
            faces += [(first, first + after, first + 1 + i), (first + 5, first + 1 + i, first + after)]
            sides += [_side(name)] * 2
        groups[name] = list(range(first, first + 6))
    mesh = bpy.data.meshes.new("sticks")
    mesh.from_pydata(vertices, [], faces)
    for side, colour in STICKS.items():
        material = bpy.data.materials.new(f"sticks {side}")
        compat.colour_material(material, colour)
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", [list(STICKS).index(side) for side in sides])
    body = bpy.data.objects.new("sticks", mesh)
    bpy.context.scene.collection.objects.link(body)
    body.matrix_world = owner.matrix_world
    for name, members in groups.items():
        body.vertex_groups.new(name=name).add(members, 1.0, "REPLACE")
    modifier: Any = body.modifiers.new("armature", "ARMATURE")
    modifier.object = owner
    return moved(owner, motion, [body])


def _side(name: str) -> str:
    if ".L" in name or "Left" in name:
        return "L"
    return "R" if ".R" in name or "Right" in name else ""


def moved(owner: Any, motion: Motion, meshes: list[Any], bones: BoneMap | None = None) -> build.Built:
    """Put the motion onto a rig, and return it with its meshes in a collection of their own."""
    done = retarget(performance_of_motion(motion), owner, bones, IN_PLACE)
    collection = bpy.data.collections.new(owner.name)
    for item in (owner, *meshes):
        collection.objects.link(item)
    return build.Built(collection, owner, done.keyed.action, None, meshes[0])


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender's module hangs at exit where an add-on's classes are left registered
