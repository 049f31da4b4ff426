# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `poselift …` in a terminal, `blender -b -c poselift …` in Blender, with the same arguments.

Exit status: 0 all done, 1 some inputs failed (named, with reasons, the others done), 2 bad usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import numpy as np

from ..core.cleaning import CleaningSettings
from ..core.errors import PoseliftError, TrackError
from ..core.layouts import LAYOUTS
from ..core.lifter.config import PRESETS
from ..core.lifter.device import DEVICES
from ..core.lifter.evaluation.conditions import CONDITIONS
from ..core.lifter.weights import DEFAULT, available, shipped
from ..core.pipeline import CAMERA_MODES, CONTACT_MODES
from ..core.readers import FORMATS
from ..core.rig.styles import NAMINGS, RESTS
from ..core.track import exact_rate
from .batch import usable_cores, work
from .camera_options import add_camera_options
from .character_options import add_character_options
from .evaluate_command import evaluate_weights
from .inspect_command import inspect_inputs
from .journal import NAME
from .lift_command import lift_inputs
from .lift_outputs import ENDINGS
from .retarget_command import add_retarget
from .terminal import FAILED, USAGE, results_alone, say, stoppable
from .train_command import DEFAULT_PRESET, train_lifter

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = build_parser()
    try:
        options = parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))
    except SystemExit as stop:  # argparse has said why; in Blender the exit status is a return value
        return stop.code if isinstance(stop.code, int) else USAGE
    options.arguments = list(sys.argv[2:] if arguments is None else arguments[1:])
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        with stoppable(), results_alone(getattr(options, "quiet", False)):
            return command(options)
    except PoseliftError as error:
        say(f"poselift: {error}")
        return USAGE
    except KeyboardInterrupt:
        say("poselift: stopped.")
        return FAILED


def run_in_blender(arguments: Sequence[str]) -> int:
    """Run as Blender's command `poselift`; Blender exits with the returned status."""
    return main(arguments)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser("poselift", description="2D keypoint tracks to 3D motion, armatures and cameras.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_lift(commands.add_parser("lift", help="lift keypoints to 3D", description="Lift keypoint files to 3D motion."))
    worker = commands.add_parser("lift-worker", description="Work for a batch, whose tasks come on standard input.")
    _add_lift(worker)
    worker.set_defaults(run=work)
    _add_inspect(commands.add_parser("inspect", help="say what a file is", description="Say what keypoint files hold."))
    _add_train(commands.add_parser("train", help="train a lifter", description="Train a lifter from 2D poses."))
    _add_evaluate(
        commands.add_parser("evaluate", help="score a lifter", description="Score weights against 3D motion capture.")
    )
    add_retarget(
        commands.add_parser("retarget", help="put a motion onto a character", description="Put a motion onto a character.")
    )
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("auto", *FORMATS), default="auto", help="the files' format (default: by content)")
    parser.add_argument(
        "--layout", choices=("auto", *LAYOUTS), default="auto", help="the keypoints' layout (default: by content)"
    )
    parser.add_argument(
        "--joints", metavar="JSON", help="a layout of your own: which joint each of the file's names stands for"
    )
    parser.add_argument("--size", type=_argument(_size, "a size such as 1920x1080"), help="image size in pixels, WIDTHxHEIGHT")
    parser.add_argument("--fps", type=_argument(exact_rate, "a frame rate such as 30, 29.97 or 30000/1001"), help="frame rate")
    parser.add_argument("--stitch", metavar="A+B", help="pieces of one person: B's frames join A's; several: 1+3,2+5")


def _add_lift(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=lift_inputs)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="keypoint files or folders; a folder of clips is a batch")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        action="append",
        metavar="OUT",
        help=f"a file ending in {', '.join(ENDINGS)}, a folder (then see --to), or a name with {{name}}, {{folder}} or "
        "{person} in it, for each clip's and person's; several: -o A -o B",
    )
    parser.add_argument(
        "--to",
        type=_argument(_endings, f"one or more of {', '.join(e[1:] for e in ENDINGS)}"),
        default=("blend",),
        help="formats in an output folder: bvh,npz",
    )
    parser.add_argument(
        "--name", help="names in an output folder, with {name}, {folder} and {person} (default: {name}, or {name}_{person})"
    )
    parser.add_argument(
        "--jobs",
        type=_argument(_jobs, "a number of processes from 1, or auto"),
        default=1,
        help="worker processes; auto: one per core (default: 1)",
    )
    parser.add_argument(
        "--part", type=_argument(_part, "a part such as 2/8"), metavar="K/N", help="every Nth clip from the Kth on: for farms"
    )
    parser.add_argument("--resume", action="store_true", help="skip what an earlier run made of the same content and settings")
    parser.add_argument(
        "--report", metavar="JSONL", help=f"a line per clip as it finishes (default: {NAME} in an output folder)"
    )
    _add_source(parser)
    parser.add_argument("--person", default="best", help="'best' (default: the one best seen), 'all', or names: 1,3")
    parser.add_argument("--fov", type=_argument(_degrees, "an angle"), help="field of view over the larger side, degrees")
    add_camera_options(parser)
    parser.add_argument("--camera", choices=CAMERA_MODES, default="static", help="what the camera does (default: static)")
    parser.add_argument("--height", type=float, help="the actor's height in metres (default: the usual one; 1.75 for people)")
    parser.add_argument(
        "--contacts", choices=CONTACT_MODES, default="auto", help="feet: stay where they stand, always, never, or floor only"
    )
    parser.add_argument("--smoothing", type=float, default=1.0, help="strength of the smoothing, 0 for none (default: 1)")
    _add_cleaning(parser)
    parser.add_argument("--weights", default=DEFAULT, help=f"{', '.join(available())}, or a file (default: {DEFAULT})")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: CUDA if there is any)")
    parser.add_argument("--rest", choices=RESTS, default="T", help="rest pose of the armature (default: T)")
    parser.add_argument("--bone-names", choices=NAMINGS, default="plain", help="family that bones are named after")
    parser.add_argument("--thin", type=float, default=0.0, metavar="MM", help="thin keys; joints move by so many mm at most")
    add_character_options(parser, required=False)
    parser.add_argument(
        "--preview",
        metavar="FILE",
        help="also render the figure through the camera, over the footage or the keypoints: .mp4, .mov, .mkv; .png: one frame",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def _add_cleaning(parser: argparse.ArgumentParser) -> None:
    usual = CleaningSettings()
    group = parser.add_argument_group("cleaning", "each step counts what it changed in the report")
    group.add_argument(
        "--score-gate", type=float, default=usual.score_gate, help="lower scores are missing (default: %(default)s; 0: off)"
    )
    group.add_argument(
        "--max-gap",
        type=float,
        default=usual.max_gap_seconds,
        help="seconds that are filled at most (default: %(default).2g; 0: off)",
    )
    group.add_argument("--keep-outliers", action="store_true", help="do not drop keypoints that jump away and back")
    group.add_argument("--keep-swaps", action="store_true", help="do not repair frames with left and right exchanged")


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=inspect_inputs)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="keypoint files or folders")
    _add_source(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=train_lifter)
    parser.add_argument("data", nargs="+", metavar="DATA", help="one motion-capture .npz, or keypoint files of any kind")
    parser.add_argument("-o", "--output", required=True, metavar="WEIGHTS", help="the weights file to write (.npz)")
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), help=f"configuration (default: {DEFAULT_PRESET}; with --from, that of the weights)"
    )
    parser.add_argument("--from", dest="start", metavar="WEIGHTS", help=f"fine-tune: {', '.join(available())}, or a file")
    parser.add_argument("--skeleton", metavar="JSON", help="the skeleton to train (default: 17 human joints)")
    parser.add_argument("--epochs", type=int, help="epochs of both stages together (default: the preset's)")
    parser.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="shorten the schedule so that training takes about so long at most"
    )
    parser.add_argument(
        "--hold-out",
        type=float,
        metavar="SHARE",
        help="with --from: keep a share of the tracks, 0.2, to compare before and after",
    )
    parser.add_argument("--epoch-samples", type=int, help="poses per epoch (default: as many as the data has)")
    parser.add_argument(
        "--learning-rate", type=float, metavar="FACTOR", help="times the schedule's rates (default: 1; with --from, 0.1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same weights (default: 0)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: CUDA if there is any)")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of products (default: what is fast)"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="checkpoint file (default: beside the output)")
    parser.add_argument(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="how often to write it (default: 60)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--log-dir", metavar="FOLDER", help="write TensorBoard logs there (needs the package tensorboard)")
    _add_source(parser)
    parser.add_argument("--json", action="store_true", help="tell everything as JSON lines on standard output")
    parser.add_argument("--watch-input", action="store_true", help="stop, with a checkpoint, when standard input ends")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=evaluate_weights)
    parser.add_argument("data", metavar="DATA", help="a motion-capture .npz that the weights were not trained on")
    parser.add_argument("--weights", nargs="+", default=shipped(), help="names or files (default: all that come with Poselift)")
    parser.add_argument("--conditions", nargs="+", choices=tuple(CONDITIONS), default=(), help="what to score (default: all)")
    parser.add_argument("--by-action", action="store_true", help="print each category of motion as well")
    parser.add_argument("--cameras", type=int, default=2, help="virtual cameras per clip (default: 2)")
    parser.add_argument(
        "--frames-step", type=int, default=1, metavar="N", help="score one of N runs of two seconds (default: 1, whole clips)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of cameras, noise and confidence intervals (default: 0)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--json", metavar="FILE", help="write all numbers to a file as JSON; - for standard output, alone")


def _argument(convert: Callable[[str], T], what: str) -> Callable[[str], T]:
    """Wrap a conversion so that argparse says what it wanted."""

    def converted(text: str) -> T:
        try:
            return convert(text)
        except (ValueError, TrackError):
            raise argparse.ArgumentTypeError(f"'{text}' is not {what}") from None

    return converted


def _size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.lower().split("x"))
    if min(width, height) < 1:
        raise ValueError
    return width, height


def _endings(text: str) -> tuple[str, ...]:
    endings = tuple(dict.fromkeys(text.lower().replace(".", "").split(",")))
    if not {f".{ending}" for ending in endings} <= set(ENDINGS):
        raise ValueError
    return endings


def _jobs(text: str) -> int:
    jobs = usable_cores() if text == "auto" else int(text)
    if not 1 <= jobs <= 1024:
        raise ValueError
    return jobs


def _part(text: str) -> tuple[int, int]:
    number, count = (int(part) for part in text.split("/"))
    if not 1 <= number <= count:
        raise ValueError
    return number, count


def _degrees(text: str) -> float:
    return float(np.radians(float(text)))


def program() -> NoReturn:
    """Run the command line as a program of its own and end the process, without the destructors of C++ libraries.

    Threads of Gloo, and static objects of Blender's module, may abort or hang a process that has done its work: seen in
    1 of 27 runs under torchrun, and once after a whole test run.
    """
    status = main()
    if "bpy" in sys.modules:
        from ..scene.files import remove_temporary_folder

        remove_temporary_folder()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    program()
