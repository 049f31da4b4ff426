# SPDX-License-Identifier: GPL-3.0-or-later
"""From the sample clip's files to Blender: what the armature and the camera show is the motion, on every frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from make_clip import camera, write_clip

from poselift.core.camera import project
from poselift.core.pipeline import LiftSettings, lift
from poselift.core.readers import read
from poselift.core.rig.bones import bone_table

SETTINGS = LiftSettings(fps=Fraction(30), intrinsics=camera()[0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "keypoints", frames=300)


@pytest.mark.parametrize("mode", ["static", "orbit"])
def test_the_armature_is_the_motion_and_lies_on_its_projections_on_every_frame(bpy, clip, mode):
    from bpy_extras.object_utils import world_to_camera_view

    from poselift.scene import build

    motion = lift(read(clip.keypoints)[0], replace(SETTINGS, camera_mode=mode))
    built = build.apply(motion)
    scene = bpy.context.scene
    width, height = motion.intrinsics.width, motion.intrinsics.height
    expected_pixels = project(motion.joints_camera, motion.intrinsics)
    skeleton = motion.skeleton
    ends = {bone.name: skeleton.index(bone.tail) for bone in bone_table(skeleton).bones if bone.tail}
    assert len(ends) == 16
    assert (scene.frame_start, scene.frame_end) == (1, 300)
    worst, worst_pixel = 0.0, 0.0
    for t in range(len(motion)):
        scene.frame_set(1 + t)
        armature = built.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        places = {0: armature.matrix_world @ armature.pose.bones[0].head}
        places |= {joint: armature.matrix_world @ armature.pose.bones[name].tail for name, joint in ends.items()}
        for joint, place in places.items():
            worst = max(worst, np.linalg.norm(np.array(place) - motion.joints_world[t, joint]))
            x, y, _ = world_to_camera_view(scene, built.camera, place)
            pixel = np.array([x * width, (1 - y) * height])
            worst_pixel = max(worst_pixel, np.linalg.norm(pixel - expected_pixels[t, joint]))
    assert worst < 0.001
    assert worst_pixel < 0.5


def test_the_figure_waves_with_its_left_arm_and_stands_before_the_camera(bpy, clip):
    from bpy_extras.object_utils import world_to_camera_view

    from poselift.scene import build

    with np.load(clip.truth) as truth:
        waving = np.flatnonzero(truth["waving"])
    built = build.apply(lift(read(clip.keypoints)[0], SETTINGS))
    scene = bpy.context.scene
    scene.frame_set(1 + int(waving[len(waving) // 2]))
    bones = built.armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    raised, lowered = bones["forearm.L"], bones["forearm.R"]
    assert raised.tail.z > bones["shoulder.L"].tail.z + 0.1
    assert lowered.tail.z < bones["shoulder.R"].tail.z - 0.2
    # It faces the camera, so its left is on the right of the image.
    left, right = (world_to_camera_view(scene, built.camera, bones[name].tail) for name in ("shoulder.L", "shoulder.R"))
    assert left.x > right.x and min(left.z, right.z) > 2
    assert bones["head"].tail.z > 1.4 and abs(min(bones["shin.L"].tail.z, bones["shin.R"].tail.z) - 0.08) < 0.05
