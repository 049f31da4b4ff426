# SPDX-License-Identifier: GPL-3.0-or-later
"""How to get PyTorch into this Blender: the command to run, and a button that copies it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from .reports import tell

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems


def install_command() -> str:
    """Return the command that installs torch where this Blender looks for modules: the user's own scripts folder."""
    target = Path(bpy.utils.user_resource("SCRIPTS", path="modules"))
    return f'"{sys.executable}" -m pip install --target "{target}" torch'


class POSELIFT_OT_copy_torch_command(bpy.types.Operator):
    """Copy the command that installs PyTorch for this Blender; run it in a terminal, then restart Blender"""

    bl_idname = "poselift.copy_torch_command"
    bl_label = "Copy Installation Command"

    def execute(self, context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Put the command on the clipboard."""
        manager: Any = context.window_manager
        manager.clipboard = install_command()
        tell(self, "INFO", "Copied: run it in a terminal, then restart Blender")
        return {"FINISHED"}


CLASSES = (POSELIFT_OT_copy_torch_command,)
