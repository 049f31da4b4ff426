# SPDX-License-Identifier: GPL-3.0-or-later
"""One clip of the command line, from its file to its outputs: what runs here, and in every worker of a batch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.cleaning import CleaningSettings
from ..core.errors import PoseliftError
from ..core.layouts import apply_joint_map
from ..core.layouts.own import read_layout
from ..core.motion.motion import Motion
from ..core.people import choose, parse_stitches, stitch
from ..core.pipeline import LiftSettings, lift_people
from ..core.track import KeypointTrack
from .camera_options import Given
from .character_options import put_onto
from .sources import read

Progress = Callable[[float, str], None]
READING = 0.1
"""Share of a clip's time that reading it takes."""
PERSON = "{person}"
"""Stands for a person's name in an output's path."""


@dataclass(frozen=True)
class Task:
    """A clip and where its outputs go: `targets` are paths, one for each format, with {person} for a person's name."""

    source: str
    targets: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    def files(self, person: str) -> list[Path]:
        """Return the files that a person's motion becomes."""
        return [Path(target.replace(PERSON, person)) for target in self.targets]


def attempt(task: Task, options: argparse.Namespace, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Do a task as `lift_task` does; whatever goes wrong costs this clip alone and is its report."""
    try:
        return lift_task(task, options, progress)
    except PoseliftError as error:
        return [failed(task, error)]
    except Exception as error:  # a defect of ours costs this clip, not those after it
        return [failed(task, f"{type(error).__name__}: {error}")]


def lift_task(task: Task, options: argparse.Namespace, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Lift a clip's people and write each in every format; return a report for each. Raises `PoseliftError`."""
    reports: list[dict[str, Any]] = []
    given = Given.of(options, 1)
    taken: set[str] = set()
    for track, motion in _motions(task, options, given, progress):
        targets = task.files(_as_file_name(motion.person, taken))
        _write(motion, targets, options, given, track)
        report = {"output": str(targets[0]), "outputs": [str(target) for target in targets]}
        reports.append(report | motion.report.to_dict() | {"lines": motion.report.lines()})
    return reports


def failed(task: Task, error: PoseliftError | str) -> dict[str, Any]:
    """Return the report of a clip that could not be lifted."""
    text = str(error)
    return {"source": task.source, "error": text if task.source in text else f"{task.source}: {text}"}


def settings_from(options: argparse.Namespace) -> LiftSettings:
    """Return the core's settings for the options of `lift`. Raises `SettingsError`."""
    return LiftSettings(
        camera_mode=options.camera,
        actor_height=options.height,
        device=options.device,
        weights=options.weights,
        fps=options.fps,
        image_size=options.size,
        fov=options.fov,
        smoothing=options.smoothing,
        contacts=options.contacts,
        cleaning=CleaningSettings(
            score_gate=options.score_gate,
            max_gap_seconds=options.max_gap,
            outliers=not options.keep_outliers,
            swaps=not options.keep_swaps,
        ),
    )


def read_people(
    clip: Path, options: argparse.Namespace, progress: Callable[[float], None] | None = None
) -> list[KeypointTrack]:
    """Read a clip as the options of `lift` and `inspect` say: format, layout, size, joints, stitches."""
    how = {"file_format": options.format, "layout": options.layout, "image_size": options.size, "fps": options.fps}
    tracks = read(clip, **how, progress=progress)
    for first, second in parse_stitches(options.stitch) if options.stitch else ():
        tracks = stitch(tracks, first, second)
    if options.joints:
        joints = read_layout(Path(options.joints)).joints
        tracks = [apply_joint_map(track, joints) for track in tracks]
    return tracks


def _motions(
    task: Task, options: argparse.Namespace, given: Given, progress: Progress | None
) -> Iterator[tuple[KeypointTrack, Motion]]:
    show = progress or (lambda _share, _stage: None)
    tracks = read_people(Path(task.source), options, lambda share: show(READING * share, "read"))
    told = [given.told(track, settings_from(options)) for track in choose(tracks, options.person)]
    wanted = [track for track, _ in told]
    motions = lift_people(wanted, told[0][1], lambda share, stage: show(READING + (1 - READING) * share, stage))
    yield from zip(wanted, motions, strict=True)


def _write(motion: Motion, targets: list[Path], options: argparse.Namespace, given: Given, track: KeypointTrack) -> None:
    """Write one motion in its outputs' formats, and a still of it where asked for."""
    for folder in {target.parent for target in targets}:
        folder.mkdir(parents=True, exist_ok=True)  # where a person's name is one
    preview = Path(options.preview) if options.preview else None
    for target in targets:
        if target.suffix == ".npz":
            motion.save(target)
    others = [target for target in targets if target.suffix != ".npz"]
    if options.onto and others:
        put_onto(motion, others, options)
        return
    if preview is None and not others:
        return
    from ..scene import build, export, files, render

    files.new_file()
    built = build.apply(motion, build.BuildSettings(rest=options.rest, names=options.bone_names, tolerance=options.thin))
    start = build.BuildSettings().frame_start
    given.show(motion, built.camera, start, track)
    for target in others:
        export.save(target, built.armature)
    if preview is not None:
        render.save_still(preview, built, start + len(motion) // 2)


def _as_file_name(person: str, taken: set[str]) -> str:
    """Return a person's name with what no file name may have replaced, and different from those taken; take it."""
    plain = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in person).strip(" .") or "_"
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.casefold())
    return name
