# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wheels of a folder go into the zip of a platform and a Python version: one of each project, and all that they need.

NumPy is never among them: Blender has its own, and another one would break Blender's other add-ons.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from blender_tool import PackagingError
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

BLENDERS_OWN = frozenset({"numpy"})
TORCH = "torch"
BLENDERS_PYTHON = {(3, 11): ("4.2.0", "5.1.0"), (3, 13): ("5.1.0", "")}
"""Python version -> the first Blender that has it, and the first that has it no more. Of blender.org's builds."""

PLATFORMS = {
    "linux-x64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    "linux-arm64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"},
    "macos-arm64": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    "macos-x64": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64", "os_name": "posix"},
    "windows-x64": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
    "windows-arm64": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "ARM64", "os_name": "nt"},
}
"""Blender's name of a platform -> what a requirement's marker may ask about it."""
MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
ANY = "any"


@dataclass(frozen=True)
class Wheel:
    """A wheel's file and what its name says."""

    path: Path
    project: str
    version: Version
    tags: frozenset[Tag]

    @classmethod
    def of(cls, path: Path) -> Wheel:
        """Read a wheel's name. Raises `PackagingError` where it is not a wheel's."""
        try:
            project, version, _, tags = parse_wheel_filename(path.name)
        except ValueError as error:
            raise PackagingError(f"{path} is not named as a wheel ({error}).") from error
        return cls(path, project, version, tags)

    def requirements(self) -> list[Requirement]:
        """Return what the wheel says it needs. Raises `PackagingError` where it says nothing."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                [metadata] = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
                fields = BytesHeaderParser().parsebytes(archive.read(metadata))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise PackagingError(f"{self.path} is not a wheel ({error}).") from error
        return [Requirement(text) for text in fields.get_all("Requires-Dist", [])]


@dataclass(frozen=True)
class WheelSet:
    """The wheels of one full zip, all that are needed."""

    python: tuple[int, int]
    platform: str
    wheels: tuple[Path, ...]

    @property
    def label(self) -> str:
        """Return the Python version as names of files have it: py311."""
        return f"py{self.python[0]}{self.python[1]}"


def wheel_sets(folder: Path) -> list[WheelSet]:
    """Return a folder's wheels for each Python version and platform that it has torch for.

    Raises `PackagingError` where there is no torch, or where something that a wheel needs is missing.
    """
    wheels = [wheel for wheel in map(Wheel.of, sorted(folder.glob("*.whl"))) if wheel.project not in BLENDERS_OWN]
    targets = sorted({target for wheel in wheels if wheel.project == TORCH for target in _targets_of(wheel)})
    if not targets:
        raise PackagingError(f"{folder} holds no torch-….whl for a Python and a platform that Blender has.")
    return [WheelSet(python, platform, tuple(choose(wheels, python, platform))) for python, platform in targets]


def choose(wheels: Iterable[Wheel], python: tuple[int, int], platform: str) -> list[Path]:
    """Return the newest fitting wheel of each project. Raises `PackagingError` where one's requirement is not among them."""
    chosen: dict[str, Wheel] = {}
    for wheel in wheels:
        newest = chosen.get(wheel.project)
        if fits(wheel, python, platform) and (newest is None or wheel.version > newest.version):
            chosen[wheel.project] = wheel
    version = f"{python[0]}.{python[1]}"
    environment = {**PLATFORMS[platform], "python_version": version, "python_full_version": f"{version}.0", "extra": ""}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    missing = set()
    for wheel in chosen.values():
        for needed in wheel.requirements():
            project = canonicalize_name(needed.name)
            if project in BLENDERS_OWN or (needed.marker is not None and not needed.marker.evaluate(environment)):
                continue
            if project not in chosen or not needed.specifier.contains(chosen[project].version, prereleases=True):
                missing.add(f"{needed.name}{needed.specifier} (for {wheel.project})")
    if missing:
        raise PackagingError(f"wheels for Python {version} on {platform} are missing: {', '.join(sorted(missing))}.")
    return sorted(wheel.path for wheel in chosen.values())


def fits(wheel: Wheel, python: tuple[int, int], platform: str) -> bool:
    """Say whether a wheel can be used by a Python version on one of Blender's platforms."""
    interpreter = f"cp{python[0]}{python[1]}"
    known = {*cpython_tags(python, [interpreter], [ANY]), *compatible_tags(python, interpreter, [ANY])}
    return any(
        Tag(tag.interpreter, tag.abi, ANY) in known and (tag.platform == ANY or platform in blender_platforms(tag.platform))
        for tag in wheel.tags
    )


def blender_platforms(tag: str) -> tuple[str, ...]:
    """Return Blender's platforms on which a wheel's platform tag runs: 'manylinux_2_28_x86_64' on 'linux-x64'."""
    systems = {"manylinux": "linux", "linux": "linux", "macosx": "macos", "win": "windows"}
    system = next((blender for start, blender in systems.items() if tag.startswith(start)), "")
    if system == "macos" and tag.endswith("universal2"):
        return ("macos-x64", "macos-arm64")
    machine = next((blender for end, blender in MACHINES.items() if tag.endswith(f"_{end}")), "")
    return (f"{system}-{machine}",) if f"{system}-{machine}" in PLATFORMS else ()


def _targets_of(torch: Wheel) -> set[tuple[tuple[int, int], str]]:
    pythons = [tag for tag in torch.tags if tag.abi == tag.interpreter and tag.interpreter[:2] == "cp"]
    return {
        ((int(tag.interpreter[2]), int(tag.interpreter[3:])), platform)
        for tag in pythons
        for platform in blender_platforms(tag.platform)
    }
