# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own camera: pixels as Blender's own functions say, for any settings, and its way through the world."""

import numpy as np
import pytest

from poselift.core.camera import project
from poselift.core.errors import CameraError


@pytest.fixture
def owner(bpy):
    owner = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    bpy.context.scene.collection.objects.link(owner)
    bpy.context.scene.camera = owner
    return owner


def shuffle(owner, scene, rng):
    data, render = owner.data, scene.render
    data.sensor_fit = rng.choice(["AUTO", "HORIZONTAL", "VERTICAL"])
    data.lens, data.sensor_width, data.sensor_height = rng.uniform(8, 120), rng.uniform(10, 50), rng.uniform(10, 50)
    data.shift_x, data.shift_y = rng.uniform(-0.4, 0.4, 2)
    render.resolution_x, render.resolution_y = (int(side) for side in rng.integers(200, 4000, 2))
    render.resolution_percentage = int(rng.choice([100, 100, 50, 33, 77, 150]))
    render.pixel_aspect_x, render.pixel_aspect_y = (1.0, rng.uniform(1, 2))[:: rng.choice([1, -1])]
    owner.location, owner.rotation_euler = rng.normal(0, 3, 3), rng.uniform(-3, 3, 3)
    owner.scale = rng.uniform(0.3, 3, 3)


def image_size(render):
    share = render.resolution_percentage
    return tuple(int(side) * share // 100 for side in (render.resolution_x, render.resolution_y))


def test_intrinsics_see_what_blender_sees_whatever_the_settings(bpy, owner):
    """Against world_to_camera_view, in pixels, and calc_matrix_camera, which the renderer itself uses."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    from poselift.scene.user_camera import extrinsics_of_camera, intrinsics_of_camera

    rng, scene, worst, exact = np.random.default_rng(0), bpy.context.scene, 0.0, 0.0
    for _ in range(150):
        shuffle(owner, scene, rng)
        bpy.context.view_layer.update()
        intrinsics = intrinsics_of_camera(owner, scene)
        size = np.array(image_size(scene.render))
        assert (intrinsics.width, intrinsics.height) == tuple(size)
        (rotation,), (shift,) = extrinsics_of_camera(owner, [scene.frame_current])
        rays = np.c_[rng.uniform(-0.4, 0.4, (8, 2)), np.ones(8)] * rng.uniform(1, 6, (8, 1))
        rays[:, :2] *= np.array([intrinsics.width / intrinsics.fx, intrinsics.height / intrinsics.fy])
        world = (rays - shift) @ rotation
        ours = project(world @ rotation.T + shift, intrinsics)
        view = np.array([world_to_camera_view(scene, owner, Vector(point))[:2] for point in world])
        theirs = np.stack([view[:, 0], 1 - view[:, 1]], -1) * size
        # world_to_camera_view takes the whole resolution's shape; at a percentage the image's own differs by parts of a pixel.
        if scene.render.resolution_percentage == 100:
            worst = max(worst, float(np.abs(ours - theirs).max()))
        graph = bpy.context.evaluated_depsgraph_get()
        render = scene.render
        matrix = np.array(
            owner.calc_matrix_camera(graph, x=size[0], y=size[1], scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y)
        )
        clip = np.c_[rays * (1, -1, -1), np.ones(8)] @ matrix.T
        theirs = (clip[:, :2] / clip[:, 3:] * (0.5, -0.5) + 0.5) * size
        exact = max(exact, float(np.abs(ours - theirs).max()))
    print(f"\nworld_to_camera_view {worst:.5f} px, calc_matrix_camera {exact:.5f} px")
    assert worst < 0.01
    assert exact < 0.01


def test_the_corners_of_the_view_frame_are_the_images(bpy, owner):
    from poselift.scene.user_camera import intrinsics_of_camera

    rng, scene = np.random.default_rng(1), bpy.context.scene
    for _ in range(50):
        shuffle(owner, scene, rng)
        scene.render.resolution_percentage = 100
        intrinsics = intrinsics_of_camera(owner, scene)
        corners = np.array(owner.data.view_frame(scene=scene)) * (1, -1, -1)
        right, bottom = intrinsics.width, intrinsics.height
        expected = [[right, 0], [right, bottom], [0, bottom], [0, 0]]
        assert np.abs(project(corners / corners[:, 2:], intrinsics) - expected).max() < 0.01


def test_our_own_camera_comes_back(bpy):
    from motions import LANDSCAPE, PORTRAIT, motion_of, walking

    from poselift.scene.build import apply
    from poselift.scene.user_camera import extrinsics_of_camera, intrinsics_of_camera

    for given in (PORTRAIT, LANDSCAPE):
        for mode in ("static", "orbit"):
            motion = motion_of(walking(12), given, mode)
            built = apply(motion)
            back = intrinsics_of_camera(built.camera, bpy.context.scene)
            np.testing.assert_allclose(back.matrix, given.matrix, rtol=1e-5)
            rotation, shift = extrinsics_of_camera(built.camera, 1 + np.arange(12))
            assert np.abs(rotation - motion.camera_rotation).max() < 1e-5
            assert np.abs(shift - motion.camera_translation).max() < 1e-4


def test_a_moving_camera_is_followed_through_parents_and_between_frames(bpy, owner):
    from poselift.scene.user_camera import extrinsics_of_camera

    crane = bpy.data.objects.new("crane", None)
    bpy.context.scene.collection.objects.link(crane)
    owner.parent, owner.location = crane, (0, 0, 2)
    for frame, x in ((1, 0.0), (11, 5.0)):
        crane.location = (x, 0, 0)
        crane.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(4, subframe=0.25)
    frames = np.array([1, 2.5, 6, 11])
    rotation, shift = extrinsics_of_camera(owner, frames)
    places = -np.einsum("tba,tb->ta", rotation, shift)
    assert (bpy.context.scene.frame_current, bpy.context.scene.frame_subframe) == (4, 0.25)
    for frame, place in zip(frames, places, strict=True):
        bpy.context.scene.frame_set(int(frame), subframe=frame % 1)
        assert np.abs(place - np.array(owner.matrix_world.translation)).max() < 1e-6
    assert np.ptp(places[:, 0]) == pytest.approx(5)
    np.testing.assert_allclose(rotation, np.broadcast_to(np.diag([1, -1, -1]), (4, 3, 3)), atol=1e-7)


def test_cameras_that_are_no_pinhole_are_told(bpy, owner):
    from poselift.scene.user_camera import extrinsics_of_camera, intrinsics_of_camera

    scene = bpy.context.scene
    for kind in ("ORTHO", "PANO"):
        owner.data.type = kind
        with pytest.raises(CameraError, match="perspective"):
            intrinsics_of_camera(owner, scene)
    owner.data.type = "PERSP"
    with pytest.raises(CameraError, match="no camera"):
        intrinsics_of_camera(bpy.data.objects.new("empty", None), scene)
    for frame, lens in ((1, 35.0), (10, 70.0)):
        owner.data.lens = lens
        owner.data.keyframe_insert("lens", frame=frame)
    with pytest.raises(CameraError, match="zooms"):
        extrinsics_of_camera(owner, [1, 10])
    owner.data.animation_data_clear()
    owner.scale = (-1, 1, 1)
    with pytest.raises(CameraError, match="mirrored"):
        extrinsics_of_camera(owner, [1])
