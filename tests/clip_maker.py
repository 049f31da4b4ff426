# SPDX-License-Identifier: GPL-3.0-or-later
"""Movie clips made by Blender itself: image sequences, movies, and tracks with markers where a known motion is."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

WIDE = (192, 108)


def image_sequence(bpy, folder: Path, frames: int = 5, size: tuple[int, int] = WIDE, first: int = 1) -> Path:
    """Write a sequence of small PNGs and return the first one's path."""
    folder.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("frame", *size)
    image.file_format = "PNG"
    for frame in range(first, first + frames):
        image.filepath_raw = str(folder / f"frame_{frame:04d}.png")
        image.save()
    bpy.data.images.remove(image)
    return folder / f"frame_{first:04d}.png"


def movie(bpy, path: Path, frames: int = 6, size: tuple[int, int] = (64, 32), fps: Fraction = Fraction(30)) -> Path:
    """Render an empty movie of a size and rate, in a scene of its own that is gone afterwards."""
    scene = bpy.data.scenes.new("movie")
    scene.camera = bpy.data.objects.new("movie", bpy.data.cameras.new("movie"))
    scene.collection.objects.link(scene.camera)
    render = scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    nominal = round(fps)
    render.fps, render.fps_base = nominal, float(nominal / fps)
    scene.frame_start, scene.frame_end = 1, frames
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5.0 and later
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.filepath, render.use_file_extension = str(path), False
    bpy.ops.render.render(animation=True, scene=scene.name)
    camera = scene.camera
    bpy.data.scenes.remove(scene)
    bpy.data.cameras.remove(camera.data)
    return path


def image_frames(bpy, folder: Path, places, size: tuple[int, int]) -> Path:
    """Write a black PNG per place (T, 2), with a green square of 5 pixels about it; return the first one's path."""
    folder.mkdir()
    image = bpy.data.images.new("frame", *size)
    image.file_format = "PNG"
    for frame, (x, y) in enumerate(np.floor(places).astype(int)):
        pixels = np.zeros((size[1], size[0], 4), np.float32)
        pixels[..., 3] = 1
        pixels[y - 2 : y + 3, x - 2 : x + 3, 1] = 1
        image.pixels.foreach_set(pixels[::-1].ravel())
        image.filepath_raw = str(folder / f"frame_{frame + 1:04d}.png")
        image.save()
    bpy.data.images.remove(image)
    return folder / "frame_0001.png"


def frame_of(bpy, path: Path, frame: int, size: tuple[int, int]):
    """Return one frame of a movie, from 0, as (H, W, 3) bytes, through Blender's own reader."""
    from poselift.scene import compat

    scene = bpy.data.scenes.new("frame")
    scene.camera = bpy.data.objects.new("frame", bpy.data.cameras.new("frame"))
    scene.render.engine, scene.view_settings.view_transform = "BLENDER_WORKBENCH", "Standard"
    scene.render.resolution_x, scene.render.resolution_y = size
    tree, result = compat.new_compositor(scene)
    node = tree.nodes.new("CompositorNodeMovieClip")
    node.clip = clip = bpy.data.movieclips.load(str(path))
    tree.links.new(node.outputs[0], result)
    bpy.context.scene.frame_set(frame + 1)
    scene.frame_set(frame + 1)
    target = path.with_name(f"{path.stem}_{frame}.png")
    scene.render.filepath = str(target)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    bpy.data.cameras.remove(scene.camera.data)
    bpy.data.scenes.remove(scene)
    bpy.data.movieclips.remove(clip)
    image = bpy.data.images.load(str(target))
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(size[0] * size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return (255 * pixels.reshape(size[1], size[0], 4)[::-1, :, :3]).round().astype(np.uint8)


def turn(path: Path, turned: Path, height: int) -> Path:
    """Copy an MP4 with the mark that a phone held upright leaves: show this turned by 90 degrees (ISO 14496-12, tkhd)."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    matrix = header + (52 if data[header] == 1 else 40)
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, height * one, 0, 1 << 30)
    turned.write_bytes(data)
    return turned


def set_markers(tracks, name: str, pixels, size: tuple[int, int], frames, seen=None):
    """Make a track with a marker per frame. pixels: (T, 2) from the top left; unseen frames get a disabled marker."""
    track = tracks.new(name=name, frame=int(frames[0]))  # it comes with a marker there
    for row, frame in enumerate(frames):
        marker = track.markers.insert_frame(int(frame), co=(pixels[row, 0] / size[0], 1 - pixels[row, 1] / size[1]))
        marker.mute = bool(seen is not None and not seen[row])
    return track


def noisy_path(rng: np.random.Generator, frames: int, size: tuple[int, int]) -> np.ndarray:
    """Return a smooth way (T, 2) inside an image."""
    steps = np.cumsum(rng.normal(0, 2, (frames, 2)), 0)
    return np.clip(np.array(size) * rng.uniform(0.3, 0.7, 2) + steps, 2, np.array(size) - 2)
