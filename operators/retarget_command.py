# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift retarget`: a motion onto a character, to files for Blender and game engines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import OutputError
from ..core.rig.motion_file import read_motion
from ..core.rig.presets import save_map
from .character_options import Character, add_character_options
from .terminal import DONE, say, show

if TYPE_CHECKING:
    from ..core.rig.performance import Performance

ENDINGS = (".blend", ".fbx", ".glb", ".usd", ".bvh")


def add_retarget(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.set_defaults(run=retarget_motion)
    parser.add_argument(
        "motion", metavar="MOTION", help="a motion .npz of Poselift, or an animated .blend, .bvh, .fbx, .glb or .usd"
    )
    parser.add_argument("-o", "--output", required=True, nargs="+", metavar="OUT", help=f"files ending in {', '.join(ENDINGS)}")
    parser.add_argument("--source-object", default="", metavar="NAME", help="the motion's armature, where its file has several")
    parser.add_argument("--save-map", metavar="JSON", help="write the mapping that was used")
    parser.add_argument("--thin", type=float, default=0.0, metavar="MM", help="thin keys; joints move by so many mm at most")
    add_character_options(parser, required=True)
    parser.add_argument("--json", action="store_true", help="print the report as JSON on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def retarget_motion(options: argparse.Namespace) -> int:
    """Retarget one motion and write the outputs. Raises `PoseliftError`."""
    outputs = [Path(name) for name in options.output]
    for output in outputs:
        if output.suffix.lower() not in ENDINGS:
            raise OutputError(f"{output}: '{output.suffix}' is not one of {', '.join(ENDINGS)}.")
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; create it first.")
    character = Character.of(options)
    performance, fps = _performance(Path(options.motion), options.source_object)
    armature, done = character.perform(performance, fps, outputs)
    if options.save_map:
        save_map(Path(options.save_map), done.bones)
    report = {
        "source": options.motion,
        "target": options.onto,
        "outputs": [str(output) for output in outputs],
        "armature": armature,
        "frames": len(done.frames),
        "fps": float(fps),
        "names": done.bones.source,
        "bones": dict(done.bones.bones),
        "scale": done.moved.scale,
        "notes": done.notes,
    }
    if not options.quiet:
        say("\n".join([*(f"note: {note}" for note in done.notes), *(f"wrote {output}" for output in outputs)]))
    if options.json:
        show(json.dumps(report, indent=1))
    return DONE


def _performance(path: Path, name: str) -> tuple[Performance, Any]:
    """Return what the source does, and its exact rate."""
    if path.suffix.lower() == ".npz":
        motion = read_motion(path)
        return motion.performance(), motion.fps
    from ..scene import retarget, retarget_files, timing

    owner = retarget_files.open_character(path, name, animated=True)
    return retarget.performance_of_armature(owner), timing.exact_scene_rate()
