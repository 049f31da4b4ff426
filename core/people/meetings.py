# SPDX-License-Identifier: GPL-3.0-or-later
"""Meetings: wherever people came so near each other that they may have been mixed up, who left is matched with who came.

What happens within a meeting says little: people hide each other, and detectors mix their keypoints. So for every person
before it and every person after it the likelihood is taken that they are the same, from what was seen outside: the
courses (`joining.affinity`) and the bodies, which are known by the lengths between all pairs of their keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..assignment import assign
from .detections import Detections, Floats, Indices, Mask, distances, pairs
from .joining import Ends, affinity, student

_LEAST = 5  # detections of a person that can meet anybody
_NEAR = 0.25  # of the larger person's size, between the centres
_LULL = 0.4  # seconds apart that do not end a meeting
_SIGHT = 1.5  # seconds before and after that a body is known from
_SAMPLES = 24
_STEPS = 3.0  # samples per second that are news
_BODY = 3.0  # independent lengths that a body counts for
_SAME_LENGTH, _OTHER_LENGTH, _OTHER_SIZE = 0.015, 0.1, 0.15  # standard deviations, in log
_LOOKS, _PRIOR, _USUAL_CHANGE = 12, 4, 0.03  # at the clip, and as many as that for what is usual: log size per second
_HYSTERESIS = 1.0  # in log, for what linking found


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
    restless = _restlessness(found, chains, rate)
    now = np.arange(len(chains))  # whose the rest of a chain is by now
    for meeting in _meetings(found, chains, rate):
        people = np.unique(now[list(meeting.people)])
        before, after = _parted(found, chains, people, meeting)
        rows, columns = np.flatnonzero([len(b) > 0 for b in before]), np.flatnonzero([len(a) > 0 for a in after])
        if len(rows) < 2 and len(columns) < 2:
            continue
        cost = _same(found, [before[r] for r in rows], [after[c] for c in columns], rate, restless)
        moment = _moments(found, [chains[p] for p in people], meeting, usual)
        successor = _successors(cost, rows, columns, moment)
        if successor:
            _exchange(found, chains, now, people, successor, meeting, moment)
    return [chain for chain in chains if len(chain)]


def _meetings(found: Detections, chains: list[Indices], rate: float) -> Iterator[Meeting]:
    """Yield the meetings in order of time; where a person is not seen, the place is taken from before and after."""
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
    yield from sorted(going, key=lambda m: m.start)


def _parted(found: Detections, chains: list[Indices], people: Indices, meeting: Meeting) -> tuple[list[Indices], list[Indices]]:
    """Return each person's detections before and after a meeting; none where they are too few to say anything."""
    before, after = [], []
    for person in people:
        chain = chains[person]
        first, last = np.searchsorted(found.frames[chain], [meeting.start, meeting.end + 1])
        before.append(chain[:first] if first >= _LEAST else chain[:0])
        after.append(chain[last:] if len(chain) - last >= _LEAST else chain[:0])
    return before, after


def _same(found: Detections, before: list[Indices], after: list[Indices], rate: float, restless: float) -> Floats:
    """Return (before, after) log likelihoods of being two people, over those of being one."""
    i, j = (index.ravel() for index in np.indices((len(before), len(after))))
    if not len(i):
        return np.zeros((len(before), len(after)))
    cost = affinity(Ends.of(found, before, True, rate), Ends.of(found, after, False, rate), i, j, rate)
    known = [_Body.of(found, part[::-1], rate) for part in before], [_Body.of(found, part, rate) for part in after]
    cost += [known[0][a].unlike(known[1][b], restless) for a, b in zip(i, j, strict=True)]
    return cost.reshape(len(before), len(after))


@dataclass(frozen=True)
class _Body:
    """Log lengths between all pairs of keypoints: means, variances (inf where too seldom seen), and the time in seconds."""

    means: Floats
    variances: Floats
    news: Floats
    middle: float

    @classmethod
    def of(cls, found: Detections, members: Indices, rate: float) -> _Body:
        """Look at up to 1.5 s of a person's detections, the first of which is nearest to the meeting."""
        frames = found.frames[members]
        span = int(np.searchsorted(np.abs(frames - frames[0]), _SIGHT * rate, side="right"))
        chosen = np.unique(np.linspace(0, span - 1, min(span, _SAMPLES)).astype(int))
        keypoints, scores = found.keypoints[members[chosen]], found.scores[members[chosen]]
        one, two = np.triu_indices(scores.shape[1], 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = np.log(np.linalg.norm(keypoints[:, one] - keypoints[:, two], axis=-1))
        weight = np.where(np.isfinite(lengths), np.minimum(scores[:, one], scores[:, two]), 0.0)
        lengths = np.where(weight > 0, lengths, 0.0)
        total = np.maximum(weight.sum(0), 1e-9)
        means = (weight * lengths).sum(0) / total
        variances = (weight * (lengths - means) ** 2).sum(0) / total
        count = (weight > 0).sum(0)
        variances = np.where(count >= 3, variances, np.inf)
        news = np.clip(count / len(chosen) * _STEPS * span / rate, 1, None)
        return cls(means, variances, news, float(frames[chosen].mean()) / rate)

    def growth(self, other: _Body) -> float:
        """Return the log of how much larger another look at the same person is; 0 where that cannot be said."""
        known = np.isfinite(self.variances) & np.isfinite(other.variances)
        if not known.any():
            return 0.0
        change, unsure = self._change(other, known)
        return float(np.average(change, weights=1 / unsure))

    def _change(self, other: _Body, known: Mask) -> tuple[Floats, Floats]:
        """Return the changes of the known lengths, in log, and their variances for one and the same body."""
        unsure = self.variances / self.news + other.variances / other.news
        return (other.means - self.means)[known], unsure[known] + _SAME_LENGTH**2

    def unlike(self, other: _Body, restless: float) -> float:
        """Return the log likelihood of two bodies over that of one body.

        restless: standard deviation of the change of a person's size, in log, per second.
        """
        known = np.isfinite(self.variances) & np.isfinite(other.variances)
        if known.sum() < 3:
            return 0.0
        change, unsure = self._change(other, known)
        trust = 1 / unsure
        growth = float((trust * change).sum() / trust.sum())
        noise = _SAME_LENGTH**2 + (restless * (other.middle - self.middle)) ** 2
        # What all lengths share is size: it changes with the distance to the camera. The rest are proportions.
        return _odds(growth, noise, _OTHER_SIZE) + _BODY * float(
            (trust * _odds(change - growth, unsure, _OTHER_LENGTH)).sum() / trust.sum()
        )


def _odds(change: Any, noise: Any, other: float) -> Any:
    """Return the log likelihood of a change that noise and another person's being other explain, over that of noise alone."""
    two = noise + other**2
    return student(change**2, noise, 1) - student(change**2, two, 1)


def _restlessness(found: Detections, chains: list[Indices], rate: float) -> float:
    """Return how much people's sizes change in this clip, in log per second: from some looks that are two seconds apart."""
    apart, sight = round(2 * rate), round(_SIGHT * rate)
    long = [chain for chain in chains if len(chain) >= apart + 2 * sight]
    changes = [2 * _USUAL_CHANGE] * _PRIOR
    for chain in long[:_LOOKS]:
        for at in np.linspace(0, len(chain) - apart - sight, max(2, _LOOKS // len(long))).astype(int):
            one, two = (_Body.of(found, chain[k : k + sight], rate) for k in (at, at + apart))
            changes.append(abs(one.growth(two)))
    return float(np.median(changes)) / 2 * 1.5


@dataclass(frozen=True)
class _Moments:
    """When an exchange is least seen: frames (F,), and for each two people (K, K, F) how much worse linking gets by it.

    An exchange at frames[f] means that what is seen from then on is the other's.
    """

    frames: Indices
    worse: Floats


def _moments(found: Detections, chains: list[Indices], meeting: Meeting, usual: float) -> _Moments:
    """Weigh an exchange at every frame of a meeting by the links that it cuts and makes."""
    frames = np.arange(meeting.start, meeting.end + 2)
    last, following = [], []
    for chain in chains:
        place = np.searchsorted(found.frames[chain], frames)
        last.append(np.where(place > 0, chain[np.maximum(place - 1, 0)], -1))
        following.append(np.where(place < len(chain), chain[np.minimum(place, len(chain) - 1)], -1))
    count = len(chains)
    i, j = (index.ravel() for index in np.indices((count, count)))
    one, two = np.stack(last)[i].ravel(), np.stack(following)[j].ravel()
    exists = (one >= 0) & (two >= 0)
    gap = found.frames[two] - found.frames[one]
    linked = exists & (gap <= 3)
    strength = np.zeros(len(one))
    apart = np.minimum(distances(found, one[linked], two[linked]), 0.5)
    strength[linked] = apart / ((usual + 0.01) * gap[linked])
    strength = strength.reshape(count, count, len(frames))
    linked = linked.reshape(strength.shape)
    kept = np.einsum("iif->if", strength)
    both = np.einsum("iif->if", linked)
    out = np.zeros_like(strength)
    for a in range(count):
        for b in range(a):
            whole = linked[a, b] * both[a], linked[b, a] * both[b]
            worse = whole[0] * (strength[a, b] - kept[a]) + whole[1] * (strength[b, a] - kept[b])
            out[a, b] = out[b, a] = worse
    return _Moments(frames, out)


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
