# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that give tests a real Blender: the module bpy, an empty file per test, and the add-on registered."""

import atexit
import os
import sys
import tempfile
from pathlib import Path

import pytest

# Before bpy is imported anywhere: a Blender of its own, which sees nothing of the user's settings and extensions.
_resources = tempfile.TemporaryDirectory(prefix="poselift-blender-")
(Path(_resources.name) / "config").mkdir()
os.environ["BLENDER_USER_RESOURCES"] = _resources.name


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
