# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tuning on one's own clips: what is held out, what is told of it, how it is stopped, how long it may take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from training_runs import UNLABELLED, small, walking_archive, walking_keypoints, walking_track

from poselift.core.errors import SettingsError, TrackError
from poselift.core.lifter import weights
from poselift.core.lifter.comparison import Comparison, Score
from poselift.core.lifter.data import MotionCapture
from poselift.core.lifter.finetune import without_truth
from poselift.core.lifter.held_out import held_out_loss, loss, split
from poselift.core.lifter.history import History
from poselift.core.lifter.time_limit import begun_length, shortened, within
from poselift.core.lifter.tracks import Tracks
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.skeleton import HUMAN17
from poselift.operators.command_line import main

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Small weights that know no 3D, as a file."""
    folder = tmp_path_factory.mktemp("start")
    config = small(UNLABELLED)
    source = MotionCapture(walking_archive(folder / "walk.npz"), HUMAN17, config, CPU)
    weights.save(Trainer(source, config, TrainSettings(epoch_samples=640), CPU).run(), folder / "small.npz")
    return folder / "small.npz"


def piece(length, first=0, fps=30):
    track = walking_keypoints()
    return track.replace(keypoints=track.keypoints[:length], scores=track.scores[:length], fps=Fraction(fps), first_frame=first)


def test_the_end_of_each_clip_is_held_out_and_neighbouring_frames_are_in_neither():
    kept, held = split([piece(200, first=7), piece(100)], 0.2)
    assert [len(track) for track in kept] == [200 - 40 - 8, 100 - 20 - 8]
    assert [(len(track), track.first_frame) for track in held] == [(40, 167), (20, 80)]
    assert np.array_equal(held[0].keypoints, piece(200).keypoints[160:])


def test_of_short_clips_every_so_many_are_held_out_whole():
    clips = [piece(20 + number) for number in range(10)]
    kept, held = split(clips, 0.2)
    assert (len(kept), [len(track) for track in held]) == (8, [24, 29])
    with pytest.raises(TrackError, match="too short to hold out 20%"):
        split(clips[:4], 0.2)
    for share in (0.0, 0.6, float("nan")):
        with pytest.raises(SettingsError, match="share to hold out"):
            split(clips, share)


def trainer_of(start, **changes):
    begun = weights.load(start)
    config = without_truth(begun.config)
    source = Tracks.of([piece(120)], HUMAN17, config, CPU, begun)
    return Trainer(source, config, TrainSettings(epoch_samples=320, precision="float32", **changes), CPU, start=begun)


def test_measuring_the_held_out_loss_changes_nothing_of_the_run(start):
    held = Tracks.of([piece(240)], HUMAN17, without_truth(weights.load(start).config), CPU, weights.load(start))
    values = []

    def look(trainer):
        def progress(_):
            values.append((trainer.stage, held_out_loss(trainer, held)))
            values.append((trainer.stage, held_out_loss(trainer, held)))

        return progress

    for step in (1, 2, 8):  # of every eighth step, the critic's penalty is
        trainer = trainer_of(start)
        for _ in range(step):
            trainer.train_step()
        look(trainer)(None)
    plain, watched = trainer_of(start), trainer_of(start)
    untouched = plain.run()
    looked = watched.run(look(watched))
    for key, array in untouched.arrays.items():
        assert np.array_equal(array, looked.arrays[key]), key
    assert {stage for stage, _ in values} == {"teacher", "student"}
    assert all(one == other for one, other in zip(values[::2], values[1::2], strict=True))
    assert loss({"bones": 1.0, "critic": 5.0, "views": 2.0}) == 1.0


def run(tmp_path, start, *more):
    track = walking_track(tmp_path / "own.npz")
    return ["train", str(track), "-o", str(tmp_path / "tuned.npz"), "--from", str(start), "--epoch-samples", "256", *more]


def test_the_command_compares_before_and_after_and_tells_all_in_json_lines(start, tmp_path, capsys):
    assert main(run(tmp_path, start, "--epochs", "3", "--hold-out", "0.2", "--json")) == 0
    out = capsys.readouterr().out
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == ["start", "finishing", "scoring", "done"]
    assert events[0]["held_out"] == 48 and events[0]["poses"] == 240 - 48 - 8
    assert 0 < events[1]["share"] <= events[-4]["share"] == 1.0 and events[-4]["held_out"] > 0
    compared = Comparison.from_dict(events[-1]["comparison"])
    assert compared.frames == 48 and compared.start == weights.load(start).name
    assert min(compared.before.reprojection, compared.before.bones, compared.before.turned) > 0
    assert compared.before != compared.after
    assert weights.about(tmp_path / "tuned.npz").notes["held_out"] == compared.to_dict()
    history = History()
    assert sum(history.add(line) is not None for line in ["Blender 5.2", '{"a": 1}', "{", *out.splitlines()]) == len(events)
    assert history.curves["teacher"].trained and history.curves["student"].held_out
    assert history.outcome["event"] == "done"


def test_weights_that_change_nothing_score_the_same(start, tmp_path):
    from poselift.core.lifter.held_out import score

    one, frames = score([piece(60)], start, CPU)
    assert (one, frames) == score([piece(60)], start, CPU)
    still = Comparison("small", frames, one, one)
    assert still.verdict() == "No different on your clips: keep 'small'." and set(still.changes().values()) == {0}


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Score(4.0, 1.0, 2.0), "Better on your clips in 2 of 3 measures, worse in none"),
        (Score(5.0, 2.0, 4.0), "Worse on your clips in 1 of 3 measures, better in none: keep 'small'"),
        (Score(4.0, 3.0, 3.0), "Better on your clips in 1 of 3 measures, worse in 1: compare both by eye"),
    ],
)
def test_the_verdict_says_whether_to_keep_them(after, words):
    found = Comparison("small", 40, Score(5.0, 2.0, 3.0) if after.turned != 2.0 else Score(5.0, 1.0, 3.0), after)
    assert found.verdict().startswith(words)
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert any("other than those in your clips may now be lifted worse" in line for line in found.lines())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--hold-out", "0.9"), "share to hold out"),
        (("--time-limit", "0"), "positive number of minutes"),
        (("--time-limit", "nan"), "positive number of minutes"),
    ],
)
def test_impossible_wishes_are_refused_in_both_languages(start, tmp_path, capsys, more, words):
    assert main(run(tmp_path, start, "--json", *more)) == 2
    told = capsys.readouterr()
    assert words in told.err and words in json.loads(told.out)["error"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.npz"]


def test_holding_out_needs_something_to_compare_with_and_tracks(start, tmp_path, capsys):
    track = str(walking_track(tmp_path / "own.npz"))
    assert main(["train", track, "-o", str(tmp_path / "x.npz"), "--hold-out", "0.2"]) == 2
    assert "--from" in capsys.readouterr().err
    archive = str(walking_archive(tmp_path / "walk.npz"))
    assert main(["train", archive, "-o", str(tmp_path / "x.npz"), "--from", str(start), "--hold-out", "0.2"]) == 2
    assert "2D tracks" in capsys.readouterr().err


def test_the_end_of_its_input_stops_a_run_which_goes_on_from_there(start, tmp_path):
    arguments = run(tmp_path, start, "--epochs", "400", "--json", "--watch-input")
    command = [sys.executable, "-m", "poselift.operators.command_line", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "progress" and not process.stdin.closed:
            process.stdin.close()
    assert process.wait(60) == 1
    process.stdout.close()
    assert events[-1]["event"] == "stopped" and "tuned.checkpoint is kept" in events[-1]["message"]
    assert not (tmp_path / "tuned.npz").exists()
    state = torch.load(tmp_path / "tuned.checkpoint", weights_only=True)
    # What a run takes in one go is what it takes in two.
    short = replace(TrainSettings(), checkpoint=tmp_path / "tuned.checkpoint", resume=True)
    assert (begun_length(short, tmp_path / "tuned.checkpoint").epochs, state["stage"]) == (400, "teacher")


def test_a_run_ends_when_its_parent_is_killed(start, tmp_path):
    """The parent of the parent: a program that starts the run and then waits to be killed."""
    arguments = run(tmp_path, start, "--epochs", "4000", "--json", "--watch-input")
    command = [sys.executable, "-m", "poselift.operators.command_line", *arguments]
    code = f"import subprocess\np = subprocess.Popen({command!r}, stdin=subprocess.PIPE)\nprint(p.pid, flush=True)\np.wait()\n"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    for line in parent.stdout:
        if '"progress"' in line:
            break
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while time.monotonic() < end and alive(child):
        time.sleep(0.1)
    assert not alive(child)
    assert (tmp_path / "tuned.checkpoint").is_file() and not (tmp_path / "tuned.npz").exists()


def alive(process):
    """Whether a process still runs; one that has ended but whom nobody has buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_time_limit_shortens_the_schedule_before_it_begins_and_a_resumed_run_keeps_its_length(start, tmp_path):
    assert shortened(TrainSettings(), 2.0, 120, 5000) == TrainSettings()
    assert shortened(TrainSettings(), 0.5, 120, 5000) == TrainSettings(epochs=60, epoch_samples=5000)
    assert shortened(TrainSettings(), 0.01, 120, 5000) == TrainSettings(epochs=12, epoch_samples=500)
    assert shortened(TrainSettings(epochs=4), 0.5, 4, 1000) == TrainSettings(epochs=4, epoch_samples=500)

    def make(settings):
        begun = weights.load(start)
        config = without_truth(begun.config)
        source = Tracks.of([piece(240)], HUMAN17, config, CPU, begun)
        return Trainer(source, config, settings, CPU, start=begun)

    settings = TrainSettings(epoch_samples=64000, epochs=100, precision="float32", checkpoint=tmp_path / "run.checkpoint")
    limited = within(make, settings, 5.0)
    assert 24 <= sum(limited.steps_of(stage) for stage in ("teacher", "student")) < 100_000
    limited.save_state()
    again = within(make, replace(settings, resume=True), 0.001)
    assert again.settings.epoch_samples == limited.settings.epoch_samples and again.config == limited.config
