# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of PyTorch without importing it, and two buttons: look for devices, use an environment's."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..core.errors import PoseliftError
from ..core.lifter.device import describe_devices, has_torch
from . import torch_place
from .reports import cancelled

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

_devices: list[str] = []


def where_from() -> str:
    """Return the version of the PyTorch that would be imported, and its folder."""
    from importlib import metadata  # brings a mail parser and sockets, which registering the extension need not wait for

    spec = importlib.util.find_spec("torch")
    folder = Path(spec.origin).parent.parent if spec and spec.origin else Path()
    found = metadata.distributions(name="torch", path=[str(folder)])
    version = next((distribution.version for distribution in found), "of unknown version")
    return f"{version}, in {folder}"


def devices() -> str:
    """Return what can be computed on, once somebody looked; empty before."""
    return ", ".join(_devices)


class POSELIFT_OT_find_devices(bpy.types.Operator):
    """Load PyTorch and look what it can compute on; takes some seconds"""

    bl_idname = "poselift.find_devices"
    bl_label = "Find Devices"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Be there where PyTorch is."""
        return has_torch()

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Look."""
        try:
            _devices[:] = describe_devices()
        except PoseliftError as error:
            return cancelled(self, error)
        self.report({"INFO"}, f"PyTorch computes on: {devices()}")
        return {"FINISHED"}


class POSELIFT_OT_use_environment(bpy.types.Operator):
    """Use the PyTorch of a Python environment that is there already"""

    bl_idname = "poselift.use_environment"
    bl_label = "Use Environment"

    folder: bpy.props.StringProperty(name="Environment", description="Folder of the environment", subtype="DIR_PATH")

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Have Python look there."""
        if not self.folder or torch_place.environment_modules(self.folder) is None:
            self.report({"ERROR"}, f"There is no PyTorch for {torch_place.PYTHON} in '{self.folder}'; choose its environment.")
            return {"CANCELLED"}
        torch_place.activate(self.folder)
        self.report({"INFO"}, f"Using PyTorch {where_from()}")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_find_devices, POSELIFT_OT_use_environment)
