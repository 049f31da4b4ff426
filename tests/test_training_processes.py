# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in real processes: killed at any moment and resumed, or several at once, to the same result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training_runs import FIRST_STEPS, UNLABELLED, program, several, small, trained_by, walking_archive, walking_track

from poselift.core import output
from poselift.core.errors import SettingsError
from poselift.core.lifter import weights
from poselift.core.lifter.data import MotionCapture
from poselift.core.lifter.distributed import ALONE, Ranks
from poselift.core.lifter.training import Trainer, TrainSettings
from poselift.core.skeleton import HUMAN17

CPU = torch.device("cpu")
PATIENCE = 300.0
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE")} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return walking_archive(tmp_path_factory.mktemp("mocap") / "walk.npz")


def arrays(path):
    with np.load(path) as data:
        return {key: data[key] for key in data.files if not key.startswith("first.")}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert np.array_equal(value, other[key]), key


def wait_for_checkpoints(path, count, processes):
    """Return when a checkpoint has been seen to change `count` times; fail where a process ends before."""
    seen, last, end = 0, None, time.monotonic() + PATIENCE
    while seen < count:
        assert time.monotonic() < end and all(p.poll() is None for p in processes), "the run ended before it could be killed"
        now = path.stat().st_mtime_ns if path.exists() else None
        seen, last = seen + (now != last), now
        time.sleep(0.001)


def test_a_run_killed_again_and_again_ends_as_an_uninterrupted_one(archive, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    subprocess.run(program(archive, whole), check=True, env=ENVIRONMENT)
    checkpoint = killed / "run.checkpoint"
    delay = random.Random(0)
    for count in (6, 32):  # in the teacher's stage, which takes 30 steps, and in the student's
        process = subprocess.Popen(program(archive, killed, "--resume"), env=ENVIRONMENT)
        wait_for_checkpoints(checkpoint, count, [process])
        time.sleep(delay.uniform(0, 0.02))  # anywhere in a step, or in the writing of a checkpoint
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not (killed / "rank0.npz").exists()
    (killed / f".run.poselift-{output._HOST}-{process.pid}-0123abcd.checkpoint").write_bytes(b"half of one")
    subprocess.run(program(archive, killed, "--resume"), check=True, env=ENVIRONMENT)
    assert sorted(p.name for p in killed.iterdir()) == ["rank0.npz", "run.checkpoint"]
    assert_same(arrays(whole / "rank0.npz"), arrays(killed / "rank0.npz"))


def two(archive, folder, *flags):
    """Train as two processes to the end."""
    with several(program(archive, folder, *flags), 2, ENVIRONMENT) as running:
        for process in running:
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, errors.decode()


@pytest.fixture(scope="module", params=["paper", UNLABELLED])
def preset(request):
    return request.param


@pytest.fixture(scope="module")
def pair(archive, preset, tmp_path_factory):
    """A folder in which two processes have trained to the end."""
    folder = tmp_path_factory.mktemp("pair")
    two(archive, folder, "--first-steps", "--preset", preset)
    return folder


def test_two_processes_train_one_network_from_different_poses(archive, preset, pair):
    assert_same(arrays(pair / "rank0.npz"), arrays(pair / "rank1.npz"))

    # What they must have computed, by one process: the mean of the gradients of two shares from the ranks' own streams.
    half = small(preset)
    half = replace(half, teacher_stage=replace(half.teacher_stage, batch=32))
    source = MotionCapture(archive, HUMAN17, half, CPU)
    shares = []
    for rank in (1, 0):  # the noise of torch's own generator is the same on both
        settings = TrainSettings(seed=Ranks(rank, 2).seed(0), precision="float32", epoch_samples=320)  # half of 640
        shares.insert(0, Trainer(source, half, settings, CPU))
    noise = [torch.get_rng_state()] * 2
    networks = [trained_by(trainer) for trainer in shares]
    poses = []
    for _ in range(FIRST_STEPS):
        networks[1].load_state_dict(networks[0].state_dict())
        for rank, trainer in enumerate(shares):
            torch.set_rng_state(noise[rank])
            poses.append(source.sample(1, torch.Generator().manual_seed(trainer.settings.seed)).plane)
            networks[rank].zero_grad()
            torch.stack(list(trainer.losses().values())).sum().backward()
            noise[rank] = torch.get_rng_state()
        for one, other in zip(*(network.parameters() for network in networks), strict=True):
            one.grad = (one.grad + other.grad) / 2
        nn.utils.clip_grad_norm_(shares[0].teacher.parameters(), 5.0)
        for group in shares[0].optimiser.param_groups:
            group["lr"] = shares[0].learning_rate() * group.get("pace", 1.0)
        shares[0].optimiser.step()
        shares[0].step += 1
    assert not torch.allclose(poses[0], poses[1])
    with np.load(pair / "rank0.npz") as data:
        for name, value in networks[0].named_parameters():
            same = np.isclose(value.detach().numpy(), data[f"first.{name}"], rtol=0, atol=2e-6)
            # Adam makes whole steps of gradients that are zero but for rounding: those of constant inputs.
            assert same.all() if half.teacher_stage.optimiser == "sgd" else same.mean() > 0.95, name


def test_two_killed_processes_resume_as_if_they_had_not_been(archive, preset, pair, tmp_path):
    with several(program(archive, tmp_path, "--preset", preset), 2, ENVIRONMENT) as running:
        wait_for_checkpoints(tmp_path / "run.checkpoint", 2, running)
    assert not (tmp_path / "rank0.npz").exists()
    two(archive, tmp_path, "--resume", "--preset", preset)
    for rank in range(2):
        assert_same(arrays(pair / f"rank{rank}.npz"), arrays(tmp_path / f"rank{rank}.npz"))
    command = program(archive, tmp_path, "--resume", "--preset", preset)
    alone = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert alone.returncode != 0 and "number of processes" in alone.stderr


def test_torchrun_starts_the_command(archive, tmp_path):
    config = small()
    source = MotionCapture(archive, HUMAN17, config, CPU)
    trainer = Trainer(source, config, TrainSettings(epoch_samples=64), CPU)
    weights.save(trainer.run(), tmp_path / "small.npz")
    track, output = walking_track(tmp_path / "track.npz"), tmp_path / "out.npz"
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "poselift.operators.command_line"]
    arguments = ["train", track, "-o", output, "--from", tmp_path / "small.npz", "--epochs", "2", "--epoch-samples", "256"]
    done = subprocess.run(
        [sys.executable, *command, *map(str, arguments)], env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote ") == 1 and "2 processes" in done.stderr
    assert weights.load(output).notes == {"teacher_samples": 256, "student_samples": 256, "from": "human17-paper"}


def test_ranks_share_a_batch_evenly_and_the_first_draws_as_one_alone_would():
    assert ALONE.seed(7) == Ranks(0, 4).seed(7) == 7
    assert len({Ranks(rank, 4).seed(seed) for rank in range(4) for seed in range(100)}) == 400
    assert Ranks(1, 4).share_of(128) == 32
    with pytest.raises(SettingsError, match="128 poses cannot be shared by 3"):
        Ranks(0, 3).share_of(128)
