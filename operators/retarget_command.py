# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift retarget`: a motion onto a character, to files for Blender and game engines."""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import OutputError, SettingsError
from ..core.rig.families import FAMILIES
from ..core.rig.mapping import AUTO, BY_STRUCTURE, BoneMap
from ..core.rig.motion_file import read_motion
from ..core.rig.presets import load_map, save_map
from ..core.rig.transfer import TransferSettings
from .terminal import DONE, say, show

if TYPE_CHECKING:
    from ..core.rig.performance import Performance

ENDINGS = (".blend", ".fbx", ".glb", ".usd", ".bvh")


def add_retarget(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.set_defaults(run=retarget_motion)
    parser.add_argument("motion", metavar="MOTION", help="a motion .npz of Poselift, or an animated .blend, .bvh, .fbx or .glb")
    parser.add_argument("--onto", required=True, metavar="RIG", help="the character: .blend, .glb, .fbx or .vrm")
    parser.add_argument("-o", "--output", required=True, nargs="+", metavar="OUT", help=f"files ending in {', '.join(ENDINGS)}")
    parser.add_argument("--source-object", default="", metavar="NAME", help="the motion's armature, where its file has several")
    parser.add_argument("--object", default="", metavar="NAME", help="the character's armature, where its file has several")
    parser.add_argument(
        "--names",
        choices=(AUTO, BY_STRUCTURE, *FAMILIES),
        default=AUTO,
        help="how the character's bones are told (default: auto)",
    )
    parser.add_argument("--map", metavar="JSON", help="a saved mapping of the character's bones")
    parser.add_argument("--save-map", metavar="JSON", help="write the mapping that was used")
    parser.add_argument("--scale", type=float, help="scale of the path (default: by the length of the legs)")
    parser.add_argument("--no-pin", action="store_true", help="leave the feet where the limbs' directions put them")
    parser.add_argument("--in-place", action="store_true", help="no root motion: take the way over the floor out")
    parser.add_argument("--root-bone", action="store_true", help="root motion on the rig's root bone, not on the hips")
    parser.add_argument("--thin", type=float, default=0.0, metavar="MM", help="thin keys; joints move by so many mm at most")
    parser.add_argument("--deform-only", action="store_true", help="export only bones that meshes follow (.fbx, .glb)")
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
    if options.map and options.names != AUTO:
        raise SettingsError("give --map or --names, not both.")
    settings = TransferSettings(options.scale, not options.no_pin, options.in_place, options.root_bone)
    bones = load_map(Path(options.map)) if options.map else None
    if not importlib.util.find_spec("bpy"):
        raise OutputError("retargeting needs Blender; run this in Blender, or install its module: pip install bpy.")
    performance, fps = _performance(Path(options.motion), options.source_object)
    report = _retarget(performance, fps, options, settings, bones, outputs)
    if not options.quiet:
        say("\n".join([*(f"note: {note}" for note in report["notes"]), *(f"wrote {output}" for output in outputs)]))
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


def _retarget(
    performance: Performance,
    fps: Any,
    options: argparse.Namespace,
    settings: TransferSettings,
    bones: BoneMap | None,
    outputs: list[Path],
) -> dict[str, Any]:
    from ..scene import decimate, export, retarget, retarget_files, timing

    owner = retarget_files.open_character(Path(options.onto), options.object)
    timing.set_rate(fps)
    done = retarget.retarget(performance, owner, bones, retarget.RetargetSettings(options.names, transfer=settings))
    timing.set_span(done.frames)
    if options.thin:
        decimate.thin_keys(owner, options.thin / 1000)
    for output in outputs:
        export.save(output, owner, options.deform_only)
    if options.save_map:
        save_map(Path(options.save_map), done.bones)
    return {
        "source": options.motion,
        "target": options.onto,
        "outputs": [str(output) for output in outputs],
        "armature": owner.name,
        "frames": len(done.frames),
        "fps": float(fps),
        "names": done.bones.source,
        "bones": dict(done.bones.bones),
        "scale": done.moved.scale,
        "notes": done.notes,
    }
