# SPDX-License-Identifier: GPL-3.0-or-later
"""A mannequin: one mesh that follows the bones, because bones themselves are never rendered.

Left is blue, right is orange, the middle grey, and a nose shows where the head faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.rig.rest import RestPose
from ..core.rotation import orthonormal_frame
from . import compat

Array = NDArray[np.float64]
Section = tuple[float, float, float]

SEGMENTS = 12
# In this order they are material slots: 0, 1, 2.
COLOURS = {"middle": (0.62, 0.62, 0.6, 1.0), "left": (0.1, 0.35, 0.8, 1.0), "right": (0.9, 0.35, 0.06, 1.0)}

# Cross-sections (place along the bone in bone lengths, radius along the bone's X and Z axes in body heights).
_LIMBS: dict[str, tuple[Section, ...]] = {
    "thigh": ((0.02, 0.042, 0.046), (0.35, 0.042, 0.044), (0.8, 0.031, 0.032), (1.0, 0.027, 0.028)),
    "shin": ((0.0, 0.027, 0.028), (0.25, 0.029, 0.033), (0.7, 0.02, 0.022), (1.0, 0.018, 0.02), (1.1, 0.02, 0.022)),
    "shoulder": ((0.35, 0.026, 0.03), (1.0, 0.03, 0.032)),
    "upper_arm": ((0.0, 0.028, 0.029), (0.4, 0.025, 0.025), (1.0, 0.02, 0.02)),
    "forearm": ((0.0, 0.02, 0.02), (0.25, 0.021, 0.022), (0.85, 0.013, 0.016), (1.1, 0.01, 0.019), (1.5, 0.008, 0.02)),
}
_HUMAN: dict[str, tuple[Section, ...]] = {
    "pelvis": ((-0.45, 0.075, 0.055), (0.1, 0.092, 0.062), (0.7, 0.085, 0.058)),
    "hip": (),
    "spine": ((0.2, 0.084, 0.056), (0.7, 0.074, 0.05), (1.0, 0.077, 0.053)),
    "chest": ((0.05, 0.077, 0.053), (0.4, 0.088, 0.062), (0.65, 0.092, 0.058), (0.85, 0.06, 0.042)),
    "neck": ((0.0, 0.03, 0.03), (1.0, 0.027, 0.029)),
    "head": ((0.06, 0.025, 0.03), (0.25, 0.036, 0.045), (0.55, 0.043, 0.055), (0.72, 0.041, 0.052)),
    **_LIMBS,
    "foot": ((-0.15, 0.022, 0.022), (0.3, 0.026, 0.022), (0.75, 0.028, 0.014), (0.98, 0.022, 0.01)),
    "hand": ((0.0, 0.011, 0.018), (0.6, 0.01, 0.022), (1.6, 0.008, 0.018)),
}
_SOLE: tuple[Section, ...] = ((0.02, 0.019, 0.016), (0.4, 0.02, 0.016), (0.75, 0.027, 0.015), (0.99, 0.022, 0.01))
_NOSE = ((0.46, 0.052), (0.28, 0.076), (0.22, 0.05))  # (along the bone in its lengths, forward in heights): bridge, tip, base


@dataclass
class _Shell:
    """A mesh in the making."""

    vertices: list[Array] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, vertices: Array, faces: list[tuple[int, ...]], side: int) -> range:
        start = self.count
        self.vertices.append(vertices)
        self.faces += [tuple(start + i for i in face) for face in faces]
        self.sides += [side] * len(faces)
        self.count += len(vertices)
        return range(start, self.count)


def new_body(name: str, rest: RestPose, armature: bpy.types.Object, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make the mannequin of a rest pose, bound to the armature by one vertex group per bone."""
    shell = _Shell()
    height = float(np.ptp(rest.joints[:, 2]))
    owned: dict[str, list[int]] = {}
    pairs = rest.table.skeleton.mirror_pairs
    side_of = {left: 1 for left, _ in pairs} | {right: 2 for _, right in pairs}
    human = "head" in rest.table.names and "upper_arm.L" in rest.table.names
    for index, bone in enumerate(rest.table.bones):
        plain, side = bone.name.partition(".")[0], side_of.get(bone.tail or "", 0)
        length = float(np.linalg.norm(rest.tails[index] - rest.heads[index]))
        sections = _HUMAN.get(plain, ()) if human else _spindle(length / height)
        if not sections:
            continue
        if human and plain == "forearm" and bone.name.replace("forearm", "hand") in rest.table.names:
            sections = sections[:-1]  # its last section stands for the hand
        parts = [_lathe(np.array(sections) * (length, height, height))]
        if human and plain == "head":
            parts.append(_nose(length, height))
        for vertices, faces in parts:
            placed = vertices @ rest.matrices[index].T + rest.heads[index]
            owned.setdefault(bone.label or bone.name, []).extend(shell.add(placed, faces, side))
        if human and plain == "foot" and (sole := _sole(rest, index, height)):
            owned[bone.label or bone.name].extend(shell.add(*sole, side))
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(np.concatenate(shell.vertices).tolist(), [], shell.faces)
    for label, colour in COLOURS.items():
        material = bpy.data.materials.new(f"{name} {label}")
        compat.colour_material(material, colour)
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", np.array(shell.sides, np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(shell.faces), bool))
    mesh.update()
    owner = bpy.data.objects.new(name, mesh)
    collection.objects.link(owner)
    for bone_name, own in owned.items():
        owner.vertex_groups.new(name=bone_name).add(own, 1.0, "REPLACE")
    owner.parent = armature
    modifier = owner.modifiers.new("Armature", "ARMATURE")
    assert isinstance(modifier, bpy.types.ArmatureModifier)
    modifier.object = armature
    return owner


def _spindle(share: float) -> tuple[Section, ...]:
    """Return the cross-sections of a bone that nothing is known about; `share` is its length in body heights."""
    thick, thin = 0.16 * share, 0.06 * share
    return ((0.02, thin, thin), (0.2, thick, thick), (0.95, thin, thin))


def _lathe(sections: Array) -> tuple[Array, list[tuple[int, ...]]]:
    """Return vertices and faces of a body with elliptic cross-sections (y, radius x, radius z) and round ends."""
    rings = [*_round_end(sections[0], -1)[::-1], *sections, *_round_end(sections[-1], +1)]
    angles = np.arange(SEGMENTS) * 2 * np.pi / SEGMENTS
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    vertices = [np.stack([rx * circle[:, 0], np.full(SEGMENTS, y), rz * circle[:, 1]], -1) for y, rx, rz in rings]
    faces: list[tuple[int, ...]] = []
    for ring in range(len(rings) - 1):
        for i in range(SEGMENTS):
            a, b = ring * SEGMENTS + i, ring * SEGMENTS + (i + 1) % SEGMENTS
            faces.append((a, a + SEGMENTS, b + SEGMENTS, b))
    last = (len(rings) - 1) * SEGMENTS
    faces += [tuple(range(SEGMENTS)), tuple(range(last + SEGMENTS - 1, last - 1, -1))]
    return np.concatenate(vertices), faces


def _round_end(section: Array, sign: int) -> list[Array]:
    """Return rings that close an end in a quarter of a circle."""
    y, rx, rz = section
    bulge = min(rx, rz)
    angles = np.radians([30.0, 55.0, 75.0, 86.0])
    return [np.array([y + sign * bulge * np.sin(a), rx * np.cos(a), rz * np.cos(a)]) for a in angles]


def _sole(rest: RestPose, foot: int, height: float) -> tuple[Array, list[tuple[int, ...]]] | None:
    """Return vertices and faces of a foot from the heel to the toes, where the heel is known. foot: the bone's index."""
    table = rest.table
    name = table.bones[foot].name
    heel = next((joint for joint, carrier, _ in table.carried if carrier == name and joint.endswith("heel")), None)
    if heel is None:
        return None
    start = rest.joints[table.skeleton.index(heel)]
    along = rest.tails[foot] - start
    vertices, faces = _lathe(np.array(_SOLE) * (np.linalg.norm(along), height, height))
    axes = orthonormal_frame(along, rest.matrices[foot][:, 0])[:, [1, 0, 2]] * (1, 1, -1)
    return vertices @ axes.T + start, faces


def _nose(length: float, height: float) -> tuple[Array, list[tuple[int, ...]]]:
    (top, top_z), (tip, tip_z), (base, base_z) = _NOSE
    wide = 0.011 * height
    vertices = np.array(
        [
            (0.0, top * length, top_z * height),
            (0.0, tip * length, tip_z * height),
            (-wide, base * length, base_z * height),
            (wide, base * length, base_z * height),
        ]
    )
    return vertices, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]
