# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own decimation of keys, run on a few hundred at a time, in a scene of its own: the user's curves are not touched.

The operator's time grows faster than a curve, and each run has Blender evaluate every curve of the scene again: on an
armature with 10,000 frames in place, one bone took seconds in which no window was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import TracebackType
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from . import compat
from .steps import Steps

PIECE = 250
"""Keys that are decimated at once, some hundredths of a second; the key between two pieces stays."""
NAME = "Poselift keys"

Keys = dict[str, NDArray]
"""The keys of a curve, attributes by their names in Blender."""


def keys_of(curve: bpy.types.FCurve) -> Keys:
    """Return a curve's keys."""
    points: Any = curve.keyframe_points
    count = len(points)
    keys: Keys = {name: np.empty(2 * count, np.float32) for name in ("co", "handle_left", "handle_right")}
    keys |= {name: np.empty(count, np.int32) for name in ("interpolation", "handle_left_type", "handle_right_type")}
    for name, values in keys.items():
        points.foreach_get(name, values)
    return keys


def count_of(keys: Keys) -> int:
    """Return how many keys there are."""
    return len(keys["interpolation"])


def put_keys(curve: bpy.types.FCurve, keys: Keys) -> None:
    """Give a curve these keys instead of those that it has."""
    points: Any = curve.keyframe_points
    points.clear()
    points.add(count_of(keys))
    for name, values in keys.items():
        points.foreach_set(name, values)
    curve.update()


class Bench:
    """A scene with one curve, on which keys are decimated; it is gone when the `with` block ends.

    Raises `SettingsError` where Blender has no window whose editors could do it.
    """

    def __enter__(self) -> Bench:
        """Make the scene."""
        manager: Any = bpy.context.window_manager
        if not len(manager.windows):
            raise SettingsError("keys can be thinned only where Blender has a window; leave them as they are.")
        self._window = bpy.context.window or manager.windows[0]
        self._scene = bpy.data.scenes.new(NAME)
        self._owner = bpy.data.objects.new(NAME, None)
        self._scene.collection.objects.link(self._owner)
        self._action, channels = compat.new_action(self._owner, NAME)
        compat.assign_action(self._owner, self._action)
        self._curve: bpy.types.FCurve = channels.fcurves.new("location", index=0)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Remove it."""
        bpy.data.batch_remove([self._scene, self._owner, self._action])

    def decimated(self, keys: Keys, margin: float) -> Steps[Keys]:
        """Return keys thinned so that the curve changes by no more than `margin`, with a pause after every piece."""
        last = count_of(keys) - 1
        if last < 2:
            return keys
        pieces = []
        for start in range(0, last, PIECE):
            pieces.append(self._decimated(_cut(keys, start, min(start + PIECE, last) + 1), margin))
            yield min(start + PIECE, last) / last
        return _joined(pieces)

    def _decimated(self, keys: Keys, margin: float) -> Keys:
        put_keys(self._curve, keys)
        self._curve.select = True
        points: Any = self._curve.keyframe_points
        for name in ("select_control_point", "select_left_handle", "select_right_handle"):
            points.foreach_set(name, np.ones(len(points), bool))
        with self._editor():
            bpy.ops.graph.decimate(mode="ERROR", remove_error_margin=margin)
        return keys_of(self._curve)

    @contextmanager
    def _editor(self) -> Iterator[None]:
        """Have the window's smallest area be a graph editor of our scene for a moment, which the operator asks for."""
        window: Any = self._window
        area = min(window.screen.areas, key=lambda each: each.width * each.height)
        scene, before = window.scene, area.ui_type
        window.scene = self._scene
        area.ui_type = "FCURVES"
        shown = area.spaces.active.dopesheet
        wanted = {"show_only_selected": False, "show_hidden": True, "show_only_errors": False, "filter_text": ""}
        filters = {name: getattr(shown, name) for name in wanted}
        try:
            for name, value in wanted.items():
                setattr(shown, name, value)
            region = next(region for region in area.regions if region.type == "WINDOW")
            with bpy.context.temp_override(window=window, area=area, region=region):
                yield
        finally:
            for name, value in filters.items():
                setattr(shown, name, value)
            area.ui_type = before
            window.scene = scene


def _cut(keys: Keys, start: int, end: int) -> Keys:
    """Return the keys from `start` to before `end`."""
    count = count_of(keys)
    return {name: values.reshape(count, -1)[start:end].ravel() for name, values in keys.items()}


def _joined(pieces: list[Keys]) -> Keys:
    """Return pieces as one; the last key of one is the first of the next, which knows what comes after it."""
    for before, after in pairwise(pieces):
        after["handle_left"][:2] = before["handle_left"][-2:]
        after["handle_left_type"][:1] = before["handle_left_type"][-1:]
    cut = [*(_cut(piece, 0, count_of(piece) - 1) for piece in pieces[:-1]), pieces[-1]]
    return {name: np.concatenate([piece[name] for piece in cut]) for name in pieces[0]}
