# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands by code: someone who turns the palms up and down, in 3D and as a detector sees it."""

import numpy as np
from motions import HUMAN17, assemble, bone_lengths, standing

from poselift.core.camera import project
from poselift.core.layouts.tables import LAYOUTS, MEDIAPIPE_33
from poselift.core.track import KeypointTrack

WHOLE = LAYOUTS["coco_wholebody_133"]
SIZE = 0.095
"""Metres from the wrist to the middle knuckle."""
SIDES = (("l", 1.0), ("r", -1.0))
X, Y, Z = np.eye(3)
# By finger, where its four joints are: hand lengths along the hand, to the thumb's side, to the palm's side. Loosely bent.
JOINTS = {
    "thumb": [(0.2, 0.3, 0.1), (0.55, 0.48, 0.22), (0.8, 0.6, 0.3), (1.0, 0.65, 0.35)],
    "index": [(0.95, 0.27, 0.0), (1.35, 0.3, 0.1), (1.55, 0.3, 0.25), (1.65, 0.3, 0.4)],
    "middle": [(1.0, 0.03, 0.0), (1.45, 0.03, 0.1), (1.7, 0.03, 0.28), (1.8, 0.03, 0.45)],
    "ring": [(0.93, -0.17, 0.0), (1.35, -0.2, 0.12), (1.55, -0.2, 0.3), (1.65, -0.2, 0.45)],
    "pinky": [(0.8, -0.36, 0.0), (1.1, -0.4, 0.1), (1.25, -0.4, 0.22), (1.35, -0.4, 0.33)],
}


def offering(turns, spread=0.0):
    """Joints (T, 17, 3) of someone who stands with the forearms ahead, elbows at the sides, and the axes of both hands.

    turns: (T,) radians of both palms: 0 faces down, a quarter faces inwards with the thumb up, a half faces up. spread:
    radians by which the forearms point outwards. The axes, by side, are (T, 3, 3): along the hand, to the thumb, to the palm.
    """
    frames = len(turns)
    directions, axes = standing(frames), {}
    for side, sign in SIDES:
        ahead = np.cos(spread) * -Y + np.sin(spread) * sign * X
        inwards = -sign * (np.cos(spread) * X + sign * np.sin(spread) * Y)
        directions[f"{side}_elbow"] = np.tile(-Z + 0.05 * sign * X, (frames, 1)) / np.linalg.norm(-Z + 0.05 * X)
        directions[f"{side}_wrist"] = np.tile(ahead, (frames, 1))
        thumb = np.cos(turns)[:, None] * inwards + np.sin(turns)[:, None] * Z
        palm = np.sin(turns)[:, None] * inwards - np.cos(turns)[:, None] * Z
        axes[side] = np.stack([np.tile(ahead, (frames, 1)), thumb, palm], -1)
    pelvis = np.tile([0.0, 0.0, 0.93], (frames, 1))
    return assemble(directions, pelvis, bone_lengths()), axes


def spread_arms(turns):
    """The same with both arms stretched out to the sides."""
    frames = len(turns)
    directions, axes = standing(frames), {}
    for side, sign in SIDES:
        out = sign * X
        directions[f"{side}_elbow"] = directions[f"{side}_wrist"] = np.tile(out, (frames, 1))
        thumb = np.cos(turns)[:, None] * -Y + np.sin(turns)[:, None] * Z
        palm = -np.sin(turns)[:, None] * Y - np.cos(turns)[:, None] * Z
        axes[side] = np.stack([np.tile(out, (frames, 1)), thumb, palm], -1)
    return assemble(directions, np.tile([0.0, 0.0, 0.93], (frames, 1)), bone_lengths()), axes


def seen_hands(joints, axes, camera, rotation, translation, layout=WHOLE, noise=0.0, fps=30, bent=1.0, size=1.0):
    """The track (pixels) of a body (T, 17, 3), world, with hands of given axes, in a layout with hand points.

    bent: how far fingers are, 0 for a flat hand. size: times the usual hand.
    """
    rng = np.random.default_rng(0)
    world = np.full((len(joints), len(layout), 3), np.nan)
    for j, name in enumerate(HUMAN17.joint_names):
        if name in layout.joint_names:
            world[:, layout.index(name)] = joints[:, j]
    head = joints[:, HUMAN17.index("head_joint")]
    for name, offset in (("nose", (0, -0.115, 0.025)), ("l_ear", (0.075, 0, 0.045)), ("r_ear", (-0.075, 0, 0.045))):
        world[:, layout.index(name)] = head + offset
    for side, _ in SIDES:
        wrist = joints[:, HUMAN17.index(f"{side}_wrist")]
        for finger, places in JOINTS.items():
            for number, place in enumerate(places, 1):
                name = f"{side}_hand_{finger}_{number}"
                if layout is MEDIAPIPE_33 and number == 1 + (finger == "thumb"):
                    name = f"{side}_{finger}"
                if name in layout.joint_names:
                    world[:, layout.index(name)] = wrist + size * SIZE * (axes[side] @ (np.array(place) * (1, 1, bent)))
        if f"{side}_hand_base" in layout.joint_names:
            world[:, layout.index(f"{side}_hand_base")] = wrist
    pixels = project(world @ rotation.T + translation, camera)
    pixels = pixels + noise * rng.normal(size=pixels.shape)
    return KeypointTrack(
        pixels, np.isfinite(pixels).all(-1).astype(float), layout, fps=fps, image_size=(camera.width, camera.height)
    )
