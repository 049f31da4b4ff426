# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the outputs of `poselift lift` go: files, folders, or templates such as `lifted/{name}_{person}.fbx`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import OutputError
from .journal import NAME
from .lift_task import PERSON, Task

ENDINGS = (".blend", ".bvh", ".fbx", ".glb", ".usd", ".npz")
_CLIP, _FOLDER = "{name}", "{folder}"


@dataclass(frozen=True)
class Plan:
    """What becomes of the clips. tasks: one per clip. folders: all that is written to. report: where it is usually kept."""

    tasks: list[Task]
    folders: list[Path]
    report: Path | None

    def part(self, number: int, count: int) -> Plan:
        """Return one of `count` parts, from 1, with a report of its own: computers that share a folder may not share a file."""
        report = self.report and self.report.with_stem(f"{self.report.stem}-{number}-of-{count}")
        return replace(self, tasks=self.tasks[number - 1 :: count], report=report)


def plan(
    clips: Sequence[Path],
    outputs: Sequence[str],
    endings: Sequence[str],
    name: str | None,
    several: bool,
    kept: Sequence[Path] = (),
    preview: str | None = None,
) -> Plan:
    """Say which files each clip becomes, and make the folders for them.

    outputs: each a file, a folder (its files are named by `name`, with each of `endings`), or a template, a path with an
    ending and {name}, {folder} (the clip's own, where names are alike) or {person} in it. several: all of a clip's people.
    kept: files that no output may replace, as none may replace a clip. preview: a picture's or movie's name or template,
    without {person}. Raises `OutputError` where two outputs would be one file, or one of those, or cannot be.
    """
    templates: list[str] = []
    report = None
    for text in outputs:
        path = Path(text)
        if path.suffix in ENDINGS and not path.is_dir():
            templates.append(_template(path, several, len(clips)))
            if "{" in text:
                report = report or _fixed(path) / NAME
        elif path.suffix and not path.is_dir() and "{" not in path.suffix:
            raise OutputError(f"{path}: '{path.suffix}' is not one of {', '.join(ENDINGS)}.")
        else:
            stem = name or (f"{_CLIP}_{PERSON}" if several else _CLIP)
            if several and PERSON not in stem:
                raise OutputError(f"--name '{name}' gives all people of a clip one file; write {PERSON} into it.")
            templates += [str(path / f"{stem}{ending}") for ending in endings]
            report = report or _fixed(path / stem) / NAME
    tasks = [
        Task(str(clip), tuple(dict.fromkeys(_filled(template, clip) for template in templates)), _filled(preview or "", clip))
        for clip in clips
    ]
    _check_distinct(tasks)
    _check_kept(tasks, [*clips, *kept])
    folders = list(dict.fromkeys(_fixed(Path(target)) for task in tasks for target in task.targets))
    for folder in folders if report else ():
        _make(folder)
    return Plan(tasks, folders, report if clips else None)


def _template(path: Path, several: bool, clips: int) -> str:
    """Return a file's path as a template, with what it lacks to tell clips and people apart. Raises `OutputError`."""
    text = str(path)
    if "{" not in text:
        if clips > 1:
            raise OutputError(
                f"{clips} clips cannot become the one file {path}; give a folder, or write {_CLIP} into the file's name."
            )
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first.")
        return f"{path.with_suffix('')}_{PERSON}{path.suffix}" if several else text
    if several and PERSON not in text:
        raise OutputError(f"{path} gives all people of a clip one file; write {PERSON} into it.")
    return text


def _filled(template: str, clip: Path) -> str:
    """Return a template for a clip: all but the person, who is not known yet."""
    name = clip.name if clip.is_dir() else clip.stem
    return template.replace(_FOLDER, clip.absolute().parent.name).replace(_CLIP, name)


def _fixed(path: Path) -> Path:
    """Return the folder of a file, or the innermost one above it whose name is the same for all."""
    folder = path.parent
    while "{" in str(folder) and any(mark in str(folder) for mark in (_CLIP, _FOLDER, PERSON)):
        folder = folder.parent
    return folder


def _check_distinct(tasks: Sequence[Task]) -> None:
    owners: dict[str, str] = {}
    for task in tasks:
        for target in (*task.targets, *([task.preview] if task.preview else ())):
            place = target.casefold()  # as Windows and macOS tell files apart
            if place in owners:
                raise OutputError(
                    f"{owners[place]} and {task.source} have the same name and would both become {target}; write {_FOLDER} or "
                    f"{_CLIP} into the output's name, or lift them into different folders."
                )
            owners[place] = task.source


def _check_kept(tasks: Sequence[Task], files: Sequence[Path]) -> None:
    kept = {str(file.resolve()).casefold() for file in files}
    for task in tasks:
        for target in task.targets:
            if str(Path(target).resolve()).casefold() in kept:
                raise OutputError(f"{target} is read, and a motion would overwrite it; choose another folder or name.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}.") from error
