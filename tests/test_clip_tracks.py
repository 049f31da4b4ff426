# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers of Blender's motion tracker come back as keypoints: right places, right frames, gaps where there are none."""

from fractions import Fraction

import numpy as np
import pytest
from clip_maker import WIDE, image_sequence, movie, noisy_path, set_markers
from make_clip import body_points, camera, true_keypoints
from walking_figure import animate

from poselift.core.errors import SettingsError, TrackError
from poselift.core.layouts import BODY_25, COCO_17, LAYOUTS, to_canonical

FRAMES = 40
FULL = (1920, 1080)


@pytest.fixture(scope="module")
def truth():
    """Exact keypoints (T, J, 2) of COCO-17 in the sample clip's camera, and of BODY_25."""
    points = body_points(*animate(FRAMES, Fraction(30)))
    return {layout.name: true_keypoints(points, layout) for layout in (COCO_17, BODY_25)}


@pytest.fixture
def clip(bpy, tmp_path):
    return bpy.data.movieclips.load(str(image_sequence(bpy, tmp_path / "clip", 5)))


def read(clip, **options):
    from poselift.scene.clip_tracks import read_clip

    return read_clip(clip, **options)


def scaled(keypoints):
    return keypoints * (WIDE[0] / FULL[0])


def test_a_known_motion_comes_back_where_and_when_it_was(clip, truth):
    keypoints, frames = scaled(truth["coco_17"]), np.arange(1, FRAMES + 1)
    rng = np.random.default_rng(0)
    seen = rng.random((FRAMES, 17)) > 0.15
    seen[[0, -1]] = True
    for j, name in enumerate(COCO_17.joint_names):
        set_markers(clip.tracking.objects[0].tracks, name, keypoints[:, j], WIDE, frames, seen[:, j])
    (track,) = read(clip)
    assert (track.skeleton, track.image_size, track.first_frame, track.person) == (COCO_17, WIDE, 1, "1")
    np.testing.assert_array_equal(track.observed, seen)
    assert np.abs(track.keypoints - keypoints)[seen].max() < 0.01
    assert set(track.scores[seen]) == {1.0}
    canonical = to_canonical(track)
    exact = to_canonical(track.replace(keypoints=keypoints, scores=np.ones_like(track.scores)))
    both = canonical.observed & exact.observed
    assert both.mean() > 0.4
    # Limbs are single joints; the derived ones (pelvis, neck, head) depend on which of their sources are seen.
    single = [j for j, name in enumerate(canonical.skeleton.joint_names) if name[:2] in ("l_", "r_")]
    assert np.abs(canonical.keypoints - exact.keypoints)[:, single][both[:, single]].max() < 0.01


def test_frames_are_the_scenes_and_gaps_are_gaps(clip):
    """Blender itself says where a marker is at a scene frame: an object follows the track."""
    import bpy

    rng = np.random.default_rng(1)
    clip.frame_start, clip.frame_offset = 101, 7
    frames = np.array([5, 6, 7, 10, 11])  # none at 8 and 9
    paths = {}
    for joint in ("l_wrist", "r_wrist", "nose", "l_ankle"):
        paths[joint] = noisy_path(rng, len(frames), WIDE)
        set_markers(clip.tracking.objects[0].tracks, joint, paths[joint], WIDE, frames)
    (track,) = read(clip)
    assert track.first_frame == 105
    j = track.skeleton.index("l_wrist")
    np.testing.assert_array_equal(track.observed[:, j], [True, True, True, False, False, True, True])
    for scene_frame in (105, 106, 107, 110, 111):
        followed = followed_pixel(bpy, clip, "l_wrist", scene_frame)
        assert np.abs(track.keypoints[scene_frame - 105, j] - followed).max() < 0.01


def followed_pixel(bpy, clip, name, frame, undistorted=False):
    """Where Blender sees a track at a scene frame: an object follows it in front of a camera."""
    from bpy_extras.object_utils import world_to_camera_view

    scene, (width, height) = bpy.context.scene, clip.size
    scene.render.resolution_x, scene.render.resolution_y = width, height
    owner = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    follower = bpy.data.objects.new("follower", None)
    for item in (owner, follower):
        scene.collection.objects.link(item)
    scene.camera, follower.location = owner, (0, 0, -3)
    follow = follower.constraints.new("FOLLOW_TRACK")
    follow.clip, follow.track, follow.camera, follow.use_active_clip = clip, name, owner, False
    follow.use_3d_position, follow.use_undistorted_position, follow.frame_method = False, undistorted, "STRETCH"
    scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    place = follower.evaluated_get(graph).matrix_world.translation.copy()
    view = world_to_camera_view(scene, owner.evaluated_get(graph), place)
    for item in (follower, owner):
        bpy.data.objects.remove(item)
    return np.array([view[0] * width, (1 - view[1]) * height])


NAMES = {
    "l_wrist": ("", "l_wrist"),
    "left_wrist": ("", "l_wrist"),
    "Wrist.L": ("", "l_wrist"),
    "LeftHand": ("", "l_hand"),
    "right knee.003": ("", "r_knee"),
    "P1.left_wrist": ("P1", "l_wrist"),
    "anna/Knee.R": ("anna", "r_knee"),
    "anna:nose.001": ("anna", "nose"),
    "p2_left_elbow": ("p2", "l_elbow"),
    "Actor 2 RightKnee": ("Actor 2", "r_knee"),
    "Track": None,
    "Track.001": None,
    "inner_left_knee": None,
    "": None,
    ".": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_as_animators_write_them(name):
    pytest.importorskip("bpy")
    from poselift.scene.clip_tracks import joint_of

    assert joint_of(name) == NAMES[name]


def test_people_are_prefixes_and_tracking_objects(clip, truth):
    keypoints, frames = scaled(truth["body_25"]), np.arange(1, FRAMES + 1)
    tracking = clip.tracking
    tracking.objects.new("Bob")
    for j, name in enumerate(BODY_25.joint_names):
        set_markers(tracking.objects[0].tracks, f"P1.{name}", keypoints[:, j], WIDE, frames)
        if j < 15:
            set_markers(tracking.objects["Bob"].tracks, name, keypoints[:, j] + 5, WIDE, frames[:30])
    for name in ("P3.nose", "P3.l_ear", "Track", "corner of the table"):
        set_markers(tracking.objects[0].tracks, name, keypoints[:, 0], WIDE, frames)
    first, second = read(clip)
    assert (first.person, second.person) == ("P1", "Bob")
    assert first.skeleton == BODY_25 and len(first) == len(second) == FRAMES
    for name in COCO_17.joint_names[5:]:
        j, k = BODY_25.index(name), second.skeleton.index(name)
        assert np.abs(first.keypoints[:, j] - keypoints[:, j]).max() < 0.01
        assert not second.observed[30:, k].any()
        if j < 15:
            assert np.abs(second.keypoints[:30, k] - keypoints[:30, j] - 5).max() < 0.01
    (note,) = [note for note in first.notes if "no joint" in note]
    for name in ("P3.nose", "P3.l_ear", "Track", "corner of the table"):
        assert name in note
    (only,) = read(clip, object_name="Bob")
    assert only.person == "Bob"
    with pytest.raises(SettingsError, match="Camera, Bob"):
        read(clip, object_name="Alice")


def test_a_map_names_what_is_named_otherwise(clip):
    rng, frames = np.random.default_rng(2), np.arange(1, 9)
    names = {"Track": "l_wrist", "Track.001": "r_wrist", "dot": "nose", "tape": "l_ankle"}
    paths = {name: noisy_path(rng, 8, WIDE) for name in names}
    for name, path in paths.items():
        set_markers(clip.tracking.objects[0].tracks, name, path, WIDE, frames)
    (track,) = read(clip, joint_map=names)
    for name, joint in names.items():
        assert np.abs(track.keypoints[:, track.skeleton.index(joint)] - paths[name]).max() < 0.01
    with pytest.raises(SettingsError, match=r"'tail'.*'dot'"):
        read(clip, joint_map=names | {"dot": "tail"})


def test_too_few_joints_are_told_with_names(clip):
    frames = np.arange(1, 4)
    for name in ("l_wrist", "table", "nose"):
        set_markers(clip.tracking.objects[0].tracks, name, np.full((3, 2), 9.0), WIDE, frames)
    with pytest.raises(TrackError, match=r"2 joints.*l_wrist, nose, table.*l_elbow") as caught:
        read(clip)
    assert clip.name in str(caught.value)
    clip.tracking.objects.new("empty")
    with pytest.raises(TrackError, match="tracks are none"):
        read(clip, object_name="empty")


def test_two_pieces_of_a_joint_are_one_and_weights_and_offsets_count(clip):
    rng = np.random.default_rng(3)
    tracks = clip.tracking.objects[0].tracks
    path = noisy_path(rng, 10, WIDE)
    set_markers(tracks, "l_wrist", path[:6], WIDE, np.arange(1, 7), np.arange(6) < 5)
    set_markers(tracks, "l_wrist", path[5:], WIDE, np.arange(6, 11))  # Blender calls it l_wrist.001
    weak = set_markers(tracks, "r_wrist", path, WIDE, np.arange(1, 11))
    weak.weight = 0.25
    moved = set_markers(tracks, "nose", path, WIDE, np.arange(1, 11))
    moved.offset = (0.05, 0.1)
    set_markers(tracks, "l_ankle", path, WIDE, np.arange(1, 11))
    (track,) = read(clip)
    assert np.abs(track.keypoints[:, track.skeleton.index("l_wrist")] - path).max() < 0.01
    assert any("l_wrist" in note and "joined" in note for note in track.notes)
    np.testing.assert_allclose(track.scores[:, track.skeleton.index("r_wrist")], 0.25)
    shift = np.array([0.05 * WIDE[0], -0.1 * WIDE[1]])
    nose = track.keypoints[:, track.skeleton.index("nose")]
    assert np.abs(nose - path - shift).max() < 0.01
    import bpy

    assert np.abs(nose[4] - followed_pixel(bpy, clip, "nose", 5)).max() < 0.01


def test_a_canonical_body_is_canonical(clip):
    from poselift.core.skeleton import HUMAN17

    rng = np.random.default_rng(4)
    for name in HUMAN17.joint_names:
        set_markers(clip.tracking.objects[0].tracks, name, noisy_path(rng, 3, WIDE), WIDE, np.arange(1, 4))
    (track,) = read(clip)
    assert track.skeleton == LAYOUTS["human17"] and track.observed.all()


def test_the_rate_is_the_movies_and_a_sequences_is_the_scenes(bpy, tmp_path, clip):
    film = bpy.data.movieclips.load(str(movie(bpy, tmp_path / "film.mp4", fps=Fraction(30000, 1001))))
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 24, 1.001
    for each in (film, clip):
        for name in ("l_wrist", "r_wrist", "nose", "l_ankle"):
            set_markers(each.tracking.objects[0].tracks, name, np.full((3, 2), 9.0), tuple(each.size), np.arange(1, 4))
    assert read(film)[0].fps == Fraction(30000, 1001)
    assert read(film)[0].image_size == (64, 32)
    (track,) = read(clip)
    assert track.fps == Fraction(24000, 1001)
    assert any("image sequence" in note for note in track.notes)


def test_a_clip_whose_file_is_unreadable_says_what_to_do(bpy, tmp_path):
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 100)
    broken = bpy.data.movieclips.load(str(tmp_path / "junk.mp4"))
    set_markers(broken.tracking.objects[0].tracks, "nose", np.full((3, 2), 9.0), WIDE, np.arange(1, 4))
    with pytest.raises(TrackError, match=r"junk\.mp4.*set its path"):
        read(broken)


def test_the_clips_camera_is_taken_where_somebody_set_it(clip):
    import bpy

    rng = np.random.default_rng(5)
    for name in ("l_wrist", "r_wrist", "nose", "l_ankle"):
        set_markers(clip.tracking.objects[0].tracks, name, noisy_path(rng, 3, WIDE), WIDE, np.arange(1, 4))
    (track,) = read(clip)
    assert track.intrinsics is None and any("never set" in note for note in track.notes)
    clip.tracking.camera.focal_length_pixels = 210.0
    clip.tracking.camera.k1 = -0.2
    (track,) = read(clip)
    assert track.intrinsics is not None and track.intrinsics.fx == pytest.approx(210)
    straight = track.undistorted(track.intrinsics)
    j = track.skeleton.index("nose")
    followed = followed_pixel(bpy, clip, "nose", 2, undistorted=True)
    assert np.abs(straight.keypoints[1, j] - followed).max() < 0.01


def test_the_sample_camera_sees_what_the_clips_camera_sees(bpy, tmp_path, truth):
    """A clip with the sample's intrinsics, at full size: the figure comes back and reprojects."""
    clip = bpy.data.movieclips.load(str(image_sequence(bpy, tmp_path / "full", 1, FULL)))
    from poselift.scene.clip_camera import set_clip_camera

    set_clip_camera(clip, camera()[0])
    for j, name in enumerate(COCO_17.joint_names):
        set_markers(clip.tracking.objects[0].tracks, name, truth["coco_17"][:, j], FULL, np.arange(1, FRAMES + 1))
    (track,) = read(clip)
    assert track.image_size == FULL
    assert np.abs(track.keypoints - truth["coco_17"]).max() < 0.01
    np.testing.assert_allclose(track.intrinsics.matrix, camera()[0].matrix, rtol=1e-6)


def test_a_blender_files_clips_are_read_and_lifted_from_the_command_line(bpy, tmp_path, truth, capsys):
    import json

    from test_scene import data_names

    from poselift.core.readers import read, track_npz
    from poselift.operators.command_line import main

    clip = bpy.data.movieclips.load(str(movie(bpy, tmp_path / "film.mp4", FRAMES, WIDE, Fraction(30000, 1001))))
    other = bpy.data.movieclips.load(str(tmp_path / "film.mp4"))  # a clip that nobody tracked
    keypoints = scaled(truth["coco_17"])
    for j, name in enumerate(COCO_17.joint_names):
        set_markers(clip.tracking.objects[0].tracks, name, keypoints[:, j], WIDE, np.arange(1, FRAMES + 1))
    clip.use_fake_user = other.use_fake_user = True
    path = tmp_path / "tracked.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    before = data_names(bpy)
    from poselift.scene.clip_tracks import read_blend

    (track,) = read_blend(path)
    assert data_names(bpy) == before
    assert np.abs(track.keypoints - keypoints).max() < 0.01
    assert (track.fps, track.image_size, track.first_frame) == (Fraction(30000, 1001), WIDE, 0)
    assert main(["inspect", str(path)]) == 0
    assert f"blend, layout coco_17, {FRAMES} frames, 30000/1001 fps, 192x108" in capsys.readouterr().out
    track_npz.write(tmp_path / "again.npz", [track])
    (again,) = read(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.keypoints, track.keypoints)
    pytest.importorskip("torch")
    assert main(["lift", str(path), "-o", str(tmp_path / "out.npz"), "--fov", "50", "--json", "-q"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["frames"] == FRAMES and report["reprojection_median"] < 1.0


@pytest.mark.parametrize("content", [b"", b"junk" * 50, b"BLENDER-v405" + b"\0" * 200])
def test_broken_blender_files_are_told(bpy, tmp_path, content, capsys):
    from poselift.operators.command_line import main

    path = tmp_path / "broken.blend"
    path.write_bytes(content)
    assert main(["lift", str(path), "-o", str(tmp_path / "out.npz")]) == 1
    assert "broken.blend" in capsys.readouterr().err
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    assert main(["lift", str(path), "-o", str(tmp_path / "out.npz")]) == 1
    assert "no movie clip" in capsys.readouterr().err
