# SPDX-License-Identifier: GPL-3.0-or-later
"""A procedural person who walks a loop, stops and waves the left arm: joint positions of any length, made from nothing.

One cycle lasts ten seconds and ends where it began. Feet are planned first (they stand still while they carry), the pelvis
follows the path, legs reach from one to the other with bones of constant length, everything above turns by joint angles.
World frame: metres, Z up; the figure starts facing -Y, its left at +X.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from kinematics import Floats, about, bend, smooth
from numpy.typing import NDArray

from poselift.core.rotation import normalised
from poselift.core.skeleton import HUMAN17

HEIGHT = 1.75
CYCLE = 10.0
STEPS = 12
WALK = (0.3, 6.9)
WAVE = (7.4, 9.5)
EXTRA_NAMES = (
    "nose", "l_eye", "r_eye", "l_ear", "r_ear", "mid_shoulder",
    "l_big_toe", "l_small_toe", "l_heel", "r_big_toe", "r_small_toe", "r_heel",
)  # fmt: skip

_THIGH, _SHANK, _UPPER_ARM, _FOREARM = 0.435, 0.43, 0.29, 0.265
_ANKLE_HEIGHT, _BALL, _HEEL, _SOLE = 0.085, 0.13, 0.05, 0.015
_HIP = np.array([0.09, 0.0, 0.0])
_SPINE, _NECK = np.array([0.0, 0.015, 0.22]), np.array([0.0, 0.0, 0.31])
_SHOULDER = np.array([0.18, -0.01, -0.045])
_HEAD, _CROWN = np.array([0.0, -0.02, 0.108]), np.array([0.0, -0.005, 0.17])
_FACE = {"nose": (0.0, -0.115, 0.025), "l_eye": (0.032, -0.09, 0.06), "r_eye": (-0.032, -0.09, 0.06)}
_FACE |= {"l_ear": (0.075, 0.0, 0.045), "r_ear": (-0.075, 0.0, 0.045)}
# Relative to the ankle, foot flat: x to the figure's left, y to its back, z up.
_FOOT = {"big_toe": (-0.015, -0.19, -0.065), "small_toe": (0.045, -0.155, -0.07), "heel": (0.0, 0.05, -0.065)}


def animate(frames: int, fps: Fraction | float) -> tuple[Floats, Floats]:
    """Return the figure's joints (T, 17, 3), in HUMAN17 order, and extra points (T, 12, 3), in EXTRA_NAMES order.

    Bone lengths are constant; the crown of the head of the figure at rest is 1.75 m above the ground.
    """
    time = np.arange(frames) / float(fps)
    path = _Path()
    gait = _Gait(path, time % CYCLE)
    ankles, feet = zip(*(gait.foot(side) for side in (+1, -1)), strict=True)
    pelvis, turn = gait.pelvis(ankles)
    joints: dict[str, Floats] = {"pelvis": pelvis}
    extras: dict[str, Floats] = {}
    for side, prefix, ankle, foot in zip((+1, -1), ("l", "r"), ankles, feet, strict=True):
        hip = pelvis + turn @ (_HIP * side)
        forward = normalised(foot @ np.array([0.0, -1.0, 0.0]) * [1, 1, 0] + turn @ np.array([0.0, -1.0, 0.0]))
        joints |= {f"{prefix}_hip": hip, f"{prefix}_knee": bend(hip, ankle, _THIGH, _SHANK, forward), f"{prefix}_ankle": ankle}
        for part, place in _FOOT.items():
            point = ankle + foot @ (np.array(place) * [side, 1, 1])
            point[:, 2] = np.maximum(point[:, 2], _SOLE)  # toes bend where the heel rises
            extras[f"{prefix}_{part}"] = point
    chest = gait.chest()
    spine = pelvis + turn @ _SPINE
    neck = spine + chest @ _NECK
    joints |= {"spine": spine, "neck_base": neck}
    for side, prefix in ((+1, "l"), (-1, "r")):
        shoulder = neck + chest @ (_SHOULDER * [side, 1, 1])
        upper, elbow_turn = gait.arm(side)
        elbow = shoulder + chest @ upper @ np.array([0.0, 0.0, -_UPPER_ARM])
        wrist = elbow + chest @ upper @ elbow_turn @ np.array([0.0, 0.0, -_FOREARM])
        joints |= {f"{prefix}_shoulder": shoulder, f"{prefix}_elbow": elbow, f"{prefix}_wrist": wrist}
    head = gait.head()
    joints["head_joint"] = neck + chest @ _HEAD
    joints["head_top"] = joints["head_joint"] + head @ _CROWN
    extras |= {name: joints["head_joint"] + head @ np.array(place) for name, place in _FACE.items()}
    extras["mid_shoulder"] = (joints["l_shoulder"] + joints["r_shoulder"]) / 2
    return np.stack([joints[n] for n in HUMAN17.joint_names], 1), np.stack([extras[n] for n in EXTRA_NAMES], 1)


def waving(frames: int, fps: Fraction | float) -> NDArray[np.bool_]:
    """Return (T,) True while the left hand is up."""
    time = np.arange(frames) / float(fps) % CYCLE
    return (time > WAVE[0] + 0.5) & (time < WAVE[1] - 0.5)


class _Path:
    """A closed oval on the ground, walked to the left, that starts facing -Y at its left end.

    Headings are 0 along -Y and grow anticlockwise: 2 pi u + a sin(4 pi u) over the lap u; equal half laps close it.
    """

    length = 6.0
    _centre = np.array([0.0, 0.5])

    def __init__(self) -> None:
        u = np.linspace(0, 1, 4001)
        self._heading = 2 * np.pi * u + 0.42 * np.sin(4 * np.pi * u)
        step = np.stack([np.sin(self._heading), -np.cos(self._heading)], -1) * self.length / 4000
        points = np.concatenate([np.zeros((1, 2)), np.cumsum((step[1:] + step[:-1]) / 2, axis=0)])
        self._points, self._along = points - points[:-1].mean(0) + self._centre, u * self.length

    def at(self, s: Floats) -> tuple[Floats, Floats]:
        """Return places (..., 2) and headings (...) at arc lengths s, clipped to the path."""
        place = np.stack([np.interp(s, self._along, axis) for axis in self._points.T], -1)
        return place, np.interp(s, self._along, self._heading)


class _Gait:
    """Where feet, pelvis, chest, arms and head are, at (T,) seconds of the cycle.

    `s`: arc length walked; `pace`: 0 standing to 1 walking; `beat`: pi per step, even steps are the right foot's.
    """

    def __init__(self, path: _Path, time: Floats) -> None:
        self.path, self.time = path, time
        ramp, (start, end) = 0.8, WALK
        cruise = path.length / (end - start - ramp)
        into, before_end = np.clip(time - start, 0, end - start), np.clip(end - time, 0, end - start)

        def run_up(t: Floats) -> Floats:  # distance after t seconds with the speed rising as a half cosine
            t = np.minimum(t, ramp)
            return cruise / 2 * (t - ramp / np.pi * np.sin(np.pi * t / ramp))

        middle = cruise * np.clip(into - ramp, 0, end - start - 2 * ramp)
        self.s = run_up(into) + middle + run_up(np.full_like(time, ramp)) - run_up(before_end)
        self.pace = smooth(into / ramp) * smooth(before_end / ramp)
        self.step = path.length / STEPS
        self.beat = np.pi * self.s / self.step
        self.wave = smooth((time - WAVE[0]) / 0.6) * smooth((WAVE[1] - time) / 0.6)
        self.heading = path.at(self.s)[1]

    def foot(self, side: int) -> tuple[Floats, Floats]:
        """Return a foot's ankle (T, 3) and its rotation (T, 3, 3).

        Step n carries from arc length (n - 0.62) to (n + 0.62) steps and stands at n: on the flat foot, at its end on the
        ball of the foot with the heel rising. Then it swings to n + 2. The first and last prints are side by side.
        """
        out_ankle, out_turn = np.zeros((len(self.s), 3)), np.zeros((len(self.s), 3, 3))
        x = self.s / self.step
        for n in range(-1 if side > 0 else 0, STEPS + 2, 2):
            on, off = n - 0.62, n + 0.62
            landed, leaves = (-1.0 if n < 1 else on), (STEPS + 9.0 if n >= STEPS else max(off, 0.0))
            leaves = min(leaves, STEPS - 0.38) if n == STEPS - 1 else leaves
            lands = min(n + 1.38, STEPS - 0.002)
            ankle, turn = self._stance(n, side, x)
            carried = (x >= min(landed, STEPS - 0.002)) & (x <= leaves)
            out_ankle[carried], out_turn[carried] = ankle[carried], turn[carried]
            swing = (x > leaves) & (x < lands)
            if swing.any():
                u = (x[swing] - leaves) / (lands - leaves)
                out_ankle[swing], out_turn[swing] = self._swing(n, side, u, leaves, lands)
        return out_ankle, out_turn

    def _stance(self, n: int, side: int, x: Floats) -> tuple[Floats, Floats]:
        """Return ankle and rotation of the foot that stands on print n, at x steps walked."""
        place, heading = self.path.at(np.full(len(x), np.clip(n, 0, STEPS) * self.step))
        rise = 0.75 * smooth((x - n - 0.12) / 0.55) * (0 <= n < STEPS)
        strike = -0.3 * smooth((n - 0.42 - x) / 0.2) * (1 <= n <= STEPS)
        flat = about(2, heading)
        print_ = np.concatenate([place, np.zeros((len(x), 1))], -1) + flat @ np.array([0.07 * side, 0.0, _ANKLE_HEIGHT])
        turn = flat @ about(0, rise + strike)
        ball, heel = (np.array([0.0, y, 0.02 - _ANKLE_HEIGHT]) for y in (-_BALL, _HEEL))
        pivot = np.where((rise > 0)[:, None], ball, heel)
        return print_ + _turned(flat, pivot) - _turned(turn, pivot), turn

    def _swing(self, n: int, side: int, u: Floats, leaves: float, lands: float) -> tuple[Floats, Floats]:
        """Return ankle and rotation on the way from print n to print n + 2, at shares u of it."""
        start, start_turn = self._stance(n, side, np.array([leaves]))
        end, end_turn = self._stance(n + 2, side, np.array([lands]))
        share = smooth(u)
        ankle = start + (end - start) * share[:, None]
        ankle[:, 2] += 0.06 * np.sin(np.pi * u) ** 2
        yaw = [self.path.at(np.array([np.clip(k, 0, STEPS) * self.step]))[1] for k in (n, n + 2)]
        pitch = [np.arctan2(t[0, 2, 1], t[0, 2, 2]) for t in (start_turn, end_turn)]
        return ankle, about(2, yaw[0] + (yaw[1] - yaw[0]) * share) @ about(0, pitch[0] + (pitch[1] - pitch[0]) * share)

    def pelvis(self, ankles: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Return the pelvis (T, 3) and its rotation (T, 3, 3); it sinks just far enough for both feet to be in reach."""
        ground, _ = self.path.at(self.s)
        swing, sway = np.sin(self.beat), np.cos(self.beat)
        turn = about(2, self.heading - 0.09 * self.pace * swing) @ about(1, 0.035 * self.pace * sway)
        turn = turn @ about(0, np.full(len(self.s), -0.02))
        breath = np.sin(2 * np.pi * 0.3 * self.time)
        side = -0.022 * self.pace * sway + 0.012 * (1 - self.pace) * np.sin(2 * np.pi * 0.2 * self.time)
        across = np.stack([np.cos(self.heading), np.sin(self.heading)], -1)
        height = 0.945 + 0.002 * breath - self.pace * (0.026 + 0.034 * (1 - np.cos(2 * self.beat)) / 2)
        pelvis = np.concatenate([ground + across * side[:, None], height[:, None]], -1)
        reach = 0.997 * (_THIGH + _SHANK)
        for sign, ankle in zip((+1, -1), ankles, strict=True):
            hip = pelvis + turn @ (_HIP * sign)
            flat = ((hip - ankle)[:, :2] ** 2).sum(1)
            over = hip[:, 2] - ankle[:, 2] - np.sqrt(np.maximum(reach**2 - flat, 0.01))
            # A soft maximum with 0: the pelvis gives way smoothly, never by less than it must.
            pelvis[:, 2] -= (over + np.sqrt(over**2 + 4e-5)) / 2
        return pelvis, turn

    def chest(self) -> Floats:
        """Return the chest's rotation (T, 3, 3): it turns against the pelvis and leans a little into the walk."""
        lean = 0.03 + 0.05 * self.pace + 0.01 * np.sin(2 * np.pi * 0.3 * self.time)
        turn = about(2, self.heading + 0.1 * self.pace * np.sin(self.beat) - 0.06 * self.wave)
        return turn @ about(1, 0.04 * self.wave) @ about(0, lean)

    def head(self) -> Floats:
        """Return the head's rotation (T, 3, 3): it looks where the path goes and, waving, nods a little."""
        ahead = self.path.at(np.minimum(self.s + 0.3 * self.pace, self.path.length))[1]
        nod = 0.05 * self.wave * np.sin(2 * np.pi * 0.7 * self.time) + 0.02 * self.pace * np.cos(2 * self.beat)
        return about(2, ahead) @ about(1, -0.06 * self.wave) @ about(0, nod)

    def arm(self, side: int) -> tuple[Floats, Floats]:
        """Return the upper arm's rotation in the chest and the forearm's in the upper arm, both (T, 3, 3).

        An arm hangs along -Z; it swings against its leg, and the left one is raised sideways and waved from the elbow.
        """
        swing = -side * np.sin(self.beat - 0.25)
        up = self.wave if side > 0 else np.zeros_like(self.wave)
        forward = (1 - up) * (0.04 + self.pace * (0.38 * swing - 0.02))
        aside = 0.12 + 0.03 * self.pace + up * 1.62
        flap = -float(side) * aside
        axial = up * 1.4
        bent = 0.22 + 0.06 * (1 - self.pace) + self.pace * (0.2 + 0.22 * swing)
        bent = bent + up * (1.35 + 0.42 * np.sin(2 * np.pi * 1.5 * (self.time - WAVE[0])))
        upper = about(0, -forward) @ about(1, flap) @ about(2, axial * float(side))
        return upper, about(0, -bent)


def _turned(rotation: Floats, vectors: Floats) -> Floats:
    return (rotation @ vectors[..., None])[..., 0]
