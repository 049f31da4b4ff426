# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage: its facts, phones' turned videos, and as a camera's background."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_maker import WIDE, image_sequence, movie, turn
from test_scene import data_names

from poselift.core.camera import Intrinsics
from poselift.core.errors import ReadError
from poselift.core.movie_header import quarter_turns

SHARED = Path(__file__).resolve().parents[2] / "shared/keypoints/cam01.mp4"


def facts(path):
    from poselift.scene.footage import footage_facts

    return footage_facts(path)


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(25), Fraction(60)])
def test_a_movies_facts_are_exact_and_nothing_stays(bpy, tmp_path, fps):
    path = movie(bpy, tmp_path / "film.mp4", 7, (64, 32), fps)
    before = data_names(bpy)
    found = facts(path)
    assert (found.size, found.fps, found.frames) == ((64, 32), fps, 7)
    assert data_names(bpy) == before


def test_an_image_sequence_has_a_size_and_a_length_but_no_rate(bpy, tmp_path):
    first = image_sequence(bpy, tmp_path / "clip", 5, first=3)
    before = data_names(bpy)
    for path in (first, first.parent):
        found = facts(path)
        assert (found.path, found.size, found.fps, found.frames) == (first, WIDE, None, 5)
    assert data_names(bpy) == before


def test_a_phones_upright_video_is_upright(bpy, tmp_path):
    """4.2 shows it lying, which is told; later ones turn it."""
    lying = movie(bpy, tmp_path / "film.mp4")
    turned = turn(lying, tmp_path / "phone.mp4", 32)
    assert (quarter_turns(lying), quarter_turns(turned)) == (0, 1)
    found = facts(turned)
    assert found.size == (32, 64)
    assert found.unturned == (bpy.app.version < (4, 4, 0))
    assert bool(found.notes) == found.unturned
    assert tuple(bpy.data.movieclips.load(str(turned)).size) == ((64, 32) if found.unturned else (32, 64))


def test_damaged_movie_headers_say_nothing(bpy, tmp_path):
    whole = turn(movie(bpy, tmp_path / "film.mp4"), tmp_path / "phone.mp4", 32).read_bytes()
    rng, path, said = np.random.default_rng(0), tmp_path / "broken.mp4", 0
    for _ in range(500):
        data = bytearray(whole[: int(rng.integers(0, len(whole)))] if rng.random() < 0.3 else whole)
        header = data.find(b"moov")
        for _ in range(rng.integers(1, 12)):
            if data:
                data[int(rng.integers(max(header, 0), len(data)))] = int(rng.integers(256))
        path.write_bytes(data)
        said += quarter_turns(path) in (0, 1, 2, 3)
    assert said == 500
    assert quarter_turns(tmp_path / "missing.mp4") == 0


@pytest.mark.parametrize("name", ["junk.mp4", "junk.png", "empty.mp4", "words.txt", "missing.mp4", "folder"])
def test_what_is_no_footage_is_told_and_leaves_nothing(bpy, tmp_path, name):
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 100)
    (tmp_path / "junk.png").write_bytes(b"\x89PNG junk")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "words.txt").write_text("no movie")
    (tmp_path / "folder").mkdir()
    before = data_names(bpy)
    with pytest.raises(ReadError, match=name):
        facts(tmp_path / name)
    assert data_names(bpy) == before


@pytest.mark.skipif(not SHARED.exists(), reason="the real footage is not in the repository")
def test_the_real_footage(bpy):
    found = facts(SHARED)
    assert (found.size, found.fps, found.frames) == ((1080, 1920), Fraction(60), 100)


def new_camera(bpy):
    owner = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    bpy.context.scene.collection.objects.link(owner)
    return owner


def test_the_background_is_the_footage_at_its_frame(bpy, tmp_path):
    from poselift.scene.footage import set_background

    found = facts(movie(bpy, tmp_path / "film.mp4"))
    owner = new_camera(bpy)
    lens = Intrinsics(70.0, 70.0, 33.0, 15.0, 64, 32, (-0.1, 0.02))
    assert set_background(owner, found, 11, lens, alpha=0.5) == ()
    assert owner.data.show_background_images
    (background,) = owner.data.background_images
    clip = background.clip
    assert (background.source, background.display_depth, background.frame_method) == ("MOVIE_CLIP", "BACK", "STRETCH")
    assert background.alpha == 0.5 and background.show_background_image and not background.use_camera_clip
    assert clip.frame_start == 11 and Path(bpy.path.abspath(clip.filepath)) == found.path
    assert background.clip_user.use_render_undistorted
    from poselift.scene.clip_camera import intrinsics_of_clip

    given = intrinsics_of_clip(clip, found.size)
    np.testing.assert_allclose(given.matrix, lens.matrix, rtol=1e-6)
    np.testing.assert_allclose(given.distortion[:2], lens.distortion, rtol=1e-6)


def test_a_straight_lens_needs_no_undistortion_and_a_strange_one_is_told(bpy, tmp_path):
    from poselift.scene.footage import set_background

    found = facts(movie(bpy, tmp_path / "film.mp4"))
    owner = new_camera(bpy)
    set_background(owner, found, 1, Intrinsics(140.0, 140.0, 66.0, 30.0, 128, 64))
    assert not owner.data.background_images[0].clip_user.use_render_undistorted
    (note,) = set_background(owner, found, 1, Intrinsics(70.0, 70.0, 33.0, 15.0, 64, 32, (0.1, 0, 0, 0), model="fisheye"))
    assert "distorted" in note
    (note,) = set_background(owner, found, 1, Intrinsics(70.0, 70.0, 33.0, 32.0, 64, 64))
    assert "64 x 64" in note and owner.data.background_images[2].frame_method == "FIT"


def test_a_failed_background_leaves_nothing(bpy, tmp_path, monkeypatch):
    from poselift.scene import footage

    found = facts(movie(bpy, tmp_path / "film.mp4"))
    owner = new_camera(bpy)
    before = data_names(bpy)

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(footage, "set_clip_camera", fail)
    with pytest.raises(RuntimeError):
        footage.set_background(owner, found, 1, Intrinsics(70.0, 70.0, 33.0, 15.0, 64, 32))
    assert data_names(bpy) == before
    assert not owner.data.background_images and not owner.data.show_background_images
    found.path.unlink()
    with pytest.raises(ReadError):
        footage.set_background(owner, found, 1)
    assert data_names(bpy) == before
