# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user has chosen, kept with the scene, and its translation to the core's settings."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
import math
import sys
from fractions import Fraction
from typing import Any

import bpy

from ..core.cleaning import CleaningSettings
from ..core.pipeline import LiftSettings
from ..core.rig.families import FAMILIES
from ..core.rig.styles import NAMINGS
from ..core.track import exact_rate
from ..scene.compat import blend_relative
from . import source_settings, weights_place
from .languages import OWN
from .source_settings import PoseliftCleaning, PoseliftJoint, PoseliftName, PoseliftPerson

RATES = (
    ("24000/1001", "23.98 fps", "Film at video speed, exactly 24000/1001"),
    ("24", "24 fps", "Film"),
    ("25", "25 fps", "PAL video"),
    ("30000/1001", "29.97 fps", "NTSC video, exactly 30000/1001"),
    ("30", "30 fps", "Most phones and webcams"),
    ("50", "50 fps", "PAL video, full motion"),
    ("60000/1001", "59.94 fps", "NTSC video, full motion, exactly 60000/1001"),
    ("60", "60 fps", "Phones, full motion"),
    ("120", "120 fps", "Phones, slow motion"),
    ("CUSTOM", "Custom", "Any other rate"),
)
CAMERAS = (
    ("static", "Static", "One camera for the whole clip; the body turns"),
    ("orbit", "Orbit", "The body keeps its heading; the camera travels around it"),
    ("scene", "Scene Camera", "Your own camera, standing or moving, as from a camera solve: the body is placed through it"),
)
LENSES = (
    ("AUTO", "Automatic", "What the keypoints or their clip say; else a usual lens"),
    ("FOV", "Field of View", "An angle that you know"),
    ("FILE", "Calibration File", "A calibration, with its distortion"),
    ("CAMERA", "Scene Camera", "The lens of the scene's active camera"),
)
CONTACTS = (
    ("auto", "Planted", "Feet stay where they are found to stand"),
    ("always", "Always Planted", "Both feet stand all the time, as for someone who speaks"),
    ("never", "Free", "No floor holds the feet"),
    ("ground", "Floor Only", "The floor holds the feet up, but they may slide on it"),
)
DEVICES = (
    ("auto", "Automatic", "CUDA where there is a card for it, else the processor"),
    ("cpu", "CPU", "The processor"),
    ("cuda", "CUDA", "An NVIDIA graphics card"),
    *((("mps", "Metal", "Apple's graphics"),) if sys.platform == "darwin" else ()),
)

REST_ITEMS = (("T", "T-Pose", "Arms level"), ("A", "A-Pose", "Arms 45 degrees down"))
NAMING_ITEMS = tuple((name, FAMILIES[name].label, f"Bones named as in {FAMILIES[name].label}") for name in NAMINGS)


CHEAP = ("actor_height", "contacts", "smoothing", "camera_mode")
"""Settings of the solve alone: what is lifted stays lifted when they change."""


def actor_height_property() -> Any:
    """Return the property, which the panel and *Adjust Last Operation* both have; so with the other three."""
    return bpy.props.FloatProperty(
        name="Actor Height",
        description="Height of the person, which sets the scale of everything",
        default=1.75,
        precision=3,
        min=0.05,
        max=50.0,
        soft_min=0.5,
        soft_max=2.5,
        subtype="DISTANCE",
        unit="LENGTH",
    )


def contacts_property() -> Any:
    """Return the property of what feet do."""
    return bpy.props.EnumProperty(
        name="Feet", description="What the floor does to the feet", items=CONTACTS, default="auto", translation_context=OWN
    )


def smoothing_property() -> Any:
    """Return the property of the smoothing's strength."""
    return bpy.props.FloatProperty(
        name="Smoothing",
        description="Strength of the smoothing over time, which keeps peaks; 0 gives the raw solve",
        default=1.0,
        min=0.0,
        max=100.0,
        soft_max=3.0,
    )


def camera_mode_property() -> Any:
    """Return the property of the camera's mode."""
    return bpy.props.EnumProperty(name="Camera", description="What the new camera does", items=CAMERAS, default="static")


def device_property() -> Any:
    """Return the property of where to compute."""
    return bpy.props.EnumProperty(name="Device", description="Where to compute", items=DEVICES, default="auto")


def thin_property() -> Any:
    """Return the property of how far thinned keys may move a joint, which lifting and retargeting have."""
    return bpy.props.FloatProperty(
        name="Thin Keys (mm)",
        description="Thin keys so that no joint moves by more; 0 keeps all",
        default=0.0,
        min=0.0,
        max=100.0,
    )


class PoseliftSettings(bpy.types.PropertyGroup):
    """The panel's settings and what was imported; one per scene, saved with the file.

    It has no methods and no callbacks: either crashes the module bpy 4.2 when Python ends.
    """

    source: bpy.props.StringProperty(
        name="Keypoints", description="File or folder that the keypoints were read from", subtype="FILE_PATH"
    )
    file_format: bpy.props.StringProperty(name="Format", default="auto")
    layout: bpy.props.StringProperty(name="Layout", default="auto")
    session_key: bpy.props.StringProperty(name="Session", options={"HIDDEN"})
    clip: bpy.props.PointerProperty(type=bpy.types.MovieClip, name="Clip", description="Movie clip whose markers were read")
    clip_to_read: bpy.props.PointerProperty(
        type=bpy.types.MovieClip, name="Movie Clip", description="Movie clip whose tracking markers are the keypoints"
    )
    read_width: bpy.props.IntProperty(name="Width Given", options={"HIDDEN"})
    read_height: bpy.props.IntProperty(name="Height Given", options={"HIDDEN"})
    people: bpy.props.CollectionProperty(type=PoseliftPerson)
    person_index: bpy.props.IntProperty(name="Person", description="People of the clip, the best seen first", min=0)
    edits: bpy.props.StringProperty(name="Repairs", description="What was joined and exchanged by hand", options={"HIDDEN"})
    use_joints: bpy.props.BoolProperty(
        name="Map by Hand", description="Say what each keypoint is, instead of going by names and layouts that are known"
    )
    joints: bpy.props.CollectionProperty(type=PoseliftJoint)
    joint_index: bpy.props.IntProperty(
        name="Keypoint", description="Keypoints of the clip and the joints they stand for", min=0
    )
    known_joints: bpy.props.CollectionProperty(type=PoseliftName)
    cleaning: bpy.props.PointerProperty(type=PoseliftCleaning)
    detected: bpy.props.StringProperty(name="Detected", description="What the file holds")
    evidence: bpy.props.StringProperty(name="Evidence", description="How that was told, and what the reader noticed")
    has_rate: bpy.props.BoolProperty(name="Rate Known", description="The keypoints say their frame rate")
    has_size: bpy.props.BoolProperty(name="Size Known", description="The keypoints say their image size")

    rate: bpy.props.EnumProperty(
        name="Frame Rate", description="Frame rate of the footage, which the keypoints do not say", items=RATES, default="30"
    )
    custom_rate: bpy.props.FloatProperty(
        name="FPS", description="Frames per second of the footage", default=30.0, min=0.1, max=10000.0, precision=3
    )
    use_size: bpy.props.BoolProperty(
        name="Known Image Size",
        description="Set the footage's image size; otherwise the smallest usual one that holds the keypoints is taken",
    )
    image_width: bpy.props.IntProperty(
        name="Resolution X",
        description="Width of the footage in pixels, which the keypoints do not say",
        default=1920,
        min=4,
        max=65536,
        subtype="PIXEL",
    )
    image_height: bpy.props.IntProperty(
        name="Y",
        description="Height of the footage in pixels, which the keypoints do not say",
        default=1080,
        min=4,
        max=65536,
        subtype="PIXEL",
    )
    actor_height: actor_height_property()
    contacts: contacts_property()
    smoothing: smoothing_property()
    camera_mode: camera_mode_property()
    scene_camera: bpy.props.PointerProperty(
        type=bpy.types.Object,
        name="Through",
        description="Camera that the body is placed through; the scene's active one where none is chosen",
    )
    scene_start: bpy.props.IntProperty(
        name="Footage Starts", description="Frame of the scene that shows the first frame of the footage", default=1
    )
    footage: bpy.props.StringProperty(
        name="Footage",
        description="Movie, or first of the images: gives size and rate, and is shown behind the new camera",
        subtype="FILE_PATH",
    )
    lens: bpy.props.EnumProperty(
        name="Lens", description="Where the camera's focal length and distortion come from", items=LENSES, default="AUTO"
    )
    calibration: bpy.props.StringProperty(
        name="Calibration",
        description="Calibration file of OpenCV, ROS, Pose2Sim, Anipose or COLMAP; of several cameras, FILE:CAMERA",
        subtype="FILE_PATH",
    )
    fov: bpy.props.FloatProperty(
        name="Field of View",
        description="Angle over the larger side of the image",
        default=math.radians(60),
        min=math.radians(1),
        max=math.radians(170),
        subtype="ANGLE",
    )
    weights: bpy.props.StringProperty(
        name="Weights", description="Name or file of what the network has learned; empty for the preferences' choice"
    )
    device: device_property()
    rest: bpy.props.EnumProperty(name="Rest Pose", description="How the armature stands at rest", items=REST_ITEMS, default="T")
    bone_names: bpy.props.EnumProperty(
        name="Bone Names", description="The family that bones are named after", items=NAMING_ITEMS, default="plain"
    )
    thin: thin_property()
    lift_id: bpy.props.StringProperty(
        name="Last Lift", description="Mark of what the last lift made, by which it is found again", options={"HIDDEN"}
    )
    solve_seconds: bpy.props.FloatProperty(name="Solve Time", description="How long the last solve took", options={"HIDDEN"})
    result: bpy.props.StringProperty(name="Result", description="The report of the last lift, line by line")
    preview: bpy.props.StringProperty(
        name="Preview",
        description="Movie (.mp4, .mov, .mkv) of the figures over the footage, or over the keypoints where there is none",
        subtype="FILE_PATH",
        options=blend_relative(),
        default="//preview.mp4",
    )
    worst: bpy.props.StringProperty(
        name="Frames to Look At", description="Scene frames that the report names", options={"HIDDEN"}
    )


def settings_of(context: bpy.types.Context) -> PoseliftSettings:
    """Return the settings of the scene that the user is in."""
    scene: Any = context.scene
    return scene.poselift


def to_core(settings: PoseliftSettings) -> LiftSettings:
    """Return the settings for a lift. Raises `SettingsError` where a value is out of range."""
    return LiftSettings(
        camera_mode=settings.camera_mode,
        actor_height=settings.actor_height,
        device=settings.device,
        weights=weights_place.chosen(settings.weights),
        fps=None if settings.has_rate else frame_rate(settings),
        image_size=(settings.image_width, settings.image_height) if settings.use_size and not settings.has_size else None,
        fov=settings.fov if settings.lens == "FOV" else None,
        contacts=settings.contacts,
        smoothing=settings.smoothing,
        cleaning=cleaning_of(settings.cleaning),
    )


def cleaning_of(cleaning: PoseliftCleaning) -> CleaningSettings:
    """Return the cleaning steps that are switched on."""
    return CleaningSettings(
        score_gate=cleaning.gate if cleaning.use_gate else 0.0,
        outliers=cleaning.use_outliers,
        swaps=cleaning.use_swaps,
        max_gap_seconds=cleaning.longest_gap if cleaning.use_fill else 0.0,
    )


def people_of(settings: PoseliftSettings) -> list[str]:
    """Return the names of the people to lift, the best seen first."""
    return [person.name for person in settings.people if person.use]


def frame_rate(settings: PoseliftSettings) -> Fraction:
    """Return the rate that the user gave, exactly."""
    if settings.rate != "CUSTOM":
        return Fraction(settings.rate)
    return exact_rate(round(settings.custom_rate, 3))  # Blender holds it in single precision


CLASSES = (*source_settings.CLASSES, PoseliftSettings)
