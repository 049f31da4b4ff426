# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips of a motion-capture archive: whole, in time, in the world."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ReadError
from ...skeleton import Skeleton

Array = NDArray[np.float64]

SHORTEST = 3
"""Frames of a piece: fewer have no acceleration."""

SEGMENT_SECONDS = 2.0


@dataclass(frozen=True)
class Clip:
    """One clip: joints (T, J, 3) in the world, metres, Z up, at `fps`; NaN where the archive lacks a joint."""

    name: str
    category: str
    joints: Array
    fps: float

    def pieces(self) -> list[slice]:
        """Return the runs of frames in which every joint is known; runs of less than three frames are left out."""
        known = np.isfinite(self.joints).all((-1, -2))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
        runs = zip(edges[::2], edges[1::2], strict=True)
        return [slice(int(start), int(end)) for start, end in runs if end - start >= SHORTEST]


def read_clips(path: Path, skeleton: Skeleton) -> list[Clip]:
    """Read the clips of a motion-capture archive, with the joints of `skeleton`, also from among the `extra` ones.

    An archive without the root's path is of people who stay where they are; one without `fps` has 30.
    Raises `ReadError` where the file is no such archive, is damaged, or lacks joints.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
        return _clips(path, arrays, skeleton)
    except FileNotFoundError as error:
        raise ReadError("there is no such file.", path) from error
    except (OSError, KeyError, IndexError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ReadError(f"is not a motion-capture archive ({error}).", path) from error


def _clips(path: Path, arrays: Mapping[str, NDArray], skeleton: Skeleton) -> list[Clip]:
    joints = _joints(path, arrays, skeleton)
    start, fps = np.asarray(arrays["start"], int), float(arrays.get("fps", np.float64(30)))
    if start.ndim != 1 or len(start) < 2 or start[0] != 0 or start[-1] != len(joints) or (np.diff(start) <= 0).any():
        raise ReadError("the clips' starts do not rise from 0 to the number of frames.", path, "start")
    if not 0 < fps < 1e6:
        raise ReadError(f"a frame rate of {fps:g} is impossible.", path, "fps")
    count = len(start) - 1
    names = arrays.get("clip", np.arange(1, count + 1).astype(str))
    categories = arrays["category"]
    if not len(names) == len(categories) == count:
        raise ReadError(f"names {len(names)} clips and {len(categories)} categories, but has {count} clips.", path)
    spans = zip(names, categories, start[:-1], start[1:], strict=True)
    clips = [Clip(str(name), str(category), joints[a:b], fps) for name, category, a, b in spans]
    if not any(clip.pieces() for clip in clips):
        raise ReadError(f"no clip has {SHORTEST} frames with every joint of '{skeleton.name}'.", path)
    return clips


def _joints(path: Path, arrays: Mapping[str, NDArray], skeleton: Skeleton) -> Array:
    """Return (F, J, 3) joints of all clips in the world, NaN where missing."""
    known = {str(name): arrays["pos"][:, column] for column, name in enumerate(arrays["joint_names"])}
    for column, name in enumerate(arrays.get("extra_names", ())):
        known.setdefault(str(name), arrays["extra"][:, column])
    missing = [name for name in skeleton.joint_names if name not in known]
    if missing:
        raise ReadError(f"lacks the joints {', '.join(missing)} of '{skeleton.name}'.", path)
    steps = np.stack([known[name] for name in skeleton.joint_names], 1)
    if steps.ndim != 3 or steps.shape[-1] != 3:
        raise ReadError(f"positions of shape {arrays['pos'].shape} are not (frames, joints, 3).", path, "pos")
    lowest = np.iinfo(steps.dtype).min if steps.dtype.kind == "i" else -np.inf
    joints = np.where((steps == lowest).all(-1, keepdims=True), np.nan, steps * float(arrays["quant"]))
    root = np.asarray(arrays.get("root", np.zeros((len(steps), 3))), float)
    if root.shape != (len(steps), 3):
        raise ReadError(f"a path of shape {root.shape} does not fit {len(steps)} frames.", path, "root")
    return joints + root[:, None]


def choose_segments(clips: Sequence[Clip], step: int) -> list[list[slice]]:
    """Return for each clip which of its frames to score: every piece whole, or one of every `step` segments of two seconds.

    Segments are counted over all clips, so that about one frame in `step` is kept, in runs of neighbours.
    """
    chosen: list[list[slice]] = []
    count = 0
    for clip in clips:
        length = max(SHORTEST, round(SEGMENT_SECONDS * clip.fps))
        kept = []
        for piece in clip.pieces():
            if step == 1:
                kept.append(piece)
                continue
            for start in range(piece.start, piece.stop, length):
                segment = slice(start, min(start + length, piece.stop))
                if segment.stop - segment.start >= SHORTEST:
                    kept += [segment] if count % step == 0 else []
                    count += 1
        chosen.append(kept)
    return chosen
