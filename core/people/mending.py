# SPDX-License-Identifier: GPL-3.0-or-later
"""Mending: strays of a person, seen only where the person is missing, come home; a few frames of a double are nobody.

Joining puts one piece after another. Around a meeting a person's detections can end up in two chains that take turns, frame
by frame; these are told by having no frame in common where they overlap.
"""

from __future__ import annotations

import numpy as np

from .detections import Detections, Indices, distances
from .joining import Ends, affinity

_OVERLAP = 0.5  # seconds
_DOUBLE = 0.12  # of the size: mean distance from another's keypoints


def mend(found: Detections, chains: list[Indices], rate: float) -> list[Indices]:
    """Return the people with strays merged and short doubles of others left out.

    chains: each person's detections in order of time.
    """
    chains = list(chains)
    most = max(2, round(_OVERLAP * rate))
    first = np.array([found.frames[chain[0]] for chain in chains], np.intp)
    last = np.array([found.frames[chain[-1]] for chain in chains], np.intp)
    for small in sorted(range(len(chains)), key=lambda k: len(chains[k])):
        common = np.minimum(last, last[small]) - np.maximum(first, first[small]) + 1
        mates = np.flatnonzero((common > 0) & ((common <= most) | (len(chains[small]) <= most)))
        mates = [int(m) for m in mates if m != small and len(chains[m]) >= len(chains[small])]
        likely = {m: cost for m in mates if (cost := _taking_turns(found, chains[m], chains[small], rate)) < 0}
        if likely:
            home = min(likely, key=lambda m: likely[m])
            chains[home] = np.sort(np.concatenate([chains[home], chains[small]]))
            first[home], last[home] = min(first[home], first[small]), max(last[home], last[small])
        elif not (len(chains[small]) <= most and any(_doubles(found, chains[m], chains[small]) for m in mates)):
            continue
        chains[small], first[small], last[small] = chains[small][:0], found.length + 1, -1
    return [chain for chain in chains if len(chain)]


def _taking_turns(found: Detections, one: Indices, two: Indices, rate: float) -> float:
    """Return the log likelihood that two chains are two people over that they are one; infinite with a frame in common."""
    a, b = found.frames[one], found.frames[two]
    if np.isin(b, a).any():
        return np.inf
    # `two` inside a gap of `one`, or the ends of both taking turns: the sure parts are those beyond the turns.
    parts = [one[a < b[0]], two[b < a[0]], two[b > a[-1]], one[a > b[-1]], two, one]
    inside = a[0] < b[0] and b[-1] < a[-1]
    way = [parts[0], two, parts[3]] if inside else ([parts[0], parts[2]] if a[0] < b[0] else [parts[1], parts[3]])
    if not all(map(len, way)):
        return np.inf
    ends, starts = Ends.of(found, way[:-1], True, rate), Ends.of(found, way[1:], False, rate)
    links = np.arange(len(way) - 1)
    return float(affinity(ends, starts, links, links, rate).max())


def _doubles(found: Detections, one: Indices, two: Indices) -> bool:
    """Say whether all of `two` lies on or beside `one`, seen in the same frames."""
    _, i, j = np.intersect1d(found.frames[one], found.frames[two], assume_unique=True, return_indices=True)
    return len(j) == len(two) and bool(distances(found, one[i], two[j]).max() < _DOUBLE)
