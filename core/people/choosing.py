# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing people, and repairing by hand what linking got wrong: two pieces of one person, two people exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError, TrackError
from ..layouts import body_count
from ..track import KeypointTrack
from .detections import Detections, Floats, Mask

MAX_OVERLAP = 0.2
"""Share of the shorter piece's frames in which both may be seen for them to be taken for one person."""


@dataclass(frozen=True)
class PersonSummary:
    """One line of a list of people.

    coverage: share of the clip's frames in which anything of the person is seen; first, last: numbers, in the source, of the
    first and last such frames, None where there are none; size: median diagonal of the box around the keypoints, pixels;
    score: mean of the keypoints that are seen.
    """

    name: str
    coverage: float
    first: int | None
    last: int | None
    size: float
    score: float


def summaries(tracks: list[KeypointTrack]) -> list[PersonSummary]:
    """Return what to show of each person."""
    return [_summary(track) for track in tracks]


def _summary(track: KeypointTrack) -> PersonSummary:
    frames = np.flatnonzero(track.observed.any(1))
    if not len(frames):
        return PersonSummary(track.person, 0.0, None, None, 0.0, 0.0)
    first, last = (track.first_frame + int(frames[k]) for k in (0, -1))
    score = float(track.scores.sum() / np.count_nonzero(track.scores))
    return PersonSummary(track.person, len(frames) / len(track), first, last, float(np.median(_sizes(track)[frames])), score)


def best_first(tracks: list[KeypointTrack]) -> list[KeypointTrack]:
    """Return tracks in the order of how well their people are seen: for long, surely, and large."""
    return sorted(tracks, key=lambda track: -_prominence(track))


def choose(tracks: list[KeypointTrack], want: str | Sequence[str]) -> list[KeypointTrack]:
    """Return the people that are wanted: "best" (the first), "all", a name, several names with commas between, or a list.

    Raises `SettingsError`, naming the people there are, where there is no such person, and `TrackError` where there is
    nobody at all.
    """
    if not tracks:
        raise TrackError("there are no people to choose from; give another file.")
    if not isinstance(want, str):
        return [_named(tracks, name) for name in dict.fromkeys(want)]
    if want.strip().casefold() == "all":
        return list(tracks)
    if want.strip().casefold() == "best":
        return tracks[:1]
    named = {track.person: track for track in tracks}
    names = [want] if want in named else list(dict.fromkeys(name.strip() for name in want.split(",")))
    return [_named(tracks, name) for name in names]


def parse_stitches(text: str) -> list[tuple[str, str]]:
    """Return which people are to be stitched to which: "1+3" is [("1", "3")], "1+3+4,2+5" also 4 to 1 and 5 to 2.

    Raises `SettingsError` where it is written otherwise.
    """
    pairs = []
    for group in text.split(","):
        first, *others = (name.strip() for name in group.split("+"))
        if not first or not others or not all(others):
            raise SettingsError(f"'{group.strip()}' says not whom to stitch to whom; write 1+3, or 1+3,2+5 for several.")
        pairs += [(first, other) for other in others]
    return pairs


def stitch(tracks: list[KeypointTrack], first: str, second: str) -> list[KeypointTrack]:
    """Join two pieces that are one person, who keeps the name `first`; return all people, best seen first.

    Frames in which one piece alone is seen are taken from it; where both are, from the one with the higher total score.
    Raises `SettingsError` where there is no such person, `TrackError` where the pieces do not belong to one clip or are both
    seen in more than a fifth of the shorter one's frames.
    """
    one, two = _named(tracks, first), _named(tracks, second)
    _check_pair(one, two)
    seen, also = one.observed.any(1), two.observed.any(1)
    both, shorter = int((seen & also).sum()), int(min(seen.sum(), also.sum()))
    if both > MAX_OVERLAP * shorter:
        raise TrackError(
            f"{one.source or 'track'}: people {first} and {second} are both seen in {both} frames, {both / shorter:.0%} of the "
            f"shorter one's, so they are two people; stitch pieces that follow each other."
        )
    take = also & (~seen | (two.scores.sum(1) > one.scores.sum(1)))
    note = f"stitched by hand: {int(take.sum())} frames of person {second} to person {first}."
    joined = _mixed(one, two, take, (*dict.fromkeys((*one.notes, *two.notes)), note))
    return best_first([joined if track is one else track for track in tracks if track is not two])


def swap(tracks: list[KeypointTrack], a: str, b: str, frame: int) -> list[KeypointTrack]:
    """Exchange two people from a frame (its number in the source) on, who keep their places in the list; return all people.

    Raises `SettingsError` where there is no such person, `TrackError` where the clip has no such frame.
    """
    one, two = _named(tracks, a), _named(tracks, b)
    _check_pair(one, two)
    start = frame - one.first_frame
    if not 0 <= start < len(one):
        last = one.first_frame + len(one) - 1
        raise TrackError(f"{one.source or 'track'}: there is no frame {frame}; frames are {one.first_frame} to {last}.")
    take = np.arange(len(one)) >= start
    note = f"exchanged by hand from frame {frame} on: people {a} and {b}."
    changed = {a: _mixed(one, two, take, (*one.notes, note)), b: _mixed(two, one, take, (*two.notes, note))}
    return [changed.get(track.person, track) for track in tracks]


def _named(tracks: list[KeypointTrack], name: str) -> KeypointTrack:
    for track in tracks:
        if track.person == name:
            return track
    source = f"{tracks[0].source}: " if tracks and tracks[0].source else ""
    raise SettingsError(f"{source}there is no person '{name}'; people are {', '.join(t.person for t in tracks) or 'none'}.")


def _check_pair(one: KeypointTrack, two: KeypointTrack) -> None:
    """Raise `TrackError` unless two tracks are two people of one clip."""
    if one is two:
        raise TrackError(f"{one.label}: a person cannot be put together with itself; name two people.")
    same_times = one.times is two.times or (
        one.times is not None and two.times is not None and np.array_equal(one.times, two.times)
    )
    for what, same in (
        ("lengths", len(one) == len(two)),
        ("layouts", one.skeleton == two.skeleton),
        ("frame rates", one.fps == two.fps and same_times),
        ("first frames", one.first_frame == two.first_frame),
    ):
        if not same:
            raise TrackError(f"{one.label} and person {two.person} have different {what}; give people of one clip.")


def _mixed(one: KeypointTrack, two: KeypointTrack, take: Mask, notes: tuple[str, ...]) -> KeypointTrack:
    """Return `one` with the frames `take` (T,) from `two`."""
    keypoints = np.where(take[:, None, None], two.keypoints, one.keypoints)
    return one.replace(keypoints=keypoints, scores=np.where(take[:, None], two.scores, one.scores), notes=notes)


def _sizes(track: KeypointTrack) -> Floats:
    body = body_count(track.skeleton)
    return Detections(track.keypoints[:, :body], track.scores[:, :body], np.arange(len(track)), len(track)).sizes


def _prominence(track: KeypointTrack) -> float:
    seen = track.observed.any(1)
    return prominence(track.scores.sum(1)[seen], _sizes(track)[seen])


def prominence(totals: Floats, sizes: Floats) -> float:
    """Return how well a person is seen, from the total scores and sizes in the frames where it is."""
    return float(totals.sum() * np.median(sizes)) if len(totals) else 0.0
