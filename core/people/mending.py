# SPDX-License-Identifier: GPL-3.0-or-later
"""Mending: strays of a person, seen only where the person is missing, come home; a few frames of a double are nobody.

Joining puts one piece after another. Around a meeting a person's detections can end up in two chains that take turns, frame
by frame; these are told by having no frame in common where they overlap.
"""

from __future__ import annotations

import numpy as np

from .detections import Detections, Indices, distances
from .joining import Ends, Tempo, affinity, reachable

_OVERLAP = 0.5  # seconds
_EXCUSE = 4.0  # in log: somebody seen only while another is missing, and beside, is hardly two people
_DOUBLE = 0.12  # of the size: mean distance from another's keypoints


def mend(found: Detections, chains: list[Indices], tempo: Tempo) -> list[Indices]:
    """Return the people with strays merged and short doubles of others left out.

    chains: each person's detections in order of time.
    """
    chains = list(chains)
    most = max(2, round(_OVERLAP * tempo.rate))
    first = np.array([found.frames[chain[0]] for chain in chains], np.intp)
    last = np.array([found.frames[chain[-1]] for chain in chains], np.intp)
    for small in sorted(range(len(chains)), key=lambda k: len(chains[k])):
        common = np.minimum(last, last[small]) - np.maximum(first, first[small]) + 1
        mates = [int(m) for m in np.flatnonzero(common > 0) if m != small and len(chains[m]) >= len(chains[small])]
        likely = {m: cost for m in mates if (cost := _taking_turns(found, chains[m], chains[small], tempo)) < _EXCUSE}
        if likely:
            home = min(likely, key=lambda m: likely[m])
            chains[home] = np.sort(np.concatenate([chains[home], chains[small]]))
            first[home], last[home] = min(first[home], first[small]), max(last[home], last[small])
        elif not (len(chains[small]) <= most and any(_doubles(found, chains[m], chains[small]) for m in mates)):
            continue
        chains[small], first[small], last[small] = chains[small][:0], found.length + 1, -1
    return [chain for chain in chains if len(chain)]


def _taking_turns(found: Detections, one: Indices, two: Indices, tempo: Tempo) -> float:
    """Return the log likelihood that two chains are two people over that they are one; infinite with a frame in common.

    Who takes turns with another more than twice and is never seen beside is that other, unless the way between is too far.
    """
    a, b = found.frames[one], found.frames[two]
    if len(np.intersect1d(a, b, assume_unique=True)):
        return np.inf
    both = np.sort(np.concatenate([one, two]))
    turns = np.flatnonzero(np.diff(np.isin(both, two, assume_unique=True))) + 1
    if len(turns) <= 2:  # `two` inside a gap of `one`
        way, likelihood = np.split(both, turns), affinity
    elif turns[-1] - turns[0] <= _OVERLAP * tempo.rate:  # the ends of both taking turns: what counts is beyond them
        way, likelihood = [both[: turns[0]], both[turns[-1] :]], affinity
    else:
        way, likelihood = np.split(both, turns), reachable
    ends, starts = Ends.of(found, way[:-1], True, tempo), Ends.of(found, way[1:], False, tempo)
    links = np.arange(len(way) - 1)
    cost = likelihood(ends, starts, links, links, tempo)
    return float(cost.max()) + (_EXCUSE if likelihood is reachable else 0.0)


def _doubles(found: Detections, one: Indices, two: Indices) -> bool:
    """Say whether all of `two` lies on or beside `one`, seen in the same frames."""
    _, i, j = np.intersect1d(found.frames[one], found.frames[two], assume_unique=True, return_indices=True)
    return len(j) == len(two) and bool(distances(found, one[i], two[j]).max() < _DOUBLE)
