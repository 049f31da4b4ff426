# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip's tracking camera means to Blender's own solver and undistortion what its intrinsics mean to us."""

import numpy as np
import pytest
from clip_maker import WIDE, image_sequence, set_markers
from test_clip_tracks import followed_pixel

from poselift.core.camera import Intrinsics, project, undistort
from poselift.core.errors import CameraError

LENSES = {
    "POLYNOMIAL": {"k1": -0.2, "k2": 0.05, "k3": 0.01},
    "DIVISION": {"division_k1": 0.2, "division_k2": -0.02},
    "NUKE": {"nuke_k1": -0.1, "nuke_k2": 0.02},
    "BROWN": {"brown_k1": -0.2, "brown_k2": 0.05, "brown_k3": 0.01, "brown_k4": 0.05, "brown_p1": 0.01, "brown_p2": -0.02},
}


@pytest.fixture
def clip(bpy, tmp_path):
    return bpy.data.movieclips.load(str(image_sequence(bpy, tmp_path / "clip", 1)))


def set_lens(clip, model, aspect=1.0, focal=200.0, centre=(100.0, 50.0)):
    camera = clip.tracking.camera
    camera.pixel_aspect, camera.focal_length_pixels, camera.principal_point_pixels = aspect, focal, centre
    camera.distortion_model = model
    for name, value in LENSES[model].items():
        setattr(camera, name, value)


def solver_error(bpy, clip, intrinsics):
    """Pixels by which Blender's camera solve misses markers that were seen through these intrinsics, all else exact."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-1.2, -1, -0.6], [1.2, 1, 0.6], (30, 3))
    frames = np.arange(1, 21)
    pixels = np.empty((len(frames), len(points), 2))
    for t in range(len(frames)):
        place = np.array([-1.5 + 3 * t / len(frames), -4.0, 0.5 + 0.5 * np.sin(t / 4)])
        forward = -place / np.linalg.norm(place)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        pixels[t] = project((points - place) @ rotation.T, intrinsics)
    assert np.isfinite(pixels).all()
    data = clip.tracking.objects[0]
    for i in range(len(points)):
        set_markers(data.tracks, f"point {i}", pixels[:, i], WIDE, frames)
    data.keyframe_a, data.keyframe_b = 1, len(frames)
    settings = clip.tracking.settings
    for name in ("focal_length", "principal_point", "radial_distortion", "tangential_distortion"):
        setattr(settings, f"refine_intrinsics_{name}", False)
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces.active.clip = clip
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        assert bpy.ops.clip.solve_camera() == {"FINISHED"}
    assert data.reconstruction.is_valid
    return data.reconstruction.average_error


@pytest.mark.parametrize("aspect", [1.0, 1.5])
@pytest.mark.parametrize("model", LENSES)
def test_blenders_solver_reprojects_what_we_project(bpy, clip, model, aspect):
    from poselift.scene.clip_camera import intrinsics_of_clip, is_untouched

    assert is_untouched(clip, WIDE)
    set_lens(clip, model, aspect)
    intrinsics = intrinsics_of_clip(clip, WIDE)
    assert solver_error(bpy, clip, intrinsics) < 1e-4
    assert not is_untouched(clip, WIDE)


def test_the_solver_would_have_noticed(bpy, clip):
    """The same with one convention wrong, the y of the principal point upside down, is a thousand times worse."""
    from poselift.scene.clip_camera import intrinsics_of_clip

    set_lens(clip, "POLYNOMIAL")
    right = intrinsics_of_clip(clip, WIDE)
    wrong = Intrinsics(right.fx, right.fy, right.cx, WIDE[1] - right.cy, *WIDE, right.distortion)
    assert solver_error(bpy, clip, wrong) > 0.01


@pytest.mark.parametrize("model", LENSES)
def test_blender_undistorts_a_marker_as_we_do(bpy, clip, model):
    """Square pixels only: with others, Blender's constraint forgets the aspect, which its solver does not."""
    from poselift.scene.clip_camera import intrinsics_of_clip

    rng = np.random.default_rng(1)
    for row in range(6):
        set_lens(clip, model, focal=rng.uniform(150, 250), centre=(96 + rng.uniform(-8, 8), 54 + rng.uniform(-8, 8)))
        pixel = rng.uniform([0, 0], WIDE)
        set_markers(clip.tracking.objects[0].tracks, f"point {row}", pixel[None], WIDE, [1])
        ours = undistort(pixel, intrinsics_of_clip(clip, WIDE))
        assert np.abs(ours - followed_pixel(bpy, clip, f"point {row}", 1, undistorted=True)).max() < 1e-3


LENS_MODELS = {
    "none": ("opencv", ()),
    "radial": ("opencv", (-0.2, 0.05)),
    "full": ("opencv", (-0.2, 0.05, 0.001, -0.002, 0.01)),
    "division": ("opencv", (0, 0, 0, 0, 0, 0.1, 0.02, 0)),
    "brown": ("brown", (-0.2, 0.05, 0.001, -0.002, 0.01, 0.003)),
    "nuke": ("nuke", (-0.1, 0.02)),
}


@pytest.mark.parametrize("kind", LENS_MODELS)
def test_what_a_clip_is_given_comes_back(clip, kind):
    from poselift.scene.clip_camera import intrinsics_of_clip, set_clip_camera

    model, lens = LENS_MODELS[kind]
    given = Intrinsics(210.0, 260.0, 101.0, 48.0, *WIDE, lens, model=model)
    set_clip_camera(clip, given)
    back = intrinsics_of_clip(clip, WIDE)
    points = np.random.default_rng(2).uniform([-0.4, -0.2, 1], [0.4, 0.2, 1], (50, 3))
    assert np.abs(project(points, back) - project(points, given)).max() < 1e-3


def test_what_blender_has_no_lens_for_changes_nothing(clip):
    from poselift.scene.clip_camera import is_untouched, set_clip_camera

    for model, lens in (("fisheye", (0.1, 0, 0, 0)), ("opencv", (0.1, 0, 0, 0, 0, 0.2, 0.3, 0.4))):
        with pytest.raises(CameraError, match="undistort"):
            set_clip_camera(clip, Intrinsics(210.0, 260.0, 101.0, 48.0, *WIDE, lens, model=model))
    assert is_untouched(clip, WIDE)
