# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing people of a clip, and repairing identities by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from poselift.core.errors import SettingsError, TrackError
from poselift.core.layouts import BODY_25, COCO_17
from poselift.core.people import PersonSummary, best_first, choose, parse_stitches, stitch, summaries, swap
from poselift.core.track import KeypointTrack


def person(name: str, seen: range, value: float, score: float = 0.5, frames: int = 20, **more: object) -> KeypointTrack:
    """Return a track with all x at `value` and y from 0 to 30 in the frames `seen`."""
    keypoints = np.full((frames, 25, 2), np.nan)
    keypoints[seen] = np.stack([np.full(25, value), np.linspace(0, 30, 25)], 1)
    scores = np.zeros((frames, 25))
    scores[seen] = score
    return KeypointTrack(keypoints, scores, BODY_25, person=name, **{"source": "clip", "first_frame": 100, **more})


def clip() -> list[KeypointTrack]:
    return [person("1", range(12), 1.0), person("2", range(20), 2.0, 0.1), person("3", range(13, 20), 3.0)]


def names(tracks: list[KeypointTrack]) -> list[str]:
    return [track.person for track in tracks]


def test_summaries_say_when_how_large_and_how_surely_people_are_seen() -> None:
    one, _, three, nobody = summaries([*clip(), person("4", range(0), 0.0)])
    assert one == PersonSummary("1", 0.6, 100, 111, 30.0, pytest.approx(0.5))
    assert (three.first, three.last, three.coverage) == (113, 119, pytest.approx(0.35))
    assert nobody == PersonSummary("4", 0.0, None, None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("want", "chosen"),
    [("best", ["1"]), ("Best", ["1"]), ("all", ["1", "2", "3"]), ("2", ["2"]), ("3, 1", ["3", "1"]), ("1,1", ["1"])],
)
def test_people_are_chosen_by_what_is_wanted(want: str, chosen: list[str]) -> None:
    assert names(choose(clip(), want)) == chosen


def test_a_name_with_a_comma_is_one_name() -> None:
    assert names(choose([person("Doe, J", range(3), 0.0), *clip()], "Doe, J")) == ["Doe, J"]


@pytest.mark.parametrize("want", ["4", "", "1,4", "1,,2"])
def test_a_person_that_is_not_there_is_answered_with_those_who_are(want: str) -> None:
    with pytest.raises(SettingsError, match=r"no person '4?'; people are 1, 2, 3"):
        choose(clip(), want)


def test_nobody_can_be_chosen_from_nobody() -> None:
    with pytest.raises(TrackError, match="no people"):
        choose([], "best")


def test_stitching_gives_one_person_with_the_frames_of_both() -> None:
    tracks = clip()
    stitched = stitch(tracks, "1", "3")
    assert names(stitched) == ["1", "2"]
    assert np.nanmax(stitched[0].keypoints[:12, :, 0]) == 1.0
    assert np.isnan(stitched[0].keypoints[12]).all()
    assert np.nanmin(stitched[0].keypoints[13:, :, 0]) == 3.0
    assert any("7 frames of person 3 to person 1" in note for note in stitched[0].notes)
    assert names(tracks) == ["1", "2", "3"] and not tracks[0].notes
    assert names(stitch(tracks, "3", "1")) == ["3", "2"]


def test_where_both_pieces_are_seen_the_surer_one_counts() -> None:
    one, two = person("1", range(12), 1.0, 0.5), person("2", range(11, 20), 2.0, 0.9)
    assert np.nanmax(stitch([one, two], "1", "2")[0].keypoints[:11, :, 0]) == 1.0
    assert stitch([one, two], "1", "2")[0].keypoints[11, 0, 0] == 2.0
    assert stitch([two, one], "2", "1")[0].keypoints[11, 0, 0] == 2.0


def test_people_who_are_seen_together_are_not_stitched() -> None:
    with pytest.raises(TrackError, match="people 1 and 2 are both seen in 12 frames, 100%"):
        stitch(clip(), "1", "2")


def test_the_order_after_stitching_is_that_of_who_is_best_seen() -> None:
    tracks = [person("1", range(10), 1.0), person("2", range(9), 2.0), person("3", range(9, 20), 3.0)]
    assert names(stitch(tracks, "2", "3")) == ["2", "1"]
    assert names(best_first(tracks[::-1])) == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (person("2", range(13, 20), 2.0, frames=21), "lengths"),
        (person("2", range(13, 20), 2.0, fps=Fraction(25)), "frame rates"),
        (person("2", range(13, 20), 2.0, first_frame=0), "first frames"),
        (KeypointTrack(np.ones((20, 17, 2)), np.ones((20, 17)), COCO_17, person="2", first_frame=100), "layouts"),
    ],
)
def test_pieces_of_different_clips_are_not_put_together(other: KeypointTrack, what: str) -> None:
    tracks = [person("1", range(12), 1.0), other]
    for repair in (lambda: stitch(tracks, "1", "2"), lambda: swap(tracks, "1", "2", 105)):
        with pytest.raises(TrackError, match=what):
            repair()


def test_a_person_is_not_put_together_with_itself() -> None:
    with pytest.raises(TrackError, match="itself"):
        stitch(clip(), "1", "1")
    with pytest.raises(SettingsError, match="no person '7'"):
        stitch(clip(), "1", "7")


def test_two_people_are_exchanged_from_a_frame_on() -> None:
    swapped = swap(clip(), "1", "2", 105)
    assert names(swapped) == ["1", "2", "3"]
    assert (swapped[0].keypoints[:5, 0, 0] == 1).all() and (swapped[0].keypoints[5:, 0, 0] == 2).all()
    assert (swapped[1].keypoints[:5, 0, 0] == 2).all() and (swapped[1].keypoints[5:12, 0, 0] == 1).all()
    assert np.isnan(swapped[1].keypoints[12:]).all()
    assert any("from frame 105 on" in note for note in swapped[1].notes)
    again = swap(swapped, "2", "1", 105)
    for track, before in zip(again, clip(), strict=True):
        assert np.array_equal(track.keypoints, before.keypoints, equal_nan=True)


@pytest.mark.parametrize("frame", [99, 120])
def test_there_is_no_exchange_outside_the_clip(frame: int) -> None:
    with pytest.raises(TrackError, match="frames are 100 to 119"):
        swap(clip(), "1", "2", frame)


def test_stitches_are_written_with_plus_signs() -> None:
    assert parse_stitches("1+3") == [("1", "3")]
    assert parse_stitches("1+3+4, 2 + 5") == [("1", "3"), ("1", "4"), ("2", "5")]
    for text in ("", "1", "1+", "+1", "1+2,"):
        with pytest.raises(SettingsError, match=r"1\+3"):
            parse_stitches(text)
