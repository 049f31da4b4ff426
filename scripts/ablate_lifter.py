#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what each part of the `2d-only` teacher gives: short runs of the preset with one part left out or changed.

Prints P-MPJPE and N-MPJPE of the teacher's lifted poses on the validation takes (exact keypoints, single frames, 2 to 8 m, no
oracle, nothing decided by anatomy). Needs the motion capture in ../shared/mocap, and says so where it is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from poselift.core.lifter.config import LifterConfig, PriorConfig, preset
from poselift.core.lifter.data import Batch, MotionCapture
from poselift.core.lifter.teacher import Teacher
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.metrics import n_mpjpe, p_mpjpe
from poselift.core.skeleton import HUMAN17

ROOT = Path(__file__).resolve().parent.parent
MOCAP = ROOT.parent / "shared" / "mocap"
CPU = torch.device("cpu")
BATCH = 512

Change = Callable[[PriorConfig], PriorConfig]
VARIANTS: dict[str, Change] = {
    "everything": lambda prior: prior,
    "no critic": lambda prior: replace(prior, critic=0.0),
    "critic at a third": lambda prior: replace(prior, critic=prior.critic / 3),
    "no bones, no pairs": lambda prior: replace(prior, bones=0.0, pair=0.0),
    "no pairs": lambda prior: replace(prior, pair=0.0),
    "no hinges": lambda prior: replace(prior, hinges=0.0),
    "no midpoints": lambda prior: replace(prior, midpoints=0.0),
    "no cycle": lambda prior: replace(prior, cycle=0.0),
    "no penalty": lambda prior: replace(prior, penalty=0.0),
}


def variant(name: str) -> LifterConfig:
    """Return the preset with one part of its prior changed."""
    config = preset("2d-only")
    assert config.teacher_stage.prior is not None
    stage = replace(config.teacher_stage, epochs=1, batch=BATCH, prior=VARIANTS[name](config.teacher_stage.prior))
    return replace(config, teacher_stage=stage)


def exact_poses(config: LifterConfig, train: MotionCapture, samples: int) -> tuple[Batch, float]:
    """Return validation poses at the training's size, and millimetres per body unit."""
    views = replace(config.views, roll=0.0, distance=(0.56, 2.25), size_jitter=0.0)
    source = MotionCapture(MOCAP / "cmu17_val.npz", HUMAN17, replace(config, views=views), CPU)
    factor = float(train.statistics.edges.sum() / source.statistics.edges.sum())
    batch = source.sample(samples, torch.Generator().manual_seed(1))
    assert batch.distance is not None and batch.truth is not None
    batch = batch._replace(plane=batch.plane * factor, distance=batch.distance * factor)
    return batch, 1000 * source.metres / float(batch.truth[:, HUMAN17.index("head_top")].norm(dim=-1).mean())


@torch.no_grad()
def score(teacher: Teacher, batch: Batch, unit: float, t: float) -> tuple[float, float]:
    """Return mean P-MPJPE and N-MPJPE in millimetres of a teacher's lifted poses."""
    assert batch.truth is not None
    pose = teacher(batch.plane, batch.distance, batch.observed).lifted(batch.plane, batch.distance, t)
    lifted, truth = pose.double().numpy() * unit, batch.truth.double().numpy() * unit
    return float(p_mpjpe(lifted, truth).mean()), float(n_mpjpe(lifted, truth, HUMAN17.root).mean())


def main() -> int:
    """Run the variants that were asked for and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", help=f"of: {', '.join(VARIANTS)}; all by default")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "ablation.json")
    options = parser.parse_args()
    if not MOCAP.is_dir():
        print("skipped: the motion capture in ../shared/mocap is not there")
        return 0
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        parser.error(f"there is no variant {', '.join(sorted(unknown))}")
    rows = {}
    for name in options.variants or VARIANTS:
        config = variant(name)
        source = MotionCapture(MOCAP / "cmu17_train.npz", HUMAN17, config, CPU)
        trainer = Trainer(source, config, TrainSettings(epoch_samples=options.steps * BATCH), CPU)
        trainer.run_stage("teacher")
        batch, unit = exact_poses(config, source, 4096)
        rows[name] = score(trainer.teacher, batch, unit, config.distance)
        print(f"{name:24} {rows[name][0]:6.1f} {rows[name][1]:6.1f}", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"steps": options.steps, "mm": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
