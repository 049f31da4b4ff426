# SPDX-License-Identifier: GPL-3.0-or-later
"""Training from the panel, in a real Blender: the process it starts, weights of one's own, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from motions import motion_of, walking

from poselift.core.errors import CancelledError, WeightsError
from poselift.core.lifter import weights
from poselift.core.readers import track_npz
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of one's own for weights, as a terminal names it: the module bpy runs no extension."""
    folder = tmp_path / "weights"
    monkeypatch.setenv(weights.ENVIRONMENT, str(folder))
    yield folder
    weights.use_folder(None)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Small weights, as a file."""
    tmp_path = tmp_path_factory.mktemp("small")
    from training_runs import UNLABELLED, small, walking_archive

    from poselift.core.lifter.data import MotionCapture
    from poselift.core.lifter.training import Trainer, TrainSettings, torch

    config, cpu = small(UNLABELLED), torch.device("cpu")
    source = MotionCapture(walking_archive(tmp_path / "mocap.npz"), HUMAN17, config, cpu)
    weights.save(Trainer(source, config, TrainSettings(epoch_samples=64), cpu).weights(), tmp_path / "small.npz")
    return tmp_path / "small.npz"


@pytest.fixture
def clip(tmp_path):
    motion = motion_of(walking(90))
    path = tmp_path / "walk.npz"
    track_npz.write(path, [KeypointTrack(motion.keypoints, motion.scores, HUMAN17)])
    return path


def ready(addon, clip, small, **changes):
    """Import a clip and fill in the panel."""
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    settings = addon.context.scene.poselift_training
    settings.start, settings.epochs, settings.minutes = str(small), 3, 0.0
    for name, value in changes.items():
        setattr(settings, name, value)
    return settings


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@needs_torch
def test_training_makes_weights_that_are_listed_shown_and_used_only_when_chosen(addon, place, small, clip):
    from poselift.operators import own_weights
    from poselift.operators.settings import to_core
    from poselift.operators.training_results import result_of

    settings = ready(addon, clip, small, result="mine")
    addon.context.scene.poselift.rate = "60"
    assert addon.ops.poselift.train() == {"FINISHED"}
    assert files(place) == ["mine.jsonl", "mine.npz"]
    events = [json.loads(line) for line in (place / "mine.jsonl").read_text().splitlines()]
    assert events[0]["poses"] + events[0]["held_out"] + 15 == 90  # a quarter of a second at the rate that the panel knows
    assert own_weights.names_in(place) == weights.own() == ["mine"] and weights.available()[-1] == "mine"
    assert settings.shown == "mine" and addon.context.scene.poselift.weights == ""
    shown = result_of("mine")
    assert any("held out" in line for line in shown.lines) and not shown.can_go_on
    assert shown.history.curves["student"].trained and shown.history.curves["teacher"].held_out
    assert to_core(addon.context.scene.poselift).weights == weights.DEFAULT
    assert addon.ops.poselift.use_weights(name="mine") == {"FINISHED"}
    assert to_core(addon.context.scene.poselift).weights == "mine"
    assert addon.ops.poselift.lift() == {"FINISHED"}
    assert addon.context.object.animation_data.action is not None
    with pytest.raises(RuntimeError, match="weights 'mine' already"):
        addon.ops.poselift.train()
    assert addon.ops.poselift.delete_weights(name="mine") == {"FINISHED"}
    assert files(place) == [] and addon.context.scene.poselift.weights == ""
    with pytest.raises(RuntimeError, match="no weights 'human17-paper' of your own"):
        addon.ops.poselift.delete_weights(name="human17-paper")


@needs_torch
def test_a_stopped_run_keeps_a_checkpoint_says_so_and_goes_on(addon, place, small, clip, tmp_path):
    from poselift.operators import session, train
    from poselift.operators.modal import JobOperator
    from poselift.scene.jobs import Job

    ready(addon, clip, small, result="mine", epochs=4000)
    scene = addon.context.scene

    class Operator:
        resume = False

    def begin(resume):
        Operator.resume = resume
        return session.begin(Job(train.POSELIFT_OT_train.prepare(Operator, addon.context)))

    assert issubclass(train.POSELIFT_OT_train, JobOperator)
    job = begin(False)
    wait_for(lambda: job.progress[0] > 0 or not job.running)
    assert train.running().history.curves["teacher"].trained
    with pytest.raises(RuntimeError, match="Something is running"):
        addon.ops.poselift.train()
    assert not addon.ops.poselift.lift.poll()
    assert addon.ops.poselift.stop_training() == {"FINISHED"}
    with pytest.raises(CancelledError, match=r"mine\.checkpoint is kept, to go on from"):
        job.result()
    session.finish()
    assert files(place) == ["mine.checkpoint", "mine.jsonl"] and train.running() is None
    step = last_step(place)

    job = begin(True)
    wait_for(lambda: (train.running() is not None and last_step(place) > step) or not job.running)
    assert len([line for line in (place / "mine.jsonl").read_text().splitlines() if '"start"' in line]) == 2
    steps = [point[0] for point in train.running().history.curves["teacher"].trained]
    assert steps == sorted(steps)
    job.cancel()
    with pytest.raises(CancelledError):
        job.result()
    session.finish()
    assert scene == addon.context.scene and not list(Path(tmp_path).glob("poselift-train-*"))


def last_step(place):
    events = [json.loads(line) for line in (place / "mine.jsonl").read_text().splitlines()]
    return max(event["step"] for event in events if event["event"] == "progress")


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@needs_torch
def test_errors_of_the_process_are_told_in_its_words(addon, place, small, clip, monkeypatch):
    from poselift.operators import train

    settings = ready(addon, clip, small, result="mine", preset="paper")
    with pytest.raises(RuntimeError, match="another kind of teacher"):
        addon.ops.poselift.train()
    settings.preset = "AUTO"
    monkeypatch.setattr(train, "worker_command", lambda _: [sys.executable, "-c", "raise SystemExit('no torch here')"])
    with pytest.raises(RuntimeError, match="training ended without a result: no torch here"):
        addon.ops.poselift.train()
    monkeypatch.setattr(train, "worker_command", lambda _: ["/no/such/program"])
    with pytest.raises(RuntimeError, match="training cannot be started"):
        addon.ops.poselift.train()
    assert not (place / "mine.npz").exists()


def test_what_is_missing_is_said(addon, place, clip, monkeypatch):
    from poselift.operators import train

    def refused(words):
        assert not addon.ops.poselift.train.poll()
        with pytest.raises(RuntimeError, match=words):
            addon.ops.poselift.train()

    refused("Add clips to train on")
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    settings = addon.context.scene.poselift_training
    for name in ("", "../mine", "a/b", ".hidden", "human17-paper"):
        settings.result = name
        refused("Name the new weights" if name != "human17-paper" else "come with Poselift")
    settings.result = "mine"
    monkeypatch.setattr(train, "has_torch", lambda: False)
    refused("PyTorch is missing")
    monkeypatch.setattr(train, "has_torch", lambda: True)
    addon.ops.poselift.mark_people(use=False)
    refused("Mark whom to train on")
    settings.use_imported = False
    refused("Add clips")
    assert addon.ops.poselift.add_training_clips(directory=str(clip.parent), files=[{"name": clip.name}]) == {"FINISHED"}
    addon.ops.poselift.add_training_clips(directory=str(clip.parent))
    addon.ops.poselift.add_training_clips(directory=str(clip.parent))
    assert [item.path for item in settings.clips] == [str(clip), str(clip.parent)]
    assert addon.ops.poselift.train.poll()
    addon.ops.poselift.remove_training_clip()
    addon.ops.poselift.remove_training_clip()
    assert not addon.ops.poselift.remove_training_clip.poll()


SMALL_LIMIT = 1 << 26


def hostile(path, kind):
    """Write a file that pretends to be weights."""
    with np.load(weights.find("human17-paper")) as data:
        arrays = {key: data[key] for key in data.files}
    header = json.loads(str(arrays["header"]))
    if kind == "pickle":
        np.savez(path, header=np.array([print], dtype=object))
    elif kind == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("header.npy", "w") as member:
            member.write(bytes(2 * SMALL_LIMIT))
    elif kind == "endless":
        header["config"]["teacher"]["blocks"] = 10**9
    elif kind == "wide":
        header["config"]["student"]["channels"] = 10**9
    elif kind == "nested":
        arrays["header"] = np.array("[" * 100_000)
    elif kind == "joints":
        arrays["statistics.mean"] = arrays["statistics.mean"][:-2]
    elif kind == "nan":
        arrays["teacher.dictionary"] = arrays["teacher.dictionary"] * np.nan
    elif kind == "track":
        np.savez(path, keypoints=np.zeros((3, 17, 2)), joint_names=np.array(HUMAN17.joint_names))
    if not path.exists():
        if kind != "nested":
            rest = {key: array for key, array in arrays.items() if key != "header"}
            header["checksum"] = weights._checksum(rest)
            arrays["header"] = np.array(json.dumps(header))
        np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("kind", ["pickle", "bomb", "endless", "wide", "nested", "joints", "nan", "track"])
def test_foreign_and_hostile_files_are_refused_when_they_are_chosen(addon, place, kind, monkeypatch):
    place.mkdir()
    monkeypatch.setattr(weights, "LARGEST", SMALL_LIMIT)
    hostile(place / "bad.npz", kind)
    with pytest.raises(WeightsError, match=r"bad\.npz is not a Poselift weights file"):
        weights.load(place / "bad.npz")
    with pytest.raises(RuntimeError, match="is not a Poselift weights file"):
        addon.ops.poselift.use_weights(name="bad")
    assert addon.context.scene.poselift.weights == ""


def test_the_preferences_folder_is_where_weights_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.ENVIRONMENT, str(tmp_path / "named"))
    assert weights.own_folder() == tmp_path / "named" and weights.own() == []
    weights.use_folder(tmp_path)
    try:
        (tmp_path / "mine.npz").write_bytes(b"")
        (tmp_path / "human17-paper.npz").write_bytes(b"")  # never in the place of what is shipped
        assert weights.own() == ["mine"] and weights.find("human17-paper").parent == weights.FOLDER
        assert weights.find("mine") == tmp_path / "mine.npz" and weights.available() == [*weights.shipped(), "mine"]
    finally:
        weights.use_folder(None)


def test_losses_become_a_picture_in_which_the_later_ones_are_lower():
    from poselift.core.lifter.history import Curve
    from poselift.core.plotting import HELD_OUT, TRAINED, draw_curves

    falling = Curve(100, [(float(t), 1.0 / t) for t in range(1, 101)], [(1.0, 0.9), (100.0, 0.5)])
    picture = draw_curves([falling, Curve()], 200)
    assert picture.shape == (200, 200, 4) and np.isfinite(picture).all() and 0 <= picture.min() <= picture.max() <= 1
    for colour in (TRAINED, HELD_OUT):
        rows, columns = np.nonzero((np.abs(picture[..., :3] - colour) < 0.02).all(-1) & (picture[..., 3] > 0.9))
        assert len(rows) and rows.max() < 100  # in the upper frame
        assert rows[columns > 150].mean() > rows[columns < 50].mean()
    one = draw_curves([Curve(0, [(1.0, float("inf"))], []), Curve(5, [(1.0, 2.0)], [])])
    assert np.isfinite(one).all()


def test_a_picture_of_the_same_name_is_drawn_anew_for_each_version(addon):
    from poselift.scene import preview

    drawn = []

    def draw():
        drawn.append(1)
        return np.full((8, 8, 4), 0.5, np.float32)

    icons = {preview.icon_of("curve", draw, version) for version in (1, 1, 2, 2, 3)}
    assert len(drawn) == 3 and len(icons) == 1
    preview.forget()


def test_a_thread_that_is_stopped_says_in_its_own_words_what_it_kept():
    from poselift.scene.jobs import Job

    going = threading.Event()

    def work(progress):
        try:
            while True:
                progress(0.5, "on")
                going.set()
        except CancelledError:
            raise CancelledError("kept.") from None

    job = Job(work).start()
    going.wait(10)
    job.cancel()
    with pytest.raises(CancelledError, match=r"^kept\.$"):
        job.result()
