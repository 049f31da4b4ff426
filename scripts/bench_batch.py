#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what users wait for: a first lift, the next ones, and a batch in one process and in several.

The batch is lifted by one process, by one process on one thread, and by `--jobs` processes, in turn, `--rounds` times; each
row shows the best round, since what disturbs a round only makes it longer. Rates of whole runs: starting, reading, lifting,
writing. The load of the machine before and after is printed, for a busy one has no cores to share; the processor time that a
way takes in all (on Linux and macOS) says more there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "samples"))

from make_clip import write_clip  # noqa: E402

CAMERA = ("--fps", "30", "--size", "1920x1080", "--fov", "50")
WARM = """
import json, sys, time
from poselift.operators.command_line import main
found = []
for _ in range(4):
    begin, used = time.perf_counter(), time.process_time()
    assert main(sys.argv[1:]) == 0
    found.append((time.perf_counter() - begin, time.process_time() - used))
print(json.dumps(found))
"""


def run(*command: str | Path, threads: int | None = None) -> tuple[tuple[float, float], str]:
    """Run a Python command; return its seconds, by the clock and of all processors, and what it printed."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.pop(name, None)
        if threads:
            environment[name] = str(threads)
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", *map(str, command)], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds, after = time.perf_counter() - begin, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return (seconds, used), done.stdout


def starts(clip: Path, folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of a first lift in a new process, and of later ones in the same process."""
    lift = ("lift", clip, "-o", folder / "one.npz", *CAMERA, "-q")
    first = [run("-m", "poselift.operators.command_line", *lift)[0] for _ in range(rounds)]
    later = [json.loads(run("-c", WARM, *lift)[1])[1:] for _ in range(rounds)]
    return {"first lift": first, "later lift": [lifted for process in later for lifted in process]}


def batch(clips: Path, folder: Path, jobs: int, threads: int | None, endings: str) -> tuple[float, float]:
    """Return the seconds that a batch takes, by the clock and of all processors."""
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ("lift", clips, "-o", folder, "--to", endings, "--jobs", str(jobs), *CAMERA, "-q")
    return run("-m", "poselift.operators.command_line", *arguments, threads=threads)[0]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--to", default="npz", help="formats, as in lift")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench_batch.json")
    options = parser.parse_args()
    load = [os.getloadavg()[0]]
    ways = {
        "one process": (1, None),
        "one process, one thread": (1, 1),
        f"{options.jobs} processes": (options.jobs, None),
    }
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="poselift-bench-") as name:
        folder = Path(name)
        for number in range(options.clips):
            write_clip(folder / "clips" / f"clip{number:03}", options.frames, seed=number).truth.unlink()
        first = starts(folder / "clips" / "clip000", folder, options.rounds)
        for _ in range(options.rounds):
            for way, (jobs, threads) in ways.items():
                rounds[way].append(batch(folder / "clips", folder / "out", jobs, threads, options.to))
    load.append(os.getloadavg()[0])
    for name, lifted in first.items():
        print(f"{name:<28}{min(lifted)[0]:>9.2f} s{min(used for _, used in lifted):>43.2f} processor s")
    best = {way: min(seconds for seconds, _ in values) for way, values in rounds.items()}
    for way, value in best.items():
        rate, used = options.clips / value, min(processor for _, processor in rounds[way])
        print(f"{way:<28}{value:>9.2f} s{rate:>9.2f} clips/s{rate * options.frames:>9.0f} frames/s{used:>9.2f} processor s")
    several = best[f"{options.jobs} processes"]
    ratios = {way: round(best[way] / several, 2) for way in ("one process", "one process, one thread")}
    for way, ratio in ratios.items():
        print(f"{options.jobs} processes: {ratio} times as fast as {way}")
    print(f"{os.cpu_count()} cores; load before and after {load[0]:.1f} and {load[1]:.1f}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    found = {"clips": options.clips, "frames": options.frames, "cores": os.cpu_count(), "load": load}
    found |= {"starts": first, "rounds": rounds, "ratios": ratios}
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
