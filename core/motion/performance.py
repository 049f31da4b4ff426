# SPDX-License-Identifier: GPL-3.0-or-later
"""From a lifted track to a performance: one body, one path, feet that stand, one floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera_path import UP, CameraPath
from ..errors import TrackError
from ..interpolation import over_time
from ..lifter.anatomy import body_frame
from ..metrics import angle_between
from ..rig.bones import bone_table
from ..rig.rest import rest_pose
from ..rotation import normalised
from ..skeleton import Skeleton
from . import bones, contacts, world
from .balance import balanced_up
from .focal import sliding
from .path_scale import path_scale
from .problem import Problem
from .root import place_root
from .solve import Evidence, Ground, SolveSettings, solve_track
from .tremble import tremble
from .upright import Upright, likeliest_up

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDS = 2
"""How often contacts, floor and motion are found anew, each from the others."""
GROUNDED_STEPS = 8
COMPARING_STEPS = 8
LONG_WAY = 1.5
"""Metres, at usual height, over which people are taken to walk on the level."""
FIRST_SLOW = 0.5
"""Metres per second of a foot, at usual height, that tells a third as much about the floor as a still one."""
LIKE = 1.2
"""Times as tall or small as each other people of one clip may be."""
AGREE = np.radians(20)
"""How far a direction that is said to be vertical may lie from what the body tells: who leans all the time is nearer."""
SURE = 1e-6
"""Radians that such a direction is taken to be off."""
HARDLY = 0.05
"""Share of frames up to which a leg is taken never to be seen."""
ENOUGH = 0.2
"""Share of frames that must show a foot for a clip to have feet."""


@dataclass(frozen=True)
class Performance:
    """What the solve found, in the camera's frame, or in the world of a camera that is known.

    joints: (T, J, 3) metres; path: (T, 3) of the root; lengths: (J,); up: (3,); level: up . x of the floor, None where no feet
    were seen; contacts: (T, F) of the skeleton's feet; vertical: the number of the vertical that `up` was taken from, if any;
    doubt: 0..1, how likely up is quite another way.
    """

    joints: Array
    path: Array
    lengths: Array
    up: Array
    level: float | None
    contacts: Mask
    vertical: int | None = None
    doubt: float = 0.0


class Performer:
    """Solves one clip in stages: freely first, then on the floor that was found."""

    def __init__(
        self,
        pose: Array,
        rotation: Array,
        rays: Array,
        scores: Array,
        skeleton: Skeleton,
        fps: float,
        height: float,
        mode: str,
        settings: SolveSettings,
        device: torch.device,
        label: str = "track",
        view: CameraPath | None = None,
    ) -> None:
        self.rotation, self.scores, self.skeleton = rotation, scores, skeleton
        self.fps, self.height, self.mode, self.settings, self.device = fps, height, mode, settings, device
        self.size = contacts.size_of(height)
        self.feet = contacts.feet_of(skeleton)
        self.stands = np.full(len(self.feet), skeleton.stature.foot_height * height if skeleton.stature else 0.0)
        observed = np.isfinite(rays).all(-1) & (scores > 0)
        lengths = bones.bone_lengths(pose, observed, skeleton, height)
        direction = bones.directions(pose, skeleton)
        self.view, self.eye = view, view.places if view else None
        path, good = place_root(bones.pose_from_directions(direction, lengths, skeleton), rays, scores)
        if not good.any():
            raise TrackError(f"{label}: no frame shows enough of the body to place it before the camera.")
        self.start = over_time(path, good)
        noise = tremble(rays, self.start[:, 2], view)
        if view is not None:
            direction, self.start = view.turned(direction), view.to_world(self.start)
        self.evidence = Evidence(direction, lengths, rays, scores, skeleton, fps, noise, view)

    def perform(
        self,
        progress: Callable[[float], None] | None = None,
        floor: tuple[Array, float] | None = None,
        verticals: Sequence[Sequence[float]] = (),
    ) -> Performance:
        """Run all stages. progress: gets the share done; may raise to stop. floor: up (3,) and level where they are known;
        verticals: (3,) directions one of which may be up: it is, where the body's own uprightness says nearly the same.
        """

        def part(first: float, last: float) -> Callable[[float], None] | None:
            return (lambda share: progress(first + (last - first) * share)) if progress else None

        direction, path = solve_track(self.evidence, self.start, self.settings, self.device, part(0.0, 0.5))
        joints = self._joints(direction, path)
        fixed = floor[0] if floor else np.array(UP) if self.view is not None else None
        upright = Upright(fixed) if fixed is not None else self._first_up(joints)
        body, doubt = upright.up, upright.doubt
        vertical = _vertical_near(body, verticals) if fixed is None else None
        sure = fixed is not None or vertical is not None
        if vertical is not None:
            body, doubt = np.array(verticals[vertical], float), 0.0
        elif not sure:
            body = self._level_way(path, body)
        hidden = self._hidden_legs()
        if hidden:
            direction = self._rested(direction, joints, body, hidden)
            self.evidence = replace(self.evidence, direction=self._rested(self.evidence.direction, joints, body, hidden))
            joints = self._joints(direction, path)
        up, level, found = body, None, np.zeros((len(joints), len(self.feet)), bool)
        if self.mode != "never" and self._has_feet():
            up = body if sure else world.levelled(joints, self.scores, body, self.skeleton, self.fps, self.height)
            level = floor[1] if floor else self._first_level(joints, up)
            free = joints[:, self.feet]  # once held, a foot is slow and low: only the free solve tells which ones were
            settings = replace(self.settings, iterations=GROUNDED_STEPS)
            for round_ in range(ROUNDS):
                for near in contacts.NEARER if not round_ else contacts.NEARER[-1:]:
                    held, found = found, self._contacts(free, up, level, near)
                    if round_:  # the feet that were not held are told better where the others were
                        found = self._contacts(joints[:, self.feet], up, level, near) & (found | ~held)
                    if floor is None:
                        up, level = self._floor_under(joints, found, up, level, body, sure)
                ground = Ground(up, level, self.feet, self.stands, found.astype(float), pinned=self.mode != "ground")
                direction, path = solve_track(
                    self.evidence, path, settings, self.device,
                    part(0.5 + 0.5 * round_ / ROUNDS, 0.5 + 0.5 * (round_ + 1) / ROUNDS), ground, direction,
                )  # fmt: skip
                joints = self._joints(direction, path)
        return Performance(joints, path, self.evidence.lengths, up, level, found, vertical, doubt)

    def _first_up(self, joints: Array) -> Upright:
        body = world.up_in_camera(joints, self.scores, self.rotation, self.skeleton)
        return likeliest_up(body, joints, self.scores, self.evidence.lengths, self.skeleton, self.fps, self.size)

    def _floor_under(self, joints: Array, found: Mask, up: Array, level: float, body: Array, sure: bool) -> tuple[Array, float]:
        """Return up (3,) and the floor's level as the feet tell that are found to stand. sure: up is known.

        Where none is, what single slow frames say of the slope is worth less than the body and its way.
        """
        if not found.any():
            return body, self._first_level(joints, body)
        if self._on_two_legs and not sure:
            up = self._balanced(joints, found, body)
        feet, tilt = joints[:, self.feet], SURE if sure else contacts.TILT
        return contacts.fit_floor(feet, found.astype(float), self.stands, up, self.fps, self.size, tilt)

    def height_on(self, up: Array, level: float) -> float | None:
        """Return the height in metres with which the body stands on a floor; None where that would be no such body's.

        Seen through one camera, a body of another size is that much nearer or farther, and its feet higher or lower. Legs that
        the clip never shows are taken to stand under the body; where they could not (who sits has none there), nothing is told.
        """
        hidden = [] if self._has_feet() else self._hidden_legs()
        if not self._has_feet() and not hidden:
            return self.height
        settings = replace(self.settings, iterations=COMPARING_STEPS)
        direction, path = solve_track(self.evidence, self.start, settings, self.device)
        joints = self._joints(direction, path)
        if hidden:
            joints = self._joints(self._rested(direction, joints, up, hidden), path)
        eye = 0.0 if self.eye is None else float((self.eye @ up).mean())
        scale = (level - eye) / min(self._first_level(joints, up) - eye, -1e-6)
        like = 1 / LIKE <= scale <= LIKE
        return self.height * scale if like else self.height if hidden else None

    def path_scale(self) -> float | None:
        """Return by how much the camera's path would have to be stretched for feet to stand still; None where it fits."""
        if self.view is None or not self._has_feet() or self.mode == "never":
            return None
        settings = replace(self.settings, iterations=COMPARING_STEPS)
        joints = self._joints(*solve_track(self.evidence, self.start, settings, self.device))
        feet = joints[:, self.feet]
        return path_scale(feet, self.scores[:, self.feet] > 0, self.view, self.fps, self.size)

    def unexplained(self) -> float:
        """Return what a solve without a floor leaves unexplained, and how feet slide in it: by which lenses are compared."""
        settings = replace(self.settings, iterations=COMPARING_STEPS)
        direction, path = solve_track(self.evidence, self.start, settings, self.device)
        cost = Problem(self.evidence, direction, path, self.settings, None, self.device).cost()
        if not self._has_feet() or self.mode in ("never", "ground"):
            return cost
        seen = self.scores[:, self.feet] > 0
        return cost + sliding(self._joints(direction, path)[:, self.feet], seen, path, self.fps, self.size)

    def _joints(self, direction: Array, path: Array) -> Array:
        return bones.pose_from_directions(direction, self.evidence.lengths, self.skeleton) + path[:, None]

    def _has_feet(self) -> bool:
        return bool(self.feet) and float((self.scores[:, self.feet] > 0).any(1).mean()) > ENOUGH

    def _hidden_legs(self) -> list[int]:
        """Return the joints of legs that the clip never shows, from the feet up, as where the picture ends above them."""
        shown = (self.scores > 0).mean(0)
        paired = self.skeleton.paired
        hidden: set[int] = set()
        for joint in self.feet:
            while paired[joint] and shown[joint] < HARDLY and paired[self.skeleton.parents[joint]]:
                hidden.add(joint)
                joint = self.skeleton.parents[joint]
        return sorted(hidden)

    def _rested(self, direction: Array, joints: Array, up: Array, hidden: list[int]) -> Array:
        """Return directions (T, J, 3) with the bones to hidden joints as they are at rest, facing as the body does."""
        table = bone_table(self.skeleton, joints)
        at_rest = bones.directions(rest_pose(table, self.evidence.lengths).joints[None], self.skeleton)[0]
        back = body_frame(joints, self.skeleton)[:, 1]
        back = normalised(back - (back @ up)[:, None] * up, (0.0, 0.0, 1.0))
        axes = np.stack([np.cross(back, up), back, np.broadcast_to(up, back.shape)], 1)
        result = direction.copy()
        result[:, hidden] = at_rest[hidden] @ axes
        return result

    @property
    def _on_two_legs(self) -> bool:
        return self.skeleton.axes is not None and self.skeleton.axes.spine == "up"

    def _level_way(self, path: Array, up: Array) -> Array:
        """Turn an up direction so that a long way leads neither up nor down: runners lean, and their feet hardly stand.

        path: (T, 3) of the root, whose height over level ground returns with every step.
        """
        level = path - (path @ up)[:, None] * up
        if np.ptp(level, axis=0).max() < LONG_WAY * self.size:
            return up
        weight, stands = np.ones((len(path), 1)), np.zeros(1)
        return contacts.fit_floor(path[:, None], weight, stands, up, self.fps, self.size)[0]

    def _balanced(self, joints: Array, found: Mask, body: Array) -> Array:
        contact, lengths = found.astype(float), self.evidence.lengths
        return balanced_up(joints, lengths, contact, self.feet, self.skeleton, self.fps, self.height, body)

    def _first_level(self, joints: Array, up: Array) -> float:
        """Return the height at which the lower foot is most while it is slow, less the foot's own."""
        feet = joints[:, self.feet]
        heights = feet @ up - self.stands
        lower = heights.argmin(1)[:, None]
        speed = np.linalg.norm(np.gradient(feet, axis=0), axis=-1) * self.fps if len(feet) > 1 else np.zeros(heights.shape)
        slow = np.exp(-((speed / (FIRST_SLOW * self.size**0.5)) ** 2)) + 1e-6
        weight = np.where(self.scores[:, self.feet] > 0, slow, 1e-9)
        low, weight = (np.take_along_axis(x, lower, 1)[:, 0] for x in (heights, weight))
        return contacts.most_common(low, weight, contacts.UNEVEN * self.size)

    def _contacts(self, feet: Array, up: Array, level: float, near: float) -> Mask:
        if self.mode == "always":
            return np.ones(feet.shape[:2], bool)
        seen = self.scores[:, self.feet] > 0
        assert self.evidence.noise is not None
        heights = feet @ up - level - self.stands
        tremble_of_feet = self.evidence.noise[list(self.feet)]
        return contacts.find_contacts(feet, seen, heights, tremble_of_feet, self.fps, self.size, near, self.eye)


def _vertical_near(up: Array, verticals: Sequence[Sequence[float]]) -> int | None:
    """Return which of some directions is nearest to `up` (3,), if it is near."""
    angles = [float(angle_between(up, np.array(direction, float))) for direction in verticals]
    return int(np.argmin(angles)) if angles and min(angles) < AGREE else None
