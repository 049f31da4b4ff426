# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches: several processes give what one gives, a death costs one clip, and a later run goes on where one stopped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import stress_batch
from make_clip import write_clip

from poselift.core import output
from poselift.core.output import remove_leftovers, written_aside
from poselift.operators import batch
from poselift.operators.command_line import main
from poselift.operators.journal import NAME, Journal, content_key

pytest.importorskip("torch")
CAMERA = ["--fps", "30", "--size", "1920x1080", "--fov", "50", "--to", "npz"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of five short clips, two of which are alike."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        write_clip(folder / f"clip{number}", frames=12, seed=number)
    for truth in folder.glob("*_truth.npz"):
        truth.unlink()
    shutil.copytree(folder / "clip0", folder / "again")
    return folder


@pytest.fixture(scope="module")
def one_process(clips, tmp_path_factory):
    """The folder of what one process makes of them."""
    output = tmp_path_factory.mktemp("out") / "one"
    assert main(["lift", str(clips), "-o", str(output), *CAMERA, "-q"]) == 0
    return output


@pytest.fixture(scope="module")
def undisturbed(one_process):
    """What one process makes of them."""
    return arrays_in(one_process)


def arrays_in(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    out = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            out[path.name] = {key: data[key] for key in data.files if key != "report"}
    return out


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        assert found[name].keys() == arrays.keys()
        for key, value in arrays.items():
            np.testing.assert_array_equal(found[name][key], value, err_msg=f"{name} {key}")


def journal_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / NAME).read_text().splitlines()]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "poselift.operators.command_line", *arguments]


def test_two_processes_make_what_one_makes_and_a_bad_clip_costs_itself(clips, undisturbed, tmp_path):
    batch_in = tmp_path / "in"
    shutil.copytree(clips, batch_in)
    (batch_in / "broken.json").write_text('{"people": [')
    output = tmp_path / "out"
    assert main(["lift", str(batch_in), "-o", str(output), *CAMERA, "--jobs", "2", "-q"]) == 1
    assert_same(arrays_in(output), undisturbed)
    lines = journal_of(output)
    assert len(lines) == 6
    errors = [line for line in lines if "error" in line]
    assert len(errors) == 1 and "not complete JSON" in errors[0]["error"]
    assert all(line["people"][0]["frames"] == 12 for line in lines if "error" not in line)


def test_a_resumed_run_does_what_is_left_by_content_not_by_date(clips, undisturbed, tmp_path, capsys):
    batch_in, output = tmp_path / "in", tmp_path / "out"
    shutil.copytree(clips, batch_in)
    run = ["lift", str(batch_in), "-o", str(output), *CAMERA, "--resume"]
    assert main(run) == 0
    os.utime(next((batch_in / "clip1").iterdir()), (1, 1))
    stamps = {path.name: path.stat().st_mtime_ns for path in output.glob("*.npz")}
    assert main(run) == 0
    assert "5 clips are done already, 0 are left" in capsys.readouterr().err
    (output / "clip2.npz").unlink()
    (output / "clip3.npz").write_bytes(b"not what was written")
    shutil.rmtree(batch_in / "clip1")
    shutil.copytree(batch_in / "clip0", batch_in / "clip1")
    assert main(run) == 0
    assert "2 clips are done already, 3 are left" in capsys.readouterr().err
    found = arrays_in(output)
    assert_same(found, undisturbed | {"clip1.npz": found["clip1.npz"]})
    np.testing.assert_array_equal(found["clip1.npz"]["joints_world"], found["clip0.npz"]["joints_world"])
    same = [path.name for path in output.glob("*.npz") if path.stat().st_mtime_ns == stamps[path.name]]
    assert sorted(same) == ["again.npz", "clip0.npz"]
    assert main([*run, "--height", "1.6"]) == 0
    assert "0 clips are done already" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found through /proc")
@pytest.mark.parametrize(("kind", "wait"), [("worker", 2.5), ("run", 3.0), ("parent", 2.0)])
def test_what_is_killed_leaves_whole_files_and_a_resumed_run_makes_the_rest(clips, one_process, tmp_path, kind, wait):
    """As `make stress` does, which kills fifty times and at random; here also: one process makes the same bytes as two."""
    expected = stress_batch.outputs_in(one_process)
    _, wrong = stress_batch.trial(stress_batch.Batch(clips), tmp_path / "out", expected, kind, wait)
    assert len(expected) == 5 and wrong == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_a_worker_that_dies_is_named_with_its_clip_and_costs_no_other(clips, undisturbed, tmp_path, monkeypatch, capsys):
    program = (
        "import os, sys\n"
        "from poselift.operators import command_line, lift_task\n"
        "real = lift_task.read_people\n"
        "def deadly(clip, *rest):\n"
        "    if clip.name == 'clip2':\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return real(clip, *rest)\n"
        "lift_task.read_people = deadly\n"
        "sys.exit(command_line.main())\n"
    )
    monkeypatch.setattr(batch, "worker_command", lambda: [sys.executable, "-c", program, "lift-worker"])
    output = tmp_path / "out"
    assert main(["lift", str(clips), "-o", str(output), *CAMERA, "--jobs", "2", "-q"]) == 1
    assert "clip2: the worker process died (signal SIGKILL)" in capsys.readouterr().err
    assert_same(arrays_in(output), {name: arrays for name, arrays in undisturbed.items() if name != "clip2.npz"})


def test_workers_that_never_come_up_are_named_not_waited_for(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batch, "worker_command", lambda: [sys.executable, "-c", "raise SystemExit('no torch here')"])
    assert main(["lift", str(clips), "-o", str(tmp_path / "out"), *CAMERA, "--jobs", "2", "-q"]) == 2
    assert "no torch here" in capsys.readouterr().err


def test_a_broken_line_of_the_report_costs_that_line(tmp_path):
    path = tmp_path / "report.jsonl"
    journal = Journal(path)
    (tmp_path / "a.npz").write_bytes(b"a")
    journal.add("a", "key", [{"outputs": [str(tmp_path / "a.npz")], "frames": 3}])
    with path.open("a") as file:
        file.write('{"source": "b", "ke')
    Journal(path).add("c", "failed", [{"source": "c", "error": "cannot"}])
    again = Journal(path)
    assert again.finished("key") is not None
    assert again.finished("other key") is None
    assert again.finished("failed") is None
    assert len(path.read_text().splitlines()) == 3


def test_a_key_follows_content_and_names_in_a_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.json").write_text("x")
    assert content_key(tmp_path / "a", "s") == content_key(tmp_path / "b", "s") != content_key(tmp_path / "a", "t")
    (tmp_path / "b" / "1.json").rename(tmp_path / "b" / "2.json")
    assert content_key(tmp_path / "a", "s") != content_key(tmp_path / "b", "s")


@pytest.mark.skipif(os.name == "nt", reason="process numbers are not asked for on Windows")
def test_what_a_dead_process_left_is_removed_and_a_living_ones_stays(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    aside = f".clip.poselift-{output._HOST}-{dead.stdout.strip()}-0123abcd.npz"
    (tmp_path / aside).write_bytes(b"half")
    (tmp_path / aside.replace(output._HOST, "00000000")).write_bytes(b"another computer's, and new")
    old = tmp_path / aside.replace(output._HOST, "11111111")
    old.write_bytes(b"another computer's, and old")
    os.utime(old, (1, 1))
    (tmp_path / ".mine.npz").write_bytes(b"mine")
    with written_aside(tmp_path / "now.npz") as living:
        living.write_bytes(b"whole")
        remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        aside.replace(output._HOST, "00000000"),
        ".mine.npz",
        "now.npz",
    ]
