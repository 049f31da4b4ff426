# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion in a real Blender: armature, keys, camera, mannequin, timing, files, stills."""

import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from motions import (
    LANDSCAPE,
    PORTRAIT,
    SQUARE_PIXELS,
    bone_lengths,
    dog_joints,
    dog_skeleton,
    motion_of,
    raised_left_arm,
    walking,
)

from poselift.core.camera import Intrinsics
from poselift.core.errors import CameraError, OutputError, RigError, SettingsError
from poselift.core.output import written_aside
from poselift.core.rig.bones import bone_table
from poselift.core.rig.rest import rest_pose
from poselift.core.skeleton import HUMAN17

WIDE = Intrinsics(700.0, 700.0, 300.0, 900.0, 1600, 900)  # its principal point lies on the lower edge
CAMERAS = {"portrait": PORTRAIT, "landscape": LANDSCAPE, "square pixels": SQUARE_PIXELS, "far off centre": WIDE}


def build(motion, **settings):
    from poselift.scene.build import BuildSettings, apply

    return apply(motion, BuildSettings(**settings))


def evaluated_joints(bpy, built, table):
    """The skeleton's joints (J, 3) at the current frame: heads and tails of the evaluated pose bones, in the world."""
    armature = built.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    joints = np.full((len(table.skeleton), 3), np.nan)
    for bone in table.bones:
        pose_bone = armature.pose.bones[bone.name]
        ends = [(bone.head, pose_bone.head)] + ([(bone.tail, pose_bone.tail)] if bone.tail else [])
        for joint, end in ends:
            joints[table.skeleton.index(joint)] = armature.matrix_world @ end
    return joints


def seen_through(bpy, built, joints):
    """Pixels (J, 2) of world points as Blender's own camera sees them at the current frame."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    scene = bpy.context.scene
    camera = built.camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
    view = np.array([world_to_camera_view(scene, camera, Vector(joint)) for joint in joints])
    assert (view[:, 2] > 0).all()
    return np.stack([view[:, 0] * scene.render.resolution_x, (1 - view[:, 1]) * scene.render.resolution_y], -1)


def data_names(bpy):
    """Every datablock's kind and name."""
    kinds = [prop.identifier for prop in bpy.types.BlendData.bl_rna.properties if prop.type == "COLLECTION"]
    return {(kind, block.name_full) for kind in kinds for block in getattr(bpy.data, kind)}


@pytest.mark.parametrize("mode", ["static", "orbit"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_the_armature_is_the_motion_and_lies_on_it_in_the_camera(bpy, mode, camera):
    motion = motion_of(walking(48), CAMERAS[camera], mode)
    built = build(motion)
    scene, table = bpy.context.scene, bone_table(HUMAN17)
    assert scene.camera == built.camera
    for frame in range(len(motion)):
        scene.frame_set(1 + frame)
        joints = evaluated_joints(bpy, built, table)
        assert np.abs(joints - motion.joints_world[frame]).max() < 1e-3
        assert np.linalg.norm(seen_through(bpy, built, joints) - motion.keypoints[frame], axis=-1).max() < 0.5


@pytest.mark.parametrize("scale", [0.1, 4.0])
def test_small_and_large_actors_are_as_exact(bpy, scale):
    motion = motion_of(walking(12, scale=scale))
    built = build(motion)
    for frame in range(len(motion)):
        bpy.context.scene.frame_set(1 + frame)
        error = np.abs(evaluated_joints(bpy, built, bone_table(HUMAN17)) - motion.joints_world[frame]).max()
        assert error < 1e-3 * scale


def test_a_raised_left_arm_is_a_raised_left_arm(bpy):
    built = build(motion_of(raised_left_arm()))
    bones = built.armature.pose.bones
    left, right = bones["forearm.L"].tail, bones["forearm.R"].tail
    assert left.x > 0.1 > -0.1 > right.x  # facing -Y, the left is at +X
    assert left.z > bones["head"].tail.z > right.z
    pixels = seen_through(bpy, built, [left, right, bones["pelvis"].head])
    assert pixels[0, 0] > pixels[2, 0] > pixels[1, 0]  # from the front, the left is on the image's right
    assert pixels[0, 1] < pixels[1, 1]


def test_bones_lie_at_rest_as_the_core_says_rolls_included(bpy):
    motion = motion_of(walking(3))
    built = build(motion)
    rest = rest_pose(bone_table(HUMAN17), motion.bone_lengths)
    for i, name in enumerate(rest.table.names):
        bone = built.armature.data.bones[name]
        matrix = np.array(bone.matrix_local)
        np.testing.assert_allclose(matrix[:3, :3], rest.matrices[i], atol=1e-5)
        np.testing.assert_allclose(matrix[:3, 3], rest.heads[i], atol=1e-5)
        np.testing.assert_allclose(bone.tail_local, rest.tails[i], atol=1e-5)
        assert (bone.parent.name if bone.parent else None) == rest.table.bones[i].parent


def test_limbs_are_connected_chains(bpy):
    bones = build(motion_of(walking(3))).armature.data.bones
    connected = {bone.name for bone in bones if bone.use_connect}
    sided = {f"{name}.{side}" for name in ("thigh", "shin", "shoulder", "upper_arm", "forearm") for side in "LR"}
    assert connected == sided | {"chest", "neck", "head"}


def test_left_and_right_bones_pair_in_blenders_own_mirroring(bpy):
    built = build(motion_of(walking(3)))
    names = {bone.name for bone in built.armature.data.bones}
    assert {bpy.utils.flip_name(name) for name in names} == names
    bones = built.armature.data.bones
    for name in names:
        mirrored = np.diag([-1, 1, 1]) @ np.array(bones[name].matrix_local)[:3, :3] * [-1, 1, 1]
        np.testing.assert_allclose(np.array(bones[bpy.utils.flip_name(name)].matrix_local)[:3, :3], mirrored, atol=1e-5)


def test_keys_are_linear_quaternions_grouped_by_bone_in_an_action_of_its_own(bpy):
    from poselift.scene import compat

    motion = motion_of(walking(20))
    built = build(motion)
    curves = compat.fcurves_of(built.armature)
    assert built.armature.animation_data.action == built.action
    assert (built.action.users, built.action.use_fake_user) == (1, False)
    assert all(curve.group.name in curve.data_path for curve in curves)
    paths = {curve.data_path for curve in curves}
    assert paths == {'pose.bones["pelvis"].location'} | {
        f'pose.bones["{name}"].rotation_quaternion' for name in bone_table(HUMAN17).names if not name.startswith("hip.")
    }  # the hips never turn against the pelvis
    assert {key.interpolation for curve in curves for key in curve.keyframe_points} == {"LINEAR"}
    assert {len(curve.keyframe_points) for curve in curves} == {20}
    assert [key.co.x for key in curves[0].keyframe_points] == list(range(1, 21))
    assert all(bone.rotation_mode == "QUATERNION" for bone in built.armature.pose.bones)


def test_two_motions_have_two_actions_and_two_collections(bpy):
    first, second = build(motion_of(walking(5))), build(motion_of(walking(6)))
    assert first.action != second.action
    assert first.collection != second.collection
    assert {item.name for item in first.collection.objects}.isdisjoint(item.name for item in second.collection.objects)
    bpy.context.scene.frame_set(3)
    for built in (first, second):
        joints = evaluated_joints(bpy, built, bone_table(HUMAN17))
        assert np.isfinite(joints).all()


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (Fraction(30000, 1001), (30, 1.001)),
        (Fraction(24000, 1001), (24, 1.001)),
        (Fraction(25), (25, 1.0)),
        (Fraction(120), (120, 1.0)),
        (Fraction(25, 2), (12, 0.96)),
        (Fraction(1, 3), (1, 3.0)),
    ],
)
def test_the_scenes_rate_is_the_motions_exactly(bpy, fps, expected):
    build(motion_of(walking(4), fps=fps))
    render = bpy.context.scene.render
    assert render.fps == expected[0]
    assert render.fps_base == np.float32(expected[1])
    assert render.fps / render.fps_base == pytest.approx(float(fps), rel=1e-7)


def test_range_and_frames_follow_the_clip(bpy):
    build(motion_of(walking(37)), frame_start=101)
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (101, 137, 101)


def test_uneven_times_survive_to_the_keys(bpy):
    from poselift.scene import compat

    times = np.array([0.0, 1.0, 2.5, 3.0, 7.25]) / 25 + 2.0
    motion = motion_of(walking(5), fps=Fraction(25), times=times)
    built = build(motion)
    keys = [key.co.x for key in compat.fcurves_of(built.armature)[0].keyframe_points]
    assert keys == [1.0, 2.0, 3.5, 4.0, 8.25]
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 9)
    bpy.context.scene.frame_set(3, subframe=0.5)
    np.testing.assert_allclose(evaluated_joints(bpy, built, bone_table(HUMAN17)), motion.joints_world[2], atol=1e-3)


def test_a_scene_that_is_to_be_left_alone_keeps_its_rate_and_the_motion_its_times(bpy):
    from poselift.scene import compat

    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    before = (scene.frame_start, scene.frame_end, scene.render.resolution_x, scene.camera)
    built = build(motion_of(walking(5), fps=Fraction(48)), set_scene=False)
    assert (scene.frame_start, scene.frame_end, scene.render.resolution_x, scene.camera) == before
    assert (scene.render.fps, scene.render.fps_base) == (24, 1.0)
    assert [key.co.x for key in compat.fcurves_of(built.armature)[0].keyframe_points] == [1, 1.5, 2, 2.5, 3]


def test_a_static_camera_is_not_keyed_and_an_orbiting_one_turns_continuously(bpy):
    from poselift.scene import compat

    still = build(motion_of(walking(10), mode="static"))
    assert compat.fcurves_of(still.camera) == []
    moving = build(motion_of(walking(90), mode="orbit"))
    curves = compat.fcurves_of(moving.camera)
    assert {curve.data_path for curve in curves} == {"location", "rotation_quaternion"}
    q = np.array([[key.co.y for key in c.keyframe_points] for c in curves if c.data_path == "rotation_quaternion"]).T
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1, atol=1e-6)
    assert ((q[1:] * q[:-1]).sum(1) > 0.98).all()


def test_one_frame_is_enough(bpy):
    built = build(motion_of(walking(1)))
    np.testing.assert_allclose(evaluated_joints(bpy, built, bone_table(HUMAN17)), walking(1)[0], atol=1e-3)
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 1)


def test_a_dog_becomes_an_armature_too(bpy):
    skeleton = dog_skeleton()
    motion = motion_of(dog_joints(skeleton), skeleton=skeleton)
    built = build(motion)
    table = bone_table(skeleton, motion.joints_world)
    for frame in (0, 7, 19):
        bpy.context.scene.frame_set(1 + frame)
        assert np.abs(evaluated_joints(bpy, built, table) - motion.joints_world[frame]).max() < 1e-3


def test_the_mannequin_moves_with_its_bones_every_vertex_on_one_of_them(bpy):
    motion = motion_of(walking(30))
    built = build(motion)
    mesh = built.body.data
    assert all(len(vertex.groups) == 1 and vertex.groups[0].weight == 1 for vertex in mesh.vertices)
    names = {group.name for group in built.body.vertex_groups}
    assert names == {name for name in bone_table(HUMAN17).names if not name.startswith("hip.")}
    bpy.context.scene.frame_set(11)
    graph = bpy.context.evaluated_depsgraph_get()
    body = built.body.evaluated_get(graph)
    points = np.array([body.matrix_world @ vertex.co for vertex in body.to_mesh().vertices])
    group = built.body.vertex_groups["shin.L"].index
    own = [vertex.index for vertex in mesh.vertices if vertex.groups[0].group == group]
    knee, ankle = (motion.joints_world[10, HUMAN17.index(name)] for name in ("l_knee", "l_ankle"))
    assert np.linalg.norm(points[own].mean(0) - 0.5 * (knee + ankle)) < 0.06
    across = np.linalg.norm(np.cross(points[own] - knee, (ankle - knee) / np.linalg.norm(ankle - knee)), axis=1)
    assert across.max() < 0.1


def test_the_mannequins_faces_look_outwards(bpy):
    mesh = build(motion_of(walking(2))).body.data
    volume = sum(
        np.linalg.det(np.array([mesh.vertices[i].co for i in corners]))
        for face in mesh.polygons
        for corners in ((face.vertices[0], face.vertices[k], face.vertices[k + 1]) for k in range(1, len(face.vertices) - 1))
    )
    assert 0.03 < volume / 6 < 0.15  # cubic metres


def test_other_objects_and_their_selection_data_stay_as_they_are(bpy):
    bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3))
    cube = bpy.context.object
    before, place = data_names(bpy), cube.matrix_world.copy()
    built = build(motion_of(walking(4)))
    assert before <= data_names(bpy)
    assert cube.matrix_world == place
    assert cube.users_collection == (bpy.context.scene.collection,)
    assert bpy.context.view_layer.objects.active == built.armature
    assert [item.name for item in bpy.context.selected_objects] == [built.armature.name]


def test_it_works_from_edit_mode_of_another_object(bpy):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    built = build(motion_of(walking(4)))
    assert bpy.context.mode == "OBJECT"
    assert built.armature.animation_data.action == built.action


@pytest.mark.parametrize("failing", ["new_camera", "new_body", "key_steps", "set_render_size", "new_armature"])
def test_an_error_in_the_middle_leaves_the_scene_as_it_was(bpy, monkeypatch, failing):
    from poselift.scene import build as module
    from poselift.scene.steps import finished

    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    scene = bpy.context.scene
    scene.render.fps, scene.frame_end, scene.render.resolution_x = 12, 77, 333

    def state():
        render = scene.render
        return (
            data_names(bpy), scene.frame_start, scene.frame_end, scene.frame_current, render.fps, render.resolution_x,
            scene.camera, bpy.context.mode, bpy.context.object.name, [item.name for item in bpy.context.selected_objects],
        )  # fmt: skip

    before, real = state(), getattr(module, failing)

    def fail(*arguments, **keywords):
        done = real(*arguments, **keywords)
        if failing == "key_steps":
            finished(done)
        raise RuntimeError("no more")

    monkeypatch.setattr(module, failing, fail)
    with pytest.raises(RuntimeError, match="no more"):
        build(motion_of(walking(4)))
    assert state() == before


def test_a_motion_that_blender_cannot_hold_is_refused_and_nothing_is_made(bpy):
    before = data_names(bpy)
    motion = motion_of(walking(3))
    with pytest.raises(RigError):
        build(replace(motion, bone_lengths=0 * bone_lengths()))
    with pytest.raises(SettingsError, match="frame rate"):
        build(replace(motion, fps=Fraction(40000)))
    with pytest.raises(CameraError, match="check the intrinsics"):
        build(replace(motion, intrinsics=replace(motion.intrinsics, fx=10.0)))
    assert data_names(bpy) == before


def test_a_blend_is_a_whole_copy_and_the_open_file_keeps_its_name(bpy, tmp_path):
    from poselift.scene.export import save_blend

    motion = motion_of(walking(6))
    name = build(motion).armature.name
    target = tmp_path / "clip.blend"
    save_blend(target)
    assert bpy.data.filepath == ""
    assert [path.name for path in tmp_path.iterdir()] == ["clip.blend"]
    bpy.ops.wm.open_mainfile(filepath=str(target))
    bpy.context.scene.frame_set(4)
    tail = bpy.data.objects[name].pose.bones["forearm.L"].tail
    np.testing.assert_allclose(tail, motion.joints_world[3, HUMAN17.index("l_wrist")], atol=1e-3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Blender's importer leaves the file open
def test_a_bvh_has_the_motion_and_its_rate(bpy, tmp_path):
    from poselift.scene.export import save_bvh

    motion = motion_of(walking(8), fps=Fraction(30000, 1001))
    built = build(motion)
    target = tmp_path / "clip.bvh"
    save_bvh(target, built.armature)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bvh"]
    text = target.read_text()
    assert float(text.split("Frame Time:")[1].split()[0]) == pytest.approx(1001 / 30000, abs=1e-6)
    assert text.count("position") == 3  # the root's alone
    bpy.ops.import_anim.bvh(filepath=str(target), axis_forward="Y", axis_up="Z", update_scene_fps=False)
    read = bpy.context.object
    for frame in range(len(motion)):
        bpy.context.scene.frame_set(1 + frame)
        tail = read.matrix_world @ read.pose.bones["forearm.L"].tail
        np.testing.assert_allclose(tail, motion.joints_world[frame, HUMAN17.index("l_wrist")], atol=2e-3)


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(bpy, tmp_path, monkeypatch):
    from poselift.scene import export

    built = build(motion_of(walking(3)))
    with pytest.raises(OutputError, match="does not exist"):
        export.save_blend(tmp_path / "missing" / "clip.blend")
    (tmp_path / "folder.bvh").mkdir()
    with pytest.raises(OutputError, match="this is a folder"):
        export.save_bvh(tmp_path / "folder.bvh", built.armature)
    old = tmp_path / "old.bvh"
    old.write_text("before")
    with pytest.raises(OutputError, match="disk full"), written_aside(old) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert old.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.bvh", "old.bvh"]


def read_png(path: Path) -> np.ndarray:
    """Pixels (H, W, C) of an 8-bit PNG without interlacing (the PNG specification, sections 9 and 11.2)."""
    data, at, packed, size = path.read_bytes(), 8, b"", (0, 0, 0)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8
            assert not interlaced
            size = (height, width, {2: 3, 6: 4}[colour])
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    height, width, channels = size
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width * channels + 1).astype(int)
    image = np.zeros((height, width * channels), int)
    for y, row in enumerate(rows):
        up = image[y - 1] if y else np.zeros(width * channels, int)
        for x in range(width * channels):
            left = image[y, x - channels] if x >= channels else 0
            corner = up[x - channels] if x >= channels else 0
            estimate = left + up[x] - corner
            paeth = min((left, up[x], corner), key=lambda v: abs(estimate - v))
            image[y, x] = (row[1 + x] + (0, left, up[x], (left + up[x]) // 2, paeth)[row[0]]) % 256
    return image.reshape(size)


def test_a_still_shows_the_figure_where_the_keypoints_are(bpy, tmp_path):
    from poselift.scene.render import save_still

    motion = motion_of(walking(20), LANDSCAPE)
    built = build(motion)
    before = data_names(bpy)
    save_still(tmp_path / "still.png", built, 8, longest=240)
    assert [path.name for path in tmp_path.iterdir()] == ["still.png"]
    assert data_names(bpy) == before
    image = read_png(tmp_path / "still.png")[..., :3].astype(float)
    assert image.shape == (135, 240, 3)
    blue, orange = image[..., 2] - image[..., 0] > 60, image[..., 0] - image[..., 2] > 60
    for mask, side in ((blue, "l"), (orange, "r")):
        names = [f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]
        pixels = motion.keypoints[7, [HUMAN17.index(name) for name in names]] * (240 / 1920)
        seen = np.argwhere(mask)[:, ::-1]
        assert len(seen) > 40
        assert np.abs(np.percentile(seen, [2, 98], axis=0) - [pixels.min(0), pixels.max(0)]).max() < 6


@pytest.mark.parametrize("view", ["front", "side", "back", "three-quarter"])
def test_other_views_frame_the_figure(bpy, tmp_path, view):
    from poselift.scene.render import save_still

    built = build(motion_of(walking(20)))
    save_still(tmp_path / "still.png", built, 8, view, longest=96)
    image = read_png(tmp_path / "still.png")[..., :3].astype(float)
    assert image.shape == (96, 72, 3)
    rows = np.flatnonzero((np.ptp(image, axis=-1) > 60).any(1))  # blue and orange limbs
    assert rows.max() - rows.min() > 40
    assert rows.min() > 0
    assert rows.max() < 95


def test_work_off_the_main_thread_reports_progress_and_gives_its_result():
    from threading import Event

    from poselift.scene.jobs import Job

    going, seen = Event(), Event()

    def work(progress):
        progress(0.25, "first")
        seen.set()
        going.wait(5)
        return "done"

    job = Job(work).start()
    assert seen.wait(5)
    assert job.running
    assert job.progress == (0.25, "first")
    going.set()
    assert job.result() == "done"
    assert not job.running


def test_cancelled_work_stops_at_its_next_progress_and_errors_come_through():
    from threading import Event

    from poselift.core.errors import CancelledError
    from poselift.scene.jobs import Job

    going, reached = Event(), []

    def work(progress):
        going.wait(5)
        progress(0.5, "x")
        reached.append(True)

    job = Job(work).start()
    job.cancel()
    going.set()
    with pytest.raises(CancelledError):
        job.result()
    assert reached == []

    def broken(progress):
        raise RigError("no bones")

    with pytest.raises(RigError, match="no bones"):
        Job(broken).start().result()


def test_the_name_given_for_eevee_is_one_that_this_blender_has(bpy):
    from poselift.scene import compat

    scene = bpy.context.scene
    scene.render.engine = compat.eevee_engine()
    assert scene.render.engine.startswith("BLENDER_EEVEE")


def test_frames_to_look_at_are_marked_anew_and_nobody_elses_markers_are_touched(bpy):
    scene = bpy.context.scene
    scene.timeline_markers.new("mine", frame=3)
    motion = motion_of(walking(24))
    motion.report.worst_frames = [4, 9]
    build(motion, name="walk", frame_start=1)
    assert sorted((m.name, m.frame) for m in scene.timeline_markers) == [("mine", 3), ("walk: look", 5), ("walk: look", 10)]
    motion.report.worst_frames = [7]
    build(motion, name="walk", frame_start=1)
    assert sorted((m.name, m.frame) for m in scene.timeline_markers) == [("mine", 3), ("walk: look", 8)]
