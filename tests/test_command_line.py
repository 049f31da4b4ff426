# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in a terminal: outputs, exit statuses, messages, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from make_clip import write_clip

from poselift.operators.command_line import main

CAMERA = ["--fps", "30", "--size", "1920x1080", "--fov", "50"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "keypoints", frames=24).keypoints


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_lift_writes_a_motion_and_prints_its_report_as_json(clip, tmp_path, capsys):
    assert main(["lift", str(clip), "-o", str(tmp_path / "out.npz"), *CAMERA, "--json", "-q"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)[0]
    assert report["frames"] == 24 and report["output"].endswith("out.npz") and report["reprojection_median"] > 0
    assert printed.err == ""
    with np.load(tmp_path / "out.npz", allow_pickle=False) as data:
        assert data["joints_world"].shape == (24, 17, 3)
    assert left_in(tmp_path) == ["out.npz"]


def test_lift_writes_a_blend_that_holds_the_figure_and_its_camera(bpy, clip, tmp_path):
    output = tmp_path / "out.blend"
    status = main(["lift", str(clip), "-o", str(output), *CAMERA, "--preview", str(tmp_path / "out.png"), "-q"])
    assert status == 0 and left_in(tmp_path) == ["out.blend", "out.png"]
    bpy.ops.wm.open_mainfile(filepath=str(output))
    kinds = sorted(item.type for item in bpy.data.objects)
    assert kinds == ["ARMATURE", "CAMERA", "MESH"]
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 24, 30)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (1920, 1080)
    assert scene.camera is not None


def test_lift_writes_a_bvh_with_every_frame_at_its_rate(bpy, clip, tmp_path):
    assert main(["lift", str(clip), "-o", str(tmp_path / "out.bvh"), *CAMERA, "-q"]) == 0
    text = (tmp_path / "out.bvh").read_text()
    assert "Frames: 24" in text
    rate = float(text.split("Frame Time:")[1].split()[0])
    assert rate == pytest.approx(1 / 30, abs=1e-5)


def test_a_folder_of_clips_becomes_a_folder_and_one_bad_clip_costs_itself_alone(clip, tmp_path, capsys):
    batch = tmp_path / "in"
    for name in ("a", "b"):
        shutil.copytree(clip, batch / name)
    (batch / "c.json").write_text('[{"image_id": 1, "keyp')
    assert main(["lift", str(batch), "-o", str(tmp_path / "out"), "--to", "npz", *CAMERA, "-q"]) == 1
    assert left_in(tmp_path / "out") == ["a.npz", "b.npz", "poselift-report.jsonl"]
    assert "c.json" in capsys.readouterr().err


def test_all_people_are_written_one_by_one(clip, tmp_path):
    assert main(["lift", str(clip), "-o", str(tmp_path / "out.npz"), *CAMERA, "--person", "all", "-q"]) == 0
    assert left_in(tmp_path)[0].startswith("out_")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["lift", "nowhere", "-o", "OUT/x.npz"], 1, "nowhere"),
        (["lift", "CLIP", "-o", "OUT/x.obj"], 2, ".obj"),
        (["lift", "CLIP", "-o", "OUT/no/x.npz"], 2, "does not exist"),
        (["lift", "CLIP", "-o", "OUT/x.npz", "--height", "0"], 2, "height"),
        (["lift", "CLIP", "-o", "OUT/x.npz", "--fps", "fast"], 2, "frame rate"),
        (["lift", "CLIP", "-o", "OUT/x.npz", "--size", "big"], 2, "1920x1080"),
        (["lift", "CLIP", "-o", "OUT/x.npz", "--person", "99"], 1, "people are"),
        (["lift", "CLIP", "CLIP", "-o", "OUT/x.npz"], 2, "one file"),
        (["lift", "CLIP", "-o", "OUT/x.npz", "--weights", "none"], 1, "weights"),
        (["lift", "CLIP"], 2, "--output"),
        (["dance"], 2, "invalid choice"),
        ([], 2, "COMMAND"),
        (["train", "nowhere.npz", "-o", "OUT/w.npz"], 2, "nowhere"),
        (["train", "CLIP", "-o", "OUT/w.pth"], 2, ".npz"),
        (["inspect", "nowhere"], 1, "nowhere"),
    ],
)
def test_bad_usage_is_told_apart_from_failed_inputs(clip, tmp_path, capsys, arguments, status, words):
    filled = [a.replace("CLIP", str(clip)).replace("OUT", str(tmp_path)) for a in arguments]
    assert main(filled) == status
    assert words in capsys.readouterr().err
    assert left_in(tmp_path) == []


def test_a_failed_write_leaves_the_old_file_alone(clip, tmp_path, monkeypatch, capsys):
    target = tmp_path / "out.npz"
    target.write_bytes(b"precious")

    def full(*_args, **_arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    assert main(["lift", str(clip), "-o", str(target), *CAMERA, "-q"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert target.read_bytes() == b"precious" and left_in(tmp_path) == ["out.npz"]


def test_rates_of_broadcast_are_exact_however_they_are_written(clip, tmp_path):
    for written in ("29.97", "30000/1001"):
        arguments = ["lift", str(clip), "-o", str(tmp_path / "out.npz"), "--size", "1920x1080", "--fov", "50", "-q"]
        assert main([*arguments, "--fps", written]) == 0
        with np.load(tmp_path / "out.npz", allow_pickle=False) as data:
            assert data["fps_fraction"].tolist() == [30000, 1001]


def test_inspect_says_what_a_clip_is(clip, capsys):
    assert main(["inspect", str(clip)]) == 0
    text = capsys.readouterr().out
    assert "openpose, layout body_25, 24 frames" in text and "person 1" in text
    assert main(["inspect", str(clip), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["format"] == "openpose" and found[0]["people"][0]["frames"] == 24


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["lift", "CLIP", "-o", "OUT/x.npz", *CAMERA], 1),
        (["train", "CLIP", "-o", "OUT/w.npz"], 2),
        (["evaluate", "CLIP"], 2),
    ],
)
def test_without_torch_the_user_is_told_what_to_do(clip, tmp_path, arguments, status):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from poselift.operators.command_line import main; sys.exit(main(sys.argv[1:]))"
    )
    filled = [a.replace("CLIP", str(clip)).replace("OUT", str(tmp_path)) for a in arguments]
    done = subprocess.run([sys.executable, "-c", program, *filled], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "PyTorch is needed" in done.stderr and "Traceback" not in done.stderr
    assert left_in(tmp_path) == []
