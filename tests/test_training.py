# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: losses fall, a resumed run equals an uninterrupted one, data come in as the design says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import small, walking_archive, walking_track

from poselift.core.errors import ReadError, SettingsError, TrackError
from poselift.core.lifter import weights
from poselift.core.lifter.config import preset
from poselift.core.lifter.data import MotionCapture, Tracks, head_joint, open_source, random_views
from poselift.core.lifter.progress import Progress
from poselift.core.lifter.schedule import learning_rate, scaled_schedule
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.skeleton import HUMAN17
from poselift.operators.command_line import main

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The walking figure as a motion-capture archive."""
    return walking_archive(tmp_path_factory.mktemp("mocap") / "walk.npz")


def test_projected_poses_have_the_papers_size_and_their_truth_projects_onto_them(archive):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    plane, truth = source.sample(8000, torch.Generator().manual_seed(0))
    assert source.size == 600
    assert abs(plane[:, head_joint(HUMAN17)].norm(dim=-1).mean() - 1 / config.distance) < 0.01
    assert plane[:, 0].abs().max() == 0
    # The distance of each camera is not told, but one must exist, between 0.9 and 1.1 times t.
    unscaled = truth[..., :2] / plane.where(plane.abs() > 0.02, torch.nan)
    spread = unscaled.flatten(1)
    inverse = torch.nanmedian(spread - truth[..., 2:].expand(-1, -1, 2).flatten(1), dim=1).values
    assert inverse.min() > 0.75 * config.distance and inverse.max() < 1.25 * config.distance


def test_views_are_cameras_that_look_from_the_asked_elevations():
    views = replace(preset("paper").views, elevation=(10.0, 20.0), roll=0.0)
    rotation = random_views(500, views, torch.Generator().manual_seed(0), CPU)
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-5
    assert (torch.linalg.det(rotation) - 1).abs().max() < 1e-5
    up = rotation[:, :, 2]  # the world's up in camera axes: y down, so it is negative there, and no roll means x is zero
    assert up[:, 0].abs().max() < 1e-5 and (up[:, 1] < 0).all()
    elevation = torch.rad2deg(torch.asin(-up[:, 2]))
    assert elevation.min() >= 10 - 1e-3 and elevation.max() <= 20 + 1e-3


def test_hidden_joints_are_completed_and_the_rest_is_left_alone(archive):
    config = small("anchored")
    shown = replace(config, views=replace(config.views, hidden=(), drop=0.0, noise=0.0, size_jitter=0.0))
    hidden = replace(shown, views=replace(shown.views, hidden=(("spine", "head_top"),)))
    a = MotionCapture(archive, HUMAN17, shown, CPU).sample(400, torch.Generator().manual_seed(3)).plane
    b = MotionCapture(archive, HUMAN17, hidden, CPU).sample(400, torch.Generator().manual_seed(3)).plane
    changed = (a - b).norm(dim=-1) > 1e-6
    names = {HUMAN17.joint_names[j] for j in changed.any(0).nonzero()[:, 0]}
    assert names == {"spine", "head_top"}
    assert 0.35 < changed[:, 7].float().mean() < 0.65
    assert (a - b).norm(dim=-1)[:, 7].max() < 0.04


def run(source, config, settings, stop_after=None):
    trainer = Trainer(source, config, settings, CPU)
    seen: list[Progress] = []

    def watch(progress):
        seen.append(progress)
        if stop_after is not None and trainer.stage == stop_after[0] and trainer.step >= stop_after[1]:
            raise KeyboardInterrupt

    return trainer.run(watch), seen, trainer


@pytest.mark.parametrize("name", ["paper", "anchored"])
def test_losses_fall(archive, name):
    config = small(name)
    source = MotionCapture(archive, HUMAN17, config, CPU)
    totals: dict[str, list[float]] = {"teacher": [], "student": []}
    trainer = Trainer(source, config, TrainSettings(epoch_samples=1500), CPU)
    for stage in trainer.remaining_stages():
        trainer.begin(stage)
        trainer.network.train()
        for _ in range(70):
            terms = trainer.losses()
            loss = sum(terms.values())
            trainer.optimiser.zero_grad()
            loss.backward()
            trainer.optimiser.step()
            totals[stage].append(float(loss.detach()))
    for stage, values in totals.items():
        assert np.mean(values[-10:]) < 0.8 * np.mean(values[:5]), stage


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(archive, tmp_path, monkeypatch):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    settings = TrainSettings(epoch_samples=256, precision="float32", checkpoint_seconds=-1.0)  # after every step
    whole, _, _ = run(source, config, settings)
    for stage, step in (("teacher", 5), ("student", 4)):
        checkpoint = tmp_path / f"{stage}.checkpoint"
        trainer = Trainer(source, config, replace(settings, checkpoint=checkpoint), CPU)
        original = trainer._save_checkpoint

        def save_and_die(original=original, trainer=trainer, stage=stage, step=step):
            original()
            if trainer.stage == stage and trainer.step >= step:
                raise KeyboardInterrupt

        monkeypatch.setattr(trainer, "_save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
        torch.rand(7)  # the resumed run must not depend on what this process drew since
        resumed, _, _ = run(source, config, replace(settings, checkpoint=checkpoint, resume=True))
        assert whole.arrays.keys() == resumed.arrays.keys()
        for key, value in whole.arrays.items():
            assert np.array_equal(value, resumed.arrays[key]), (stage, key)
        assert whole.notes == resumed.notes


def test_the_seed_decides(archive):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    a, b, c = (run(source, config, TrainSettings(seed=s, epoch_samples=128, precision="float32"))[0] for s in (1, 1, 2))
    assert np.array_equal(a.arrays["teacher.dictionary"], b.arrays["teacher.dictionary"])
    assert not np.array_equal(a.arrays["teacher.dictionary"], c.arrays["teacher.dictionary"])


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(archive, tmp_path):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    path = tmp_path / "run.checkpoint"
    run(source, config, TrainSettings(epoch_samples=64, checkpoint=path))
    other = replace(config, haar=True)
    with pytest.raises(SettingsError, match="other settings"):
        Trainer(source, other, TrainSettings(epoch_samples=64, checkpoint=path, resume=True), CPU)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ReadError, match="checkpoint"):
        Trainer(source, config, TrainSettings(checkpoint=path, resume=True), CPU)


def test_schedules_scale_with_the_epochs():
    config = scaled_schedule(preset("paper"), 9)
    assert (config.teacher_stage.epochs, config.student_stage.epochs) == (5, 4)
    assert learning_rate(preset("paper").teacher_stage, 0) == 1e-3
    assert learning_rate(preset("paper").teacher_stage, 15) == pytest.approx(5e-4)
    assert learning_rate(preset("anchored").teacher_stage, 35) == pytest.approx(0, abs=1e-9)
    with pytest.raises(SettingsError):
        scaled_schedule(preset("paper"), 1)


def test_the_command_trains_from_2d_tracks_and_its_weights_load(tmp_path, capsys):
    walking_track(tmp_path / "track.npz")
    output = tmp_path / "weights.npz"
    status = main(["train", str(tmp_path / "track.npz"), "-o", str(output), "--epochs", "2", "--epoch-samples", "128", "-q"])
    assert status == 0
    loaded = weights.load(output)
    assert loaded.config.preset == "paper" and loaded.notes == {"teacher_samples": 128, "student_samples": 128}
    assert main(["train", str(tmp_path / "track.npz"), "-o", str(output), "--preset", "anchored"]) == 2
    assert "3D" in capsys.readouterr().err


def test_data_that_cannot_train_are_refused(tmp_path):
    config = preset("paper")
    with pytest.raises(TrackError, match="every joint"):
        Tracks(np.zeros((0, 17, 2)), config, HUMAN17, CPU)
    (tmp_path / "x.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ReadError):
        open_source([tmp_path / "x.npz"], HUMAN17, config, CPU)
