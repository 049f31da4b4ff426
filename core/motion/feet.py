# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet in 3D: how a solved leg's foot is turned, from the toes and heels that a detector saw.

The leg and the floor are known in 3D. A foot is rigid: toe and heel have fixed places from the ankle, the same on both sides,
measured once per clip. Its turn is first sought among turns that an ankle can make, for a foot in the image has a mirror image
in depth: the floor, the ankle and time tell which it is. From there all turns are solved together (`foot_solve`): once with
feet that stand flat where their ankles stand, and once more with toes that stay down while the heel comes up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics, unproject
from ..camera_path import CameraPath
from ..layouts import to_canonical
from ..rig.bones import EXTRA_DIRECTIONS
from ..rig.rotations import bone_turns
from ..rotation import matrix_from_rotation_vector, normalised, shortest_arc
from ..skeleton import HUMAN17, HUMAN21, USUAL_HEIGHT
from ..track import KeypointTrack
from .bones import stature
from .contacts import find_contacts
from .foot_solve import COMMON, Feet, frame_costs, turn_feet
from .tremble import tremble

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIDES = "lr"
PARTS = ("toe", "heel")
OF_HEIGHT = (0.103, 0.043)
"""Ankle to the tips of the toes, and to the heel, as shares of the body's height."""
SIZES = (0.65, 1.3)
"""Times the usual length that they may have: detectors mean different places."""
SPREAD = 0.1
"""Share of the usual lengths by which they vary."""
NOISE, TREMBLE = 0.006, 0.7
"""Metres of a keypoint's error, and what its measured trembling adds to that, as in the solve."""
ENOUGH = 0.05
"""Share of frames that must show a foot's toe."""
YAWS = np.radians(np.arange(-75, 76, 15))
PITCHES = np.radians(np.arange(-40, 71, 15))
"""Turns at the ankle that are compared: to the left about the leg, and toes down."""
OUTWARDS = np.radians(7.0)
"""Radians that feet at ease point outwards from where knees do."""
RATE = 30.0
"""Frames per second at which they are; faster clips are thinned out for it."""
FAST = 6.0
"""Radians per second of turning that cost as much as a misfit of one spread."""
AT_REST = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""A foot's axes at rest, as columns: ahead is -Y, left is X."""
CHUNK = 2000
"""Frames compared at once, for memory."""


def lift_feet(
    track: KeypointTrack,
    joints: Array,
    lengths: Array,
    camera: Intrinsics,
    fps: float,
    floor: tuple[Array, float | None],
    contacts: Mask,
    pinned: bool = True,
    view: CameraPath | None = None,
) -> Array | None:
    """Return toes and heels (T, 4, 3) of both feet, in the joints' frame: what `HUMAN21` has beyond `HUMAN17`, in its order.

    track: in the detector's own layout, pixels of `camera`, which has no distortion. joints: (T, 17, 3) the solved body, in
    metres, camera frame, or the world of `view` where the camera is known; lengths: (17,). floor: up (3,) and its level up . x,
    None where there is none. contacts: (T, 2) which ankles (left, right) stand on it; pinned: whether they are held in place.
    NaN for a foot whose toe is hardly ever seen; None where both are such.
    """
    seen = to_canonical(track, HUMAN21)
    rays = unproject(seen.keypoints[:, len(HUMAN17) :], camera)
    scores = np.where(np.isfinite(rays).all(-1), seen.scores[:, len(HUMAN17) :], 0.0)
    shown = [side for side in range(2) if (scores[:, side] > 0).mean() > ENOUGH]
    if not shown:
        return None
    feet = _feet(rays, scores, joints, lengths, fps, floor, contacts, view)
    turns = turn_feet(feet, np.stack([_likely(feet, side) for side in range(2)], 1))
    feet = replace(feet, shape=_measured(feet, turns))
    feet = replace(feet, planted=feet.flat | _toes_down(feet, turns, view), held=pinned)
    turns = turn_feet(feet, turns)
    at_rest = replace(feet, shape=_resting(np.linalg.norm(feet.shape, axis=-1)))
    points = at_rest.points(_above_floor(at_rest, turns))
    found = np.full((len(joints), 4, 3), np.nan)
    for side in shown:
        found[:, [side, 2 + side]] = points[:, side]
    return found


def _feet(
    rays: Array,
    scores: Array,
    joints: Array,
    lengths: Array,
    fps: float,
    floor: tuple[Array, float | None],
    contacts: Mask,
    view: CameraPath | None,
) -> Feet:
    """Gather what is known; rays: (T, 4, 3) and scores: (T, 4) of left and right toe, left and right heel."""
    ankles = joints[:, [HUMAN17.index(f"{side}_ankle") for side in SIDES]]
    body = joints[:, [HUMAN17.root, *(HUMAN17.index(f"{side}_ankle") for side in SIDES)]]
    depth = (view.to_camera(body) if view else body)[..., 2]
    turn = view.rotation if view else np.broadcast_to(np.eye(3), (len(joints), 3, 3))
    shift = view.translation if view else np.zeros((len(joints), 3))
    height = stature(lengths, HUMAN17)
    assert HUMAN17.stature is not None

    def by_foot(values: Array) -> Array:
        return np.stack([values[:, [side, 2 + side]] for side in range(2)], 1)

    trembling = tremble(rays, depth[:, 0], view)
    return Feet(
        turn, shift, ankles, _carried(joints, lengths, fps),
        np.nan_to_num(by_foot(rays)[..., :2] * depth[:, 1:, None, None]), by_foot(scores),
        NOISE + TREMBLE * trembling[[[0, 2], [1, 3]]] / (height / USUAL_HEIGHT), _resting(np.array(OF_HEIGHT) * height),
        *floor, HUMAN17.stature.foot_height * height, contacts, contacts, height / USUAL_HEIGHT, fps,
    )  # fmt: skip


def _carried(joints: Array, lengths: Array, fps: float) -> Array:
    """Return how feet at ease are turned (T, 2, 3, 3), columns ahead, left, up, as the shins carry them."""
    turned = bone_turns(HUMAN17, joints, lengths, fps)
    outwards = [matrix_from_rotation_vector(np.array([0.0, 0.0, sign * OUTWARDS])) for sign in (1, -1)]
    shins = [turned[f"shin.{side.upper()}"] for side in SIDES]
    return np.stack([shin @ AT_REST @ out for shin, out in zip(shins, outwards, strict=True)], 1)


def _resting(lengths: Array) -> Array:
    """Return toe and heel (2, 3) in a foot's axes (ahead, left, up) as the rig has them at rest, with given lengths (2,)."""
    directions = normalised(np.array([EXTRA_DIRECTIONS[f"l_{part}"] for part in PARTS]))
    return np.asarray(lengths[:, None] * directions @ AT_REST)


def _likely(feet: Feet, foot: int) -> Array:
    """Return the cheapest way (T, 1, 3, 3) through turns that an ankle can make, as (T, 3, 3): Viterbi's algorithm."""
    yaw, pitch = (grid.ravel() for grid in np.meshgrid(YAWS, PITCHES))
    up, left = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    bends = matrix_from_rotation_vector(yaw[:, None] * up) @ matrix_from_rotation_vector(pitch[:, None] * left)
    stride, frames = max(1, round(feet.fps / RATE)), len(feet.ankles)
    rows = np.arange(0, frames, stride)
    rate = feet.fps / stride / FAST
    best: Array | None = None
    came_from = np.zeros((len(rows), len(bends)), np.intp)
    before = np.zeros((0, 0))
    for start in range(0, len(rows), CHUNK):
        part = feet.during(slice(start * stride, (start + CHUNK) * stride, stride), foot)
        turns = part.carried @ bends
        cost = frame_costs(part, turns, bends[None])
        flat = turns.reshape(len(turns), len(bends), 9)
        for t in range(len(flat)):
            if best is None:
                best = cost[t]
            else:
                # The trace of A'B is 1 + 2 cos of the angle between them.
                options = best[:, None] + rate**2 * (3 - before @ flat[t].T) / 2
                came_from[start + t] = options.argmin(0)
                best = options.min(0) + cost[t]
            before = flat[t]
    assert best is not None
    path = np.empty(len(rows), np.intp)
    path[-1] = best.argmin()
    for t in range(len(rows) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    nearest = np.minimum(np.arange(frames) // stride, len(rows) - 1)
    return np.asarray(feet.carried[:, foot] @ bends[path[nearest]])


def _measured(feet: Feet, turns: Array) -> Array:
    """Return toe and heel (2, 3) in the foot's axes that fit what was seen best: least squares, with robust weights.

    Neighbouring frames tell the same, so that half a second counts as one observation.
    """
    axes = feet.turn[:, None] @ turns[..., [0, 2]]  # toe and heel lie in the plane of ahead and up
    ankles = feet.seen(feet.ankles)
    usual = feet.shape[:, [0, 2]]
    shape = usual.copy()
    length = np.linalg.norm(usual, axis=-1)
    for part in range(2):
        spread = SPREAD * length[part]
        off = float(np.hypot(feet.noise[:, part].mean(), COMMON)) * feet.size
        seen = feet.scores[..., part] > 0
        for _ in range(3):
            points = ankles + axes @ shape[part]
            scale = ankles[..., 2:] / points[..., 2:]
            view = np.zeros((*points.shape[:2], 2, 3))
            view[..., 0, 0] = view[..., 1, 1] = 1.0
            view[..., 2] = -points[..., :2] / points[..., 2:]
            rows = (scale[..., None] * view) @ axes
            miss = points[..., :2] * scale - feet.places[..., part, :]
            weight = seen * min(1.0, 2 / feet.fps) / off**2 / (1 + (miss**2).sum(-1) / (2 * off**2)) ** 2
            system = np.einsum("tf,tfca,tfcb->ab", weight, rows, rows) + np.eye(2) / spread**2
            right = np.einsum("tf,tfca,tfc->a", weight, rows, -miss) - (shape[part] - usual[part]) / spread**2
            shape[part] += np.linalg.solve(system, right)
        size = np.linalg.norm(shape[part])
        shape[part] *= np.clip(size, length[part] * SIZES[0], length[part] * SIZES[1]) / size
    result = np.zeros((2, 3))
    result[:, [0, 2]] = shape
    return result


def _toes_down(feet: Feet, turns: Array, view: CameraPath | None) -> Mask:
    """Return (T, F) where toes stand on the floor, as far as they were seen."""
    if feet.level is None or not feet.flat.any():
        return np.zeros(feet.flat.shape, bool)
    points = feet.points(turns)
    heights, trembling = feet.heights(points), (feet.noise[:, 0] - NOISE) / TREMBLE * feet.size
    eye = view.places if view else None
    seen = feet.scores[..., 0] > 0
    return find_contacts(points[:, :, 0], seen, heights[..., 0], trembling, feet.fps, feet.size, eye=eye)


def _above_floor(feet: Feet, turns: Array) -> Array:
    """Return turns (T, F, 3, 3) with what is left of toes and heels under the floor raised to it, by the shortest turn."""
    if feet.level is None:
        return turns
    for part in (1, 0, 1):
        lever = np.einsum("tfij,j->tfi", turns, feet.shape[part])
        length = np.linalg.norm(feet.shape[part])
        lowest = np.clip((feet.level - feet.ankles @ feet.up) / length, -1, 1)
        across = lever - (lever @ feet.up)[..., None] * feet.up
        ahead = normalised(across, fallback=(1.0, 0.0, 0.0)) * np.sqrt(1 - lowest**2)[..., None]
        raised = shortest_arc(lever, ahead + lowest[..., None] * feet.up)
        under = (lever @ feet.up) / length < lowest
        turns = np.where(under[..., None, None], raised @ turns, turns)
    return turns
