# SPDX-License-Identifier: GPL-3.0-or-later
"""Meetings: wherever people came so near each other that they may have been mixed up, who left is matched with who came.

What happens within a meeting says little: people hide each other, and detectors mix their keypoints. So for every person
before it and every person after it the likelihood is taken that they are the same, from what was seen outside: the
courses (`joining.affinity`) and the bodies, which are known by the lengths between all pairs of their keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..assignment import assign
from .bodies import Body, Habits
from .detections import Detections, Floats, Indices, distances, pairs
from .joining import Ends, affinity

_LEAST = 5  # detections of a person that can meet anybody
_NEAR = 0.25  # of the larger person's size, between the centres
_LULL = 0.4  # seconds apart that do not end a meeting
_SHORT = 3  # frames of a gap within which distances say enough
_HYSTERESIS = 0.5  # in log, for what linking found


@dataclass
class Meeting:
    """Some people (places in the list of chains) who are near each other from frame `start` to `end`."""

    start: int
    end: int
    people: set[int]


def untangle(found: Detections, chains: list[Indices], rate: float, usual: float) -> list[Indices]:
    """Return the people with identities exchanged after meetings where that is likelier by far.

    chains: each person's detections in order of time; usual: the median distance between neighbouring frames.
    """
    chains = list(chains)
    meetings = sorted(_meetings(found, chains, rate), key=lambda meeting: meeting.start)
    habits = Habits.of(found, _stretches(found, chains, meetings), rate)
    now = np.arange(len(chains))  # whose the rest of a chain is by now
    for meeting in meetings:
        people = np.unique(now[list(meeting.people)])
        before, after = _parted(found, chains, people, meeting)
        rows, columns = np.flatnonzero([len(b) > 0 for b in before]), np.flatnonzero([len(a) > 0 for a in after])
        if len(rows) < 2 and len(columns) < 2:
            continue
        cost = _same(found, [before[r] for r in rows], [after[c] for c in columns], rate, habits)
        moment = _moments(found, [chains[p] for p in people], meeting, usual, rate)
        successor = _successors(cost, rows, columns, moment)
        if successor:
            _exchange(found, chains, now, people, successor, meeting, moment)
    return [chain for chain in chains if len(chain)]


def _meetings(found: Detections, chains: list[Indices], rate: float) -> Iterator[Meeting]:
    """Yield the meetings; where a person is not seen, the place is taken from before and after."""
    frames, who, places = [], [], []
    for number, chain in enumerate(chains):
        if len(chain) < _LEAST:
            continue
        seen = found.frames[chain]
        every = np.arange(seen[0], seen[-1] + 1)
        values = np.c_[found.centres[chain], found.sizes[chain]]
        if len(every) > len(seen):
            values = np.stack([np.interp(every, seen, column) for column in values.T], 1)
        frames.append(every)
        who.append(np.full(len(every), number))
        places.append(values)
    if len(frames) < 2:
        return
    order = np.argsort(np.concatenate(frames), kind="stable")
    at, person, place = np.concatenate(frames)[order], np.concatenate(who)[order], np.concatenate(places)[order]
    i, j = pairs(at, 0)
    near = np.hypot(*(place[i, :2] - place[j, :2]).T) < _NEAR * np.maximum(place[i, 2], place[j, 2])
    i, j = i[near], j[near]
    if not len(i):
        return
    low, high = np.minimum(person[i], person[j]), np.maximum(person[i], person[j])
    order = np.lexsort((at[i], high, low))
    low, high, when = low[order], high[order], at[i][order]
    lull = max(1, round(_LULL * rate))
    new = np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (when[1:] - when[:-1] > lull)][: len(when)]
    starts = np.flatnonzero(new)
    ends = np.r_[starts[1:], len(when)] - 1
    runs = sorted(zip(when[starts].tolist(), when[ends].tolist(), low[starts].tolist(), high[starts].tolist(), strict=True))
    going: list[Meeting] = []
    for start, end, *two in runs:
        meeting = Meeting(start, end, set(two))
        still = []
        for other in going:
            if other.end + lull < start:
                yield other
            elif other.people & meeting.people:
                meeting = Meeting(other.start, max(other.end, meeting.end), other.people | meeting.people)
            else:
                still.append(other)
        going = [*still, meeting]
    yield from going


def _stretches(found: Detections, chains: list[Indices], meetings: list[Meeting]) -> list[Indices]:
    """Return the parts of chains between meetings."""
    cuts: dict[int, list[int]] = {}
    for meeting in meetings:
        for person in meeting.people:
            cuts.setdefault(person, []).extend((meeting.start, meeting.end + 1))
    out = []
    for person, chain in enumerate(chains):
        out += np.split(chain, np.searchsorted(found.frames[chain], cuts.get(person, [])))[::2]
    return out


def _parted(
    found: Detections, chains: list[Indices], people: Indices, meeting: Meeting
) -> tuple[list[Indices], list[Indices]]:
    """Return each person's detections before and after a meeting; none where they are too few to say anything."""
    before, after = [], []
    for person in people:
        chain = chains[person]
        first, last = np.searchsorted(found.frames[chain], [meeting.start, meeting.end + 1])
        before.append(chain[:first] if first >= _LEAST else chain[:0])
        after.append(chain[last:] if len(chain) - last >= _LEAST else chain[:0])
    return before, after


def _same(
    found: Detections, before: list[Indices], after: list[Indices], rate: float, habits: Habits
) -> Floats:
    """Return (before, after) log likelihoods of being two people, over those of being one."""
    i, j = (index.ravel() for index in np.indices((len(before), len(after))))
    if not len(i):
        return np.zeros((len(before), len(after)))
    cost = affinity(Ends.of(found, before, True, rate), Ends.of(found, after, False, rate), i, j, rate)
    known = [Body.of(found, part[::-1], rate) for part in before], [Body.of(found, part, rate) for part in after]
    cost += [known[0][a].unlike(known[1][b], habits) for a, b in zip(i, j, strict=True)]
    return cost.reshape(len(before), len(after))


@dataclass(frozen=True)
class _Moments:
    """When an exchange is least seen: frames (F,), and for each two people (K, K, F) how much worse linking gets by it.

    An exchange at frames[f] means that what is seen from then on is the other's.
    """

    frames: Indices
    worse: Floats


def _moments(found: Detections, chains: list[Indices], meeting: Meeting, usual: float, rate: float) -> _Moments:
    """Weigh an exchange at every frame of a meeting by the links that it cuts and makes."""
    frames = np.arange(meeting.start, meeting.end + 2)
    places = np.stack([np.searchsorted(found.frames[chain], frames) for chain in chains])
    last = np.stack([np.where(k > 0, chain[np.maximum(k - 1, 0)], -1) for k, chain in zip(places, chains, strict=True)])
    following = np.stack(
        [np.where(k < len(chain), chain[np.minimum(k, len(chain) - 1)], -1) for k, chain in zip(places, chains, strict=True)]
    )
    count = len(chains)
    i, j = (index.ravel() for index in np.indices((count, count)))
    one, two = last[i], following[j]
    exists = (one >= 0) & (two >= 0)
    gap = np.where(exists, found.frames[two] - found.frames[one], 0)
    links = np.zeros(one.shape)
    near = exists & (gap <= _SHORT)
    links[near] = np.minimum(distances(found, one[near], two[near]), 0.5) / ((usual + 0.01) * gap[near])
    links, exists, gap = (x.reshape(count, count, -1) for x in (links, exists, gap))
    out = np.zeros_like(links)
    for a in range(count):
        for b in range(a):
            two = np.ix_([a, b], [a, b])
            out[a, b] = links[a, b] + links[b, a] - links[a, a] - links[b, b]
            for f in np.flatnonzero((gap[two].max((0, 1)) > _SHORT)):
                # The same gap goes on: so does what it says.
                same = f > 0 and (places[[a, b], f] == places[[a, b], f - 1]).all()
                out[a, b, f] = out[a, b, f - 1] if same else _over_gap(found, [chains[a], chains[b]], places[[a, b], f], rate)
            out[b, a] = out[a, b]
    return _Moments(frames, out)


def _over_gap(found: Detections, two: list[Indices], places: Indices, rate: float) -> float:
    """Return how much worse two chains go on as each other from some places in them on, in log, by their courses alone."""
    heads = [chain[:k] for chain, k in zip(two, places, strict=True)]
    tails = [chain[k:] for chain, k in zip(two, places, strict=True)]
    i, j = np.array([[i, j] for i in (0, 1) for j in (0, 1) if len(heads[i]) and len(tails[j])]).T
    ends = Ends.of(found, [head if len(head) else two[0] for head in heads], True, rate)
    starts = Ends.of(found, [tail if len(tail) else two[0] for tail in tails], False, rate)
    cost = np.minimum(affinity(ends, starts, i, j, rate), 0.0)
    return float(cost[i != j].sum() - cost[i == j].sum())


def _successors(cost: Floats, rows: Indices, columns: Indices, moments: _Moments) -> dict[int, int]:
    """Return who (of those after) goes on as each of those before, where that is likelier than what is: else nothing."""
    table = np.full((len(rows), len(columns) + len(rows)), np.inf)
    table[np.arange(len(rows)), len(columns) + np.arange(len(rows))] = 0.0
    kept = 0.0
    for r, before in enumerate(rows):
        for c, after in enumerate(columns):
            if before == after:
                table[r, c] = min(cost[r, c], 0.0) - _HYSTERESIS
                kept += table[r, c]
            else:
                table[r, c] = cost[r, c] + max(float(moments.worse[before, after].min()), -2.0) / 2
    chosen = [(r, c) for r, c in assign(np.where(np.isfinite(table), table, 1e6)) if c < len(columns)]
    if sum(table[r, c] for r, c in chosen) >= kept - 1e-9:
        return {}
    return {int(rows[r]): int(columns[c]) for r, c in chosen}


def _exchange(
    found: Detections, chains: list[Indices], now: Indices, people: Indices, successor: dict[int, int],
    meeting: Meeting, moments: _Moments,
) -> None:  # fmt: skip
    """Exchange the people from the moment on at which it is least seen."""
    changed = [(a, b) for a, b in successor.items() if a != b]
    seen = sum((moments.worse[a, b] for a, b in changed), np.zeros(len(moments.frames)))
    at = [np.searchsorted(found.frames[chains[p]], moments.frames) for p in people]
    whole = set(range(len(people)))
    for b in whole - set(successor.values()):  # what comes of nobody is new from then on
        seen = seen + (len(chains[people[b]]) - at[b] == 0) * 0.0
    moment = int(seen.argmin())
    heads = {a: chains[people[a]][: at[a][moment]] for a in whole}
    tails = {a: chains[people[a]][at[a][moment] :] for a in whole}
    order = dict(successor)
    free = [a for a in whole if a not in order]
    for b in sorted(whole - set(order.values())):
        # A rest that goes on from nobody keeps its name where that is free.
        order[b if b in free else free[0]] = b
        free.remove(b if b in free else free[0])
    previous = now.copy()
    for a, b in order.items():
        chains[people[a]] = np.concatenate([heads[a], tails[b]])
        now[previous == people[b]] = people[a]
