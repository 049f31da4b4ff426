# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make` runs beside the package: the benchmark compares like with like, and missing libraries are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from motions import motion_of, walking

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 libegl1"


def test_the_benchmarks_two_ways_of_keying_give_the_same_curves(bpy) -> None:
    import bench

    from poselift.scene import compat
    from poselift.scene.armature import new_armature
    from poselift.scene.keyframes import key_channels, pose_channels

    frames = 12
    rest, pose = bench.posed(motion_of(walking(frames)))
    channels = pose_channels(rest, pose)
    curves = []
    for way in ("bulk", "insertion"):
        owner = new_armature(way, rest, bpy.context.scene.collection)
        if way == "bulk":
            key_channels(owner, way, channels, np.arange(1.0, frames + 1))
        else:
            bench.key_by_insertion(owner, channels, frames)
        curves.append(
            {
                (c.data_path, c.array_index, c.group.name): [tuple(k.co) for k in c.keyframe_points]
                for c in compat.fcurves_of(owner)
            }
        )
    assert len(curves[0]) > 4 * 10
    assert curves[0].keys() == curves[1].keys()
    for key, points in curves[0].items():
        assert points == pytest.approx(np.array(curves[1][key]), abs=1e-6), key


def test_the_benchmark_says_what_is_extrapolated_and_how_many_times_faster() -> None:
    import bench

    rows = [
        bench.Row("read", 1000, 0.5, 1000),
        bench.Row("read, json.load", 1000, 0.25, 1000),
        bench.Row("key", 1000, 0.01, 1000),
        bench.Row("key, keyframe_insert", 1000, 2.0, 500),
    ]
    assert bench.ratios(rows) == {"read, 1000 frames": 0.5, "key, 1000 frames": 200.0}
    lines = bench.table(rows).splitlines()
    assert [line.endswith("(from 500 frames)") for line in lines] == [False, False, False, False, True]
    assert lines[3].split() == ["key", "1000", "0.010", "100000"]


def _check_system(folder: Path, *arguments: str, libraries: str) -> subprocess.CompletedProcess[str]:
    """Run check_system.sh on a system whose linker knows only some libraries, and that has no apt-get."""
    tools = folder / "bin"
    tools.mkdir()
    for name, text in (("ldconfig", f"echo '{libraries}'"), ("apt-get", "exit 1"), ("id", "echo 1000")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    command = ["sh", str(ROOT / "scripts/check_system.sh"), *arguments]
    return subprocess.run(
        command, env={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="libraries and packages are Linux's")
def test_libraries_that_are_missing_are_named_with_their_packages(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: libXrender.so.1: cannot open shared object file' >&2\nexit 1\n")
    python.chmod(0o755)
    done = _check_system(tmp_path, str(python), libraries="libX11.so.6 libGL.so.1")
    assert done.returncode == 1
    assert "cannot be loaded: ImportError: libXrender.so.1" in done.stderr
    wanted = [name for name in PACKAGES.split() if name not in ("libx11-6", "libgl1")]
    assert f"sudo apt-get install {' '.join(wanted)}" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="libraries and packages are Linux's")
def test_nothing_is_installed_by_a_user_who_may_not(tmp_path: Path) -> None:
    done = _check_system(tmp_path, "--install", libraries="")
    assert done.returncode == 1
    assert PACKAGES in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="libraries and packages are Linux's")
def test_a_blender_that_loads_is_not_complained_about(tmp_path: Path) -> None:
    done = _check_system(tmp_path, sys.executable, libraries="")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_names_the_packages_that_the_check_knows() -> None:
    assert f"apt-get install {PACKAGES}" in (ROOT / "README.md").read_text(encoding="utf-8")
