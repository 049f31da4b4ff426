# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering and unregistering: complete, repeatable, and cheap."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import poselift


def classes(bpy):
    """Names of everything of Poselift's that Blender knows."""
    kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.AddonPreferences, bpy.types.PropertyGroup)
    return sorted(c.__name__ for kind in kinds for c in kind.__subclasses__() if "poselift" in c.__module__ and c.is_registered)


def menu_entries(bpy):
    drawn = getattr(bpy.types.TOPBAR_MT_file_import.draw, "_draw_funcs", [])
    return [f for f in drawn if "poselift" in f.__module__]


def test_the_tab_the_operators_the_menu_and_the_property_are_there(addon):
    expected = {"import_keypoints", "import_clip", "lift", "stitch_people", "install_torch", "retarget", "map_bones"}
    assert expected <= set(dir(addon.ops.poselift))
    for name in ("POSELIFT_PT_source", "POSELIFT_PT_lift", "POSELIFT_PT_result", "POSELIFT_PT_retarget"):
        panel = getattr(addon.types, name)
        assert (panel.bl_category, panel.bl_space_type, panel.bl_region_type) == ("Poselift", "VIEW_3D", "UI")
    assert hasattr(addon.types.Scene, "poselift")
    assert len(menu_entries(addon)) == 1


def test_every_property_and_operator_has_a_tooltip(addon):
    settings = type(addon.context.scene.poselift).bl_rna.properties
    names = {"person_index", "rate", "custom_rate", "use_size", "image_width", "image_height"}
    names |= {"actor_height", "camera_mode", "lens", "fov", "calibration", "footage", "device"}
    shown = [p for p in settings if p.identifier in names]
    assert len(shown) == len(names)
    assert all(p.description and not p.description.endswith(".") for p in shown)
    for name in dir(addon.ops.poselift):
        assert getattr(addon.ops.poselift, name).get_rna_type().description


def test_ten_times_on_and_off_leaves_nothing(bpy):
    before = set(dir(bpy.types))
    for _ in range(10):
        poselift.register()
        assert len(menu_entries(bpy)) == 1
        assert hasattr(bpy.context.scene, "poselift")
        poselift.unregister()
        assert not hasattr(bpy.context.scene, "poselift")
        assert (classes(bpy), menu_entries(bpy), dir(bpy.ops.poselift)) == ([], [], [])
    assert set(dir(bpy.types)) == before


def test_twice_on_is_on_and_twice_off_is_off(bpy):
    poselift.unregister()
    poselift.register()
    poselift.register()
    assert len(menu_entries(bpy)) == 1
    poselift.unregister()
    poselift.unregister()
    assert menu_entries(bpy) == []


def test_a_registration_that_breaks_halfway_leaves_nothing(bpy, monkeypatch):
    from poselift.operators import lift

    class Broken(bpy.types.Operator):
        bl_idname = "not an identifier"
        bl_label = "Broken"

    before = set(dir(bpy.types))
    monkeypatch.setattr(lift, "CLASSES", (*lift.CLASSES, Broken))
    with pytest.raises(RuntimeError):
        poselift.register()
    assert set(dir(bpy.types)) == before
    monkeypatch.undo()
    poselift.register()
    poselift.unregister()


def test_a_copy_from_another_repository_stands_back_and_leaves_the_first_whole(addon, capsys):
    file = Path(poselift.__file__)
    spec = importlib.util.spec_from_file_location("other_repository", file, submodule_search_locations=[str(file.parent)])
    copy = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = copy
    spec.loader.exec_module(copy)
    before = classes(addon)
    copy.register()
    assert "enabled already" in capsys.readouterr().err
    copy.unregister()
    assert classes(addon) == before and hasattr(addon.types.Scene, "poselift") and len(menu_entries(addon)) == 1
    poselift.unregister()
    copy.register()
    assert hasattr(addon.types.Scene, "poselift")
    copy.unregister()
    assert not hasattr(addon.types.Scene, "poselift")


def test_settings_survive_in_the_file(addon, tmp_path):
    from poselift.operators.settings import people_of

    settings = addon.context.scene.poselift
    settings.source, settings.actor_height, settings.camera_mode = "/somewhere/clip.json", 1.5, "orbit"
    settings.people.add().name = "7"
    settings.people.add().name = "8"
    settings.person_index = 1
    settings.people[1].use = True
    addon.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    addon.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert addon.context.scene.poselift.source == ""
    addon.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = addon.context.scene.poselift
    assert (settings.source, settings.camera_mode, people_of(settings)) == ("/somewhere/clip.json", "orbit", ["8"])
    assert settings.actor_height == pytest.approx(1.5)


def test_blender_exits_where_poselift_was_left_registered_and_the_exit_hook_runs(python):
    code = "import atexit, bpy, poselift; poselift.register(); atexit.register(poselift.unregister)"
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
