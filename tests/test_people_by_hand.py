# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing people and repairing identities by hand."""

from __future__ import annotations

import make_clip
import numpy as np
import pytest

from poselift.core.errors import SettingsError, TrackError
from poselift.core.layouts import BODY_25, with_parts
from poselift.core.people import choose, parse_stitches, stitch, summaries, swap
from poselift.core.track import KeypointTrack

FRAMES = 40


def person(name: str, seen: slice = slice(None), shift: float = 0.0, score: float = 0.8) -> KeypointTrack:
    keypoints = make_clip.true_keypoints(make_clip.body_points(*make_clip.animate(FRAMES, 30)), BODY_25) + shift
    scores = np.zeros(keypoints.shape[:2])
    scores[seen] = score
    return KeypointTrack(keypoints, scores, BODY_25, person=name, source="clip", first_frame=10)


def test_a_summary_says_when_how_large_and_how_sure() -> None:
    (about,) = summaries([person("7", slice(4, 24), score=0.6)])
    assert (about.name, about.first, about.last) == ("7", 14, 33)
    assert (about.coverage, about.score) == (0.5, pytest.approx(0.6))
    whole = person("7", slice(4, 24)).keypoints[4:24]
    expected = np.median(np.linalg.norm(whole.max(1) - whole.min(1), axis=-1))
    assert about.size == pytest.approx(expected)


def test_hands_and_face_do_not_make_a_person_larger() -> None:
    track = person("1")
    layout = with_parts(BODY_25, True, 70)
    far = np.full((FRAMES, len(layout) - 25, 2), 5000.0)
    large = track.replace(
        keypoints=np.concatenate([track.keypoints, far], 1), scores=np.full((FRAMES, len(layout)), 0.8), skeleton=layout
    )
    assert summaries([large])[0].size == pytest.approx(summaries([track])[0].size)


@pytest.mark.parametrize(
    ("want", "names"),
    [("best", ["b"]), ("all", ["b", "a, c", "d"]), ("d,b", ["d", "b"]), ("a, c", ["a, c"]), (["d"], ["d"]), ("b,b", ["b"])],
)
def test_one_several_or_all_can_be_chosen(want, names) -> None:
    tracks = [person(name) for name in ("b", "a, c", "d")]
    assert [track.person for track in choose(tracks, want)] == names


@pytest.mark.parametrize("want", ["e", "b,e", ",", ["e"]])
def test_nobody_of_that_name_names_those_there_are(want) -> None:
    with pytest.raises(SettingsError, match="people are b, d"):
        choose([person("b"), person("d")], want)


def test_two_pieces_become_one_person_frame_by_frame() -> None:
    early, late = person("1", slice(0, 22), score=0.5), person("2", slice(20, 40), shift=3.0)
    other = person("3")
    joined = stitch([early, other, late], "1", "2")
    assert sorted(track.person for track in joined) == ["1", "3"]
    one = next(track for track in joined if track.person == "1")
    assert one.observed.all()
    np.testing.assert_array_equal(one.keypoints[:20], early.keypoints[:20])
    np.testing.assert_array_equal(one.keypoints[20:], late.keypoints[20:])
    assert any("stitched" in note for note in one.notes)


def test_people_seen_together_are_not_one() -> None:
    with pytest.raises(TrackError, match="both seen in 20 frames"):
        stitch([person("1", slice(0, 30)), person("2", slice(10, 40))], "1", "2")
    with pytest.raises(TrackError, match="with itself"):
        stitch([person("1")], "1", "1")


def test_two_people_are_exchanged_from_a_frame_on_and_back() -> None:
    one, two = person("1"), person("2", slice(5, 40), shift=500)
    swapped = swap([one, two], "1", "2", 25)
    np.testing.assert_array_equal(swapped[0].keypoints[:15], one.keypoints[:15])
    np.testing.assert_array_equal(swapped[0].keypoints[15:], two.keypoints[15:])
    back = swap(swapped, "2", "1", 25)
    for track, original in zip(back, (one, two), strict=True):
        np.testing.assert_array_equal(track.keypoints, original.keypoints)
    for frame in (9, 50):
        with pytest.raises(TrackError, match="frames are 10 to 49"):
            swap([one, two], "1", "2", frame)


def test_stitches_are_written_with_a_plus() -> None:
    assert parse_stitches("1+3,a b + c + d") == [("1", "3"), ("a b", "c"), ("a b", "d")]
    for wrong in ("1", "+2", "1+"):
        with pytest.raises(SettingsError):
            parse_stitches(wrong)
