# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview as a movie: rate, size, the figure on its keypoints, the footage frame by frame; nothing left of half a one."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from clip_maker import frame_of, image_frames
from make_clip import write_clip
from motions import motion_of, walking
from test_scene import data_names

from poselift.core.camera import Intrinsics, project, undistort
from poselift.core.errors import OutputError
from poselift.operators.command_line import main

LENS = Intrinsics(250.0, 250.0, 96.0, 54.0, 192, 108)
RATE = Fraction(30000, 1001)


def built(motion):
    from poselift.scene.build import apply

    return apply(motion)


def test_a_movie_has_the_clips_rate_length_and_an_even_size(bpy, tmp_path):
    from poselift.scene.footage import footage_facts
    from poselift.scene.movie import save_movie

    motion = motion_of(walking(5), replace(LENS, width=191, height=107), fps=RATE)
    made = built(motion)
    bpy.context.scene.frame_set(3)
    before, told = data_names(bpy), []
    path = tmp_path / "out.mp4"
    save_movie(path, [made], [motion], lambda done, of: told.append((done, of)))
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert told == [(n, 5) for n in range(1, 6)]
    assert data_names(bpy) == before and bpy.context.scene.frame_current == 3
    facts = footage_facts(path)
    assert (facts.size, facts.fps, facts.frames) == ((192, 108), RATE, 5)


@pytest.mark.parametrize("mode", ["static", "orbit"])
def test_keypoints_are_drawn_where_they_are_on_every_frame(bpy, tmp_path, mode):
    from poselift.scene.movie import save_movie

    motion = motion_of(walking(6), LENS.scaled(960, 540), mode)
    motion.scores[2, 13] = 0.0
    save_movie(tmp_path / "out.mp4", [built(motion)], [motion])
    for frame in (0, 2, 5):
        light = frame_of(bpy, tmp_path / "out.mp4", frame, (960, 540)).min(-1).astype(float)
        for joint, (x, y) in enumerate(motion.keypoints[frame]):
            others = np.delete(motion.keypoints[frame], joint, 0)
            if np.linalg.norm(others - (x, y), axis=-1).min() < 12:
                continue
            row, column = np.mgrid[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7]
            away = np.hypot(row + 0.5 - y, column + 0.5 - x)
            around = ((light[row, column] > 110) & (away < 4.6)).astype(float)
            rim = np.median(light[row, column][(away > 4.2) & (away < 5.2)])
            drawn = bool(around[away < 2].all() and rim < 90)
            assert drawn == (motion.scores[frame, joint] > 0)
            if drawn:
                assert abs((column + 0.5 - x).ravel() @ around.ravel()) / around.sum() < 0.5
                assert abs((row + 0.5 - y).ravel() @ around.ravel()) / around.sum() < 0.5


def test_the_figure_is_over_its_footage_undistorted_frame_by_frame(bpy, tmp_path):
    """A green square of the footage, at another place in every frame, shows where an undistorted lens would see it."""
    from poselift.scene.footage import footage_facts, set_background
    from poselift.scene.movie import save_movie

    lens = replace(LENS, distortion=(-0.4, 0.1))
    places = np.array([[20.0, 20.0], [170.0, 25.0], [30.0, 90.0], [160.0, 80.0]])
    film = footage_facts(image_frames(bpy, tmp_path / "film", places, (192, 108)))
    motion = motion_of(walking(4), LENS)
    made = built(motion)
    assert set_background(made.camera, film, 1, lens) == ()
    save_movie(tmp_path / "out.mp4", [made], [motion])
    for frame, place in enumerate(places):
        picture = frame_of(bpy, tmp_path / "out.mp4", frame, (192, 108)).astype(float)
        green = np.argwhere(picture[..., 1] - picture[..., [0, 2]].max(-1) > 80)[:, ::-1]
        expected = undistort(np.floor(place) + 0.5, lens)
        assert np.abs(expected - place).max() > 2
        assert np.abs(green.mean(0) + 0.5 - expected).max() < 0.7
        blue, orange = picture[..., 2] - picture[..., 0] > 60, picture[..., 0] - picture[..., 2] > 60
        figure = np.argwhere(blue | orange)[:, ::-1]
        limbs = project(motion.joints_camera[frame], LENS)
        assert np.abs(figure.min(0) - limbs.min(0)).max() < 12 and np.abs(figure.max(0) - limbs.max(0)).max() < 12
        assert np.linalg.norm(picture[60, 185]) < 30  # beyond figure and square the footage is black


def test_ctrl_c_stops_a_movie_wherever_it_comes(bpy, tmp_path):
    """The signal comes between two of Python's lines, not where one waits for it."""
    from poselift.scene.movie import save_movie

    made, told = built(motion_of(walking(12), LENS)), []

    def press(done, _of):
        told.append(done)
        if done == 2:
            bpy.app.handlers.render_pre.append(lambda *_: os.kill(os.getpid(), signal.SIGINT))

    usual = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            save_movie(tmp_path / "out.mp4", [made], (), press)
    finally:
        bpy.app.handlers.render_pre.clear()
    assert told == [1, 2] and not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is usual


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_stopped_movie_ends_at_once_and_leaves_nothing(bpy, tmp_path, error):
    from poselift.scene.movie import save_movie

    motion = motion_of(walking(12), LENS)
    made = built(motion)
    before, told = data_names(bpy), []

    def stop(done, _of):
        told.append(done)
        if done == 2:
            raise error("stop")

    (tmp_path / "out.mp4").write_text("the last one")
    with pytest.raises(OutputError if error is RuntimeError else error):
        save_movie(tmp_path / "out.mp4", [made], [motion], stop)
    assert told == [1, 2]
    assert data_names(bpy) == before
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.mp4", "the last one")]
    assert not bpy.app.handlers.render_write


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "keypoints", frames=8).keypoints


def test_the_command_line_renders_movies_and_keeps_its_own_output(bpy, clip, tmp_path, capfd):
    from poselift.scene.footage import footage_facts

    movie = tmp_path / "{name}.mp4"
    given = ("--size", "192x108", "--fps", "25", "--fov", "50", "--preview", str(movie))
    assert main(["lift", str(clip), "-o", str(tmp_path / "out.npz"), *given, "--json"]) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("[\n") and "keypoints.mp4" in printed.out
    assert "8 of 8 frames" in printed.err
    facts = footage_facts(tmp_path / "keypoints.mp4")
    assert (facts.size, facts.fps, facts.frames) == ((192, 108), Fraction(25), 8)


@pytest.mark.parametrize(
    ("preview", "message"),
    [("out.avi", "'.avi' is none of"), ("missing/out.mp4", "does not exist"), ("missing/out.png", "does not exist"), ("", "")],
)
def test_a_preview_that_cannot_be_is_told_before_anything_is_lifted(
    bpy, clip, tmp_path, tmp_path_factory, capsys, preview, message
):
    """Without a name of its own: two clips, one file."""
    target, clips = str(tmp_path / preview) if preview else str(tmp_path / "one.mp4"), [str(clip)]
    if not preview:
        clips.append(str(shutil.copytree(clip, tmp_path_factory.mktemp("second") / "other")))
    output = tmp_path / ("out.npz" if preview else "out")
    status = main(["lift", *clips, "-o", str(output), "--preview", target, "-q"])
    assert status == 2 and (message or "would both become") in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
