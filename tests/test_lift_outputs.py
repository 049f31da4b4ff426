# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lift's outputs go, in which formats, onto whose rig; and what a full disk, a signal or another run leaves of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from make_clip import write_clip
from rigs import armature_of_rig, human_rig

from poselift.core.errors import OutputError
from poselift.core.lifter import weights
from poselift.operators import lift_command, lift_task
from poselift.operators.command_line import main
from poselift.operators.journal import NAME
from poselift.operators.lift_outputs import plan

pytest.importorskip("torch")
CAMERA = ["--fps", "30", "--size", "1920x1080", "--fov", "50"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two folders, each with a clip of the same name."""
    folder = tmp_path_factory.mktemp("clips")
    for number, take in enumerate(("take1", "take2")):
        (folder / take).mkdir()
        write_clip(folder / take / "walk", frames=12, seed=number).truth.unlink()
    return folder


def takes(clips: Path) -> list[str]:
    return [str(clips / take / "walk") for take in ("take1", "take2")]


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "poselift.operators.command_line", *map(str, arguments)]


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_template_names_each_clips_and_persons_file_and_endings_are_formats(bpy, clips, tmp_path):
    out = tmp_path / "out"
    outputs = ["-o", str(out / "{folder}" / "{name}_{person}.bvh"), "-o", str(out / "{folder}-{person}.npz")]
    assert main(["lift", *takes(clips), *outputs, *CAMERA, "--person", "all", "-q"]) == 0
    names = ["take1-1.npz", "take1/walk_1.bvh", "take2-1.npz", "take2/walk_1.bvh"]
    assert written(out) == sorted([NAME, *names])


@pytest.mark.parametrize(
    ("clips", "outputs", "several", "words"),
    [
        (["a/x.json", "b/x.json"], ["OUT"], False, "{folder}"),
        (["a/Walk.json", "b/walk.json"], ["OUT/{name}.npz"], False, "same name"),
        (["a/x.json", "b/y.json"], ["OUT/one.npz"], False, "cannot become the one file"),
        (["a/x.json"], ["OUT/{name}.npz"], True, "{person}"),
        (["a/x.json", "a/x.json"], ["OUT"], False, "same name"),
        (["OUT/x.npz"], ["OUT"], False, "overwrite"),
        (["a/x.json"], ["OUT/x.obj"], False, "'.obj'"),
        (["a/x.json"], ["OUT/none/x.npz"], False, "does not exist"),
    ],
)
def test_outputs_that_would_be_one_file_or_cannot_be_are_refused(tmp_path, clips, outputs, several, words):
    paths = [Path(clip.replace("OUT", str(tmp_path))) for clip in clips]
    with pytest.raises(OutputError) as caught:
        plan(paths, [output.replace("OUT", str(tmp_path)) for output in outputs], [".npz"], None, several)
    assert words in str(caught.value)
    assert written(tmp_path) == []


def test_people_whose_names_are_one_file_name_get_two(tmp_path):
    taken: set[str] = set()
    assert [lift_task._as_file_name(name, taken) for name in ("a/b", "a:b", "A_B", "..")] == ["a_b", "a_b-2", "A_B-3", "_"]


def test_a_lift_onto_the_users_rig_is_a_lift_and_then_a_retarget(bpy, clips, tmp_path):
    from poselift.scene import compat

    armature_of_rig(bpy, human_rig())
    rig = tmp_path / "rig.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(rig))
    clip = takes(clips)[0]
    one, npz, two = (str(tmp_path / name) for name in ("one.blend", "motion.npz", "two.blend"))
    assert main(["lift", clip, "-o", one, "-o", npz, "--onto", str(rig), *CAMERA, "-q"]) == 0
    assert main(["retarget", npz, "--onto", str(rig), "-o", two, "-q"]) == 0
    curves = []
    for file in (one, two):
        bpy.ops.wm.open_mainfile(filepath=file)
        [owner] = [item for item in bpy.data.objects if item.type == "ARMATURE"]
        found = compat.fcurves_of(owner)
        curves.append({(c.data_path, c.array_index): [tuple(k.co) for k in c.keyframe_points] for c in found})
        assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 12)
    assert len(curves[0]) > 40 and curves[0] == curves[1]
    assert main(["lift", clip, "-o", one, "--onto", str(tmp_path / "none.blend"), *CAMERA, "-q"]) == 2
    before = rig.read_bytes()
    assert main(["lift", clip, "-o", str(rig), "--onto", str(rig), *CAMERA, "-q"]) == 2
    assert rig.read_bytes() == before


def test_standard_output_has_the_report_alone_whatever_blender_prints(clips, tmp_path):
    pytest.importorskip("bpy")
    outputs = [part for ending in ("blend", "glb", "fbx") for part in ("-o", tmp_path / f"out.{ending}")]
    done = subprocess.run(
        program("lift", takes(clips)[0], *outputs, *CAMERA, "--json"), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["frames"] == 12
    assert "wrote" in done.stderr


def test_a_defect_of_ours_costs_its_clip_alone(clips, tmp_path, monkeypatch, capsys):
    real = lift_task.read_people

    def broken(clip, *rest):
        if "take1" in str(clip):
            raise ZeroDivisionError("a defect")
        return real(clip, *rest)

    monkeypatch.setattr(lift_task, "read_people", broken)
    outputs = ["-o", str(tmp_path / "{folder}.npz")]
    assert main(["lift", *takes(clips), *outputs, *CAMERA, "-q"]) == 1
    assert "take1/walk: ZeroDivisionError: a defect" in capsys.readouterr().err.replace("\\", "/")
    assert written(tmp_path) == [NAME, "take2.npz"]


def test_resuming_goes_by_the_content_of_files_beside_the_clip_and_survives_a_moved_folder(clips, tmp_path, capsys):
    mine = tmp_path / "mine.npz"
    shutil.copy(weights.find("human17-2d-only"), mine)
    first = tmp_path / "first"
    arguments = ["--to", "npz", *CAMERA, "--weights", str(mine), "--resume"]
    assert main(["lift", takes(clips)[0], "-o", str(first), *arguments]) == 0
    moved = tmp_path / "moved"
    first.rename(moved)
    capsys.readouterr()
    assert main(["lift", os.path.relpath(takes(clips)[0]), "-o", str(moved), *arguments]) == 0
    assert "1 clips are done already" in capsys.readouterr().err
    shutil.copy(weights.find(weights.DEFAULT), mine)
    assert main(["lift", takes(clips)[0], "-o", str(moved), *arguments]) == 0
    assert "0 clips are done already" in capsys.readouterr().err
    assert main(["lift", takes(clips)[0], "-o", str(tmp_path / "x.npz"), *CAMERA, "--resume"]) == 2
    assert "--report" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_and_stops_nothing(clips, tmp_path, capsys):
    report = tmp_path / "none" / "report.jsonl"
    outputs = ["-o", str(tmp_path / "{folder}.npz")]
    assert main(["lift", *takes(clips), *outputs, *CAMERA, "--report", str(report), "-q"]) == 1
    assert "report.jsonl: cannot be written" in capsys.readouterr().err
    assert written(tmp_path) == ["take1.npz", "take2.npz"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for a file's size")
@pytest.mark.parametrize("ending", ["npz", "blend", "bvh", "fbx", "glb"])
def test_a_full_disk_is_an_error_and_no_half_file(clips, tmp_path, ending):
    if ending != "npz":
        pytest.importorskip("bpy")
    target = tmp_path / f"out.{ending}"
    target.write_bytes(b"precious")
    limited = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from poselift.operators import command_line, lift_task\n"
        "write = lift_task._write\n"
        "def full(*given):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    write(*given)\n"
        "lift_task._write = full\n"
        "command_line.program()\n"
    )
    command = [sys.executable, "-P", "-c", limited, "lift", takes(clips)[0], "-o", str(target), *CAMERA, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    said = done.stderr.splitlines()[-1]  # Blender's exporters show their own tracebacks before
    assert f"out.{ending}: cannot be written: " in said and "Traceback" not in said
    assert ending == "blend" or "File too large" in said
    assert target.read_bytes() == b"precious" and written(tmp_path) == [target.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(("jobs", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)])
def test_stopping_a_batch_leaves_whole_files_alone_and_no_worker(clips, tmp_path, jobs, number):
    batch, out = tmp_path / "in", tmp_path / "out"
    for copy in range(30):
        shutil.copytree(takes(clips)[copy % 2], batch / f"clip{copy:02}")
    run = subprocess.Popen(
        program("lift", batch, "-o", out, "--to", "npz", *CAMERA, "--jobs", jobs, "-q"), stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if out.is_dir() and list(out.glob("clip*.npz")):
            break
        time.sleep(0.05)
    run.send_signal(number)
    _, errors = run.communicate(timeout=30)  # a worker that lived on would keep standard error open
    assert run.returncode == 1 and errors.splitlines()[-1] == "poselift: stopped."
    found = [path for path in out.iterdir() if path.name != NAME]
    assert 0 < len(found) < 30
    for path in found:
        assert not path.name.startswith(".")
        with np.load(path) as data:
            assert data["joints_world"].shape == (12, 17, 3)


def test_two_runs_on_one_folder_do_not_disturb_each_other(clips, tmp_path):
    batch, out = tmp_path / "in", tmp_path / "out"
    for copy in range(4):
        shutil.copytree(takes(clips)[copy % 2], batch / f"clip{copy}")
    command = program("lift", batch, "-o", out, "--to", "npz", *CAMERA, "-q", "--resume")
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], errors
    assert written(out) == sorted([NAME, *(f"clip{copy}.npz" for copy in range(4))])
    assert all(json.loads(line)["hashes"] for line in (out / NAME).read_text().splitlines())
    assert (out / "clip0.npz").read_bytes() == (out / "clip2.npz").read_bytes()
    assert main(["lift", str(batch), "-o", str(out), "--to", "npz", *CAMERA, "-q", "--resume"]) == 0


def test_a_folder_may_be_its_own_output_and_be_lifted_again(clips, tmp_path):
    pytest.importorskip("bpy")
    for take in ("take1", "take2"):
        shutil.copytree(clips / take / "walk", tmp_path / take)
    command = program("lift", tmp_path, "-o", tmp_path, "--to", "npz,bvh", *CAMERA, "--resume")
    for expected in ("0 clips are done already, 2 are left", "2 clips are done already, 0 are left"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 and expected in done.stderr and done.stdout == ""
    quiet = subprocess.run([*command, "-q", "--height", "1.6"], capture_output=True, text=True, timeout=120, check=False)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_messages_are_written_above_a_bar_and_the_bar_counts_clips(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    outputs = ["-o", str(tmp_path / "{folder}.npz")]
    assert main(["lift", *takes(clips), *outputs, *CAMERA]) == 0
    shown = capsys.readouterr().err
    assert "/2 [" in shown and "clip" in shown and "solve" in shown
    assert any(line.startswith("wrote") for line in shown.splitlines())
    assert shown.endswith("2 clips: 2 motions, 0 failures.\n")


def test_the_settings_key_forgets_what_changes_nothing(clips, tmp_path):
    seen = []
    for extra in ([], ["--jobs", "2"], ["--quiet"], ["--device", "cpu"], ["--height", "1.6"]):
        parser = lift_options(takes(clips)[0], tmp_path, extra)
        seen.append(lift_command._settings_key(parser))
    assert len(set(seen[:4])) == 1 and seen[4] != seen[0]


def lift_options(clip: str, folder: Path, extra: list[str]):
    from poselift.operators.command_line import build_parser

    options = build_parser().parse_args(["lift", clip, "-o", str(folder), *extra])
    options.arguments = []
    return options
