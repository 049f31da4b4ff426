# SPDX-License-Identifier: GPL-3.0-or-later
"""What the window adds: presets, export, the clip editor's tab, many files dropped, steps between redraws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from motions import motion_of, walking

from poselift.core.errors import CancelledError
from poselift.scene import build
from poselift.scene.steps import advance, finished


def names(bpy, kinds=("objects", "armatures", "meshes", "cameras", "actions", "materials", "collections")):
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}


def test_the_tab_tells_the_story_from_source_to_export(addon):
    from poselift import ui

    titles = [
        part.bl_label
        for part in ui._registered
        if getattr(part, "bl_space_type", "") == "VIEW_3D" and not getattr(part, "bl_parent_id", "")
    ]
    assert titles == ["Source", "Actor and Camera", "Lift", "Result", "Retarget", "Export", "Training"]
    assert addon.types.POSELIFT_PT_clip.bl_space_type == "CLIP_EDITOR"
    assert addon.types.POSELIFT_PT_clip.bl_category == "Poselift"


def test_a_preset_keeps_the_settings_and_brings_them_back(addon):
    settings = addon.context.scene.poselift
    settings.smoothing, settings.camera_mode, settings.cleaning.use_swaps = 0.25, "orbit", False
    assert addon.ops.poselift.add_preset(name="Slow Dance") == {"FINISHED"}
    settings.smoothing, settings.camera_mode, settings.cleaning.use_swaps = 1.0, "static", True
    saved = Path(addon.utils.preset_find("Slow_Dance", "poselift/lift"))
    exec(compile(saved.read_text(encoding="utf-8"), saved.name, "exec"), {})
    assert (settings.camera_mode, settings.cleaning.use_swaps) == ("orbit", False)
    assert settings.smoothing == pytest.approx(0.25)
    assert addon.ops.poselift.add_preset(name="Slow_Dance", remove_name=True) == {"FINISHED"}
    assert not addon.utils.preset_find("Slow_Dance", "poselift/lift")


def test_every_setting_of_a_preset_exists(addon):
    from poselift.operators.presets import NAMES

    for name in NAMES:
        addon.context.scene.poselift.path_resolve(name)


def test_export_says_what_is_missing_and_writes_what_the_ending_says(addon, tmp_path):
    assert not addon.ops.poselift.export.poll()
    with pytest.raises(RuntimeError, match="Select an armature"):
        addon.ops.poselift.export(filepath=str(tmp_path / "a.bvh"))
    built = build.apply(motion_of(walking(10)))
    assert built.body is not None
    addon.context.view_layer.objects.active = built.body  # its armature is meant
    addon.ops.object.mode_set(mode="EDIT")
    target = tmp_path / "walk.bvh"
    assert addon.ops.poselift.export(filepath=str(target), ending=".bvh") == {"FINISHED"}
    assert target.read_text().startswith("HIERARCHY")
    addon.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(RuntimeError, match="nowhere"):
        addon.ops.poselift.export(filepath=str(tmp_path / "nowhere" / "walk.bvh"), ending=".bvh")
    built.armature.animation_data_clear()
    with pytest.raises(RuntimeError, match="no motion"):
        addon.ops.poselift.export(filepath=str(target))


def test_the_exports_name_follows_the_format(addon):
    from poselift.operators.export import POSELIFT_OT_export

    chosen = SimpleNamespace(filepath="/a/walk.fbx", ending=".glb")
    assert POSELIFT_OT_export.check(chosen, addon.context)
    assert chosen.filepath == "/a/walk.glb"
    assert not POSELIFT_OT_export.check(chosen, addon.context)
    chosen.filepath = "/a/take.2"
    assert POSELIFT_OT_export.check(chosen, addon.context)
    assert chosen.filepath == "/a/take.2.glb"


def test_building_in_steps_gives_what_building_at_once_gives_and_undoes_itself_when_stopped(addon):
    motion = motion_of(walking(40))
    nothing = names(addon)
    steps = build.apply_steps([motion], build.BuildSettings())
    for _ in range(12):
        next(steps)
    assert names(addon) != nothing
    steps.close()
    assert names(addon) == nothing
    built = finished(build.apply_steps([motion], build.BuildSettings(mark="m")))
    assert built[0].armature["poselift"] == "m"
    made = names(addon)
    addon.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    build.apply(motion)
    assert names(addon) == made


def test_steps_are_done_for_a_while_and_errors_pass_through():
    def work():
        yield
        yield
        return "done"

    def broken():
        yield
        raise CancelledError("stop")

    steps = work()
    assert advance(steps, 0.0) is None
    assert advance(steps, 10.0) == "done"
    with pytest.raises(CancelledError):
        advance(broken(), 10.0)


def test_a_part_of_the_work_tells_its_share_of_all_of_it():
    from poselift.scene.steps import part

    closed = []

    def work():
        try:
            yield 0.5
            yield None
            yield 1.0
            return "done"
        finally:
            closed.append(True)

    shares = []
    assert finished(part(work(), 0.2, 0.6), shares.append) == "done"
    assert shares == pytest.approx([0.4, 0.6])
    steps = part(work(), 0, 1)
    next(steps)
    steps.close()
    assert len(closed) == 2


class Window:
    """A window's part in a modal operator: it counts timers and shows the status."""

    def __init__(self, bpy):
        self.scene, self.window, self.workspace = bpy.context.scene, object(), self
        self.window_manager, self.windows, self.timers, self.status = self, [], [], ""

    def event_timer_add(self, seconds, window):
        self.timers.append(seconds)
        return seconds

    def event_timer_remove(self, timer):
        self.timers.remove(timer)

    def modal_handler_add(self, operator):
        pass

    def status_text_set(self, text):
        self.status = text


TIMER, ESC, CLICK = (SimpleNamespace(type=kind, value="PRESS") for kind in ("TIMER", "ESC", "LEFTMOUSE"))


@pytest.fixture
def operator(addon, monkeypatch):
    """An operator that reads in steps, works, and builds in steps, in what it takes for a window; `told` is what it says."""
    from poselift.operators import modal, session

    class Operator(modal.JobOperator):
        parts = (0.5, 0.75)
        did, told, slow = [], [], True

        def report(self, _level, text):
            self.told.append(text)

        def steps(self, name, result):
            self.did.append(name)
            try:
                for share in (0.5, 1.0):
                    while self.slow and share == 1.0:  # until the test lets it go on
                        yield None
                    yield share
                self.did.append(f"{name} ended")
                return result
            finally:
                self.did.append(f"{name} closed")

        def prepare(self, _context):
            return self.steps("read", lambda progress: progress(1.0, "work") or "text")

        def take(self, _context, result):
            return self.steps("build", result)

    for values in (Operator.did, Operator.told):
        values.clear()
    monkeypatch.setattr(modal, "bpy", SimpleNamespace(app=SimpleNamespace(background=False), context=addon.context))
    yield Operator()
    session.finish()


def test_reading_working_and_building_are_one_progress_and_the_window_gets_its_events(addon, operator):
    from poselift.operators import session

    window = Window(addon)
    assert operator.invoke(window, TIMER) == {"RUNNING_MODAL"}
    job = session.running()
    operator.slow = True
    assert operator.modal(window, TIMER) == {"RUNNING_MODAL"}
    assert job.progress == (0.25, "read")
    assert "read, 25%" in window.status
    assert operator.modal(window, CLICK) == {"RUNNING_MODAL"}  # in steps, nobody else changes the scene
    other = type(operator)()
    assert other.invoke(window, TIMER) == {"CANCELLED"}
    assert "is running" in operator.told[-1]
    operator.slow = False
    assert operator.modal(window, TIMER) == {"RUNNING_MODAL"}
    assert job.begun
    assert operator.modal(window, CLICK) == {"PASS_THROUGH"}
    job.wait(10)
    assert job.progress == (0.75, "work")
    operator.slow = True
    assert operator.modal(window, TIMER) == {"RUNNING_MODAL"}
    assert operator.modal(window, TIMER) == {"RUNNING_MODAL"}
    assert job.progress == (0.875, "build")
    operator.slow = False
    assert operator.modal(window, TIMER) == {"FINISHED"}
    assert operator.told[-1] == "text"
    assert (window.timers, window.status, session.running()) == ([], None, None)


@pytest.mark.parametrize("during", ["read", "build"])
@pytest.mark.parametrize("how", ["esc", "quit"])
def test_stopped_in_its_steps_an_operator_undoes_them(addon, operator, during, how):
    from poselift.operators import session

    window = Window(addon)
    operator.slow = during == "read"
    operator.invoke(window, TIMER)
    operator.modal(window, TIMER)
    if during == "build":
        session.running().wait(10)
        operator.slow = True
        operator.modal(window, TIMER)
        operator.modal(window, TIMER)
    assert f"{during} closed" not in operator.did
    if how == "esc":
        assert operator.modal(window, ESC) == {"CANCELLED"}
        assert operator.told == ["Cancelled; nothing was changed."]
    else:
        operator.cancel(window)
    assert operator.did[-1] == f"{during} closed"
    assert f"{during} ended" not in operator.did
    assert (window.timers, session.running()) == ([], None)


def test_a_job_that_ends_in_another_scene_builds_in_its_own(addon):
    from poselift.core.errors import SettingsError
    from poselift.scene.state import in_scene, mark_of

    mark = mark_of(addon.context.scene)
    assert mark is not None
    with in_scene(mark):
        pass
    other = addon.data.scenes.new("other")
    gone = mark_of(other)
    addon.data.scenes.remove(other)
    with pytest.raises(SettingsError, match="removed"), in_scene(gone):
        pass


def test_texts_break_where_each_script_breaks():
    from poselift.ui.text import pieces

    assert pieces("two words") == ["two", " words", ""]
    japanese = "画像サイズを、指定します。"
    assert "".join(pieces(japanese)) == japanese
    assert not [piece for piece in pieces(japanese) if piece and piece[0] in "、。"]
    assert len(pieces(japanese)) > 8
    assert pieces("영상의 이미지 크기") == ["영상의", " 이미지", " 크기", ""]


def test_several_dropped_files_are_their_folder_and_nothing_is_looked_up(addon, tmp_path):
    from poselift.operators.import_keypoints import chosen_path

    assert chosen_path("", str(tmp_path), ["a.json", "b.json"], "AUTO") == (tmp_path / "a.json", "FOLDER")
    assert chosen_path("", str(tmp_path), ["a.json"], "AUTO") == (tmp_path / "a.json", "AUTO")
    assert chosen_path(str(tmp_path), "", [], "AUTO") == (tmp_path, "FILE")
