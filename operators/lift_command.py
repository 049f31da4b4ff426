# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift lift`: keypoint files to .npz, .blend and what other programs read, one or many, in one process or several."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import OutputError, PoseliftError
from ..core.lifter.weights import find
from ..core.output import check_target, remove_leftovers
from . import batch
from .camera_options import Given
from .journal import NAME, Journal, content_key, file_hash
from .lift_task import Task, failed, lift_task, settings_from
from .sources import find_clips
from .terminal import DONE, FAILED, progress_bar, say, show

ENDINGS = (".blend", ".bvh", ".fbx", ".glb", ".usd", ".npz")
_SAME_RESULT = ("jobs", "resume", "json", "quiet", "output", "report", "inputs", "arguments", "run", "weights", "device")
"""Options that do not change what comes out; the weights count by their content."""

Reports = list[dict[str, Any]]


def lift_inputs(options: argparse.Namespace) -> int:
    """Lift every input and write the outputs; return the exit status. Raises `PoseliftError` for bad usage alone."""
    settings_from(options)  # a wrong setting is bad usage, once and before anything is read
    clips, reports = _clips(options.inputs)
    Given.of(options, len(clips))  # so is a calibration that cannot be read
    tasks, journal = _tasks(clips, options)
    _check_blender(tasks, options)
    keys: dict[str, str] = {}
    if journal is not None:
        remove_leftovers(journal.path.parent)
        made_by = _settings_key(options)
        keys = {task.source: content_key(Path(task.source), made_by + task.template) for task in tasks}
        done = {task.source: journal.finished(task.source, keys[task.source]) for task in tasks} if options.resume else {}
        reports += [report | {"skipped": True} for entry in done.values() if entry for report in entry["people"]]
        tasks = [task for task in tasks if not done.get(task.source)]
        if options.resume and not options.quiet:
            say(f"{sum(map(bool, done.values()))} clips are done already, {len(tasks)} are left.")
    for task, found in _results(tasks, options):
        if journal is not None:
            journal.add(task.source, keys[task.source], found)
        for report in found:
            _tell(report, options.quiet)
        reports += found
    if options.json:
        show(json.dumps([{k: v for k, v in report.items() if k != "lines"} for report in reports], indent=1))
    return FAILED if any("error" in report for report in reports) else DONE


def _results(tasks: list[Task], options: argparse.Namespace) -> Iterator[tuple[Task, Reports]]:
    """Yield each task with its reports as it finishes, and show how far all of them are."""
    if options.jobs > 1 and len(tasks) > 1:
        with progress_bar("clips", len(tasks), "clip", options.quiet, lines=True) as bar:
            for result in batch.run(tasks, options.arguments, options.jobs):
                bar.update(1)
                yield result
        return
    for task in tasks:
        with progress_bar(Path(task.source).name, 1.0, "clip", options.quiet) as bar:
            shown = 0.0

            def advance(share: float, stage: str, bar: Any = bar) -> None:
                nonlocal shown
                bar.set_postfix_str(stage, refresh=False)
                bar.update(share - shown)
                shown = share

            try:
                found = lift_task(task, options, advance)
            except PoseliftError as error:
                found = [failed(task, error)]
        yield task, found


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


def _tasks(clips: list[Path], options: argparse.Namespace) -> tuple[list[Task], Journal | None]:
    """Say which files each clip becomes, and where the batch's report is. Raises `OutputError` where that cannot be."""
    output = Path(options.output)
    several = options.person == "all" or "," in options.person
    if output.suffix in ENDINGS and not output.is_dir():
        if len(clips) > 1:
            raise OutputError(f"{len(clips)} clips cannot become the one file {output}; give a folder.")
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; create it first.")
        template = f"{output.with_suffix('')}{'_{person}' if several else ''}"
        tasks = [Task(str(clip), template, (output.suffix,), _preview_of(options, clip)) for clip in clips]
        return tasks, _journal(options, None)
    if output.suffix and not output.is_dir():
        raise OutputError(f"{output}: '{output.suffix}' is not one of {', '.join(ENDINGS)}.")
    name = options.name or ("{name}_{person}" if several else "{name}")
    if several and "{person}" not in name:
        raise OutputError(f"--name '{name}' gives all people of a clip one file; write {{person}} into it.")
    stems = [name.replace("{name}", _plain_name(clip)) for clip in clips]
    if len(set(stems)) < len(stems):
        raise OutputError("two clips have the same name; lift them into different folders, or write {name} into --name.")
    if options.preview and len(clips) > 1 and "{name}" not in options.preview:
        raise OutputError(f"--preview '{options.preview}' gives all clips one file; write {{name}} into it.")
    if clips:
        output.mkdir(parents=True, exist_ok=True)
    endings = tuple(f".{ending}" for ending in options.to)
    tasks = [
        Task(str(clip), str(output / stem), endings, _preview_of(options, clip))
        for clip, stem in zip(clips, stems, strict=True)
    ]
    return tasks, _journal(options, output / NAME if clips else None)


def _preview_of(options: argparse.Namespace, clip: Path) -> str:
    """Return a clip's preview, empty for none. Raises `OutputError`, before anything is lifted, where it cannot be written."""
    if not options.preview:
        return ""
    path = Path(options.preview.replace("{name}", _plain_name(clip)))
    if path.suffix.lower() != ".png":
        if not importlib.util.find_spec("bpy"):
            raise OutputError(f"{path}: movies are rendered by Blender; run this in Blender, or: pip install bpy.")
        from ..scene.movie import check_movie

        check_movie(path)
    check_target(path)
    return str(path)


def _plain_name(clip: Path) -> str:
    return clip.name if clip.is_dir() else clip.stem


def _journal(options: argparse.Namespace, usual: Path | None) -> Journal | None:
    path = Path(options.report) if options.report else usual
    return Journal(path) if path else None


def _check_blender(tasks: list[Task], options: argparse.Namespace) -> None:
    needed = bool(options.preview) or any(ending != ".npz" for task in tasks for ending in task.endings)
    if needed and not importlib.util.find_spec("bpy"):
        raise OutputError(
            "only .npz can be written without Blender; run this in Blender, or install its module: pip install bpy."
        )


def _settings_key(options: argparse.Namespace) -> str:
    """Return what, beside a clip's content, decides what comes out: settings, weights, and Poselift itself."""
    plain = {key: str(value) for key, value in sorted(vars(options).items()) if key not in _SAME_RESULT}
    return json.dumps([plain, file_hash(find(options.weights)), _version()])


def _version() -> str:
    """Return Poselift's version, as its manifest has it."""
    import tomllib

    manifest = Path(__file__).resolve().parent.parent / "blender_manifest.toml"
    return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
