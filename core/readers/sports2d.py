# SPDX-License-Identifier: GPL-3.0-or-later
"""Sports2D's poses in pixels: one TRC file per person, `<video>_Sports2D_px_person00.trc` and so on.

TRC has the path, the rates and the units in three lines, then the markers' names and X1 Y1 Z1 ... Sports2D says metres in all
its files; the name (and the path in the first line, where the file was renamed) says `_px_` or `_m_`. From version 0.5 on, `px`
files are pixels with y down; version 0.4 wrote x / 1000 and -y / 1000 into them. Z is 0. Metres, and the 3D markers of any
other TRC, are no places in an image. There are no scores; what was not found is empty, or 0 in x and y.
"""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError, TrackError
from ..track import exact_rate
from .csv_keypoints import NO_SCORES
from .reading import Reading, Request
from .source import Source
from .table import Table, read_table

Floats = NDArray[np.float64]

_HEADER = 5
_PERSON = re.compile(r"(.*_px)_person([0-9]{1,4})\.trc", re.I)
_PIXELS = re.compile(r"_px(?:_|\.|$)", re.I)
_METRES = re.compile(r"_m(?:_person|\.|$)", re.I)
_SMALL = 20.0
"""Coordinates that all lie within this are thousands of pixels."""


def recognise(source: Source) -> bool:
    """Tell whether a source is a TRC file, or a folder with the persons of one video in pixels."""
    if source.is_folder:
        return len({match[1] for match in _persons(source.path).values()}) == 1
    return source.head.startswith(b"PathFileType")


def _persons(folder: Path) -> dict[Path, re.Match[str]]:
    """Return a folder's files of persons in pixels, in order."""
    try:
        names = sorted(child.name for child in folder.iterdir() if child.is_file())
    except OSError as error:
        raise ReadError(f"the folder cannot be read: {error.strerror or error}.", folder) from error
    return {folder / name: match for name in names if (match := _PERSON.fullmatch(name))}


def read(path: Path, request: Request) -> Reading:
    """Read a person's file, or all persons' in a folder. Raises `ReadError` with the file, line and column at fault."""
    if not path.is_dir():
        return _joined({path: _read_file(path, request)}, path)
    persons = _persons(path)
    if len({match[1] for match in persons.values()}) != 1:
        raise ReadError("the folder holds no persons of one video in pixels (..._px_person00.trc).", path)
    return _joined({file: _read_file(file, request) for file in persons}, path)


def _joined(readings: dict[Path, Reading], path: Path) -> Reading:
    """Return several persons' readings as one."""
    files, found = list(readings), list(readings.values())
    first = found[0]
    for file, other in readings.items():
        if other.joint_names != first.joint_names or other.fps != first.fps:
            raise ReadError("other markers, or another frame rate, than those of the first person.", file)
    names = [_name(file) for file in files]
    if len(set(names)) < len(names):
        raise ReadError("two files are of the same person.", path)
    frames = np.concatenate([np.asarray(one.frames) for one in found])
    return Reading(
        np.concatenate([one.keypoints for one in found]),
        np.concatenate([one.scores for one in found]),
        frames,
        identities=[name for name, one in zip(names, found, strict=True) for _ in one.frames],
        joint_names=first.joint_names,
        shares=False,
        fps=first.fps,
        times=np.concatenate([one.times for one in found if one.times is not None]) if first.times is not None else None,
        notes=list(dict.fromkeys(note for one in found for note in one.notes)),
    )


def _name(file: Path) -> str:
    match = re.search(r"_person([0-9]{1,4})", file.stem)
    return str(int(match[1])) if match else "1"


def _read_file(path: Path, request: Request) -> Reading:
    table = read_table(path, _HEADER)
    if not table.header[0] or table.header[0][0] != "PathFileType":
        raise ReadError("no TRC file: it does not begin with 'PathFileType'.", path, "line 1")
    names = _markers(table)
    said = dict(zip(table.header[1], table.header[2], strict=False))
    values = table.cells(range(2 + 3 * len(names)), request=request).numbers
    keypoints, notes = _pixels(values[:, 2:].reshape(len(values), len(names), 3), said.get("Units", ""), table)
    missing = ~np.isfinite(keypoints).all(-1) | (keypoints == 0).all(-1)
    frames = values[:, 0]
    if not ((frames >= 0) & (frames < 1e15) & (frames == np.floor(frames))).all():
        raise ReadError("a frame's number must be whole.", path, "column 'Frame#'")
    times = values[:, 1] if np.isfinite(values[:, 1]).all() and (np.diff(values[:, 1]) > 0).all() else None
    try:
        fps = exact_rate(str(round(float(said["DataRate"]), 3)))
    except (KeyError, ValueError, TrackError):
        fps = None
        notes.append("the header has no frame rate.")
    scores = np.where(missing, 0.0, 1.0)
    return Reading(
        keypoints, scores, frames.astype(np.int64), joint_names=names, fps=fps, times=times, notes=[*notes, NO_SCORES]
    )


def _markers(table: Table) -> list[str]:
    """Return the markers' names. Raises `ReadError` where there are not x, y and z of each."""
    names = [name for name in table.header[3][2:] if name]
    axes = table.header[4]
    if not names or len(axes) < 2 + 3 * len(names):
        raise ReadError(f"{len(names)} markers, but coordinates of {max(len(axes) - 2, 0) // 3}.", table.path, "line 5")
    return names


def _pixels(points: Floats, units: str, table: Table) -> tuple[Floats, list[str]]:
    """Return (T, J, 2) pixels, y down, and notes. Raises `ReadError` where the file has no pixels."""
    written = PureWindowsPath(table.header[0][3]).name if len(table.header[0]) > 3 else ""
    in_pixels = units.lower() in ("px", "pixel", "pixels") or any(_PIXELS.search(n) for n in (table.path.name, written))
    if not in_pixels:
        if any(_METRES.search(name) for name in (table.path.name, written)):
            raise ReadError("metres, not places in the image: give the file in pixels (..._px_person00.trc).", table.path)
        raise ReadError("3D markers, not places in the image: of TRC, only Sports2D's files in pixels are read.", table.path)
    xy, depth = points[..., :2].copy(), points[..., 2]
    if (np.abs(depth[np.isfinite(depth)]) > 0).any():
        raise ReadError("its markers have a depth (Z): they are no places in the image.", table.path)
    notes = []
    seen = np.isfinite(xy).all(-1) & (xy != 0).any(-1)
    if seen.any() and np.median(xy[seen, 1]) < 0:
        xy[..., 1] *= -1.0
        notes.append("y pointed up: turned down.")
        if np.abs(xy[seen]).max() < _SMALL:
            xy *= 1000.0
            notes.append("coordinates were in thousands of pixels, as Sports2D 0.4 wrote them: multiplied.")
    return xy, notes
