# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers: every format and layout gives the track that was written, told by content alone."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import make_clip
import numpy as np
import pytest

from poselift.core.camera import Intrinsics, project
from poselift.core.errors import OutputError, ReadError, SettingsError, TrackError
from poselift.core.layouts import (
    BODY_25,
    BODY_25B,
    COCO_17,
    LAYOUTS,
    OPENPOSE_FACE,
    candidates,
    tell_layout,
    to_canonical,
    with_parts,
)
from poselift.core.readers import FORMATS, detect_format, find_clips, read, track_npz
from poselift.core.readers.files import frame_number
from poselift.core.skeleton import HUMAN17, HUMAN26, tree
from poselift.core.track import KeypointTrack


def person(layout=BODY_25, frame: int = 0, shift: float = 0.0) -> list[float]:
    """Return one exact detection as the flat list that detectors write."""
    points = make_clip.body_points(*make_clip.animate(frame + 1, 30))
    exact = make_clip.true_keypoints(points, layout)[frame] + shift
    return np.c_[exact.round(3), np.full(len(exact), 0.75)].ravel().tolist()


def openpose(folder: Path, frames: dict[str, list[list[float]]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, people in frames.items():
        text = json.dumps({"version": 1.3, "people": [{"pose_keypoints_2d": p} for p in people]})
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("layout", ["body_25", "body_25b", "coco_18", "coco_17"])
def test_a_sample_clip_comes_back_as_it_was_written(tmp_path: Path, layout: str) -> None:
    clip = make_clip.write_clip(tmp_path / "clip", frames=90, seed=2, layout=layout)
    track = read(clip.keypoints)[0]
    truth = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(90, 30)), LAYOUTS[layout])
    assert track.skeleton is LAYOUTS[layout]
    assert track.keypoints.shape == truth.shape
    assert (track.fps, track.image_size, track.first_frame) == (None, None, 0)
    assert track.observed.mean() > 0.93
    assert np.nanmedian(np.linalg.norm(track.keypoints - truth, axis=-1)) < 5


@pytest.mark.parametrize("layout", ["body_25b", "coco_18", "coco_17"])
def test_all_layouts_of_the_same_exact_motion_give_the_same_canonical_track(layout: str) -> None:
    points = make_clip.body_points(*make_clip.animate(120, 30))
    tracks = [
        to_canonical(KeypointTrack(exact, np.ones(exact.shape[:2]), skeleton))
        for skeleton in (BODY_25, LAYOUTS[layout])
        for exact in [make_clip.true_keypoints(points, skeleton)]
    ]
    both = tracks[0].observed & tracks[1].observed
    apart = np.linalg.norm(tracks[0].keypoints - tracks[1].keypoints, axis=-1)
    # The upper neck of BODY_25B is seen, that of the others derived: these differ by a centimetre or two.
    rest = np.arange(17) != HUMAN17.index("neck_base") if layout == "body_25b" else slice(None)
    assert both[:, HUMAN17.index("head_joint")].all()
    assert np.nanmax(apart[:, rest]) < 1e-9
    assert np.nanmax(apart) < 9


def random_views(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rotations and translations of cameras all around the figure, some of them rolled and high."""
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(count):
        azimuth, height, roll = rng.uniform(0, 2 * np.pi), rng.uniform(0, 3), rng.normal(0, 0.2)
        place = np.array([4.5 * np.sin(azimuth), 0.5 - 4.5 * np.cos(azimuth), height])
        forward = np.array([0, 0.5, 1]) - place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        rotation = turn @ np.stack([right, np.cross(forward, right), forward])
        views.append((rotation, -rotation @ place))
    return views


@pytest.mark.parametrize("layout", [BODY_25, BODY_25B], ids=lambda layout: layout.name)
def test_layouts_of_equal_length_are_told_apart_from_any_side(layout) -> None:
    rng = np.random.default_rng(4)
    points = make_clip.body_points(*make_clip.animate(300, 30))
    world = np.stack([points[name] for name in layout.joint_names], 1)
    camera = Intrinsics.from_fov(1920, 1080, np.radians(60))
    for rotation, translation in random_views(40, 5):
        start = rng.integers(0, 270)
        keypoints = project(world[start : start + 30] @ rotation.T + translation, camera)
        keypoints += rng.normal(0, 5, keypoints.shape)
        scores = rng.uniform(0.3, 0.9, keypoints.shape[:2]) * (rng.random(keypoints.shape[:2]) > 0.25)
        found, notes = tell_layout(np.where(scores[..., None] > 0, keypoints, np.nan), scores, candidates(25))
        assert found is layout
        assert layout.name in notes[0]
        assert "might" not in notes[0]


def test_the_layout_can_be_overridden_and_must_fit(tmp_path: Path) -> None:
    folder = openpose(tmp_path / "clip", {"0": [person(BODY_25)]})
    assert read(folder)[0].skeleton is BODY_25
    assert read(folder, layout="body_25b")[0].skeleton is BODY_25B
    with pytest.raises(ReadError, match="25 keypoints per person, but the layout 'coco_17' has 17"):
        read(folder, layout="coco_17")
    with pytest.raises(SettingsError, match="'mpii'"):
        read(folder, layout="mpii")
    with pytest.raises(SettingsError, match="'bvh'"):
        read(folder, file_format="bvh")


def test_frames_are_ordered_by_number_and_gaps_in_numbering_are_gaps_in_time(tmp_path: Path) -> None:
    names = {f"take2_{n}_keypoints": [person(shift=10.0 * n)] for n in (9, 10, 11, 14, 100 - 80)}
    track = read(openpose(tmp_path / "clip", names))[0]
    assert track.first_frame == 9
    assert len(track) == 12
    np.testing.assert_array_equal(np.flatnonzero(track.observed.any(1)), [0, 1, 2, 5, 11])
    np.testing.assert_allclose(np.diff(track.keypoints[[0, 1, 2, 5, 11], 0, 0]), [10, 10, 30, 60], atol=0.01)
    assert any("7" in note and "empty frames" in note for note in track.notes)


@pytest.mark.parametrize(
    ("name", "number"),
    [("cam01.0007", 7), ("clip_000000000012_keypoints", 12), ("12", 12), ("take2_0003", 3), ("hands", None), ("9" * 20, None)],
)
def test_frame_numbers_are_the_last_number_of_the_name(name: str, number: int | None) -> None:
    assert frame_number(name) == number


def test_a_single_json_file_is_one_frame(tmp_path: Path) -> None:
    folder = openpose(tmp_path, {"photo": [person()]})
    track = read(folder / "photo.json")[0]
    assert len(track) == 1
    assert track.observed.all()


def test_hands_faces_and_persons_without_a_body_are_passed_over(tmp_path: Path) -> None:
    data = {"people": [{"pose_keypoints_2d": [], "hand_left_keypoints_2d": [1.0] * 63}, {"pose_keypoints_2d": person()}]}
    (tmp_path / "0.json").write_text(json.dumps(data))
    assert len(read(tmp_path)) == 1


def test_hands_and_face_are_kept_behind_the_body(tmp_path: Path) -> None:
    layout = with_parts(BODY_25, True, OPENPOSE_FACE)
    exact = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(6, 30)), layout)
    values = np.concatenate([exact.round(3), np.full((6, len(layout), 1), 0.5)], -1)
    for t, row in enumerate(values):
        body, left, right, face = (part.ravel().tolist() for part in np.split(row, np.cumsum([25, 21, 21])))
        whole = {"pose_keypoints_2d": body, "hand_left_keypoints_2d": left, "hand_right_keypoints_2d": right}
        whole["face_keypoints_2d"] = face if t != 3 else []
        bodies = [whole, {"pose_keypoints_2d": (np.reshape(body, (25, 3)) + [700, 0, 0]).ravel().tolist()}]
        (tmp_path / f"{t}.json").write_text(json.dumps({"people": bodies[: 1 + t % 2]}))
    track = read(tmp_path)[0]
    assert track.skeleton == layout
    seen = np.ones((6, len(layout)), bool)
    seen[3, 67:] = False
    np.testing.assert_array_equal(track.observed, seen)
    assert np.nanmax(np.abs(track.keypoints - exact)) < 1e-3
    hand = to_canonical(track, HUMAN26).keypoints[:, HUMAN26.index("l_hand")]
    np.testing.assert_allclose(hand, exact[:, layout.index("l_hand_middle_1")], atol=1e-3)


def test_hands_and_face_may_come_late_and_go(tmp_path: Path) -> None:
    layout = with_parts(BODY_25, True, OPENPOSE_FACE)
    exact = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(600, 30)), layout).round(3)
    has = {t: (t >= 400 or t == 7, 300 <= t < 550) for t in range(600)}  # hands, face: beyond one block of frames
    for t, row in enumerate(np.concatenate([exact, np.full((600, len(layout), 1), 0.5)], -1)):
        body, left, right, face = (part.ravel().tolist() for part in np.split(row, np.cumsum([25, 21, 21])))
        hands, whole = has[t]
        people = [{"pose_keypoints_2d": body, "hand_left_keypoints_2d": left * hands, "hand_right_keypoints_2d": right * hands}]
        people[0]["face_keypoints_2d"] = face * whole
        (tmp_path / f"{t}.json").write_text(json.dumps({"people": people}))
    track = read(tmp_path)[0]
    assert track.skeleton == layout
    seen = np.array([[True] * 25 + [has[t][0]] * 42 + [has[t][1]] * 70 for t in range(600)])
    np.testing.assert_array_equal(track.observed, seen)
    assert np.abs(track.keypoints - exact)[seen].max() == 0


def test_people_that_the_detector_tracks_keep_their_numbers(tmp_path: Path) -> None:
    for t in range(4):
        people = [
            {"person_id": [number], "pose_keypoints_2d": person(shift=400.0 * number + t)} for number in ((4, 2), (2, 4))[t % 2]
        ]
        (tmp_path / f"{t}.json").write_text(json.dumps({"people": people}))
    tracks = read(tmp_path)
    assert sorted(track.person for track in tracks) == ["2", "4"]
    four = next(track for track in tracks if track.person == "4")
    np.testing.assert_allclose(np.diff(four.keypoints[:, 0, 0]), 1.0, atol=0.5)


def test_zero_and_zero_is_a_place_where_it_was_seen(tmp_path: Path) -> None:
    values = person()
    values[:3], values[3:6] = [0.0, 0.0, 0.8], [0.0, 0.0, 0.0]
    track = read(openpose(tmp_path, {"0": [values]}))[0]
    np.testing.assert_array_equal(track.keypoints[0, 0], [0, 0])
    assert not track.observed[0, 1]


def coco(path: Path, entries: list[dict]) -> Path:
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize(
    "image", [int, lambda n: f"{n:012d}", lambda n: f"video1_{n}.jpg"], ids=["number", "text", "file name"]
)
def test_coco_results_are_ordered_by_image(tmp_path: Path, image) -> None:
    entries = [
        {"image_id": image(n), "category_id": 1, "keypoints": person(COCO_17, shift=5.0 * n), "score": 0.9}
        for n in (3, 1, 2, 6)
    ]
    track = read(coco(tmp_path / "r.json", entries))[0]
    assert (track.skeleton, track.first_frame, len(track)) == (COCO_17, 1, 6)
    np.testing.assert_array_equal(track.observed.any(1), [True, True, True, False, False, True])
    np.testing.assert_allclose(track.keypoints[[1, 2, 5], 0, 0] - track.keypoints[0, 0, 0], [5, 10, 25], atol=0.01)


def test_scores_above_one_are_cut_with_a_note(tmp_path: Path) -> None:
    values = np.reshape(person(COCO_17), (-1, 3))
    values[4, 2] = 7.5
    track = read(coco(tmp_path / "r.json", [{"image_id": 1, "category_id": 1, "keypoints": values.ravel().tolist()}]))[0]
    assert track.scores[0, 4] == 1
    assert any("7.5" in note for note in track.notes)


def full_track(frames: int = 12, **changes) -> KeypointTrack:
    rng = np.random.default_rng(9)
    scores = rng.uniform(0.2, 1, (frames, 17)) * (rng.random((frames, 17)) > 0.1)
    fields = {
        "keypoints": rng.uniform(0, 1000, (frames, 17, 2)), "scores": scores, "skeleton": COCO_17, "fps": Fraction(30000, 1001),
        "image_size": (1920, 1080), "times": np.cumsum(rng.uniform(0.01, 0.1, frames)), "person": "7", "first_frame": 5,
        "intrinsics": Intrinsics(1000, 1010, 950, 540, 1920, 1080, (0.1, -0.02)),
    }  # fmt: skip
    return KeypointTrack(**(fields | changes))


def test_a_track_survives_the_way_through_its_file(tmp_path: Path) -> None:
    track, path = full_track(), tmp_path / "ein Läufer 走者.npz"
    track_npz.write(path, [track])
    back = read(path)[0]
    np.testing.assert_array_equal(back.keypoints, track.keypoints)
    np.testing.assert_array_equal(back.scores, track.scores)
    np.testing.assert_array_equal(back.times, track.times)
    for name in ("skeleton", "fps", "image_size", "person", "first_frame"):
        assert getattr(back, name) == getattr(track, name), name
    assert back.intrinsics is not None
    np.testing.assert_array_equal(back.intrinsics.matrix, track.intrinsics.matrix)
    assert back.intrinsics.distortion == (0.1, -0.02)
    assert back.source == str(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_several_people_survive_the_way_through_one_file_best_first(tmp_path: Path) -> None:
    faint = full_track(person="faint")
    tracks = [faint.replace(scores=faint.scores * 0.3), full_track(person="clear"), full_track(person="rare")]
    tracks[2] = tracks[2].replace(scores=np.where(np.arange(12)[:, None] < 2, tracks[2].scores, 0))
    track_npz.write(tmp_path / "t.npz", tracks)
    back = read(tmp_path / "t.npz")
    assert [t.person for t in back] == ["clear", "faint", "rare"]
    np.testing.assert_array_equal(back[2].scores, tracks[2].scores)


def test_the_bare_interchange_format_is_enough(tmp_path: Path) -> None:
    exact = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(4, 30)), HUMAN17)
    order = np.random.default_rng(0).permutation(17)
    names = np.array([HUMAN17.joint_names[j].replace("l_", "Left ").replace("r_", "Right ") for j in order])
    np.savez(tmp_path / "t.npz", keypoints=exact[:, order].astype(np.float32), joint_names=names, fps=29.97)
    track = read(tmp_path / "t.npz")[0]
    assert (track.skeleton, track.fps, track.image_size, track.person) == (HUMAN17, Fraction(30000, 1001), None, "1")
    np.testing.assert_allclose(track.keypoints, exact, atol=1e-3)
    assert any("no scores" in note for note in track.notes)


def test_joints_of_no_known_layout_keep_their_names_and_parents(tmp_path: Path) -> None:
    dog = tree("dog", [("tail", None), ("back", "tail"), ("snout", "back")])
    track_npz.write(tmp_path / "dog.npz", [KeypointTrack(np.ones((2, 3, 2)), np.ones((2, 3)), dog)])
    back = read(tmp_path / "dog.npz")[0].skeleton
    assert (back.joint_names, back.parents) == (dog.joint_names, dog.parents)


def test_tracks_of_different_clips_do_not_go_into_one_file(tmp_path: Path) -> None:
    for other in (full_track(11), full_track(fps=Fraction(25)), full_track(first_frame=0)):
        with pytest.raises(TrackError):
            track_npz.write(tmp_path / "t.npz", [full_track(), other])
    with pytest.raises(TrackError):
        track_npz.write(tmp_path / "t.npz", [])
    with pytest.raises(OutputError):
        track_npz.write(tmp_path / "nowhere" / "t.npz", [full_track()])
    assert list(tmp_path.iterdir()) == []


def test_formats_are_told_by_content_not_by_name(tmp_path: Path) -> None:
    track_npz.write(tmp_path / "a.json", [full_track()])
    openpose(tmp_path, {"b": [person()]}).joinpath("b.json").rename(tmp_path / "b.npz")
    coco(tmp_path / "c.txt", [{"image_id": 1, "keypoints": person(COCO_17)}])
    (tmp_path / "d").write_bytes(b"\xef\xbb\xbf \n" + (tmp_path / "b.npz").read_bytes())
    assert [detect_format(tmp_path / name) for name in ("a.json", "b.npz", "c.txt", "d")] == [
        "track",
        "openpose",
        "coco",
        "openpose",
    ]
    assert all(len(read(tmp_path / name)) == 1 for name in ("a.json", "b.npz", "c.txt", "d"))
    assert set(FORMATS) >= {"openpose", "coco", "track"}


def test_clips_are_found_in_a_folder_of_clips(tmp_path: Path) -> None:
    openpose(tmp_path / "b walk", {f"{n}": [person()] for n in range(3)})
    openpose(tmp_path / "empty of clips", {})
    track_npz.write(tmp_path / "c.npz", [full_track()])
    coco(tmp_path / "a.json", [{"image_id": 1, "keypoints": person(COCO_17)}])
    np.savez(tmp_path / "truth.npz", joints_world=np.zeros(3))
    (tmp_path / "notes.txt").write_text("not a clip")
    assert [clip.name for clip in find_clips(tmp_path)] == ["a.json", "b walk", "c.npz"]
    assert find_clips(tmp_path / "b walk") == [tmp_path / "b walk"]
    assert find_clips(tmp_path / "c.npz") == [tmp_path / "c.npz"]
    with pytest.raises(ReadError, match="holds no keypoints"):
        find_clips(tmp_path / "empty of clips")


def test_progress_rises_to_one_and_may_stop_the_work(tmp_path: Path) -> None:
    found = [person()]
    folder = openpose(tmp_path, {f"{n}": found for n in range(200)})
    shares: list[float] = []
    read(folder, progress=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)

    class StopError(Exception):
        pass

    def stop(share: float) -> None:
        raise StopError

    with pytest.raises(StopError):
        read(folder, progress=stop)
