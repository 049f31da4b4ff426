# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: losses fall, a resumed run equals an uninterrupted one, data come in as the design says."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from motions import dog_joints, dog_skeleton
from training_runs import SUPERVISED, UNLABELLED, small, walking_archive, walking_keypoints, walking_track

from poselift.core.assumptions import assumed_camera
from poselift.core.errors import ReadError, SettingsError, TrackError
from poselift.core.lifter import progress, weights
from poselift.core.lifter.config import PRESETS, preset
from poselift.core.lifter.data import MotionCapture, head_joint
from poselift.core.lifter.finetune import WARM, AtSizeOf, check_skeleton, fine_tuning, without_truth
from poselift.core.lifter.geometry import random_rotations, rotate
from poselift.core.lifter.inference import Lifter
from poselift.core.lifter.lift_track import lift_track
from poselift.core.lifter.progress import Progress
from poselift.core.lifter.schedule import learning_rate, scaled_rate, scaled_schedule
from poselift.core.lifter.tracks import Tracks, source_of
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.readers import read, track_npz
from poselift.core.skeleton import HUMAN17
from poselift.core.skeleton_file import read_skeleton
from poselift.core.track import KeypointTrack
from poselift.operators import terminal
from poselift.operators.command_line import main

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The walking figure as a motion-capture archive."""
    return walking_archive(tmp_path_factory.mktemp("mocap") / "walk.npz")


def test_projected_poses_have_the_papers_size_and_their_truth_projects_onto_them(archive):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    plane, truth, *told = source.sample(8000, torch.Generator().manual_seed(0))
    assert source.size == 600 and told == [None, None, None]
    assert abs(plane[:, head_joint(HUMAN17)].norm(dim=-1).mean() - 1 / config.distance) < 0.01
    assert plane[:, 0].abs().max() == 0
    # The distance of each camera is not told, but one must exist, between 0.9 and 1.1 times t.
    unscaled = truth[..., :2] / plane.where(plane.abs() > 0.02, torch.nan)
    spread = unscaled.flatten(1)
    inverse = torch.nanmedian(spread - truth[..., 2:].expand(-1, -1, 2).flatten(1), dim=1).values
    assert inverse.min() > 0.75 * config.distance and inverse.max() < 1.25 * config.distance


def run(source, config, settings, stop_after=None):
    trainer = Trainer(source, config, settings, CPU)
    seen: list[Progress] = []

    def watch(progress):
        seen.append(progress)
        if stop_after is not None and trainer.stage == stop_after[0] and trainer.step >= stop_after[1]:
            raise KeyboardInterrupt

    return trainer.run(watch), seen, trainer


def sources(config, archive, kind):
    """The walking figure in 3D, or as a track in which nothing but 2D is known."""
    if kind == "mocap":
        return MotionCapture(archive, HUMAN17, config, CPU)
    return Tracks.of([walking_keypoints()], HUMAN17, config, CPU)


def worth(terms):
    """The sum of a step's losses but the critic's and what it says: those are rivals, and neither needs to fall."""
    return sum(value for name, value in terms.items() if name not in ("critic", "views"))


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "mocap") for name in PRESETS), ("paper", "tracks"), (UNLABELLED, "tracks")]
)
def test_losses_fall(archive, name, kind):
    config = small(name)
    source = sources(config, archive, kind)
    totals: dict[str, list[float]] = {"teacher": [], "student": []}
    trainer = Trainer(source, config, TrainSettings(epoch_samples=1500), CPU)
    for stage in trainer.remaining_stages():
        trainer.begin(stage)
        trainer.network.train()
        for _ in range(70):
            terms = trainer.losses()
            trainer.optimiser.zero_grad()
            sum(terms.values()).backward()
            trainer.optimiser.step()
            totals[stage].append(float(worth(terms).detach()))
            assert kind == "mocap" or "supervised" not in terms
    for stage, values in totals.items():
        assert np.mean(values[-10:]) < 0.8 * np.mean(values[:5]), stage


@pytest.mark.parametrize("name", ["paper", UNLABELLED])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(archive, tmp_path, monkeypatch, name):
    config = small(name)
    source = MotionCapture(archive, HUMAN17, config, CPU)
    settings = TrainSettings(epoch_samples=256, precision="float32", checkpoint_seconds=-1.0)  # after every step
    whole, _, trained = run(source, config, settings)
    for stage, step in (("teacher", 5), ("student", 4)):
        checkpoint = tmp_path / f"{stage}.checkpoint"
        trainer = Trainer(source, config, replace(settings, checkpoint=checkpoint), CPU)
        original = trainer.save_state

        def save_and_die(original=original, trainer=trainer, stage=stage, step=step):
            original()
            if trainer.stage == stage and trainer.step >= step:
                raise KeyboardInterrupt

        monkeypatch.setattr(trainer, "save_state", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
        torch.rand(7)  # the resumed run must not depend on what this process drew since
        resumed, _, again = run(source, config, replace(settings, checkpoint=checkpoint, resume=True))
        assert (again.prior is None) == (name == "paper")
        if again.prior is not None:
            assert again.prior.steps == trained.steps_of("teacher")
            for key, value in trained.prior.state_dict().items():
                assert torch.equal(value, again.prior.state_dict()[key]), (stage, key)
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
    stage = preset(SUPERVISED).teacher_stage
    assert learning_rate(stage, stage.epochs) == pytest.approx(0, abs=1e-9)
    with pytest.raises(SettingsError):
        scaled_schedule(preset("paper"), 1)


def test_the_command_trains_from_2d_tracks_and_its_weights_load(tmp_path, capsys):
    walking_track(tmp_path / "track.npz")
    output = tmp_path / "weights.npz"
    assert main([*track_arguments(tmp_path, "-q"), "--preset", "paper", "-o", str(output)]) == 0
    loaded = weights.load(output)
    assert loaded.config.preset == "paper" and loaded.notes == {"teacher_samples": 128, "student_samples": 128}
    assert main(["train", str(tmp_path / "track.npz"), "-o", str(output), "--preset", SUPERVISED]) == 2
    assert "3D" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["mocap", "tracks"])
def test_the_command_trains_from_2d_alone_and_fine_tunes_and_its_weights_lift(archive, tmp_path, monkeypatch, capsys, kind):
    monkeypatch.setitem(PRESETS, UNLABELLED, small(UNLABELLED))
    data = archive if kind == "mocap" else walking_track(tmp_path / "track.npz")
    output, tuned = tmp_path / "weights.npz", tmp_path / "tuned.npz"
    common = ["--epochs", "2", "--epoch-samples", "256"]
    named = ["--preset", UNLABELLED] if kind == "mocap" else []  # it is what users get who name none
    assert main(["train", str(data), "-o", str(output), *named, *common]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(f"{term} " in lines[1] for term in ("views", "critic", "bones", "hinges", "cycle", "dictionary"))
    assert "distillation " in lines[2] and "turned " in lines[2] and "supervised" not in "".join(lines)
    loaded = weights.load(output)
    assert loaded.config.preset == UNLABELLED and loaded.config.aware and loaded.config.teacher.lifting
    assert not any("critic" in name or "prior" in name for name in loaded.arrays)  # of no use after training
    (track,) = read(walking_track(tmp_path / "seen.npz"))
    track = track.replace(intrinsics=assumed_camera(track))
    lifted = lift_track(track, Lifter(loaded, CPU), 30.0)
    error = np.abs(lifted.reprojected(track.keypoints, track.intrinsics) - track.keypoints)
    assert error.max() < 1e-2 and len(set(lifted.distance)) > 1  # pixels, and every body is where it seems to be
    tracks = str(walking_track(tmp_path / "own.npz"))
    assert main(["train", tracks, "-o", str(tuned), "--from", str(output), *common, "-q"]) == 0
    bent = weights.load(tuned)
    assert bent.notes["from"] == loaded.name and bent.config.teacher == loaded.config.teacher
    change = np.abs(bent.arrays["teacher.depth.weight"] - loaded.arrays["teacher.depth.weight"]).max()
    assert 0 < change < 0.01
    assert main(["train", tracks, "-o", str(tuned), "--from", str(output), "--preset", "paper", *common, "-q"]) == 2
    assert "another kind of teacher" in capsys.readouterr().err


def test_data_that_cannot_train_are_refused(tmp_path):
    config = preset("paper")
    with pytest.raises(TrackError, match="enough joints"):
        Tracks(np.zeros((0, 17, 2)), config, HUMAN17, CPU)
    (tmp_path / "x.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ReadError):
        source_of(read(tmp_path / "x.npz"), HUMAN17, config, CPU)


def track_arguments(tmp_path, *more):
    track = tmp_path / "track.npz"
    if not track.exists():
        walking_track(track)
    return ["train", str(track), "-o", str(tmp_path / "out.npz"), "--epochs", "2", "--epoch-samples", "128", *more]


def small_weights(name, archive, folder):
    config = small(name)
    source = MotionCapture(archive, HUMAN17, config, CPU)
    weights.save(Trainer(source, config, TrainSettings(epoch_samples=640), CPU).run(), folder / "small.npz")
    return folder / "small.npz"


@pytest.fixture(scope="module")
def trained(archive, tmp_path_factory):
    """Small weights with 3D in their losses, as a file."""
    return small_weights(SUPERVISED, archive, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def paper(archive, tmp_path_factory):
    """Small weights of the paper's preset, as a file."""
    return small_weights("paper", archive, tmp_path_factory.mktemp("paper"))


def test_fine_tuning_goes_on_from_weights_on_tracks_without_3d(trained, tmp_path):
    assert main([*track_arguments(tmp_path, "-q"), "--from", str(trained)]) == 0
    start, tuned = weights.load(trained), weights.load(tmp_path / "out.npz")
    assert tuned.notes == {"teacher_samples": 128, "student_samples": 128, "from": start.name}
    assert tuned.config.teacher == start.config.teacher and tuned.config.student == start.config.student
    assert tuned.config.teacher_stage.supervised == tuned.config.student_stage.supervised == 0
    assert tuned.config.teacher_stage.learning_rate == pytest.approx(0.1 * start.config.teacher_stage.learning_rate)
    # A few steps at a tenth of the rate: bent, not replaced, and a fresh start would lie far away.
    change = np.abs(tuned.arrays["teacher.dictionary"] - start.arrays["teacher.dictionary"]).max()
    assert 0 < change < 0.01
    for name in ("mean", "covariance", "edges"):
        assert np.array_equal(tuned.arrays[f"statistics.{name}"], start.arrays[f"statistics.{name}"])


def test_fine_tunings_schedule_is_the_presets_where_one_is_named(trained, paper):
    start, named = weights.load(trained), replace(preset(UNLABELLED), distance=7.0)
    config = fine_tuning(start, named)
    assert (config.teacher, config.student, config.distance) == (start.config.teacher, start.config.student, 5.0)
    assert config.aware == start.config.aware
    assert (config.preset, config.views) == (UNLABELLED, named.views)
    assert config.teacher_stage.learning_rate == named.teacher_stage.learning_rate
    assert config.teacher_stage.prior == replace(named.teacher_stage.prior, warm=WARM)  # a new critic learns first
    assert fine_tuning(weights.load(paper), None) == weights.load(paper).config
    for weights_of, other in ((trained, "paper"), (paper, UNLABELLED)):
        with pytest.raises(SettingsError, match="another kind of teacher"):
            fine_tuning(weights.load(weights_of), preset(other))
    faster = scaled_rate(config, 0.5)
    assert faster.student_stage.learning_rate == named.student_stage.learning_rate / 2
    with pytest.raises(SettingsError, match="positive"):
        scaled_rate(config, 0.0)


def test_tracks_are_brought_to_the_size_that_the_weights_know(trained):
    start = weights.load(trained)
    planes = np.random.default_rng(0).normal(size=(300, 17, 2))
    planes -= planes[:, :1]
    tracks = Tracks(planes, start.config, HUMAN17, CPU, distance=np.linspace(3, 30, 300))
    source = AtSizeOf(tracks, start, start.config, CPU)
    own, batch = (one.sample(4000, torch.Generator().manual_seed(0)) for one in (tracks, source))
    edges = [(batch.plane[:, c] - batch.plane[:, p]).norm(dim=-1).mean() for p, c in HUMAN17.edges]
    assert float(sum(edges)) == pytest.approx(start.arrays["statistics.edges"].sum(), rel=0.02)
    # As `prepare` would tell from those edges: a body in larger units is as much farther off, in body units.
    assert torch.allclose(batch.distance / own.distance, (batch.plane / own.plane)[:, 1, 0], rtol=1e-4)
    assert np.array_equal(source.statistics.edges, start.arrays["statistics.edges"])
    hidden = source.corrupt(batch, torch.Generator().manual_seed(1))
    assert not hidden.observed.all() and torch.equal(hidden.distance, batch.distance)


def test_a_preset_that_knows_3d_alone_is_refused_for_tracks():
    config = preset(SUPERVISED)
    assert not without_truth(config).teacher_stage.supervised and not without_truth(config).student_stage.supervised
    alone = {"main_weight": 0.0, "cycle_weight": 0.0, "turned": 0.0}
    with pytest.raises(SettingsError, match="trains the student from 3D alone"):
        without_truth(replace(config, student_stage=replace(config.student_stage, **alone)))
    with pytest.raises(SettingsError, match="trains the teacher from 3D alone"):
        without_truth(replace(config, teacher_stage=replace(config.teacher_stage, **alone, prior=None)))


def test_weights_of_another_skeleton_are_refused(trained, tmp_path, capsys):
    (tmp_path / "dog.json").write_text(json.dumps(dog_skeleton().to_dict()))
    status = main([*track_arguments(tmp_path), "--from", str(trained), "--skeleton", str(tmp_path / "dog.json")])
    message = capsys.readouterr().err
    assert status == 2 and "'human17', not of 'dog'" in message and "l_paw" in message
    turned = replace(HUMAN17, mirror_pairs=HUMAN17.mirror_pairs[1:])
    with pytest.raises(SettingsError, match="mirror pairs"):
        check_skeleton(weights.load(trained), turned)


@pytest.mark.parametrize("name", ["paper", UNLABELLED])
def test_any_skeleton_trains_from_its_tracks(tmp_path, monkeypatch, name):
    monkeypatch.setitem(PRESETS, name, small(name))
    dog = dog_skeleton()
    joints = dog_joints(dog, 200)
    camera = np.stack([joints[..., 0], 0.5 - joints[..., 2], joints[..., 1] + 4], -1)
    pixels = camera[..., :2] / camera[..., 2:] * 1000 + 500
    track = KeypointTrack(pixels, np.ones(pixels.shape[:2]), dog, Fraction(30), (1000, 1000))
    track_npz.write(tmp_path / "track.npz", [track])
    (tmp_path / "dog.json").write_text(json.dumps(dog.to_dict()))
    assert main([*track_arguments(tmp_path, "-q"), "--skeleton", str(tmp_path / "dog.json"), "--preset", name]) == 0
    assert weights.load(tmp_path / "out.npz").skeleton == dog
    assert not any(weights.load(tmp_path / "out.npz").config.views.hidden)  # which joints of people detectors lack


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "line 1, column 2"),
        ("[1]", "no object"),
        ('{"name": "x", "joint_names": ["a"]}', "parents: is missing"),
        ('{"name": "x", "joint_names": ["a", "b"], "parents": [-1, "a"]}', r"parents\[1\]: is 'a'"),
        ('{"name": "x", "joint_names": ["a", 5], "parents": [-1, 0]}', r"joint_names\[1\]: is 5"),
        ('{"name": "x", "joint_names": ["a", "b"], "parents": [-1, -1]}', "2 roots"),
        ('{"name": "x", "joint_names": ["a", "b"], "parents": [-1, 7]}', "'b' has no way to a root"),
        ('{"name": "x", "joint_names": ["a", "b"], "parents": [-1, 0], "mirror_pairs": [["a", "c"]]}', "no joint 'c'"),
        ('{"name": "x", "joint_names": ["a"], "parents": [-1], "hinges": {}}', "hinges: is a dict"),
        ('{"name": "x", "joint_names": ["a"], "parents": [-1], "hinges": [["a"]]}', "not a skeleton"),
    ],
)
def test_what_is_no_skeleton_is_refused_with_file_and_place(tmp_path, text, place):
    path = tmp_path / "creature.json"
    path.write_text(text)
    with pytest.raises(ReadError, match=place) as refused:
        read_skeleton(path)
    assert refused.value.path == path and str(path) in str(refused.value)
    with pytest.raises(ReadError, match="cannot be read"):
        read_skeleton(tmp_path / "none.json")


def test_without_a_terminal_progress_is_lines_with_losses_speed_and_time_left(paper, tmp_path, capsys, monkeypatch):
    assert main(track_arguments(tmp_path, "--from", str(paper))) == 0
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"teacher: 2 of 2 steps, reprojection [\d.]+, cycle [\d.]+, \d+ samples/s, 0:00 left", lines[1])
    assert lines[2].startswith("student: 2 of 2 steps, distillation ")
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0.0)
    clock = iter([10.0, 16.0, 20.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with terminal.progress_bar("work", 100, "step", initial=40, lines=True) as bar:
        bar.update(3)
        bar.update(2)
    assert capsys.readouterr().err == (
        "work: 43 of 100 steps, 0.5 steps/s, 1:54 left\nwork: 45 of 100 steps, 0.5 steps/s, 1:50 left\n"
    )
    assert terminal.clock(3 * 3600 + 61) == "3:01:01"


def test_logs_without_tensorboard_are_refused_before_anything_is_trained(tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert main(track_arguments(tmp_path, "--log-dir", str(tmp_path / "logs"))) == 2
    assert "pip install tensorboard" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["track.npz"]


def test_tensorboard_logs_hold_each_stage_by_step_and_a_resumed_run_appends(paper, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(progress, "SECONDS", -1.0)  # every step
    folder = tmp_path / "logs"
    arguments = [*track_arguments(tmp_path, "-q"), "--from", str(paper), "--log-dir", str(folder)]
    arguments[arguments.index("128")] = "640"
    assert main(arguments) == 0 and main([*arguments, "--resume"]) == 0
    for stage, term in (("teacher", "reprojection"), ("student", "distillation")):
        events = EventAccumulator(str(folder / stage)).Reload()
        assert {f"loss/{term}", "loss/cycle", "loss/sum", "learning_rate", "samples_per_second"} == set(
            events.Tags()["scalars"]
        )
        assert [event.step for event in events.Scalars(f"loss/{term}")] == list(range(1, 11))


def test_geometry_stays_exact_where_networks_multiply_in_bfloat16():
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(50, 17, 3, generator=generator)
    turns = random_rotations(50, True, generator, CPU)
    exact = rotate(turns, pose)
    with torch.autocast("cpu", torch.bfloat16):
        generator.manual_seed(0)
        torch.randn(50, 17, 3, generator=generator)
        assert torch.equal(random_rotations(50, True, generator, CPU), turns)
        assert torch.equal(rotate(turns, pose), exact)


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_in_bfloat16_parameters_gradients_and_losses_are_float32(archive, stage):
    config = small(SUPERVISED)
    source = MotionCapture(archive, HUMAN17, config, CPU)
    losses = {}
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(source, config, TrainSettings(precision=precision), CPU)
        trainer.begin(stage)
        losses[precision] = trainer.losses()
        sum(losses[precision].values()).backward()
        tensors = [*trainer.network.parameters(), *(p.grad for p in trainer.network.parameters()), *losses[precision].values()]
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
    for name, value in losses["float32"].items():
        assert losses["bfloat16"][name].item() == pytest.approx(value.item(), rel=0.05), name
