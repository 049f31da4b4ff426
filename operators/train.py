# SPDX-License-Identifier: GPL-3.0-or-later
"""Train: weights of one's own from trained ones and one's own clips, in a process of its own."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core.camera import Intrinsics
from ..core.errors import SettingsError
from ..core.lifter import weights
from ..core.lifter.comparison import Comparison
from ..core.lifter.device import has_torch
from ..core.people import choose
from ..core.pipeline import LiftSettings
from ..core.readers import track_npz
from ..core.track import KeypointTrack
from ..scene.jobs import Progress
from . import session, weights_place
from .batch import worker_command
from .footage import given_in
from .modal import BUSY, JobOperator
from .reports import allowed
from .settings import people_of, settings_of, to_core
from .source import kept_tracks, recipe_of, tracks_of
from .training_run import Run
from .training_settings import AS_STARTED, training_settings_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

_NAME = re.compile(r"[\w][\w .-]{0,60}")
_run: list[Run] = []

Writer = Callable[[Path], list[Path]]
"""Writes the imported clip's people into a folder, and returns the files."""


class POSELIFT_OT_train(JobOperator, bpy.types.Operator):
    """Train weights of your own on your clips, beginning with trained ones; Blender stays usable meanwhile"""

    bl_idname = "poselift.train"
    bl_label = "Train"

    resume: bpy.props.BoolProperty(
        name="Go On", description="Go on with the run of this name that was stopped", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing where training cannot start."""
        return allowed(cls, why_not(context))

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], dict[str, Any]]:
        """Return the work: write the imported clip aside, train, and remove it again."""
        arguments, output = arguments_of(context), output_of(context)
        writer = _writer(context) if training_settings_of(context).use_imported and settings_of(context).source else None
        clips = [Path(bpy.path.abspath(clip.path)) for clip in training_settings_of(context).clips]
        if self.resume:
            arguments.append("--resume")
        elif output.is_file():
            raise SettingsError(f"there are weights '{output.stem}' already; choose another name, or delete them first.")

        def work(progress: Progress) -> dict[str, Any]:
            folder = Path(tempfile.mkdtemp(prefix="poselift-train-"))
            try:
                data = [*clips, *(writer(folder) if writer else ())]
                command = [*worker_command("train"), *map(str, data), "-o", str(output), *arguments]
                _run[:] = [Run(command, output, self.resume)]
                return _run[0].train(progress)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        return work

    def take(self, context: bpy.types.Context, result: dict[str, Any]) -> str:
        """Show what was trained; nothing uses the new weights yet."""
        name = Path(str(result["output"])).stem
        training_settings_of(context).shown = name
        found = result.get("comparison")
        verdict = f": {Comparison.from_dict(found).verdict()}" if found else ""
        return f"Trained '{name}'{verdict}"


class POSELIFT_OT_stop_training(bpy.types.Operator):
    """Stop training; what was learned is kept in a checkpoint, to go on from"""

    bl_idname = "poselift.stop_training"
    bl_label = "Stop Training"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Be there while training runs."""
        return running() is not None

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Ask the job to end."""
        job = session.running()
        if job is not None:
            job.cancel()
        return {"FINISHED"}


class POSELIFT_OT_add_training_clips(bpy.types.Operator):
    """Add files of keypoints, or a folder, to train on"""

    bl_idname = "poselift.add_training_clips"
    bl_label = "Add Clips"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> "set[OperatorReturnItems]":
        """Open the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Add the chosen files; the folder where none was chosen."""
        folder = Path(bpy.path.abspath(self.directory))
        names = [item.name for item in self.files if item.name]
        settings = training_settings_of(context)
        known = {clip.path for clip in settings.clips}
        for path in [folder / name for name in names] or [folder]:
            if str(path) not in known:
                clip = settings.clips.add()
                clip.name, clip.path = path.name or str(path), str(path)
        settings.clip_index = len(settings.clips) - 1
        return {"FINISHED"}


class POSELIFT_OT_remove_training_clip(bpy.types.Operator):
    """Take this clip out of the list; the file stays"""

    bl_idname = "poselift.remove_training_clip"
    bl_label = "Remove Clip"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Be there where there is one."""
        return context.scene is not None and len(training_settings_of(context).clips) > 0

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Take it out."""
        settings = training_settings_of(context)
        settings.clips.remove(settings.clip_index)
        settings.clip_index = max(0, min(settings.clip_index, len(settings.clips) - 1))
        return {"FINISHED"}


def running() -> Run | None:
    """Return the run that goes on, or None."""
    return _run[0] if _run and session.running() is not None and not _run[0].ended else None


def why_not(context: bpy.types.Context) -> str:
    """Return what is missing for training, as a sentence for the user; empty where nothing is."""
    if session.running() is not None:
        return BUSY
    if context.scene is None:
        return "There is no scene"
    settings, training = settings_of(context), training_settings_of(context)
    imported = training.use_imported and settings.source
    if not imported and not len(training.clips):
        return "Add clips to train on, or import one"
    if imported and not people_of(settings):
        return "Mark whom to train on in the list of people"
    if not _NAME.fullmatch(training.result):
        return "Name the new weights: letters, digits, spaces, dots and dashes"
    if training.result in weights.shipped():
        return "That is the name of weights that come with Poselift; choose another"
    if not has_torch():
        return "PyTorch is missing; the tab installs it"
    return ""


def output_of(context: bpy.types.Context) -> Path:
    """Return the file of the new weights. Raises `OutputError` where there is no folder for it."""
    return weights_place.folder() / f"{training_settings_of(context).result}.npz"


def arguments_of(context: bpy.types.Context) -> list[str]:
    """Return the options of `poselift train` for the scene's settings. Raises `WeightsError`, `OutputError`."""
    training = training_settings_of(context)
    start = weights.find(weights_place.chosen(training.start))
    weights.about(start)  # one that is none is refused here, before a process is started
    arguments = ["--from", str(start), "--epochs", str(training.epochs), "--device", settings_of(context).device]
    if training.preset != AS_STARTED:
        arguments += ["--preset", training.preset]
    if training.minutes > 0:
        arguments += ["--time-limit", f"{training.minutes:g}"]
    if training.hold_out > 0:
        arguments += ["--hold-out", f"{training.hold_out / 100:g}"]
    return [*arguments, "--json", "--watch-input"]


def _writer(context: bpy.types.Context) -> Writer:
    """Return what writes the marked people of the imported clip, as a lift would see them. Raises as `tracks_of`."""
    settings, given = settings_of(context), given_in(context)
    recipe, people, options = recipe_of(settings), people_of(settings), to_core(settings)
    kept = tracks_of(settings) if settings.clip is not None else kept_tracks(settings)

    def write(folder: Path) -> list[Path]:
        paths = []
        for number, track in enumerate(choose(recipe.read() if kept is None else kept, people)):
            paths.append(folder / f"{number + 1}.npz")
            track_npz.write(paths[-1], [_told(*given.told(recipe.mapped(track), options))])
        return paths

    return write


def _told(track: KeypointTrack, options: LiftSettings) -> KeypointTrack:
    """Return a track that says itself what the panel's settings say of it."""
    size = options.image_size or track.image_size
    camera = options.intrinsics or track.intrinsics
    if options.fov is not None and size is not None:
        camera = Intrinsics.from_fov(*size, options.fov, "given field of view")
    return replace(track, fps=options.fps or track.fps, image_size=size, intrinsics=camera)


CLASSES = (
    POSELIFT_OT_train,
    POSELIFT_OT_stop_training,
    POSELIFT_OT_add_training_clips,
    POSELIFT_OT_remove_training_clip,
)
