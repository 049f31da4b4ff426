# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of Blender, by Blender's own exporters: whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import bpy

from ..core.errors import OutputError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to, and move that file onto `path` when the block ends well.

    The name has the same ending, which exporters look at. On an error nothing is left of it and `path` is as before.
    Raises `OutputError` where the folder is missing, where nothing was written, and for every error that Blender or the
    system reports.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise OutputError(f"{path}: this is a folder; give the name of a file.")
    aside = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{path.suffix}")
    try:
        yield aside
        if not aside.is_file() or aside.stat().st_size == 0:
            raise OutputError(f"{path}: Blender wrote nothing; check that the folder can be written to and has space.")
        aside.replace(path)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().removeprefix("Error: ").splitlines()
        raise OutputError(f"{path}: cannot be written: {reason[0] if reason else type(error).__name__}") from error
    finally:
        aside.unlink(missing_ok=True)


def save_blend(path: Path) -> None:
    """Save a copy of the whole file as `.blend`; the open file keeps its name. Raises `OutputError`."""
    with written_aside(path) as aside:
        bpy.ops.wm.save_as_mainfile(filepath=str(aside), copy=True, check_existing=False, compress=False)


def save_bvh(path: Path, armature: bpy.types.Object) -> None:
    """Save an armature and its action as `.bvh`, in metres, Z up, at the scene's rate and over its range.

    Only the root bone gets a position; the others turn. Raises `OutputError`.
    """
    scene = bpy.context.scene
    assert scene is not None
    with written_aside(path) as aside, bpy.context.temp_override(active_object=armature, object=armature):
        bpy.ops.export_anim.bvh(
            filepath=str(aside),
            check_existing=False,
            global_scale=1.0,
            frame_start=scene.frame_start,
            frame_end=scene.frame_end,
            rotate_mode="NATIVE",
            root_transform_only=True,
        )
