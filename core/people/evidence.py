# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence: what speaks for and against people having been exchanged in a meeting.

From within the meeting: which links an exchange would cut and which it would make, at the frame where it does least harm.
From before and after it: the courses (`joining.affinity`), and the bodies (`bodies`), which only matter where courses leave
doubt, as they take longer to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .bodies import Body, Habits
from .detections import Detections, Floats, Indices, distances
from .joining import Ends, Tempo, affinity

_SHORT = 3  # frames of a gap within which distances say enough
_FAR = 0.5  # of the size: farther is not worse


@dataclass(frozen=True)
class Links:
    """K people's chains in a meeting: at each of its frames (F,) and the one after, how many of a chain's detections came
    before, `places` (K, F); how many come after the meeting, `left` (K,)."""

    found: Detections
    chains: list[Indices]
    places: Indices
    left: Indices

    @classmethod
    def of(cls, found: Detections, chains: list[Indices], times: list[Indices], start: int, end: int) -> Links:
        """Look the frames up in the chains' times."""
        frames = np.arange(start, end + 2)
        places = np.stack([np.searchsorted(time, frames) for time in times])
        return cls(found, chains, places, np.array([len(chain) for chain in chains]) - places[:, -1])

    def neighbours(self) -> tuple[Indices, Indices]:
        """Return each chain's last detection before each frame and its first from it on, (K, F), -1 where there is none."""
        last, following = np.full(self.places.shape, -1), np.full(self.places.shape, -1)
        for row, (chain, place) in enumerate(zip(self.chains, self.places, strict=True)):
            last[row, place > 0] = chain[place[place > 0] - 1]
            following[row, place < len(chain)] = chain[place[place < len(chain)]]
        return last, following


@dataclass(frozen=True)
class Evidence:
    """Log likelihoods of being two people over those of being one.

    courses: (K, K) that who came before the meeting left it as each. worse: (K, K, F) how much worse the links get where two
    people are exchanged from a frame of the meeting on.
    """

    links: Links
    tempo: Tempo
    courses: Floats
    worse: Floats

    @classmethod
    def of(cls, links: Links, tempo: Tempo, usual: float) -> Evidence:
        """Weigh links and courses. usual: the median distance between neighbouring frames."""
        found, (last, following) = links.found, links.neighbours()
        count = len(links.chains)
        i, j = (index.ravel() for index in np.indices((count, count)))
        one, two = last[i], following[j]
        exists = (one >= 0) & (two >= 0)
        gap = np.where(exists, found.frames[two] - found.frames[one], 0)
        near = exists & (gap <= _SHORT)
        cost = np.zeros(gap.shape)
        cost[near] = np.minimum(distances(found, one[near], two[near]), _FAR) / ((usual + 0.01) * gap[near])
        cost, gap = cost.reshape(count, count, -1), gap.reshape(count, count, -1)
        long = np.flatnonzero(gap.max((0, 1)) > _SHORT)
        # The same gaps go on for some frames: so does what they say.
        states, state = np.unique(links.places[:, long], axis=1, return_inverse=True)
        courses, over = _courses(links, states, tempo)
        over = over[..., state.ravel()]
        worse = np.zeros_like(cost)
        for a in range(count):
            for b in range(a):
                harm = cost[a, b] + cost[b, a] - cost[a, a] - cost[b, b]
                by_course = over[a, b] + over[b, a] - over[a, a] - over[b, b]
                here = gap[np.ix_([a, b], [a, b])].max((0, 1))[long] > _SHORT
                harm[long[here]] = by_course[here]
                worse[a, b] = worse[b, a] = harm
        return cls(links, tempo, courses, worse)

    def bodies(self, before: Indices, after: Indices, habits: Habits) -> Floats:
        """Return (K, K) what the bodies say of each of `before` being each of `after`, and 0 for others."""
        out = np.zeros_like(self.courses)
        found, chains, places = self.links.found, self.links.chains, self.links.places
        earlier = [Body.of(found, chains[a][: places[a, 0]], self.tempo.rate, last=True) for a in before]
        later = [Body.of(found, chains[b][places[b, -1] :], self.tempo.rate, last=False) for b in after]
        for a, one in zip(before, earlier, strict=True):
            for b, two in zip(after, later, strict=True):
                out[a, b] = one.unlike(two, habits)
        return out

    def moment(self, successor: Mapping[int, int]) -> int:
        """Return the place of the frame from which on an exchange does least harm."""
        return int(sum(self.worse[a, b] for a, b in successor.items() if a != b).argmin())


def _courses(links: Links, states: Indices, tempo: Tempo) -> tuple[Floats, Floats]:
    """Return (K, K) log likelihoods over the whole meeting, and (K, K, S), 0 at most, over places (K, S) in the chains.

    They are 0 where nobody comes before or after. All are looked at in one go.
    """
    count, many = states.shape
    cuts = [np.c_[states, links.places[:, -1 if tail else 0]] for tail in (False, True)]
    heads = [(a, s, links.chains[a][:k]) for a, row in enumerate(cuts[0].tolist()) for s, k in enumerate(row) if k]
    tails = [(b, s, chain[k:]) for b, chain in enumerate(links.chains) for s, k in enumerate(cuts[1][b]) if k < len(chain)]
    out = np.zeros((count, count, many + 1))
    if heads and tails:
        a, s = np.array([head[:2] for head in heads]).T
        b, t = np.array([tail[:2] for tail in tails]).T
        i, j = np.nonzero(s[:, None] == t)
        ends = Ends.of(links.found, [part for *_, part in heads], True, tempo)
        starts = Ends.of(links.found, [part for *_, part in tails], False, tempo)
        out[a[i], b[j], s[i]] = affinity(ends, starts, i, j, tempo)
    return out[..., -1], np.minimum(out[..., :-1], 0.0)
