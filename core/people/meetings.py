# SPDX-License-Identifier: GPL-3.0-or-later
"""Meetings: wherever people came so near each other that they may have been mixed up, who left is matched with who came.

What happens within a meeting says little: people hide each other, and detectors mix their keypoints. So for everybody before
it and everybody after it the likelihood is taken that they are one person (`evidence`), and people are exchanged where
another matching than what linking found is likelier in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..assignment import assign
from .bodies import Habits
from .detections import BLOCK, Detections, Floats, Indices, pairs
from .evidence import Evidence, Links
from .joining import Tempo

_LEAST = 5  # detections of a person that can meet anybody, and before or after a meeting that say something
_NEAR = 0.25  # of the larger person's size, between the centres
_LULL = 0.4  # seconds apart that do not end a meeting
_HYSTERESIS = 0.5  # in log, for what linking found
_DECIDED = 14.0  # in log: bodies cannot outweigh it


@dataclass
class Meeting:
    """Two people (places in the list of chains) who are near each other from frame `start` to `end`."""

    start: int
    end: int
    people: tuple[int, int]


def untangle(found: Detections, chains: list[Indices], tempo: Tempo, usual: float) -> list[Indices]:
    """Return the people with identities exchanged after meetings where that is likelier.

    chains: each person's detections in order of time; usual: the median distance between neighbouring frames.
    """
    chains, times = list(chains), [found.frames[chain] for chain in chains]
    meetings = sorted(_meetings(found, chains, tempo.rate), key=lambda meeting: meeting.start)
    habits = Habits.of(found, _stretches(chains, times, meetings), tempo.rate)
    now = np.arange(len(chains))  # whose the rest of a chain is by now
    for meeting in meetings:
        people = np.unique(now[list(meeting.people)])
        if len(people) < 2:
            continue
        links = Links.of(found, [chains[p] for p in people], [times[p] for p in people], meeting.start, meeting.end)
        before, after = np.flatnonzero(links.places[:, 0] >= _LEAST), np.flatnonzero(links.left >= _LEAST)
        if not len(before) or not len(after) or len(before) == len(after) == 1:
            continue
        evidence = Evidence.of(links, tempo, usual)
        successor = _successors(evidence, before, after, habits)
        if successor:
            _exchange(chains, times, now, people, successor, links.places[:, evidence.moment(successor)])
    return [chain for chain in chains if len(chain)]


def _meetings(found: Detections, chains: list[Indices], rate: float) -> Iterator[Meeting]:
    """Yield the meetings; where a person is not seen, the place is taken from before and after."""
    long = [(number, chain, found.frames[chain]) for number, chain in enumerate(chains) if len(chain) >= _LEAST]
    if len(long) < 2:
        return
    blocks = [_near(found, long, start, start + BLOCK) for start in range(0, found.length, BLOCK)]
    low, high, when = np.concatenate(blocks, axis=1)
    if not len(when):
        return
    order = np.lexsort((when, high, low))
    low, high, when = low[order], high[order], when[order]
    lull = max(1, round(_LULL * rate))
    new = np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (when[1:] - when[:-1] > lull)][: len(when)]
    starts = np.flatnonzero(new)
    ends = np.r_[starts[1:], len(when)] - 1
    for start, end in zip(starts, ends, strict=True):
        yield Meeting(int(when[start]), int(when[end]), (int(low[start]), int(high[start])))


def _near(found: Detections, chains: list[tuple[int, Indices, Indices]], start: int, stop: int) -> Indices:
    """Return (3, M) numbers of two people who are near each other, the lower first, and in which of some frames.

    chains: number, detections and their frames of each person.
    """
    frames, who, places = [start + np.arange(0)], [np.arange(0)], [np.zeros((0, 3))]
    for number, chain, seen in chains:
        every = np.arange(max(start, seen[0]), min(stop, seen[-1] + 1))
        if not len(every):
            continue
        first, after = np.searchsorted(seen, every[0], side="right") - 1, np.searchsorted(seen, every[-1]) + 1
        chain, seen = chain[first:after], seen[first:after]
        values = np.c_[found.centres[chain], found.sizes[chain]]
        if not np.array_equal(every, seen):
            values = np.stack([np.interp(every, seen, column) for column in values.T], 1)
        frames.append(every)
        who.append(np.full(len(every), number))
        places.append(values)
    order = np.argsort(np.concatenate(frames), kind="stable")
    at, person, place = np.concatenate(frames)[order], np.concatenate(who)[order], np.concatenate(places)[order]
    i, j = pairs(at, 0)
    near = np.hypot(*(place[i, :2] - place[j, :2]).T) < _NEAR * np.maximum(place[i, 2], place[j, 2])
    i, j = i[near], j[near]
    return np.stack([np.minimum(person[i], person[j]), np.maximum(person[i], person[j]), at[i]])


def _stretches(chains: list[Indices], times: list[Indices], meetings: list[Meeting]) -> list[Indices]:
    """Return the parts of chains between meetings."""
    cuts: dict[int, list[int]] = {}
    for meeting in meetings:
        for person in meeting.people:
            cuts.setdefault(person, []).extend((meeting.start, meeting.end + 1))
    out = []
    for person, chain in enumerate(chains):
        out += np.split(chain, np.searchsorted(times[person], cuts.get(person, [])))[::2]
    return out


def _successors(evidence: Evidence, before: Indices, after: Indices, habits: Habits) -> dict[int, int]:
    """Return who (of those after) goes on as whom (of those before) where not all stay who they are; else nothing.

    before, after: who was seen long enough to be judged by.
    """
    cost = _table(evidence, evidence.courses, before, after)
    keep = np.diag(cost)
    margin = cost + cost.T - keep - keep[:, None]
    if margin[~np.eye(len(cost), dtype=bool)].min() > _DECIDED:
        return {}
    cost = _table(evidence, evidence.courses + evidence.bodies(before, after, habits), before, after)
    successor = {a: b for a, b in assign(cost) if cost[a, b] < 0}
    if sum(cost[a, b] for a, b in successor.items()) >= np.diag(cost).sum() - 1e-9:
        return {}
    return successor


def _table(evidence: Evidence, cost: Floats, before: Indices, after: Indices) -> Floats:
    """Return (K, K) what it costs that each goes on as each; 0, as much as not going on, where that is unknown."""
    worse = np.maximum(evidence.worse.min(-1), -2.0) / 2
    out = np.zeros_like(cost)
    known = np.ix_(before, after)
    out[known] = np.minimum(cost + worse, 0.0)[known]
    both = np.intersect1d(before, after)
    out[both, both] = np.minimum(cost[both, both], 0.0) - _HYSTERESIS
    return out


def _exchange(
    chains: list[Indices], times: list[Indices], now: Indices, people: Indices, successor: dict[int, int], places: Indices
) -> None:
    """Exchange people, from the given places (K,) in their chains on."""
    order = dict(successor)
    everybody = set(range(len(people)))
    free = sorted(everybody - set(order))
    for b in sorted(everybody - set(order.values())):
        # Who goes on from nobody keeps the chain where that is free.
        a = b if b in free else free[0]
        free.remove(a)
        order[a] = b
    before, parts = now.copy(), [(chains[p][:k], chains[p][k:]) for p, k in zip(people, places, strict=True)]
    spans = [(times[p][:k], times[p][k:]) for p, k in zip(people, places, strict=True)]
    for a, b in order.items():
        chains[people[a]] = np.concatenate([parts[a][0], parts[b][1]])
        times[people[a]] = np.concatenate([spans[a][0], spans[b][1]])
        now[before == people[b]] = people[a]
