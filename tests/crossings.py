# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that walk past each other in front of a camera, and what a detector makes of them: for tests of who is who.

World frame here: metres, x to the right, y down, z away from the camera, which stands at the origin, `CAMERA_HEIGHT` above
the ground. Everything is vectorised over time, so that hundreds of clips can be made in a test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poselift.core.layouts import BODY_25
from poselift.core.people import Detections

Floats = NDArray[np.float64]

FOCAL, CENTRE = 1700.0, np.array([960.0, 540.0])
CAMERA_HEIGHT = 1.3
HORIZON_DEPTH = 5.5
"""Metres from the camera to the nearest a figure walks."""

_BONES = {
    "leg": 0.245, "shank": 0.246, "torso": 0.285, "shoulder": 0.105, "hip": 0.052, "upper_arm": 0.17, "forearm": 0.155,
    "head": 0.115, "foot": 0.09,
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What happens: joints (P, T, 25, 2) in pixels without noise, depths (P, T) in metres, and the frame rate."""

    keypoints: Floats
    depths: Floats
    fps: float


def figure(x: Floats, z: Floats, fps: float, rng: np.random.Generator, bones: dict[str, float] | None = None) -> Floats:
    """Return the BODY_25 joints (T, 25, 3) of a figure that walks along x (T,), z (T,), and turns to where it walks.

    Its stature and the proportions of its bones are random where none are given; its steps follow its pace.
    """
    bones = bones or body(rng)
    time = np.arange(len(x)) / fps
    speed_x, speed_z = np.gradient(x, time), np.gradient(z, time)
    pace = np.hypot(speed_x, speed_z)
    # Turning takes a while: the direction is smoothed over about 0.4 s, and the figure turns by its front.
    lag = max(1, round(0.4 * fps))
    kernel = np.hanning(lag + 2)[1:-1]
    kernel /= kernel.sum()
    ahead = [np.convolve(np.pad(s, lag, mode="edge"), kernel, "same")[lag:-lag] for s in (speed_x, speed_z - 0.35)]
    yaw = np.arctan2(ahead[0], -ahead[1])  # 0 faces the camera, pi / 2 to the right
    step_length = 0.42 * (bones["leg"] + bones["shank"]) * 1.9
    beat = np.pi * np.cumsum(pace) / fps / step_length + rng.uniform(0, 2 * np.pi)
    vigour = np.clip(pace / 1.2, 0, 1.3)

    forward = np.stack([np.sin(yaw), 0 * yaw, -np.cos(yaw)], -1)
    left = np.stack([np.cos(yaw), 0 * yaw, np.sin(yaw)], -1)  # the figure's own left: right in the image, facing us
    up = np.array([0.0, -1.0, 0.0])

    def swung(length: float, angle: Floats, side: Floats | float = 0.0) -> Floats:
        """Return a limb that hangs down, swung forward by an angle."""
        return length * (np.sin(angle)[:, None] * forward - np.cos(angle)[:, None] * up + np.asarray(side) * left)

    points: dict[str, Floats] = {}
    thigh = {s: 0.42 * vigour * np.sin(beat + p) for s, p in (("l", 0.0), ("r", np.pi))}
    bend = {s: vigour * (0.25 + 0.45 * np.maximum(0, np.cos(beat + p - 0.4))) for s, p in (("l", 0.0), ("r", np.pi))}
    legs = {s: swung(bones["leg"], thigh[s]) + swung(bones["shank"], thigh[s] - bend[s]) for s in "lr"}
    lowest = np.maximum(legs["l"][:, 1], legs["r"][:, 1]) + 0.05
    hips = np.stack([x, CAMERA_HEIGHT - lowest, z], -1)
    lean = rng.uniform(0.0, 0.08)
    neck = hips + bones["torso"] * (up + lean * forward)
    points |= {"mid_hip": hips, "neck": neck}
    twist = 0.12 * vigour * np.sin(beat)
    swing = rng.uniform(0.25, 0.5) * vigour
    for s, sign, phase in (("l", 1, np.pi), ("r", -1, 0.0)):
        points[f"{s}_hip"] = hips + sign * bones["hip"] * (left - twist[:, None] * forward)
        points[f"{s}_knee"] = points[f"{s}_hip"] + swung(bones["leg"], thigh[s])
        ankle = points[f"{s}_ankle"] = points[f"{s}_knee"] + swung(bones["shank"], thigh[s] - bend[s])
        foot = bones["foot"]
        points[f"{s}_heel"] = ankle - 0.3 * foot * forward - 0.4 * foot * up
        points[f"{s}_big_toe"] = ankle + 1.1 * foot * forward - 0.45 * foot * up - 0.1 * sign * foot * left
        points[f"{s}_small_toe"] = ankle + 0.9 * foot * forward - 0.45 * foot * up + 0.3 * sign * foot * left
        points[f"{s}_shoulder"] = neck + sign * bones["shoulder"] * (left + twist[:, None] * forward) - 0.01 * up
        arm = swing * np.sin(beat + phase)
        points[f"{s}_elbow"] = points[f"{s}_shoulder"] + swung(bones["upper_arm"], arm, 0.15 * sign)
        points[f"{s}_wrist"] = points[f"{s}_elbow"] + swung(bones["forearm"], arm + 0.3, 0.05 * sign)
    head = neck + bones["head"] * up
    points["nose"] = head + 0.55 * bones["head"] * forward
    for s, sign in (("l", 1), ("r", -1)):
        points[f"{s}_eye"] = (
            head + 0.45 * bones["head"] * forward + sign * 0.16 * bones["head"] * left + 0.15 * bones["head"] * up
        )
        points[f"{s}_ear"] = head + sign * 0.38 * bones["head"] * left + 0.1 * bones["head"] * up
    return np.stack([points[name] for name in BODY_25.joint_names], 1)


def body(rng: np.random.Generator) -> dict[str, float]:
    """Return a body's bone lengths in metres: 1.55 to 1.95 m tall, each bone's share off by some 4 %."""
    stature = rng.uniform(1.55, 1.95)
    return {name: stature * share * np.exp(rng.normal(0, 0.04)) for name, share in _BONES.items()}


def seen(world: Floats) -> Floats:
    """Return the pixels (..., 2) of places (..., 3)."""
    return FOCAL * world[..., :2] / world[..., 2:] + CENTRE


def crossing(seed: int, kind: str = "any", fps: float | None = None, crossings: int = 4) -> Scene:
    """Return two figures who cross so many times within 10 to 20 seconds.

    kind: "opposite" (they walk to and fro, and past each other), "together" (they walk the same way and overtake each
    other), "round" (they also change their depths, one before and behind the other), "twins" (opposite, with the same
    body at nearly the same depth), or "any" of these but the last.
    """
    rng = np.random.default_rng([seed, 1])
    fps = fps or float(rng.choice([24, 25, 30]))
    if kind == "any":
        kind = str(rng.choice(["opposite", "together", "round"]))
    seconds = rng.uniform(10, 20)
    frames = round(seconds * fps)
    time = np.arange(frames) / fps
    at = (np.arange(crossings) + 0.5 + rng.uniform(-0.2, 0.2, crossings)) * seconds / crossings
    phase = np.interp(time, np.r_[at[0] - (at[1] - at[0]), at, 2 * at[-1] - at[-2]], np.pi * (np.arange(crossings + 2) - 0.5))
    smooth = np.hanning(2 * round(0.5 * fps) + 1)
    phase = np.convolve(np.pad(phase, len(smooth) // 2, mode="reflect", reflect_type="odd"), smooth / smooth.sum(), "valid")
    sharp = rng.uniform(0.6, 0.97)  # from a sine to a walk at constant pace with sudden turns
    wave = np.arcsin(sharp * np.cos(phase)) / np.arcsin(sharp)
    reach = min(rng.uniform(0.8, 1.5) * seconds / crossings / 2, 2.2)
    nearest = rng.uniform(HORIZON_DEPTH, HORIZON_DEPTH + 2)
    apart = rng.uniform(0.4, 1.8)
    bodies = [body(rng), body(rng)]
    common = np.zeros(frames)
    if kind == "together":
        reach *= 0.4
        laps = max(1, round(seconds / 6))
        common = 1.6 * np.cos(2 * np.pi * laps * time / seconds + rng.uniform(0, 2 * np.pi))
    if kind == "twins":
        bodies[1], apart = bodies[0], rng.uniform(0.15, 0.4)
    depth = np.full(frames, apart)
    if kind == "round":
        depth = apart * np.sin(phase + rng.uniform(-0.3, 0.3))
    share = rng.uniform(0.35, 0.65)
    world = [
        figure(common + share * reach * 2 * wave, nearest + apart + 0.5 * depth, fps, rng, bodies[0]),
        figure(common - (1 - share) * reach * 2 * wave, nearest + apart - 0.5 * depth, fps, rng, bodies[1]),
    ]
    return Scene(np.stack([seen(w) for w in world]), np.stack([w[:, 8, 2] for w in world]), fps)


def detect(scene: Scene, seed: int, longest: int = 15, duplicates: float = 0.03) -> tuple[Detections, NDArray[np.intp]]:
    """Return what a detector finds, in shuffled order, and who each detection is: the person's number, -1 for a duplicate.

    Noise is 0.6 % of a person's size, more for what is hidden, and half carried from frame to frame; keypoints are lost, some
    are grossly wrong, left and right are taken for each other in places. Where two people overlap, the one behind loses
    keypoints, or is given those of the one in front, and is lost altogether for up to `longest` frames; in places the one
    in front is lost instead.
    """
    rng = np.random.default_rng([seed, 2])
    exact, people, frames, joints = scene.keypoints, *scene.keypoints.shape[:3]
    low, high = exact.min(2), exact.max(2)
    size = np.linalg.norm(high - low, axis=-1)
    noise = rng.normal(size=exact.shape)
    for t in range(1, frames):
        noise[:, t] = 0.5 * noise[:, t - 1] + 0.866 * noise[:, t]
    noise *= 0.006 * size[..., None, None]
    noisy = exact + noise
    scores = np.clip(rng.normal(0.75, 0.1, exact.shape[:3]), 0.05, 1.0)
    visible = np.ones((people, frames), bool)
    for a in range(people):
        for b in range(people):
            _hide(a, b, scene, size, exact, noisy, scores, visible, longest, rng)
    gross = rng.random(scores.shape) < 0.004
    noisy[gross] += rng.normal(0, 70, (gross.sum(), 2))
    scores[gross] *= 0.5
    scores[rng.random(scores.shape) < 0.04] = 0.0
    pairs = np.array([[BODY_25.index(j) for j in pair] for pair in BODY_25.mirror_pairs])
    swapped = np.arange(joints)
    swapped[pairs[:, 0]], swapped[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    flipped = rng.random((people, frames)) < 0.005
    noisy[flipped] = noisy[flipped][:, swapped]
    rows = [(p, t, 0) for p in range(people) for t in np.flatnonzero(visible[p])]
    rows += [(p, t, 1) for p, t, _ in rows if rng.random() < duplicates]
    p, t, double = np.array(rows).T
    keypoints, score = noisy[p, t], scores[p, t]
    fuzzy = double == 1
    keypoints[fuzzy] += rng.normal(0, 0.012, keypoints[fuzzy].shape) * size[p, t][fuzzy, None, None]
    score[fuzzy] *= 0.5 * (rng.random(score[fuzzy].shape) < 0.6)
    order = np.lexsort((rng.random(len(t)), t))
    found = Detections(np.where(score[..., None] > 0, keypoints, np.nan), score, t, frames)
    return found.take(order), np.where(fuzzy, -1, p)[order]


def _hide(
    behind: int, front: int, scene: Scene, size: Floats, exact: Floats, noisy: Floats, scores: Floats,
    visible: NDArray[np.bool_], longest: int, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Take from one person what another hides: keypoints, and whole detections about the moment they are nearest."""
    if behind == front:
        return
    middle = np.median(exact, 2)
    apart = np.abs(middle[behind, :, 0] - middle[front, :, 0])
    hides = (scene.depths[behind] > scene.depths[front]) & (apart < 0.22 * size[front])
    covered = hides[:, None] & (np.abs(exact[behind, ..., 0] - middle[front, :, None, 0]) < 0.12 * size[front][:, None])
    lost = covered & (rng.random(covered.shape) < 0.6)
    stolen = covered & ~lost & (rng.random(covered.shape) < 0.3)
    noisy[behind][covered] += rng.normal(0, 0.015, (covered.sum(), 2)) * size[behind].mean()
    noisy[behind][stolen] = noisy[front][stolen]
    scores[behind][covered] *= 0.6
    scores[behind][lost] = 0.0
    cuts = np.flatnonzero(np.diff(np.r_[False, hides, False].astype(int)))
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        nearest = start + int(apart[start:end].argmin())
        length = int(rng.integers(0, longest + 1))
        first = max(0, nearest - length // 2 + int(rng.integers(-4, 5)))
        who = front if rng.random() < 0.15 else behind
        visible[who, first : first + length] = False


@dataclass(frozen=True)
class Verdict:
    """How well people were told apart: `wrong`: detections of one who is, for most of its frames, another; `runs`: the
    longest run of such in one person; `people`: how many people were made of how many; `swapped`: identities that changed
    for more than a few frames; `whole`: each true person is one person."""

    wrong: int
    longest: int
    people: int
    whole: bool

    @property
    def swapped(self) -> bool:
        """Whether somebody is another for more than five frames in a row."""
        return self.longest > 5


def judge(identity: NDArray[np.intp], who: NDArray[np.intp]) -> Verdict:
    """Compare found identities with the truth; duplicates are nobody's."""
    keep = (identity >= 0) & (who >= 0)
    identity, who = identity[keep], who[keep]
    wrong = longest = 0
    owners = []
    for person in np.unique(identity):
        truth = who[identity == person]
        owner = np.bincount(truth).argmax()
        other = truth != owner
        wrong += int(other.sum())
        cuts = np.flatnonzero(np.diff(np.r_[False, other, False].astype(int)))
        longest = max([longest, *(cuts[1::2] - cuts[::2]).tolist()])
        if len(truth) >= 3:
            owners.append(int(owner))
    return Verdict(wrong, longest, len(owners), len(owners) == len(set(owners)))
