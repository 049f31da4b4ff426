# SPDX-License-Identifier: GPL-3.0-or-later
"""Install PyTorch into the extension's own folder: from the network where Blender may use it, or from a folder of wheels."""

# No postponed annotations here: Blender reads the properties from the classes' annotations.
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import SettingsError
from ..core.lifter.device import has_torch
from ..scene.jobs import Progress
from . import session, torch_place
from .modal import JobOperator
from .reports import allowed, tell

if TYPE_CHECKING:
    from bpy.stub_internal.rna_enums import OperatorReturnItems

INDEX = "https://download.pytorch.org/whl"
"""PyTorch's own wheels: those for one kind of processor are not on Python's index for every system."""
KINDS = (
    ("CPU", "CPU", "For the processor: 200 MB, works everywhere"),
    ("CUDA", "CUDA", "For an NVIDIA graphics card: several GB"),
    ("FOLDER", "Folder of Wheels", "From wheels that were downloaded before: needs no internet"),
)
CUDA = "cu128"
LARGE = 50_000_000
"""Bytes of a download that is worth a progress of its own: torch, not its small companions."""
PATIENCE = 0.2
"""Seconds between looks at whether the user has stopped it."""
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


class POSELIFT_OT_install_torch(JobOperator, bpy.types.Operator):
    """Install PyTorch for Poselift, into its own folder; Blender itself stays as it is"""

    bl_idname = "poselift.install_torch"
    bl_label = "Install PyTorch"

    kind: bpy.props.EnumProperty(name="For", description="Which PyTorch", items=KINDS, default="CPU")
    wheels: bpy.props.StringProperty(name="Wheels", description="Folder of downloaded wheels", subtype="DIR_PATH")

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Say why PyTorch cannot be installed now."""
        return allowed(cls, why_not())

    def prepare(self, context: bpy.types.Context) -> Callable[[Progress], Path]:
        """Return the work: download and unpack. Raises `SettingsError` where that is not allowed or cannot be."""
        target = torch_place.own_folder()
        if target is None:
            raise SettingsError("PyTorch can be installed where Poselift is installed as an extension; here, use pip.")
        if self.kind != "FOLDER" and not getattr(bpy.app, "online_access", True):
            raise SettingsError("Blender may not use the network: allow it in Preferences > System, or install from a folder.")
        return lambda progress: install(pip_command(self.kind, self.wheels), target, progress)

    def take(self, _context: bpy.types.Context, result: Path) -> str:
        """Have Python find it."""
        torch_place.activate()
        return f"PyTorch is installed in {result}" if has_torch() else "PyTorch is installed; restart Blender to use it"


class POSELIFT_OT_remove_torch(bpy.types.Operator):
    """Remove the PyTorch that was installed into Poselift's folder"""

    bl_idname = "poselift.remove_torch"
    bl_label = "Remove PyTorch"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Be there where there is one."""
        folder = torch_place.own_folder()
        return folder is not None and folder.is_dir() and session.running() is None

    def execute(self, _context: bpy.types.Context) -> "set[OperatorReturnItems]":
        """Remove it."""
        torch_place.remove_own()
        tell(self, "INFO", "PyTorch is removed; what was loaded stays until Blender is restarted")
        return {"FINISHED"}


def why_not() -> str:
    """Return why PyTorch cannot be installed now, as a sentence; empty where it can."""
    if session.running() is not None:
        return "Something is running; wait for it, or press Esc to stop it"
    if torch_place.own_folder() is None:
        return "Only where Poselift is installed as an extension"
    return ""


def pip_command(kind: str, wheels: str = "", python: str = sys.executable, system: str = sys.platform) -> list[str]:
    """Return pip's command, without its target.

    Raises `SettingsError` where there is no such folder, or no CUDA for the system.
    """
    command = [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts"]
    command += ["--only-binary=:all:", "--progress-bar=raw", "torch"]
    if kind == "FOLDER":
        folder = Path(bpy.path.abspath(wheels)) if wheels else Path()
        if not wheels or not any(folder.glob("torch-*.whl")):
            raise SettingsError(f"'{wheels}' holds no torch-….whl; choose the folder with the downloaded wheels.")
        return [*command, "--no-index", "--find-links", str(folder)]
    if kind == "CUDA" and system == "darwin":
        raise SettingsError("there is no CUDA on macOS; install the CPU version, which also has Metal.")
    if kind == "CUDA" and system == "win32":
        return [*command, "--index-url", f"{INDEX}/{CUDA}"]
    if kind == "CPU" and system == "linux":
        return [*command, "--index-url", f"{INDEX}/cpu"]
    return command  # Python's own index has these


def install(command: list[str], target: Path, progress: Progress) -> Path:
    """Run pip into a folder beside `target` and put it in place when all is there; when stopped, nothing is left.

    Raises `SettingsError` with pip's reason, and what `progress` raises.
    """
    aside = target.with_name(f"{target.name}-new")
    shutil.rmtree(aside, ignore_errors=True)
    said: list[str] = []
    try:
        process = subprocess.Popen(
            [*command, "--target", str(aside)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
        )
        try:
            _watch(process, progress, said)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if process.returncode or not (aside / "torch" / "__init__.py").is_file():
            raise SettingsError(f"pip could not install PyTorch: {_reason(said)}")
        shutil.rmtree(target, ignore_errors=True)
        aside.replace(target)
    except OSError as error:
        raise SettingsError(f"PyTorch cannot be installed: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _watch(process: Any, progress: Progress, said: list[str]) -> None:
    """Follow what pip says: bytes while it downloads, lines otherwise. Between its words too the user may stop it."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        for line in process.stdout:
            lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=listen, name="poselift pip", daemon=True).start()
    share, stage = 0.0, "asking for PyTorch"
    while True:
        progress(share, stage)
        try:
            line = lines.get(timeout=PATIENCE)
        except queue.Empty:
            continue
        if line is None:
            return
        found = _PROGRESS.match(line)
        if found and int(found[2]) > LARGE:
            share = 0.02 + 0.83 * int(found[1]) / int(found[2])
            stage = f"downloading, {int(found[1]) / 1e6:.0f} of {int(found[2]) / 1e6:.0f} MB"
        elif line and not found:
            said.append(line)
            if line.startswith("Installing"):
                share, stage = 0.88, "unpacking"


def _environment() -> dict[str, str]:
    """Return the environment for pip: where Blender's Python lacks pip, the one that it bundles to install pip from."""
    environment = dict(os.environ)
    environment.pop("PIP_TARGET", None)
    if importlib.util.find_spec("pip") is None:
        try:
            import ensurepip

            bundled = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
        except ImportError:
            bundled = []
        if not bundled:
            raise SettingsError("this Python has no pip; install PyTorch with the system's packages.")
        environment["PYTHONPATH"] = str(bundled[-1])
    return environment


def _reason(said: list[str]) -> str:
    errors = [line for line in said if line.startswith("ERROR")] or said or ["it said nothing"]
    return errors[-1].removeprefix("ERROR: ").rstrip(".") + "."


CLASSES = (POSELIFT_OT_install_torch, POSELIFT_OT_remove_torch)
