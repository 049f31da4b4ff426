#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill batches with SIGKILL at random moments, a worker or the whole run, and see that `--resume` makes good every output.

Each trial starts a batch in an empty folder, kills at a moment between its start and its usual end, looks whether every file
that is there is whole, resumes, and compares all outputs byte for byte with those of an undisturbed run. The exit status is 1
where one differs. Needs Linux: workers are found through /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from make_clip import write_clip  # noqa: E402

KINDS = ("worker", "run", "parent")
"""Who is killed: one worker; all processes of the run; the one that the user started, whose workers finish what they do."""
PATIENCE = 600.0


@dataclass(frozen=True)
class Batch:
    """A folder of clips and how it is lifted."""

    clips: Path
    endings: str = "npz"
    jobs: int = 2

    def command(self, output: Path) -> list[str]:
        """Return the command that lifts the clips, or goes on doing so."""
        lift = ["lift", str(self.clips), "-o", str(output), "--to", self.endings, "--jobs", str(self.jobs), "--resume", "-q"]
        camera = ["--fps", "30", "--size", "1920x1080", "--fov", "50"]
        return [sys.executable, "-P", "-m", "poselift.operators.command_line", *lift, *camera]

    def undisturbed(self, output: Path) -> tuple[dict[str, bytes], float]:
        """Return what a run writes that nobody disturbs, and its seconds."""
        begin = time.monotonic()
        subprocess.run(self.command(output), check=True, timeout=PATIENCE)
        return outputs_in(output), time.monotonic() - begin


def outputs_in(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but the report, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".jsonl"} if folder.is_dir() else {}


def trial(batch: Batch, output: Path, expected: dict[str, bytes], kind: str, wait: float) -> tuple[int, str]:
    """Kill a run after `wait` seconds and resume it; return how many outputs the kill left, and what is wrong ('': nothing)."""
    run = subprocess.Popen(batch.command(output), start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(wait)
    workers = children_of(run.pid)
    victims = {"worker": workers[:1], "run": [run.pid, *workers], "parent": [run.pid]}[kind]
    for process in victims:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended
            continue
    run.wait(PATIENCE)
    left = outputs_in(output)
    for name, data in left.items():
        if not name.startswith(".") and data != expected.get(name):
            return len(left), f"after the kill {name} is not whole"
    resumed = subprocess.run(batch.command(output), check=False, timeout=PATIENCE, capture_output=True, text=True)
    if resumed.returncode != 0:
        return len(left), f"resuming ends with {resumed.returncode}: {resumed.stderr.strip()}"
    found = outputs_in(output)
    if kind == "parent":  # an orphaned worker may still be writing
        found = {name: data for name, data in found.items() if not name.startswith(".")}
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return len(left), f"after resuming these differ: {', '.join(different)}" if different else ""


def children_of(process: int) -> list[int]:
    """Return the child processes of another; its threads have their own."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return found
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--to", default="npz,bvh")
    options = parser.parse_args()
    random.seed(options.seed)
    failures, kinds, left = 0, Counter[str](), Counter[int]()
    with tempfile.TemporaryDirectory(prefix="poselift-stress-") as name:
        folder = Path(name)
        for number in range(options.clips):
            write_clip(folder / "clips" / f"clip{number}", options.frames, seed=number).truth.unlink()
        batch = Batch(folder / "clips", options.to, options.jobs)
        expected, usual = batch.undisturbed(folder / "undisturbed")
        print(f"{len(expected)} outputs; an undisturbed run takes {usual:.1f} s", flush=True)
        for number in range(options.kills):
            kind, wait = random.choice(KINDS), random.uniform(0.0, usual)
            count, wrong = trial(batch, folder / f"trial{number}", expected, kind, wait)
            kinds[kind] += 1
            left[count] += 1
            failures += bool(wrong)
            print(
                f"{number + 1}: {kind} killed after {wait:.1f} s, {count} outputs were there{'; ' * bool(wrong)}{wrong}",
                flush=True,
            )
    print(f"{options.kills} kills ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}): {failures} failures")
    print("outputs that kills left: " + ", ".join(f"{count} in {times} trials" for count, times in sorted(left.items())))
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
