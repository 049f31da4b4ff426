# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors' JSON and text: every shape is told by its content and gives the motion that was written."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import write_detections as write
from write_detections import Seen

from poselift.core.errors import ImageSizeNeededError, ReadError
from poselift.core.layouts import COCO_17, LAYOUTS, to_canonical
from poselift.core.readers import FORMATS, detect_format, find_clips, read
from poselift.core.readers.mediapipe_landmarks import JOINT_NAMES
from poselift.core.readers.source import Source
from poselift.core.readers.yolo_labels import _Columns, _columns
from poselift.core.track import KeypointTrack

FRAMES = 30
MEDIAPIPE = [name for name, (layout, _) in write.WRITERS.items() if layout == "mediapipe_33"]
COCO = [name for name, (layout, _) in write.WRITERS.items() if layout == "coco_17"]
KNOWN = [name for name, (layout, _) in write.WRITERS.items() if layout in LAYOUTS]


def coco_seen(people: int = 1, **changes: Any) -> Seen:
    """Return the figure, and others beside it, as COCO keypoints."""
    seen = write.motion("coco_17", FRAMES)
    aside = np.array([[250.0, 0]]) * np.arange(people)[:, None, None, None]
    return Seen(seen.keypoints + aside, np.repeat(seen.scores, people, 0), **changes)


def mediapipe_seen(**changes: Any) -> Seen:
    """Return the figure as 33 landmarks, each at a place of its own."""
    seen = write.motion("mediapipe_33", FRAMES)
    return Seen(seen.keypoints, seen.scores, **changes)


def written(folder: Path, name: str, seen: Seen | None = None) -> tuple[Path, Seen]:
    """Write a format's fixture."""
    layout, writer = write.WRITERS[name]
    if seen is None:
        seen = write.motion(layout, FRAMES)
    return writer(folder / name, seen), seen


def save(path: Path, data: Any) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", dict.fromkeys([*KNOWN, *MEDIAPIPE]))
def test_every_shape_is_told_by_content_and_comes_back(tmp_path: Path, name: str) -> None:
    path, seen = written(tmp_path, name)
    assert detect_format(path) == write.format_of(name)
    assert find_clips(path) == [path]
    tracks = read(path, image_size=seen.size)
    assert len(tracks) == 1
    track = tracks[0]
    assert track.first_frame == (1 if name == "mmpose_video.json" else 0)
    if "cmu" in name or "open" in name:
        assert track.skeleton is LAYOUTS["coco_18"]
        assert track.observed.all()
    else:
        np.testing.assert_array_equal(track.observed, seen.scores[0] > 0)
        np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=2e-3)
        assert track.scores[track.observed].min() >= 0.9 - 1e-9


@pytest.mark.parametrize("name", KNOWN)
def test_every_shape_gives_the_same_canonical_track(tmp_path: Path, name: str) -> None:
    path, seen = written(tmp_path, name)
    exact = write.motion("coco_17", FRAMES).keypoints[0]
    wanted = to_canonical(KeypointTrack(exact, np.ones(exact.shape[:2]), COCO_17))
    if "mediapipe" in name:
        path, seen = written(tmp_path, name, write.motion("mediapipe_33", FRAMES))
    found = to_canonical(read(path, image_size=seen.size)[0])
    both = wanted.observed & found.observed
    assert both.sum(1).min() >= 15
    # Neck and head are derived from what a layout has there; everything else must agree.
    limbs = [j for j, joint in enumerate(wanted.skeleton.joint_names) if joint[:2] in ("l_", "r_") or joint == "pelvis"]
    assert np.nanmax(np.linalg.norm(found.keypoints - wanted.keypoints, axis=-1)[:, limbs]) <= 0.5


@pytest.mark.parametrize("name", [*COCO, *MEDIAPIPE])
def test_frames_without_people_are_gaps(tmp_path: Path, name: str) -> None:
    empty = frozenset({0, 1, 9, 10, 11, 20}) if "images" in name or "yolo" in name else frozenset({9, 10, 11, 20})
    seen = (mediapipe_seen if name in MEDIAPIPE else coco_seen)(empty=empty, first=5)
    track = read(written(tmp_path, name, seen)[0], image_size=seen.size)[0]
    shown = [t + 5 for t in range(FRAMES) if t not in empty]
    counted = name in ("mmpose_0.json", "yolo.json", "mediapipe_lists.json", "mediapipe_named.json")
    start = 0 if counted else 6 if name == "mmpose_video.json" else 5
    seen_at = np.flatnonzero(track.observed.any(1)) + track.first_frame
    np.testing.assert_array_equal(seen_at, np.array(shown) - 5 + start)
    if name not in ("yolo_labels", "alphapose.json", "coco_results.json"):
        assert len(track) == FRAMES


TRACKED: dict[str, Callable[[Path, Seen], Path]] = {
    "coco.json": write.coco_annotations,
    "mmpose.json": write.mmpose_0,
    "alphapose.json": lambda path, seen: write.alphapose(path, seen, tracked=True),
    "yolo_labels": lambda path, seen: write.yolo_labels(path, seen, tracked=True),
    "yolo_sure": lambda path, seen: write.yolo_labels(path, seen, confidence=True, tracked=True),
    "yolo.json": lambda path, seen: write.yolo_json(path, seen, tracked=True),
}


@pytest.mark.parametrize("name", TRACKED)
def test_identities_of_a_tracker_are_kept(tmp_path: Path, name: str) -> None:
    seen = coco_seen(2)
    # They change places in the middle of the clip, which no linking by place would follow.
    swapped = seen.keypoints.copy()
    swapped[:, 15:] = swapped[::-1, 15:]
    tracks = read(TRACKED[name](tmp_path / name, Seen(swapped, seen.scores)), image_size=seen.size)
    names = ["0", "1"] if name in ("coco.json", "mmpose.json") else ["1", "2"]
    assert sorted(track.person for track in tracks) == names
    for track in tracks:
        np.testing.assert_allclose(track.keypoints, swapped[names.index(track.person)], atol=2e-3)


@pytest.mark.parametrize("name", COCO)
def test_people_without_identities_are_linked(tmp_path: Path, name: str) -> None:
    seen = coco_seen(2)
    tracks = read(written(tmp_path, name, seen)[0], image_size=seen.size)
    assert len(tracks) == 2
    assert all(track.observed.all() for track in tracks)


def test_coco_labels_have_names_sizes_and_visibilities(tmp_path: Path) -> None:
    seen = coco_seen()
    seen.scores[0, :, 3] = 0.0
    seen.scores[0, :, 4] = 0.2
    order = np.random.default_rng(1).permutation(17)
    shuffled = Seen(seen.keypoints[:, :, order], seen.scores[:, :, order])
    names = tuple(write.COCO_NAMES[k] for k in order)
    track = read(write.coco_annotations(tmp_path / "labels.json", shuffled, names))[0]
    assert (track.skeleton, track.image_size) == (COCO_17, write.SIZE)
    np.testing.assert_array_equal(track.scores[0, [0, 3, 4, 5]], [1, 0, 0.5, 1])
    np.testing.assert_allclose(track.keypoints[:, 5], seen.keypoints[0, :, 5], atol=1e-3)


def coco_file(path: Path, **changes: Any) -> Path:
    data = json.loads(write.coco_annotations(path, coco_seen()).read_text())
    for key, change in changes.items():
        data[key] = change(data[key])
    return save(path, data)


def test_coco_frames_are_the_images_numbers_or_ids_or_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    named = lambda pattern: lambda images: [i | {"file_name": pattern.format(n)} for n, i in enumerate(images)]  # noqa: E731
    assert read(coco_file(path, images=named("clip{}.png")))[0].first_frame == 0
    assert read(coco_file(path, images=named("photo.png")))[0].first_frame == 1000
    far = lambda entries, key: [e | {key: (e[key] - 1000) * 10**7 + 5} for e in entries]  # noqa: E731
    data = coco_file(path, images=lambda i: far(named("photo.png")(i), "id"), annotations=lambda a: far(a, "image_id"))
    track = read(data)[0]
    assert (track.first_frame, len(track)) == (0, FRAMES)


def test_coco_crowds_and_other_categories_are_left_out(tmp_path: Path) -> None:
    def more(entries: list[dict]) -> list[dict]:
        crowd = entries[0] | {"iscrowd": 1, "keypoints": [1.0, 2.0, 2] * 17}
        return [
            *entries,
            crowd,
            {"image_id": 1000, "bbox": [1, 2, 3, 4]},
            entries[1] | {"category_id": 7, "keypoints": [1, 2, 2]},
        ]

    track = read(coco_file(tmp_path / "a.json", annotations=more))
    assert len(track) == 1
    assert any("other categories" in note for note in track[0].notes)


def test_identities_are_found_among_attributes(tmp_path: Path) -> None:
    def tracked(entries: list[dict]) -> list[dict]:
        return [{k: v for k, v in e.items() if k != "track_id"} | {"attributes": {"track_id": 12}} for e in entries]

    assert read(coco_file(tmp_path / "a.json", annotations=tracked))[0].person == "12"


def test_alphapose_without_tracking_gives_no_identities(tmp_path: Path) -> None:
    entries = json.loads(write.alphapose(tmp_path / "a.json", coco_seen(2)).read_text())
    for entry in entries:
        entry["idx"] = 0
    tracks = read(save(tmp_path / "a.json", entries))
    assert len(tracks) == 2
    assert any("no identities" in note for note in tracks[0].notes)
    assert max(track.scores.max() for track in tracks) == pytest.approx(0.9)


def test_alphapose_folder_of_images_is_one_clip(tmp_path: Path) -> None:
    images = json.loads(write.alphapose_by_image(tmp_path / "all.json", coco_seen()).read_text())
    (tmp_path / "sep-json").mkdir()
    for name, image in images.items():
        save(tmp_path / "sep-json" / f"{Path(name).stem}.json", image)
    assert detect_format(tmp_path / "sep-json") == "alphapose"
    assert len(read(tmp_path / "sep-json")[0]) == FRAMES


def test_mmpose_takes_names_from_the_meta_data(tmp_path: Path) -> None:
    order = np.random.default_rng(2).permutation(17)
    seen = coco_seen()
    names = tuple(write.COCO_NAMES[k] for k in order)
    track = read(write.mmpose_video(tmp_path / "a.json", Seen(seen.keypoints[:, :, order], seen.scores), names))[0]
    assert track.skeleton is COCO_17
    np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=1e-3)


def test_mmpose_wrapped_predictions_and_single_images_are_read(tmp_path: Path) -> None:
    frames = json.loads(write.mmpose_inferencer(tmp_path / "a.json", coco_seen()).read_text())
    instances = [frame["instances"] for frame in frames]
    assert len(read(save(tmp_path / "b.json", {"predictions": instances}))[0]) == FRAMES
    assert len(read(save(tmp_path / "c_7.json", instances[0]))[0]) == 1
    (tmp_path / "images").mkdir()
    for number, found in enumerate(instances):
        save(tmp_path / "images" / f"{number}.json", {"meta_info": {}, "instance_info": found})
    track = read(tmp_path / "images")[0]
    assert (len(track), track.observed.all()) == (FRAMES, True)


@pytest.mark.parametrize("scores", [True, False], ids=["scores", "bare"])
@pytest.mark.parametrize("confidence", [True, False], ids=["sure", ""])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", ""])
def test_yolo_columns_are_told_by_the_boxes(tmp_path: Path, scores: bool, confidence: bool, tracked: bool) -> None:
    seen = coco_seen(2)
    folder = write.yolo_labels(tmp_path / "labels", seen, scores, confidence, tracked)
    save(folder / "classes.txt", "person\n")
    assert detect_format(folder) == "yolo"
    with pytest.raises(ImageSizeNeededError):
        read(folder)
    tracks = read(folder, image_size=seen.size)
    assert len(tracks) == 2
    assert all(track.skeleton is COCO_17 and track.observed.all() for track in tracks)
    best = min(tracks, key=lambda track: np.nanmean(track.keypoints[..., 0]))
    np.testing.assert_allclose(best.keypoints, seen.keypoints[0], atol=2e-3)
    assert best.scores.max() == pytest.approx(0.9 if scores else 1.0)
    assert any("without scores" in note for note in best.notes) != scores


@pytest.mark.parametrize("count", [5, 12, 14, 17, 21, 26, 33, 133])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("rest", [0, 1, 2])
def test_yolo_columns_of_any_model_are_told_by_the_boxes(count: int, size: int, rest: int) -> None:
    rng = np.random.default_rng(count)
    boxes = np.c_[rng.uniform(0.3, 0.7, (40, 2)), rng.uniform(0.1, 0.4, (40, 2))]
    points = boxes[:, None, :2] + rng.uniform(-0.5, 0.5, (40, count, 2)) * boxes[:, None, 2:]
    values = points if size == 2 else np.concatenate([points, rng.uniform(0.3, 1, (40, count, 1))], -1)
    extra = np.c_[rng.uniform(0.5, 1, 40), np.arange(40) % 4 + 1][:, :rest]
    table = np.c_[np.zeros(40), boxes, values.reshape(40, -1), extra]
    assert _columns({table.shape[1]: array("d", table.ravel())}, strict=True) == _Columns(count, size)


def test_yolo_rows_that_lose_their_track_keep_their_columns(tmp_path: Path) -> None:
    seen = coco_seen()
    folder = write.yolo_labels(tmp_path / "labels", seen, scores=True, confidence=True, tracked=True)
    for file in sorted(folder.iterdir())[:7]:
        save(file, file.read_text().rsplit(" ", 1)[0] + "\n")
    track = read(folder, image_size=seen.size)[0]
    np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=2e-3)
    assert any("only a part" in note for note in track.notes)


def test_yolo_labels_of_a_data_set_have_visibilities(tmp_path: Path) -> None:
    seen = coco_seen()
    labels = np.random.default_rng(3).integers(0, 3, seen.scores.shape).astype(float)
    track = read(write.yolo_labels(tmp_path / "labels", Seen(seen.keypoints, labels)), image_size=seen.size)[0]
    np.testing.assert_array_equal(track.scores, labels[0] / 2)


def test_yolo_keypoints_set_to_zero_are_missing(tmp_path: Path) -> None:
    frames = json.loads(write.yolo_json(tmp_path / "a.json", coco_seen()).read_text())
    for frame in frames:
        frame[0]["keypoints"]["x"][4] = frame[0]["keypoints"]["y"][4] = 0.0
    track = read(save(tmp_path / "a.json", frames))[0]
    assert not track.observed[:, 4].any()
    assert track.observed.sum() == 16 * FRAMES


def test_yolo_json_says_by_its_values_whether_it_is_normalised(tmp_path: Path) -> None:
    seen = coco_seen()
    path = write.yolo_json(tmp_path / "a.json", seen, normalised=True)
    with pytest.raises(ImageSizeNeededError):
        read(path)
    np.testing.assert_allclose(read(path, image_size=seen.size)[0].keypoints, seen.keypoints[0], atol=2e-3)


def test_yolo_json_by_frame_and_with_frame_objects(tmp_path: Path) -> None:
    frames = json.loads(write.yolo_json(tmp_path / "a.json", coco_seen()).read_text())
    shapes = [
        {f"frame_{n}.jpg": found for n, found in enumerate(frames, 3)},
        [{"frame": n, "detections": found} for n, found in enumerate(frames, 3)],
        {"fps": 25, "width": 1920, "height": 1080, "frames": [{"frame": n, "detections": f} for n, f in enumerate(frames, 3)]},
        [found[0] | {"frame": n} for n, found in enumerate(frames, 3)],
    ]
    for number, shape in enumerate(shapes):
        path = save(tmp_path / f"shape{number}.json", shape)
        assert detect_format(path) == "yolo"
        track = read(path)[0]
        assert (track.first_frame, len(track)) == (3, FRAMES)
    assert (track.fps, read(tmp_path / "shape2.json")[0].image_size) == (None, (1920, 1080))


def poses(seen: Seen) -> list[list[dict[str, float]]]:
    return [write.landmarks(seen, *people[0][1:]) for _, people in seen.frames()]


def as_pixels(pose: list[dict[str, float]]) -> list[dict[str, Any]]:
    points = [
        {"name": name, "x": p["x"] * 1920, "y": p["y"] * 1080, "z": 0, "score": p["visibility"]}
        for name, p in zip(JOINT_NAMES, pose, strict=True)
    ]
    return points[::-1]


SHAPES: dict[str, Callable[[list[list[dict[str, float]]]], Any]] = {
    "protobuf": lambda frames: [
        {"pose_landmarks": {"landmark": pose}, "pose_world_landmarks": {"landmark": []}} for pose in frames
    ],
    "camelCase": lambda frames: {"frames": [{"frameNumber": n, "poseLandmarks": pose} for n, pose in enumerate(frames)]},
    "tasks": lambda frames: [{"landmarks": [pose], "worldLandmarks": [pose]} for pose in frames],
    "rows": lambda frames: [[list(p.values()) for p in pose] for pose in frames],
    "rows with presence": lambda frames: [[[*p.values(), 0.5] for p in pose] for pose in frames],
    "flat": lambda frames: [[v for p in pose for v in p.values()] for pose in frames],
    "keypoints": lambda frames: [{"frame": n, "keypoints": [list(p.values()) for p in pose]} for n, pose in enumerate(frames)],
    "named points": lambda frames: [[{"score": 0.9, "keypoints": as_pixels(pose), "keypoints3D": []}] for pose in frames],
    "by index": lambda frames: [[{"id": k, **p} for k, p in reversed(list(enumerate(pose)))] for pose in frames],
    "by frame": lambda frames: {str(n): pose for n, pose in enumerate(frames)},
    "object by index": lambda frames: [{str(k): p for k, p in enumerate(pose)} for pose in frames],
    "object of rows": lambda frames: [
        {name: list(p.values()) for name, p in zip(JOINT_NAMES, pose, strict=True)} for pose in frames
    ],
    "counted from one": lambda frames: [[{"id": k, **p} for k, p in enumerate(pose, 1)] for pose in frames],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_mediapipe_shapes(tmp_path: Path, shape: str) -> None:
    seen = mediapipe_seen()
    path = save(tmp_path / "a.json", SHAPES[shape](poses(seen)))
    assert detect_format(path) == "mediapipe"
    tracks = read(path, image_size=seen.size)
    assert (len(tracks), len(tracks[0])) == (1, FRAMES)
    np.testing.assert_allclose(tracks[0].keypoints, seen.keypoints[0], atol=2e-3)
    assert tracks[0].scores.min() == pytest.approx(0.9)


STYLES = [("{axis}{number}", 0), ("{axis}{number}", 1), ("landmark_{number}_{axis}", 0), ("lm_{number}_{axis}", 1)]
STYLES += [("{name}_{axis}", 0), ("{name}.{axis}", 0), ("Pose {name} {axis}", 0), ("{axis}_{name}", 0)]


@pytest.mark.parametrize(("style", "first"), STYLES)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_mediapipe_wide_tables(tmp_path: Path, style: str, first: int, delimiter: str) -> None:
    seen = mediapipe_seen(first=4)
    path = write.mediapipe_wide(tmp_path / "a.csv", seen, style, first)
    save(path, path.read_text().replace(",", delimiter))
    assert detect_format(path) == "mediapipe"
    track = read(path, image_size=seen.size)[0]
    np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=2e-3)
    np.testing.assert_allclose(track.times, np.arange(4, 4 + FRAMES) / 30, atol=1e-5)
    assert track.scores.min() == pytest.approx(0.9)


def test_mediapipe_tables_by_name_with_crlf_and_a_byte_order_mark(tmp_path: Path) -> None:
    seen = mediapipe_seen()
    path = write.mediapipe_long(tmp_path / "a.csv", seen, named=True)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert detect_format(path) == "mediapipe"
    np.testing.assert_allclose(read(path, image_size=seen.size)[0].keypoints, seen.keypoints[0], atol=2e-3)


@pytest.mark.parametrize(
    "header",
    ["frame," + ",".join(f"x{k},y{k},v{k}" for k in range(17)), "frame,nose_x,nose_y,left_hip_x,left_hip_y", "a,b", "x,y"],
)
def test_tables_of_other_things_are_not_mediapipes(tmp_path: Path, header: str) -> None:
    path = save(tmp_path / "a.csv", header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert not FORMATS["mediapipe"].recognise(Source(path))


def test_mediapipe_landmarks_may_lie_beyond_the_image(tmp_path: Path) -> None:
    seen = mediapipe_seen()
    seen = Seen(seen.keypoints + [0, 700], seen.scores)
    assert seen.keypoints[..., 1].max() > 1080
    track = read(write.mediapipe_frames(tmp_path / "a.json", seen))[0]
    np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=2e-3)
    assert (track.fps, track.image_size) == (Fraction(30), write.SIZE)


def test_mediapipe_pixels_are_told_by_their_values(tmp_path: Path) -> None:
    seen = mediapipe_seen()
    track = read(write.mediapipe_frames(tmp_path / "a.json", seen, pixels=True))[0]
    np.testing.assert_allclose(track.keypoints, seen.keypoints[0], atol=2e-3)


@pytest.mark.parametrize("key", ["pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks", "landmarks"])
def test_world_landmarks_are_refused(tmp_path: Path, key: str) -> None:
    seen = mediapipe_seen()
    hips = seen.keypoints[:, :, 23:25].mean(2, keepdims=True)
    world = Seen((seen.keypoints - hips) / 300, seen.scores)
    frames = [{"frame": n, key: write.landmarks(world, k, s, pixels=True)} for n, ((_, k, s),) in world.frames()]
    path = save(tmp_path / "a.json", {"frames": frames})
    assert detect_format(path) == "mediapipe"
    with pytest.raises(ReadError, match="world landmarks"):
        read(path, image_size=(1920, 1080))


def test_a_column_of_landmarks_and_a_folder_of_frames_are_clips(tmp_path: Path) -> None:
    seen = mediapipe_seen()
    frames = poses(seen)
    save(tmp_path / "a.json", {"width": 1920, "height": 1080, "landmarks": frames})
    (tmp_path / "frames").mkdir()
    for number, pose in enumerate(frames):
        save(tmp_path / "frames" / f"frame_{number}.json", {"timestamp_ms": 40 * number, "landmarks": pose} if number else [])
    for path in (tmp_path / "a.json", tmp_path / "frames"):
        assert detect_format(path) == "mediapipe"
        track = read(path, image_size=seen.size)[0]
        assert len(track) == FRAMES
        np.testing.assert_allclose(track.keypoints[1:], seen.keypoints[0, 1:], atol=2e-3)


@pytest.mark.parametrize("name", [name for name in [*COCO, *MEDIAPIPE] if "." in name])
def test_a_folder_of_clips_is_not_taken_for_a_clip_of_frames(tmp_path: Path, name: str) -> None:
    path, seen = written(tmp_path / "clips", name)
    path.rename(path.with_stem("camera_1"))
    other = written(tmp_path / "clips", name)[0]
    other = other.rename(other.with_stem("camera_2"))
    assert find_clips(tmp_path / "clips") == [path.with_stem("camera_1"), other]
    assert len(read(other, image_size=seen.size)[0]) == FRAMES


def test_times_that_do_not_rise_are_left_out_with_a_note(tmp_path: Path) -> None:
    frames = [{"timestamp": n // 2, "landmarks": pose} for n, pose in enumerate(poses(mediapipe_seen()))]
    track = read(save(tmp_path / "a.json", frames), image_size=(1920, 1080))[0]
    assert track.times is None
    assert any("do not rise" in note for note in track.notes)


def test_names_of_roboflow_count_before_their_hash(tmp_path: Path) -> None:
    images = lambda found: [i | {"file_name": f"take_{n + 3}_jpg.rf.{n}8f{n}.jpg"} for n, i in enumerate(found)]  # noqa: E731
    assert read(coco_file(tmp_path / "a.json", images=images))[0].first_frame == 3


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6], ids=["s", "ms", "us"])
@pytest.mark.parametrize("start", [0.0, 1.7e9], ids=["clip", "epoch"])
def test_times_are_seconds_whatever_their_unit(tmp_path: Path, scale: float, start: float) -> None:
    frames = [{"timestamp": (start + n / 50) * scale, "landmarks": pose} for n, pose in enumerate(poses(mediapipe_seen()))]
    track = read(save(tmp_path / "a.json", frames), image_size=(1920, 1080))[0]
    np.testing.assert_allclose(track.times, np.arange(FRAMES) / 50, atol=1e-5)


def test_visibility_that_is_always_zero_or_absent_is_none(tmp_path: Path) -> None:
    for change in ({"visibility": 0.0}, {"visibility": None}):
        frames = [[p | change for p in pose] for pose in poses(mediapipe_seen())]
        track = read(save(tmp_path / "a.json", frames), image_size=(1920, 1080))[0]
        assert (track.scores == 1).all()
        assert any("without visibility" in note for note in track.notes)


def test_null_and_nan_are_missing(tmp_path: Path) -> None:
    for name in ("coco_results.json", "mmpose_inferencer.json", "yolo.json", "alphapose.json", "mediapipe_lists.json"):
        path, seen = written(tmp_path, name)
        text = path.read_text()
        first = (
            text.index(f"{seen.keypoints[0, 2, 1, 0]:.3f}"[:-1]) if name != "mediapipe_lists.json" else text.index('"x": ') + 5
        )
        end = min(at for sign in ",]}" if (at := text.find(sign, first)) > 0)
        for value in ("null", "NaN", "Infinity"):
            track = read(save(path, text[:first] + value + text[end:]), image_size=seen.size)[0]
            assert (~track.observed).sum() == 1


def test_a_length_that_no_layout_has_is_named(tmp_path: Path) -> None:
    seen = Seen(np.full((1, 3, 7, 2), 50.0) + np.arange(7)[:, None] * 3, np.ones((1, 3, 7)))
    with pytest.raises(ReadError, match="7 keypoints per person are no known layout"):
        read(write.coco_results(tmp_path / "a.json", seen))


POINT = [{"x": 0.5, "y": 0.5}] * 33
NOWHERE = [{"image_id": 2, "keypoints": [1, 2, 2]}]
BROKEN: list[tuple[str, Any, str, str]] = [
    ("coco", {"annotations": []}, "no annotation has keypoints", ""),
    ("coco", {"annotations": 5}, "no list 'annotations'", ""),
    ("coco", {"images": [3], "annotations": [{"keypoints": [1]}]}, "object with an 'id'", "image 1"),
    ("coco", {"images": [{"id": 1}], "annotations": NOWHERE}, "none of the images", "entry 1"),
    ("coco", {"images": [{"id": 1}], "annotations": [NOWHERE[0] | {"image_id": []}]}, "none of the images", "entry 1"),
    ("coco", [{"image_id": 1, "keypoints": [1, 2, 1] * 17, "foot_kpts": [1]}], "'foot_kpts' has 1 numbers", "entry 1"),
    ("coco", [{"image_id": 1, "keypoints": []}], "0 numbers", "entry 1"),
    ("coco", [{"image_id": 1, "keypoints": ["1"] * 51}], "no number", "entry 1"),
    ("alphapose", [{"image_id": "0.jpg", "idx": 1}], "object with 'image_id' and 'keypoints'", "entry 1"),
    ("alphapose", [{"image_id": "x.jpg", "keypoints": [1, 2, 1]}], "'image_id' must be a frame's number", "entry 1"),
    ("alphapose", {"0.jpg": {"bodies": [{"joints": 3}]}}, "list of numbers, not int", "'0.jpg', person 1"),
    ("alphapose", {"0.jpg": {"bodies": [[]]}}, "a person must be an object", "'0.jpg', person 1"),
    ("alphapose", {"0.jpg": []}, "no list 'bodies'", "'0.jpg'"),
    ("alphapose", [], "nobody is seen", ""),
    ("mmpose", [{"frame_id": 0, "instances": [{}]}], "object with 'keypoints'", "frame 1, instance 1"),
    ("mmpose", [{"frame_id": 0, "instances": 3}], "must be a list", "frame 1"),
    ("mmpose", [{"frame_id": -4, "instances": []}], "'frame_id' must be", "frame 1"),
    ("mmpose", [[{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]], "places in space", "frame 1, instance 1"),
    ("mmpose", [[{"keypoints": [[1, 2], [1]], "keypoint_scores": [1, 1]}]], "every keypoint", "frame 1, instance 1"),
    ("mmpose", [[{"keypoints": [[1, 2]], "keypoint_scores": [1, 1]}]], "2 scores for 1", "frame 1, instance 1"),
    ("mmpose", [[{"keypoints": [[1, "a"]], "keypoint_scores": [1]}]], "no number", "frame 1, instance 1"),
    ("mmpose", [], "list of frames is empty", ""),
    ("mmpose", 3, "neither a list of frames", ""),
    ("yolo", [[{"keypoints": {"x": [1], "y": []}}]], "1 x, 0 y", "frame 1, detection 1"),
    ("yolo", [[{"keypoints": {"x": 1, "y": 2}}]], "'x' must be a list", "frame 1, detection 1"),
    ("yolo", [[{"keypoints": {}}]], "lists 'x' and 'y'", "frame 1, detection 1"),
    ("yolo", [[4]], "must be an object, not int", "frame 1, detection 1"),
    ("yolo", [[{"class": 0, "box": {}}]], "nobody is seen", ""),
    ("yolo", "0 0.5 0.5 0.2 0.3 0.4", "a box without keypoints", "line 1"),
    ("yolo", "0 0.5 0.5 0.2 0.3" + " 0.5" * 51 + "\n0 a", "must be numbers", "line 2"),
    ("yolo", "0 " + " ".join(f"{k / 40:g}" for k in range(40)), "no boxes with keypoints", ""),
    ("mediapipe", [POINT[:20]], "20 landmarks", "frame 1"),
    ("mediapipe", [[*POINT[:32], {"x": "a", "y": 1}]], "no number", "frame 1, landmark 33"),
    ("mediapipe", [[*POINT[:32], {"z": 1}]], "must have x and y", "frame 1, landmark 33"),
    ("mediapipe", [None, []], "nobody is seen", ""),
    ("mediapipe", "frame,x0,y0\n0,1,2\n1,2\n", "2 values for 3 columns", "line 3"),
    ("mediapipe", "frame,x0,y0\n0,1,2\n1,2,a\n", "'a' in column 'y0'", "line 3"),
    ("mediapipe", "frame,x0,y0\nz,1,2\n", "'frame' must be", "line 2"),
    ("mediapipe", "frame,x0,y0\n", "no row below", ""),
    ("mediapipe", "a,b\n1,2\n", "names no landmarks", "line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "data", "message", "place"), BROKEN, ids=range(len(BROKEN)))
def test_broken_files_are_named_with_the_place(tmp_path: Path, form: str, data: Any, message: str, place: str) -> None:
    path = save(tmp_path / "läufer_3.json", data)
    with pytest.raises(ReadError, match=message) as caught:
        read(path, file_format=form, image_size=(100, 100))
    assert caught.value.path == path
    assert caught.value.place == place
