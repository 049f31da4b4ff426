# SPDX-License-Identifier: GPL-3.0-or-later
"""Linking: who of the next frame's detections is whom, where that is beyond doubt; and the way from there to people.

(1) Neighbouring frames: detections that are each other's clear best are linked, all frames at once, into pieces.
(2) Pieces are joined, the clearest first, by how people move (`joining`). (3) Wherever two people met, both ways of who left
as whom are weighed by what was seen before and after (`meetings`). (4) Strays come home, doubles are nobody (`mending`).
"""

from __future__ import annotations

import numpy as np

from .detections import MAX_STEP, Detections, Floats, Indices, Mask, distances, duplicates, pairs, whole_frames
from .joining import Tempo, join, rejoin
from .meetings import untangle
from .mending import mend

USUAL_RATE = 30.0
"""Frames per second where nobody says."""
MAX_GAP = 1.0
"""Seconds without a detection that a person survives."""

_CLEAR = 1.5  # how much worse the second best must be
_UNUSUAL = 3.0  # times the clip's median step


def link(found: Detections, max_gap: int | None = None, fps: float | None = None, body: int | None = None) -> Indices:
    """Return the person of each detection, (N,) numbers from 0, -1 for duplicates of another detection.

    max_gap: frames without a detection that a person survives (default: one second). fps: frames per second (default: 30).
    body: how many of the joints count, from the first; hands and faces say little about who is who (default: all).
    """
    rate = float(fps or USUAL_RATE)
    gap = round(MAX_GAP * rate) if max_gap is None else max_gap
    found = found.first_joints(body)
    people = np.full(len(found), -1)
    single = np.flatnonzero(~duplicates(found))
    follower, usual = _followers(found, single)
    chains = _pieces(found, single, follower)
    if len(chains) > 1:
        tempo = Tempo.of(found, follower, rate)
        chains = join(found, chains, gap, tempo)
        chains = rejoin(found, untangle(found, chains, tempo, usual), gap, tempo)
        chains = mend(found, chains, tempo)
    for number, chain in enumerate(sorted(chains, key=lambda c: c[0])):
        people[chain] = number
    return people


def _followers(found: Detections, single: Indices) -> tuple[Indices, float]:
    """Return for each detection the one that clearly continues it in the next frame, or -1; and the median sure step.

    A step far beyond the clip's usual ones may be one person hiding as another comes into view: it is not taken.
    """
    follower, steps = np.full(len(found), -1), np.full(len(found), np.nan)
    frames = found.frames[single]
    for block in whole_frames(frames):
        first, second = (single[index] for index in pairs(frames, 1, block))
        distance = distances(found, first, second)
        clear = (distance < MAX_STEP) & _clear_best(first, distance) & _clear_best(second, distance)
        follower[first[clear]], steps[first[clear]] = second[clear], distance[clear]
    usual = float(np.nanmedian(steps)) if (follower >= 0).any() else 0.03
    follower[steps >= min(MAX_STEP, 0.02 + _UNUSUAL * usual)] = -1
    return follower, usual


def _clear_best(group: Indices, distance: Floats) -> Mask:
    """Mark entries that are the smallest of their group, with the second smallest well behind."""
    order = np.lexsort((distance, group))
    g, d = group[order], distance[order]
    leads = np.r_[True, g[1:] != g[:-1]][: len(g)]
    alone = np.r_[g[1:] != g[:-1], True][: len(g)]
    behind = np.r_[d[1:], np.inf][: len(d)]
    out = np.zeros(len(group), bool)
    out[order] = leads & (alone | (behind > _CLEAR * d + 0.02))
    return out


def _pieces(found: Detections, single: Indices, follower: Indices) -> list[Indices]:
    """Return the runs of followers, each as the detections' indices in order of time."""
    run = np.arange(len(found))
    linked = np.flatnonzero(follower >= 0)
    run[follower[linked]] = linked
    while not np.array_equal(earlier := run[run], run):  # each round doubles the distance to the predecessor
        run = earlier
    members = single[np.argsort(run[single], kind="stable")]
    return np.split(members, np.flatnonzero(np.diff(run[members])) + 1) if len(members) else []
