# SPDX-License-Identifier: GPL-3.0-or-later
"""What a detector makes of a person before a camera: exact keypoints, noisy ones, missing ones. Any skeleton."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...skeleton import Skeleton

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOISE = (5.0, 2.5)
"""Standard deviation in pixels, for a person 1000 px tall: of the torso, and what each further joint of a limb adds."""

NOISE_SECONDS, NOISE_SHARE = 0.2, 0.5
"""How long the slow part of the noise lasts, and its share of the variance; the rest is new in every frame."""

SWAPPED, SWAP_FRAMES = 0.015, (1, 6)
"""Share of frames with left and right confused, and how many frames long that lasts, at 30 fps."""

MISSING, MISSING_SECONDS = 0.3, 0.5
"""Share of keypoints that are missing, and how long one stays away on average."""


def exact(keypoints: Array, size: Array, skeleton: Skeleton, fps: float, generator: np.random.Generator) -> Array:
    """Return keypoints (T, J, 2) as they are. size: (T,) the person's height in pixels. So for all conditions."""
    return keypoints


def detector(keypoints: Array, size: Array, skeleton: Skeleton, fps: float, generator: np.random.Generator) -> Array:
    """Add noise that grows along the limbs, half of it slow, and now and then confuse the left and right of a limb or body."""
    frames, joints = keypoints.shape[:2]
    fast, slow = generator.standard_normal((2, frames, joints, 2))
    stay = np.exp(-1 / (NOISE_SECONDS * fps))
    for t in range(1, frames):  # first order, of variance 1 throughout
        slow[t] = stay * slow[t - 1] + np.sqrt(1 - stay * stay) * slow[t]
    noise = np.sqrt(NOISE_SHARE) * slow + np.sqrt(1 - NOISE_SHARE) * fast
    seen = keypoints + noise * noise_levels(skeleton)[:, None] * (size / 1000)[:, None, None]
    return _with_swaps(seen, skeleton, fps, generator)


def missing(keypoints: Array, size: Array, skeleton: Skeleton, fps: float, generator: np.random.Generator) -> Array:
    """Lose 30 % of the keypoints, each for half a second on average."""
    frames, joints = keypoints.shape[:2]
    found = min(1.0, 1 / (MISSING_SECONDS * fps))  # chances from frame to frame; their ratio keeps the share
    lost = found * MISSING / (1 - MISSING)
    draws = generator.uniform(size=(frames, joints))
    gone = np.empty((frames, joints), bool)
    gone[0] = draws[0] < MISSING
    for t in range(1, frames):
        gone[t] = np.where(gone[t - 1], draws[t] >= found, draws[t] < lost)
    return np.where(gone[..., None], np.nan, keypoints)


def half_body(keypoints: Array, size: Array, skeleton: Skeleton, fps: float, generator: np.random.Generator) -> Array:
    """Lose the legs below the hips, as in a picture that ends there."""
    return np.where(legs(skeleton)[:, None], np.nan, keypoints)


Condition = Callable[[Array, Array, Skeleton, float, np.random.Generator], Array]
HALF_BODY, CONSTANT_DISTANCE = "half-body", "constant-distance"
CONDITIONS: dict[str, Condition] = {
    "exact": exact,
    "detector": detector,
    "missing": missing,
    HALF_BODY: half_body,
    CONSTANT_DISTANCE: exact,
}
"""By name: exact keypoints; a detector's; 30 % missing; legs out of the picture; exact, from the paper's one distance."""


def noise_levels(skeleton: Skeleton) -> Array:
    """Return (J,) standard deviations in pixels for a person 1000 px tall: torso and head 5, wrists and ankles 10."""
    base, more = NOISE
    return base + more * skeleton.limb_depth


def limbs(skeleton: Skeleton) -> list[Mask]:
    """Return a mask (J,) for each pair of limbs: what hangs on a paired joint whose parent is unpaired, both sides."""
    paired = skeleton.paired
    group = np.full(len(skeleton), -1)
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if paired[joint]:
            first = parent < 0 or not paired[parent]
            group[joint] = min(joint, skeleton.mirror[joint]) if first else group[parent]
    return [group == g for g in sorted(set(group[group >= 0].tolist()))]


def legs(skeleton: Skeleton) -> Mask:
    """Return (J,) True for the feet, what hangs on them, and what is between them and the hips; nowhere without feet."""
    feet = {skeleton.index(name) for name in skeleton.stature.feet} if skeleton.stature else set()
    feet |= {int(skeleton.mirror[joint]) for joint in feet}
    paired = skeleton.paired
    gone = np.zeros(len(skeleton), bool)
    for joint in feet:
        while joint >= 0 and paired[joint] and skeleton.parents[joint] >= 0 and paired[skeleton.parents[joint]]:
            gone[joint] = True
            joint = skeleton.parents[joint]
    for joint in skeleton.order:
        gone[joint] |= skeleton.parents[joint] >= 0 and gone[skeleton.parents[joint]]
    return gone


def _with_swaps(keypoints: Array, skeleton: Skeleton, fps: float, generator: np.random.Generator) -> Array:
    """Swap left and right in short bursts: one pair of limbs, or all of them."""
    groups = limbs(skeleton)
    if not groups:
        return keypoints
    groups.append(np.logical_or.reduce(groups))
    low, high = (max(1, round(n * fps / 30)) for n in SWAP_FRAMES)
    starts = generator.uniform(size=len(keypoints)) < SWAPPED / (0.5 * (low + high))
    swapped = keypoints.copy()
    for t in np.flatnonzero(starts):
        span = slice(t, t + int(generator.integers(low, high + 1)))
        joints = np.flatnonzero(groups[int(generator.integers(len(groups)))])
        swapped[span, joints] = keypoints[span, skeleton.mirror[joints]]
    return swapped
