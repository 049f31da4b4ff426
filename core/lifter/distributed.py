# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that train together, one per GPU, started by `torchrun`.

Each process (rank) draws a share of every batch from a random stream of its own and computes that share's losses;
`DistributedDataParallel` averages the gradients, so all ranks take the same step. The batch is the configuration's
whatever their number, so schedules and learning rates hold; batch normalisation sees a rank's share alone. Only rank 0
writes files and shows progress. Rank 0's random stream is that of a single process with the same seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from ..errors import DeviceError, SettingsError

SEED_STEP = 1_000_003
"""Between the seeds of two ranks: far from the seeds that users count up by one."""


@dataclass(frozen=True)
class Ranks:
    """This process's number among those that train together, and how many they are."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """Return this rank's seed: `seed` itself on rank 0."""
        return seed + SEED_STEP * self.rank

    def share_of(self, batch: int) -> int:
        """Return a rank's part of a batch. Raises `SettingsError` where it does not divide."""
        if batch % self.size:
            raise SettingsError(f"a batch of {batch} poses cannot be shared by {self.size} processes; start a divisor of it.")
        return batch // self.size

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module with gradients averaged over the ranks; as it is where there is one alone."""
        return nn.parallel.DistributedDataParallel(module) if self.size > 1 else module

    def agree(self, flag: bool, device: torch.device) -> bool:
        """Return rank 0's flag on every rank."""
        if self.size == 1:
            return flag
        told = torch.tensor(int(flag), device=device)
        dist.broadcast(told, 0)
        return bool(told.item())

    def equalise(self, module: nn.Module) -> None:
        """Give every rank rank 0's parameters and buffers, where rounding could have set them apart."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def gather(self, state: Tensor, device: torch.device) -> list[Tensor]:
        """Return every rank's tensor of bytes, in the ranks' order, on the CPU; all are of one length."""
        if self.size == 1:
            return [state.cpu()]
        parts = [torch.empty_like(state, device=device) for _ in range(self.size)]
        dist.all_gather(parts, state.to(device))
        return [part.cpu() for part in parts]


ALONE = Ranks()


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the processes that `torchrun` started, and leave them at the end; without torchrun, be alone.

    Gives the ranks and this rank's own device: with CUDA the GPU of its local rank (NCCL), else `device` (Gloo). On CUDA,
    sums are then taken in one order, so that a resumed run can equal a whole one. Raises `DeviceError` where there are
    fewer GPUs than processes.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS's own condition; read at its first product
        torch.use_deterministic_algorithms(True, warn_only=True)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size < 2 or "RANK" not in os.environ:
        yield ALONE, device
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise DeviceError(
                f"{local + 1} or more processes were started but there are {torch.cuda.device_count()} GPUs; "
                "give torchrun --nproc-per-node as many."
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if device.type == "cuda":
        dist.init_process_group("nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
