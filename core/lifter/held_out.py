# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of the user's clips that training does not see, and what weights are worth on them, without any 3D."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..assumptions import GUESSED_FPS, assumed_camera
from ..errors import SettingsError, TrackError
from ..motion.motion import Motion
from ..pipeline import LiftSettings, lift
from ..track import KeypointTrack
from .comparison import Score
from .data import PoseSource
from .inference import Lifter, cached_lifter
from .prepare import prepare
from .tracks import calibrated
from .training import StageLosses, Trainer

Array = NDArray[np.float64]

FEWEST_FRAMES = 10
"""Of a held-out piece: in fewer, hardly anything moves."""
APART_SECONDS = 0.25
"""Between what is trained on and what is held out: neighbouring frames show the same pose."""
MOST_FRAMES = 1500
"""Held-out frames that are scored; more would take minutes and say the same."""
LOSS_POSES = 512
AZIMUTHS = (90.0, 180.0, 270.0)
"""Degrees by which a pose is turned to be seen from elsewhere."""
RIVALS = ("critic", "views")
"""Loss terms that rise and fall with a rival network, so that their sum with others says nothing."""


def split(tracks: Sequence[KeypointTrack], share: float) -> tuple[list[KeypointTrack], list[KeypointTrack]]:
    """Return the tracks to train on and the pieces held out: the end of every track, a quarter of a second apart.

    Tracks too short for that are taken whole, one of every 1 / share. Raises `SettingsError` where the share is not between 0
    and 1/2, `TrackError` where nothing can be held out.
    """
    if not 0 < share <= 0.5:
        raise SettingsError(f"the share to hold out is above 0 and at most 0.5, not {share:g}.")
    every = max(2, round(1 / share))
    kept, held, short = [], [], 0
    for track in tracks:
        count = round(share * len(track))
        if count >= FEWEST_FRAMES:
            held.append(_part(track, len(track) - count, len(track)))
            kept.append(_part(track, 0, max(1, len(track) - count - round(APART_SECONDS * float(track.fps or GUESSED_FPS)))))
            continue
        short += 1
        (held if short % every == 0 else kept).append(track)
    held = [track for track in held if track.observed.any()]
    if not held:
        raise TrackError(
            f"the clips are too short to hold out {share:.0%} of them; give longer or more clips, or hold out nothing."
        )
    return kept, held


def _part(track: KeypointTrack, start: int, end: int) -> KeypointTrack:
    return track.replace(
        keypoints=track.keypoints[start:end],
        scores=track.scores[start:end],
        times=None if track.times is None else track.times[start:end],
        first_frame=track.first_frame + start,
    )


def loss(terms: dict[str, float]) -> float:
    """Return what a step's losses come to, without those of rivals."""
    return sum(value for name, value in terms.items() if name not in RIVALS)


@torch.no_grad()
def held_out_loss(trainer: Trainer, source: PoseSource) -> float:
    """Return the running stage's loss on held-out poses; the run itself goes on as if nobody had asked.

    Always the same poses and noise, so that two moments of a run can be compared.
    """
    training = [module for module in trainer.network.modules() if module.training]
    state, prior = trainer.generator.get_state(), trainer.prior
    steps = prior.steps if prior is not None else 0
    losses = StageLosses(trainer)
    try:
        if prior is not None:
            prior.steps |= 1  # the penalty, which is of even steps, needs gradients
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.generator.manual_seed(0)
            trainer.network.eval()
            batch = source.sample(LOSS_POSES // losses.frames, trainer.generator, losses.frames)
            terms = losses(batch)
    finally:
        trainer.generator.set_state(state)
        if prior is not None:
            prior.steps = steps
        for module in training:
            module.training = True
    return loss({name: float(term) for name, term in terms.items()})


def score(
    tracks: Sequence[KeypointTrack], path: Path, device: torch.device, check: Callable[[], None] | None = None
) -> tuple[Score, int]:
    """Return what a weights file is worth on tracks, and how many frames were scored.

    check: called all the time; may raise to stop. Cameras that nobody told are those that training assumes, so that two
    files see the same. Raises `TrackError` where no frame can be lifted.
    """
    lifter = cached_lifter(path, path.stat().st_mtime_ns, device)
    errors, bones, turned, frames = [], [], [], 0
    for track in tracks:
        if frames >= MOST_FRAMES:
            break
        track = _known(_part(track, 0, min(len(track), MOST_FRAMES - frames)))
        motion = lift(track, LiftSettings(weights=str(path), device=device.type), lambda _share, _stage: check and check())
        frames += len(track)
        errors.append(motion.reprojection_error[np.isfinite(motion.reprojection_error)])
        bones.append(_bone_change(motion))
        turned.append(_turned(track, lifter))
    if not frames:
        raise TrackError("no held-out frame can be lifted.")
    weights = [len(track) for track in turned]
    score = Score(
        float(np.median(np.concatenate(errors))),
        100 * float(np.average(bones, weights=weights)),
        100 * float(np.concatenate(turned).mean()),
    )
    return score, frames


def _known(track: KeypointTrack) -> KeypointTrack:
    """Return a track whose camera and rate are known: those that training assumes where nobody told."""
    camera = track.intrinsics or replace(assumed_camera(track), source="as in training")
    return track.replace(intrinsics=camera, fps=track.fps or GUESSED_FPS)


def _bone_change(motion: Motion) -> float:
    """Return how much the lifted bones change their lengths, as a share of each: the mean over bones of deviation / mean."""
    parents, children = (list(side) for side in zip(*motion.skeleton.edges, strict=True))
    seen = (motion.scores[:, parents] > 0) & (motion.scores[:, children] > 0)
    lengths = np.linalg.norm(motion.lifted[:, children] - motion.lifted[:, parents], axis=-1)
    measured = [column[mask] for column, mask in zip(lengths.T, seen.T, strict=True) if mask.sum() > 1]
    return float(np.mean([column.std() / max(column.mean(), 1e-9) for column in measured])) if measured else 0.0


def _turned(track: KeypointTrack, lifter: Lifter) -> Array:
    """Return (T,) how far the student's pose is from its estimate of the same pose seen from elsewhere, body units."""
    weights = lifter.weights
    t = weights.config.distance
    track = calibrated(track, weights.skeleton)
    inputs = prepare(track, weights.part("statistics"), t, float(track.fps or GUESSED_FPS))
    distance = inputs.distance if weights.config.aware else np.full(len(track), t)
    pose = lifter.lift(inputs.plane, distance, inputs.observed).pose
    off = np.zeros(len(pose))
    for azimuth in AZIMUTHS:
        cosine, sine = math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth))
        elsewhere = pose @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T
        plane = elsewhere[..., :2] / (t * np.maximum(1 + elsewhere[..., 2:] / distance[:, None, None], 0.2))
        off += np.linalg.norm(lifter.lift(plane, distance).pose - elsewhere, axis=-1).mean(1)
    return off[~inputs.empty] / len(AZIMUTHS)
