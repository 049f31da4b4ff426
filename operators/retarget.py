# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: an armature's motion onto the user's own character, and the mapping of its bones."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from ..core.rig.performance import Performance
from ..core.rig.presets import load_map, save_map
from ..core.rig.transfer import Transfer, TransferSettings
from ..scene import retarget
from ..scene.jobs import Progress
from ..scene.state import mark_of, object_of
from ..scene.steps import Steps, part
from . import session
from .json_dialogs import LoadsJson, SavesJson
from .languages import told
from .modal import BUSY, JobOperator, Work
from .reports import cancelled, tell
from .retarget_settings import PoseliftRetargetSettings, map_in_list, retarget_settings_of, show_map, target_of

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

PARTS = {(False, True): (0.3, 0.6), (False, False): (0.96, 0.98), (True, True): (0.02, 0.04), (True, False): (0.6, 0.61)}
"""Shares of the progress at which reading has ended, and the transfer: where keys are thinned, where curves tell the motion."""


@dataclass(frozen=True)
class Transferred:
    """A transfer, ready to be keyed: on which object, by which settings, and whether the panel's list gave the bones."""

    mark: int | None
    performance: Performance
    target: retarget.Target
    moved: Transfer
    settings: retarget.RetargetSettings
    listed: bool


class POSELIFT_OT_map_bones(bpy.types.Operator):
    """Find the target's bones by their names or by the rig's shape, and list them"""

    bl_idname = "poselift.map_bones"
    bl_label = "Detect Bones"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a target."""
        return context.scene is not None and target_of(context) is not None

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Fill the list."""
        settings, target = retarget_settings_of(context), target_of(context)
        try:
            bones = retarget.map_armature(target, settings.family)
        except Exception as error:
            return cancelled(self, error)
        assert target is not None
        show_map(settings, bones, target.name)
        tell(self, "INFO", f"{len(bones.bones)} bones of {target.name}, told by {bones.source}")
        for note in bones.notes:
            tell(self, "WARNING", note)
        return {"FINISHED"}


class POSELIFT_OT_save_bone_map(SavesJson, bpy.types.Operator):
    """Save the list of bones as a preset (JSON)"""

    bl_idname = "poselift.save_bone_map"
    bl_label = "Save Bone Map"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a list."""
        return context.scene is not None and len(retarget_settings_of(context).bones) > 0

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Write the file."""
        try:
            save_map(self.chosen, map_in_list(retarget_settings_of(context)))
        except Exception as error:
            return cancelled(self, error)
        return {"FINISHED"}


class POSELIFT_OT_load_bone_map(LoadsJson, bpy.types.Operator):
    """Load a list of bones from a preset (JSON)"""

    bl_idname = "poselift.load_bone_map"
    bl_label = "Load Bone Map"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Read the file into the list."""
        target = target_of(context)
        try:
            show_map(retarget_settings_of(context), load_map(self.chosen), target.name if target else "")
        except Exception as error:
            return cancelled(self, error)
        return {"FINISHED"}


class POSELIFT_OT_retarget(JobOperator, bpy.types.Operator):
    """Put the source's motion onto the target, in a new Action; the rig itself stays as it is"""

    bl_idname = "poselift.retarget"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}

    stages = ("read", "key")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing."""
        if context.scene is None:
            return False
        if session.running() is not None:
            cls.poll_message_set(told(BUSY))
            return False
        settings = retarget_settings_of(context)
        target = target_of(context)
        if settings.source is None or target is None:
            cls.poll_message_set(told("Choose an animated source armature and a target armature"))
            return False
        if settings.source == target:
            cls.poll_message_set(told("Source and target are the same armature"))
            return False
        return True

    def prepare(self, context: bpy.types.Context) -> Steps[Work]:
        """Read source and target; the work is the transfer between them."""
        settings, target = retarget_settings_of(context), target_of(context)
        source, how = settings.source, _to_scene(context, settings)
        quick = retarget.plays_by_curves(source)
        self.parts, share = PARTS[bool(how.tolerance), quick], 0.5 if quick else 0.05
        listed = len(settings.bones) > 0 and target is not None and settings.mapped == target.name
        bones = map_in_list(settings) if listed else None
        of_target = yield from part(retarget.target_steps(target, bones, how), 0, share)
        of_source = yield from part(retarget.source_steps(source), share, 1)
        mark = mark_of(target)

        def work(progress: Progress) -> Transferred:
            progress(0, "retarget")
            performance = of_source.performance()
            progress(0.5, "retarget")
            return Transferred(mark, performance, of_target, of_target.transfer(performance, how), how, listed)

        return work

    def take(self, context: bpy.types.Context, result: Transferred) -> Steps[str]:
        """Key the transfer; on an error nothing has changed."""
        target = object_of(result.mark)
        done = yield from retarget.keying_steps(result.performance, target, result.target, result.moved, result.settings)
        settings = retarget_settings_of(context)  # not before: a reference does not outlive a pause
        if not result.listed:
            show_map(settings, done.bones, target.name)
        settings.result = "\n".join(done.notes)
        for note in done.notes:
            tell(self, "WARNING", note)
        return f"{len(done.frames)} frames on {target.name}, path scaled by {done.moved.scale:.3f}"


def _to_scene(context: bpy.types.Context, settings: PoseliftRetargetSettings) -> retarget.RetargetSettings:
    source_frames = retarget.first_frame(settings.source)
    return retarget.RetargetSettings(
        settings.family,
        frame_start=source_frames,
        transfer=TransferSettings(
            settings.scale if settings.use_scale else None,
            settings.pin_feet,
            settings.root_motion == "NONE",
            settings.root_motion == "ROOT",
        ),
        tolerance=settings.thin,
    )


CLASSES = (POSELIFT_OT_map_bones, POSELIFT_OT_save_bone_map, POSELIFT_OT_load_bone_map, POSELIFT_OT_retarget)
