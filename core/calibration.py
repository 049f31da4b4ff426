# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration files: intrinsics, and where the file has them extrinsics, of one or several cameras.

OpenCV's YAML, XML and JSON (FileStorage), ROS's camera_info, Pose2Sim's and Anipose's TOML, COLMAP's cameras.txt, and
Poselift's own track and motion `.npz`. The kind is told by content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .calibration_text import parse
from .calibration_tree import Found, cameras_in
from .camera import Intrinsics
from .errors import CameraError, ReadError
from .readers import track_npz

Array = NDArray[np.float64]
Direction = tuple[float, float, float]

LARGEST_FILE = 16 << 20
"""Bytes; calibrations have thousands at most."""
SAME_ASPECT = 0.003
"""Images whose sides' ratios differ by no more than this are the same picture at two sizes (rounding to even pixels)."""

# COLMAP's models (its documentation, "Camera Models"): the lens model, and the parameters' names in the file's order.
_COLMAP = {
    "SIMPLE_PINHOLE": ("opencv", "f cx cy"),
    "PINHOLE": ("opencv", "fx fy cx cy"),
    "SIMPLE_RADIAL": ("opencv", "f cx cy k1"),
    "RADIAL": ("opencv", "f cx cy k1 k2"),
    "OPENCV": ("opencv", "fx fy cx cy k1 k2 p1 p2"),
    "FULL_OPENCV": ("opencv", "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6"),
    "OPENCV_FISHEYE": ("fisheye", "fx fy cx cy k1 k2 k3 k4"),
    "SIMPLE_RADIAL_FISHEYE": ("fisheye", "f cx cy k1"),
    "RADIAL_FISHEYE": ("fisheye", "f cx cy k1 k2"),
}
_ORDER = {"opencv": "k1 k2 p1 p2 k3 k4 k5 k6", "fisheye": "k1 k2 k3 k4"}
_COLMAP_LINE = re.compile(r"\s*\d+\s+[A-Z][A-Z_0-9]*\s+\d")


@dataclass(frozen=True)
class CalibratedCamera:
    """A camera of a calibration file.

    rotation: (3, 3) and translation: (3,), world to camera, in the file's own world and unit; None where the file has none.
    """

    name: str
    intrinsics: Intrinsics
    rotation: Array | None = None
    translation: Array | None = None

    @property
    def verticals(self) -> tuple[Direction, ...]:
        """What may be up in the camera's frame: the Z axis of the file's world (most files), its Y axis; none without one.

        Whether it is, the file does not say. Where its world is another camera's frame, neither of them points up: that camera
        has Z ahead and Y down.
        """
        if self.rotation is None:
            return ()
        return tuple((float(x), float(y), float(z)) for x, y, z in self.rotation.T[[2, 1]])


def read_camera(path: Path, camera: str | None = None, image_size: tuple[int, int] | None = None) -> CalibratedCamera:
    """Return one camera of a calibration file.

    camera: its name, needed where the file has several. image_size: (width, height) pixels, for files that do not say; a file
    that does say keeps its own (see `fit_to_image`). Raises `ReadError` with the file and the place.
    """
    cameras = read_cameras(path, image_size)
    names = ", ".join(found.name for found in cameras)
    if camera is None:
        if len(cameras) > 1:
            raise ReadError(f"has {len(cameras)} cameras ({names}); name one, as FILE:CAMERA.", path)
        return cameras[0]
    for found in cameras:
        if found.name == camera:
            return found
    raise ReadError(f"has no camera '{camera}'; it has {names}.", path)


def read_cameras(path: Path, image_size: tuple[int, int] | None = None) -> list[CalibratedCamera]:
    """Return all cameras of a calibration file, in its order. Raises `ReadError` with the file and the place."""
    path = Path(path)
    content = _bytes(path)
    if content[:2] == b"PK":
        own = track_npz.read_intrinsics(path)
        if own is None:
            raise ReadError("has no array 'camera_matrix', so it calibrates nothing.", path)
        return [CalibratedCamera("camera", own)]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError("is not text in UTF-8, so it is no calibration that can be read.", path) from error
    if not text.strip("\0 \t\r\n"):
        raise ReadError("is empty.", path)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = list(_colmap(text, path)) if lines and _COLMAP_LINE.match(lines[0]) else cameras_in(parse(text, path), path)
    if not found:
        raise ReadError("no camera matrix is in it; give a calibration by OpenCV, Pose2Sim, Anipose, ROS or COLMAP.", path)
    return [_calibrated(camera, path, image_size) for camera in found]


def split_reference(text: str) -> tuple[Path, str | None]:
    """Split FILE or FILE:CAMERA, where a file's own name may have a colon (a drive's letter has one)."""
    file, colon, camera = text.rpartition(":")
    if not colon or len(file) < 2 or Path(text).exists():
        return Path(text), None
    return Path(file), camera or None


def fit_to_image(intrinsics: Intrinsics, size: tuple[int, int] | None) -> tuple[Intrinsics, str]:
    """Return a calibration for images of a size, and a note on what was done ('' where nothing had to be).

    The same picture at another size is scaled. A size of another shape cannot be that picture: the calibration is kept, and the
    note says so.
    """
    ours = (intrinsics.width, intrinsics.height)
    if size is None or size == ours:
        return intrinsics, ""
    told = f"the calibration is of {ours[0]} x {ours[1]} pixels, the footage has {size[0]} x {size[1]}"
    across, down = size[0] / ours[0], size[1] / ours[1]
    if abs(across / down - 1) <= SAME_ASPECT:
        return intrinsics.scaled(*size), f"{told}: scaled by {across:.4g}."
    return intrinsics, f"{told}, which is another shape: used as it is; check that it belongs to this camera."


def coverage_note(intrinsics: Intrinsics) -> str:
    """Return a warning where the lens model does not hold for the whole image, else ''."""
    share = intrinsics.coverage
    if share > 0.999:
        return ""
    return f"the lens model holds for {share:.0%} of the image only; keypoints beyond it are dropped: check its coefficients."


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ReadError("is a folder; give the calibration file in it.", path)
        if path.suffix.lower() != ".npz" and path.stat().st_size > LARGEST_FILE:
            raise ReadError(f"is larger than {LARGEST_FILE >> 20} MiB, so it is no calibration.", path)
        with path.open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error
    except ValueError as error:  # a null character in the name
        raise ReadError(f"cannot be read: {error}.", path) from error


def _calibrated(found: Found, path: Path, image_size: tuple[int, int] | None) -> CalibratedCamera:
    size = found.size or image_size
    if size is None:
        raise ReadError("does not say the image size; give it (--size WIDTHxHEIGHT).", path, found.place)
    source = f"calibration {path.name}, {found.name}"
    try:
        matrix = found.matrix / found.matrix[2, 2] if found.matrix[2, 2] else found.matrix
        intrinsics = Intrinsics.from_matrix(_without_skew(matrix), *size, found.distortion, source, found.model)
    except CameraError as error:
        raise ReadError(str(error), path, found.place) from error
    if max(intrinsics.fx, intrinsics.fy) < 0.05 * max(size):
        raise ReadError(
            f"a focal length of {intrinsics.fx:g} is none in pixels of a {size[0]} x {size[1]} image.", path, found.place
        )
    return CalibratedCamera(found.name, intrinsics, found.rotation, found.translation)


def _without_skew(matrix: Array) -> Array:
    """Drop skew that is nothing but a solver's remainder (below a thousandth of the focal length)."""
    if abs(matrix[0, 1]) < 1e-3 * abs(matrix[0, 0]):
        matrix = matrix.copy()
        matrix[0, 1] = 0.0
    return matrix


def _colmap(text: str, path: Path) -> Iterator[Found]:
    """Yield the cameras of COLMAP's cameras.txt: CAMERA_ID MODEL WIDTH HEIGHT PARAMS[] in every line."""
    for number, line in enumerate(text.splitlines(), 1):
        words, place = line.split(), f"line {number}"
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5:
            raise ReadError("a camera has an id, a model, width, height and parameters; the line is cut off.", path, place)
        if words[1] not in _COLMAP:
            raise ReadError(f"the camera model '{words[1][:40]}' is unknown; known are {', '.join(_COLMAP)}.", path, place)
        model, names = _COLMAP[words[1]]
        try:
            width, height = int(words[2]), int(words[3])
            values = [float(word) for word in words[4:]]
        except ValueError as error:
            raise ReadError(f"numbers are needed after the model ({str(error)[:80]}).", path, place) from error
        if (
            len(values) != len(names.split())
            or not np.isfinite(values).all()
            or not 0 < min(width, height) <= max(width, height) <= 1_000_000
        ):
            raise ReadError(f"{words[1]} needs a size and {len(names.split())} finite numbers ({names}).", path, place)
        given = dict(zip(names.split(), values, strict=True))
        fx, fy = given.get("fx", given.get("f", 0.0)), given.get("fy", given.get("f", 0.0))
        matrix = np.array([[fx, 0.0, given["cx"]], [0.0, fy, given["cy"]], [0.0, 0.0, 1.0]])
        coefficients = tuple(given.get(key, 0.0) for key in _ORDER[model].split())
        lens = () if model == "opencv" and not any(coefficients) else coefficients
        yield Found(words[0][:20], place, matrix, lens, model, (width, height), None, None)
