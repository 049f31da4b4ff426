# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in which Blender 4.2 to 5.2 differ, so that no other file has to ask for a version."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import bpy


def new_action(owner: bpy.types.Object, name: str) -> tuple[bpy.types.Action, Any]:
    """Make a new Action for `owner` and return it with its channels; it is not assigned yet, so that nothing plays it.

    The channels have `fcurves` and `groups`: a channelbag of the owner's own slot where actions are layered (Blender 4.4
    and later; `Action.fcurves` is gone in 5.0), the action itself before.
    """
    action = bpy.data.actions.new(name)
    if not hasattr(action, "slots"):
        return action, action
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    strip: Any = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return action, strip.channelbag(slot, ensure=True)


def assign_action(owner: bpy.types.Object, action: bpy.types.Action | None) -> None:
    """Give an object an action that was made for it or another one of its kind, or none."""
    animation: Any = owner.animation_data or owner.animation_data_create()
    animation.action = action
    if action is not None and hasattr(action, "slots") and len(action.slots):
        animation.action_slot = action.slots[0]
        action.slots[0].name_display = owner.name


def fcurves_of(owner: bpy.types.Object) -> list[bpy.types.FCurve]:
    """Return the F-curves that drive a datablock through its action; none where it has no action."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return []
    action: Any = animation.action
    if not hasattr(action, "slots"):
        return list(action.fcurves)
    bags = (strip.channelbag(animation.action_slot) for layer in action.layers for strip in layer.strips)
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def usd_without_textures() -> dict[str, Any]:
    """Return the USD exporter's setting by which no folder of textures appears beside the file; it changed in Blender 4.4."""
    exporter: Any = bpy.ops.wm.usd_export
    known = exporter.get_rna_type().properties.keys()
    return {"export_textures_mode": "KEEP"} if "export_textures_mode" in known else {"export_textures": False}


def eevee_engine() -> str:
    """Return the identifier of the EEVEE render engine, which was another one in Blender 4.2 to 4.5."""
    return "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"


def colour_material(material: bpy.types.Material, colour: tuple[float, float, float, float]) -> None:
    """Give a material one colour, in Workbench and in the engines that use nodes.

    Blender 5.0 gives every new material its nodes; before, they have to be asked for.
    """
    material.diffuse_color = colour
    material.roughness = 0.7
    if material.node_tree is None:
        material.use_nodes = True
    tree: Any = material.node_tree
    for node in tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = colour
            node.inputs["Roughness"].default_value = material.roughness


def turns_movies() -> bool:
    """Say whether Blender heeds the mark of a movie that it is to be shown turned, as phones write them; 4.2 does not."""
    return bpy.app.version >= (4, 4, 0)


def new_compositor(scene: bpy.types.Scene) -> tuple[Any, Any]:
    """Give a scene an empty compositor, and return its node tree and the socket that the finished picture goes to.

    Since Blender 5.0 it is a node group of its own, whose output is the picture; before, a scene's own tree.
    """
    owner: Any = scene
    if hasattr(owner, "compositing_node_group"):
        tree: Any = bpy.data.node_groups.new(scene.name, "CompositorNodeTree")
        owner.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        return tree, tree.nodes.new("NodeGroupOutput").inputs[0]
    owner.use_nodes = True
    owner.node_tree.nodes.clear()
    return owner.node_tree, owner.node_tree.nodes.new("CompositorNodeComposite").inputs[0]


def choose(node: Any, attribute: str, value: str, socket: str) -> None:
    """Set an option of a compositor node: an attribute before Blender 5.0, an input with a menu since."""
    if hasattr(node, attribute):
        setattr(node, attribute, value)
    else:
        node.inputs[socket].default_value = value.replace("_", " ").title()


def write_movie(scene: bpy.types.Scene, container: str, codec: str) -> None:
    """Have a scene's animation rendered as a movie, of good quality; since Blender 5.0 the kind of medium comes first."""
    render: Any = scene.render
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.image_settings.color_mode = "RGB"
    render.ffmpeg.format, render.ffmpeg.codec = container, codec
    render.ffmpeg.constant_rate_factor, render.ffmpeg.ffmpeg_preset = "HIGH", "GOOD"
    render.ffmpeg.gopsize = 12


def blend_relative() -> set[Any]:
    """Return the options of a path property that may start with '//', which Blender wants declared since 4.5."""
    return {"ANIMATABLE", "PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else {"ANIMATABLE"}


def has_usd() -> bool:
    """Say whether this Blender was built with USD; Debian's is not."""
    options: Any = bpy.app.build_options
    return bool(options.usd)


def usd_rate(path: Path) -> float | None:
    """Return how many of a USD file's time codes, which become frames, a second has; its importer leaves the scene's rate.

    None where Pixar's module cannot be had: Blender 4.4 and later show it when asked, those before always.
    """
    if hasattr(bpy.utils, "expose_bundled_modules"):
        bpy.utils.expose_bundled_modules()
    try:
        usd: Any = importlib.import_module("pxr.Usd")
    except ImportError:
        return None
    return float(usd.Stage.Open(str(path)).GetTimeCodesPerSecond())
