# SPDX-License-Identifier: GPL-3.0-or-later
"""One clip of the command line, from its file to its outputs: what runs here, and in every worker of a batch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
from .terminal import hushed, progress_bar

if TYPE_CHECKING:
    from ..scene.build import Built

Progress = Callable[[float, str], None]
READING = 0.1
"""Share of a clip's time that reading it takes."""
PERSON = "{person}"
"""Stands for a person's name in an output's path."""


@dataclass(frozen=True)
class Task:
    """A clip and where its outputs go: `targets` are paths, one for each format, with {person} for a person's name.

    preview: the picture or movie to render of all its people, empty for none.
    """

    source: str
    targets: tuple[str, ...]
    preview: str = ""

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
    given = Given.of(options, 1)
    lifted = _motions(task, options, given, progress)
    taken: set[str] = set()
    written: list[list[Path]] = []
    for track, motion in lifted:
        targets = task.files(_as_file_name(motion.person, taken))
        _write(motion, targets, options, given, track)
        written.append(targets)
    if task.preview:
        _preview(Path(task.preview), lifted, options, given, quiet=options.quiet or progress is None)
        written[0].append(Path(task.preview))
    return [
        {"output": str(targets[0]), "outputs": [str(target) for target in targets]}
        | motion.report.to_dict()
        | {"lines": motion.report.lines()}
        for targets, (_, motion) in zip(written, lifted, strict=True)
    ]


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
) -> list[tuple[KeypointTrack, Motion]]:
    show = progress or (lambda _share, _stage: None)
    tracks = read_people(Path(task.source), options, lambda share: show(READING * share, "read"))
    told = [given.told(track, settings_from(options)) for track in choose(tracks, options.person)]
    wanted = [track for track, _ in told]
    settings = given.placed(*told[0])
    motions = lift_people(wanted, settings, lambda share, stage: show(READING + (1 - READING) * share, stage))
    return list(zip(wanted, motions, strict=True))


def _write(motion: Motion, targets: list[Path], options: argparse.Namespace, given: Given, track: KeypointTrack) -> None:
    """Write one motion in its outputs' formats."""
    for folder in {target.parent for target in targets}:
        folder.mkdir(parents=True, exist_ok=True)  # where a person's name is one
    for target in targets:
        if target.suffix == ".npz":
            motion.save(target)
    others = sorted((target for target in targets if target.suffix != ".npz"), key=lambda target: target.suffix != ".blend")
    if options.onto and others:
        put_onto(motion, others, options)
        return
    if not others:
        return
    from ..scene import export, timing

    (built,) = _build([(track, motion)], options, given)
    for target in others:
        if target.suffix != ".blend" and motion.camera_mode == "scene":  # what a .blend keeps as the user has it
            timing.set_rate(motion.fps)
            timing.set_span(np.array(built.action.frame_range))
        export.save(target, built.armature)


def _preview(
    path: Path, lifted: list[tuple[KeypointTrack, Motion]], options: argparse.Namespace, given: Given, quiet: bool
) -> None:
    """Render a still of the middle frame, or a movie of all, by the name's ending."""
    from ..scene import movie, render

    built = _build(lifted, options, given)
    motions = [motion for _, motion in lifted]
    if path.suffix.lower() not in movie.CONTAINERS:
        span = built[0].action.frame_range
        render.save_still(path, built[0], round((span[0] + span[1]) / 2))
        return
    with progress_bar(path.name, len(motions[0]), "frame", quiet, lines=True) as bar, hushed():
        movie.save_movie(path, built, motions, lambda _done, _all: bar.update(1))


def _build(lifted: list[tuple[KeypointTrack, Motion]], options: argparse.Namespace, given: Given) -> list[Built]:
    """Put people into a new file, or the scene that was given, with the footage behind their own camera."""
    from ..scene import build, files

    settings = build.BuildSettings(rest=options.rest, names=options.bone_names, tolerance=options.thin)
    track, motion = lifted[0]
    if given.scene is None:
        files.new_file()
    else:
        given.scene.open()
        settings = replace(settings, frame_start=given.scene.start + motion.first_frame, scene_camera=given.scene.name)
    built = build.apply_all([motion for _, motion in lifted], settings)
    given.show(motion, built[0].camera, settings.frame_start, track)
    return built


def _as_file_name(person: str, taken: set[str]) -> str:
    """Return a person's name with what no file name may have replaced, and different from those taken; take it."""
    plain = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in person).strip(" .") or "_"
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.casefold())
    return name
