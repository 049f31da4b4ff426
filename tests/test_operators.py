# SPDX-License-Identifier: GPL-3.0-or-later
"""Import and lift as a user does them, in a real Blender."""

import importlib.util
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from motions import motion_of, walking

from poselift.core.cleaning import CleaningSettings
from poselift.core.readers import track_npz
from poselift.core.skeleton import HUMAN17, Skeleton
from poselift.core.track import KeypointTrack

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="torch is not installed")


def person(motion, name="1", **about):
    return KeypointTrack(motion.keypoints, motion.scores, HUMAN17, person=name, **about)


@pytest.fixture
def clip(tmp_path):
    """A track file that says its rate and its image size."""
    motion = motion_of(walking(24))
    path = tmp_path / "walk.npz"
    track_npz.write(path, [person(motion, fps=Fraction(30000, 1001), image_size=(1280, 720))])
    return path


@pytest.fixture
def frames(tmp_path):
    """A folder of OpenPose COCO-18 files with two people, which say neither rate nor size."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 200, (18, 2))
    for t in range(6):
        people = [
            {"pose_keypoints_2d": np.column_stack([pose + [x + 2 * t, 100], np.full(18, 0.9)]).ravel().tolist()}
            for x in (100, 700)
        ]
        (folder / f"clip_{t:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def everything(bpy):
    kinds = [prop.identifier for prop in bpy.types.BlendData.bl_rna.properties if prop.type == "COLLECTION"]
    return {(kind, block.name_full) for kind in kinds for block in getattr(bpy.data, kind)}


def test_import_says_what_was_found_and_keeps_the_path(addon, clip):
    from poselift.operators.settings import people_of

    assert addon.ops.poselift.import_keypoints(filepath=str(clip)) == {"FINISHED"}
    settings = addon.context.scene.poselift
    assert settings.source == str(clip)
    assert settings.detected == "human17, 24 frames, 29.97 fps, 1280 × 720 px"
    assert (settings.has_rate, settings.has_size) == (True, True)
    assert [item.name for item in settings.people] == people_of(settings) == ["1"]


def test_a_folder_and_one_of_its_files_are_the_same_clip(addon, frames):
    some = sorted(frames.iterdir())
    for chosen in (
        {"filepath": str(frames)},
        {"filepath": str(some[2])},
        {"filepath": f"{frames}/"},
        {"directory": str(frames)},
        {"filepath": str(some[0]), "directory": str(frames), "files": [{"name": file.name} for file in some[:3]]},
    ):
        assert addon.ops.poselift.import_keypoints(**chosen) == {"FINISHED"}
        settings = addon.context.scene.poselift
        assert settings.source == str(frames), chosen
        assert settings.detected == "coco_18, 6 frames"
        assert (settings.has_rate, settings.has_size) == (False, False)
        assert len(settings.people) == 2


def test_one_file_alone_can_be_asked_for(addon, frames):
    file = sorted(frames.iterdir())[2]
    assert addon.ops.poselift.import_keypoints(filepath=str(file), extent="FILE") == {"FINISHED"}
    assert addon.context.scene.poselift.source == str(file)
    assert addon.context.scene.poselift.detected == "coco_18, 1 frame"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("", "empty"), ('{"people": [', "not complete JSON"), ('{"people": [{}]}', "pose_keypoints_2d")],
)
def test_a_bad_file_is_an_error_in_words_and_changes_nothing(addon, clip, tmp_path, content, message):
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_text(content)
    before = everything(addon)
    with pytest.raises(RuntimeError, match=message) as caught:
        addon.ops.poselift.import_keypoints(filepath=str(bad))
    assert "bad.json" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert addon.context.scene.poselift.source == str(clip)
    assert everything(addon) == before


def test_settings_become_the_cores(addon, frames):
    from poselift.operators.settings import to_core

    addon.ops.poselift.import_keypoints(filepath=str(frames))
    settings = addon.context.scene.poselift
    assert to_core(settings).image_size is None  # the core finds one that holds the keypoints
    settings.rate, settings.use_size, settings.image_width, settings.image_height = "30000/1001", True, 1080, 1920
    settings.actor_height, settings.camera_mode, settings.device = 1.6, "orbit", "cpu"
    settings.contacts, settings.smoothing = "ground", 0.5
    core = to_core(settings)
    assert (core.fps, core.image_size, core.camera_mode, core.device) == (Fraction(30000, 1001), (1080, 1920), "orbit", "cpu")
    assert core.actor_height == pytest.approx(1.6)
    assert (core.contacts, core.smoothing) == ("ground", 0.5)
    assert core.fov is None
    settings.rate, settings.custom_rate, settings.lens, settings.fov = "CUSTOM", 12.5, "FOV", math.radians(40)
    assert to_core(settings).fps == Fraction(25, 2)
    assert to_core(settings).fov == pytest.approx(math.radians(40))


def test_what_the_file_says_is_not_overridden(addon, clip):
    from poselift.operators.settings import to_core

    addon.ops.poselift.import_keypoints(filepath=str(clip))
    core = to_core(addon.context.scene.poselift)
    assert (core.fps, core.image_size, core.fov) == (None, None, None)


def test_every_choice_that_the_panel_offers_is_one_of_the_core(addon):
    from poselift.core.lifter.device import DEVICES
    from poselift.core.pipeline import CAMERA_MODES, CONTACT_MODES

    properties = type(addon.context.scene.poselift).bl_rna.properties
    assert tuple(item.identifier for item in properties["camera_mode"].enum_items) == CAMERA_MODES
    assert tuple(item.identifier for item in properties["contacts"].enum_items) == CONTACT_MODES
    assert {item.identifier for item in properties["device"].enum_items} <= set(DEVICES)
    rates = [item.identifier for item in properties["rate"].enum_items if item.identifier != "CUSTOM"]
    assert all(
        abs(float(Fraction(rate)) - float(item.name.split()[0])) < 0.01
        for rate, item in zip(rates, properties["rate"].enum_items, strict=False)
    )


def test_lift_says_what_is_missing(addon, monkeypatch, clip):
    from poselift.operators import lift

    assert not addon.ops.poselift.lift.poll()
    with pytest.raises(RuntimeError, match="Import keypoints first"):
        addon.ops.poselift.lift()
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    monkeypatch.setattr(lift, "has_torch", lambda: False)
    assert not addon.ops.poselift.lift.poll()
    with pytest.raises(RuntimeError, match="PyTorch is missing"):
        addon.ops.poselift.lift()


def test_the_hint_for_torch_is_a_command_for_this_blender(addon):
    import sys

    from poselift.operators.torch_hint import install_command

    command = install_command()
    assert command.startswith(f'"{sys.executable}" -m pip install --target')
    assert addon.utils.user_resource("SCRIPTS", path="modules") in command


@needs_torch
def test_lift_animates_an_armature_in_one_undo_step(addon, clip):
    scene = addon.context.scene
    addon.ops.ed.undo_push(message="start")
    addon.ops.poselift.import_keypoints("EXEC_DEFAULT", True, filepath=str(clip))
    before = everything(addon)
    assert addon.ops.poselift.lift("EXEC_DEFAULT", True) == {"FINISHED"}
    armature = addon.context.object
    assert armature.type == "ARMATURE"
    assert armature.animation_data.action is not None
    assert scene.camera is not None
    assert (scene.render.fps, scene.render.fps_base) == (30, np.float32(1.001))
    assert (scene.render.resolution_x, scene.render.resolution_y, scene.frame_end) == (1280, 720, 24)
    assert "24 frames" in scene.poselift.result
    assert json.loads(armature.animation_data.action["poselift_report"])["frames"] == 24
    addon.ops.ed.undo()
    assert everything(addon) == before
    settings = addon.context.scene.poselift
    assert (settings.source, settings.result) == (str(clip), "")


@needs_torch
def test_lift_reads_the_file_again_when_blender_forgot_it(addon, clip):
    from poselift.operators import session

    addon.ops.poselift.import_keypoints(filepath=str(clip))
    session.end()
    assert addon.ops.poselift.lift() == {"FINISHED"}
    settings = addon.context.scene.poselift
    assert session.find(settings.session_key, clip) is not None


@needs_torch
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda clip, settings: clip.unlink(), "no such file"),
        (lambda clip, settings: clip.write_bytes(b"PK nonsense"), "walk.npz"),
        (lambda clip, settings: setattr(settings.people[0], "name", "somebody else"), "no person"),
    ],
)
def test_a_lift_that_fails_says_why_and_leaves_the_scene(addon, clip, spoil, message):
    from poselift.operators import session

    addon.ops.poselift.import_keypoints(filepath=str(clip))
    session.end()
    settings = addon.context.scene.poselift
    spoil(clip, settings)
    before = everything(addon)
    with pytest.raises(RuntimeError, match=message) as caught:
        addon.ops.poselift.lift()
    assert "Traceback" not in str(caught.value)
    assert everything(addon) == before
    assert settings.result == ""


@needs_torch
def test_the_chosen_person_is_lifted(addon, tmp_path):
    first, second = motion_of(walking(24)), motion_of(walking(24) + [0.5, 0, 0])
    path = tmp_path / "two.npz"
    about = {"fps": Fraction(30), "image_size": (1280, 720)}
    track_npz.write(path, [person(first, "1", **about), person(second, "2", **about)])
    addon.ops.poselift.import_keypoints(filepath=str(path))
    settings = addon.context.scene.poselift
    assert {item.name for item in settings.people} == {"1", "2"}
    for item in settings.people:
        item.use = item.name == "2"
    addon.ops.poselift.lift()
    assert "person 2" in settings.result
    assert addon.context.object.name == "two 2"


def scene_people(bpy):
    return [item.name for item in bpy.context.scene.poselift.people]


@needs_torch
def test_several_people_share_one_camera_and_one_world(addon, tmp_path):
    first, second = motion_of(walking(24)), motion_of(walking(24) + [0.5, 0, 0])
    path = tmp_path / "two.npz"
    about = {"fps": Fraction(30), "image_size": (1280, 720), "intrinsics": first.intrinsics}
    track_npz.write(path, [person(first, "1", **about), person(second, "2", **about)])
    addon.ops.poselift.import_keypoints(filepath=str(path))
    assert addon.ops.poselift.mark_people(use=False) == {"FINISHED"}
    assert not addon.ops.poselift.lift.poll()
    addon.ops.poselift.mark_people()
    assert addon.ops.poselift.lift() == {"FINISHED"}
    kinds = sorted(item.type for item in addon.data.objects)
    assert kinds == ["ARMATURE", "ARMATURE", "CAMERA", "MESH", "MESH"]
    best = scene_people(addon)[0]
    assert addon.context.object.name == ("two" if best == "1" else "two 2")
    addon.context.view_layer.update()
    figures = [item for item in addon.data.objects if item.type == "ARMATURE"]
    roots = [item.matrix_world @ item.pose.bones[0].head for item in figures]
    assert (roots[1] - roots[0]).length == pytest.approx(0.5, abs=0.15)


def test_people_are_listed_joined_and_exchanged(addon, tmp_path):
    motion = motion_of(walking(24))
    path = tmp_path / "pieces.npz"
    whole = person(motion, "1", fps=Fraction(30), image_size=(1280, 720))
    early = whole.replace(scores=np.where(np.arange(24)[:, None] < 10, whole.scores, 0))
    late = whole.replace(scores=np.where(np.arange(24)[:, None] >= 10, whole.scores, 0), person="2")
    track_npz.write(path, [early, late])
    addon.ops.poselift.import_keypoints(filepath=str(path))
    settings = addon.context.scene.poselift
    assert [(item.name, item.use, round(item.coverage)) for item in settings.people] == [("2", True, 58), ("1", False, 42)]
    assert not addon.ops.poselift.stitch_people.poll()
    settings.people[1].use = True
    assert addon.ops.poselift.stitch_people() == {"FINISHED"}
    assert [(item.name, item.use, item.first_frame, item.last_frame) for item in settings.people] == [("2", True, 0, 23)]
    # What was repaired is repaired again when the file is read anew.
    from poselift.operators import session
    from poselift.operators.source import tracks_of

    session.end()
    assert tracks_of(settings)[0].coverage == 1.0


def test_a_mapping_of_ones_own_is_saved_loaded_and_lifted_with(addon, tmp_path):
    motion = motion_of(walking(24))
    names = tuple(f"p{number}" for number in range(17))
    skeleton = Skeleton("mine", names, (-1,) * 17)
    path = tmp_path / "mine.npz"
    track_npz.write(path, [KeypointTrack(motion.keypoints, motion.scores, skeleton, Fraction(30), (1280, 720))])
    addon.ops.poselift.import_keypoints(filepath=str(path))
    settings = addon.context.scene.poselift
    assert [item.joint for item in settings.joints] == [""] * 17
    settings.use_joints = True
    for item, joint in zip(settings.joints, HUMAN17.joint_names, strict=True):
        item.joint = joint
    saved = tmp_path / "mine.json"
    assert addon.ops.poselift.save_joints(filepath=str(saved)) == {"FINISHED"}
    addon.ops.poselift.guess_joints()
    assert [item.joint for item in settings.joints] == [""] * 17
    assert addon.ops.poselift.load_joints(filepath=str(saved)) == {"FINISHED"}
    assert tuple(item.joint for item in settings.joints) == HUMAN17.joint_names
    if TORCH:
        assert addon.ops.poselift.lift() == {"FINISHED"}
        assert settings.result


def test_markers_of_a_movie_clip_are_a_source_too(addon, tmp_path):
    from clip_maker import WIDE, image_sequence, set_markers

    motion = motion_of(walking(24))
    clip = addon.data.movieclips.load(str(image_sequence(addon, tmp_path / "clip", 5)))
    small = motion.keypoints * np.divide(WIDE, (motion.intrinsics.width, motion.intrinsics.height))
    for joint, name in enumerate(HUMAN17.joint_names):
        set_markers(clip.tracking.objects[0].tracks, name, small[:, joint], WIDE, np.arange(1, 25))
    settings = addon.context.scene.poselift
    assert not addon.ops.poselift.import_clip.poll()
    settings.clip_to_read = clip
    assert addon.ops.poselift.import_clip() == {"FINISHED"}
    assert "24 frames" in settings.detected
    assert settings.clip == clip
    if TORCH:
        from poselift.operators import session

        session.end()
        assert addon.ops.poselift.lift() == {"FINISHED"}


def test_footage_gives_rate_and_size_and_is_seen_behind_the_camera(addon, frames, tmp_path):
    from clip_maker import WIDE, movie

    settings = addon.context.scene.poselift
    addon.ops.poselift.import_keypoints(filepath=str(frames))
    assert not addon.ops.poselift.use_footage.poll()
    settings.footage = str(tmp_path / "nothing.mp4")
    with pytest.raises(RuntimeError, match=r"nothing\.mp4"):
        addon.ops.poselift.use_footage()
    settings.footage = str(movie(addon, tmp_path / "clip.mp4", 8, WIDE, Fraction(24)))
    assert addon.ops.poselift.use_footage() == {"FINISHED"}
    assert (settings.use_size, settings.image_width, settings.image_height) == (True, *WIDE)
    assert settings.rate == "24"


@needs_torch
def test_a_lift_through_a_calibration_shows_the_footage_and_undoes_all_when_it_fails(addon, clip, tmp_path):
    from clip_maker import image_sequence

    settings = addon.context.scene.poselift
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    settings.lens, settings.calibration = "FILE", str(tmp_path / "none.toml")
    with pytest.raises(RuntimeError, match=r"none\.toml"):
        addon.ops.poselift.lift()
    camera = {"name": "a", "size": [1280, 720], "matrix": [[1000, 0, 640], [0, 1000, 360], [0, 0, 1]]}
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in camera.items())
    (tmp_path / "cal.toml").write_text(f"[cam]\n{text}\ndistortions = [0.0, 0.0, 0.0, 0.0]\n")
    settings.calibration = str(tmp_path / "cal.toml")
    settings.footage = str(image_sequence(addon, tmp_path / "images", 3))
    assert addon.ops.poselift.lift() == {"FINISHED"}
    made = addon.context.scene.camera.data
    assert made.lens / made.sensor_width == pytest.approx(1000 / 1280)
    assert made.show_background_images and made.background_images[0].clip is not None


def test_cleaning_is_switched_off_and_set_in_the_panel(addon):
    from poselift.operators.settings import to_core

    settings = addon.context.scene.poselift
    usual = to_core(settings).cleaning
    expected = CleaningSettings()
    assert (usual.swaps, usual.outliers) == (expected.swaps, expected.outliers) == (True, True)
    assert (usual.score_gate, usual.max_gap_seconds) == pytest.approx((expected.score_gate, expected.max_gap_seconds))
    cleaning = settings.cleaning
    cleaning.use_gate = cleaning.use_swaps = cleaning.use_outliers = cleaning.use_fill = False
    off = to_core(settings).cleaning
    assert (off.score_gate, off.swaps, off.outliers, off.max_gap_seconds) == (0, False, False, 0)


def test_files_without_an_image_size_ask_for_it(addon, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for frame in range(4):
        points = " ".join(f"{0.3 + 0.01 * joint:.4f} {0.2 + 0.03 * joint:.4f} 0.9" for joint in range(17))
        (folder / f"clip_{frame}.txt").write_text(f"0 0.4 0.45 0.3 0.6 {points}\n")
    with pytest.raises(RuntimeError, match="size"):
        addon.ops.poselift.import_keypoints(filepath=str(folder))
    assert addon.ops.poselift.import_keypoints(filepath=str(folder), image_width=1280, image_height=720) == {"FINISHED"}
    settings = addon.context.scene.poselift
    assert "1280 × 720" in settings.detected
    from poselift.operators import session
    from poselift.operators.source import tracks_of

    session.end()
    assert tracks_of(settings)[0].image_size == (1280, 720)


def test_dropped_files_are_read_at_once(addon, clip):
    handler = addon.types.POSELIFT_FH_keypoints
    assert handler.bl_import_operator == "poselift.import_keypoints"
    assert ".npz" in handler.bl_file_extensions and ".csv" in handler.bl_file_extensions
    dropped = {"directory": str(clip.parent), "files": [{"name": clip.name}]}
    assert addon.ops.poselift.import_keypoints("INVOKE_DEFAULT", **dropped) == {"FINISHED"}
    assert addon.context.scene.poselift.source == str(clip)


def test_a_second_lift_is_refused_while_one_runs(addon, clip, monkeypatch):
    from threading import Event

    from poselift.operators import lift, session
    from poselift.scene.jobs import Job

    monkeypatch.setattr(lift, "has_torch", lambda: True)
    addon.ops.poselift.import_keypoints(filepath=str(clip))
    assert addon.ops.poselift.lift.poll()
    over = Event()
    session.begin(Job(lambda progress: over.wait(5)))
    try:
        assert not addon.ops.poselift.lift.poll()
        assert "running" in lift.why_not(addon.context)
    finally:
        over.set()
        session.end()
    assert addon.ops.poselift.lift.poll()


def test_only_the_last_clips_are_kept(tmp_path):
    from poselift.operators import session

    motion = motion_of(walking(2))
    keys = [session.keep(tmp_path / str(i), [person(motion)]) for i in range(session.KEPT_CLIPS + 3)]
    assert session.find(keys[0], tmp_path / "0") is None
    assert session.find(keys[-1], tmp_path / str(len(keys) - 1)) is not None
    assert session.find(keys[-1], tmp_path / "elsewhere") is None
    session.end()
    assert session.find(keys[-1], tmp_path / str(len(keys) - 1)) is None


@needs_torch
def test_the_panel_places_people_through_the_scenes_camera_and_renders_a_preview(addon, tmp_path):
    from moving_cameras import filmed
    from test_scene_camera import camera_scene

    from poselift.core.readers.track_npz import write

    track, view, truth = filmed(24)
    write(tmp_path / "walk.npz", [track])
    camera_scene(addon, tmp_path / "set.blend", view, start=5)
    addon.ops.poselift.import_keypoints(filepath=str(tmp_path / "walk.npz"))
    scene = addon.context.scene
    scene.poselift.camera_mode, scene.poselift.scene_start, scene.poselift.preview = "scene", 5, "//walk.mp4"
    assert addon.ops.poselift.lift() == {"FINISHED"}
    armature = next(item for item in scene.objects if item.type == "ARMATURE")
    assert tuple(armature.animation_data.action.frame_range) == (5, 28)
    assert len(addon.data.cameras) == 1 and scene.render.fps == 24
    scene.frame_set(16)
    place = armature.evaluated_get(addon.context.evaluated_depsgraph_get()).pose.bones[0].head
    assert np.linalg.norm(np.array(armature.matrix_world @ place) - truth[11, 0]) < 0.25
    scene.render.resolution_percentage = 25
    before = everything(addon)
    assert addon.ops.poselift.preview() == {"FINISHED"}
    assert everything(addon) == before

    from poselift.scene.footage import footage_facts

    facts = footage_facts(tmp_path / "walk.mp4")
    assert (facts.size, facts.fps, facts.frames) == ((320, 180), 30, 24)
    scene.poselift.preview = "//walk.txt"
    with pytest.raises(RuntimeError, match="is none of"):
        addon.ops.poselift.preview()
