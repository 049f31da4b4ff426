# SPDX-License-Identifier: GPL-3.0-or-later
"""How a dog-like creature moves: joints of any individual and motion, made from nothing but NumPy and a seed.

Paws are planned first (they stand still while they carry), trunk, neck and tail turn by angles, and the legs reach from
the trunk to the paws with bones of constant length. World frame: metres, Z up; at rest it faces -Y, its left at +X.
Proportions are of a Labrador-like dog, in shares of the height of its withers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from kinematics import Floats, about, bend, smooth

from poselift.core.rotation import normalised
from poselift.core.skeleton import Skeleton

CREATURE = Skeleton.from_dict(json.loads(Path(__file__).with_name("creature.json").read_text(encoding="utf-8")))
"""The skeleton, from the file that `poselift train --skeleton` reads."""

# Left half at rest, in withers heights: x to the left, y to the back, z up. The skeleton file has the same directions.
_REST = {
    "pelvis": (0.0, 0.36, 0.8), "spine": (0.0, 0.0, 0.94), "withers": (0.0, -0.4, 1.0), "head": (0.0, -0.7, 1.26),
    "snout": (0.0, -0.99, 1.16), "tail_base": (0.0, 0.5, 0.88), "tail_tip": (0.0, 0.88, 0.62),
    "l_hip": (0.09, 0.36, 0.8), "l_stifle": (0.1, 0.22, 0.5), "l_hock": (0.09, 0.5, 0.25), "l_hind_paw": (0.09, 0.45, 0.04),
    "l_shoulder": (0.1, -0.56, 0.68), "l_elbow": (0.11, -0.4, 0.48), "l_carpus": (0.1, -0.41, 0.19),
    "l_fore_paw": (0.1, -0.45, 0.04),
}  # fmt: skip
_PAW_HEIGHT = _REST["l_fore_paw"][2]


@dataclass(frozen=True)
class Individual:
    """One animal: `height` of its withers in metres, and how long each of its bones is against the usual (23,)."""

    height: float
    stretch: Floats

    @classmethod
    def random(cls, rng: np.random.Generator, spread: float = 0.1) -> Individual:
        """Draw one: withers 0.45 to 0.72 m, each bone `spread` longer or shorter at most, left as right."""
        stretch = rng.uniform(1 - spread, 1 + spread, len(CREATURE))
        return cls(float(rng.uniform(0.45, 0.72)), stretch[np.minimum(CREATURE.mirror, np.arange(len(CREATURE)))])

    def bone(self, name: str) -> Floats:
        """Return the rest vector (3,) in metres, from the parent joint to the joint."""
        joint = CREATURE.index(name)
        right = name.startswith("r_")
        parent = CREATURE.joint_names[CREATURE.parents[joint]]
        here, there = (np.array(_REST[f"l_{n[2:]}" if n.startswith("r_") else n]) for n in (name, parent))
        vector: Floats = (here - there) * self.height * self.stretch[joint]
        return vector * (-1.0, 1.0, 1.0) if right else vector

    def length(self, name: str) -> float:
        """Return the length in metres of the bone that ends at a joint."""
        return float(np.linalg.norm(self.bone(name)))

    @property
    def body_length(self) -> float:
        """Length in metres of the trunk: withers to spine to pelvis to tail base, the unit of the creature's errors."""
        return self.length("withers") + self.length("spine") + self.length("tail_base")


def body_length(joints: Floats) -> float:
    """Return the body length (see `Individual`) of joints (T, 23, 3) or (23, 3), in their unit."""
    chain = [CREATURE.index(n) for n in ("withers", "spine", "pelvis", "tail_base")]
    return float(np.linalg.norm(np.diff(joints[..., chain, :], axis=-2), axis=-1).sum(-1).mean())


@dataclass(frozen=True)
class Gait:
    """When each leg steps: shares of a stride at which it lands, and for how long it stands.

    `rate`: strides per second; `bob`: vertical swings of the trunk per stride, and their size in withers heights; `pitch`
    and `arch`: radians by which trunk and spine swing once per stride.
    """

    landing: dict[str, float]
    stance: float
    rate: float
    speed: float
    lift: float
    bob: tuple[int, float]
    pitch: float = 0.0
    arch: float = 0.0


GAITS = {
    "walk": Gait({"l_hind": 0.0, "l_fore": 0.25, "r_hind": 0.5, "r_fore": 0.75}, 0.62, 1.25, 1.5, 0.09, (2, 0.012)),
    "trot": Gait({"l_hind": 0.0, "r_fore": 0.02, "r_hind": 0.5, "l_fore": 0.52}, 0.44, 1.9, 3.4, 0.15, (2, 0.025), 0.02),
    "gallop": Gait({"l_hind": 0.0, "r_hind": 0.1, "l_fore": 0.45, "r_fore": 0.57}, 0.27, 2.4, 6.5, 0.22, (1, 0.05), 0.12, 0.3),
}
"""Speeds are in withers heights per second (Hildebrand 1989, "The quadrupedal gaits of vertebrates", for the footfalls)."""


@dataclass(frozen=True)
class Script:
    """What the creature does, moment by moment: every curve is (T,), 0 for not at all.

    pace: 0..1, how much of the gait; heading: radians; sit, bow, crouch: 0..1; leap: metres of the whole body over the
    ground; nod, look: radians of the neck, down and to the left; wag, tail: radians of the tail, left and up; sway, bend:
    radians of the trunk's roll and sideways bend.
    """

    gait: Gait
    pace: Floats
    heading: Floats
    sit: Floats
    bow: Floats
    crouch: Floats
    leap: Floats
    nod: Floats
    look: Floats
    wag: Floats
    tail: Floats
    sway: Floats
    bend: Floats
    start: float = 0.0


def perform(animal: Individual, script: Script, fps: float) -> Floats:
    """Return joints (T, 23, 3) of an animal that does what the script says, starting over the origin."""
    return _Figure(animal, script, fps).joints()


def reversed_sides(script: Script) -> Script:
    """Return the script with left and right changed in the gait (the other leading leg)."""
    other = {"l": "r", "r": "l"}
    landing = {f"{other[leg[0]]}{leg[1:]}": share for leg, share in script.gait.landing.items()}
    return replace(script, gait=replace(script.gait, landing=landing))


class _Figure:
    """One animal in one script. `self.u` holds metres per withers height."""

    def __init__(self, animal: Individual, script: Script, fps: float) -> None:
        self.animal, self.script, self.fps, self.u = animal, script, fps, animal.height
        gait, pace = script.gait, script.pace
        # The gait's speed and rate grow with the square root of size (Froude) as do falls and pendulums.
        self.hurry = np.sqrt(0.6 / animal.height)
        step = 1.0 / fps
        self.speed = pace * gait.speed * self.u * self.hurry
        self.beat = script.start + np.concatenate([[0.0], np.cumsum(self._rate()[:-1]) * step])
        ahead = np.stack([np.sin(script.heading), -np.cos(script.heading), np.zeros_like(pace)], -1)
        travel = np.cumsum(ahead * self.speed[:, None], 0) * step
        self.ground = travel - travel[0]
        self.facing = about(2, script.heading)

    def _rate(self) -> Floats:
        turning = np.abs(np.gradient(self.script.heading)) * self.fps
        settled = np.clip(1 - 1.5 * (self.script.sit + self.script.bow), 0, 1)
        moving = np.maximum(self.script.pace, np.minimum(1.0, turning)) * settled
        return self.script.gait.rate * self.hurry * moving

    def joints(self) -> Floats:
        """Put the whole figure together."""
        animal, s = self.animal, self.script
        places: dict[str, Floats] = {}
        pelvis, hip_turn = self._pelvis()
        swing = 2 * np.pi * (self.beat + 0.3)
        arch = s.gait.arch * s.pace * np.sin(swing) + 0.25 * s.sit - 0.1 * s.bow
        chest_turn = hip_turn @ about(2, s.bend) @ about(0, arch)
        places["pelvis"] = pelvis
        places["spine"] = pelvis + hip_turn @ animal.bone("spine")
        places["withers"] = places["spine"] + chest_turn @ animal.bone("withers")
        neck = chest_turn @ about(2, 0.6 * s.look) @ about(0, s.nod + 0.35 * s.sit - 0.3 * s.bow)
        places["head"] = places["withers"] + neck @ animal.bone("head")
        face = neck @ about(2, 0.5 * s.look) @ about(0, 0.3 - 0.25 * s.nod)
        places["snout"] = places["head"] + face @ animal.bone("snout")
        places["tail_base"] = pelvis + hip_turn @ animal.bone("tail_base")
        tail = hip_turn @ about(2, s.wag) @ about(0, s.tail + (0.9 - 0.3 * s.tail) * s.sit)
        places["tail_tip"] = places["tail_base"] + tail @ animal.bone("tail_tip")
        for side in ("l", "r"):
            places |= self._hind_leg(side, pelvis, hip_turn)
            places |= self._fore_leg(side, places["withers"], chest_turn)
        return np.stack([places[name] for name in CREATURE.joint_names], 1)

    def _pelvis(self) -> tuple[Floats, Floats]:
        """Return the pelvis' path (T, 3) and rotation (T, 3, 3)."""
        s, u = self.script, self.u
        times, size = s.gait.bob
        bob = size * s.pace * np.cos(2 * np.pi * times * (self.beat - 0.05))
        rock = s.gait.pitch * s.pace * np.sin(2 * np.pi * self.beat)
        # Sitting, the haunches come down and forward under the withers; bowing, the chest goes down before them.
        local = np.zeros((len(s.pace), 3))
        local[:, 1] = _REST["pelvis"][1] - 0.30 * s.sit + 0.06 * s.bow
        local[:, 2] = (
            _REST["pelvis"][2] - 0.5 * s.sit - 0.16 * s.crouch - 0.03 * s.bow - 0.04 * (s.gait.arch > 0) * s.pace + bob
        )
        pitch = -0.75 * s.sit + 0.55 * s.bow + rock
        place = self.ground + (self.facing @ (local * u)[..., None])[..., 0]
        place[:, 2] += s.leap
        return place, self.facing @ about(1, s.sway) @ about(0, pitch)

    def _paw(self, leg: str, neutral: Floats) -> tuple[Floats, Floats, Floats]:
        """Return a paw's path (T, 3), how far it has swung back (T,) -1..1, and how far it is lifted (T,) 0..1.

        neutral: (T, 3) where the paw belongs, on the ground, in the animal's own axes.
        """
        s = self.script
        home = self.ground + (self.facing @ neutral[..., None])[..., 0]
        beat = self.beat - s.gait.landing[leg]
        stride, share = np.floor(beat), beat - np.floor(beat)
        swing = smooth((share - s.gait.stance) / (1 - s.gait.stance))
        before, after = (self._foothold(home, s.gait.landing[leg] + stride + k + s.gait.stance / 2) for k in (0.0, 1.0))
        rate = self._rate() / (s.gait.rate * self.hurry)
        planned = before + (after - before) * swing[:, None]
        active = smooth(rate / 0.25)
        place = home + (planned - home) * active[:, None]
        lifted = np.sin(np.pi * np.clip((share - s.gait.stance) / (1 - s.gait.stance), 0, 1)) ** 2 * active
        # A stride's worth of ground passes under a standing paw.
        back = np.where(share < s.gait.stance, 2 * share / s.gait.stance - 1, 1 - 2 * swing) * active * s.pace
        place[:, 2] = _PAW_HEIGHT * self.u + lifted * s.gait.lift * self.u * (0.4 + 0.6 * rate) + s.leap * 0.85
        return place, back, np.clip(lifted + s.leap / (0.4 * self.u), 0, 1.3)

    def _foothold(self, home: Floats, beats: Floats) -> Floats:
        """Return where a paw's home (T, 3) is at given beats (T,); beyond the clip, straight on."""
        clock = self.beat + 1e-9 * np.arange(len(self.beat))
        inside = np.clip(beats, clock[0], clock[-1])
        place = np.stack([np.interp(inside, clock, column) for column in home.T], -1)
        per_beat = self.script.gait.speed * self.u / self.script.gait.rate
        ahead = self.facing @ np.array([0.0, -1.0, 0.0])
        ends = np.where((beats < clock[0])[:, None], ahead[0], ahead[-1])
        moves = np.where(beats < clock[0], self.script.pace[0], self.script.pace[-1]) > 0.02
        return place + ends * ((beats - inside) * per_beat * moves)[:, None]

    def _hind_leg(self, side: str, pelvis: Floats, turn: Floats) -> dict[str, Floats]:
        animal, s, u = self.animal, self.script, self.u
        sign = 1.0 if side == "l" else -1.0
        neutral = np.zeros((len(s.pace), 3))
        neutral[:, 0] = sign * (_REST["l_hind_paw"][0] + 0.05 * s.sit) * u
        neutral[:, 1] = (_REST["l_hind_paw"][1] - 0.62 * s.sit) * u
        paw, back, lifted = self._paw(f"{side}_hind", neutral)
        hip = pelvis + turn @ animal.bone(f"{side}_hip")
        # The angle of the metatarsus from upright, back: leaning on as the leg swings back, flat on the ground in a sit.
        lean = 0.25 + (0.7 * np.clip(lifted, 0, 1) - 0.45 * back) * (1 - s.sit) + 1.15 * s.sit
        lean = lean + 0.35 * s.crouch
        up = np.stack([np.zeros_like(lean), np.sin(lean), np.cos(lean)], -1)
        cannon = animal.length(f"{side}_hind_paw") * (self.facing @ up[..., None])[..., 0]
        hock = _reached(hip, paw + cannon, animal.length(f"{side}_stifle"), animal.length(f"{side}_hock"))
        front = turn @ normalised(np.array([0.12 * sign, -1.0, 0.0]))
        stifle = bend(hip, hock, animal.length(f"{side}_stifle"), animal.length(f"{side}_hock"), front)
        return {f"{side}_hip": hip, f"{side}_stifle": stifle, f"{side}_hock": hock, f"{side}_hind_paw": hock - cannon}

    def _fore_leg(self, side: str, withers: Floats, turn: Floats) -> dict[str, Floats]:
        animal, s, u = self.animal, self.script, self.u
        sign = 1.0 if side == "l" else -1.0
        neutral = np.zeros((len(s.pace), 3))
        neutral[:, 0] = sign * _REST["l_fore_paw"][0] * u
        neutral[:, 1] = (_REST["l_fore_paw"][1] - 0.3 * s.bow - 0.02 * s.sit) * u
        paw, back, lifted = self._paw(f"{side}_fore", neutral)
        swing = -0.22 * back + 0.15 * np.clip(lifted, 0, 1)
        shoulder = withers + (turn @ about(0, -swing) @ animal.bone(f"{side}_shoulder"))
        # The angle of the pastern from upright, back: nearly upright on the ground, folded back under a lifted leg.
        lean = 0.25 - 0.3 * back - 1.6 * np.clip(lifted, 0, 1) * (1 - 0.3 * s.pace) + 0.9 * s.bow
        up = np.stack([np.zeros_like(lean), np.sin(lean), np.cos(lean)], -1)
        pastern = animal.length(f"{side}_fore_paw") * (self.facing @ up[..., None])[..., 0]
        carpus = _reached(shoulder, paw + pastern, animal.length(f"{side}_elbow"), animal.length(f"{side}_carpus"))
        rear = turn @ normalised(np.array([0.1 * sign, 1.0, 0.0]))
        elbow = bend(shoulder, carpus, animal.length(f"{side}_elbow"), animal.length(f"{side}_carpus"), rear)
        return {
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": elbow,
            f"{side}_carpus": carpus,
            f"{side}_fore_paw": carpus - pastern,
        }


def _reached(top: Floats, end: Floats, first: float, second: float) -> Floats:
    """Return `end` (T, 3), brought smoothly within the reach of two bones from `top`: never straight, never folded up."""
    line = end - top
    distance = np.linalg.norm(line, axis=-1)
    far, near, soft = 0.985 * (first + second), 1.02 * abs(first - second) + 0.25 * (first + second), 0.03 * (first + second)
    kept = far - soft * np.logaddexp(0, (far - distance) / soft)
    kept = near + soft * np.logaddexp(0, (kept - near) / soft)
    return top + line * (kept / distance)[:, None]
