#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download the wheels of requirements-torch.txt for every platform and Python version that gets a full zip.

pip looks at this machine when it asks which requirements count, so that each is named in the file and none is followed;
`make package` finds out whether one is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from blender_tool import ROOT, PackagingError, made, run
from wheel_sets import BLENDERS_PYTHON

from poselift.operators.torch_install import INDEX

PIP_PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64",),
}
"""Blender's platforms for which there is a PyTorch for the processor alone, and the tags of the wheels that run there."""
CPU_INDEX = {"linux-x64": f"{INDEX}/cpu"}
"""Where Python's own index has a PyTorch with CUDA only, the one without is in PyTorch's index."""


def fetch(folder: Path, platform: str, python: tuple[int, int]) -> None:
    """Download the wheels for one platform and Python version into a folder. Raises `PackagingError` with pip's words."""
    version = f"{python[0]}.{python[1]}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", version, "-r", str(ROOT / "requirements-torch.txt")]
    command += ["-d", str(made(folder))]
    for tag in PIP_PLATFORMS[platform]:
        command += ["--platform", tag]
    if platform in CPU_INDEX:
        command += ["--extra-index-url", CPU_INDEX[platform]]
    run(command, f"pip cannot download the wheels for Python {version} on {platform}")


def main() -> int:
    """Run from the command line: everything, or some platforms and Python versions."""
    parser = argparse.ArgumentParser(description="Download the wheels of the full zips.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--platforms", nargs="+", choices=sorted(PIP_PLATFORMS), default=sorted(PIP_PLATFORMS))
    pythons = [f"{major}.{minor}" for major, minor in BLENDERS_PYTHON]
    parser.add_argument("--pythons", nargs="+", choices=pythons, default=pythons)
    options = parser.parse_args()
    try:
        for platform in options.platforms:
            for python in options.pythons:
                major, minor = python.split(".")
                fetch(options.folder, platform, (int(major), int(minor)))
                print(f"{platform}, Python {python}: done", flush=True)
    except PackagingError as error:
        print(f"wheels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
