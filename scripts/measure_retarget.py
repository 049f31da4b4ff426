#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what retargeting keeps, on motion capture: limb directions, standing feet, the floor, twist.

Takes a file of clips (`pos`, `root`, `start`, `quant`, 17 joints in the order of `HUMAN17`, metres, Z up) and puts every
clip onto rigs of other proportions: built by code, and those in character files that are given. Prints a table, a line
per rig:

- directions: angle between limb bones (upper arm, forearm, thigh, shin) of the target and of the source; the share of all
  samples over 1 degree, the share over 5, and the largest.
- slide: speed of ankles, level with the floor, between two frames in which they stand; the share over 2 cm/s, the largest.
- floor: how far standing ankles are off the height at which they stand at rest; the share over 1 cm, the largest.
- jumps: pairs of frames between which a bone of the target turns about its own axis by over 30 degrees, seen from what
  carries it, while the source's does not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poselift.core.rig import contacts
from poselift.core.rig.mapping import auto_map
from poselift.core.rig.performance import Performance, body_of, performance_of_joints
from poselift.core.rig.roles import SIDES
from poselift.core.rig.sharing import twist_angle
from poselift.core.rig.skeletal import Rig
from poselift.core.rig.transfer import Transfer, transfer
from poselift.core.skeleton import HUMAN17

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs import FAMILIES, human_rig

Array = NDArray[np.float64]

LIMBS = (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))
ABOVE = {"forearm": "upper_arm", "shin": "thigh"}
JUMP = np.radians(30.0)


def clips(path: Path) -> Iterator[Performance]:
    """Yield every clip of a file as a performance."""
    with np.load(path) as data:
        joints = data["pos"].astype(np.float64) * float(data["quant"]) + data["root"].astype(np.float64)[:, None]
        start, names, rate = data["start"], data["clip"], float(data["fps"])
    for name, first, last in zip(names, start[:-1], start[1:], strict=True):
        part = joints[first:last]
        lengths = np.zeros(len(HUMAN17))
        for parent, child in HUMAN17.edges:
            lengths[child] = np.median(np.linalg.norm(part[:, child] - part[:, parent], axis=-1))
        yield performance_of_joints(HUMAN17, part, lengths, np.arange(len(part)) / rate, rate, str(name))


def built_rigs() -> dict[str, Rig]:
    """Return rigs of other proportions, in other rest poses, with other rolls and sizes."""
    return {
        "mixamo, T-pose, centimetres": human_rig(FAMILIES["mixamo"], rolls=1, scale=100.0),
        "unreal, A-pose, long arms": human_rig(FAMILIES["unreal"], arms=45.0, legs=6.0, rolls=2, size=1.3),
        "vrm, long thighs": human_rig(FAMILIES["vrm"], rolls=3, thigh=0.50),
        "smpl, short thighs": human_rig(FAMILIES["smpl"], arms=20.0, rolls=4, thigh=0.38, size=0.8),
    }


def rig_in(path: Path) -> Rig:
    """Return the armature of a character file."""
    from poselift.scene.retarget_files import open_character
    from poselift.scene.retarget_rig import read_rig

    return read_rig(open_character(path))


def angles_between(source: Performance, moved: Transfer) -> Array:
    """Return the angles (T, 8) in degrees between the target's limb bones and the source's."""
    found = []
    for side in SIDES:
        for part, after in LIMBS:
            lines = []
            for joints, ends in ((moved.joints, moved.ankles), (source.heads, source.ankles)):
                end = ends[side] if part == "shin" else joints.get(f"{after}.{side}")
                if end is None:  # a source without hands: the forearm's own line
                    role = f"{part}.{side}"
                    end = joints[role] + source.turns[role] @ (source.body.end(role) - source.body.heads[role])
                lines.append(end - joints[f"{part}.{side}"])
            cosine = (lines[0] * lines[1]).sum(-1) / np.prod(np.linalg.norm(lines, axis=-1), axis=0)
            found.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.stack(found, -1)


def standing(source: Performance, moved: Transfer, floor: float, ankle: float) -> tuple[Array, Array]:
    """Return the speeds of standing ankles (m/s), and how far (m) they are off their height over the floor."""
    speeds, heights = [], []
    size = source.body.leg_length / contacts.USUAL_LEG
    for side in SIDES:
        stands, at = moved.standing[side], moved.ankles[side]
        both = stands[1:] & stands[:-1]
        speeds.append((np.linalg.norm(np.diff(at[:, :2], axis=0), axis=-1) * source.fps)[both])
        flat = np.abs(source.ankles[side][:, 2] - source.body.floor - source.body.ankle) < contacts.LOW * size
        heights.append(np.abs(at[:, 2] - floor - ankle)[stands & flat])
    return np.concatenate(speeds), np.concatenate(heights)


def twist_jumps(source: Performance, moved: Transfer, rig: Rig, bones: dict[str, str]) -> int:
    """Return how often a limb bone of the target spins between two frames where the source's bone does not."""
    count = 0
    heads, tails = rig.heads, rig.tails
    for side in SIDES:
        for part, above in ABOVE.items():
            role, carrier = f"{part}.{side}", f"{above}.{side}"
            at = rig.index(bones[role])
            axes = tails[at] - heads[at], source.body.end(role) - source.body.heads[role]
            steps = [
                np.abs(np.diff(twist_angle(turns[carrier], turns[role], axis / np.linalg.norm(axis))))
                for turns, axis in zip((moved.turns, source.turns), axes, strict=True)
            ]
            count += int(((steps[0] > JUMP) & (steps[1] < JUMP)).sum())
    return count


def measure(rig: Rig, sources: list[Performance]) -> str:
    """Return a table's line for a rig."""
    bones = auto_map(rig)
    body = body_of(rig, bones)
    angles, speeds, heights, jumps = [], [], [], 0
    for source in sources:
        moved = transfer(source, rig, bones)
        ankle = body.ankle if body.has_feet else source.body.ankle * body.leg_length / source.body.leg_length
        angles.append(angles_between(source, moved))
        speed, height = standing(source, moved, source.body.floor, ankle)
        speeds.append(speed)
        heights.append(height)
        jumps += twist_jumps(source, moved, rig, dict(bones.bones))
    angle, speed, height = np.concatenate(angles), np.concatenate(speeds), np.concatenate(heights)
    over = [100 * float((values > limit).mean()) for values, limit in ((angle, 1), (angle, 5), (speed, 0.02), (height, 0.01))]
    return (
        f"{over[0]:>8.2f}{over[1]:>8.2f}{angle.max():>8.1f}{over[2]:>9.2f}{100 * speed.max():>8.1f}"
        f"{over[3]:>9.2f}{100 * height.max():>8.1f}{jumps:>8}"
    )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure what retargeting keeps, on motion capture.")
    parser.add_argument("clips", type=Path, help="motion capture, 17 joints (.npz)")
    parser.add_argument("characters", type=Path, nargs="*", help="character files to try besides")
    options = parser.parse_args()
    sources = list(clips(options.clips))
    print(f"{len(sources)} clips, {sum(map(len, sources))} frames")
    print(f"{'':<30}{'directions (degrees)':>24}{'slide (cm/s)':>17}{'floor (cm)':>17}{'jumps':>8}")
    print(f"{'rig':<30}{'% > 1':>8}{'% > 5':>8}{'max':>8}{'% > 2':>9}{'max':>8}{'% > 1':>9}{'max':>8}")
    for name, rig in (built_rigs() | {path.stem: rig_in(path) for path in options.characters}).items():
        print(f"{name:<30}{measure(rig, sources)}", flush=True)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.exit(status)
