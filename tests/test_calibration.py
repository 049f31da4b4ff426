# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration files: every format gives the same camera; every damage gives an error that names the file."""

import json
import time

import numpy as np
import pytest

from poselift.core.calibration import coverage_note, fit_to_image, read_camera, read_cameras, split_reference
from poselift.core.camera import Intrinsics, project
from poselift.core.errors import ReadError
from poselift.core.readers import track_npz
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

MATRIX = [[1681.25, 0.0, 532.97], [0.0, 1680.5, 948.14], [0.0, 0.0, 1.0]]
FLAT = [number for row in MATRIX for number in row]
LENS = [-0.11, 0.06, 0.0012, -0.0008, -0.01]
CAMERA = Intrinsics(1681.25, 1680.5, 532.97, 948.14, 1080, 1920, tuple(LENS))
VECTOR, SHIFT = [0.3, -0.2, 0.9], [0.32, 0.95, 2.89]

FILES = {
    "opencv.yml": f"""%YAML:1.0
---
calibration_time: "Mon 3 Mar 2025 10:11:12 # not a comment"
image_width: 1080
image_height: 1920
flags: 0
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ {FLAT[0]}, 0., {FLAT[2]}, 0.,
       {FLAT[4]}, {FLAT[5]}, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ {LENS[0]}, {LENS[1]}, {LENS[2]:e}, {LENS[3]:e},
       {LENS[4]} ]
avg_reprojection_error: 3.4e-01
per_view:
   - {{ view:0, error:0.3 }}
   - [ 1, 2 ]
   -
      a: 1
""",
    "ros.yaml": f"""image_width: 1080   # pixels
image_height: 1920
camera_name: head_camera
camera_matrix:
  rows: 3
  cols: 3
  data: {FLAT}
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: {LENS}
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
""",
    "opencv.xml": f"""<?xml version="1.0"?>
<opencv_storage>
<image_Width>1080</image_Width><image_Height>1920</image_Height>
<Camera_Matrix type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt>
  <data>{" ".join(map(str, FLAT))}</data></Camera_Matrix>
<Distortion_Coefficients type_id="opencv-matrix"><rows>5</rows><cols>1</cols><dt>d</dt>
  <data>{" ".join(map(str, LENS))}</data></Distortion_Coefficients>
<views><_>1.5</_><_>2.5</_></views>
</opencv_storage>
""",
    "opencv.json": json.dumps(
        {
            "image_size": [1080, 1920],
            "camera_matrix": {"type_id": "opencv-matrix", "rows": 3, "cols": 3, "dt": "d", "data": FLAT},
            "distortion_coefficients": {"type_id": "opencv-matrix", "rows": 1, "cols": 5, "dt": "d", "data": LENS},
        }
    ),
    "plain.json": json.dumps({"cameras": [{"name": "a", "resolution": [1080, 1920], "K": MATRIX, "distCoef": LENS}]}),
    "pose2sim.toml": f"""[cam_01]
name = "cam_01"
size = [ 1080.0, 1920.0]
matrix = {MATRIX}
distortions = {LENS}
rotation = {VECTOR}
translation = {SHIFT}
fisheye = false

[metadata]
adjusted = false
error = 0.0
""",
    "cameras.txt": f"""# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
1 FULL_OPENCV 1080 1920 {FLAT[0]} {FLAT[4]} {FLAT[2]} {FLAT[5]} {LENS[0]} {LENS[1]} {LENS[2]} {LENS[3]} {LENS[4]} 0 0 0
""",
}


def read_calibration(*arguments, **more):
    return read_camera(*arguments, **more).intrinsics


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_camera(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    camera = read_calibration(path)
    points = np.random.default_rng(0).uniform([-0.5, -1, 1], [0.5, 1, 3], (100, 3))
    np.testing.assert_allclose(project(points, camera), project(points, CAMERA), atol=1e-9)
    assert (camera.width, camera.height) == (1080, 1920)
    assert name in camera.source


def test_our_own_track_file_calibrates_too_and_keeps_its_lens_model(tmp_path):
    for camera in (CAMERA, Intrinsics(900.0, 900.0, 500.0, 480.0, 1000, 960, (-0.05, 0.01), model="nuke")):
        track = KeypointTrack(np.full((3, 17, 2), 5.0), np.ones((3, 17)), HUMAN17, image_size=(camera.width, camera.height))
        track_npz.write(tmp_path / "clip.npz", [track.replace(intrinsics=camera)])
        read = read_calibration(tmp_path / "clip.npz")
        assert (read.matrix == camera.matrix).all()
        assert (read.distortion, read.model, read.width) == (camera.distortion, camera.model, camera.width)
    track_npz.write(tmp_path / "bare.npz", [track])
    with pytest.raises(ReadError, match="camera_matrix"):
        read_calibration(tmp_path / "bare.npz")


def test_extrinsics_are_world_to_camera(tmp_path):
    path = tmp_path / "pose2sim.toml"
    path.write_text(FILES[path.name], encoding="utf-8")
    (camera,) = read_cameras(path)
    angle, axis = np.linalg.norm(VECTOR), np.array(VECTOR) / np.linalg.norm(VECTOR)
    np.testing.assert_allclose(camera.rotation @ axis, axis, atol=1e-12)
    assert np.trace(camera.rotation) == pytest.approx(1 + 2 * np.cos(angle))
    across = np.cross(axis, [0.0, 0.0, 1.0])
    assert np.cross(across, camera.rotation @ across) @ axis > 0  # it turns the right way
    np.testing.assert_array_equal(camera.translation, SHIFT)
    np.testing.assert_array_equal(camera.verticals, camera.rotation.T[[2, 1]])


COLMAP = {
    "SIMPLE_PINHOLE 1080 1920 1500 540 960": ((1500, 1500, 540, 960), "opencv", ()),
    "PINHOLE 1080 1920 1500 1510 540 960": ((1500, 1510, 540, 960), "opencv", ()),
    "SIMPLE_RADIAL 1080 1920 1500 540 960 -0.1": ((1500, 1500, 540, 960), "opencv", (-0.1,)),
    "RADIAL 1080 1920 1500 540 960 -0.1 0.02": ((1500, 1500, 540, 960), "opencv", (-0.1, 0.02)),
    "OPENCV 1080 1920 1500 1510 540 960 -0.1 0.02 1e-3 2e-3": ((1500, 1510, 540, 960), "opencv", (-0.1, 0.02, 1e-3, 2e-3)),
    "OPENCV_FISHEYE 1080 1920 1500 1510 540 960 .1 .2 .3 .4": ((1500, 1510, 540, 960), "fisheye", (0.1, 0.2, 0.3, 0.4)),
    "SIMPLE_RADIAL_FISHEYE 1080 1920 1500 540 960 0": ((1500, 1500, 540, 960), "fisheye", (0, 0, 0, 0)),
}


@pytest.mark.parametrize("line", COLMAP)
def test_colmaps_models(tmp_path, line):
    path = tmp_path / "cameras.txt"
    path.write_text(f"# a comment\n7 {line}\n", encoding="utf-8")
    camera = read_calibration(path, "7")
    pinhole, model, lens = COLMAP[line]
    assert ((camera.fx, camera.fy, camera.cx, camera.cy), camera.model) == (pinhole, model)
    kept = camera.distortion[: len(lens)]
    assert kept == lens and not any(camera.distortion[len(lens) :])


def test_several_cameras_want_a_name(tmp_path):
    path = tmp_path / "Calib.toml"
    two = FILES["pose2sim.toml"] + FILES["pose2sim.toml"].replace("cam_01", "cam_02").replace("1681.25", "1500.5").replace(
        "metadata", "metadata2"
    )
    path.write_text(two, encoding="utf-8")
    with pytest.raises(ReadError, match=r"cam_01, cam_02.*FILE:CAMERA"):
        read_calibration(path)
    with pytest.raises(ReadError, match=r"no camera 'cam_03'.*cam_01, cam_02"):
        read_calibration(path, "cam_03")
    assert read_calibration(path, "cam_02").fx == 1500.5
    assert split_reference(f"{path}:cam_02") == (path, "cam_02")
    assert split_reference(str(path)) == (path, None)
    assert split_reference("C:calib.toml")[1] is None


def test_a_stereo_pair_is_two_cameras_without_a_place(tmp_path):
    path = tmp_path / "stereo.json"
    matrices = {
        "M1": MATRIX,
        "D1": LENS,
        "M2": (np.array(MATRIX) * [[2], [2], [1]]).tolist(),
        "D2": [],
        "R": np.eye(3).tolist(),
    }
    path.write_text(json.dumps(matrices | {"R1": np.eye(3).tolist(), "T": [1, 0, 0], "size": [1080, 1920]}), encoding="utf-8")
    first, second = read_cameras(path)
    assert (first.name, second.name) == ("1", "2")
    assert (first.intrinsics.fx, second.intrinsics.fx) == (1681.25, 3362.5)
    assert first.intrinsics.distortion == tuple(LENS) and second.intrinsics.distortion == ()
    assert first.rotation is None and second.translation is None
    assert first.verticals == ()


def test_a_fisheye_is_one(tmp_path):
    path = tmp_path / "Calib.toml"
    path.write_text(
        FILES["pose2sim.toml"].replace("false", "true").replace(str(LENS), "[0.1, 0.01, 0.0, 0.0]"), encoding="utf-8"
    )
    assert read_calibration(path).model == "fisheye"
    ros = tmp_path / "ros.yaml"
    text = FILES["ros.yaml"].replace("plumb_bob", "equidistant").replace("cols: 5", "cols: 4").replace(str(LENS), str(LENS[:4]))
    ros.write_text(text, encoding="utf-8")
    assert (read_calibration(ros).model, read_calibration(ros).distortion) == ("fisheye", tuple(LENS[:4]))


def test_the_image_size_is_asked_for_where_the_file_does_not_say(tmp_path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"K": MATRIX}), encoding="utf-8")
    with pytest.raises(ReadError, match="--size"):
        read_calibration(path)
    assert read_calibration(path, image_size=(1080, 1920)).height == 1920


def test_another_size_is_scaled_where_it_is_the_same_picture_and_told_where_not():
    half, note = fit_to_image(CAMERA, (540, 960))
    assert (half.fx, half.cy, half.width) == (CAMERA.fx / 2, CAMERA.cy / 2, 540)
    assert "scaled by 0.5" in note
    assert fit_to_image(CAMERA, None) == (CAMERA, "") == fit_to_image(CAMERA, (1080, 1920))
    kept, note = fit_to_image(CAMERA, (1088, 1920))
    assert kept == CAMERA and "check" in note


def test_a_lens_model_that_ends_inside_the_image_is_told():
    assert coverage_note(CAMERA) == ""
    folded = Intrinsics(600, 600, 540, 960, 1080, 1920, (-0.3,))
    assert "% of the image only" in coverage_note(folded)


WRONG = {
    "nothing at all": ("a.yml", "", "empty"),
    "no camera": ("a.toml", "[x]\ny = 1\n", "no camera matrix"),
    "prose": ("a.txt", "Dear reader,\nthis is no calibration.\n", "no calibration"),
    "cut off": ("a.yml", FILES["opencv.yml"][:240], "cut off"),
    "cut-off XML": ("a.xml", FILES["opencv.xml"][:200], "XML"),
    "cut-off JSON": ("a.json", FILES["opencv.json"][:80], "line 1"),
    "skew": ("a.json", json.dumps({"K": [[900, 50, 5], [0, 900, 5], [0, 0, 1]], "size": [10, 10]}), "camera matrix"),
    "six numbers": ("a.json", json.dumps({"camera_matrix": {"rows": 2, "cols": 3, "data": [1] * 6}}), "3 rows of 3"),
    "too few numbers": ("a.json", json.dumps({"camera_matrix": {"rows": 3, "cols": 3, "data": [1] * 6}}), "do not fill"),
    "NaN": ("a.json", '{"K": [NaN,0,1,0,1,1,0,0,1], "size": [10, 10]}', "NaN"),
    "no focal length": ("a.json", json.dumps({"K": [0, 0, 5, 0, 0, 5, 0, 0, 1], "size": [10, 10]}), "positive"),
    "normalised": ("a.json", json.dumps({"K": [1.2, 0, 0.5, 0, 1.2, 0.5, 0, 0, 1], "size": [1920, 1080]}), "none in pixels"),
    "a tilted sensor": ("a.json", json.dumps({"K": MATRIX, "size": [9, 9], "dist": [0.1] * 14}), "14 distortion"),
    "entities": ("a.xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "refused"),
    "deep JSON": ("a.json", '{"a":' * 5000 + "1" + "}" * 5000, "deep"),
    "deep YAML": ("a.yml", "%YAML:1.0\na: " + "[" * 5000, "cut off"),
    "deeper YAML": ("a.yml", "%YAML:1.0\na: " + "[" * 5000 + "]" * 5000, "deep"),
    "an unknown model": ("cameras.txt", "1 FOV 10 10 1 2 3 4 5\n", "FOV"),
    "a short line": ("cameras.txt", "1 OPENCV 10 10 1 2 3\n", "8 finite numbers"),
    "a mirror": (
        "a.json",
        json.dumps({"K": MATRIX, "size": [9, 9], "R": np.diag([1, 1, -1]).tolist(), "t": [0] * 3}),
        "no rotation",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said(tmp_path, kind):
    name, text, message = WRONG[kind]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match=message) as caught:
        read_calibration(path)
    assert name in str(caught.value)


def test_no_file_no_folder_no_binary(tmp_path):
    (tmp_path / "binary.yml").write_bytes(bytes(range(256)))
    for path in (tmp_path, tmp_path / "missing.toml", tmp_path / "binary.yml"):
        with pytest.raises(ReadError, match=path.name):
            read_calibration(path)


def mutated(text: str, rng: np.random.Generator) -> bytes:
    """Damage a text as transfers, editors and attackers do."""
    data = bytearray(text.encode())
    for _ in range(rng.integers(1, 5)):
        at, kind = int(rng.integers(0, max(len(data), 1))), rng.integers(0, 8)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at : at + 1] = bytes([int(rng.integers(0, 256))])
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            data[at:at] = data[max(0, at - 60) : at]
        elif kind == 4:
            data[at:at] = bytes(rng.choice(list(b"[]{}\"':,.-+#<>/\n\t 0e")) for _ in range(rng.integers(1, 30)))
        elif kind == 5:
            words = (b"nan", b"-inf", b"1e999", b"9" * 400, b"null", b"!!python/object:os.system", b"\xff\xfe", "名前".encode())
            data[at:at] = words[int(rng.integers(len(words)))]
        elif kind == 6:
            digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
            if digits:
                data[digits[int(rng.integers(len(digits)))]] = 48 + int(rng.integers(10))
        else:
            data[at:at] = rng.choice([b"[", b"{", b"- ", b"a: ", b"<a>"]) * int(rng.integers(1, 2000))
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_give_a_camera_or_an_error_that_names_them(tmp_path, name):
    rng, path, errors = np.random.default_rng(sum(map(ord, name))), tmp_path / name, 0
    start = time.perf_counter()
    for _ in range(150):
        path.write_bytes(mutated(FILES[name], rng))
        try:
            for camera in read_cameras(path, (1080, 1920)):
                assert np.isfinite(camera.intrinsics.matrix).all()
        except ReadError as error:
            errors += 1
            assert name in str(error) and len(str(error)) < 700
    assert errors > 50
    assert time.perf_counter() - start < 60  # a hang, not a slow machine
