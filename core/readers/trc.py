# SPDX-License-Identifier: GPL-3.0-or-later
"""TRC files with pixel coordinates, as Sports2D writes them: one file per person, `…_px_person00.trc`.

Format: OpenSim's documentation, "marker (.trc) files": five header lines (file type; names and values of facts; the markers'
names; X1, Y1, Z1 …), then frame, time, and three numbers per marker. Sports2D's x and y are the image's, y down; z is 0.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import ReadError, TrackError
from ..track import exact_rate
from .reading import Floats, Reading, Request
from .source import Source, folder_names
from .table import Lines, numbers_of, split_lines


def recognise(source: Source) -> bool:
    """Tell whether a file starts as a TRC does, or a folder holds such files in pixels."""
    if source.is_folder:
        return bool(_pixel_files(source.path))
    return source.text.startswith("PathFileType")


def read(path: Path, request: Request) -> Reading:
    """Read a person's file, or all the people's files of a folder. Raises `ReadError` with the line at fault."""
    files = _pixel_files(path) if path.is_dir() else [path]
    if not files:
        raise ReadError("the folder holds no _px_person….trc of Sports2D.", path)
    parts = []
    for number, file in enumerate(files):
        request.advance(number / len(files))
        parts.append(_read_file(file))
    names = parts[0][0]
    if any(part[0] != names for part in parts):
        raise ReadError("the people's files have different markers; give each video a folder of its own.", path)
    frames = np.unique(np.concatenate([part[1] for part in parts]))
    times = dict(item for part in parts for item in zip(part[1].tolist(), part[2].tolist(), strict=True))
    return Reading(
        np.concatenate([part[3] for part in parts]),
        np.concatenate([np.isfinite(part[3]).all(-1).astype(np.float64) for part in parts]),
        np.concatenate([part[1] for part in parts]),
        frames,
        identities=[_person(file) for file, part in zip(files, parts, strict=True) for _ in range(len(part[1]))],
        joint_names=names,
        shares=False,
        fps=parts[0][4],
        times=np.array([times[frame] for frame in frames.tolist()]),
        notes=["the file has no scores: every keypoint counts fully."],
    )


def _pixel_files(folder: Path) -> list[Path]:
    names = folder_names(folder)
    return [folder / name for name in sorted(names) if name.lower().endswith(".trc") and "_px" in name.lower()]


def _person(file: Path) -> str:
    match = re.search(r"person_?([0-9]+)", file.stem, re.I)
    return str(int(match[1])) if match else file.stem


def _read_file(path: Path) -> tuple[list[str], Floats, Floats, Floats, Fraction | None]:
    """Return the markers' names, frames (T,), times (T,), places (T, J, 2) and the rate of one file."""
    head = [cells for _, cells in zip(range(5), (cells for _, cells in split_lines(path, "\t")), strict=False)]
    if len(head) < 5 or head[0][:1] != ["PathFileType"]:
        raise ReadError("its header is not the five lines of a TRC.", path, "line 1")
    facts = dict(zip(head[1], head[2], strict=False))
    names = [name for name in head[3][2:] if name]
    if not names:
        raise ReadError("names no markers.", path, "line 4")
    columns = [n for joint in range(len(names)) for n in (2 + 3 * joint, 3 + 3 * joint)]
    header = ["frame", "time", *(f"{axis} of {name}" for name in names for axis in "xyz")]
    # Some writers end lines with a tab, or leave empty cells at their end out.
    values, _ = numbers_of(Lines(path, "\t", 5, ragged=True), header, [0, 1, *columns], [])
    places = values[:, 2:].reshape(len(values), len(names), 2)
    if _are_metres(places):
        raise ReadError("its coordinates are metres, not pixels: give the …_px_….trc.", path)
    frames = values[:, 0]
    if not np.isfinite(frames).all() or (frames != np.round(frames)).any() or (frames < 0).any() or frames.max() > 1e15:
        raise ReadError("frame numbers must be whole numbers.", path)
    places[(places == 0).all(-1)] = np.nan
    return names, frames.astype(np.int64), values[:, 1], places, _rate(facts, path)


def _are_metres(places: Floats) -> bool:
    seen = places[np.isfinite(places).all(-1)]
    return len(seen) > 0 and float(np.ptp(seen, axis=0).max()) < 15.0


def _rate(facts: dict[str, str], path: Path) -> Fraction | None:
    try:
        return exact_rate(facts["DataRate"]) if facts.get("DataRate") else None
    except TrackError as error:
        raise ReadError(str(error), path, "DataRate") from error
