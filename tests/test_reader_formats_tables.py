# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and arrays: told by content, and the same track from every one of them."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import write_tables
from write_detections import Seen, motion

from poselift.core.errors import ReadError
from poselift.core.layouts import COCO_17, to_canonical
from poselift.core.readers import detect_format, find_clips, read
from poselift.core.readers.pickled_names import pickled_names

pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Two people, the second fainter and to the side, with missing keypoints."""
    exact = motion("coco_17", 20)
    keypoints = np.concatenate([exact.keypoints, exact.keypoints + [350, 20]])
    scores = np.where(np.random.default_rng(3).random(keypoints.shape[:3]) < 0.1, 0.0, [[[0.9]], [[0.5]]])
    return Seen(keypoints, scores, Fraction(30))


@pytest.mark.parametrize("name", list(write_tables.WRITERS))
def test_every_table_gives_the_track_that_was_written(tmp_path: Path, seen: Seen, name: str) -> None:
    form, everybody, writer = write_tables.WRITERS[name]
    path = writer(tmp_path / "clip", seen)
    assert detect_format(path) == form
    assert find_clips(path) == [path]
    tracks = read(path)
    assert len(tracks) == (2 if everybody else 1)
    for track, keypoints, scores in zip(tracks, seen.keypoints, seen.scores, strict=False):
        assert track.skeleton == COCO_17
        assert len(track) == 20
        at = [
            p
            for p in range(2)
            if np.nanmedian(np.abs(track.keypoints - np.where(seen.scores[p][..., None] > 0, seen.keypoints[p], np.nan))) < 1
        ]
        keypoints, scores = seen.keypoints[at[0]], seen.scores[at[0]]
        np.testing.assert_array_equal(track.observed, scores > 0)
        assert np.nanmax(np.abs(track.keypoints - keypoints)) < 1e-3
        scored = not any("no scores" in note for note in track.notes)
        assert scored == (name not in ("sports2d", "csv_german"))
        if scored:
            np.testing.assert_allclose(track.scores, scores, atol=1e-3)
        exact = to_canonical(track.replace(keypoints=keypoints, scores=np.where(track.observed, track.scores, 0)))
        assert np.nanmax(np.abs(to_canonical(track).keypoints - exact.keypoints)) < 0.5


def test_people_keep_the_names_that_the_file_gives_them(tmp_path: Path, seen: Seen) -> None:
    expected = {"deeplabcut_multi": ["person1", "person2"], "sleap": ["track_0", "track_1"], "sports2d": ["0", "1"]}
    for name, people in expected.items():
        path = write_tables.WRITERS[name][2](tmp_path / name, seen)
        assert sorted(track.person for track in read(path)) == people


def test_times_and_rates_are_kept(tmp_path: Path, seen: Seen) -> None:
    track = read(write_tables.csv_wide(tmp_path / "a", seen))[0]
    np.testing.assert_allclose(track.times, np.arange(20) / 30, atol=1e-6)
    assert read(write_tables.sports2d(tmp_path / "b", seen))[0].fps == 30


def test_names_of_no_known_layout_are_taken_by_what_they_mean(tmp_path: Path, seen: Seen) -> None:
    names = ["Nose", "LeftEar", "RightEar", "shoulder.L", "shoulder.R", "HandLeft", "hand_right", "tail"]
    joints = [0, 3, 4, 5, 6, 9, 10, 13]
    rows = [["frame", *(f"{n}.{a}" for n in names for a in "xy")]]
    rows += [[t, *(f"{v:.3f}" for j in joints for v in seen.keypoints[0, t, j])] for t in range(20)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    canonical = to_canonical(read(path)[0])
    for joint, source in (("l_shoulder", 5), ("r_wrist", 10), ("l_wrist", 9)):
        at = canonical.skeleton.index(joint)
        np.testing.assert_allclose(canonical.keypoints[:, at], seen.keypoints[0, :, source], atol=1e-3)
    assert not canonical.observed[:, canonical.skeleton.index("l_knee")].any()


def test_numbered_columns_are_told_by_their_count(tmp_path: Path, seen: Seen) -> None:
    header = ["frame", *(f"{a}{n}" for n in range(17) for a in ("x", "y", "c"))]
    rows = [[t, *(f"{v:.3f}" for j in range(17) for v in (*seen.keypoints[0, t, j], 0.8))] for t in range(20)]
    path = tmp_path / "numbered.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))
    track = read(path)[0]
    assert track.skeleton == COCO_17
    assert any("coco_17" in note and "human17" in note for note in track.notes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [*lines[:3], lines[3][: len(lines[3]) // 2]], r"values for \d+ columns.*|line 4"),
        (
            lambda lines: [*lines[:3], lines[3].replace(lines[3].split(",")[5], "abc")],
            "line 4, column '.*': 'abc' is no number",
        ),
        (lambda lines: lines[:1], "no row below the header"),
        (lambda lines: [lines[0], lines[1].replace("0", "-7", 1)], "frame"),
    ],
)
def test_a_broken_table_is_named_with_line_and_column(tmp_path: Path, seen: Seen, spoil, words: str) -> None:
    path = write_tables.csv_wide(tmp_path / "clip", seen)
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    with pytest.raises(ReadError, match=words) as caught:
        read(path)
    assert caught.value.path == path


def test_metres_are_no_pixels(tmp_path: Path, seen: Seen) -> None:
    folder = write_tables.sports2d(tmp_path / "clip", seen)
    with pytest.raises(ReadError, match="metres, not places in the image"):
        read(folder / "clip_Sports2D_m_person00.trc")
    places = np.concatenate([seen.keypoints[0], np.full((20, 17, 1), 3.0)], -1)
    np.save(tmp_path / "3d.npy", places)
    with pytest.raises(ReadError, match="places in space"):
        read(tmp_path / "3d.npy")


def test_archives_that_need_unpickling_are_refused_with_the_reason(tmp_path: Path) -> None:
    positions = {"S1": {"walk": [np.zeros((5, 17, 2))]}}
    np.savez(
        tmp_path / "data_2d_custom.npz", positions_2d=np.array(positions, dtype=object), metadata=np.array({}, dtype=object)
    )
    np.savez(tmp_path / "detectron.npz", boxes=np.array([[]], dtype=object), keypoints=np.array([[1]], dtype=object))
    for name in ("data_2d_custom.npz", "detectron.npz"):
        with pytest.raises(ReadError, match="pickled objects, which could run code"):
            read(tmp_path / name)


def test_pickled_names_are_read_without_being_unpickled(tmp_path: Path) -> None:
    names = [("DLC", "nose", "x"), ("DLC", "ear ä", "y")]
    for protocol in range(5):
        assert pickled_names(pickle.dumps(names, protocol), tmp_path, "names") == names

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "poselift-was-here",))

    for protocol in range(5):
        with pytest.raises(ReadError, match="could run code"):
            pickled_names(pickle.dumps([Trap()], protocol), tmp_path, "names")
    assert not (tmp_path / "poselift-was-here").exists()
    for broken in (b"", b"(lp0\n", b"garbage", b"t.", b"a.", b"g9\n.", b"."):
        with pytest.raises(ReadError, match="damaged"):
            pickled_names(broken, tmp_path, "names")
