# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene that a preview is rendered from: the figures, their camera, and the footage or the keypoints.

Workbench renders it, apart from the user's scene; the compositor lays it over the footage, undistorted as the camera's
background is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np

from ..core.camera import project, unproject
from ..core.errors import SettingsError
from ..core.motion.motion import Motion
from . import compat
from .build import Built
from .clip_camera import intrinsics_of_clip
from .keypoint_drawing import draw_keypoints
from .render import new_floor, set_look
from .state import current
from .timing import frames_of, rate_of, scene_rate

NAME = "Poselift preview"


def new_preview_scene(built: Sequence[Built], motions: Sequence[Motion] = ()) -> bpy.types.Scene:
    """Make the scene that shows what was built through its camera, as `save_movie` renders it."""
    source, _ = current()
    camera = next((each.camera for each in built if each.camera is not None), source.camera)
    if not built or camera is None:
        raise SettingsError("there is no figure and camera to render; lift first.")
    scene = bpy.data.scenes.new(NAME)
    set_look(scene)
    _take_frame(scene, source)
    if motions:  # a scene of the user's own may run at another rate
        scene.render.fps, scene.render.fps_base = rate_of(motions[0].fps)
    scene.camera = camera
    figures = [item for each in built for item in (each.armature, *each.armature.children_recursive)]
    for item in {item.name: item for item in (*figures, camera)}.values():
        scene.collection.objects.link(item)
    spans = np.array([each.action.frame_range for each in built])
    scene.frame_start, scene.frame_end = int(np.floor(spans.min())), int(np.ceil(spans.max()))
    background = _footage_of(camera, source)
    everything: Any = scene
    everything.display.render_aa = "OFF"  # the compositor's smoothing takes a tenth of the time without a graphics card
    everything.render.film_transparent = background is not None
    if background is None:
        scene.collection.objects.link(_floor(built, motions))
        for motion in motions:
            start = float(built[0].action.frame_range[0])
            fps = motion.fps if motion.camera_mode == "scene" else scene_rate(source)
            draw_keypoints(motion, frames_of(motion.times, fps, start), scene.collection)
    _compose(scene, background)
    return scene


def lifted_in(scene: bpy.types.Scene) -> list[Built]:
    """Return what lifts made that is still in a scene: armatures with our actions, with the cameras in their collections."""
    found = []
    for item in scene.objects:
        action: Any = item.animation_data.action if item.type == "ARMATURE" and item.animation_data else None
        if action is not None and "poselift_report" in action:
            collection = item.users_collection[0]
            own = next((other for other in collection.objects if other.type == "CAMERA"), None)
            camera = scene.objects.get(action.get("poselift_camera", "")) or own
            body = next((child for child in item.children if child.type == "MESH"), None)
            found.append(Built(collection, item, action, camera, body))
    return found


def _take_frame(scene: bpy.types.Scene, source: bpy.types.Scene) -> None:
    """Give a scene another's rate and picture: an even number of pixels, as H.264 wants, that show exactly the same view."""
    render, given = scene.render, source.render
    render.fps, render.fps_base = given.fps, given.fps_base
    share = given.resolution_percentage / 100
    width, height = (max(4, int(side * share + 1e-9)) for side in (given.resolution_x, given.resolution_y))
    render.resolution_x, render.resolution_y = width + width % 2, height + height % 2
    stretched = render.resolution_x / width / (render.resolution_y / height)
    tall = given.pixel_aspect_y / given.pixel_aspect_x * stretched
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1 / tall), max(1.0, tall)


def _footage_of(camera: bpy.types.Object, source: bpy.types.Scene) -> Any:
    """Return the background that shows a movie clip behind a camera; None where it has none that is shown."""
    data: Any = camera.data
    for background in data.background_images if data.show_background_images else ():
        if background.source == "MOVIE_CLIP" and background.show_background_image and _clip_of(background, source):
            return background
    return None


def _clip_of(background: Any, source: bpy.types.Scene) -> bpy.types.MovieClip | None:
    return source.active_clip if background.use_camera_clip else background.clip


def _compose(scene: bpy.types.Scene, background: Any) -> None:
    """Lay what the scene renders, smoothed, over the footage where there is any."""
    tree, result = compat.new_compositor(scene)

    def node(kind: str, **sources: Any) -> Any:
        new = tree.nodes.new(f"CompositorNode{kind}")
        pictures = [socket for socket in new.inputs if socket.type == "RGBA"]
        for socket, given in zip(pictures, sources.values(), strict=False):
            tree.links.new(given.outputs[0], socket)
        return new

    layers = node("RLayers")
    layers.scene = scene
    figure = node("AntiAliasing", image=layers)
    if background is not None:
        clip = _clip_of(background, current()[0])
        footage = node("MovieClip")
        footage.clip = clip
        if background.clip_user.use_render_undistorted:
            lens = node("Image")
            lens.image = _undistortion(clip, scene)
            footage = node("MapUV", image=footage)
            tree.links.new(lens.outputs[0], footage.inputs["UV"])
        else:
            footage = node("Scale", image=footage)
            compat.choose(footage, "space", "RENDER_SIZE", "Type")
            compat.choose(footage, "frame_method", background.frame_method, "Frame Type")
        figure = node("AlphaOver", below=footage, above=figure)
    tree.links.new(figure.outputs[0], result)


def _undistortion(clip: bpy.types.MovieClip | None, scene: bpy.types.Scene) -> Any:
    """Make the image that says for every pixel of a scene's picture where in the footage (u, v) its ray was seen.

    Blender's own node for this is a pixel off in both directions (measured on 4.5).
    """
    assert clip is not None
    across, down = int(clip.size[0]), int(clip.size[1])
    lens = intrinsics_of_clip(clip, (across, down))
    width, height = scene.render.resolution_x, scene.render.resolution_y
    x, y = np.meshgrid((np.arange(width) + 0.5) * across / width, (np.arange(height) + 0.5) * down / height)
    seen = project(unproject(np.stack([x, y], -1), lens.undistorted()), lens)
    places = np.ones((height, width, 4), np.float32)
    places[..., 0], places[..., 1] = seen[..., 0] / across, 1 - seen[..., 1] / down
    image: Any = bpy.data.images.new(NAME, width, height, float_buffer=True, is_data=True)
    image.pixels.foreach_set(np.nan_to_num(places[::-1], nan=-1.0).ravel())  # where the lens model ends is nothing
    image.update()
    return image


def _floor(built: Sequence[Built], motions: Sequence[Motion]) -> bpy.types.Object:
    if motions:
        roots = np.concatenate([motion.joints_world[:, motion.skeleton.root, :2] for motion in motions])
        return new_floor(roots.min(0), roots.max(0), motions[0].floor)
    places = np.array([each.armature.matrix_world @ _first_bone(each).head for each in built])[:, :2]
    return new_floor(places.min(0), places.max(0))


def _first_bone(built: Built) -> bpy.types.PoseBone:
    assert built.armature.pose is not None
    return built.armature.pose.bones[0]
