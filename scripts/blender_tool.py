# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own tool for extensions, which needs no Blender: it lies in the installed bpy."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class PackagingError(Exception):
    """A zip or a repository cannot be made; the message says why."""


def extension_tool(*arguments: str) -> str:
    """Run Blender's tool and return what it wrote. Raises `PackagingError` with its words where it fails."""
    spec = importlib.util.find_spec("bpy")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    tools = [tool for folder in folders for tool in folder.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")]
    if not tools:
        raise PackagingError("Blender's extension tool was not found; install bpy (make package does).")
    return run([sys.executable, str(tools[0]), *arguments], f"Blender's tool refuses to {arguments[0]} the extension")


def run(command: list[str], complaint: str) -> str:
    """Run a command and return its output, both streams. Raises `PackagingError` that begins with the complaint."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagingError(f"{complaint}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def made(folder: Path) -> Path:
    """Make a folder where there is none, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
