# SPDX-License-Identifier: GPL-3.0-or-later
"""When feet stand, and the floor they stand on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lifter.anatomy import mirrored_frames
from ..rotation import normalised
from ..skeleton import USUAL_HEIGHT, Skeleton

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SLOW = 0.3
"""Metres per second below which a foot on the floor stands, at usual height; speeds go with the root of size (Froude)."""
TREMBLING = 10.0
"""Metres per second more for every metre by which the foot's keypoints tremble."""
NEARER = (0.15, 0.1, 0.08, 0.07, 0.07)
"""Metres above the floor below which a slow foot stands, at usual height: ever less, while up, floor and contacts are found
from one another."""
ALONG = 0.5
"""What speed along the line of sight counts, to that across it."""
SPEED_SECONDS = 0.033
"""Speeds are taken between so long before and after."""
UNSEEN = -0.05
"""Evidence of a foot that is not seen: it stands only between frames that show it standing."""
SWITCH = 1.0
"""What a change between standing and moving costs, in frames (at 30 a second) of clear evidence."""
CLEAR = 1.5
"""Evidence of one frame counts no more than this."""

TILT = np.radians(6)
"""How far the first guess of up is trusted: the body's own uprightness varies by 4 degrees on the training data's clips."""
UNEVEN = 0.04
"""Metres by which the heights of standing feet differ, at usual height."""
OUTLYING = 3.0
"""Times as much, from where on a height counts half or less. Were it once, what the first guess slopes by would look like
outliers, and the slope would stay."""
STEPS = 8
PLACES = 200


def feet_of(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the joints that stand on the floor; none where the skeleton names none."""
    return tuple(skeleton.index(name) for name in skeleton.stature.feet) if skeleton.stature else ()


def find_contacts(
    feet: Array,
    seen: Mask,
    heights: Array,
    tremble: Array,
    fps: float,
    size: float,
    near: float = NEARER[-1],
    eye: Array | None = None,
) -> Mask:
    """Return (T, F) which feet stand: slow and near the floor, in spans rather than single frames (Viterbi 1967).

    feet: (T, F, 3) metres, in the frame of a camera that does not move; heights: (T, F) above where each stands; seen: (T, F);
    tremble: (F,) metres; size: of the actor, 1 for the usual one; near: metres above the floor, at usual height. eye: (T, 3)
    where the camera is, if not at the origin.
    What a foot does along the line of sight is seen least exactly, and counts least.
    """
    moving = velocity(feet, max(1, round(SPEED_SECONDS * fps))) * fps
    sight = normalised(feet if eye is None else feet - eye[:, None])
    along = (moving * sight).sum(-1)
    across = np.linalg.norm(moving - along[..., None] * sight, axis=-1)
    slow = np.sqrt(size) * SLOW + TREMBLING * tremble
    evidence = 1 - (across**2 + (ALONG * along) ** 2) / slow**2 - (np.maximum(heights, 0) / (near * size)) ** 2
    evidence = np.where(seen, np.clip(evidence, -CLEAR, CLEAR), UNSEEN)
    return np.stack([mirrored_frames(-column, fps, 0.0, SWITCH) for column in evidence.T], -1)


def velocity(path: Array, reach: int) -> Array:
    """Return the change per frame of places (T, F, 3), between `reach` frames before and after, or as many as there are."""
    frames = np.arange(len(path))
    before, after = np.maximum(frames - reach, 0), np.minimum(frames + reach, len(path) - 1)
    return (path[after] - path[before]) / np.maximum(after - before, 1)[:, None, None]


def fit_floor(
    feet: Array, weight: Array, stands: Array, up: Array, fps: float, size: float, tilt: float = TILT
) -> tuple[Array, float]:
    """Return the normal (3,) and level n . x of the plane on which feet stand.

    feet: (T, F, 3); weight: (T, F) 0..1 of standing; stands: (F,) metres that each joint is above the floor when it does; up:
    (3,) the first guess, which the normal leaves by `tilt` radians or a little more. Least squares with robust weights (Geman
    and McClure 1987); neighbouring frames tell the same, so that half a second counts as one observation.
    """
    points, weight = feet.reshape(-1, 3), weight.ravel()
    lift = np.broadcast_to(stands, feet.shape[:2]).ravel()
    sideways = normalised(np.cross(up, np.eye(3)[np.abs(up).argmin()]))
    ahead = np.cross(up, sideways)
    normal, spread = up, np.inf
    level = weighted_quantile(points @ up - lift, weight)
    for _ in range(STEPS):
        # Where the first guess slopes, a long way's feet lie far off: what counts as near shrinks from all to the floor's own.
        off = np.abs(points @ normal - lift - level)
        spread = max(OUTLYING * UNEVEN * size, min(0.5 * spread, weighted_quantile(off, weight, 0.95)))
        each = min(1.0, 2 / fps) / (UNEVEN * size) ** 2
        robust = each * weight / (1 + (off / spread) ** 2) ** 2
        # The tilt turns about the feet's middle, so that slope and level do not mix.
        middle = (robust[:, None] * points).sum(0) / max(robust.sum(), 1e-12)
        rows = np.stack([(points - middle) @ sideways, (points - middle) @ ahead, -np.ones(len(points))], -1)
        system = (rows.T * robust) @ rows + np.diag([tilt**-2, tilt**-2, 1e-9])
        a, b, height = np.linalg.solve(system, (rows.T * robust) @ -((points - middle) @ up - lift))
        tilted = up + a * sideways + b * ahead
        normal = normalised(tilted)
        level = float(height / np.linalg.norm(tilted) + middle @ normal)
    return normal, level


def weighted_quantile(values: Array, weights: Array, share: float = 0.5) -> float:
    """Return the least of (N,) values up to which a share of the weight lies: half of it up to the median."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(total, share * total[-1]), len(values) - 1)])


def most_common(values: Array, weights: Array, spread: float) -> float:
    """Return where most of the weight of (N,) values lies within about `spread`: the highest place of a kernel density."""
    places = np.linspace(values.min(), values.max(), PLACES)
    near = np.exp(-0.5 * ((places[:, None] - values) / spread) ** 2)
    return float(places[(near @ weights).argmax()])


def size_of(height: float) -> float:
    """Return an actor's size: 1 for one of usual height."""
    return height / USUAL_HEIGHT
