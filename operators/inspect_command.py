# SPDX-License-Identifier: GPL-3.0-or-later
"""`poselift inspect`: what keypoint files are, without lifting them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..core.errors import PoseliftError
from ..core.people import PersonSummary, summaries
from ..core.track import KeypointTrack
from .lift_task import read_people
from .sources import detect_format, find_clips
from .terminal import DONE, FAILED, advancing, progress_bar, say, show


def inspect_inputs(options: argparse.Namespace) -> int:
    """Print what each input holds; return the exit status."""
    found: list[dict[str, Any]] = []
    failed = 0
    for name in options.inputs:
        try:
            for clip in find_clips(Path(name)):
                kind = detect_format(clip) if options.format == "auto" else options.format
                with progress_bar(clip.name, 1.0, "clip", bits=True) as bar:
                    tracks = read_people(clip, options, advancing(bar))
                people = [_describe(track, about) for track, about in _known(tracks)]
                found.append({"source": str(clip), "format": kind, "people": people})
        except PoseliftError as error:
            failed += 1
            found.append({"source": name, "error": str(error)})
            say(f"poselift: {error}")
    if options.json:
        show(json.dumps(found, indent=1))
    else:
        show("\n".join(line for clip in found if "people" in clip for line in _lines(clip)))
    return FAILED if failed else DONE


def _known(tracks: list[KeypointTrack]) -> list[tuple[KeypointTrack, PersonSummary]]:
    return list(zip(tracks, summaries(tracks), strict=True))


def _describe(track: KeypointTrack, about: PersonSummary) -> dict[str, Any]:
    return {
        "person": track.person,
        "layout": track.skeleton.name,
        "frames": len(track),
        "first_frame": track.first_frame,
        "fps": None if track.fps is None else str(track.fps),
        "image_size": track.image_size,
        "frames_seen": int(track.observed.any(1).sum()),
        "keypoints_missing": round(float(1 - track.observed.mean()), 4),
        "mean_score": round(about.score, 4),
        "size": round(about.size, 1),
        "notes": list(track.notes),
    }


def _lines(clip: dict[str, Any]) -> list[str]:
    first = clip["people"][0]
    size = "x".join(map(str, first["image_size"])) if first["image_size"] else "unknown image size"
    rate = f"{first['fps']} fps" if first["fps"] else "unknown frame rate"
    lines = [f"{clip['source']}: {clip['format']}, layout {first['layout']}, {first['frames']} frames, {rate}, {size}"]
    lines += [
        f"  person {person['person']}: seen in {person['frames_seen']} frames, "
        f"{100 * person['keypoints_missing']:.1f} % of keypoints missing, mean score {person['mean_score']:.2f}, "
        f"{person['size']:.0f} px large"
        for person in clip["people"]
    ]
    return lines + [f"  {note}" for note in dict.fromkeys(note for person in clip["people"] for note in person["notes"])]
