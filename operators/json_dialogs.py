# SPDX-License-Identifier: GPL-3.0-or-later
"""The file dialogs of operators that load or save a small JSON: what they filter by, and what was chosen."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper


class _JsonDialog:
    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    if TYPE_CHECKING:
        filepath: str

    @property
    def chosen(self) -> Path:
        """The file; one beside the open `.blend` may be given as '//name'."""
        return Path(bpy.path.abspath(self.filepath))


class LoadsJson(_JsonDialog, ImportHelper):
    """Mix in to an operator that loads a JSON file."""


class SavesJson(_JsonDialog, ExportHelper):
    """Mix in to an operator that saves a JSON file."""
