# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user has chosen for training, kept with the scene: clips, starting weights, how long, and the result's name."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING, Any

import bpy

from ..core.lifter.config import PRESETS

AS_STARTED = "AUTO"
_ABOUT_PRESETS = {
    "2d-only": "Bones, hinges and consistency of 2D poses: what keypoints alone can teach",
    "3d-anchored": "The same, for weights that were learned with 3D",
    "paper": "The published method, for weights of that kind",
}
PRESET_ITEMS = (
    (AS_STARTED, "As the Weights", "How the starting weights were trained"),
    *((name, name, _ABOUT_PRESETS.get(name, "")) for name in PRESETS),
)


class PoseliftTrainingClip(bpy.types.PropertyGroup):
    """A file or folder of keypoints to train on."""

    # PropertyGroup has `name` already: what the list shows.
    path: bpy.props.StringProperty(name="Path", description="File or folder of keypoints", subtype="FILE_PATH")

    if TYPE_CHECKING:
        name: str


class PoseliftTrainingSettings(bpy.types.PropertyGroup):
    """The training panel's settings; one per scene, saved with the file.

    It has no methods and no callbacks: either crashes the module bpy 4.2 when Python ends.
    """

    clips: bpy.props.CollectionProperty(type=PoseliftTrainingClip)
    clip_index: bpy.props.IntProperty(name="Clip", description="Files and folders of keypoints to train on", min=0)
    use_imported: bpy.props.BoolProperty(
        name="Imported Clip", description="Train on the marked people of the clip that is imported above", default=True
    )
    start: bpy.props.StringProperty(name="Begin With", description="Weights that training begins with and bends a little")
    preset: bpy.props.EnumProperty(name="Preset", description="What training pulls towards", items=PRESET_ITEMS)
    result: bpy.props.StringProperty(name="Name", description="Name of the new weights, in your weights folder", default="mine")
    epochs: bpy.props.IntProperty(
        name="Epochs", description="Times that each pose is seen, by both networks together", default=120, min=2, soft_max=1000
    )
    minutes: bpy.props.FloatProperty(
        name="At Most (min)",
        description="Shorten training so that it takes about so many minutes at most; 0 for no limit",
        default=15.0,
        min=0.0,
        soft_max=240.0,
        precision=1,
    )
    hold_out: bpy.props.FloatProperty(
        name="Hold Out",
        description="Share of each clip that is not trained on, to see there what training has changed; 0 for none",
        default=20.0,
        min=0.0,
        max=50.0,
        precision=0,
        subtype="PERCENTAGE",
    )
    shown: bpy.props.StringProperty(name="Shown", description="Weights whose training is shown", options={"HIDDEN"})


def training_settings_of(context: bpy.types.Context) -> PoseliftTrainingSettings:
    """Return the training settings of the scene that the user is in."""
    scene: Any = context.scene
    return scene.poselift_training


CLASSES = (PoseliftTrainingClip, PoseliftTrainingSettings)
