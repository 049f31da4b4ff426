# SPDX-License-Identifier: GPL-3.0-or-later
"""SLEAP's analysis HDF5 (its export of tracked keypoints).

Format: SLEAP's documentation, "analysis HDF5", and sleap-io's. Datasets `tracks`, `point_scores`, `node_names`,
`track_names`, `edge_inds`. As SLEAP writes it for MATLAB, `tracks` is (tracks, 2, nodes, frames); sleap-io can write other
orders, and says which in the attribute `dims`. Pixels; a score is missing where a person placed the point by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from . import hdf5
from .reading import Reading, Request
from .source import Source

Floats = NDArray[np.float64]

_MATLAB = ("track", "xy", "node", "frame")
_WANTED = ("frame", "track", "node", "xy")


def recognise(source: Source) -> bool:
    """Tell whether a file is HDF5 with SLEAP's tracks and nodes."""
    if not source.is_hdf5:
        return False
    with hdf5.opened(source.path) as file:
        return {"tracks", "node_names"} <= set(hdf5.members(file))


def read(path: Path, request: Request) -> Reading:
    """Read a file. Raises `ReadError` with the dataset at fault."""
    with hdf5.opened(path) as file:
        nodes = hdf5.texts(file, "node_names", path)
        order = _order(file, nodes, path)
        tracks = np.transpose(hdf5.numbers(file, "tracks", path), [order.index(axis) for axis in _WANTED])
        request.advance(0.5)
        frames, people, count, _ = tracks.shape
        if not frames or not people or count != len(nodes) or not count:
            raise ReadError(f"{people} tracks of {count} keypoints for {len(nodes)} nodes.", path, "dataset 'tracks'")
        there = hdf5.members(file)
        scores, notes = _scores(file, there, order, tracks, path)
        names = hdf5.texts(file, "track_names", path) if "track_names" in there else []
        parents = _parents(file, there, count, path)
    if len(names) != people or len(set(names)) < people:
        names = [str(person + 1) for person in range(people)]
    return Reading(
        tracks.reshape(-1, count, 2),
        scores.reshape(-1, count),
        np.repeat(np.arange(frames), people),
        np.arange(frames),
        identities=names * frames,
        joint_names=nodes,
        parents=parents,
        shares=False,
        notes=notes,
    )


def _order(file: Any, nodes: Sequence[str], path: Path) -> list[str]:
    """Return what the axes of `tracks` are: as its attribute says, or as SLEAP writes them."""
    place = "dataset 'tracks'"
    found = hdf5.dataset(file, "tracks", path)
    if len(found.shape) != 4:
        raise ReadError(f"shape {found.shape}, but (tracks, 2, nodes, frames) is needed.", path, place)
    said: object = None
    if "dims" in found.attrs:
        try:
            said = json.loads(hdf5.text(found.attrs["dims"])[:200])
        except (ValueError, RecursionError) as error:
            raise ReadError("its attribute 'dims' is no list of axes.", path, place) from error
    elif not file.attrs.get("transpose", True):
        said = ["frame", "node", "xy", "track"]  # early versions of sleap-io
    order = list(_MATLAB) if said is None else [str(axis) for axis in said] if isinstance(said, list) else []
    if sorted(order) != sorted(_WANTED):
        raise ReadError(f"its axes are {', '.join(_WANTED)} in some order, not {str(said)[:60]}.", path, place)
    if found.shape[order.index("xy")] != 2 or found.shape[order.index("node")] != len(nodes):
        raise ReadError(f"shape {found.shape} does not fit {len(nodes)} nodes with x and y.", path, place)
    return order


def _scores(file: Any, there: Sequence[str], order: list[str], tracks: Floats, path: Path) -> tuple[Floats, list[str]]:
    """Return scores (T, P, J) and notes."""
    placed = np.isfinite(tracks).all(-1)
    if "point_scores" not in there:
        return placed.astype(np.float64), ["the file has no scores: every keypoint counts fully."]
    left = [axis for axis in order if axis != "xy"]
    given = hdf5.numbers(file, "point_scores", path)
    if given.ndim != 3 or sorted(given.shape) != sorted(tracks.shape[:3]):
        raise ReadError(f"shape {given.shape} does not fit the tracks'.", path, "dataset 'point_scores'")
    scores = np.transpose(given, [left.index(axis) for axis in _WANTED[:3]])
    if scores.shape != tracks.shape[:3]:
        raise ReadError(f"shape {given.shape} does not fit the tracks'.", path, "dataset 'point_scores'")
    by_hand = placed & np.isnan(scores)
    notes = [f"keypoints without a score (placed by hand), counted fully: {by_hand.sum()}."] if by_hand.any() else []
    return np.where(by_hand, 1.0, scores), notes


def _parents(file: Any, there: Sequence[str], count: int, path: Path) -> list[int] | None:
    """Return each node's parent where the skeleton's edges make a tree or several; None otherwise."""
    if "edge_inds" not in there:
        return None
    edges = hdf5.numbers(file, "edge_inds", path)
    if edges.ndim == 2 and edges.shape[0] == 2 and edges.shape[1] != 2:
        edges = edges.T  # transposed with all the rest
    parents = [-1] * count
    if edges.ndim != 2 or edges.shape[1] != 2 or not ((edges >= 0) & (edges < count)).all():
        return None
    for parent, child in edges.astype(int).tolist():
        if parents[child] != -1:
            return None
        parents[child] = parent
    return parents if all(_leads_to_root(parents, node) for node in range(count)) else None


def _leads_to_root(parents: Sequence[int], node: int) -> bool:
    for _ in parents:
        node = parents[node]
        if node < 0:
            return True
    return False
