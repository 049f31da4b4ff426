# SPDX-License-Identifier: GPL-3.0-or-later
"""SLEAP's analysis HDF5.

Format: SLEAP's documentation, "analysis HDF5": `tracks` (tracks, 2, nodes, frames), NaN where missing, `node_names`,
`track_names`, `point_scores` (tracks, nodes, frames), `edge_inds` (2, edges); transposed where it was written for Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ReadError
from .hdf5 import opened, texts_of
from .reading import Floats, Reading, Request
from .source import Source


def recognise(source: Source) -> bool:
    """Tell whether an HDF5 file has `tracks` and `node_names`."""
    if not source.is_hdf5:
        return False
    with opened(source.path) as file:
        return "tracks" in file and "node_names" in file


def read(path: Path, request: Request) -> Reading:
    """Read the tracks. Raises `ReadError` with the data set at fault."""
    with opened(path) as file:
        if "tracks" not in file or "node_names" not in file:
            raise ReadError("has no data sets 'tracks' and 'node_names', as SLEAP's analysis files have.", path)
        names = texts_of(file["node_names"], path)
        tracks, back = _tracks(file["tracks"], len(names), path)
        scores = _scores(file.get("point_scores"), tracks, back, path)
        people = texts_of(file["track_names"], path) if "track_names" in file else []
        parents = _parents(file.get("edge_inds"), len(names))
    request.advance(0.5)
    count, length = tracks.shape[:2]
    if len(people) != count or len(set(people)) != count:
        people = [str(number + 1) for number in range(count)]
    seen = np.isfinite(tracks).all(-1).any(-1)
    who, when = np.nonzero(seen)
    return Reading(
        tracks[who, when],
        scores[who, when],
        when,
        range(length),
        identities=[people[n] for n in who],
        joint_names=names,
        parents=parents,
        shares=False,
    )


def _tracks(dataset: Any, nodes: int, path: Path) -> tuple[Floats, bool]:
    """Return the tracks as (P, T, J, 2), and whether they were written with the frames first."""
    values = np.asarray(dataset, np.float64)
    if values.ndim == 4 and values.shape[1:3] == (2, nodes):
        return values.transpose(0, 3, 2, 1), False
    if values.ndim == 4 and values.shape[1:3] == (nodes, 2):
        return values.transpose(3, 0, 1, 2), True
    raise ReadError(f"shape {values.shape}, but (tracks, 2, {nodes} nodes, frames) is needed.", path, "tracks")


def _scores(dataset: Any, tracks: Floats, back: bool, path: Path) -> Floats:
    """Return scores (P, T, J); a keypoint without one counts fully."""
    present = np.isfinite(tracks).all(-1)
    if dataset is None:
        return present.astype(np.float64)
    values = np.asarray(dataset, np.float64)
    values = (
        values.transpose(2, 0, 1) if back and values.ndim == 3 else values.transpose(0, 2, 1) if values.ndim == 3 else values
    )
    if values.shape != present.shape:
        raise ReadError(f"shape {np.shape(dataset)} does not fit the tracks.", path, "point_scores")
    # What a person corrected by hand has no score, and is the surest of all.
    return np.where(present, np.where(np.isfinite(values), np.clip(values, 1e-3, 1.0), 1.0), 0.0)


def _parents(dataset: Any, nodes: int) -> tuple[int, ...] | None:
    """Return each node's parent by the skeleton's edges, where these make a tree; else None."""
    if dataset is None:
        return None
    edges = np.asarray(dataset)
    edges = edges.T if edges.ndim == 2 and edges.shape[0] == 2 and edges.shape[1] != 2 else edges
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu" or (edges < 0).any() or (edges >= nodes).any():
        return None
    parents = [-1] * nodes
    for head, tail in edges.tolist():
        if parents[tail] != -1:
            return None
        parents[tail] = head
    for node in range(nodes):
        at, steps = node, 0
        while at != -1:
            at, steps = parents[at], steps + 1
            if steps > nodes:
                return None
    return tuple(parents)
