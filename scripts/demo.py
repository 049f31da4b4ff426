#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way once: make a clip of 2D keypoints, lift it from the command line, and say where the results are.

What it runs is what a user would type; every command is printed before it runs.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIELD_OF_VIEW = 50.0
"""Of the sample clip's camera, in degrees (samples/make_clip.py)."""


def run(*command: str | Path) -> None:
    """Print a command with paths relative to the root, and run it there. Ends the demo with its status where it fails."""
    words = [word.relative_to(ROOT) if isinstance(word, Path) and word.is_relative_to(ROOT) else word for word in command]
    print(f"\n$ {shlex.join(map(str, words))}", flush=True)
    status = subprocess.run([str(word) for word in words], cwd=ROOT, check=False).returncode
    if status:
        sys.exit(status)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Lift a sample clip of 2D keypoints to a .blend and a rendered preview.")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "demo")
    options = parser.parse_args()
    start, folder = time.perf_counter(), options.output.resolve()
    clip, blend, picture, arrays = (folder / name for name in ("keypoints", "clip.blend", "preview.png", "clip.npz"))
    shutil.rmtree(clip, ignore_errors=True)

    poselift = Path(sys.executable).with_name("poselift")
    camera = ("--fps", "30", "--size", "1920x1080", "--fov", f"{FIELD_OF_VIEW:g}")
    run(Path(sys.executable), ROOT / "samples" / "make_clip.py", clip, "--frames", str(options.frames))
    run(poselift, "inspect", clip)
    run(poselift, "lift", clip, "-o", blend, *camera, "--preview", picture)
    run(poselift, "lift", clip, "-o", arrays, *camera)

    print(f"\nDone in {time.perf_counter() - start:.0f} s:")
    for path, what in (
        (clip, "the clip: 2D keypoints as a pose detector writes them, one JSON file per frame"),
        (blend, "the armature and the camera; open it in Blender and press numpad 0 to look through the camera"),
        (picture, "a picture of one frame, rendered through that camera"),
        (arrays, "the motion as plain arrays: joints, camera, errors"),
    ):
        print(f"  {path}\n      {what}")


if __name__ == "__main__":
    main()
