# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading OpenPose in bulk: numbers as `float()` has them, names of every kind, lists by shape, and bounded memory."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from poselift.core.errors import ReadError
from poselift.core.layouts import BODY_25
from poselift.core.people import Detections, to_tracks
from poselift.core.people.spreading import over_time
from poselift.core.readers import read
from poselift.core.readers.numbers import parse_lists
from poselift.core.readers.openpose_shape import Shapes
from poselift.core.readers.source import frame_names, numbered_files

WILD = '0123456789..--+eE/:;,, \n\t[]{}"aNI\\\x00\xff'


def number(rng: random.Random) -> str:
    """Return a number as some program writes it."""
    written = (
        lambda: f"{rng.uniform(-10, 2000):.6g}",
        lambda: f"{rng.uniform(0, 1):.6g}",
        lambda: f"{rng.uniform(0, 1e-3):.6g}",
        lambda: f"{rng.uniform(-1, 1) * 10 ** rng.randrange(-3, 10):.{rng.randrange(12)}f}",
        lambda: repr(rng.uniform(-2000, 2000)),
        lambda: str(rng.randrange(-(10 ** rng.randrange(1, 19)), 10 ** rng.randrange(1, 19))),
        lambda: rng.choice(("0", "-0.0", "1.5e3", "2.5E-7", "12345678", "1234567.8", "12345678.9")),
    )
    return rng.choice(written)()


def broken(text: str, rng: random.Random) -> str:
    """Return a text with a letter or two put in, taken out or exchanged."""
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(("", rng.choice(WILD))) + text[at + rng.randrange(2) :]
    return text


def parsed_by_json(lists: list[bytes], width: int) -> np.ndarray | None:
    """Return what Python's JSON makes of the lists; None where they are no such lists of finite numbers."""
    try:
        rows = [json.loads(b"[" + text + b"]") for text in lists]
    except ValueError:
        return None
    if any(len(row) != width or not all(type(value) in (int, float) for value in row) for row in rows):
        return None
    values = np.array(rows, np.float64)
    return values if np.isfinite(values).all() else None


def test_lists_are_parsed_as_python_parses_them_and_nothing_else_is() -> None:
    rng = random.Random(1)
    outcomes = {"parsed": 0, "refused": 0, "left to Python": 0}
    for _ in range(4000):
        width = rng.choice((1, 2, 3, 9))
        rows = [[number(rng) for _ in range(width)] for _ in range(rng.randrange(1, 6))]
        if rng.random() < 0.6:
            row, column = rng.randrange(len(rows)), rng.randrange(width)
            rows[row][column] = broken(rows[row][column], rng)
        lists = [",".join(row).encode("latin1") for row in rows]
        found, right = parse_lists(lists, width), parsed_by_json(lists, width)
        if found is None:
            outcomes["refused" if right is None else "left to Python"] += 1
        else:
            assert right is not None, lists
            assert np.array_equal(found, right), lists
            outcomes["parsed"] += 1
    assert outcomes["parsed"] > 1500
    assert outcomes["refused"] > 1000
    assert outcomes["left to Python"] < 100  # blanks where nobody writes any


@pytest.mark.parametrize("text", [b"01", b"1.", b".5", b"1.2.3", b"-", b"--1", b"1-2", b"1/2", b"", b"0x1", b"1e400", b"00.5"])
def test_what_is_no_json_number_is_no_number(text: bytes) -> None:
    for around in ((), (b"1",), (b"0.123456", b"1234.5678901")):
        assert parse_lists([b",".join((*around, text))], len(around) + 1) is None


@pytest.mark.parametrize(
    "names",
    [
        ["a_000001_keypoints.json", "a_000003_keypoints.json", "a_000002_keypoints.json"],
        ["1.json", "10.json", "9.json"],
        ["5%d_1.json", "5%d_2.json"],
        ["x01.json", "x1.JSON", "x10.json"][::2],
        ["01.json", "2.json", "003.json"],
        ["b7.json", "a9.json", "c8.json"],
        ["prénom 2.json", "prénom 11.json"],
        ["٣ 2.json", "٣ 1.json"],
        ["one.json"],
    ],
)
def test_frames_come_in_the_order_of_their_numbers_however_they_are_named(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".hidden7.json").touch()
    (tmp_path / "notes 3.txt").touch()
    files = numbered_files(tmp_path)
    assert {path.name for _, path in files} == set(names)
    assert all(path.exists() for _, path in files)
    numbers = [number for number, _ in files]
    assert numbers == sorted(numbers)
    found = frame_names(tmp_path)
    assert [found[at : at + 1][0] for at in range(len(found))] == [path.name for _, path in files]


def test_two_names_of_one_number_are_told(tmp_path: Path) -> None:
    for name in ("a1.json", "a01.json"):
        (tmp_path / name).touch()
    with pytest.raises(ReadError, match="are both frame 1"):
        frame_names(tmp_path)


def frame(*people: dict[str, list[float]]) -> bytes:
    return json.dumps({"version": 1.3, "people": list(people)}, separators=(",", ":")).encode()


def test_lists_are_cut_out_person_by_person() -> None:
    one, two = ({"person_id": [-1], "pose_keypoints_2d": [float(n)] * 3, "face_keypoints_2d": []} for n in (1, 2))
    tracked = [one | {"person_id": [7]}, two | {"person_id": [8]}]
    runs = Shapes().cut([frame(one, two), frame(two, one), frame(), frame(*tracked)])
    assert runs is not None
    assert [(run.count, run.people) for run in runs] == [(2, 2), (1, 0), (1, 2)]
    texts = [b"1.0,1.0,1.0", b"2.0,2.0,2.0"]
    assert runs[0].texts_of("body") == [*texts, *texts[::-1]]
    assert runs[0].texts_of("person") == []  # all are -1: nobody is tracked
    assert runs[2].texts_of("person") == [b"7", b"8"]
    assert Shapes().cut([frame(one), b"{}"]) is None


def test_hands_without_a_body_between_whole_people_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {"pose_keypoints_2d": rng.uniform(100, 900, 75).tolist(), "hand_left_keypoints_2d": [0.5] * 63}
    whole["pose_keypoints_2d"][2::3] = [0.5] * 25
    for number, person in enumerate([whole, whole | {"pose_keypoints_2d": []}, whole]):
        (tmp_path / f"{number}.json").write_bytes(frame(person))
    track = read(tmp_path, layout="body_25")[0]
    assert track.observed.any(1).tolist() == [True, False, True]
    assert track.keypoints.shape == (3, 25 + 42, 2)


def scattered(seed: int, frames: int) -> tuple[Detections, list[np.ndarray]]:
    """Return detections of three people, who each miss some frames, and of a few nobody wants."""
    rng = np.random.default_rng(seed)
    seen = rng.random((frames, 4)) < [1.0, 0.7, 0.2, 0.1]
    of, who = np.nonzero(seen)
    found = Detections(rng.normal(size=(len(of), 25, 2)), rng.uniform(0.1, 1, (len(of), 25)), of, frames)
    return found, [np.flatnonzero(who == person) for person in range(3)]


@pytest.mark.parametrize("frames", [1, 2, 7, 5000, 9001])
def test_detections_that_may_be_used_up_give_the_same_tracks(frames: int) -> None:
    found, people = scattered(frames, frames)
    kept = over_time(found, people)
    assert len(found.keypoints) == len(found.frames)
    spent = over_time(found, people, spend=True)
    for one, two in zip(kept, spent, strict=True):
        for a, b in zip(one, two, strict=True):
            assert np.array_equal(a, b, equal_nan=True)
            assert not b.flags.writeable
    assert len(found.keypoints) == len(found.scores) == 0


def test_two_people_take_little_memory_beside_their_tracks() -> None:
    frames, body = 20_000, np.random.default_rng(0).uniform(0, 300, (25, 2))
    tracemalloc.start()
    try:
        keypoints = np.tile(np.stack([body, body + [500, 0]]), (frames, 1, 1)).copy()
        found = Detections(keypoints, np.full((2 * frames, 25), 0.75), np.repeat(np.arange(frames), 2), frames)
        del keypoints
        tracemalloc.reset_peak()
        tracks = to_tracks(found, BODY_25, spend=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [track.coverage for track in tracks] == [1.0, 1.0]
    assert peak < 1.5 * sum(track.keypoints.nbytes + track.scores.nbytes for track in tracks)  # a copy would be twice as much
