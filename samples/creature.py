# SPDX-License-Identifier: GPL-3.0-or-later
"""Make 2D tracks of a four-legged creature: what a lifter for another skeleton than the human's learns from.

    python samples/creature.py OUT_FOLDER [--clips 80] [--seconds 5] [--seed 0] [--noise 0] [--missing 0]
    poselift train OUT_FOLDER/tracks/*.npz --skeleton samples/creature.json -o creature.npz

Writes OUT_FOLDER/tracks/NAME.npz (tracks, one camera each), OUT_FOLDER/truth/NAME.npz (joints in the world and the camera)
and OUT_FOLDER/motion.npz (the same motions as a motion-capture archive, for `poselift evaluate`). Every clip has an
individual, a motion and a camera of its own; other seeds give others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from four_legs import CREATURE, GAITS, Individual, Script, body_length, perform, reversed_sides
from kinematics import Floats

from poselift.core.camera import Intrinsics, project
from poselift.core.readers import track_npz
from poselift.core.track import KeypointTrack

FPS = Fraction(30)
QUANT = 0.0005
"""Metres; the step of an archive's positions."""
MOTIONS = ("walk", "trot", "gallop", "sit", "sniff", "jump", "turn", "bow")


@dataclass(frozen=True)
class Clip:
    """One clip. joints: (T, 23, 3) world, metres; rotation (3, 3), translation (3,): world to camera; track: as seen."""

    name: str
    motion: str
    joints: Floats
    rotation: Floats
    translation: Floats
    track: KeypointTrack

    @property
    def joints_camera(self) -> Floats:
        """(T, 23, 3) metres, camera frame."""
        return self.joints @ self.rotation.T + self.translation


def make_clip(
    number: int, seed: int = 0, motion: str | None = None, seconds: float = 5.0, noise: float = 0.0, missing: float = 0.0
) -> Clip:
    """Make clip `number` of a seed; the same arguments give the same clip.

    motion: one of `MOTIONS`, in turn where not given. noise: standard deviation of the keypoints, as a share of the
    creature's size in the image (the diagonal of its box). missing: share of keypoints that are lost, in runs.
    """
    motion = motion or MOTIONS[number % len(MOTIONS)]
    # The motion, the camera and the detector draw from streams of their own: noise changes nothing else.
    moves, views, detector = (np.random.default_rng([seed, number, stream]) for stream in range(3))
    frames = max(2, round(seconds * FPS))
    joints = perform(Individual.random(moves), script(motion, frames, moves), float(FPS))
    joints = joints - [*joints[:, 0, :2].mean(0), 0.0]
    intrinsics, rotation, translation = random_camera(joints, views)
    keypoints = project(joints @ rotation.T + translation, intrinsics)
    keypoints, scores = _detected(keypoints, noise, missing, detector)
    name = f"{motion}_{seed}_{number:04d}"
    track = KeypointTrack(
        keypoints, scores, CREATURE, FPS, (intrinsics.width, intrinsics.height), source=name, intrinsics=intrinsics
    )
    return Clip(name, motion, joints, rotation, translation, track)


def script(motion: str, frames: int, rng: np.random.Generator) -> Script:
    """Draw what the creature does in a clip of a motion. Raises `ValueError` where there is no such motion."""
    if motion not in MOTIONS:
        raise ValueError(f"there is no motion '{motion}'; known are {', '.join(MOTIONS)}.")
    t = np.arange(frames) / float(FPS)
    length = t[-1]
    still = np.zeros(frames)
    gait = GAITS[motion] if motion in GAITS else GAITS["walk"]
    pace, heading = still, rng.uniform(-np.pi, np.pi) + _wander(t, rng, 0.15)
    acts = dict.fromkeys(("sit", "bow", "crouch", "leap"), still)
    nod, look = -0.1 + _wander(t, rng, 0.2), _wander(t, rng, 0.3)
    if motion in GAITS:
        pace = np.clip(rng.uniform(0.7, 1.1) + _wander(t, rng, 0.1), 0.4, 1.2)
        heading = heading + rng.uniform(-0.5, 0.5) * t * (1.0 if motion == "walk" else 0.7)
    elif motion == "turn":
        pace = 0.35 * _between(t, 0.1 * length, 0.9 * length)
        heading = heading + rng.choice([-1, 1]) * rng.uniform(1.5, 4.0) * _ease(t, 0.05 * length, 0.8 * length)
        look = look + 0.25 * np.tanh(np.gradient(heading) * float(FPS))
    elif motion == "sniff":
        down = _between(t, rng.uniform(0.0, 0.3) * length, rng.uniform(0.6, 1.1) * length)
        nod = nod + down * (rng.uniform(0.9, 1.3) + 0.12 * np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * t))
        look = look + _wander(t, rng, 0.5)
        pace = np.clip(_wander(t, rng, 0.4), 0, 0.5)
    elif motion == "jump":
        acts["crouch"], acts["leap"] = _jumps(t, rng)
        pace = np.clip(rng.uniform(-0.3, 0.6) + still, 0, 1) * (1 - np.minimum(acts["crouch"], 1))
    else:
        start = rng.uniform(0.05, 0.35) * length
        acts[motion] = _between(t, start, start + rng.uniform(0.35, 0.7) * length, rng.uniform(0.5, 0.9)) * rng.uniform(
            0.8, 1.0
        )
        pace = 0.7 * (1 - _ease(t, start - 1.0, 0.8)) * rng.integers(0, 2)
        look = look + _wander(t, rng, 0.3)
    wagging = rng.uniform(0.0, 0.6) * np.sin(2 * np.pi * rng.uniform(1.5, 3.0) * t + rng.uniform(0, 6))
    drawn = Script(
        gait, pace, heading, **acts, nod=nod, look=look, wag=wagging + _wander(t, rng, 0.2),
        tail=rng.uniform(-0.7, 0.8) + _wander(t, rng, 0.2), sway=_wander(t, rng, 0.05), bend=0.5 * look * rng.uniform(0, 0.5)
        + _wander(t, rng, 0.08), start=rng.uniform(0, 1),
    )  # fmt: skip
    return reversed_sides(drawn) if rng.random() < 0.5 else drawn


def random_camera(joints: Floats, rng: np.random.Generator) -> tuple[Intrinsics, Floats, Floats]:
    """Draw a camera that stands still and sees all of joints (T, J, 3): intrinsics, R (3, 3), t (3,), world to camera.

    Any azimuth, 5 degrees below to 35 above the level, fields of view of 30 to 65 degrees, at least 2 m away.
    """
    width, height = [(1280, 720), (1920, 1080), (1080, 1080)][rng.integers(3)]
    intrinsics = Intrinsics.from_fov(width, height, np.radians(rng.uniform(30, 65)), source="creature clip")
    points = joints.reshape(-1, 3)
    middle = 0.5 * (points.min(0) + points.max(0))
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-5, 35))
    forward = -np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    seen = (points - middle) @ rotation.T
    half = np.array([width, height]) / (2 * np.array([intrinsics.fx, intrinsics.fy]))
    # Every point must lie inside 92 % of the picture: |x| <= 0.92 half (z + d).
    needed = (np.abs(seen[:, :2]) / (0.92 * half) - seen[:, 2:]).max()
    distance = max(2.0, float(needed), float(0.5 - seen[:, 2].min())) * rng.uniform(1.0, 1.4)
    return intrinsics, rotation, -rotation @ (middle - distance * forward)


def write_tracks(folder: Path, clips: Sequence[Clip]) -> list[Path]:
    """Write the clips' tracks into a folder, which is made, and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{clip.name}.npz" for clip in clips]
    for path, clip in zip(paths, clips, strict=True):
        track_npz.write(path, [clip.track])
    return paths


def write_truth(folder: Path, clips: Sequence[Clip]) -> None:
    """Write each clip's joints and camera, under the names that a motion `.npz` uses."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        np.savez_compressed(
            folder / f"{clip.name}.npz", joint_names=np.array(CREATURE.joint_names), parents=np.array(CREATURE.parents),
            joints_world=clip.joints, joints_camera=clip.joints_camera, fps=np.array(float(FPS)),
            camera_rotation=clip.rotation, camera_translation=clip.translation, body_length=np.array(body_length(clip.joints)),
        )  # fmt: skip


def write_archive(path: Path, clips: Sequence[Clip]) -> None:
    """Write the clips' motions as the motion-capture archive that `poselift train` and `poselift evaluate` read."""
    poses = np.concatenate([clip.joints - clip.joints[:, :1] for clip in clips])
    np.savez_compressed(
        path, pos=np.round(poses / QUANT).astype(np.int16), quant=np.array(QUANT),
        root=np.concatenate([clip.joints[:, 0] for clip in clips]).astype(np.float32),
        start=np.cumsum([0, *(len(clip.joints) for clip in clips)]).astype(np.int32),
        clip=np.array([clip.name for clip in clips]), category=np.array([clip.motion for clip in clips]),
        joint_names=np.array(CREATURE.joint_names), parents=np.array(CREATURE.parents, np.int8),
        fps=np.array(float(FPS)), up=np.array("Z"),
    )  # fmt: skip


def _detected(keypoints: Floats, noise: float, missing: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return noisy keypoints (T, J, 2) and scores (T, J), 0 where one is lost for 1 to 10 frames."""
    box = keypoints.max(1) - keypoints.min(1)
    size = np.linalg.norm(box, axis=-1)[:, None, None]
    noisy = keypoints + noise * size * rng.normal(size=keypoints.shape)
    scores = np.ones(keypoints.shape[:2])
    if missing:
        for t, j in np.argwhere(rng.random(scores.shape) < missing / 5.5):
            scores[t : t + rng.integers(1, 11), j] = 0.0
    return noisy, scores


def _jumps(t: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return crouch (T,) and height (T,) metres of two or so jumps: down, up, a parabola, and down again."""
    crouch, leap = np.zeros_like(t), np.zeros_like(t)
    at = rng.uniform(0.5, 1.2)
    while at < t[-1] - 0.6:
        height = rng.uniform(0.15, 0.4)
        flight = np.sqrt(8 * height / 9.81)
        share = (t - at) / flight
        leap += np.where((share > 0) & (share < 1), 4 * height * share * (1 - share), 0.0)
        crouch += np.exp(-(((t - at + 0.18) / 0.14) ** 2)) + 0.8 * np.exp(-(((t - at - flight - 0.12) / 0.12) ** 2))
        at += flight + rng.uniform(0.9, 2.0)
    return crouch, leap


def _ease(t: Floats, start: float, seconds: float) -> Floats:
    """Rise smoothly (T,) from 0 at `start` to 1 after so many seconds."""
    x = np.clip((t - start) / seconds, 0, 1)
    return x * x * x * (10 + x * (6 * x - 15))


def _between(t: Floats, start: float, end: float, seconds: float = 0.6) -> Floats:
    return _ease(t, start, seconds) - _ease(t, end, seconds)


def _wander(t: Floats, rng: np.random.Generator, size: float) -> Floats:
    """Return a smooth random curve (T,) about 0 with the standard deviation `size`."""
    rates, phases = rng.uniform(0.05, 0.7, 4), rng.uniform(0, 2 * np.pi, 4)
    return size / np.sqrt(2) * np.sin(2 * np.pi * rates * t[:, None] + phases).sum(1)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make 2D tracks of a four-legged creature, with the truth beside them.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=80)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other individuals, motions and cameras")
    parser.add_argument("--noise", type=float, default=0.0, help="of the keypoints, as a share of the creature's size")
    parser.add_argument("--missing", type=float, default=0.0, help="share of keypoints that are lost")
    options = parser.parse_args()
    if options.clips < 1 or options.seconds <= 0 or options.noise < 0 or not 0 <= options.missing < 1:
        parser.error("clips and seconds must be positive, noise at least 0, and missing in 0..1")
    clips = [
        make_clip(number, options.seed, None, options.seconds, options.noise, options.missing)
        for number in range(options.clips)
    ]
    write_tracks(options.folder / "tracks", clips)
    write_truth(options.folder / "truth", clips)
    write_archive(options.folder / "motion.npz", clips)
    print(f"{len(clips)} clips, {sum(len(clip.joints) for clip in clips)} frames: {options.folder}")


if __name__ == "__main__":
    main()
