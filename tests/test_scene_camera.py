# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera mode 'scene': the body placed through the user's own moving camera, which stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from motions import motion_of, walking
from moving_cameras import FPS, LENS, filmed, moving_camera
from test_scene import data_names

from poselift.core.camera import project
from poselift.core.camera_path import CameraPath
from poselift.core.errors import CameraError, SettingsError
from poselift.core.pipeline import LiftSettings, lift, lift_people
from poselift.core.skeleton import HUMAN17
from poselift.operators.command_line import main

ANKLES = [HUMAN17.index("l_ankle"), HUMAN17.index("r_ankle")]
FRAMES = 150


@pytest.fixture(scope="module")
def film():
    return filmed(FRAMES)


@pytest.fixture(scope="module")
def placed(film):
    track, view, _ = film
    return lift(track, LiftSettings(camera_mode="scene", scene_camera=view, device="cpu"))


def slide(joints, truth):
    """Median speed, cm/s, of ankles that truly stand."""
    speed = [np.linalg.norm(np.gradient(x[:, ANKLES], axis=0), axis=-1) * float(FPS) for x in (joints, truth)]
    return 100 * float(np.median(speed[0][speed[1] < 0.1]))


def path_error(joints, truth):
    """Mean distance of the root from its true path after one rigid motion, as a share of the path's extent."""
    a, b = (x[:, HUMAN17.root] - x[:, HUMAN17.root].mean(0) for x in (joints, truth))
    u, _, vt = np.linalg.svd(a.T @ b)
    turn = vt.T @ np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
    return float(np.linalg.norm(a @ turn.T - b, axis=-1).mean() / np.linalg.norm(np.ptp(b, axis=0)))


def test_a_camera_path_goes_to_the_world_and_back():
    view = moving_camera(5)
    points = np.random.default_rng(0).normal(size=(5, 4, 3))
    np.testing.assert_allclose(view.to_world(view.to_camera(points)), points, atol=1e-12)
    np.testing.assert_allclose(view.to_camera(view.places), 0, atol=1e-12)
    with pytest.raises(CameraError):
        CameraPath(LENS, 2 * view.rotation, view.translation)
    with pytest.raises(CameraError):
        CameraPath(LENS, view.rotation[:3], view.translation)


def test_the_world_path_comes_out_of_the_cameras(film, placed):
    """Where a static camera is taken for granted, the same clip's path is wrong and its feet slide."""
    track, view, truth = film
    static = lift(track.replace(intrinsics=LENS), LiftSettings(device="cpu"))
    numbers = [(path_error(m.joints_world, truth), slide(m.joints_world, truth)) for m in (placed, static)]
    print(
        f"\nscene: path {numbers[0][0]:.1%}, slide {numbers[0][1]:.2f} cm/s; static: {numbers[1][0]:.1%}, {numbers[1][1]:.1f}"
    )
    assert numbers[0][0] < 0.03 and numbers[0][1] < 1
    assert numbers[1][0] > 5 * numbers[0][0] and numbers[1][1] > 10
    # No alignment: the world is the camera's own. Distance is as exact as the body's proportions are known.
    assert np.linalg.norm(placed.joints_world - truth, axis=-1).mean() < 0.15
    assert abs(placed.floor) < 0.05 and placed.report.camera_scale is None
    np.testing.assert_array_equal(placed.camera_rotation, view.rotation)
    np.testing.assert_allclose(placed.joints_camera, view.to_camera(placed.joints_world), atol=1e-9)
    assert placed.report.reprojection_median < 2.6  # 2 px of noise in each direction


@pytest.mark.parametrize("stretch", [0.5, 2.0])
def test_a_path_of_another_scale_is_told(film, stretch):
    track, view, _ = film
    places = stretch * view.places
    wrong = CameraPath(LENS, view.rotation, -np.einsum("tab,tb->ta", view.rotation, places))
    motion = lift(track, LiftSettings(camera_mode="scene", scene_camera=wrong, device="cpu"))
    assert motion.report.camera_scale == pytest.approx(1 / stretch, rel=0.1)
    assert any("stand still" in text for text in motion.report.warnings)


def test_a_standing_camera_of_the_scene_is_one_too(film):
    """A camera that does not move tells nothing of scale; people share its floor."""
    track, view, truth = film
    still = CameraPath(LENS, np.repeat(view.rotation[:1], FRAMES, 0), np.repeat(view.translation[:1], FRAMES, 0))
    one = track.replace(keypoints=project(still.to_camera(truth), LENS))
    two = track.replace(keypoints=project(still.to_camera(truth + (0.8, 0.6, 0.0)), LENS), person="2")
    motions = lift_people([one, two], LiftSettings(camera_mode="scene", scene_camera=still, device="cpu"))
    for motion, shift in zip(motions, (0.0, (0.8, 0.6, 0.0)), strict=True):
        assert motion.report.camera_scale is None and abs(motion.floor) < 0.05
        assert np.linalg.norm(motion.joints_world - truth - shift, axis=-1).mean() < 0.2


def test_what_does_not_go_together_is_told(film):
    track, view, _ = film
    with pytest.raises(SettingsError, match="camera mode"):
        LiftSettings(scene_camera=view)
    with pytest.raises(SettingsError, match="contradicts"):
        LiftSettings(camera_mode="scene", scene_camera=view, fov=1.0)
    with pytest.raises(SettingsError, match="needs"):
        lift(track, LiftSettings(camera_mode="scene", device="cpu"))
    with pytest.raises(SettingsError, match="frames"):
        lift(track, LiftSettings(camera_mode="scene", scene_camera=view.during(slice(0, 9)), device="cpu"))


def camera_scene(bpy, path, view, start=11):
    """Save a scene whose camera, on a crane, takes a path from frame `start` on; return what it looked like."""
    from mathutils import Matrix

    scene = bpy.context.scene
    crane, owner = (bpy.data.objects.new(n, d) for n, d in (("crane", None), ("mine", bpy.data.cameras.new("mine"))))
    for item in (crane, owner):
        scene.collection.objects.link(item)
    owner.parent, scene.camera = crane, owner
    owner.data.sensor_fit, owner.data.sensor_height = "VERTICAL", 24.0
    owner.data.lens = view.intrinsics.fy / view.intrinsics.height * 24.0
    scene.render.resolution_x, scene.render.resolution_y = view.intrinsics.width, view.intrinsics.height
    scene.render.fps, scene.frame_start, scene.frame_end = 24, 1, 250
    crane.rotation_mode = "QUATERNION"
    for row in range(len(view)):
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = view.rotation[row].T * (1, -1, -1), view.places[row]
        crane.location, crane.rotation_quaternion, _ = Matrix(world).decompose()
        for name in ("location", "rotation_quaternion"):
            crane.keyframe_insert(name, frame=start + row)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def test_the_command_line_places_people_in_the_users_scene(bpy, tmp_path, film, capfd):
    from poselift.core.readers.track_npz import write

    track, view, truth = film
    part = slice(0, 60)
    short = track.replace(keypoints=track.keypoints[part], scores=track.scores[part], times=None)
    write(tmp_path / "walk.npz", [short])
    camera_scene(bpy, tmp_path / "set.blend", view.during(part))
    given = ("--camera", "scene", "--scene", str(tmp_path / "set.blend"), "--scene-start", "11", "--device", "cpu", "--json")
    before = (tmp_path / "set.blend").read_bytes()
    assert main(["lift", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "out.blend"), *given, "-q"]) == 0
    printed = capfd.readouterr().out
    (report,) = json.loads(printed[printed.index("[\n") :])
    assert any("the scene has 24 frames a second, the keypoints 30" in warning for warning in report["warnings"])
    assert report["camera_mode"] == "scene" and (tmp_path / "set.blend").read_bytes() == before
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out.blend"))
    scene = bpy.context.scene
    assert scene.camera.name == "mine" and len(bpy.data.cameras) == 1
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 1, 250)
    armature = next(item for item in scene.objects if item.type == "ARMATURE")
    assert tuple(armature.animation_data.action.frame_range) == (11, 70)
    error = []
    for row in (0, 30, 59):
        scene.frame_set(11 + row)
        root = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[0].head
        error.append(np.linalg.norm(np.array(armature.matrix_world @ root) - truth[row, HUMAN17.root]))
    assert max(error) < 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--camera", "scene"], "needs the scene"),
        (["--scene", "x.blend"], "--camera scene"),
        (["--camera", "scene", "--scene", "x.blend"], "does not exist"),
    ],
)
def test_scenes_that_cannot_be_are_bad_usage(bpy, tmp_path, film, capsys, options, message):
    from poselift.core.readers.track_npz import write

    write(tmp_path / "walk.npz", [film[0]])
    assert main(["lift", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "out.npz"), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["static", "orbit", "scene"])
@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
def test_all_modes_put_the_armature_on_the_same_pixels_rendered(bpy, tmp_path, mode, fit):
    """Small spheres on the bones' joints, rendered through the camera, lie where the joints project."""
    from poselift.scene.build import apply
    from poselift.scene.camera import camera_pose
    from poselift.scene.user_camera import path_of_camera

    scene, dice = bpy.context.scene, np.random.default_rng(len(mode) + len(fit))
    tall = float(dice.uniform(1, 1.5))
    lens = replace(LENS, width=400, height=int(dice.integers(200, 500)), fx=420.0, fy=420.0 / tall, cx=230.0, cy=120.0)
    motion = motion_of(walking(8), lens, "orbit" if mode == "scene" else mode)
    if mode == "scene":
        data = bpy.data.cameras.new("mine")
        owner = bpy.data.objects.new("mine", data)
        scene.collection.objects.link(owner)
        scene.camera, owner.rotation_mode = owner, "QUATERNION"
        render = scene.render
        render.resolution_x, render.resolution_y, render.pixel_aspect_y = lens.width, lens.height, tall
        wide = fit == "HORIZONTAL" or (fit == "AUTO" and lens.width >= tall * lens.height)
        side = lens.width if wide else tall * lens.height
        data.sensor_fit, data.sensor_width, data.sensor_height = fit, 30.0, 20.0
        data.lens = lens.fx / side * (20.0 if fit == "VERTICAL" else 30.0)
        data.shift_x, data.shift_y = (0.5 * lens.width - lens.cx) / side, (lens.cy - 0.5 * lens.height) * tall / side
        for row, (turn, place) in enumerate(zip(*camera_pose(motion.camera_rotation, motion.camera_translation), strict=True)):
            owner.rotation_quaternion, owner.location = turn, place
            owner.keyframe_insert("rotation_quaternion", frame=1 + row)
            owner.keyframe_insert("location", frame=1 + row)
        view = path_of_camera("", 1.0 + np.arange(8))
        np.testing.assert_allclose(view.intrinsics.matrix, lens.matrix, atol=1e-3)
        motion = replace(motion, camera_mode="scene", camera_rotation=view.rotation, camera_translation=view.translation)
    made = apply(motion)
    worst = 0.0
    for frame in (0, 7):
        worst = max(worst, rendered_error(bpy, tmp_path, made, motion, frame))
    print(f"\n{mode} {fit}: {worst:.3f} px")
    assert worst < 0.5


def rendered_error(bpy, tmp_path, made, motion, frame):
    """Render a white ball at the ends of the left shin and of the right forearm; return the pixels they are off."""
    scene, worst = bpy.context.scene, 0.0
    scene.frame_set(frame + 1)
    made.body.hide_render = True
    for bone, joint in (("shin.L", "l_ankle"), ("forearm.R", "r_wrist")):
        seen = made.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        place = seen.matrix_world @ seen.pose.bones[bone].tail
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.04, location=place)
        ball = bpy.context.object
        found = centre_of_light(bpy, tmp_path, scene)
        bpy.data.objects.remove(ball)
        expected = project(motion.joints_camera[frame, HUMAN17.index(joint)], motion.intrinsics)
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def centre_of_light(bpy, tmp_path, scene):
    """Return the centre, in pixels, of what the scene's render covers."""
    render = scene.render
    render.engine, render.film_transparent, scene.display.render_aa = "BLENDER_WORKBENCH", True, "8"
    render.filepath = str(tmp_path / "ball.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(render.filepath)
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    cover = pixels.reshape(height, width, 4)[::-1, :, 3]
    y, x = np.mgrid[:height, :width] + 0.5
    return np.array([(x * cover).sum(), (y * cover).sum()]) / cover.sum()


def test_the_users_camera_and_scene_stay_as_they_are(bpy, tmp_path):
    from poselift.scene.build import apply

    view = moving_camera(8)
    camera_scene(bpy, tmp_path / "set.blend", view, start=1)
    scene = bpy.context.scene
    before, cameras = data_names(bpy), [(scene.camera.name, tuple(map(tuple, scene.camera.matrix_world)))]
    motion = replace(
        motion_of(walking(8), LENS), camera_mode="scene", camera_rotation=view.rotation, camera_translation=view.translation
    )
    made = apply(motion)
    assert made.camera == scene.camera and not made.camera.users_collection[0].name.startswith("Poselift")
    new = data_names(bpy) - before
    assert not [name for name in new if name[0] in ("cameras", "scenes")]
    assert [(scene.camera.name, tuple(map(tuple, scene.camera.matrix_world)))] == cameras

    from poselift.scene.build import BuildSettings
    from poselift.scene.preview_scene import lifted_in

    other = bpy.data.objects.new("other", bpy.data.cameras.new("other"))
    scene.collection.objects.link(other)
    assert apply(motion, BuildSettings(scene_camera="other")).camera == other
    assert [built.camera.name for built in lifted_in(scene)] == ["mine", "other"] and scene.camera.name == "mine"
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 1, 250)
