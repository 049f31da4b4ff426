# SPDX-License-Identifier: GPL-3.0-or-later
"""Small training runs: their data, their networks, and a program that trains them, to be killed or run several times."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "samples"))  # as a program; pytest has it on the path already

from walking_figure import animate  # noqa: E402

from poselift.core.lifter.config import PRESETS, LifterConfig, preset  # noqa: E402
from poselift.core.lifter.data import MotionCapture  # noqa: E402
from poselift.core.lifter.distributed import joined  # noqa: E402
from poselift.core.lifter.training import Trainer, TrainSettings  # noqa: E402
from poselift.core.readers import track_npz  # noqa: E402
from poselift.core.skeleton import HUMAN17  # noqa: E402
from poselift.core.track import KeypointTrack  # noqa: E402

FIRST_STEPS = 3
SUPERVISED = next(name for name, config in PRESETS.items() if config.student_stage.supervised)
UNLABELLED = next(
    name for name, config in PRESETS.items() if config.teacher_stage.prior and not config.teacher_stage.supervised
)
"""The preset that learns depth from 2D alone."""


def small(name: str = "paper") -> LifterConfig:
    """Return a preset with tiny networks and three epochs a stage."""
    config = preset(name)
    shrink = {"batch": 64, "epochs": 3}
    prior = config.teacher_stage.prior
    return replace(
        config,
        teacher=replace(config.teacher, atoms=4, width=64, bottleneck=32, blocks=2),
        student=replace(config.student, channels=16, blocks=2),
        teacher_stage=replace(config.teacher_stage, prior=prior and replace(prior, width=64), **shrink),
        student_stage=replace(config.student_stage, **shrink),
    )


def walking_archive(path: Path) -> Path:
    """Write the walking figure as a motion-capture archive."""
    joints, _ = animate(600, 30)
    poses = joints - joints[:, :1]
    np.savez(
        path,
        pos=np.round(poses / 0.0005).astype(np.int16),
        quant=np.float32(0.0005),
        start=np.array([0, 500, 600]),
        category=np.array(["walk", "wave"]),
        joint_names=np.array(HUMAN17.joint_names),
    )
    return path


def walking_keypoints() -> KeypointTrack:
    """Return the walking figure, seen from the front by a camera that nobody told about, as a 2D track."""
    joints, _ = animate(240, 30)
    camera = np.stack([joints[..., 0], 1.2 - joints[..., 2], joints[..., 1] + 5], -1)
    pixels = camera[..., :2] / camera[..., 2:] * 1000 + 500
    return KeypointTrack(pixels, np.ones(pixels.shape[:2]), HUMAN17, Fraction(30), (1000, 1000))


def walking_track(path: Path) -> Path:
    """Write the walking figure's track."""
    track_npz.write(path, [walking_keypoints()])
    return path


def program(archive: Path, folder: Path, *flags: str) -> list[str]:
    """Return the command that trains in a folder: `run.checkpoint` while it works, then `rank0.npz`, `rank1.npz`, …"""
    return [sys.executable, str(HERE / "training_runs.py"), str(archive), str(folder), *flags]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def several(command: list[str], count: int, environment: dict[str, str]):
    """Start a command as torchrun would, `count` times; kill what is left of it at the end."""
    shared = environment | {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    running = [
        subprocess.Popen(command, env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(count)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def trained_by(trainer: Trainer) -> nn.Module:
    """Return what the teacher's stage trains, as one module."""
    return nn.ModuleDict({"teacher": trainer.teacher} | ({"prior": trainer.prior} if trainer.prior else {}))


def main() -> None:
    """Train the small networks on the archive, writing a checkpoint whenever that is possible."""
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--first-steps", action="store_true", help="also keep the teacher as the first steps leave it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = small(options.preset)
    with joined(torch.device("cpu")) as (ranks, device):
        source = MotionCapture(options.archive, HUMAN17, config, device)
        settings = TrainSettings(
            epoch_samples=640,
            precision="float32",
            checkpoint=options.folder / "run.checkpoint",
            resume=options.resume,
            checkpoint_seconds=-1.0,
        )
        trainer = Trainer(source, config, settings, device, ranks=ranks)
        first = {}
        if options.first_steps:
            for _ in range(FIRST_STEPS):
                trainer.train_step()
            first = {f"first.{name}": value.detach().numpy().copy() for name, value in trained_by(trainer).named_parameters()}
        weights = trainer.run()
        np.savez(options.folder / f"rank{ranks.rank}.npz", **weights.arrays, **first)


if __name__ == "__main__":
    main()
