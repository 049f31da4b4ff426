#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure retargeting from one armature of 60 bones to another, and compare it with Blender's way: constraints, then bake.

Both start from an animated armature and end with keys on the target. Baking takes minutes for long clips, so it is timed on
fewer frames and extrapolated in proportion, to its advantage. Prints a table and writes build/bench_retarget.json; the exit
status is 1 where 10,000 frames take longer than 3 seconds or baking is less than 5 times slower.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np

from poselift.core.rig.roles import FINGERS
from poselift.core.rig.skeletal import Rig
from poselift.scene import compat
from poselift.scene.keyframes import Channel, key_channels
from poselift.scene.retarget import map_armature, performance_of_armature, retarget

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from rigs import FAMILIES, armature_of_rig, human_rig, rig_of  # noqa: E402

LIMIT = 3.0
RATIO = 5.0


def with_fingers(rig: Rig, hand: str, pattern: str) -> Rig:
    """Return a rig with three bones for each of five fingers, and twist bones in the arms: about 60 bones in all."""
    rows = [
        (rig.names[i], rig.names[parent] if parent >= 0 else None, rig.heads[i], rig.tails[i])
        for i, parent in enumerate(rig.parents)
    ]
    for side, sign in (("l", 1), ("r", -1)):
        for limb in ("upperarm", "lowerarm"):
            middle = 0.5 * (rig.heads[rig.index(f"{limb}_{side}")] + rig.tails[rig.index(f"{limb}_{side}")])
            rows.append((f"{limb}_twist_01_{side}", f"{limb}_{side}", middle, middle + np.array([0.05 * sign, 0.0, 0.0])))
        palm = rig.tails[rig.index(hand.format(s=side))]
        for f, finger in enumerate(FINGERS):
            above = hand.format(s=side)
            start = palm + np.array([0.01 * sign, 0.02 * (f - 2), 0.0])
            for number in (1, 2, 3):
                end = start + np.array([0.03 * sign, 0.0, -0.002])
                name = pattern.format(finger=finger, number=number, s=side)
                rows.append((name, above, start, end))
                above, start = name, end
    return rig_of(rows, rolls=1)


def animate(owner: bpy.types.Object, frames: int) -> None:
    """Key smooth turns on all bones of an armature, and a path on its hips."""
    t = np.arange(frames) / 30
    channels = []
    for i, bone in enumerate(owner.pose.bones):
        half = 0.15 * np.sin((0.5 + 0.1 * i) * t)
        values = np.stack([np.cos(half), np.sin(half), 0 * t, 0 * t], -1)
        channels.append(Channel(f'pose.bones["{bone.name}"].rotation_quaternion', bone.name, values))
    path = np.stack([np.sin(0.3 * t), 0.1 * np.cos(t), np.cos(0.3 * t)], -1)
    channels.append(Channel('pose.bones["pelvis"].location', "pelvis", path))
    key_channels(owner, "walk", channels, np.arange(1.0, frames + 1))


def scene(frames: int) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Return an animated armature and another one to put its motion on."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    names = FAMILIES["unreal, metahuman"]
    source = armature_of_rig(bpy, with_fingers(human_rig(names), "hand_{s}", "{finger}_{number:02}_{s}"))
    animate(source, frames)
    other = with_fingers(human_rig(names, arms=45, size=1.1), "hand_{s}", "{finger}_{number:02}_{s}")
    return source, armature_of_rig(bpy, other)


def by_poselift(frames: int) -> tuple[float, int]:
    """Return seconds, and how many curves were keyed."""
    source, target = scene(frames)
    start = time.perf_counter()
    retarget(performance_of_armature(source), target, map_armature(target))
    return time.perf_counter() - start, len(compat.fcurves_of(target))


def by_baking(frames: int) -> float:
    """Return seconds of copying rotations by constraints and baking them, as is done by hand."""
    source, target = scene(frames)
    start = time.perf_counter()
    for bone in target.pose.bones:
        constraint = bone.constraints.new("COPY_ROTATION")
        constraint.target, constraint.subtarget = source, bone.name
    hips = target.pose.bones["pelvis"].constraints.new("COPY_LOCATION")
    hips.target, hips.subtarget = source, "pelvis"
    bpy.context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.nla.bake(
        frame_start=1, frame_end=frames, only_selected=False, visual_keying=True, clear_constraints=True, bake_types={"POSE"}
    )
    bpy.ops.object.mode_set(mode="OBJECT")
    return time.perf_counter() - start


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure retargeting against constraints and baking.")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--baked-frames", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench_retarget.json")
    options = parser.parse_args()
    by_poselift(100)
    seconds, curves = min(by_poselift(options.frames) for _ in range(2))
    few = min(options.baked_frames, options.frames)
    baked = by_baking(few) * options.frames / few
    bones = len(scene(2)[1].data.bones)
    print(f"{'way':<28}{'frames':>8}{'bones':>7}{'curves':>8}{'seconds':>10}")
    print(f"{'poselift':<28}{options.frames:>8}{bones:>7}{curves:>8}{seconds:>10.2f}")
    print(f"{'constraints and bake':<28}{options.frames:>8}{bones:>7}{'':>8}{baked:>10.2f}  (from {few} frames)")
    print(f"\n{baked / seconds:.0f} times as fast as constraints and bake")
    print(f"{os.cpu_count()} cores, Blender {bpy.app.version_string}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    data = {"frames": options.frames, "bones": bones, "seconds": seconds, "baked": baked, "baked_frames": few}
    options.output.write_text(json.dumps({**data, "ratio": baked / seconds}, indent=2) + "\n", encoding="utf-8")
    return int(seconds * 10_000 / options.frames > LIMIT or baked < RATIO * seconds)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.exit(status)
