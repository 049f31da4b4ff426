# SPDX-License-Identifier: GPL-3.0-or-later
"""Lift: the imported keypoints become an animated armature, a mannequin and a matching camera."""

from collections.abc import Callable
from dataclasses import replace

import bpy

from ..core.lifter.device import has_torch, leave_a_core_free
from ..core.people import choose
from ..core.pipeline import lift_people
from ..scene import build
from ..scene.jobs import Progress
from ..scene.state import all_or_nothing
from . import session
from .camera_options import Given
from .footage import given_in
from .modal import JobOperator
from .settings import PoseliftSettings, people_of, settings_of, to_core
from .source import kept_tracks, recipe_of, tracks_of

READING = 0.1
"""Share of the progress that reading the file again takes."""


class POSELIFT_OT_lift(JobOperator, bpy.types.Operator):
    """Turn the imported keypoints into an animated armature and a camera that matches the footage"""

    bl_idname = "poselift.lift"
    bl_label = "Lift to 3D"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing where a lift cannot start."""
        reason = why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], session.Lifted]:
        """Return the work of a lift."""
        work = prepare(settings_of(context), given_in(context))
        return work if bpy.app.background or context.window is None else beside_the_window(work)

    def take(self, context: bpy.types.Context, result: session.Lifted) -> str:
        """Put the motions into the scene, and their reports into the panel."""
        session.keep(result.path, result.tracks, result.key)
        settings = settings_of(context)
        # A clip's frames are the scene's; other sources are placed at its beginning.
        start = result.motions[0].first_frame if settings.clip is not None else 1
        if result.given.scene is not None:
            start = result.given.scene.start + result.motions[0].first_frame
        with all_or_nothing():
            name = result.given.scene.name if result.given.scene else ""
            how = replace(armature_settings(settings), frame_start=start, scene_camera=name)
            built = build.apply_all(result.motions, how)
            result.given.show(result.motions[0], built[0].camera, start, result.wanted[0])
        session.remember([each.action.name for each in built], result.motions)
        reports = [motion.report for motion in result.motions]
        shift = start - result.motions[0].first_frame
        frames = sorted({frame + shift for report in reports for frame in report.worst_frames})
        settings.worst = " ".join(map(str, frames))
        settings.result = "\n".join(line for report in reports for line in report.lines())
        whom = f"{len(reports)} people, " if len(reports) > 1 else ""
        worst = max(report.reprojection_median for report in reports)
        return f"Lifted {whom}{reports[0].frames} frames; median reprojection error {worst:.1f} px"


def beside_the_window(work: Callable[[Progress], session.Lifted]) -> Callable[[Progress], session.Lifted]:
    """Return the work, done on all processor cores but the one that draws the window."""

    def done(progress: Progress) -> session.Lifted:
        if has_torch():
            leave_a_core_free()
        return work(progress)

    return done


def why_not(context: bpy.types.Context) -> str:
    """Return what is missing for a lift, as a sentence for the user; empty where nothing is."""
    if session.running() is not None:
        return "Something is running; wait for it, or press Esc to stop it"
    if context.scene is None or not settings_of(context).source:
        return "Import keypoints first"
    if not people_of(settings_of(context)):
        return "Mark whom to lift in the list of people"
    if not has_torch():
        return "PyTorch is missing; the tab installs it"
    return ""


def prepare(settings: PoseliftSettings, given: Given) -> Callable[[Progress], session.Lifted]:
    """Return the work of a lift, free of Blender, from what the scene's settings say now.

    Tracks that are not kept any more (the file was reloaded) are read again by the work; where a movie clip's markers or the
    scene's camera are needed, which are Blender's data, at once. Raises `SettingsError`, `TrackError`.
    """
    recipe, key, people, options = recipe_of(settings), settings.session_key, people_of(settings), to_core(settings)
    in_blender = settings.clip is not None or given.scene is not None
    kept = tracks_of(settings) if in_blender else kept_tracks(settings)
    if kept is not None and given.scene is not None:
        options = given.placed(choose(kept, people)[0], options)

    def work(progress: Progress) -> session.Lifted:
        tracks, start = kept, 0.0
        if tracks is None:
            tracks = recipe.read(lambda share: progress(READING * share, "read"))
            start = READING
        told = [given.told(recipe.mapped(track), options) for track in choose(tracks, people)]
        wanted = [track for track, _ in told]
        motions = lift_people(wanted, told[0][1], lambda share, stage: progress(start + (1 - start) * share, stage))
        return session.Lifted(motions, wanted, given, tracks, recipe.path, key)

    return work


def armature_settings(settings: PoseliftSettings) -> build.BuildSettings:
    """Return what to build, as the scene's settings say."""
    return build.BuildSettings(rest=settings.rest, names=settings.bone_names, tolerance=settings.thin)


CLASSES = (POSELIFT_OT_lift,)
