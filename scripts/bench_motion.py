#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the track solve against the raw student, on motion capture before known static virtual cameras.

Every clip's longest stretch that one camera can see is lifted the way users lift it (`pipeline.lift`) from exact keypoints and
from a detector's. The raw student is the same lift's pose, scaled once to the actor's height, its root placed frame by frame.
Prints one table of medians over clips and writes build/bench-motion.json. The exit status is 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poselift.core.camera import Intrinsics, project, unproject
from poselift.core.interpolation import over_time
from poselift.core.lifter.evaluation.clips import Clip, read_clips
from poselift.core.lifter.evaluation.conditions import CONDITIONS
from poselift.core.lifter.evaluation.evaluate import person_height
from poselift.core.metrics import acceleration_error, aligned_per_clip, angle_between, f1_score, jitter, mpjpe
from poselift.core.motion import bones
from poselift.core.motion.motion import Motion
from poselift.core.motion.root import place_root
from poselift.core.motion.solve import OVERLAP, WINDOW
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.rig.bones import EXTRA_DIRECTIONS
from poselift.core.rig.rotations import bone_turns
from poselift.core.rotation import matrix_from_axis_angle, normalised, procrustes
from poselift.core.skeleton import HUMAN17, HUMAN21
from poselift.core.track import KeypointTrack

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = dict[str, float]

ROOT = Path(__file__).resolve().parent.parent
ANKLES = [HUMAN17.index(name) for name in ("l_ankle", "r_ankle")]
SIZE = (1920, 1080)
DISTANCE, ELEVATION, ROLL = (3.0, 6.0), (-5.0, 25.0), 4.0
"""Metres to the middle of the path; degrees that the camera looks down, and that it is turned about its axis at most."""
WIDEST, LONGEST = 24.0, 85.0
"""Millimetres of lens on a sensor 36 mm wide: one that would have to be wider shows a shorter stretch instead."""
NEAREST = 1.5
MOST_FRAMES, FEWEST_FRAMES = 300, 25
UPRIGHT = 30.0
"""Degrees that the trunk may lean in nine of ten frames of a clip whose up, floor and feet are scored."""
STANDS, LEAVES, LEVEL = 0.15, 0.35, 0.04
"""A true foot stands from where it is slower than the first to where it is faster than the second (metres per second), no more
metres than the third above where it usually stands."""
TIPS = 0.05
"""Metres along the sole from the ball of the foot, where the data's feet end, to the toes' tips, which detectors see."""
FLIPPED = (5, 0.6)
"""Frames, and share of its length, from where on a limb's bone is counted as flipped in depth."""
DEPTH_MOTION = 1.25
"""A clip has depth motion where the root is so many times as far from the camera at its farthest as at its nearest."""
SPEED_FRAMES, SPEED_BAR = 1000, 5.0
"""Frames of which a solve is timed, and seconds that it may take on two cores."""
QUICK = 24
"""Clips of a run without --all."""


@dataclass(frozen=True)
class Case:
    """A stretch of a clip before a camera: joints (T, 21, 3) of the world, x_cam = rotation x + translation."""

    clip: Clip
    joints: Array
    camera: Intrinsics
    rotation: Array
    translation: Array
    height: float

    @property
    def truth(self) -> Array:
        """(T, 17, 3) joints of the world."""
        return self.joints[:, : len(HUMAN17)]

    @property
    def upright(self) -> bool:
        """Whether the person stands, walks or runs, on level ground."""
        trunk = self.joints[:, HUMAN17.index("neck_base")] - self.joints[:, HUMAN17.root]
        lean = np.degrees(np.arccos(trunk[:, 2] / np.linalg.norm(trunk, axis=-1)))
        return bool(np.percentile(lean, 90) < UPRIGHT) and self.clip.category != "climb_obstacle"

    def track(self, condition: str, seed: int) -> KeypointTrack:
        """Return what a detector makes of it: the body, and by dice of its own toes and heels."""
        points = self.joints.copy()
        toes, heels = slice(len(HUMAN17), -2), slice(-2, None)
        points[:, toes] += TIPS * normalised(points[:, toes] - points[:, heels])
        seen = points @ self.rotation.T + self.translation
        size = self.camera.fx * self.height / seen[:, HUMAN17.root, 2]
        number = 1 + list(CONDITIONS).index(condition)
        keypoints = np.concatenate(
            [
                CONDITIONS[condition](
                    project(seen[:, : len(whole)], self.camera), size, whole, self.clip.fps, np.random.default_rng(dice)
                )[:, part]
                for whole, part, dice in (
                    (HUMAN17, slice(None), [seed, number]),
                    (HUMAN21, slice(len(HUMAN17), None), [seed, number, 1]),
                )
            ],
            1,
        )
        return KeypointTrack(
            keypoints, np.isfinite(keypoints).all(-1).astype(float), HUMAN21, fps=Fraction(round(self.clip.fps)),
            image_size=SIZE, intrinsics=self.camera, source=self.clip.name,
        )  # fmt: skip


def cases(clips: list[Clip], seed: int, most: int = MOST_FRAMES) -> Iterator[Case]:
    """Put a static camera before each clip; the stretch is halved until one lens shows all of it."""
    for number, clip in enumerate(clips):
        dice = np.random.default_rng([seed, number])
        piece = max(clip.pieces(), key=lambda s: s.stop - s.start)
        joints = clip.joints[piece][:most]
        height = person_height(joints[:, : len(HUMAN17)], HUMAN17)
        azimuth, elevation = dice.uniform(0, 2 * np.pi), np.radians(dice.uniform(*ELEVATION))
        away, roll, zoom = dice.uniform(*DISTANCE), np.radians(dice.uniform(-ROLL, ROLL)), dice.uniform()
        while len(joints) >= FEWEST_FRAMES:
            rotation = _look(azimuth, elevation, roll)
            middle = 0.5 * (joints.min((0, 1)) + joints.max((0, 1)))
            translation = np.array([0, 0, away]) - rotation @ middle
            seen = joints @ rotation.T + translation
            if seen[..., 2].min() > NEAREST:
                reach = np.abs(seen[..., :2] / seen[..., 2:]).max((0, 1))
                longest = min(0.45 * float((np.array(SIZE) / reach).min()), LONGEST / 36 * SIZE[0])
                shortest = WIDEST / 36 * SIZE[0]
                if longest >= shortest:
                    focal = longest * (shortest / longest) ** (0.3 * zoom)
                    camera = Intrinsics(focal, focal, SIZE[0] / 2, SIZE[1] / 2, *SIZE, source="virtual")
                    yield Case(clip, joints, camera, rotation, translation, height)
                    break
            joints = joints[: len(joints) // 2]


def _look(azimuth: float, elevation: float, roll: float) -> Array:
    """Return the rotation (3, 3) from the world (Z up) to a camera that looks down by `elevation`, rolled."""
    forward = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    return matrix_from_axis_angle(np.array([0.0, 0, 1]), np.array(roll)) @ np.stack([right, np.cross(forward, right), forward])


def true_contacts(case: Case) -> tuple[Mask, Array]:
    """Return (T, 2) which feet truly stand: ankle slow, ankle and the lower of toe and heel near where they stand; and (2,) the
    ankles' standing heights, metres. Every foot has its own: marker models place them up to 3 cm apart.
    """
    ankles = case.joints[:, ANKLES]
    speed = np.linalg.norm(np.gradient(ankles, axis=0), axis=-1) * case.clip.fps
    contact, stands = np.zeros(speed.shape, bool), np.full(2, np.nan)
    for foot, side in enumerate("lr"):
        tip = case.joints[:, [HUMAN21.index(f"{side}_{part}") for part in ("toe", "heel")], 2].min(1)
        height, slow = ankles[:, foot, 2], speed[:, foot] < LEAVES
        low = slow & (height < ankles[..., 2].min() + 0.12)
        if low.sum() < 3:
            continue
        level, touch = np.percentile(height[low], 20), np.percentile(tip[low], 20)
        near = (height < level + LEVEL) & (tip < touch + LEVEL)
        contact[:, foot] = _grown(near & (speed[:, foot] < STANDS), near & slow)
        if contact[:, foot].any():
            stands[foot] = np.median(height[contact[:, foot]])
    return contact, stands


def _grown(seeds: Mask, allowed: Mask) -> Mask:
    """Return the runs of allowed frames (T,) that hold a seed."""
    run = np.cumsum(np.diff(allowed, prepend=False) & allowed) * allowed
    return allowed & np.isin(run, run[seeds & allowed])


def measure(case: Case, motion: Motion, clean: Array) -> Numbers:
    """Compare a motion, and the raw student of the same lift, with the truth. clean: (T, 17, 2) true pixels."""
    fps, truth = case.clip.fps, case.truth
    contact, stands = true_contacts(case)
    rays = unproject(motion.keypoints, case.camera)
    size = bones.stature(_mean_lengths(motion.lifted), HUMAN17)
    raw_pose = motion.lifted * (case.height / size)
    place, good = place_root(raw_pose, rays, motion.scores)
    raw = raw_pose + over_time(place, good)[:, None]
    seen = truth @ case.rotation.T + case.translation
    solved = motion.joints_camera
    world = motion.joints_world
    noise = np.linalg.norm(motion.keypoints - clean, axis=-1)
    numbers: Numbers = {
        "bones": float(_length_spread(solved)),
        "mpjpe raw": 1000 * _relative(raw, seen), "mpjpe": 1000 * _relative(solved, seen),
        "acceleration raw": _acceleration(raw, seen, fps), "acceleration": _acceleration(solved, seen, fps),
        "root raw": 1000 * float(np.linalg.norm(raw[:, 0] - seen[:, 0], axis=-1).mean()),
        "root": 1000 * float(np.linalg.norm(solved[:, 0] - seen[:, 0], axis=-1).mean()),
        "jitter ratio": float(jitter(world, fps).mean() / max(jitter(truth, fps).mean(), 1e-9)),
        "reprojection": float(np.nanmedian(motion.reprojection_error)),
        "reprojection of truth": float(np.nanmedian(noise)),
    }  # fmt: skip
    numbers["flipped raw"], numbers["flipped"] = (100 * flipped_share(joints, seen) for joints in (raw, solved))
    up = case.rotation @ [0, 0, 1]
    numbers["up"] = float(np.degrees(angle_between(motion.camera_rotation[0] @ [0, 0, 1], up)))
    numbers["up, all clips"] = numbers["up"]
    if contact.sum() >= 5:
        # A foot's speed in contact, in the camera's axes: a static camera's world is the same.
        for name, joints in (("slide raw", raw), ("slide", solved)):
            speed = np.linalg.norm(np.gradient(joints[:, ANKLES], axis=0), axis=-1) * fps
            numbers[name] = 100 * float(np.median(speed[contact]))
        heights = world[:, ANKLES, 2] - (case.joints[:, ANKLES, 2] - stands + HUMAN17.stature.foot_height * case.height)
        numbers["floor"] = 100 * float(np.abs(np.median(heights[contact])))
        found = getattr(motion, "contacts", None)
        if found is not None:
            numbers["contact hits"], numbers["contact false"], numbers["contact missed"] = (
                float((found & contact).sum()), float((found & ~contact).sum()), float((~found & contact).sum()),
            )  # fmt: skip
            numbers["contact f1"] = f1_score(found, contact)
    if len(motion.feet):
        numbers |= _feet_off(case, motion, contact)
    path = truth[:, 0]
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum())
    if case.clip.category == "walk" and length > 1.5:
        for name, root in (("raw", raw[:, 0]), ("", solved[:, 0])):
            scale, turn, shift = procrustes(root, seen[:, 0])
            off = np.linalg.norm(scale * root @ turn.T + shift - seen[:, 0], axis=-1)
            extra = f" {name}" if name else ""
            numbers[f"path scale{extra}"] = 100 * abs(float(scale) - 1)
            numbers[f"path shape{extra}"] = 100 * float(off.mean()) / length
    return numbers


def _feet_off(case: Case, motion: Motion, contact: Mask) -> Numbers:
    """Return by how many degrees feet point elsewhere than the true ones, ankle to ball; raw: were ankles stiff."""
    true = normalised((case.joints[:, len(HUMAN17) : -2] - case.joints[:, ANKLES]) @ case.rotation.T)
    turned = bone_turns(HUMAN17, motion.joints_camera, motion.bone_lengths, case.clip.fps)
    stiff = [turned[f"shin.{side.upper()}"] @ np.array(EXTRA_DIRECTIONS[f"{side}_toe"]) for side in "lr"]
    lifted = np.einsum("tij,tkj->tki", motion.camera_rotation, motion.feet[:, :2] - motion.joints_world[:, ANKLES])
    numbers: Numbers = {}
    for name, feet in ((" raw", np.stack(stiff, 1)), ("", lifted)):
        off = np.degrees(2 * np.arcsin(np.linalg.norm(normalised(feet) - true, axis=-1).clip(0, 2) / 2))
        numbers |= {f"feet{name}": float(np.median(off)), f"feet 95 %{name}": float(np.percentile(off, 95))}
        if contact.any():
            numbers[f"feet standing{name}"] = float(np.median(off[contact]))
    return numbers


def flipped_share(joints: Array, truth: Array) -> float:
    """Return the share of (frame, limb bone) in which a bone points away from the camera instead of to it, or the other way.

    Both (T, J, 3) in the camera frame. Counted are stretches of `FLIPPED[0]` frames and more in which the depth along it is off
    by `FLIPPED[1]` of the length: less is an inexact pose, shorter a slip.
    """
    bones_of_limbs = [pair for h in HUMAN17.hinges for pair in ((h.before, h.joint), (h.joint, h.after))]
    wrong = 0
    for parent, child in bones_of_limbs:
        a, b = (x[:, HUMAN17.index(child)] - x[:, HUMAN17.index(parent)] for x in (joints, truth))
        ours, true = (x[:, 2] / np.linalg.norm(x, axis=-1) for x in (a, b))
        edges = np.diff(np.concatenate([[0], ((ours * true < 0) & (np.abs(ours - true) > FLIPPED[1])).astype(int), [0]]))
        lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
        wrong += int(lengths[lengths >= FLIPPED[0]].sum())
    return wrong / (len(joints) * len(bones_of_limbs))


def _mean_lengths(poses: Array) -> Array:
    lengths = np.zeros(len(HUMAN17))
    for parent, child in HUMAN17.edges:
        lengths[child] = np.median(np.linalg.norm(poses[:, child] - poses[:, parent], axis=-1))
    return lengths


def _length_spread(joints: Array) -> float:
    """Return by how much, at most, a bone's length changes over the clip or differs from the other side's, as a share."""
    lengths = np.stack([np.linalg.norm(joints[:, j] - joints[:, p], axis=-1) for p, j in HUMAN17.edges], -1)
    children = [j for _, j in HUMAN17.edges]
    other = lengths[:, [children.index(int(HUMAN17.mirror[j])) for j in children]]
    return float(np.abs(np.stack([lengths, other]) / lengths.mean(0) - 1).max())


def _relative(joints: Array, truth: Array) -> float:
    """Return the MPJPE in metres, roots together, after one similarity for the whole clip."""
    a, b = (x - x[:, :1] for x in (joints, truth))
    return float(mpjpe(aligned_per_clip(a, b), b).mean())


def _acceleration(joints: Array, truth: Array, fps: float) -> float:
    """Return the mean acceleration error in m/s2 of root-relative joints: of the pose alone, which no root jitter helps."""
    return float(acceleration_error(joints - joints[:, :1], truth - truth[:, :1], fps).mean())


def unknown_lens(case: Case, track: KeypointTrack) -> Numbers:
    """Lift a clip with depth motion without a camera; return by how many percent the focal length is off, and whether the truth
    lies within the deviation that the report tells (1 or 0), which is true of two in three where that is honest.
    """
    depth = (case.truth @ case.rotation.T + case.translation)[:, 0, 2]
    if depth.max() / depth.min() < DEPTH_MOTION:
        return {}
    motion = lift(replace(track, intrinsics=None), LiftSettings(actor_height=case.height, device="cpu"))
    off = motion.intrinsics.fx / case.camera.fx
    told = motion.report.focal_uncertainty
    return {"focal": 100 * abs(off - 1), "focal told": told, "focal within": float(abs(np.log(off)) < np.log1p(told / 100))}


def long_clip(case: Case, frames: int) -> tuple[KeypointTrack, Array]:
    """Return a clip's noisy keypoints there and back again, to so many frames, and which frame of the clip each is."""
    track = case.track("detector", 0)
    number = np.resize(np.concatenate([np.arange(len(track)), np.arange(len(track))[::-1]]), frames)
    dice = np.random.default_rng(0)
    trembling = track.keypoints[number] + dice.normal(scale=0.5, size=(frames, *track.keypoints.shape[1:]))
    return track.replace(keypoints=trembling, scores=track.scores[number]), number


def solve_seconds(case: Case, frames: int = SPEED_FRAMES) -> float:
    """Return the seconds that a solve of so many frames takes."""
    motion = lift(long_clip(case, frames)[0], LiftSettings(device="cpu"))
    return float(motion.report.seconds["solve"] + motion.report.seconds["camera"])


def tell_long(case: Case, frames: int) -> None:
    """Lift a fifth of so many frames, then all of them; print time, memory, and how windows join.

    Seams are the frames that two windows share. Their acceleration error against the truth is compared with that of the rest,
    apart from the frames at which the clip turns back.
    """
    print(f"\n{'frames':>10}{'lift s':>10}{'solve s':>10}{'peak MiB':>10}{'seams':>10}{'rest':>10}  m/s2 of acceleration error")
    for length in (frames // 5, frames):
        track, number = long_clip(case, length)
        motion = lift(track, LiftSettings(actor_height=case.height, device="cpu"))
        seen = (case.truth @ case.rotation.T + case.translation)[number]
        off = np.diff(motion.joints_camera - seen, n=2, axis=0) * case.clip.fps**2
        error = np.linalg.norm(off, axis=-1).mean(-1)
        middle = np.arange(1, length - 1)
        turning = np.abs(number[2:] - number[1:-1]) + np.abs(number[1:-1] - number[:-2]) != 2
        turning |= number[2:] == number[:-2]
        plain = np.convolve(turning, np.ones(11), "same") == 0
        seam = (middle >= WINDOW - OVERLAP) & (middle % (WINDOW - OVERLAP) < OVERLAP)
        seconds = motion.report.seconds
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{length:10}{seconds['lift']:10.1f}{seconds['solve']:10.1f}{peak:10.0f}"
            f"{error[seam & plain].mean():10.2f}{error[~seam & plain].mean():10.2f}"
        )


# What is shown: name, unit, bar (None: only told), condition it is for ("" all), and how a bar is read.
ROWS: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("bones", "share", {"exact": 1e-4, "detector": 1e-4}),
    ("mpjpe", "mm", {}),
    ("mpjpe ratio", "x", {"exact": 1.0, "detector": 0.85}),
    ("acceleration", "m/s2", {}),
    ("acceleration ratio", "x", {"exact": 1.0, "detector": 0.4}),
    ("jitter ratio", "x true", {}),
    ("slide", "cm/s", {"detector": 2.0}),
    ("contact f1", "", {"exact": 0.9, "detector": 0.9}),
    ("floor", "cm", {"exact": 3.0, "detector": 3.0}),
    ("up", "deg", {"exact": 3.0, "detector": 3.0}),
    ("up, all clips", "deg", {}),
    ("flipped", "% of limbs", {}),
    ("feet", "deg", {"exact": 6.0, "detector": 12.0}),
    ("feet 95 %", "deg", {}),
    ("feet standing", "deg", {}),
    ("root", "mm", {}),
    ("path scale", "%", {"exact": 5.0, "detector": 5.0}),
    ("path shape", "% of path", {"exact": 5.0, "detector": 5.0}),
    ("reprojection", "px", {"exact": 1.5}),
    ("reprojection ratio", "x noise", {"detector": 1.1}),
    ("focal", "%", {"exact": 15.0, "detector": 15.0}),
    ("focal told", "+- %", {}),
    ("focal within", "share", {}),
)


def summary(results: list[tuple[Case, Numbers]], condition: str) -> dict[str, tuple[float, float, float]]:
    """Return median, 90th percentile and the raw student's median of every row."""
    table: dict[str, tuple[float, float, float]] = {}
    nan = float("nan")

    def column(name: str, upright: bool = False) -> Array:
        return np.array([n[name] for c, n in results if name in n and (c.upright or not upright)])

    for name, _, _ in ROWS:
        if name in ("mpjpe ratio", "acceleration ratio"):
            plain = name.split()[0]
            values = column(plain) / column(f"{plain} raw")
            total = float(column(plain).mean() / column(f"{plain} raw").mean()) if len(values) else nan
            table[name] = (total, float(np.percentile(values, 90)) if len(values) else nan, 1.0)
            continue
        if name == "reprojection ratio":
            values = (
                column("reprojection") / np.maximum(column("reprojection of truth"), 1e-9)
                if condition != "exact"
                else np.array([])
            )
        elif name in ("focal within", "flipped"):
            told, plain = column(name), column(f"{name} raw")
            if len(told):
                table[name] = (float(told.mean()), nan, float(plain.mean()) if len(plain) else nan)
            continue
        elif name == "contact f1":
            hits, false, missed = (column(f"contact {k}", upright=True).sum() for k in ("hits", "false", "missed"))
            table[name] = (float(2 * hits / (2 * hits + false + missed)) if hits else nan, nan, nan)
            continue
        else:
            values = column(name, upright=name in ("up", "floor", "slide"))
        raw = column(f"{name} raw")
        if len(values):
            table[name] = (
                float(np.median(values)),
                float(np.percentile(values, 90)),
                float(np.median(raw)) if len(raw) else nan,
            )
    return table


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "mocap" / "cmu17_val.npz")
    parser.add_argument("--all", action="store_true", help="every clip instead of some")
    parser.add_argument("--clips", type=int, default=QUICK)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conditions", nargs="+", default=["exact", "detector"])
    parser.add_argument("--no-focal", action="store_true", help="leave out the clips without a known camera")
    parser.add_argument("--long", type=int, metavar="FRAMES", help="instead, lift so many frames: time, memory, seams")
    parser.add_argument("--each", action="store_true", help="print every clip")
    options = parser.parse_args()
    if not options.data.is_file():
        print(f"skipped: there is no {options.data}")
        return 0
    clips = read_clips(options.data, HUMAN21)
    if options.long:
        tell_long(max(cases(clips, options.seed), key=lambda case: len(case.joints)), options.long)
        return 0
    if not options.all:
        clips = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, options.clips).round().astype(int))]
    begin, missed, out = time.perf_counter(), 0, {}
    for condition in options.conditions:
        results: list[tuple[Case, Numbers]] = []
        for number, case in enumerate(cases(clips, options.seed)):
            track = case.track(condition, options.seed + number)
            motion = lift(track, LiftSettings(actor_height=case.height, device="cpu"))
            clean = project(case.truth @ case.rotation.T + case.translation, case.camera)
            numbers = measure(case, motion, clean)
            if not options.no_focal and case.upright:
                numbers |= unknown_lens(case, track)
            results.append((case, numbers))
            if options.each:
                print(
                    f"{case.clip.name:14} {case.clip.category:9} {len(motion):4}",
                    *(f"{k} {v:.4g};" for k, v in numbers.items()),
                )
        frames = sum(len(case.joints) for case, _ in results)
        print(f"\n{condition}: {len(results)} clips, {frames} frames")
        print(f"{'':20}{'':10}{'median':>10}{'90 %':>10}{'raw':>10}{'bar':>8}")
        table = summary(results, condition)
        for name, unit, bars in ROWS:
            if name not in table:
                continue
            value, high, raw = table[name]
            bar = bars.get(condition)
            bad = bar is not None and not (value >= bar if name == "contact f1" else value <= bar)
            missed += bad
            told = "" if bar is None else f"{bar:g}"
            print(f"{name:20}{unit:10}{value:10.4g}{high:10.4g}{raw:10.4g}{told:>8}{'  missed' if bad else ''}")
        out[condition] = table
    longest = max(cases(clips, options.seed), key=lambda case: len(case.joints))
    seconds = solve_seconds(longest)
    missed += seconds > SPEED_BAR
    late = "  missed" if seconds > SPEED_BAR else ""
    print(f"\n{SPEED_FRAMES} frames solved in {seconds:.2f} s (bar {SPEED_BAR:g} s, two cores with nothing else to do){late}")
    print(f"\n{time.perf_counter() - begin:.0f} s; {missed} bars missed")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-motion.json").write_text(json.dumps(out, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
