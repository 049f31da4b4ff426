# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting in a real Blender: Rigify's rigs, locks, modes and links; what stays as it was; files that are read again."""

import json
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from motions import motion_of, walking
from rigs import FAMILIES, armature_of_rig, human_rig, motion_rig, rig_of

from poselift.core.errors import OutputError, ReadError, RigError
from poselift.core.rig.performance import performance_of_motion

STEP = 7


RIGIFY = """
import os, sys, bpy, addon_utils
addon_utils.enable("rigify", default_set=True)
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.context.scene.render.fps = 30
bpy.ops.object.armature_human_metarig_add()
bpy.ops.pose.rigify_generate()
bpy.context.object.name = "generated"
for animal in ("bird", "cat", "horse", "shark", "wolf", "basic_quadruped"):
    getattr(bpy.ops.object, f"armature_{animal}_metarig_add")()
    bpy.context.object.name = animal
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
sys.stdout.flush()
os._exit(0)  # the module hangs at exit where an add-on's classes are left
"""


@pytest.fixture(scope="module")
def rigify_file(tmp_path_factory, python):
    """A file with Rigify's human metarig and the rig that it generates, made by Blender's add-on in a process of its own."""
    path = tmp_path_factory.mktemp("rigify") / "rigify.blend"
    done = subprocess.run([python, "-P", "-c", RIGIFY, str(path)], capture_output=True, text=True, timeout=120)
    assert path.is_file(), done.stderr
    return path


@pytest.fixture
def rigify(bpy, rigify_file):
    """Blender with that file open."""
    bpy.ops.wm.open_mainfile(filepath=str(rigify_file))
    return bpy


@pytest.fixture
def scene(bpy):
    """The current scene at 30 frames per second."""
    bpy.context.scene.render.fps = 30
    return bpy.context.scene


def heads(bpy, owner, names, frames):
    """World heads (T, B, 3) of evaluated pose bones."""
    found = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        evaluated = owner.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append([evaluated.matrix_world @ evaluated.pose.bones[name].head for name in names])
    return np.array(found)


def snapshot(owner):
    """All of a rig that retargeting may not change: rest bones, channels, modes, constraints, properties."""
    bones = [
        (b.name, tuple(map(tuple, b.matrix_local)), b.length, b.parent.name if b.parent else None, b.use_connect)
        for b in owner.data.bones
    ]
    pose = [
        (p.name, p.rotation_mode, tuple(p.lock_rotation), tuple(p.location), tuple(p.rotation_quaternion),
         tuple(p.rotation_euler),
         tuple(p.scale), [(c.name, c.mute) for c in p.constraints],
         {k: v for k, v in p.items() if isinstance(v, (int, float))})
        for p in owner.pose.bones
    ]  # fmt: skip
    return bones, pose, tuple(map(tuple, owner.matrix_world)), [m.name for m in owner.modifiers]


def check_in_blender(bpy, owner, done, tolerance=1e-3):
    """Compare what Blender evaluates with what the transfer says."""
    roles = [role for role in done.moved.joints if role.split(".")[0] not in ("thumb", "index", "middle", "ring", "pinky")]
    frames = done.frames[::STEP]
    found = heads(bpy, owner, [done.bones.bones[role] for role in roles], frames)
    expected = np.stack([done.moved.joints[role][::STEP] for role in roles], 1)
    assert np.abs(found - expected).max() < tolerance


def test_the_metarig_takes_a_motion_and_is_otherwise_untouched(rigify):
    from poselift.scene.retarget import retarget

    owner = rigify.data.objects["metarig"]
    before = snapshot(owner)
    source = performance_of_motion(motion_of(walking(40)))
    done = retarget(source, owner)
    assert done.bones.source == "rigify_metarig"
    check_in_blender(rigify, owner, done)
    owner.animation_data.action = None
    for bone in owner.pose.bones:
        bone.matrix_basis.identity()
    assert snapshot(owner)[0] == before[0]
    assert [p[1:3] + p[6:] for p in snapshot(owner)[1]] == [p[1:3] + p[6:] for p in before[1]]


def test_the_generated_rig_is_moved_through_its_fk_controls(rigify):
    from poselift.scene import compat
    from poselift.scene.retarget import performance_of_armature, retarget

    owner = rigify.data.objects["generated"]
    before = snapshot(owner)
    source = performance_of_motion(motion_of(walking(40)))
    done = retarget(source, owner)
    assert done.bones.source == "rigify"
    bones = done.bones.bones
    assert (bones["hips"], bones["upper_arm.L"], bones["shin.R"]) == ("torso", "upper_arm_fk.L", "shin_fk.R")
    check_in_blender(rigify, owner, done)
    # What deforms the mesh follows: the deforming bones stand where the controls do.
    deform = heads(rigify, owner, ["DEF-forearm.L", "DEF-shin.R", "DEF-hand.R"], done.frames[::STEP])
    expected = np.stack([done.moved.joints[role][::STEP] for role in ("forearm.L", "shin.R", "hand.R")], 1)
    assert np.abs(deform - expected).max() < 2e-3
    (note,) = [note for note in done.notes if "IK_FK" in note]  # one for all limbs
    assert note.startswith("'IK_FK' of '") and "was 0 and is keyed as 1" in note
    for limb in ("thigh_parent.L", "upper_arm_parent.R"):
        assert f"'{limb}'" in note
    paths = {curve.data_path for curve in compat.fcurves_of(owner)}
    assert 'pose.bones["thigh_parent.L"]["IK_FK"]' in paths
    assert not any("DEF-" in path or "ORG-" in path or "MCH-" in path for path in paths)
    assert snapshot(owner)[0] == before[0]
    assert [p[0:3] + p[7:8] for p in snapshot(owner)[1]] == [p[0:3] + p[7:8] for p in before[1]]
    back = performance_of_armature(owner)
    assert "frame by frame" in "\n".join(back.notes)
    np.testing.assert_allclose(back.heads["hand.L"], done.moved.joints["hand.L"], atol=1e-3)


def test_rigifys_animals_are_refused_with_a_reason(rigify):
    from poselift.scene.retarget import map_armature

    for name in ("bird", "cat", "horse", "shark", "wolf", "basic_quadruped"):
        for family in ("auto", "structure"):
            with pytest.raises(RigError, match="no humanoid"):
                map_armature(rigify.data.objects[name], family)


def test_root_motion_can_be_the_generated_rigs_root_bones_too(rigify):
    from poselift.core.rig.transfer import TransferSettings
    from poselift.scene.retarget import RetargetSettings, retarget

    owner = rigify.data.objects["generated"]  # whose torso hangs on the root by a constraint, not as its child
    done = retarget(
        performance_of_motion(motion_of(walking(40))),
        owner,
        settings=RetargetSettings(transfer=TransferSettings(root_bone=True)),
    )
    check_in_blender(rigify, owner, done)
    travel = heads(rigify, owner, ["root", "torso"], done.frames[::STEP])
    assert np.ptp(travel[:, 0, :2], axis=0).max() > 0.3
    assert np.ptp((travel[:, 1] - travel[:, 0])[:, :2], axis=0).max() < 1e-3


@pytest.mark.parametrize("mode", ["QUATERNION", "AXIS_ANGLE", "XYZ", "YZX", "mixed"])
def test_rotation_modes_are_kept_and_the_keys_mean_the_same(bpy, scene, mode):
    from poselift.scene.retarget import retarget
    from poselift.scene.retarget_rig import read_rig
    from poselift.scene.sampling import poses_from_curves

    owner = armature_of_rig(bpy, human_rig(FAMILIES["mixamo"], arms=45, rolls=4, scale=100.0))
    modes = ["QUATERNION", "AXIS_ANGLE", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
    for i, bone in enumerate(owner.pose.bones):
        bone.rotation_mode = modes[i % len(modes)] if mode == "mixed" else mode
    before = [bone.rotation_mode for bone in owner.pose.bones]
    done = retarget(performance_of_motion(motion_of(walking(40))), owner)
    assert [bone.rotation_mode for bone in owner.pose.bones] == before
    check_in_blender(bpy, owner, done)
    sampled = poses_from_curves(owner, read_rig(owner), list(done.bones.bones.values()), done.frames)
    names = list(sampled)
    evaluated = heads(bpy, owner, names, done.frames[::STEP])
    assert np.abs(np.stack([sampled[name][::STEP, :3, 3] for name in names], 1) - evaluated).max() < 1e-5


@pytest.mark.parametrize("world", ["plain", "turned", "parented"])
def test_objects_that_are_turned_scaled_and_parented_take_the_motion_where_it_is(bpy, scene, world):
    from poselift.scene.retarget import retarget

    motion = motion_of(walking(30))
    owner = armature_of_rig(bpy, motion_rig(motion, seed=2, scale=100.0, arms=40.0, bend=10.0))
    if world != "plain":
        owner.rotation_euler, owner.location = (1.2, 0.3, 2.0), (3, 1, -0.5)
    if world == "parented":
        for i in range(2):
            empty = bpy.data.objects.new(f"e{i}", None)
            scene.collection.objects.link(empty)
            empty.location, empty.rotation_euler, empty.scale = (0.5, 1, 2), (0.1, 0.2 * i, 0.4), (1.5, 1.5, 1.5)
            child = owner if i == 0 else bpy.data.objects["e0"]
            child.parent = empty
    bpy.context.view_layer.update()
    matrix = owner.matrix_world.copy()
    done = retarget(performance_of_motion(motion), owner)
    assert owner.matrix_world == matrix
    names = {"forearm.L": "l_elbow", "shin.R": "r_knee", "head": "head_joint", "upper_arm.R": "r_shoulder"}
    found = heads(bpy, owner, list(names), done.frames[::STEP])
    at = [motion.skeleton.index(joint) for joint in names.values()]
    scale = done.moved.scale
    middle = 0.5 * (
        motion.joints_world[:, motion.skeleton.index("l_hip")] + motion.joints_world[:, motion.skeleton.index("r_hip")]
    )
    expected = (motion.joints_world[:, at] - middle[:, None]) * scale
    got = found - done.moved.joints["hips"][::STEP, None]
    assert np.abs(got - expected[::STEP]).max() < 3e-3 * scale
    if world != "parented":
        assert scale == pytest.approx(1.0, abs=1e-5)
        assert np.abs(found - motion.joints_world[::STEP][:, at]).max() < 3e-3


def test_locked_channels_are_left_and_told(bpy, scene):
    from poselift.scene import compat
    from poselift.scene.retarget import retarget

    owner = armature_of_rig(bpy, human_rig())
    pose = owner.pose.bones
    pose["forearm.L"].lock_rotation = (True, True, True)
    pose["shin.L"].lock_rotation = (False, True, False)
    pose["thigh.R"].rotation_mode, pose["thigh.R"].lock_rotation = "XYZ", (False, True, False)
    pose["hips"].lock_location = (False, False, True)
    done = retarget(performance_of_motion(motion_of(walking(20))), owner)
    curves = {(c.data_path, c.array_index) for c in compat.fcurves_of(owner)}
    assert not any("forearm.L" in path for path, _ in curves)
    assert {i for path, i in curves if path == 'pose.bones["thigh.R"].rotation_euler'} == {0, 2}
    assert {i for path, i in curves if path == 'pose.bones["hips"].location'} == {0, 1}
    notes = "\n".join(done.notes)
    for name in ("forearm.L", "shin.L", "thigh.R", "hips"):
        assert f"'{name}'" in notes
    scene.frame_set(10)
    assert pose["shin.L"].matrix_basis.to_euler().y == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ"])
def test_what_hangs_on_a_locked_bone_still_points_as_the_source(bpy, scene, mode):
    from poselift.scene.retarget import retarget

    owner = armature_of_rig(bpy, human_rig(rolls=3))
    pose = owner.pose.bones
    for bone in pose:
        bone.rotation_mode = mode
    pose["upper_arm.L"].lock_rotation = (True, True, True)
    pose["thigh.R"].lock_rotation = (True, False, True)
    source = performance_of_motion(motion_of(walking(30)))
    done = retarget(source, owner)
    names = ["forearm.L", "hand.L", "shin.R", "foot.R"]
    found = heads(bpy, owner, names, done.frames[::STEP])
    for start, end, (a, b) in ((0, 1, ("forearm.L", "hand.L")), (2, 3, ("shin.R", "foot.R"))):
        here, there = found[:, end] - found[:, start], (done.moved.joints[b] - done.moved.joints[a])[::STEP]
        np.testing.assert_allclose(here, there, atol=1e-3)
    assert np.abs(np.array(pose["upper_arm.L"].matrix_basis) - np.eye(4)).max() < 1e-6


def test_where_nothing_can_be_keyed_it_is_an_error_and_nothing_changes(bpy, scene):
    from poselift.scene.retarget import retarget

    owner = armature_of_rig(bpy, human_rig())
    for bone in owner.pose.bones:
        bone.lock_rotation, bone.lock_location = (True,) * 3, (True,) * 3
    source = performance_of_motion(motion_of(walking(5)))
    with pytest.raises(RigError, match="nothing could be keyed"):
        retarget(source, owner)
    assert owner.animation_data is None or owner.animation_data.action is None
    assert len(bpy.data.actions) == 0
    camera = bpy.data.objects.new("c", bpy.data.cameras.new("c"))
    for wrong in (camera, None):
        with pytest.raises(RigError, match="no armature"):
            retarget(source, wrong)


def test_the_action_before_is_kept_and_given_back_on_an_error(bpy, scene, monkeypatch):
    from poselift.scene import retarget_keys
    from poselift.scene.retarget import retarget

    owner = armature_of_rig(bpy, human_rig())
    source = performance_of_motion(motion_of(walking(5)))
    first = retarget(source, owner).keyed.action
    second = retarget(source, owner)
    assert second.keyed.previous == first
    assert first.use_fake_user
    assert owner.animation_data.action == second.keyed.action != first

    def broken(*_):
        raise RigError("no")

    monkeypatch.setattr(retarget_keys, "rig_channels", broken)
    with pytest.raises(RigError):
        retarget(source, owner)
    assert owner.animation_data.action == second.keyed.action


@pytest.mark.parametrize("tolerance", [0.0, 3.0])
def test_stopped_at_any_step_the_rig_has_its_action_and_pose_as_before(rigify, tolerance):
    from poselift.scene import retarget

    bpy, owner = rigify, rigify.data.objects["generated"]
    owner.pose.bones["hand_fk.L"].rotation_quaternion = (0.6, 0.8, 0, 0)  # posed by hand, not keyed
    owner.keyframe_insert("location", frame=1)  # an Action with a slot, which nobody else uses
    owner.animation_data.action.use_fake_user = False
    source = performance_of_motion(motion_of(walking(6)))
    settings = retarget.RetargetSettings(tolerance=tolerance)

    def state():
        kinds = ("actions", "objects", "scenes", "armatures")
        blocks = [(kind, block.name, block.use_fake_user) for kind in kinds for block in getattr(bpy.data, kind)]
        animation = owner.animation_data
        return snapshot(owner), blocks, animation.action.name, getattr(animation, "action_slot", None)

    before, stops = state(), 0
    target = retarget.finished(retarget.target_steps(owner, None, settings))
    assert state() == before
    moved = target.transfer(source, settings)
    for stop in (1, 30, 40, 60, 120):
        steps = retarget.keying_steps(source, owner, target, moved, settings)
        for _ in range(stop):
            if next(steps, "end") == "end":
                break
            bpy.context.view_layer.update()  # as a window does that is drawn
        else:
            begun = state() != before
            steps.close()
            stops += begun
            assert state() == before
    assert stops >= 2


def test_a_rig_that_was_changed_meanwhile_is_not_keyed(bpy, scene):
    from poselift.scene import retarget

    owner, settings = armature_of_rig(bpy, human_rig()), retarget.RetargetSettings()
    source = performance_of_motion(motion_of(walking(5)))
    target = retarget.finished(retarget.target_steps(owner, None, settings))
    bpy.context.view_layer.objects.active = owner
    bpy.ops.object.mode_set(mode="EDIT")
    owner.data.edit_bones["hand.L"].name = "claw"
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(RigError, match="changed meanwhile"):
        retarget.finished(retarget.keying_steps(source, owner, target, target.transfer(source, settings), settings))
    assert owner.animation_data is None


def test_a_linked_rig_needs_an_override_and_works_with_one(bpy, scene, tmp_path):
    from poselift.scene.retarget import retarget

    owner = armature_of_rig(bpy, human_rig())
    owner.name = "Hero"
    path = tmp_path / "hero.blend"
    bpy.data.libraries.write(str(path), {owner})
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 30
    with bpy.data.libraries.load(str(path), link=True) as (_, to):
        to.objects = ["Hero"]
    linked = bpy.data.objects["Hero"]
    bpy.context.scene.collection.objects.link(linked)
    source = performance_of_motion(motion_of(walking(20)))
    with pytest.raises(RigError, match="library override"):
        retarget(source, linked)
    mine = linked.override_create(remap_local_usages=True)
    bpy.context.view_layer.update()
    done = retarget(source, mine)
    check_in_blender(bpy, mine, done)


def test_the_poselift_armature_is_a_source_and_curves_are_as_good_as_stepping(bpy, scene):
    from poselift.core.rig.mapping import auto_map
    from poselift.scene import build, sampling
    from poselift.scene.retarget import performance_of_armature, retarget
    from poselift.scene.retarget_rig import read_rig

    motion = motion_of(walking(30), fps=Fraction(30))
    armature = build.apply(motion).armature
    rig = read_rig(armature)
    bones = auto_map(rig)
    frames = sampling.action_frames(armature)
    quick = sampling.sample(armature, rig, bones, frames)
    assert quick.method == "curves"
    armature.pose.bones["head"].constraints.new("LIMIT_ROTATION")
    slow = sampling.sample(armature, rig, bones, frames)
    assert (slow.method, "constraints" in slow.reason) == ("frames", True)
    assert max(np.abs(quick.poses[name] - slow.poses[name]).max() for name in quick.poses) < 1e-5
    armature.pose.bones["head"].constraints.remove(armature.pose.bones["head"].constraints[0])
    owner = armature_of_rig(bpy, human_rig(FAMILIES["vrm"]))
    a, b = (retarget(s, owner).moved for s in (performance_of_armature(armature), performance_of_motion(motion)))
    for role, joints in a.joints.items():
        np.testing.assert_allclose(joints, b.joints[role], atol=1e-4)
    with pytest.raises(RigError, match="no keyframes"):
        performance_of_armature(armature_of_rig(bpy, human_rig()))


def test_bezier_curves_are_evaluated_as_blender_does(bpy, scene):
    from poselift.core.rig.mapping import auto_map
    from poselift.scene import sampling
    from poselift.scene.retarget_rig import read_rig

    owner = armature_of_rig(bpy, human_rig())
    for frame, angle in ((1, 0.0), (11, 1.0), (21, -0.5)):
        owner.pose.bones["upper_arm.L"].rotation_quaternion = (np.cos(angle / 2), np.sin(angle / 2), 0, 0)
        owner.pose.bones["upper_arm.L"].keyframe_insert("rotation_quaternion", frame=frame)
        owner.location.x = angle
        owner.keyframe_insert("location", frame=frame)
    rig = read_rig(owner)
    frames = sampling.action_frames(owner)
    found = sampling.sample(owner, rig, auto_map(rig), frames)
    assert found.method == "curves"
    expected = heads(bpy, owner, ["hand.L"], frames)[:, 0]
    assert np.abs(found.poses["hand.L"][:, :3, 3] - expected).max() < 1e-4


@pytest.mark.filterwarnings("ignore")  # Blender's importers leave files open
@pytest.mark.parametrize("ending", [".fbx", ".glb", ".bvh", ".usd"])
@pytest.mark.parametrize("target", ["own", "character"])
def test_exported_files_read_again_are_the_motion_and_in_time(bpy, scene, tmp_path, ending, target):
    from poselift.scene import build, compat, export, timing
    from poselift.scene.retarget import retarget
    from poselift.scene.retarget_files import open_character
    from poselift.scene.sampling import action_frames

    if ending == ".usd" and not compat.has_usd():
        pytest.skip("this Blender was built without USD")
    motion = motion_of(walking(30))
    if target == "own":
        owner = build.apply(motion, build.BuildSettings(frame_start=11)).armature
    else:
        owner = armature_of_rig(bpy, human_rig(FAMILIES["unreal"], arms=45, rolls=3))
        timing.set_span(retarget(performance_of_motion(motion), owner).frames)
    names = [bone.name for bone in owner.data.bones if not bone.name.startswith("prop")]
    first = scene.frame_start
    expected = heads(bpy, owner, names, range(first, first + 30, STEP))
    selected = [item.name for item in bpy.context.view_layer.objects if item.select_get()]
    span = scene.frame_start, scene.frame_end
    path = tmp_path / f"clip{ending}"
    export.save(path, owner)
    assert (scene.frame_start, scene.frame_end) == span
    assert [item.name for item in bpy.context.view_layer.objects if item.select_get()] == selected
    assert np.abs(heads(bpy, owner, names, range(first, first + 30, STEP)) - expected).max() < 1e-6
    if ending == ".usd":  # which allows neither dots nor colons in names
        names = [name.replace(".", "_") for name in names]
    read = open_character(path, animated=True)
    frames = action_frames(read)
    assert len(frames) == 30
    assert timing.exact_scene_rate() == 30
    found = heads(bpy, read, names, frames[::STEP])
    assert np.abs(found - expected).max() < 2e-3


def test_an_unknown_ending_is_told(bpy, scene, tmp_path):
    from poselift.scene import export
    from poselift.scene.retarget_files import open_character

    owner = armature_of_rig(bpy, human_rig())
    with pytest.raises(OutputError, match="not one of"):
        export.save(tmp_path / "clip.abc", owner)
    with pytest.raises(ReadError, match="no such file"):
        open_character(tmp_path / "missing.glb")
    for ending in (".glb", ".fbx", ".blend"):
        broken = tmp_path / f"broken{ending}"
        broken.write_bytes(b"nothing of the kind" * 10)
        with pytest.raises(ReadError, match="cannot open"):
            open_character(broken)


@pytest.mark.parametrize("tolerance", [1.0, 5.0])
def test_thinned_keys_keep_every_joint_within_the_tolerance(bpy, scene, tolerance):
    from poselift.scene import build, compat

    motion = motion_of(walking(60))
    dense = build.apply(motion).armature
    names = [bone.name for bone in dense.data.bones]
    frames = range(1, 61, 3)
    expected = heads(bpy, dense, names, frames)
    thin = build.apply(motion, build.BuildSettings(tolerance=tolerance)).armature
    assert np.linalg.norm(heads(bpy, thin, names, frames) - expected, axis=-1).max() < tolerance / 1000 + 1e-5
    counts = [sum(len(curve.keyframe_points) for curve in compat.fcurves_of(owner)) for owner in (dense, thin)]
    assert counts[1] < 0.85 * counts[0]


def test_long_curves_are_thinned_in_pieces_and_nothing_else_is_touched(bpy, scene):
    from poselift.scene import build, compat, decimate
    from poselift.scene.decimate_bench import PIECE

    frames = 2 * PIECE + 40
    built = build.apply(motion_of(walking(frames)))
    owner, names = built.armature, [bone.name for bone in built.armature.data.bones]
    other = build.apply(motion_of(walking(20))).armature
    bpy.ops.object.mode_set(mode="POSE")
    looked = range(1, frames + 1, 13)
    expected = heads(bpy, owner, names, looked)

    def around():
        window = bpy.context.window_manager.windows[0]
        return (
            bpy.context.mode, bpy.context.view_layer.objects.active.name, [item.name for item in bpy.context.selected_objects],
            [area.ui_type for area in window.screen.areas], window.scene.name, len(bpy.data.scenes), len(bpy.data.actions),
            [len(curve.keyframe_points) for curve in compat.fcurves_of(other)], scene.frame_current,
        )  # fmt: skip

    before, shares = around(), []
    done = decimate.finished(decimate.thin_steps(owner, 0.003), shares.append)
    assert around() == before
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] <= 1
    assert done.after < 0.5 * done.before
    assert done.error <= 0.003
    assert np.linalg.norm(heads(bpy, owner, names, looked) - expected, axis=-1).max() < 0.003 + 1e-5
    steps = decimate.thin_steps(other, 0.003)
    counts = [len(curve.keyframe_points) for curve in compat.fcurves_of(other)]
    while not (share := next(steps)) or share < 0.5:
        pass
    steps.close()
    assert (around(), [len(curve.keyframe_points) for curve in compat.fcurves_of(other)]) == (before, counts)


def test_the_operators_map_and_retarget_and_the_command_writes_files(addon, tmp_path, capsys):
    from poselift.operators.command_line import main
    from poselift.scene import build, compat, export

    bpy = addon
    motion = motion_of(walking(20))
    source = build.apply(motion).armature
    owner = armature_of_rig(bpy, human_rig(FAMILIES["smpl"], arms=20))
    settings = bpy.context.scene.poselift_retarget
    settings.source, settings.target = source, owner
    assert bpy.ops.poselift.map_bones() == {"FINISHED"}
    lines = {line.name: line.bone for line in settings.bones}
    assert lines["upper_arm.L"] == "L_Shoulder"
    preset = tmp_path / "map.json"
    assert bpy.ops.poselift.save_bone_map(filepath=str(preset)) == {"FINISHED"}
    settings.bones.clear()
    assert bpy.ops.poselift.load_bone_map(filepath=str(preset)) == {"FINISHED"}
    assert {line.name: line.bone for line in settings.bones} == lines
    assert bpy.ops.poselift.retarget() == {"FINISHED"}
    assert owner.animation_data.action
    every = sum(len(curve.keyframe_points) for curve in compat.fcurves_of(owner))
    settings.thin = 3.0
    assert bpy.ops.poselift.retarget() == {"FINISHED"}
    assert sum(len(curve.keyframe_points) for curve in compat.fcurves_of(owner)) < every
    for ending in (".fbx", ".glb"):
        assert bpy.ops.poselift.export(filepath=str(tmp_path / f"panel{ending}"), ending=ending) == {"FINISHED"}
        assert (tmp_path / f"panel{ending}").stat().st_size > 1000
    with pytest.raises(RuntimeError, match="not one of"):
        bpy.ops.poselift.export(filepath=str(tmp_path / "panel.abc"))
    settings.bones[0].bone = "nobody"
    with pytest.raises(RuntimeError, match="no bone 'nobody'"):
        bpy.ops.poselift.retarget()
    owner.animation_data.action = None
    character = tmp_path / "hero.blend"
    export.save_blend(character)
    path = tmp_path / "walk.npz"
    motion.save(path)
    out = [str(tmp_path / f"out{ending}") for ending in (".blend", ".glb")]
    arguments = [
        "retarget",
        str(path),
        "--onto",
        str(character),
        "--object",
        owner.name,
        "-o",
        *out,
        "--map",
        str(preset),
        "--json",
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    report = json.loads(printed[printed.index("\n{\n") :])  # Blender's exporter prints before it
    assert (report["frames"], report["fps"], report["armature"]) == (20, 30.0, "rig")
    assert all((tmp_path / f"out{ending}").stat().st_size > 1000 for ending in (".blend", ".glb"))
    for wrong in (["-o", str(tmp_path / "x.abc")], ["--onto", str(path), "-o", out[0]], ["--names", "mixamo", "-o", out[0]]):
        base = ["retarget", str(path), "--onto", str(character), "--map", str(preset)]
        assert main([*base, *wrong]) == 2


def test_euler_and_uneven_motions_keep_their_times(bpy, scene):
    from poselift.scene import compat
    from poselift.scene.retarget import retarget

    motion = motion_of(walking(5), times=np.array([0.0, 1.0, 2.5, 3.0, 7.0]) / 30)
    owner = armature_of_rig(bpy, human_rig())
    done = retarget(replace(performance_of_motion(motion), label="uneven"), owner)
    assert done.keyed.action.name == "rig uneven"
    keys = [key.co.x for key in compat.fcurves_of(owner)[0].keyframe_points]
    assert keys == [1.0, 2.0, 3.5, 4.0, 8.0]
    groups = {curve.group.name for curve in compat.fcurves_of(owner)}
    assert groups <= set(done.bones.bones.values())


def test_undo_takes_the_retargeting_back(addon):
    from poselift.scene import build

    bpy = addon
    source = build.apply(motion_of(walking(10))).armature.name
    target = armature_of_rig(bpy, human_rig(FAMILIES["mixamo"])).name
    settings = bpy.context.scene.poselift_retarget
    settings.source, settings.target = bpy.data.objects[source], bpy.data.objects[target]
    before = snapshot(bpy.data.objects[target])
    actions = sorted(action.name for action in bpy.data.actions)
    bpy.ops.ed.undo_push(message="start")
    assert bpy.ops.poselift.retarget() == {"FINISHED"}
    assert len(bpy.data.actions) == len(actions) + 1
    bpy.ops.ed.undo_push(message="retarget")
    bpy.ops.ed.undo()
    assert sorted(action.name for action in bpy.data.actions) == actions
    animation = bpy.data.objects[target].animation_data
    assert animation is None or animation.action is None
    assert snapshot(bpy.data.objects[target]) == before


def test_root_motion_can_be_the_root_bones(bpy, scene):
    from poselift.core.rig.transfer import TransferSettings
    from poselift.scene.retarget import RetargetSettings, retarget

    rig = human_rig(FAMILIES["unreal"], arms=45, rolls=6)
    rows = [("root", None, np.zeros(3), np.array([0, 0.3, 0.0]))]
    for i, parent in enumerate(rig.parents):
        rows.append((rig.names[i], rig.names[parent] if parent >= 0 else "root", rig.heads[i], rig.tails[i]))
    owner = armature_of_rig(bpy, rig_of(rows, rolls=2, scale=100.0))
    source = performance_of_motion(motion_of(walking(40)))
    done = retarget(source, owner, settings=RetargetSettings(transfer=TransferSettings(root_bone=True)))
    check_in_blender(bpy, owner, done)
    travel = heads(bpy, owner, ["root", "pelvis"], done.frames)
    assert np.ptp(travel[:, 0, :2], axis=0).max() > 0.3
    assert np.ptp(travel[:, 0, 2]) < 1e-5
    assert np.ptp((travel[:, 1] - travel[:, 0])[:, :2], axis=0).max() < 1e-5
    for root_bone in (False, True):  # where the root stands by now, part of the way on, changes nothing
        scene.frame_set(30)
        check_in_blender(
            bpy, owner, retarget(source, owner, settings=RetargetSettings(transfer=TransferSettings(root_bone=root_bone)))
        )
    bare = armature_of_rig(bpy, human_rig())
    with pytest.raises(RigError, match="no root bone"):
        retarget(source, bare, settings=RetargetSettings(transfer=TransferSettings(root_bone=True)))
