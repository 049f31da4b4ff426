# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift lift`: keypoint files to .npz, .blend and what other programs read, one or many, in one process or several."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.calibration import split_reference
from ..core.errors import OutputError, PoseliftError, SettingsError
from ..core.lifter.weights import find
from ..core.output import check_target, remove_leftovers
from . import batch
from .batch import Reports
from .blender_needed import need_blender
from .camera_options import Given
from .character_options import CHARACTER_FILES, Character
from .journal import Journal, content_key, file_hash
from .lift_outputs import Plan, plan
from .lift_task import Task, attempt, settings_from
from .sources import find_clips
from .terminal import DONE, FAILED, advancing, progress_bar, say, show

_SAME_RESULT = (
    "jobs", "resume", "json", "quiet", "output", "to", "name", "part", "report", "inputs", "arguments", "run", "device",
)  # fmt: skip
"""Options that do not change what comes out; where it goes is added to a clip's key by itself."""
_FILES = ("weights", "joints", "calibration", "scene", *CHARACTER_FILES)
"""Options that name files: their content counts, not their names."""


def lift_inputs(options: argparse.Namespace) -> int:
    """Lift every input and write the outputs; return the exit status. Raises `PoseliftError` for bad usage alone."""
    settings_from(options)  # a wrong setting is bad usage, once and before anything is read
    clips, reports = _clips(options.inputs)
    Given.of(options, len(clips))  # so is a calibration that cannot be read
    if options.onto:
        Character.of(options)
        if options.preview:
            raise SettingsError("--preview shows Poselift's own figure; leave it out with --onto.")
    several = options.person == "all" or "," in options.person
    endings, kept = [f".{ending}" for ending in options.to], [Path(name) for name in (options.onto, options.scene) if name]
    planned = plan(clips, options.output, endings, options.name, several, kept, options.preview)
    planned = planned.part(*options.part) if options.part else planned
    _check_blender(planned, options)
    for task in planned.tasks:
        _check_preview(task)
    for folder in planned.folders:
        remove_leftovers(folder)
    batch_of_clips = _Batch(planned, options)
    reports += batch_of_clips.done_before()
    for found in batch_of_clips.run():
        reports += found
    if options.json:
        show(json.dumps([{k: v for k, v in report.items() if k != "lines"} for report in reports], indent=1))
    failures = sum("error" in report for report in reports)
    count = len(planned.tasks)
    if count > 1 and not options.quiet:
        say(f"{count} clips: {len(reports) - failures} motions, {failures} failures.")
    return FAILED if failures else DONE


class _Batch:
    """The clips of one call, from what is left to do to their reports."""

    def __init__(self, planned: Plan, options: argparse.Namespace) -> None:
        self._tasks, self._folders, self._options = planned.tasks, planned.folders, options
        path = Path(options.report) if options.report else planned.report
        if options.resume and path is None and planned.tasks:
            raise SettingsError("--resume goes by the report of the run before; give a folder as output, or --report.")
        self._journal = Journal(path) if path else None
        self._made_by = _settings_key(options) if path else ""
        self._keys: dict[str, str] = {}

    def done_before(self) -> Reports:
        """Return the reports of what `--resume` need not do again, and forget about it."""
        if self._journal is None or not self._options.resume:
            return []
        done = {task.source: self._journal.finished(self._key(task)) for task in self._tasks}
        self._tasks = [task for task in self._tasks if done[task.source] is None]
        if not self._options.quiet:
            say(f"{len(done) - len(self._tasks)} clips are done already, {len(self._tasks)} are left.")
        return [report | {"skipped": True} for reports in done.values() for report in reports or ()]

    def run(self) -> Iterator[Reports]:
        """Lift what is left, and yield each clip's reports when they are told and written down."""
        options = self._options
        one = len(self._tasks) <= 1
        with progress_bar("clips", len(self._tasks), "clip", options.quiet, lines=not one, bits=options.jobs == 1) as bar:
            if options.jobs > 1:
                # One clip as well: of how many threads there are depends what comes out, in the seventh digit.
                for task, found in batch.run(self._keyed(), len(self._tasks), options.arguments, options.jobs, self._folders):
                    bar.update(1)
                    yield self._noted(task, found)
                return
            for task in self._keyed():
                advance = advancing(bar)
                found = attempt(task, options, advance)
                advance(1.0)
                yield self._noted(task, found)

    def _keyed(self) -> Iterator[Task]:
        """Yield the tasks; the content that counts is that of before the clip was read."""
        for task in self._tasks:
            if self._journal is not None:
                self._key(task)
            yield task

    def _key(self, task: Task) -> str:
        assert self._journal is not None
        if task.source not in self._keys:
            places = json.dumps([self._journal.place(target) for target in task.targets])
            self._keys[task.source] = content_key(Path(task.source), self._made_by + places)
        return self._keys[task.source]

    def _noted(self, task: Task, found: Reports) -> Reports:
        if self._journal is not None:
            try:
                self._journal.add(task.source, self._keys[task.source], found)
            except OutputError as error:
                found = [*found, {"source": task.source, "error": str(error)}]
        for report in found:
            _tell(report, self._options.quiet)
        return found


def _tell(report: dict[str, Any], quiet: bool) -> None:
    if "error" in report:
        say(f"poselift: {report['error']}")
    elif not quiet:
        say("\n".join([*report["lines"], *(f"wrote {name}" for name in report["outputs"])]))


def _clips(names: list[str]) -> tuple[list[Path], Reports]:
    """Find the clips of all inputs; inputs that hold none are reported, not raised."""
    clips: list[Path] = []
    reports: Reports = []
    for name in names:
        try:
            clips += find_clips(Path(name))
        except PoseliftError as error:
            reports.append({"source": name, "error": str(error)})
            say(f"poselift: {error}")
    return clips, reports


def _check_blender(planned: Plan, options: argparse.Namespace) -> None:
    needed = bool(options.preview) or any(not target.endswith(".npz") for task in planned.tasks for target in task.targets)
    if needed:
        need_blender("only .npz can be written without Blender")


def _check_preview(task: Task) -> None:
    """Raise `OutputError`, before anything is lifted, where a clip's preview could not be written."""
    if task.preview:
        path = Path(task.preview)
        if path.suffix.lower() != ".png":
            from ..scene.movie import check_movie

            check_movie(path)
        check_target(path)


def _settings_key(options: argparse.Namespace) -> str:
    """Return what, beside a clip's content, decides what comes out: settings, files beside it, and Poselift itself."""
    plain = {key: str(value) for key, value in sorted(vars(options).items()) if key not in (*_SAME_RESULT, *_FILES)}
    files = {key: _content(key, getattr(options, key)) for key in _FILES}
    return json.dumps([plain, files, _version()])


def _content(option: str, value: str | None) -> str | None:
    if not value:
        return None
    path, camera = split_reference(value) if option == "calibration" else (Path(value), None)
    path = find(value) if option == "weights" else path
    return f"{camera or ''} {file_hash(path) or value}"


def _version() -> str:
    """Return Poselift's version, as its manifest has it."""
    import tomllib

    manifest = Path(__file__).resolve().parent.parent / "blender_manifest.toml"
    return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
