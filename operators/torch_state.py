# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of PyTorch without importing it, and two buttons: look for devices, use an environment's."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
import importlib.util
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..core.lifter.device import describe_devices, has_torch, load_torch
from ..scene.jobs import Progress
from . import session, torch_place
from .modal import BUSY, JobOperator
from .reports import allowed, tell

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

_devices: list[str] = []


def where_from() -> str:
    """Return the version of the PyTorch that would be imported, and its folder."""
    spec = importlib.util.find_spec("torch")
    folder = Path(spec.origin).parent.parent if spec and spec.origin else Path()
    found = metadata.distributions(name="torch", path=[str(folder)])
    version = next((distribution.version for distribution in found), "of unknown version")
    return f"{version}, in {folder}"


def devices() -> str:
    """Return what can be computed on, once somebody looked; empty before."""
    return ", ".join(_devices)


class POSELIFT_OT_find_devices(JobOperator, bpy.types.Operator):
    """Load PyTorch and look what it can compute on; takes some seconds"""

    bl_idname = "poselift.find_devices"
    bl_label = "Find Devices"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Say what is missing."""
        reason = "" if has_torch() else "PyTorch is missing"
        if not reason and session.running() is not None:
            reason = BUSY
        return allowed(cls, reason)

    def prepare(self, _context: bpy.types.Context) -> Callable[[Progress], list[str]]:
        """Return the work: import PyTorch and ask it."""

        def work(progress: Progress) -> list[str]:
            progress(0.0, "load")
            load_torch()
            return describe_devices()

        return work

    def take(self, _context: bpy.types.Context, result: list[str]) -> str:
        """Keep what was found for the preferences to show."""
        _devices[:] = result
        return f"PyTorch computes on: {devices()}"


class POSELIFT_OT_use_environment(bpy.types.Operator):
    """Use the PyTorch of a Python environment that is there already"""

    bl_idname = "poselift.use_environment"
    bl_label = "Use Environment"

    folder: bpy.props.StringProperty(name="Environment", description="Folder of the environment", subtype="DIR_PATH")

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Have Python look there."""
        if not self.folder or torch_place.environment_modules(self.folder) is None:
            tell(self, "ERROR", f"There is no PyTorch for {torch_place.PYTHON} in '{self.folder}'; choose its environment.")
            return {"CANCELLED"}
        torch_place.activate(self.folder)
        tell(self, "INFO", f"Using PyTorch {where_from()}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_find_devices, POSELIFT_OT_use_environment)
