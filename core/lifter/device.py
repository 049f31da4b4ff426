# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding torch and the device to run on."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import DeviceError, SettingsError, TorchMissingError

if TYPE_CHECKING:
    import torch

    Device = torch.device  # for modules that must not name torch

DEVICES = ("auto", "cpu", "cuda", "mps")
FRAMES_PER_THREAD = 1000


def has_torch() -> bool:
    """Say whether torch can be found, without importing it."""
    return importlib.util.find_spec("torch") is not None


def leave_a_core_free() -> None:
    """Have torch compute on all processor cores but one.

    Its threads wait for each other at every step: where another program (Blender's window) keeps a core busy, all cores
    together were measured at a fiftieth of the speed of one core less.
    """
    import torch

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))


@contextmanager
def threads_for(frames: int) -> Iterator[None]:
    """Have torch use as many threads as a track of so many frames keeps busy, and as many as before afterwards.

    A short track is thousands of small steps, at each of which threads wait for each other, busily: eight clips of 300
    frames took 11.5 s of processor time with two threads and 6.9 s with one. It also makes a short clip's result the same in
    one process and in several, to the last bit.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, frames // FRAMES_PER_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe_devices() -> list[str]:
    """Return what torch can compute on here, in words. Imports torch. Raises `TorchMissingError`."""
    resolve_device("cpu")
    import torch

    found = [f"CPU ({torch.get_num_threads()} threads)"]
    if torch.cuda.is_available():
        found += [f"CUDA ({torch.cuda.get_device_name(number)})" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("Metal")
    return found


def resolve_device(name: str = "auto") -> torch.device:
    """Return the torch device of a name; 'auto' is CUDA where there is one, else the CPU.

    Raises `TorchMissingError` where torch cannot be imported, `DeviceError` where the device is not there.
    """
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of torch's own does not load
        raise TorchMissingError(f"PyTorch is needed to lift and cannot be imported ({error}); install it.") from error
    if name not in DEVICES:
        raise DeviceError(f"there is no device '{name}'; known are {', '.join(DEVICES)}.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("this machine has no CUDA device that PyTorch can use; choose 'auto' or 'cpu'.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("this machine has no Metal device that PyTorch can use; choose 'auto' or 'cpu'.")
    return torch.device(name)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Say whether to multiply in bfloat16: on CUDA, and on CPUs with matrix units for it, unless told otherwise."""
    import torch

    if precision == "auto":
        has_matrix_units = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)  # not in every version of torch
        return device.type == "cuda" or (device.type == "cpu" and bool(has_matrix_units()))
    if precision not in ("float32", "bfloat16"):
        raise SettingsError(f"there is no precision '{precision}'; known are auto, float32 and bfloat16.")
    return precision == "bfloat16"
