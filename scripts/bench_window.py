# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long Blender's window stands still while Poselift reads, lifts, retargets and thins a clip.

Run it in a Blender with a window, in which the extension is enabled:

    python samples/make_clip.py build/clip --frames 10000
    blender --python scripts/bench_window.py -- build/clip [--stages read lift retarget …] [-o build/bench_window.json]

An area of the window is drawn again as often as Blender can; a gap is the time from one drawing to the next. It is an
empty console, because drawing a viewport without a graphics card takes longer than what is measured here. Beside the gaps
stand the processor time that the main thread had in them, and what our own calls in it took: on a machine that is busy
with other things, gaps are long and these are not. Exit status 1: one of our calls had more than 100 ms of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

LIMIT = 100.0
"""Milliseconds that the window may stand still."""
STAGES = ("idle", "read", "lift", "retarget", "onto rig", "from rig", "thin")
"""What can be measured; 'onto rig' is Rigify's generated rig, 'from rig' steps through the scene, for its constraints."""
DEFAULT = ("idle", "read", "lift", "retarget", "onto rig")
IDLE = 200
"""Redraws of the window that does nothing else."""

COLUMNS = ("redraws", "median", "99%", "longest", "over", "processor", "call", "call processor")
HEAD = f"{'stage':10}{'seconds':>8}" + "".join(
    f"{title:>10}" for title in ("redraws", "median", "99 %", "longest", "over 100", "CPU", "our call", "its CPU")
)


def module(name: str) -> Any:
    """Return a module of the extension that is enabled."""
    found = [loaded for path, loaded in sys.modules.items() if path.endswith(f"poselift.{name}")]
    if not found:
        sys.exit("Poselift is not enabled in this Blender; install its zip and enable it first.")
    return found[0]


class Watch:
    """Times of redraws and of our calls: seconds by the clock, and of processor time in the main thread."""

    def __init__(self, area: Any) -> None:
        self.area, self.redraws, self.calls = area, [], []
        operator = module("operators.modal").JobOperator
        for name in ("invoke", "modal"):
            setattr(operator, name, self._timed(getattr(operator, name)))
        draw: Any = bpy.types.SpaceConsole.draw_handler_add
        draw(lambda: self.redraws.append((time.perf_counter(), time.thread_time())), (), "WINDOW", "POST_PIXEL")

    def _timed(self, call: Any) -> Any:
        def timed(operator: Any, context: Any, event: Any) -> Any:  # Blender counts the arguments
            clock, processor = time.perf_counter(), time.thread_time()
            try:
                return call(operator, context, event)
            finally:
                self.calls.append((clock, time.perf_counter() - clock, time.thread_time() - processor))

        return timed

    def row(self, stage: str, start: float) -> dict[str, Any]:
        """Return what was measured since a moment, in milliseconds."""
        redraws = 1000 * np.diff(np.array([each for each in self.redraws if each[0] >= start]), axis=0)
        calls = 1000 * np.array([each[1:] for each in self.calls if each[0] >= start] or [(0.0, 0.0)])
        gaps, processor = redraws[:, 0], redraws[:, 1]
        return {
            "stage": stage,
            "seconds": round(time.perf_counter() - start, 1),
            "redraws": len(gaps),
            "median": float(np.median(gaps)),
            "99%": float(np.percentile(gaps, 99)),
            "longest": float(gaps.max()),
            "over": int((gaps > LIMIT).sum()),
            "processor": float(processor.max()),
            "call": float(calls[:, 0].max()),
            "call processor": float(calls[:, 1].max()),
        }


def measure(options: argparse.Namespace) -> Iterator[float]:
    """Do the stages one after the other; what is yielded is a wait in seconds."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda each: each.width * each.height)
    area.type = "CONSOLE"
    session, watch = module("operators.session"), Watch(area)
    rows: list[dict[str, Any]] = []
    print(HEAD)
    for stage in STAGES:
        if stage not in options.stages:
            continue
        yield 0.5
        start, drawn = time.perf_counter(), len(watch.redraws)
        begin(stage, options, area)
        while session.running() is not None or (stage == "idle" and len(watch.redraws) < drawn + IDLE):
            area.tag_redraw()
            yield 0.005
        for _ in range(20):  # the redraws that show the result
            area.tag_redraw()
            yield 0.005
        row = watch.row(stage, start)
        rows.append(row)
        numbers = "".join(f"{row[name]:10.0f}" for name in COLUMNS)
        print(f"{stage:10}{row['seconds']:8.1f}{numbers}", flush=True)
    about = {"blender": bpy.app.version_string, "clip": str(options.clip), "rows": rows}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if any(row["call processor"] > LIMIT for row in rows):
        raise SystemExit(1)


def begin(stage: str, options: argparse.Namespace, area: Any) -> None:
    """Start what is measured, as a click in the sidebar does."""
    context: Any = bpy.context
    settings, onto = context.scene.poselift, context.scene.poselift_retarget
    window = context.window_manager.windows[0]
    ops: Any = bpy.ops
    region = next(each for each in area.regions if each.type == "WINDOW")
    with context.temp_override(window=window, area=area, region=region):
        if stage == "read":
            ops.poselift.read_keypoints("INVOKE_DEFAULT", filepath=str(options.clip))
        elif stage == "lift":
            settings.lens = "FOV"
            ops.poselift.lift("INVOKE_DEFAULT")
        elif stage != "idle":
            source = bpy.data.objects.get("generated") if stage == "from rig" else lifted()
            onto.source, onto.thin = source, 3.0 if stage == "thin" else 0.0
            onto.target = character("generated" if stage == "onto rig" else "metarig")
            onto.bones.clear()
            ops.poselift.retarget("INVOKE_DEFAULT")


def lifted() -> Any:
    """Return the armature that was lifted."""
    return next(item for item in bpy.data.objects if item.type == "ARMATURE" and item.get("poselift"))


def character(name: str) -> Any:
    """Return Rigify's human metarig, or the rig that is generated from it."""
    if name in bpy.data.objects:
        return bpy.data.objects[name]
    ops: Any = bpy.ops
    ops.preferences.addon_enable(module="rigify")
    ops.object.armature_human_metarig_add()
    made: Any = bpy.context.object
    if name == "generated":
        ops.pose.rigify_generate()
        bpy.data.objects.remove(made)
        made = bpy.context.object
    made.name = name
    return made


def main() -> None:
    """Read the options after '--', and measure once the window is drawn."""
    parser = argparse.ArgumentParser(description="Measure how long Blender's window stands still.")
    parser.add_argument("clip", type=Path, help="folder or file of keypoints")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=DEFAULT)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench_window.json"))
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    preferences: Any = bpy.context.preferences
    preferences.view.show_splash = preferences.use_preferences_save = False
    steps = measure(options)

    def tick() -> float:
        status = 0
        try:
            return next(steps)
        except StopIteration:
            pass
        except SystemExit as stop:
            status = int(stop.code or 0) if not isinstance(stop.code, str) else 2
        except BaseException:
            traceback.print_exc()
            status = 2
        sys.stdout.flush()
        os._exit(status)  # Blender would ask whether to save

    bpy.app.timers.register(tick, first_interval=2.0)


main()
