# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's character on the command line: which rig, which of its bones, and how a motion goes onto it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ReadError, SettingsError
from ..core.rig.families import FAMILIES
from ..core.rig.mapping import AUTO, BY_STRUCTURE, BoneMap
from ..core.rig.presets import load_map
from ..core.rig.transfer import TransferSettings
from .blender_needed import need_blender

if TYPE_CHECKING:
    from ..core.motion.motion import Motion
    from ..core.rig.performance import Performance
    from ..scene.retarget import Retargeted

CHARACTER_FILES = ("onto", "map")
"""Options that name files whose content decides what comes out."""


def add_character_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add the options that `Character.of` reads."""
    group = parser.add_argument_group("the character", "" if required else "for a motion on a rig of your own, with --onto")
    add = group.add_argument
    add("--onto", required=required, metavar="RIG", help="the character: .blend, .glb, .fbx, .vrm or .usd")
    add("--object", default="", metavar="NAME", help="the character's armature, where its file has several")
    how = "how the character's bones are told (default: auto)"
    add("--rig-names", "--names", choices=(AUTO, BY_STRUCTURE, *FAMILIES), default=AUTO, help=how)
    add("--map", metavar="JSON", help="a saved mapping of the character's bones")
    add("--scale", type=float, help="scale of the path (default: by the length of the legs)")
    add("--no-pin", action="store_true", help="leave the feet where the limbs' directions put them")
    add("--in-place", action="store_true", help="no root motion: take the way over the floor out")
    add("--root-bone", action="store_true", help="root motion on the rig's root bone, not on the hips")
    add("--deform-only", action="store_true", help="export only bones that meshes follow (.fbx, .glb)")


@dataclass(frozen=True)
class Character:
    """A rig's file, and how to put a motion onto it. thin: millimetres by which thinned keys may move a joint."""

    file: Path
    armature: str
    family: str
    bones: BoneMap | None
    transfer: TransferSettings
    thin: float
    deform_only: bool

    @classmethod
    def of(cls, options: argparse.Namespace) -> Character:
        """Read the options. Raises `SettingsError`, `ReadError` and, without Blender, `OutputError`."""
        if options.map and options.rig_names != AUTO:
            raise SettingsError("give --map or --rig-names, not both.")
        settings = TransferSettings(options.scale, not options.no_pin, options.in_place, options.root_bone)
        bones = load_map(Path(options.map)) if options.map else None
        need_blender("retargeting needs Blender")
        if not Path(options.onto).is_file():
            raise ReadError("there is no such file.", Path(options.onto))
        names = (options.object, options.rig_names)
        return cls(Path(options.onto), *names, bones, settings, options.thin, options.deform_only)

    def perform(self, performance: Performance, fps: Fraction, outputs: Sequence[Path]) -> tuple[str, Retargeted]:
        """Open the rig's file, key a performance on it, save it as each output; return the armature's name and what was done.

        Raises `ReadError`, `RigError`, `SettingsError` and `OutputError`.
        """
        from ..scene import export, retarget, retarget_files, timing

        owner = retarget_files.open_character(self.file, self.armature)
        timing.set_rate(fps)
        how = retarget.RetargetSettings(self.family, transfer=self.transfer, tolerance=self.thin)
        done = retarget.retarget(performance, owner, self.bones, how)
        timing.set_span(done.frames)
        for output in outputs:
            export.save(output, owner, self.deform_only)
        return owner.name, done


def put_onto(motion: Motion, outputs: Sequence[Path], options: argparse.Namespace) -> None:
    """Put a lifted motion onto the character that the options name; the motion's report tells what is to be known of it."""
    from ..core.rig.performance import performance_of_motion

    _, done = Character.of(options).perform(performance_of_motion(motion), motion.fps, outputs)
    motion.report.notes += done.notes
