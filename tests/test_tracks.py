# SPDX-License-Identifier: GPL-3.0-or-later
"""Training poses from 2D tracks alone: statistics, sizes and distances as at inference, pairs from one track."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from motions import LANDSCAPE, look_at, walking
from training_runs import SUPERVISED, UNLABELLED, small, walking_archive

from poselift.core.camera import project
from poselift.core.errors import SettingsError, TrackError
from poselift.core.layouts import to_canonical
from poselift.core.lifter.data import MotionCapture, head_joint
from poselift.core.lifter.finetune import WARM, fine_tuning
from poselift.core.lifter.prepare import prepare
from poselift.core.lifter.tracks import Tracks, aware_poses, calibrated, source_of, track_statistics
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.readers import read, track_npz
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

CPU = torch.device("cpu")
CONFIG = small(UNLABELLED)
J = HUMAN17.index


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def seen_from(distance, seed=0, frames=60, missing=0.0, azimuth=0.0, joints=None):
    """A walk before a known camera so many metres away."""
    joints = walking(frames) if joints is None else joints
    place = (distance * np.sin(azimuth), -distance * np.cos(azimuth), 1.2)
    rotation, translation = look_at(np.array(place) + joints[:, 0].mean(0) * [1, 1, 0], joints[:, 0].mean(0))
    keypoints = project(joints @ rotation.T + translation, LANDSCAPE)
    scores = np.ones(keypoints.shape[:2])
    gone = np.random.default_rng(seed).random(scores.shape) < missing
    keypoints[gone], scores[gone] = np.nan, 0
    return KeypointTrack(keypoints, scores, HUMAN17, Fraction(30), (1920, 1080), intrinsics=LANDSCAPE)


@pytest.fixture(scope="module")
def tracks():
    """The walk from eight sides, at two to eight metres, every fifth joint missing."""
    return [seen_from(2 + 6 * n / 7, n, missing=0.2, azimuth=0.8 * n) for n in range(8)]


@pytest.fixture(scope="module")
def source(tracks):
    return Tracks.of(tracks, HUMAN17, CONFIG, CPU)


def arrays_of(source):
    return {name.removeprefix("statistics."): value for name, value in source.statistics.arrays().items()}


def test_tracks_with_missing_joints_become_complete_poses_of_the_trainings_size(tracks, source):
    assert source.size == sum(len(track) for track in tracks)
    batch = source.sample(20000, seeded())
    assert batch.truth is None and torch.isfinite(batch.plane).all() and torch.isfinite(batch.distance).all()
    assert batch.plane[:, HUMAN17.root].abs().max() == 0 and batch.observed[:, HUMAN17.root].all()
    assert float(batch.plane[:, head_joint(HUMAN17)].norm(dim=-1).mean()) == pytest.approx(1 / CONFIG.distance, rel=0.02)
    assert float((~batch.observed[:, 1:]).float().mean()) == pytest.approx(0.2, abs=0.03)


def test_what_is_missing_hardly_changes_what_is_measured(tracks):
    whole = track_statistics([calibrated(seen_from(2 + 6 * n / 7, n, azimuth=0.8 * n), HUMAN17) for n in range(8)], HUMAN17)
    holes = track_statistics([calibrated(track, HUMAN17) for track in tracks], HUMAN17)
    assert whole["edges"].mean() == pytest.approx(1) and np.abs(holes["edges"] / whole["edges"] - 1).max() < 0.05
    assert np.abs(holes["mean"] - whole["mean"]).max() < 0.1
    assert np.linalg.eigvalsh(holes["covariance"]).min() > -1e-9
    spread = np.sqrt(np.diag(whole["covariance"]))
    assert np.abs(np.sqrt(np.diag(holes["covariance"])) - spread).max() < 0.1
    thigh, hip = (HUMAN17.edges.index(edge) for edge in ((J("l_hip"), J("l_knee")), (J("pelvis"), J("l_hip"))))
    assert whole["edges"][thigh] > 2.5 * whole["edges"][hip]


def test_completed_joints_lie_near_where_they_were_hidden(tracks):
    poses, observed, _, _ = aware_poses([calibrated(track, HUMAN17) for track in tracks], HUMAN17)
    clean = [calibrated(seen_from(2 + 6 * n / 7, n, azimuth=0.8 * n), HUMAN17) for n in range(8)]
    truth = aware_poses(clean, HUMAN17)[0]
    off = np.linalg.norm(poses - truth, axis=-1)[~observed]
    typical = np.linalg.norm(truth - truth.mean(0), axis=-1)[~observed]
    assert np.median(off) < 0.5 * np.median(typical)


def test_inference_sees_a_training_track_as_training_did(tracks, source):
    """`prepare` with the statistics that go into the weights: the same poses, distances and observed joints."""
    rows = 0
    for track in tracks:
        seen = prepare(track, arrays_of(source), CONFIG.distance, 30.0)
        frames = slice(rows, rows + len(track))
        rows += len(track)
        shown = seen.observed
        assert np.array_equal(source._observed[frames].numpy(), shown)
        trained, distance = source._planes[frames].numpy(), source._distance[frames].numpy()
        factor = (seen.plane[shown] * trained[shown]).sum() / (trained[shown] ** 2).sum()
        assert factor == pytest.approx(1, abs=0.05)
        shown = shown & track.observed[:, [HUMAN17.root]]  # a root that is guessed moves everything
        assert np.abs(seen.plane - factor * trained)[shown].max() < 0.003
        assert np.abs(seen.distance / distance / factor - 1).max() < 0.05


def test_distances_are_those_of_the_cameras(tracks, source):
    unit = np.linalg.norm(walking(60)[:, head_joint(HUMAN17)] - walking(60)[:, 0], axis=-1).mean()
    told = [source._distance[60 * n : 60 * n + 60].mean().item() * unit / (2 + 6 * n / 7) for n in range(8)]
    assert max(told) / min(told) < 1.5  # what is foreshortened seems far; otherwise two and eight metres are as they are
    assert told[-1] > 0.6 and np.corrcoef(np.linspace(2, 8, 8), np.array(told) * np.linspace(2, 8, 8))[0, 1] > 0.9


def test_tracks_and_motion_capture_agree_on_sizes(tmp_path):
    """The walking figure's archive through virtual cameras, and the same cameras' pictures as tracks."""
    config = replace(CONFIG, views=replace(CONFIG.views, size_jitter=0.0, roll=0.0, elevation=(5.0, 5.0), mirror=False))
    capture = MotionCapture(walking_archive(tmp_path / "walk.npz"), HUMAN17, config, CPU)
    with np.load(tmp_path / "walk.npz") as data:
        joints = data["pos"] * float(data["quant"]) + [0, 0, 0.9]
    views = [seen_from(4.0, azimuth=a, joints=joints) for a in np.linspace(0, 6, 12)]
    tracks = Tracks.of(views, HUMAN17, config, CPU)
    assert np.abs(tracks.statistics.edges / capture.statistics.edges - 1).max() < 0.1
    assert np.abs(tracks.statistics.mean - capture.statistics.mean).max() < 0.02


def moments(source, samples=4000):
    """Draw pairs; return their gaps, and the frames that each one's two poses are."""
    batch = source.sample(samples, seeded(), 2)
    where = torch.cdist(batch.plane.flatten(1), source._planes.flatten(1)).argmin(1).view(samples, 2)
    assert torch.equal(batch.plane, source._planes[where.flatten()])
    assert batch.distance.view(samples, 2).diff().abs().max() == 0 and batch.observed.shape == (2 * samples, 17)
    return batch.gap, where


def test_pairs_come_from_one_track_also_where_tracks_are_short():
    lengths = [3, 30, 1, 5, 2, 40]
    tracks = [seen_from(3 + n, frames=60, azimuth=n) for n in range(len(lengths))]
    tracks = [cut(track, length) for track, length in zip(tracks, lengths, strict=True)]
    source = Tracks.of(tracks, HUMAN17, CONFIG, CPU)
    gap, where = moments(source)
    track = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    assert torch.equal(track[where[:, 0]], track[where[:, 1]])
    alone = track[where[:, 0]] == 2
    assert torch.equal((where[:, 1] - where[:, 0])[~alone], gap[~alone]) and (gap[alone] == 1).all()
    assert gap.abs().max() == CONFIG.teacher_stage.prior.gap and gap.abs().min() == 1 and (gap < 0).any()
    assert len(track[where[:, 0]].unique()) == len(lengths)


def cut(track, frames):
    return track.replace(keypoints=track.keypoints[:frames], scores=track.scores[:frames])


def test_no_pair_spans_frames_in_which_the_body_was_not_seen():
    track = seen_from(4.0, frames=60)
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[20:32], scores[20:32] = np.nan, 0
    keypoints[45, :10], scores[45, :10] = np.nan, 0  # less than half of the joints
    source = Tracks.of([track.replace(keypoints=keypoints, scores=scores)], HUMAN17, CONFIG, CPU)
    assert source.size == 60 - 12 - 1
    gap, where = moments(source)
    frames = torch.tensor([t for t in range(60) if not 20 <= t < 32 and t != 45])
    run = torch.bucketize(frames[where], torch.tensor([19, 44]))
    assert torch.equal(run[:, 0], run[:, 1]) and torch.equal((frames[where][:, 1] - frames[where][:, 0]), gap)


def test_corruption_hides_more_and_brings_nothing_back(source):
    batch = source.sample(2000, seeded())
    spoilt = source.corrupt(batch, seeded(1))
    assert not (spoilt.observed & ~batch.observed).any() and (batch.observed & ~spoilt.observed).any()
    assert torch.equal(spoilt.distance, batch.distance) and torch.isfinite(spoilt.plane).all()


def test_cameras_and_rates_that_nobody_told_are_assumed():
    known = seen_from(4.0)
    bare = KeypointTrack(known.keypoints, known.scores, HUMAN17, None, None)
    made = calibrated(bare, HUMAN17)
    assert made.fps == 30 and made.intrinsics is not None and made.intrinsics.width >= np.nanmax(bare.keypoints[..., 0])
    assert np.array_equal(made.keypoints, known.keypoints)
    assert calibrated(known, HUMAN17).intrinsics.fx == LANDSCAPE.fx
    empty = KeypointTrack(np.full((5, 17, 2), np.nan), np.zeros((5, 17)), HUMAN17, None, None)
    assert Tracks.of([empty, bare], HUMAN17, CONFIG, CPU).size == len(bare)


def test_tracks_that_cannot_train_are_refused_in_words(tmp_path):
    track = seen_from(4.0)
    few = track.replace(keypoints=np.where(np.arange(17)[:, None] < 8, track.keypoints, np.nan), scores=track.scores)
    for tracks in ([], [few]):
        with pytest.raises(TrackError, match="half of the skeleton's joints"):
            Tracks.of(tracks, HUMAN17, CONFIG, CPU)
    keypoints = track.keypoints.copy()
    keypoints[:, [J("spine"), J("head_top")]] = np.nan
    with pytest.raises(TrackError, match="never show spine, head_top"):
        Tracks.of([track.replace(keypoints=keypoints)], HUMAN17, CONFIG, CPU)
    track_npz.write(tmp_path / "track.npz", [track])
    with pytest.raises(SettingsError, match="needs 3D motion capture"):
        source_of(read(tmp_path / "track.npz"), HUMAN17, small(SUPERVISED), CPU)
    opened = source_of(read(tmp_path / "track.npz"), HUMAN17, CONFIG, CPU)
    assert isinstance(opened, Tracks) and opened.size == len(to_canonical(track, HUMAN17))


def test_tracks_of_a_detector_that_lacks_joints_go_on_from_weights_that_know_them(tmp_path):
    config = small(UNLABELLED)
    capture = MotionCapture(walking_archive(tmp_path / "walk.npz"), HUMAN17, config, torch.device("cpu"))
    trainer = Trainer(capture, config, TrainSettings(epoch_samples=64), torch.device("cpu"))
    start = trainer.weights("start")
    lacking = [HUMAN17.index(name) for name in ("spine", "head_top")]
    tracks = []
    for track in (seen_from(4.0), seen_from(6.0, seed=1)):
        keypoints = track.keypoints.copy()
        keypoints[:, lacking] = np.nan
        tracks.append(track.replace(keypoints=keypoints, scores=np.where(np.isfinite(keypoints).all(-1), 1.0, 0.0)))
    with pytest.raises(TrackError, match="spine"):
        Tracks.of(tracks, HUMAN17, config, torch.device("cpu"))
    source = Tracks.of(tracks, HUMAN17, config, torch.device("cpu"), start)
    batch = source.sample(200, seeded())
    assert not batch.observed[:, lacking].any() and batch.observed.float().mean() > 0.8
    seen = prepare(calibrated(tracks[0], HUMAN17), start.part("statistics"), config.distance, 30.0)
    everything = source.sample(5000, seeded()).plane
    nearest = (everything - torch.from_numpy(np.float32(seen.plane[10]))).abs().amax((1, 2)).min()
    assert nearest < 1e-5  # as inference sees it
    tuned = Trainer(source, fine_tuning(start, None), TrainSettings(epoch_samples=64), torch.device("cpu"), start=start)
    assert tuned.prior.warm_steps == round(WARM * tuned.steps_of("teacher"))
    bones = (source.sample(2048, seeded()).plane * config.distance)[:, [c for _, c in HUMAN17.edges]].norm(dim=-1)
    assert tuned.prior.log_lengths.exp().max() < 2 * bones.max()  # begins with what the weights lift, not at random
    before = tuned.teacher.dictionary.clone()
    terms = tuned.train_step()
    assert terms["critic"] > 0 and terms["views"] == 0  # the critic learns first
    assert (tuned.teacher.dictionary - before).abs().max() < 1e-4
