# SPDX-License-Identifier: GPL-3.0-or-later
"""Checked access to what a file says: numbers, names of people, frame numbers, times, and the footage's rate and size."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError, TrackError
from ..track import exact_rate
from .files import frame_number
from .reading import Reading

FRAME_KEYS = (
    "frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frame_num", "frame_no", "frameId", "frameIndex",
    "frameNumber", "frameNum", "Frame", "image_id",
)  # fmt: skip
"""What the number of a frame is called."""

TIME_KEYS = {"timestamp_ms": 1e-3, "timestampMs": 1e-3, "time_ms": 1e-3, "timeMs": 1e-3, "timestamp_us": 1e-6}
TIME_KEYS |= {"time_s": 1.0, "timestamp_s": 1.0, "timestamp_sec": 1.0, "time_sec": 1.0, "seconds": 1.0}
TIME_KEYS |= dict.fromkeys(("timestamp", "timeStamp", "time", "Time", "t"), 0.0)
"""What the time of a frame is called, and its unit in seconds; 0: told by the steps."""

_DAY = 86_400.0
_UNSEEN = (None, "", "None", "none", "null", "nan")
_METADATA = ("metadata", "meta", "info", "video", "video_info", "videoInfo")


def number(value: object, path: Path, place: str, what: str = "a keypoint list") -> float:
    """Return a number; null is NaN. Raises `ReadError` for anything else."""
    if value is None:
        return np.nan
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ReadError(f"{what} holds something that is no number ({shown(value)}).", path, place)


def numbers(values: object, path: Path, place: str, what: str = "keypoints") -> list[float]:
    """Return a list of numbers, null as NaN. Raises `ReadError` where it is no such list."""
    if not isinstance(values, list):
        raise ReadError(f"{what} must be a list of numbers, not {type(values).__name__}.", path, place)
    try:
        return list(array("d", values))
    except (TypeError, OverflowError):
        return [number(value, path, place) for value in values]


def triples(points: object, scores: object, path: Path, place: str) -> tuple[list[float], bool]:
    """Return [x, y, score, ...] of points [[x, y], ...] (or [[x, y, score], ...]) and scores, and whether there were scores.

    Without scores, a keypoint counts 1 where its coordinates are numbers. Raises `ReadError`.
    """
    if not isinstance(points, list) or not points:
        raise ReadError("keypoints must be a list of places [x, y].", path, place)
    flat = [numbers(point, path, place, "a keypoint") for point in points]
    width = len(flat[0])
    if width not in (2, 3) or any(len(point) != width for point in flat):
        raise ReadError("every keypoint must be [x, y] or [x, y, score].", path, place)
    if scores is None:
        if width == 2:
            return [v for x, y in flat for v in (x, y, 1.0)], False
        return [v for point in flat for v in point], True
    if width == 3:
        raise ReadError("its keypoints are places in space (x, y, z): give the 2D keypoints.", path, place)
    certain = numbers(scores, path, place, "scores")
    if len(certain) != len(flat):
        raise ReadError(f"{len(certain)} scores for {len(flat)} keypoints.", path, place)
    return [v for (x, y), score in zip(flat, certain, strict=True) for v in (x, y, score)], True


def identity(value: object) -> str | None:
    """Return a person's name as a tracker writes it, a number or a text; None for what says that nobody was tracked."""
    if isinstance(value, str):
        plain = " ".join(value.split())[:60]
        return None if plain in _UNSEEN else plain
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value < 0:
        return None
    try:
        return str(int(value)) if value == int(value) else str(value)
    except (OverflowError, ValueError):  # infinity, or an integer of thousands of digits
        return None


def first_of(entry: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Return the first of some keys' values that is there and not null; None where none is."""
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def frame_of(value: object, path: Path, place: str, key: str = "image_id") -> int:
    """Return the frame that an entry names: a number, or a file name with one. Raises `ReadError`."""
    found: object = value
    if isinstance(value, str):
        found = frame_number(Path(value).stem)
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 10**15:
        raise ReadError(f"'{key}' must be a frame's number or a name with one, not {shown(value)}.", path, place)
    return found


def shown(value: object) -> str:
    """Return the beginning of a value, for messages."""
    try:
        return repr(str(value)[:40])
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"


def time_of(entry: Mapping[str, Any], path: Path, place: str) -> tuple[float, float] | None:
    """Return a frame's time as it is written, and the unit in seconds (0: unknown); None where it has none."""
    for key, unit in TIME_KEYS.items():
        if entry.get(key) is not None and not isinstance(entry[key], str):
            return number(entry[key], path, place, f"'{key}'"), unit
    return None


def seconds(times: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return times in seconds. Of an unknown unit, the step tells: frames are 1 ms to 1 s apart, in any of the usual units.

    Times of day (or since 1970) are counted from the first.
    """
    values = np.array([value for value, _ in times], np.float64)
    unit = times[0][1] if times else 1.0
    if unit == 0.0:
        steps = np.diff(np.unique(values[np.isfinite(values)]))
        step = float(np.median(steps)) if len(steps) else 0.0
        unit = 1.0 if step <= 1.0 else 1e-3 if step <= 1000.0 else 1e-6 if step <= 1e6 else 1e-9
    values = values * unit
    return values - values[0] if len(values) and abs(values[0]) > _DAY else values


def set_times(found: Reading, times: Sequence[tuple[float, float]]) -> None:
    """Give a reading the times (see `time_of`) of its `numbers`, where every frame has one and they rise; else note it."""
    numbers = found.frames if found.numbers is None else found.numbers
    if len(times) < 2 or len(times) != len(numbers):
        return
    values, first = seconds(times), np.unique(np.asarray(numbers, np.int64), return_index=True)[1]
    if np.isfinite(values).all() and (np.diff(values[first]) > 0).all():
        found.times = values
    else:
        found.notes.append("times that do not rise from frame to frame, left out.")


def footage(data: object) -> tuple[Fraction | None, tuple[int, int] | None]:
    """Return the frame rate and the image size that an object says, itself or in its metadata; None for what it does not."""
    rate, size = None, None
    if not isinstance(data, dict):
        return rate, size
    for entry in (data, *(data[key] for key in _METADATA if isinstance(data.get(key), dict))):
        rate = rate or _rate(first_of(entry, ("fps", "frame_rate", "frameRate", "framerate", "video_fps")))
        size = size or image_size(first_of(entry, _WIDTHS), first_of(entry, _HEIGHTS))
        pair = first_of(entry, ("image_size", "imageSize", "resolution", "frame_size", "video_size", "size"))
        if isinstance(pair, list) and len(pair) == 2:
            size = size or image_size(*pair)
    return rate, size


_WIDTHS = ("width", "image_width", "imageWidth", "frame_width", "video_width", "videoWidth")
_HEIGHTS = ("height", "image_height", "imageHeight", "frame_height", "video_height", "videoHeight")


def image_size(width: object, height: object) -> tuple[int, int] | None:
    """Return an image's size in pixels where both are whole numbers that can be one."""
    size = [v for v in (width, height) if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(size) == 2 and all(1 < v < 1e6 and v == int(v) for v in size):
        return int(size[0]), int(size[1])
    return None


def _rate(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return exact_rate(value)
    except TrackError:
        return None
