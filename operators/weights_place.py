# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Blender's users have their own weights: the preferences' folder, else the one that Blender keeps for the extension."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import __package__ as package
from ..core.errors import OutputError
from ..core.lifter import weights
from .defaults import preferences


def activate() -> Path | None:
    """Have weights looked for where the preferences say now, and return that folder; None where there is none.

    Never the extension's own folder, which an update empties.
    """
    named = getattr(preferences(), "weights_folder", "")
    weights.use_folder(Path(bpy.path.abspath(named)) if named else _of_the_extension())
    return weights.own_folder()


def folder() -> Path:
    """Return the folder for new weights, made where it is missing. Raises `OutputError`."""
    place = activate()
    if place is None:
        raise OutputError("there is no folder for weights of your own; choose one in Poselift's preferences.")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place}: the folder for weights cannot be made: {error.strerror or error}.") from error
    return place


def chosen(name: str = "") -> str:
    """Return the name of the weights to use: those of a scene, for none the preferences' choice, and else Poselift's."""
    activate()
    return name or getattr(preferences(), "default_weights", "") or weights.DEFAULT


def prefer(name: str) -> None:
    """Have scenes that name no weights use these; Poselift's where the name is empty."""
    usual = preferences()
    if usual is not None:
        usual.default_weights = name


def _of_the_extension() -> Path | None:
    try:
        return Path(bpy.utils.extension_path_user(str(package), path="weights"))
    except (ValueError, AttributeError):  # Poselift runs as no extension
        return None
