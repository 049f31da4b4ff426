# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift lift --calibration … --footage …`: what is told beside the keypoints arrives in the motion and in Blender."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_maker import movie
from make_clip import camera, write_clip

from poselift.operators.command_line import main


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "keypoints", frames=24).keypoints


@pytest.fixture
def calibration(tmp_path):
    """Two cameras, the second one the sample clip's."""
    path = tmp_path / "Calib.toml"
    matrix = camera()[0].matrix.tolist()
    other = (camera()[0].matrix * [[0.5], [0.5], [1.0]]).tolist()
    text = "".join(
        f'[{name}]\nname = "{name}"\nsize = [1920.0, 1080.0]\nmatrix = {values}\ndistortions = [0.0, 0.0, 0.0, 0.0]\n'
        for name, values in (("left", other), ("right", matrix))
    )
    path.write_text(text, encoding="utf-8")
    return path


def lift(clip, output, capsys, *options):
    status = main(["lift", str(clip), "-o", str(output), "--json", "-q", *map(str, options)])
    printed = capsys.readouterr()
    # Blender's own line about what it saved comes before the report.
    return status, json.loads(printed.out[printed.out.index("[\n") :])[0] if printed.out else printed.err


def test_a_calibration_gives_what_the_same_camera_by_hand_gives(clip, calibration, tmp_path, capsys):
    status, report = lift(clip, tmp_path / "a.npz", capsys, "--fps", 30, "--calibration", f"{calibration}:right")
    assert status == 0 and "calibration Calib.toml, right" in report["camera"] and report["warnings"] == []
    lift(clip, tmp_path / "b.npz", capsys, "--fps", 30, "--size", "1920x1080", "--fov", 50)
    with np.load(tmp_path / "a.npz") as ours, np.load(tmp_path / "b.npz") as by_hand:
        np.testing.assert_allclose(ours["camera_matrix"], by_hand["camera_matrix"], rtol=1e-12)
        np.testing.assert_allclose(ours["joints_camera"], by_hand["joints_camera"], atol=1e-9)


def test_the_calibrations_world_says_which_way_is_up(clip, calibration, tmp_path, capsys):
    rotation = camera()[1]
    with calibration.open("a", encoding="utf-8") as file:  # the last section is the clip's camera
        file.write(f"rotation = {rotation.tolist()}\ntranslation = [0.0, 0.0, 5.0]\n")
    given = ("--fps", 30, "--calibration", f"{calibration}:right")
    status, report = lift(clip, tmp_path / "a.npz", capsys, *given)
    assert status == 0 and any("which way is up" in note for note in report["notes"])
    with np.load(tmp_path / "a.npz") as motion:
        np.testing.assert_allclose(motion["camera_rotation"][0, :, 2], rotation[:, 2], atol=1e-6)


def test_a_calibration_of_another_size_is_scaled_and_told(clip, calibration, tmp_path, capsys):
    given = ("--fps", 30, "--size", "3840x2160", "--calibration", f"{calibration}:right")
    status, report = lift(clip, tmp_path / "a.npz", capsys, *given)
    assert status == 0 and any("scaled by 2" in note for note in report["notes"])
    with np.load(tmp_path / "a.npz") as data:
        np.testing.assert_allclose(data["camera_matrix"][:2], 2 * camera()[0].matrix[:2], rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calibration", "CALIBRATION"], "left, right"),
        (["--calibration", "CALIBRATION:middle"], "no camera 'middle'"),
        (["--calibration", "CALIBRATION:left", "--fov", "50"], "contradict"),
        (["--calibration", "missing.toml"], "missing.toml"),
        (["--footage", "missing.mp4"], "missing.mp4"),
        (["--footage", "CALIBRATION"], "Calib.toml"),
    ],
)
def test_bad_usage_is_told_before_anything_is_lifted(bpy, clip, calibration, tmp_path, capsys, options, message):
    output = tmp_path / "out.npz"
    status, printed = lift(clip, output, capsys, *(o.replace("CALIBRATION", str(calibration)) for o in options))
    assert status == 2 and message in printed and not output.exists()


def test_one_footage_is_not_several_clips(bpy, clip, tmp_path, capsys):
    film = movie(bpy, tmp_path / "film.mp4")
    status = main(["lift", str(clip), str(clip), "-o", str(tmp_path / "out"), "--footage", str(film), "-q"])
    assert status == 2 and "one by one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def shrunk(openpose: str) -> str:
    """The same detections in an image of a tenth of the size."""
    data = json.loads(openpose)
    for person in data["people"]:
        flat = np.array(person["pose_keypoints_2d"]).reshape(-1, 3) * (0.1, 0.1, 1.0)
        person["pose_keypoints_2d"] = flat.ravel().tolist()
    return json.dumps(data)


def test_footage_gives_rate_and_size_and_is_the_cameras_background(bpy, clip, calibration, tmp_path, capsys):
    film = movie(bpy, tmp_path / "film.mp4", 24, (192, 108), Fraction(30000, 1001))
    output = tmp_path / "out.blend"
    small = tmp_path / "small"
    small.mkdir()
    for path in sorted(Path(clip).iterdir()):
        (small / path.name).write_text(shrunk(path.read_text(encoding="utf-8")), encoding="utf-8")
    status, report = lift(small, output, capsys, "--footage", film, "--calibration", f"{calibration}:right")
    assert status == 0 and report["warnings"] == []
    bpy.ops.wm.open_mainfile(filepath=str(output))
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y) == (192, 108)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(30000 / 1001)
    (background,) = scene.camera.data.background_images
    assert scene.camera.data.show_background_images
    assert Path(bpy.path.abspath(background.clip.filepath)) == film
    assert background.clip.frame_start == scene.frame_start == 1
    assert background.clip.tracking.camera.focal_length_pixels == pytest.approx(camera()[0].fx / 10, rel=1e-5)


def test_keypoints_of_a_part_lie_on_their_frames_of_the_footage(bpy, clip, tmp_path, capsys):
    """Files numbered from 10 on are frames 10 and later of longer footage: its first frame shows ten frames earlier."""
    part = tmp_path / "part"
    part.mkdir()
    for path in sorted(Path(clip).iterdir())[10:20]:
        (part / path.name).write_bytes(path.read_bytes())
    film = movie(bpy, tmp_path / "film.mp4", 24, (64, 36))
    given = ("--size", "1920x1080", "--fps", 60, "--footage", film)
    status, report = lift(part, tmp_path / "out.blend", capsys, *given)
    assert status == 0 and any("run apart" in warning for warning in report["warnings"])
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out.blend"))
    assert bpy.context.scene.camera.data.background_images[0].clip.frame_start == 1 - 10
