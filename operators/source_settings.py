# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel keeps about the imported keypoints: people, joints, and how to clean them."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from typing import TYPE_CHECKING

import bpy

from ..core.cleaning import CleaningSettings
from ..core.people import PersonSummary

CLEANING = CleaningSettings()


class PoseliftPerson(bpy.types.PropertyGroup):
    """A person of the imported clip, as the panel lists them."""

    # PropertyGroup has `name` already: the person's name in the track.
    use: bpy.props.BoolProperty(name="Lift", description="Lift this person when the marked people are lifted", default=False)
    coverage: bpy.props.FloatProperty(
        name="Seen", description="Share of the frames in which the person is seen", subtype="PERCENTAGE", max=100.0
    )
    size: bpy.props.FloatProperty(name="Size", description="Usual size in the image, in pixels", subtype="PIXEL")
    score: bpy.props.FloatProperty(name="Score", description="Mean score of the person's keypoints")
    first_frame: bpy.props.IntProperty(name="First Frame", description="First frame in which the person is seen")
    last_frame: bpy.props.IntProperty(name="Last Frame", description="Last frame in which the person is seen")

    if TYPE_CHECKING:
        name: str


class PoseliftJoint(bpy.types.PropertyGroup):
    """A keypoint of the imported clip, and the joint that it stands for."""

    # PropertyGroup has `name` already: the keypoint's name in the file.
    joint: bpy.props.StringProperty(
        name="Joint", description="What the keypoint is; empty: nothing that is used. Names that are known already say so"
    )

    if TYPE_CHECKING:
        name: str


class PoseliftName(bpy.types.PropertyGroup):
    """A name to choose from."""

    if TYPE_CHECKING:
        name: str


class PoseliftCleaning(bpy.types.PropertyGroup):
    """Which steps of cleaning are taken, and how far they go."""

    use_gate: bpy.props.BoolProperty(
        name="Score Gate", description="Take keypoints of low scores for missing", default=CLEANING.score_gate > 0
    )
    gate: bpy.props.FloatProperty(
        name="Lowest Score",
        description="Keypoints that score less are taken for missing",
        default=CLEANING.score_gate,
        min=0.0,
        max=0.99,
        precision=2,
    )
    use_swaps: bpy.props.BoolProperty(
        name="Left and Right", description="Repair frames in which left and right are exchanged", default=True
    )
    use_outliers: bpy.props.BoolProperty(
        name="Outliers", description="Drop keypoints that jump away from their path and back", default=True
    )
    use_fill: bpy.props.BoolProperty(name="Fill Gaps", description="Fill short gaps between what was seen", default=True)
    longest_gap: bpy.props.FloatProperty(
        name="Longest Gap",
        description="Longer gaps stay gaps: nothing is invented there",
        default=CLEANING.max_gap_seconds,
        min=0.0,
        soft_max=2.0,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )


def list_people(people: "bpy.types.bpy_prop_collection_idprop[PoseliftPerson]", found: list[PersonSummary]) -> None:
    """Fill the panel's list of people, the best seen first and marked; who was marked before stays so."""
    marked = {person.name for person in people if person.use}
    people.clear()
    for number, about in enumerate(found):
        person = people.add()
        person.name = about.name
        person.use = about.name in marked if marked else number == 0
        person.coverage, person.size, person.score = 100 * about.coverage, about.size, about.score
        person.first_frame, person.last_frame = about.first or 0, about.last or 0


CLASSES = (PoseliftPerson, PoseliftJoint, PoseliftName, PoseliftCleaning)
