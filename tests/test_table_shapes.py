# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and arrays as people really have them: spellings, separators, versions of programs; and what must be refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import write_tables
from write_detections import Seen, motion

from poselift.core.errors import ReadError
from poselift.core.layouts import COCO_17, to_canonical
from poselift.core.readers import detect_format, find_clips, read
from poselift.core.readers.csv_columns import joint_columns, numbered
from poselift.core.skeleton import HUMAN17

FRAMES = 12
NAMES = COCO_17.joint_names


@pytest.fixture
def points() -> np.ndarray:
    """Return the figure's COCO keypoints (T, 17, 2)."""
    return motion("coco_17", FRAMES).keypoints[0]


@pytest.fixture
def seen(points: np.ndarray) -> Seen:
    """Return two people, two gaps in the first."""
    both = np.stack([points, points + [250, 0]])
    scores = np.full(both.shape[:3], 0.9)
    scores[0, 3:5, 9] = 0
    return Seen(both, scores)


def table(points: np.ndarray, style: str = "{name}_{axis}", d: str = ",", extra: Callable[[int], list] = lambda t: [t]) -> str:
    """Return a wide table whose first column is the frame."""
    lines = [d.join(["frame", *(style.format(name=name, axis=axis) for name in NAMES for axis in "xy")])]
    lines += [d.join(map(str, [*extra(t), *(f"{v:.3f}" for v in points[t].ravel())])) for t in range(len(points))]
    return "\n".join(lines) + "\n"


def same(path: Path, points: np.ndarray, tolerance: float = 1e-3) -> bool:
    """Tell whether the first track of a file is the given one."""
    track = read(path)[0]
    return track.skeleton == COCO_17 and bool(np.nanmax(np.abs(track.keypoints - points)) <= tolerance)


@pytest.mark.parametrize(
    "style", ["{name}_{axis}", "{name}.{axis}", "{axis}_{name}", "{name} ({axis})", "{name}[{axis}]", "{name}:{axis} [px]"]
)
def test_columns_are_joints_and_axes_in_any_spelling(tmp_path: Path, points: np.ndarray, style: str) -> None:
    (tmp_path / "a.csv").write_text(table(points, style))
    assert detect_format(tmp_path / "a.csv") == "csv"
    assert same(tmp_path / "a.csv", points)


def test_the_words_of_columns() -> None:
    names = ["LWristX", "LWristY", "LWristScore", "x0", "y0", "c0", "hip_s", "hip_x", "hip_y", "hip_score", "pos_x", "frame"]
    assert joint_columns(names) == {"LWrist": [0, 1, 2], "0": [3, 4, 5], "hip": [7, 8, 9]}
    assert numbered(["kp_0", "landmark 1", "2"]) == [0, 1, 2]
    assert numbered(["nose", "1"]) is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("d", [";", "\t"])
def test_spreadsheets_write_decimal_commas_and_marks(tmp_path: Path, points: np.ndarray, d: str, encoding: str) -> None:
    header, *rows = table(points, d=d).splitlines()
    text = "\r\n".join([header, "", *(row.replace(".", ",") for row in rows), "", ""])
    (tmp_path / "a.csv").write_text(text, encoding=encoding)
    assert same(tmp_path / "a.csv", points)


def test_quotes_blank_lines_and_comments_do_no_harm(tmp_path: Path, points: np.ndarray) -> None:
    header, *rows = table(points).splitlines()
    quoted = [",".join(f'"{cell}"' for cell in line.split(",")) for line in (header, *rows)]
    text = "\n".join(["# made by hand", quoted[0], "", "# half of it", *quoted[1:5], *rows[4:]])
    (tmp_path / "a.csv").write_text(text)
    assert same(tmp_path / "a.csv", points)


def test_what_numpy_saves_with_a_header_is_read(tmp_path: Path, points: np.ndarray) -> None:
    header = table(points).splitlines()[0]
    data = np.c_[np.arange(FRAMES), points.reshape(FRAMES, -1)]
    np.savetxt(tmp_path / "a.csv", data, delimiter=",", header=header)
    assert same(tmp_path / "a.csv", points)


def test_an_empty_cell_is_a_missing_keypoint(tmp_path: Path, points: np.ndarray) -> None:
    rows = [line.split(",") for line in table(points).splitlines()]
    rows[3][1:5], rows[4][-1], rows[5][1] = ["", "", "nan", "None"], "", "NaN"
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    observed = read(tmp_path / "a.csv")[0].observed
    assert [tuple(place) for place in np.argwhere(~observed)] == [(2, 0), (2, 1), (3, 16), (4, 0)]


def test_times_make_the_frames_where_there_is_no_column_of_them(tmp_path: Path, points: np.ndarray) -> None:
    rows = [line.split(",") for line in table(points, extra=lambda t: [f"{40 * t}"]).splitlines()]
    rows = [[*row, "b"] for row in rows[1:]] + [[*row, "a"] for row in rows[1:]]
    header = ["time_ms", *table(points).splitlines()[0].split(",")[1:], "person"]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, [header, *rows])))
    tracks = read(tmp_path / "a.csv")
    assert sorted(track.person for track in tracks) == ["a", "b"]
    np.testing.assert_allclose(tracks[0].times, 0.04 * np.arange(FRAMES), atol=1e-9)


def test_rows_without_a_person_are_linked_by_place(tmp_path: Path, points: np.ndarray) -> None:
    ours = [line.split(",") for line in table(points).splitlines()]
    theirs = [line.split(",") for line in table(points + [400, 0]).splitlines()][1:]
    rows = [
        [*ours[0], "track_id"],
        *([*row, "1"] for row in ours[1:]),
        *([*row, "" if k == 3 else "2"] for k, row in enumerate(theirs)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    tracks = read(tmp_path / "a.csv")
    assert [track.observed.all() for track in tracks] == [True, True]
    assert any("some rows name no person" in note for note in tracks[0].notes)


def test_visibilities_of_coco_count_half_and_fully(tmp_path: Path, points: np.ndarray) -> None:
    header = ["frame", *(f"{name}_{axis}" for name in NAMES for axis in "xyv")]
    visible = np.full((FRAMES, 17, 1), 2.0)
    visible[:, 3], visible[2, 4] = 1, 0
    rows = np.c_[np.arange(FRAMES), np.concatenate([points, visible], -1).reshape(FRAMES, -1)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(header), *(",".join(map(str, row)) for row in rows.tolist())]))
    scores = read(tmp_path / "a.csv")[0].scores
    assert (scores[:, 3] == 0.5).all() and (scores[:, 5] == 1).all() and scores[2, 4] == 0


LONG = "frame,joint,x,y\n" + "".join(f"{t},{name},{10 * k},{20 * k + t}\n" for t in range(3) for k, name in enumerate(NAMES))


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (LONG + "2,nose,3,4\n", "'nose' is there twice in a frame", "line 53, column 'joint'"),
        (LONG.replace("frame,", "take,"), "needs a column 'frame' or 'time'", "line 1"),
        (LONG.replace("1,nose,0", "1.5,nose,0"), "must be a whole number", "line 19, column 'frame'"),
        (LONG.replace("1,nose,0", "-1,nose,0"), "must be a whole number", "line 19, column 'frame'"),
        (LONG.replace("1,nose,0", "1,nose,1_0"), "'1_0' is no number", "line 19, column 'x'"),
        (LONG.replace("1,nose,0", "1,nose,0,0"), "5 cells, but the header has 4", "line 19"),
        (LONG[:-9], "cells, but the header has 4", "line 52"),
        ("frame,joint,x,y\n", "no row below the header", ""),
        ("frame," + "9," * (1 << 23) + "\n1,2,3", "is no row of a table", "line 1"),
        ("frame,x1,y1,x2,y2,x4,y4\n0,1,2,3,4,5,6", "have gaps", ""),
        ("a,b,c\n1,2,3\n", "the header names no keypoints", "line 1"),
        ("frame,person,nose_x,nose_y\n", "no row", ""),
        ("person,nose_x,nose_y\na,1,2\nb,3,4\n", "needs a column 'frame' or 'time'", "line 1"),
    ],
    ids=range(13),
)  # fmt: skip
def test_broken_tables_are_named(tmp_path: Path, text: str, message: str, place: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ReadError, match=message) as caught:
        read(tmp_path / "a.csv", file_format="csv")
    assert (caught.value.path, caught.value.place) == (tmp_path / "a.csv", place)


def test_body_parts_of_nobody_are_left_out_and_labels_are_read_by_image(tmp_path: Path, points: np.ndarray) -> None:
    columns = [("ind1", name, axis) for name in NAMES for axis in "xy"] + [("single", "corner", axis) for axis in "xy"]
    header = [["scorer", "", "", *["Me"] * len(columns)]]
    header += [[row, "", "", *(c[k] for c in columns)] for k, row in enumerate(("individuals", "bodyparts", "coords"))]
    rows = [["labeled-data", "clip", f"img{5 + t:03d}.png", *map(str, points[t].ravel()), "1", "2"] for t in range(FRAMES)]
    path = tmp_path / "CollectedData_Me.csv"
    path.write_text("\n".join(map(",".join, [*header, *rows])))
    assert detect_format(path) == "deeplabcut"
    (track,) = read(path)
    assert (track.person, track.first_frame, track.skeleton) == ("ind1", 5, COCO_17)
    np.testing.assert_allclose(track.keypoints, points)
    assert any("corner" in note for note in track.notes) and any("no scores" in note for note in track.notes)
    path.write_text(path.read_text().replace("coords,,,x,y", "coords,,,x,z"))
    with pytest.raises(ReadError, match="places in space"):
        read(path)


def trc(folder: Path, seen: Seen) -> Path:
    return write_tables.sports2d(folder, seen) / "clip_Sports2D_px_person00.trc"


def changed(path: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """Change the cells of a TRC's rows."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], *("\t".join(change(line.split("\t"))) for line in lines[5:])]))
    return path


def test_a_person_of_sports2d_is_read_alone_or_with_the_others(tmp_path: Path, seen: Seen) -> None:
    path = trc(tmp_path / "clip", seen)
    (alone,) = read(path)
    assert (alone.person, alone.fps, alone.first_frame) == ("0", 30, 0)
    np.testing.assert_allclose(alone.times, np.arange(FRAMES) / 30, atol=1e-5)
    assert len(read(tmp_path / "clip")) == 2
    assert find_clips(tmp_path) == [tmp_path / "clip"]


def test_thousands_of_pixels_of_sports2d_0_4_are_pixels_again(tmp_path: Path, seen: Seen, points: np.ndarray) -> None:
    def older(cells: list[str]) -> list[str]:
        scale = [0.001, -0.001, 1.0]
        return cells[:2] + [str(float(c) * scale[k % 3]) if c else c for k, c in enumerate(cells[2:])]

    (track,) = read(changed(trc(tmp_path / "clip", seen), older))
    assert np.nanmax(np.abs(track.keypoints - points)) < 1e-3
    assert any("thousands of pixels" in note for note in track.notes)


def test_trc_of_motion_capture_are_no_image(tmp_path: Path, seen: Seen) -> None:
    path = trc(tmp_path / "clip", seen)
    metres = path.with_name("renamed.trc")
    metres.write_text(path.with_name("clip_Sports2D_m_person00.trc").read_text())
    with pytest.raises(ReadError, match="metres, not places in the image"):
        read(metres)
    depths = changed(path, lambda cells: cells[:2] + [c if k % 3 < 2 else "850" for k, c in enumerate(cells[2:])])
    with pytest.raises(ReadError, match="have a depth"):
        read(depths)
    optical = path.with_name("walk.trc")
    optical.write_text(path.read_text().replace("clip_Sports2D_px_person00.trc", "walk.trc"))
    with pytest.raises(ReadError, match="3D markers"):
        read(optical)


def test_bare_arrays_tell_human36m_from_coco_by_geometry(tmp_path: Path, points: np.ndarray) -> None:
    coco = to_canonical(read(_saved(tmp_path / "coco.npy", points))[0])
    assert read(tmp_path / "coco.npy")[0].skeleton == COCO_17
    h36m = motion("human17", FRAMES).keypoints[0]
    for name, array in (("a", h36m), ("b", h36m[None]), ("c", np.stack([h36m, h36m + 300], 1))):
        np.savez(tmp_path / f"{name}.npz", reconstruction=array, fps=25)
        track = min(read(tmp_path / f"{name}.npz"), key=lambda track: track.keypoints[0, 0, 0])
        assert (track.skeleton, track.fps, len(track)) == (HUMAN17, 25, FRAMES)
        np.testing.assert_allclose(track.keypoints, h36m)
    limbs = [j for j, name in enumerate(HUMAN17.joint_names) if name[:2] in ("l_", "r_")]
    assert np.nanmax(np.abs(coco.keypoints - h36m)[:, limbs]) < 0.5


def _saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def test_names_and_scores_beside_an_array_are_used(tmp_path: Path, points: np.ndarray) -> None:
    order = np.arange(17)[::-1]
    scores = np.full((FRAMES, 17), 0.4)
    scores[3, 2] = 0
    names = np.array([NAMES[j] for j in order])
    np.savez(tmp_path / "a.npz", kps=points[:, order], confidence=scores, keypoint_names=names, score=np.ones(FRAMES))
    (track,) = read(tmp_path / "a.npz")
    assert track.skeleton == COCO_17 and not track.observed[3, 14] and track.scores.max() == 0.4
    assert np.nanmax(np.abs(track.keypoints - points)) == 0


@pytest.mark.parametrize(
    ("header", "message"),
    [("(1000000000000, 17, 2)", "too short"), ("(-1, 17, 2)", "."), ("(3, 17, 2)", "too short")],
)
def test_a_bare_array_that_lies_about_its_size_is_refused(tmp_path: Path, header: str, message: str) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {header}, }}".encode().ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64))
    with pytest.raises(ReadError, match=message):
        read(tmp_path / "a.npy")


def test_places_in_space_are_refused_also_where_depths_could_be_scores(tmp_path: Path) -> None:
    metres = np.random.default_rng(0).uniform(0, 1.4, (FRAMES, 17, 3)) + [2.0, 0, 0]
    with pytest.raises(ReadError, match="places in space"):
        read(_saved(tmp_path / "a.npy", metres))


def test_sleap_says_the_order_of_its_axes(tmp_path: Path, seen: Seen) -> None:
    h5py = pytest.importorskip("h5py")
    path = write_tables.sleap_h5(tmp_path / "a", seen)
    usual = read(path)
    with h5py.File(path, "a") as file:
        tracks, scores = file["tracks"][...].transpose(3, 0, 2, 1), file["point_scores"][...].transpose(2, 0, 1)
        scores[5, 0, 0] = np.nan  # placed by hand
        del file["tracks"], file["point_scores"]
        file["tracks"], file["point_scores"] = tracks, scores
        file["tracks"].attrs["dims"] = '["frame", "track", "node", "xy"]'
    for track, other in zip(usual, read(path), strict=True):
        np.testing.assert_array_equal(track.keypoints, other.keypoints)
    assert max(track.scores[5, 0] for track in read(path)) == 1.0
    assert usual[0].skeleton == COCO_17


def test_hdf5_reaches_for_no_other_file_and_believes_no_size(tmp_path: Path, seen: Seen) -> None:
    h5py = pytest.importorskip("h5py")
    other = write_tables.sleap_h5(tmp_path / "other", seen)
    for name, spoil in {
        "link": lambda file: file.__setitem__("tracks", h5py.ExternalLink(str(other), "tracks")),
        "huge": lambda file: file.create_dataset("tracks", (1 << 40, 2, 17, 9), chunks=(1, 2, 17, 9)),
        "external": lambda file: file.create_dataset("tracks", (1, 2, 17, 9), "f8", external=[(str(other), 0, 1 << 20)]),
        "compound": lambda file: file.create_dataset("tracks", (1, 2, 17, 9), [("a", "f8")]),
        "flat": lambda file: file.create_dataset("tracks", (7,)),
    }.items():
        path = write_tables.sleap_h5(tmp_path / name, seen)
        with h5py.File(path, "a") as file:
            del file["tracks"]
            spoil(file)
        with pytest.raises(ReadError, match=r"dataset 'tracks'"):
            read(path, file_format="sleap")


def test_a_heap_that_runs_in_a_circle_is_refused(tmp_path: Path, seen: Seen) -> None:
    """The HDF5 library would follow it until the machine's memory is used up."""
    pytest.importorskip("h5py")
    path = write_tables.deeplabcut_fixed_h5(tmp_path / "a", seen)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"HEAP\0\0\0\0")
    free, place = struct.unpack_from("<2Q", content, at + 16)
    assert free != 1
    struct.pack_into("<Q", content, place + free, free)
    path.write_bytes(content)
    with pytest.raises(ReadError, match="in a circle"):
        read(path)


def test_hdf5_of_something_else_and_without_h5py_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["weather"] = [1, 2]
    with pytest.raises(ReadError, match=r"neither DeepLabCut's nor SLEAP's.*weather"):
        read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        for name in ("frames", "instances", "points", "metadata"):
            file[name] = [1]
    with pytest.raises(ReadError, match="export its analysis HDF5"):
        read(tmp_path / "b.h5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ReadError, match="pip install h5py"):
        read(tmp_path / "a.h5")
