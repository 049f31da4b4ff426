# SPDX-License-Identifier: GPL-3.0-or-later
"""Height, feet, smoothing and camera are changed without lifting again: by the redo panel, and on the same objects."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from motions import motion_of, walking

from poselift.core.readers import track_npz
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

pytest.importorskip("torch")


@pytest.fixture
def lifted(addon, tmp_path):
    """A clip without a known camera, imported and lifted."""
    motion = motion_of(walking(24))
    path = tmp_path / "walk.npz"
    track_npz.write(path, [KeypointTrack(motion.keypoints, motion.scores, HUMAN17, Fraction(30), (1280, 720))])
    addon.ops.ed.undo_push(message="start")
    addon.ops.poselift.import_keypoints("EXEC_DEFAULT", True, filepath=str(path))
    addon.ops.poselift.lift("EXEC_DEFAULT", True)
    return addon


def keys(bpy, owner):
    from poselift.scene.compat import fcurves_of

    found = {}
    for curve in fcurves_of(owner):
        values = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", values)
        found[curve.data_path, curve.array_index] = values
    return found


def blocks(bpy):
    kinds = ("objects", "armatures", "meshes", "cameras", "actions", "materials", "collections")
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}


def same(one, other):
    return one.keys() == other.keys() and all(np.allclose(one[key], other[key], atol=1e-6) for key in one)


def no_networks(*_):
    raise AssertionError("the networks were asked again")


CHANGES = {"smoothing": 0.2, "actor_height": 1.5, "contacts": "never", "camera_mode": "orbit"}


def test_a_second_lift_with_other_cheap_settings_asks_no_network_and_equals_a_first_one(lifted, monkeypatch):
    from poselift.operators import lift, session

    monkeypatch.setattr(lift, "lift_frames", no_networks)
    assert lifted.ops.poselift.lift(**CHANGES) == {"FINISHED"}
    settings = lifted.context.scene.poselift
    assert settings.smoothing == pytest.approx(0.2)
    assert (settings.contacts, settings.camera_mode) == ("never", "orbit")
    again = keys(lifted, lifted.context.object)
    camera = keys(lifted, lifted.context.scene.camera)
    assert camera
    monkeypatch.undo()
    session.end()
    assert lifted.ops.poselift.lift() == {"FINISHED"}
    assert same(keys(lifted, lifted.context.object), again)
    assert same(keys(lifted, lifted.context.scene.camera), camera)


CALIBRATION = """
[front]
size = [1280.0, 720.0]
matrix = [[1400.0, 0.0, 640.0], [0.0, 1400.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0]
rotation = [{rotation}, 0.0, 0.0]
translation = [0.0, 1.0, 5.0]
"""
"""Of a camera that looks level, the file's Z axis being up, where its rotation vector is a quarter of a turn about X."""


def test_a_calibrations_up_counts_in_the_window_too_and_is_solved_again_without_the_networks(lifted, tmp_path, monkeypatch):
    from poselift.operators import lift

    path, settings = tmp_path / "calibration.toml", lifted.context.scene.poselift
    settings.lens, settings.calibration = "FILE", str(path)
    path.write_text(CALIBRATION.format(rotation=np.pi / 2), encoding="utf-8")
    assert lifted.ops.poselift.lift() == {"FINISHED"}
    assert "the calibration's world says which way is up" in settings.result
    level = keys(lifted, lifted.context.object)
    monkeypatch.setattr(lift, "lift_frames", no_networks)
    assert lifted.ops.poselift.solve_again() == {"FINISHED"}
    assert same(keys(lifted, lifted.context.object), level)
    path.write_text(CALIBRATION.format(rotation=np.pi / 2 + 0.1), encoding="utf-8")
    assert lifted.ops.poselift.solve_again() == {"FINISHED"}
    assert not same(keys(lifted, lifted.context.object), level)


def test_other_people_cleaning_or_lens_are_lifted_anew(lifted, monkeypatch):
    from poselift.operators import lift

    monkeypatch.setattr(lift, "lift_frames", no_networks)
    settings = lifted.context.scene.poselift
    settings.cleaning.use_outliers = False
    with pytest.raises(RuntimeError, match="asked again"):
        lifted.ops.poselift.lift()
    settings.cleaning.use_outliers, settings.lens = True, "FOV"
    with pytest.raises(RuntimeError, match="asked again"):
        lifted.ops.poselift.lift()


def test_solving_again_keeps_the_objects_and_what_is_tied_to_them(lifted, monkeypatch):
    from poselift.operators import lift

    monkeypatch.setattr(lift, "lift_frames", no_networks)
    scene, armature = lifted.context.scene, lifted.context.object
    before = blocks(lifted)
    prop = lifted.data.objects.new("prop", None)
    scene.collection.objects.link(prop)
    prop.parent, prop.parent_type, prop.parent_bone = armature, "BONE", "head"
    follow = prop.constraints.new("COPY_LOCATION")
    follow.target = armature
    kept = lifted.data.actions.new("somebody else's")
    names = {item.name for item in lifted.data.objects}
    old = keys(lifted, armature)
    for name, value in CHANGES.items():
        setattr(scene.poselift, name, value)
    assert lifted.ops.poselift.solve_again() == {"FINISHED"}
    assert {item.name for item in lifted.data.objects} == names
    assert lifted.context.object == armature and follow.target == armature and prop.parent_bone == "head"
    assert not same(keys(lifted, armature), old)
    assert scene.camera.animation_data.action is not None
    lifted.data.objects.remove(prop)
    lifted.data.actions.remove(kept)
    after = blocks(lifted)
    after["actions"] = [name for name in after["actions"] if "camera" not in name]
    assert after == before
    renewed = keys(lifted, armature)
    monkeypatch.undo()
    assert lifted.ops.poselift.lift() == {"FINISHED"}
    assert same(keys(lifted, lifted.context.object), renewed)


def test_solving_again_needs_what_the_last_lift_made(lifted):
    assert lifted.ops.poselift.solve_again.poll()
    for item in list(lifted.data.objects):
        lifted.data.objects.remove(item)
    assert not lifted.ops.poselift.solve_again.poll()
    with pytest.raises(RuntimeError, match="Lift first"):
        lifted.ops.poselift.solve_again()


def test_a_part_that_was_removed_by_hand_comes_back(lifted):
    scene = lifted.context.scene
    lifted.data.objects.remove(scene.camera)
    assert lifted.ops.poselift.solve_again() == {"FINISHED"}
    assert sorted(item.type for item in lifted.data.objects) == ["ARMATURE", "CAMERA", "MESH"]
    assert scene.camera is not None
    assert len([c for c in lifted.data.collections if c.name.startswith("Poselift")]) == 1


def test_solving_again_is_one_undo_step(lifted):
    before = keys(lifted, lifted.context.object)
    lifted.context.scene.poselift.smoothing = 0.0
    lifted.ops.ed.undo_push(message="smoothing")
    assert lifted.ops.poselift.solve_again("EXEC_DEFAULT", True) == {"FINISHED"}
    assert not same(keys(lifted, lifted.context.object), before)
    lifted.ops.ed.undo()
    assert same(keys(lifted, lifted.context.object), before)
    assert lifted.ops.poselift.solve_again.poll()


def test_an_adjustment_that_fails_leaves_the_settings(lifted, monkeypatch):
    from poselift.operators import lift

    monkeypatch.setattr(lift, "solve_people", no_networks)
    with pytest.raises(RuntimeError):
        lifted.ops.poselift.lift(smoothing=0.5, camera_mode="orbit")
    settings = lifted.context.scene.poselift
    assert (settings.smoothing, settings.camera_mode) == (1.0, "static")


def test_the_preferences_defaults_count_until_a_setting_is_touched(addon, monkeypatch):
    from types import SimpleNamespace

    from poselift.operators import defaults

    usual = SimpleNamespace(actor_height=1.6, contacts="ground", smoothing=0.5, camera_mode="orbit", device="cpu")
    monkeypatch.setattr(defaults, "preferences", lambda: usual)
    settings = addon.context.scene.poselift
    settings.smoothing = 2.0
    defaults.use_defaults(settings)
    assert (settings.contacts, settings.camera_mode, settings.device) == ("ground", "orbit", "cpu")
    assert settings.smoothing == 2.0
    assert settings.actor_height == pytest.approx(1.6)
