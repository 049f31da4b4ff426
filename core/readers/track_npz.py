# SPDX-License-Identifier: GPL-3.0-or-later
"""Poselift's own track `.npz` (the design's interchange format), never pickled.

keypoints (T, J, 2) or (P, T, J, 2) pixels, NaN where missing; scores (T, J) or (P, T, J); joint_names (J,); fps;
image_size (width, height); optional: fps_fraction (2,), times (T,), camera_matrix (3, 3), distortion, distortion_model (of
`core/distortion.py`, where it is not OpenCV's), persons (P,), first_frame, parents (J,).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..camera import Intrinsics
from ..errors import CameraError, ReadError, TrackError
from ..output import save_npz
from ..track import KeypointTrack, exact_rate
from .numpy_files import load_archive, members
from .reading import Reading, Request
from .source import Source

KINDS = {"keypoints": "f", "scores": "f", "joint_names": "U", "fps": "f", "fps_fraction": "i", "image_size": "f"}
KINDS |= {"times": "f", "camera_matrix": "f", "distortion": "f", "persons": "U", "first_frame": "i", "parents": "i"}
KINDS |= {"distortion_model": "U"}
"""The arrays of a track, and what each is of (see `numpy_files.load_archive`)."""


def recognise(source: Source) -> bool:
    """Tell whether a file is an archive of arrays with `keypoints` and the joints' names among them."""
    return source.is_zip and {"keypoints", "joint_names"} <= set(members(source.path))


def read(path: Path, request: Request) -> Reading:
    """Read a track file.

    Raises `ReadError` with the file and array at fault.
    """
    data = load_archive(path, KINDS)
    if "joint_names" not in data and request.layout == "auto":
        raise ReadError("no array 'joint_names'; name the layout.", path)
    return reading(data, path, shares=False)


def reading(data: dict[str, NDArray], path: Path, shares: bool | None) -> Reading:
    """Return what arrays under the names of a track say; those of joints and scores may be absent. Raises `ReadError`."""
    keypoints, scores, notes = _points(data, path)
    people, length, count = scores.shape
    first = int(_numbers(data, "first_frame", 1, path, "one number")[0]) if "first_frame" in data else 0
    names = data.get("persons", np.arange(1, people + 1).astype(str))
    if names.shape != (people,):
        raise ReadError(f"shape {names.shape}, but there are {people} people.", path, "persons")
    joints, parents = _joints(data, count, path)
    size = _image_size(data, path)
    times = data.get("times")
    if times is not None and times.shape != (length,):
        raise ReadError(f"shape {times.shape}, but there are {length} frames.", path, "times")
    # One detection per frame and person, frame by frame, each with the person's name: nothing is left to link.
    return Reading(
        keypoints.swapaxes(0, 1).reshape(-1, count, 2),
        scores.swapaxes(0, 1).reshape(-1, count),
        first + np.repeat(np.arange(length), people),
        first + np.arange(length),
        identities=[str(name) for name in names] * length,
        joint_names=joints,
        parents=parents,
        shares=shares,
        fps=_rate(data, path),
        image_size=size,
        times=times,
        intrinsics=_camera(data, size, path),
        notes=notes,
    )


def read_intrinsics(path: Path) -> Intrinsics | None:
    """Return the camera of a track or motion file, None where it has none. Raises `ReadError` as `read` does."""
    data = load_archive(path, KINDS)
    return _camera(data, _image_size(data, path), path)


def _points(data: dict[str, NDArray], path: Path) -> tuple[NDArray, NDArray, list[str]]:
    """Return keypoints (P, T, J, 2), scores (P, T, J) and notes."""
    if "keypoints" not in data:
        raise ReadError("no array 'keypoints': this is not a keypoint track.", path)
    shape = data["keypoints"].shape
    if len(shape) not in (3, 4) or shape[-1] != 2 or 0 in shape:
        raise ReadError(f"shape {shape}, but (frames, joints, 2) or (people, frames, joints, 2) is needed.", path, "keypoints")
    given = data.get("scores", np.ones(shape[:-1]))
    if given.shape != shape[:-1]:
        raise ReadError(f"shape {given.shape} does not fit keypoints of shape {shape}.", path, "scores")
    notes = [] if "scores" in data else ["the file has no scores: every keypoint counts fully."]
    keypoints = data["keypoints"]
    return (keypoints, given, notes) if len(shape) == 4 else (keypoints[None], given[None], notes)


def write(path: Path, tracks: Sequence[KeypointTrack]) -> None:
    """Write the tracks of one clip, whole or not at all.

    Raises `TrackError` where they are of different clips, `OutputError` where the file cannot be written.
    """
    if not tracks:
        raise TrackError("there is no track to write.")
    first = tracks[0]
    if any(
        (len(t), t.skeleton, t.fps, t.first_frame) != (len(first), first.skeleton, first.fps, first.first_frame) for t in tracks
    ):
        raise TrackError("tracks of one file must share length, skeleton, frame rate and first frame.")
    several = len(tracks) > 1
    arrays: dict[str, NDArray] = {
        "keypoints": np.stack([t.keypoints for t in tracks]) if several else first.keypoints,
        "scores": np.stack([t.scores for t in tracks]) if several else first.scores,
        "joint_names": np.array(first.skeleton.joint_names),
        "parents": np.array(first.skeleton.parents, np.int64),
        "persons": np.array([t.person for t in tracks]),
        "first_frame": np.array(first.first_frame),
    }
    if first.fps is not None:
        arrays["fps"] = np.array(float(first.fps))
        arrays["fps_fraction"] = np.array([first.fps.numerator, first.fps.denominator], np.int64)
    if first.image_size is not None:
        arrays["image_size"] = np.array(first.image_size, np.int64)
    if first.times is not None:
        arrays["times"] = first.times
    if first.intrinsics is not None:
        arrays["camera_matrix"] = first.intrinsics.matrix
        arrays["distortion"] = np.array(first.intrinsics.distortion, np.float64)
        if first.intrinsics.model != "opencv":
            arrays["distortion_model"] = np.array(first.intrinsics.model)
    save_npz(path, arrays)


def _numbers(data: dict[str, NDArray], key: str, count: int, path: Path, form: str) -> NDArray:
    values = np.ravel(data[key])
    if len(values) != count or not np.isfinite(values).all() or np.abs(values).max() > 2**53:
        raise ReadError(f"{form} of finite numbers is needed.", path, key)
    return values


def _rate(data: dict[str, NDArray], path: Path) -> Fraction | None:
    if "fps_fraction" in data:
        top, bottom = (int(v) for v in _numbers(data, "fps_fraction", 2, path, "(numerator, denominator)"))
        if top > 0 and bottom > 0:
            return Fraction(top, bottom)
        raise ReadError(f"a frame rate of {top}/{bottom} is impossible.", path, "fps_fraction")
    if "fps" not in data:
        return None
    rate = float(_numbers(data, "fps", 1, path, "one number")[0])
    if not 0 < rate <= 1e6:
        raise ReadError(f"a frame rate of {rate:g} is impossible.", path, "fps")
    return exact_rate(rate)


def _image_size(data: dict[str, NDArray], path: Path) -> tuple[int, int] | None:
    if "image_size" not in data:
        return None
    width, height = (int(v) for v in _numbers(data, "image_size", 2, path, "(width, height)"))
    if min(width, height) < 1:
        raise ReadError(f"an image of {width} x {height} pixels is impossible.", path, "image_size")
    return width, height


def _camera(data: dict[str, NDArray], size: tuple[int, int] | None, path: Path) -> Intrinsics | None:
    if "camera_matrix" not in data:
        return None
    if size is None:
        raise ReadError("a camera matrix needs 'image_size' (width, height) beside it.", path, "camera_matrix")
    distortion = tuple(float(v) for v in np.ravel(data.get("distortion", np.zeros(0))))
    model = str(np.ravel(data["distortion_model"])[0]) if data.get("distortion_model", np.zeros(0)).size else "opencv"
    try:
        return Intrinsics.from_matrix(data["camera_matrix"], *size, distortion, f"track file {path.name}", model)
    except CameraError as error:
        raise ReadError(str(error), path, "camera_matrix") from error


def _joints(data: dict[str, NDArray], count: int, path: Path) -> tuple[list[str] | None, tuple[int, ...] | None]:
    """Return the joints' names and parents, as far as the file has them."""
    if "joint_names" not in data:
        return None, None
    names = [str(name) for name in np.ravel(data["joint_names"])]
    if len(names) != count:
        raise ReadError(f"{len(names)} names for {count} joints.", path, "joint_names")
    if "parents" not in data:
        return names, None
    return names, tuple(int(p) for p in _numbers(data, "parents", count, path, f"a list of {count}"))
