# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken and hostile input: a typed error that names file and place, or a right result; never a crash or a hang."""

from __future__ import annotations

import io
import json
import pickle
import time
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import make_clip
import numpy as np
import pytest
from mutations import byte_mutation

from poselift.core.cleaning import clean
from poselift.core.errors import PoseliftError, ReadError
from poselift.core.layouts import BODY_25, COCO_17, to_canonical
from poselift.core.readers import numpy_files, read, track_npz
from poselift.core.track import KeypointTrack

BODY = np.c_[make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(1, 30)), BODY_25)[0], np.full(25, 0.8)]
GOOD = BODY.round(3).ravel().tolist()


def people(*keypoints: object) -> str:
    return json.dumps({"people": [{"pose_keypoints_2d": k} for k in keypoints]})


def clip(folder: Path, *texts: str | bytes) -> Path:
    """Write the frames of a clip; those after the first are what is tested."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"clip_{number:04d}.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file or folder") as caught:
        read(tmp_path / "nowhere")
    assert caught.value.path == tmp_path / "nowhere"


def test_an_empty_folder_and_an_empty_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="holds no frame files"):
        read(tmp_path)
    (tmp_path / "a.json").touch()
    with pytest.raises(ReadError, match=r"a\.json.*empty"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (people(GOOD)[:-20], "not complete JSON", "line 1, column"),
        ("", "not complete JSON", "line 1"),
        ("[1, 2]", "no list 'people'", ""),
        ("{}", "no list 'people'", ""),
        ('"text"', "no list 'people'", ""),
        ('{"people": 3}', "no list 'people'", ""),
        ('{"people": {"0": []}}', "no list 'people'", ""),
        ('{"people": [7]}', "must be an object, not int", "person 1"),
        ('{"people": [{"face_keypoints_2d": []}]}', "no 'pose_keypoints_2d'", "person 1"),
        (people(GOOD, GOOD[:-1]), "74 numbers is none of the known lengths", "person 2"),
        (people(GOOD[:54]), "54 numbers, after lists of 75", "person 1"),
        (people({"x": 1}), "list of numbers, not dict", "person 1"),
        (people("abc"), "list of numbers, not str", "person 1"),
        (people([*GOOD[:-1], "0.5"]), "no number", "person 1"),
        (people([*GOOD[:-1], None]), "no number", "person 1"),
        (people([*GOOD[:-1], [1]]), "no number", "person 1"),
        (people([*GOOD[:-1], 10**400]), "no number", "person 1"),
        ("[" * 100_000, "JSON|deeply", ""),
        ('{"people": [' + "9" * 5000 + "]}", "not JSON", ""),
        (b"\xff\xfe\x00{", "not JSON|not complete JSON", ""),
    ],
    ids=range(20),
)
def test_a_broken_frame_is_named_with_the_place(tmp_path: Path, text: str | bytes, message: str, place: str) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        read(clip(tmp_path, people(GOOD), text))
    assert caught.value.path == tmp_path / "clip_0001.json"
    assert place in caught.value.place


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", "-3e9"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["x", "y", "score"])
def test_numbers_that_are_none_make_a_keypoint_missing(tmp_path: Path, value: str, place: int) -> None:
    text = people([*GOOD[:30], *("?" * 3), *GOOD[33:]])
    three = ["100.0", "200.0", "0.5"]
    three[place] = value
    text = text.replace('"?", "?", "?"', ", ".join(three))
    track = read(clip(tmp_path, people(GOOD), text))[0]
    expected = np.ones((2, 25), bool)
    # A score of 1e300 is finite, and so above 1: the keypoint counts, with a note.
    expected[1, 10] = place == 2 and value == "1e300"
    np.testing.assert_array_equal(track.observed, expected)


def test_nobody_anywhere_is_an_error_and_nobody_somewhere_is_a_gap(tmp_path: Path) -> None:
    zero = [0.0] * 75
    with pytest.raises(ReadError, match="nobody is seen in any of 2 frames"):
        read(clip(tmp_path / "a", people(zero), people()))
    track = read(clip(tmp_path / "b", people(zero), people(GOOD), people(), people(GOOD)))[0]
    np.testing.assert_array_equal(track.observed.any(1), [False, True, False, True])


def test_scaled_coordinates_are_refused_with_advice(tmp_path: Path) -> None:
    scaled = (np.reshape(GOOD, (25, 3)) / [1920, 1080, 1]).ravel().tolist()
    with pytest.raises(ReadError, match="keypoint_scale"):
        read(clip(tmp_path, people(scaled)))


def test_two_clips_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    clip(tmp_path, people(GOOD))
    (tmp_path / "other_0000.json").write_text(people(GOOD))
    with pytest.raises(ReadError, match="both frame 0"):
        read(tmp_path)


def test_a_numbering_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    clip(tmp_path, people(GOOD))
    (tmp_path / "clip_900000000000.json").write_text(people(GOOD))
    with pytest.raises(ReadError, match="900000000000"):
        read(tmp_path)


def test_files_without_numbers_have_no_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(people(GOOD))
    with pytest.raises(ReadError, match="no frame number"):
        read(tmp_path)


def test_unicode_names_and_other_files_in_the_folder_do_no_harm(tmp_path: Path) -> None:
    folder = clip(tmp_path / "Läufer 走 🏃", people(GOOD), people(GOOD))
    (folder / "läufer_٣_0002.json").write_text(people(GOOD))
    (folder / "._clip_0001.json").write_bytes(b"\x00\x05\x16\x07")
    (folder / "notes.txt").write_text("hello")
    assert len(read(folder)[0]) == 3


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    track = read(clip(tmp_path, people(GOOD)))[0]
    cleaned, _ = clean(to_canonical(track))
    assert cleaned.observed.sum() == 15


def test_two_people_are_two_tracks_the_larger_first(tmp_path: Path) -> None:
    small = (BODY * [0.4, 0.4, 1] + [1200, 300, 0]).ravel().tolist()
    frames = [people(*((GOOD, small) if n % 2 else (small, GOOD))) for n in range(6)]
    tracks = read(clip(tmp_path, *frames))
    assert len(tracks) == 2
    np.testing.assert_allclose(tracks[0].keypoints, np.broadcast_to(BODY[:, :2], (6, 25, 2)), atol=1e-3)
    assert np.ptp(tracks[1].keypoints, axis=0).max() < 1e-9


def test_ten_thousand_frames_are_read_in_seconds(tmp_path: Path) -> None:
    text = people(GOOD).encode()
    for number in range(10_000):
        (tmp_path / f"{number}.json").write_bytes(text)
    start = time.perf_counter()
    tracks = read(tmp_path)
    assert (len(tracks), len(tracks[0])) == (1, 10_000)
    assert tracks[0].observed.all()
    assert time.perf_counter() - start < 20


ENTRY = {"image_id": 1, "category_id": 1, "keypoints": GOOD[:51], "score": 0.9}


@pytest.mark.parametrize(
    ("entries", "message", "place"),
    [
        ([], "empty: nobody is seen", ""),
        ([ENTRY, 5], "object with 'image_id'", "entry 2"),
        ([ENTRY, {"image_id": 2}], "object with 'image_id'", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": "none"}], "'image_id' must be a frame's number", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": 1.5}], "'image_id' must be a frame's number", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": True}], "'image_id' must be a frame's number", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": -3}], "'image_id' must be a frame's number", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": 10**30}], "'image_id' must be a frame's number", "entry 2"),
        ([ENTRY, ENTRY | {"image_id": 10**9}], "frame numbers run from 1 to 1000000000", ""),
        ([ENTRY, ENTRY | {"keypoints": GOOD[:50]}], "50 numbers", "entry 2"),
        ([ENTRY, ENTRY | {"keypoints": None}], "list of numbers, not NoneType", "entry 2"),
        ([ENTRY | {"keypoints": [0] * 51}], "nobody is seen", ""),
    ],
    ids=range(12),
)
def test_broken_results_are_named_with_the_entry(tmp_path: Path, entries: list, message: str, place: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ReadError, match=message) as caught:
        read(path, file_format="coco")
    assert caught.value.path == path
    assert caught.value.place == place


GOOD_ARRAYS = {
    "keypoints": np.full((3, 17, 2), 5.0) + np.arange(17)[:, None] * 9,
    "scores": np.full((3, 17), 0.5),
    "joint_names": np.array(COCO_17.joint_names),
    "fps": np.array(30.0),
    "image_size": np.array([100, 100]),
}


@pytest.mark.parametrize(
    ("changes", "message", "place"),
    [
        ({"keypoints": None}, "no array 'keypoints'", ""),
        ({"keypoints": np.zeros((3, 17))}, "is needed", "keypoints"),
        ({"keypoints": np.zeros((3, 17, 3))}, "is needed", "keypoints"),
        ({"keypoints": np.zeros((0, 17, 2))}, "is needed", "keypoints"),
        ({"keypoints": np.array("abc")}, "numbers are needed", "keypoints"),
        ({"keypoints": np.full((3, 17, 2), 1j)}, "numbers are needed", "keypoints"),
        ({"keypoints": np.array([{}, []], dtype=object)}, "pickled objects", "keypoints"),
        ({"joint_names": np.array(["a", 1], dtype=object)}, "pickled objects", "joint_names"),
        ({"scores": np.zeros((3, 16))}, "does not fit", "scores"),
        ({"scores": np.zeros((17, 3))}, "does not fit", "scores"),
        ({"scores": np.zeros((3, 17))}, "nobody is seen in any of 3 frames", ""),
        ({"keypoints": np.full((3, 17, 2), np.nan)}, "nobody is seen in any of 3 frames", ""),
        ({"joint_names": np.array(["a", "b"])}, "2 names for 17 joints", "joint_names"),
        ({"joint_names": np.array(["a"] * 17)}, "names a joint twice", "joint_names"),
        ({"joint_names": np.array([f"j{n}" for n in range(17)]), "parents": np.arange(17)}, "no way to a root", "joint_names"),
        ({"fps": np.array(0.0)}, "impossible", "fps"),
        ({"fps": np.array(np.nan)}, "finite", "fps"),
        ({"fps": np.array("fast")}, "numbers are needed", "fps"),
        ({"fps_fraction": np.array([30, 0])}, "impossible", "fps_fraction"),
        ({"fps_fraction": np.array([30])}, "numerator", "fps_fraction"),
        ({"image_size": np.array([0, 100])}, "impossible", "image_size"),
        ({"image_size": np.array([100, 100, 3])}, "width, height", "image_size"),
        ({"times": np.array([0.0, 2.0, 1.0])}, "rising", ""),
        ({"camera_matrix": np.zeros((3, 3))}, "camera matrix", "camera_matrix"),
        ({"camera_matrix": np.eye(3), "image_size": None}, "image_size", "camera_matrix"),
        ({"camera_matrix": np.eye(3), "distortion": np.zeros(7)}, "distortion", "camera_matrix"),
        ({"persons": np.array(["a", "b"])}, "1 people", "persons"),
    ],
    ids=range(27),
)
def test_broken_arrays_are_named(tmp_path: Path, changes: dict, message: str, place: str) -> None:
    arrays = {key: value for key, value in (GOOD_ARRAYS | changes).items() if value is not None}
    path = tmp_path / "track.npz"
    np.savez(path, **arrays)
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert caught.value.path == path
    assert caught.value.place == place


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        return (Path.touch, (Path("poselift-was-here"),))


def test_pickles_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", **(GOOD_ARRAYS | {"keypoints": np.array([Trap()], dtype=object)}))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("keypoints.npy", pickle.dumps(Trap()))
    for name in ("a.npz", "b.npz", "c.npz"):
        for file_format in ("auto", "track"):
            with pytest.raises(ReadError):
                read(tmp_path / name, file_format=file_format)
    assert not (tmp_path / "poselift-was-here").exists()


def npy_header(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "shape", ["(1000000000000, 17, 2)", "(10000000000000000000000, 2, 2)", "(-1, 17, 2)", "('a',)", "()()"]
)
def test_headers_that_lie_about_their_size_are_refused(tmp_path: Path, shape: str) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("keypoints.npy", npy_header(shape) + bytes(64))
    with pytest.raises(ReadError, match=r"t\.npz"):
        read(tmp_path / "t.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_files, "MAX_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "t.npz", **(GOOD_ARRAYS | {"keypoints": np.ones((4000, 17, 2))}))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("the archive was opened"))
    with pytest.raises(ReadError, match="GiB unpacked"):
        read(tmp_path / "t.npz")


def small_clips(folder: Path) -> dict[str, tuple[Path, bytes]]:
    """Return one small valid file per format, as (path, content)."""
    clips = (
        make_clip.write_clip(folder / "op", frames=4).keypoints,
        make_clip.write_clip(folder / "co", 4, layout="coco_17").keypoints,
    )
    track_npz.write(folder / "t.npz", [KeypointTrack(GOOD_ARRAYS["keypoints"], GOOD_ARRAYS["scores"], COCO_17, Fraction(30))])
    buffer = io.BytesIO()
    np.savez(buffer, **GOOD_ARRAYS)
    return {
        "openpose": (folder / "one.json", min(clips[0].iterdir()).read_bytes()),
        "coco": (folder / "results.json", clips[1].read_bytes()),
        "track": (folder / "track.npz", (folder / "t.npz").read_bytes()),
        "uncompressed track": (folder / "plain.npz", buffer.getvalue()),
    }


@pytest.mark.parametrize("name", ["openpose", "coco", "track", "uncompressed track"])
def test_mutations_give_a_typed_error_or_a_track(tmp_path: Path, name: str) -> None:
    path, content = small_clips(tmp_path)[name]
    path.write_bytes(content)
    assert read(path)
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(500):
        path.write_bytes(byte_mutation(content, rng))
        for file_format in ("auto", name.split()[-1]):
            try:
                for track in read(path, file_format=file_format):
                    clean(track)
            except PoseliftError as error:
                refused += 1
                assert str(error)
                assert "\n" not in str(error)
    assert refused > 300
