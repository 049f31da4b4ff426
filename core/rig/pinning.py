# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet and hands that are on the floor in the source stand still on the target's, by root, legs and arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interpolation import ramp
from ..rotation import matrix_from_axis_angle, normalised, shortest_arc
from . import contacts
from .bases import Base, place
from .mapping import BoneMap
from .performance import Body, Performance
from .roles import SIDES
from .skeletal import Rig

Array = NDArray[np.float64]

HAND_HEIGHT = 0.07
"""Height of the wrist of a hand that rests on the floor, as a share of the leg."""


ROUNDS = 4
"""How often the root's path and what the feet's places give are found anew, each from the other."""
DEEPEST = 0.15
"""Share of the leg by which a foot may be below the floor and still be lifted onto it."""

ON_BALL = (0.01, 0.06)
"""Metres of the ball of a foot over the floor, of the usual leg, up to which toes bend fully, and from where on not at all."""
MOST_BENT = np.radians(65.0)
"""How far toes bend up."""


@dataclass
class Figure:
    """A target while it is being worked on: its bones, how they turn and where their heads are, by role (T, ...)."""

    body: Body
    rig: Rig
    bones: BoneMap
    bases: Mapping[str, Base]
    order: list[str]
    turns: dict[str, Array]
    joints: dict[str, Array]

    def end(self, part: str, side: str) -> Array:
        """Return where a limb's bone ends (T, 3): the ankle of the shin, the wrist of the forearm."""
        role = f"{part}.{side}"
        return self.joints[role] + self.turns[role] @ (self.body.end(role) - self.body.heads[role])

    def line(self, upper: str, lower: str, side: str) -> tuple[Array, Array, Array]:
        """Return the three joints of a limb, (T, 3) each: hip, knee and ankle, or shoulder, elbow and wrist."""
        return self.joints[f"{upper}.{side}"], self.joints[f"{lower}.{side}"], self.end(lower, side)

    def place(self, path: Array) -> None:
        """Put all joints where the turns put them, with the middle between the hips on a path (T, 3)."""
        self.joints = place(self.rig, self.bones, self.bases, self.turns, self.order, path)

    def middle(self) -> Array:
        """Return the middle between the hips (T, 3)."""
        return 0.5 * (self.joints["thigh.L"] + self.joints["thigh.R"])

    def bend(self, upper: str, lower: str, side: str, shift: Array) -> None:
        """Turn a limb's two bones so that its end moves by a shift (T, 3); the joints below stay to be placed anew."""
        moving = np.flatnonzero(np.linalg.norm(shift, axis=-1) > 1e-6)
        if not len(moving):
            return
        end = self.end(lower, side)[moving]
        first, second = f"{upper}.{side}", f"{lower}.{side}"
        turns = contacts.reach(self.joints[first][moving], self.joints[second][moving], end, end + shift[moving])
        for role, turn in zip((first, second), turns, strict=True):
            self.turns[role] = self.turns[role].copy()
            self.turns[role][moving] = turn @ self.turns[role][moving]


def pin_feet(figure: Figure, performance: Performance, stands: Mapping[str, NDArray[np.bool_]], scale: float) -> None:
    """Make standing feet stand still at their height, by the root's path and the legs.

    stands: by side, in which of T frames a foot stands. scale: of the path.
    """
    source, body, fps = performance.body, figure.body, performance.fps
    size = body.leg_length / contacts.USUAL_LEG
    missed, ankles = {}, {side: figure.end("shin", side) for side in SIDES}
    for side in SIDES:
        above = scale * (performance.ankles[side][:, 2] - source.floor - source.ankle)
        level = source.floor + body.ankle + np.where(np.abs(above) < contacts.LOW * size, 0.0, above)
        missed[side] = contacts.misses(ankles[side], stands[side], level, fps)
    stiff = {side: contacts.stiffness(*figure.line("thigh", "shin", side)) for side in SIDES}
    give = {side: np.zeros_like(missed[side]) for side in SIDES}
    for _ in range(ROUNDS):
        shift = contacts.root_share({side: missed[side] + give[side] for side in SIDES}, stiff, stands, fps)
        give = {side: contacts.given(missed[side] - shift, stiff[side], stands[side], size, fps) for side in SIDES}
    left = {side: np.where(stands[side][:, None], missed[side] + give[side] - shift, 0.0) for side in SIDES}
    lengths = {side: body.segment("thigh", side) + body.segment("shin", side) for side in SIDES}
    hips = {side: figure.joints[f"thigh.{side}"] + shift for side in SIDES}
    drop = contacts.lowering(hips, {side: ankles[side] + shift + left[side] for side in SIDES}, lengths, stands, fps)
    shift[:, 2] -= drop
    figure.joints = {role: joint + shift for role, joint in figure.joints.items()}
    for side in SIDES:
        left[side][:, 2] += np.where(stands[side], drop, 0)
        figure.bend("thigh", "shin", side, contacts.leg_share(left[side], stands[side], fps))
    figure.place(figure.middle())


def _ball_level(body: Body, side: str, floor: float) -> float:
    """Return the height, world, of the ball of a foot that stands flat."""
    ankle = float(body.end(f"shin.{side}")[2])
    return floor + max(0.0, float(body.end(f"foot.{side}")[2]) - ankle + body.ankle)


def bend_toes(figure: Figure, performance: Performance, floor: float) -> None:
    """Bend toes that the source does not tell where the heel comes up over a ball on the floor: they stay level."""
    body = figure.body
    size = body.leg_length / contacts.USUAL_LEG
    for side in SIDES:
        foot, toe = f"foot.{side}", f"toe.{side}"
        if toe not in figure.bones.bones or toe in performance.turns or foot not in performance.turns:
            continue
        ahead = (body.tails[toe] - body.heads[toe]) * (1.0, 1.0, 0.0)
        if np.linalg.norm(ahead) < 1e-6:
            continue
        line = figure.turns[foot] @ normalised(ahead)
        above = (figure.joints[toe][:, 2] - _ball_level(body, side, floor)) / size
        down = np.arctan2(-line[:, 2], np.linalg.norm(line[:, :2], axis=-1))
        angle = np.clip(down, 0.0, MOST_BENT) * (1 - ramp(above, *ON_BALL))
        up = normalised(np.cross(line, (0.0, 0.0, 1.0)), fallback=(1.0, 0.0, 0.0))
        figure.turns[toe] = matrix_from_axis_angle(up, angle) @ figure.turns[foot]
    figure.place(figure.middle())


def keep_toes_up(figure: Figure, floor: float) -> None:
    """Turn feet up where the ball of the foot would go through the floor; `floor` is its height, world.

    A foot far below the floor is on none (stairs down, a pit), and is left alone.
    """
    body = figure.body
    for side in SIDES:
        role = f"foot.{side}"
        if role not in figure.turns:
            continue
        start, end = figure.joints[role], figure.end("foot", side)
        level = _ball_level(body, side, floor)
        deep = level - end[:, 2]
        through = np.flatnonzero((deep > 1e-6) & (deep < DEEPEST * body.leg_length))
        if not len(through):
            continue
        line = end[through] - start[through]
        length = np.linalg.norm(line, axis=-1)
        rise = np.clip((level - start[through, 2]) / length, -1, 1)
        across = normalised(line * (1.0, 1.0, 0.0), fallback=(0.0, -1.0, 0.0))
        lifted = across * np.sqrt(1 - rise * rise)[:, None] + rise[:, None] * (0.0, 0.0, 1.0)
        turn = shortest_arc(line, lifted)
        for name in (role, f"toe.{side}"):
            if name in figure.turns:
                figure.turns[name] = figure.turns[name].copy()
                figure.turns[name][through] = turn @ figure.turns[name][through]
    figure.place(figure.middle())


def pin_hands(figure: Figure, performance: Performance, scale: float) -> None:
    """Make hands that rest on the floor stay where they rest, by the arms: in crawling, getting up, cartwheels."""
    source, fps = performance.body, performance.fps
    size = figure.body.leg_length / contacts.USUAL_LEG
    for side in SIDES:
        forearm = f"forearm.{side}"
        if forearm not in performance.turns or f"upper_arm.{side}" not in figure.turns:
            continue
        wrist = performance.heads[forearm] + performance.turns[forearm] @ (source.end(forearm) - source.heads[forearm])
        down = contacts.standing(wrist, HAND_HEIGHT * source.leg_length, source.floor, source.leg_length, fps)
        if not down.any():
            continue
        level = source.floor + scale * (wrist[:, 2] - source.floor)
        missed = contacts.misses(figure.end("forearm", side), down, level, fps)
        stiff = contacts.stiffness(*figure.line("upper_arm", "forearm", side))
        missed += contacts.given(missed, stiff, down, size, fps)
        figure.bend("upper_arm", "forearm", side, contacts.leg_share(missed, down, fps))
    figure.place(figure.middle())
