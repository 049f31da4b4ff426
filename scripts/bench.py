#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure reading, lifting and keying in frames per second, over clips that the sample maker writes.

Prints one table and writes build/bench.json. Two stages are compared with what one would write first: reading with
`json.load` and `numpy.array` per file, keying in bulk with `keyframe_insert`. The exit status is 1 where keying in bulk is
less than 100 times faster than `keyframe_insert`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import torch
from plain_reading import read_plainly, timed

from poselift.core.motion.motion import Motion
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.readers import read
from poselift.core.rig.bones import bone_table
from poselift.core.rig.rest import RestPose, rest_pose
from poselift.core.rig.rotations import Pose, solve_pose
from poselift.scene import build
from poselift.scene.armature import new_armature
from poselift.scene.keyframes import Channel, key_channels, pose_channels

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from make_clip import camera, write_clip  # noqa: E402

FPS = Fraction(30)
INSERT_FRAMES = 1000
"""`keyframe_insert` takes seconds for so many frames; longer clips are extrapolated in proportion, to its advantage."""


@dataclass(frozen=True)
class Row:
    """One measurement. `measured`: frames that were timed; fewer than `frames` where the rest is extrapolated."""

    stage: str
    frames: int
    seconds: float
    measured: int

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def empty_scene() -> None:
    """Start from Blender's factory settings without any object."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def key_by_insertion(owner: bpy.types.Object, channels: list[Channel], frames: int) -> None:
    """Key the same values on the same bones, key by key, as scripts for Blender mostly do."""
    for channel in channels:
        bone = owner.path_resolve(channel.data_path.rpartition(".")[0])
        name = channel.data_path.rpartition(".")[2]
        for frame, value in enumerate(channel.values[:frames].tolist()):
            setattr(bone, name, value)
            bone.keyframe_insert(name, frame=frame + 1, group=channel.group)


def posed(motion: Motion) -> tuple[RestPose, Pose]:
    """Return a motion's rest pose and rotations."""
    table = bone_table(motion.skeleton, motion.joints_world)
    rest = rest_pose(table, motion.bone_lengths)
    return rest, solve_pose(motion.joints_world, rest, float(motion.fps))


def bench(frames: int, folder: Path, settings: LiftSettings) -> list[Row]:
    """Measure every stage on a clip of so many frames."""
    source = write_clip(folder / f"clip{frames}", frames).keypoints
    seconds, tracks = timed(lambda: read(source), 2)
    rows = [Row("read", frames, seconds, frames)]
    rows.append(Row("read, json.load", frames, timed(lambda: read_plainly(source), 2)[0], frames))

    seconds, motion = timed(lambda: lift(tracks[0], settings), 2)
    rows.append(Row("lift", frames, seconds, frames))
    seconds, (rest, pose) = timed(lambda: posed(motion))
    rows.append(Row("rig", frames, seconds, frames))

    empty_scene()
    owner = new_armature("bench", rest, bpy.context.scene.collection)
    moments = np.arange(1.0, frames + 1)
    seconds, _ = timed(lambda: key_channels(owner, "bulk", pose_channels(rest, pose), moments), 3)
    rows.append(Row("key", frames, seconds, frames))
    empty_scene()
    owner = new_armature("bench", rest, bpy.context.scene.collection)
    few = min(frames, INSERT_FRAMES)
    seconds, _ = timed(lambda: key_by_insertion(owner, pose_channels(rest, pose), few))
    rows.append(Row("key, keyframe_insert", frames, seconds * frames / few, few))

    empty_scene()
    rows.append(Row("apply (rig, key, camera, mesh)", frames, timed(lambda: build.apply(motion))[0], frames))
    return rows


def machine(device: str) -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "blender": bpy.app.version_string,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
    }


def ratios(rows: list[Row]) -> dict[str, float]:
    """Return how many times faster the stages are than what they are compared with, by stage and number of frames."""
    seconds = {(row.stage, row.frames): row.seconds for row in rows}
    pairs = (("read", "read, json.load"), ("key", "key, keyframe_insert"))
    counts = sorted({row.frames for row in rows})
    return {f"{a}, {n} frames": round(seconds[b, n] / seconds[a, n], 3) for a, b in pairs for n in counts}


def table(rows: list[Row]) -> str:
    """Return the measurements as text."""
    lines = [f"{'stage':<32}{'frames':>8}{'seconds':>11}{'frames/s':>12}"]
    for row in rows:
        note = f"  (from {row.measured} frames)" if row.measured < row.frames else ""
        lines.append(f"{row.stage:<32}{row.frames:>8}{row.seconds:>11.3f}{row.rate:>12.0f}{note}")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure reading, lifting and keying.")
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    settings = LiftSettings(device=options.device, fps=FPS, intrinsics=camera()[0])
    with tempfile.TemporaryDirectory(prefix="poselift-bench-") as folder:
        warm = lift(read(write_clip(Path(folder) / "warm", 100).keypoints)[0], settings)
        rows = [row for frames in options.frames for row in bench(frames, Path(folder), settings)]
    found, about = ratios(rows), machine(warm.report.device)
    print(table(rows), "\n")
    print("\n".join(f"{name}: {ratio:.3g} times as fast as {_rival(name)}" for name, ratio in found.items()), "\n")
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    aside = options.output.with_name(f".{options.output.name}")
    data = {"machine": about, "rows": [{**asdict(row), "frames_per_second": row.rate} for row in rows], "ratios": found}
    aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    aside.replace(options.output)
    print(f"written to {options.output}")
    return int(any(ratio < 100 for name, ratio in found.items() if name.startswith("key")))


def _rival(name: str) -> str:
    return "keyframe_insert" if name.startswith("key") else "json.load and numpy.array per file"


if __name__ == "__main__":
    sys.exit(main())
