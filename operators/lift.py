# SPDX-License-Identifier: GPL-3.0-or-later
"""Lift: the imported keypoints become an animated armature, a mannequin and a matching camera."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import bpy

from ..core.lifter.device import has_torch, leave_a_core_free, load_torch
from ..core.lifter.weights import find
from ..core.people import choose
from ..core.pipeline import LiftSettings, lift_frames, lift_part, solve_people
from ..scene import build
from ..scene.jobs import Progress
from ..scene.renew import made_by, renew
from ..scene.state import all_or_nothing
from ..scene.steps import Steps
from . import session
from .camera_options import Given
from .footage import given_in
from .modal import BUSY, JobOperator
from .reports import allowed
from .settings import (
    CHEAP,
    PoseliftSettings,
    actor_height_property,
    camera_mode_property,
    contacts_property,
    people_of,
    settings_of,
    smoothing_property,
    to_core,
)
from .source import kept_tracks, recipe_of, tracks_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

READING = 0.1
"""Share of the progress that reading the file again takes."""
LONG = 2.0
"""Seconds of a solve up to which *Adjust Last Operation* offers it: it runs on the main thread."""


class LiftOperator(JobOperator):
    """What lifting and solving again have in common."""

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], session.Lifted]:
        """Return the work of a lift."""
        work = prepare(settings_of(context), given_in(context))
        return work if bpy.app.background or context.window is None else beside_the_window(work)

    def take(self, context: bpy.types.Context, result: session.Lifted) -> Steps[str]:
        """Put the motions into the scene, and their reports into the panel."""
        session.keep(result.path, result.tracks, result.key)
        session.keep_lift(result.kept)
        motions = [figure.motion for figure in result.figures]
        start = result.build.frame_start
        with all_or_nothing():
            built = yield from build.apply_steps(result.figures, result.build)
            yield
            result.given.show(motions[0], built[0].camera, start, result.wanted[0])
            settings = settings_of(context)  # not before: a reference does not outlive a pause
            self.placed(settings, result.build.mark)
        session.remember([each.action.name for each in built], motions)
        reports = [motion.report for motion in motions]
        shift = start - motions[0].first_frame
        frames = sorted({frame + shift for report in reports for frame in report.worst_frames})
        settings.lift_id = result.build.mark
        settings.worst = " ".join(map(str, frames))
        settings.result = "\n".join(line for report in reports for line in report.lines())
        settings.solve_seconds = sum(report.seconds["solve"] for report in reports)
        whom = f"{len(reports)} people, " if len(reports) > 1 else ""
        worst = max(report.reprojection_median for report in reports)
        return f"Lifted {whom}{reports[0].frames} frames; median reprojection error {worst:.1f} px"

    def placed(self, settings: PoseliftSettings, mark: str) -> None:
        """Do what is left to do with what was built and has this mark, within the step that is all or nothing."""


class POSELIFT_OT_lift(LiftOperator, bpy.types.Operator):
    """Turn the imported keypoints into an animated armature and a camera that matches the footage"""

    bl_idname = "poselift.lift"
    bl_label = "Lift to 3D"
    bl_options = {"REGISTER", "UNDO"}

    # For *Adjust Last Operation*; where they are not given, the panel's settings count.
    actor_height: actor_height_property()
    contacts: contacts_property()
    smoothing: smoothing_property()
    camera_mode: camera_mode_property()

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing where a lift cannot start."""
        return allowed(cls, why_not(context))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Lift with the panel's settings, beside the window."""
        settings = settings_of(context)
        for name in CHEAP:
            setattr(self, name, getattr(settings, name))
        return super().invoke(context, event)

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Lift before returning; what is given here becomes the panel's setting. Adjusting solves the same frames again."""
        settings = settings_of(context)
        before = {name: getattr(settings, name) for name in CHEAP}
        for name in CHEAP:
            if self.properties.is_property_set(name):
                setattr(settings, name, getattr(self, name))
        done = super().execute(context)
        if done == {"CANCELLED"}:
            for name, value in before.items():
                setattr(settings, name, value)
        return done

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what *Adjust Last Operation* offers: what is cheap, unless the clip is long."""
        settings = settings_of(context)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if settings.solve_seconds > LONG:
            layout.label(text="A long clip: change the settings in the tab, then click Solve Again", icon="INFO")
            return
        for name in CHEAP:
            layout.prop(self, name)


class POSELIFT_OT_solve_again(LiftOperator, bpy.types.Operator):
    """Solve the lifted frames again, with the height, feet, smoothing and camera of now, on the same armature and camera"""

    bl_idname = "poselift.solve_again"
    bl_label = "Solve Again"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing."""
        reason = why_not(context)
        if not reason and not made_by(settings_of(context).lift_id):
            reason = "Lift first; what the last lift made is not in this scene"
        return allowed(cls, reason)

    def placed(self, settings: PoseliftSettings, mark: str) -> None:
        """Give the new motion to the objects of the last lift."""
        renew(settings.lift_id, made_by(mark).values())


def beside_the_window(work: Callable[[Progress], session.Lifted]) -> Callable[[Progress], session.Lifted]:
    """Return the work, done on all processor cores but the one that draws the window."""

    def done(progress: Progress) -> session.Lifted:
        if has_torch():
            load_torch()
            leave_a_core_free()
        return work(progress)

    return done


def why_not(context: bpy.types.Context) -> str:
    """Return what is missing for a lift, as a sentence for the user; empty where nothing is."""
    if session.running() is not None:
        return BUSY
    if context.scene is None or not settings_of(context).source:
        return "Import keypoints first"
    if not people_of(settings_of(context)):
        return "Mark whom to lift in the list of people"
    if not has_torch():
        return "PyTorch is missing; the tab installs it"
    return ""


def prepare(settings: PoseliftSettings, given: Given) -> Callable[[Progress], session.Lifted]:
    """Return the work of a lift, free of Blender, from what the scene's settings say now.

    Frames that were lifted in the same way are not lifted again. Tracks that are not kept any more (the file was reloaded)
    are read again by the work; where a movie clip's markers or the scene's camera are needed, which are Blender's data, at
    once. Raises `SettingsError`, `TrackError`, `CameraError`, `WeightsError`.
    """
    recipe, key, people, options = recipe_of(settings), settings.session_key, people_of(settings), to_core(settings)
    of_clip = settings.clip is not None
    kept = tracks_of(settings) if of_clip or given.scene else kept_tracks(settings)
    if kept is not None and given.scene is not None:
        options = given.placed(choose(kept, people)[0], options)
    look = armature_settings(settings)
    weights = weights_of(options)

    def work(progress: Progress) -> session.Lifted:
        tracks, start = kept, 0.0
        if tracks is None:
            tracks = recipe.read(lambda share: progress(READING * share, "read"))
            start = READING

        def show(share: float, stage: str) -> None:
            progress(start + (1 - start) * share, stage)

        told = [given.told(recipe.mapped(track), options) for track in choose(tracks, people)]
        wanted, calibrated = [track for track, _ in told], told[0][1]
        # All that decides what the networks say of the scene's source.
        joints = tuple(recipe.joints.items())
        made_of = (key, tuple(people), joints, lift_part(calibrated), given.footage, given.scene, weights)
        known = session.find_lift(made_of)
        if known is None:
            known = session.KeptLift(made_of, wanted, lift_frames(wanted, calibrated, show))
        motions = solve_people(known.people, calibrated, show)
        # A clip's frames are the scene's, as are those of its camera; other sources are placed at its beginning.
        at, name = motions[0].first_frame if of_clip else 1, ""
        if given.scene is not None:
            at, name = given.scene.start + motions[0].first_frame, given.scene.name
        place = replace(look, frame_start=at, mark=uuid4().hex, scene_camera=name)
        figures = [build.figure_of(motion, place) for motion in motions]
        return session.Lifted(figures, place, known.wanted, given, tracks, recipe.path, key, known)

    return work


def weights_of(options: LiftSettings) -> Hashable:
    """Return which weights a lift takes, another file of the same name being others. Raises `WeightsError`."""
    path = find(options.weights)
    return path, path.stat().st_mtime_ns


def armature_settings(settings: PoseliftSettings) -> build.BuildSettings:
    """Return what to build, as the scene's settings say."""
    return build.BuildSettings(rest=settings.rest, names=settings.bone_names, tolerance=settings.thin)


CLASSES = (POSELIFT_OT_lift, POSELIFT_OT_solve_again)
