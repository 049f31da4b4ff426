# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that give tests a real Blender: the module bpy, an empty file per test, and the add-on registered."""

import atexit
import os
import sys
import tempfile
from pathlib import Path

import installed
import pytest
import without_torch

# Before bpy is imported anywhere: a Blender of its own, which sees nothing of the user's settings and extensions.
_resources = tempfile.TemporaryDirectory(prefix="poselift-blender-")
(Path(_resources.name) / "config").mkdir()
if "bpy" not in sys.modules:  # inside a Blender program, whoever started it has seen to that
    os.environ["BLENDER_USER_RESOURCES"] = _resources.name
if installed.HERE:
    installed.use_extension()


collect_ignore = installed.other_files() if installed.HERE else without_torch.files_that_import_it()


def pytest_report_header():
    said = [f"tested is what is installed, with {', '.join(installed.TESTS)}"] if installed.HERE else []
    left_out = without_torch.files_that_import_it()
    return [*said, f"torch is not installed; left out are {', '.join(left_out)}"] if left_out else said


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    with without_torch.skipping():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    with without_torch.skipping():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End the run with pytest's own status, before destructors of Blender's module, which once hung after all had passed."""
    status = getattr(config, "poselift_status", None)
    if status is None or "bpy" not in sys.modules:
        return
    from poselift.scene.files import remove_temporary_folder

    remove_temporary_folder()
    _resources.cleanup()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def pytest_sessionfinish(session, exitstatus):
    session.config.poselift_status = int(exitstatus)


@pytest.fixture
def bpy():
    """The module bpy with an empty file: one scene, no objects. Skips where bpy is not installed."""
    blender = pytest.importorskip("bpy")
    blender.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return blender


@pytest.fixture(scope="session")
def python():
    """A Python that has bpy and Poselift, to start a process of one's own. Skips inside a Blender program, which has none."""
    if installed.IN_PROGRAM:
        pytest.skip("starts a Python that has bpy as a module; this is a Blender program")
    return sys.executable


@pytest.fixture
def blender_alone(tmp_path):
    """The environment of a process whose Blender has settings of its own, and which finds no programs."""
    (tmp_path / "resources" / "config").mkdir(parents=True)
    needed = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # without it, Windows starts no Python
    return {**needed, "BLENDER_USER_RESOURCES": str(tmp_path / "resources"), "PATH": ""}


@pytest.fixture
def addon(bpy):
    """The module bpy with Poselift registered, in an empty file; unregistered afterwards."""
    import poselift

    # bpy 4.5 hangs at exit where a class is left registered: also when a test is interrupted.
    atexit.register(poselift.unregister)
    poselift.register()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield bpy
    poselift.unregister()
    atexit.unregister(poselift.unregister)
