# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras in a tree that was parsed from a calibration file, whatever the tool calls matrix, distortion and size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration_text import DEEPEST, Tree
from .distortion import COUNTS
from .errors import ReadError
from .rotation import matrix_from_axis_angle

Array = NDArray[np.float64]

# Names as they are written without underscores, in small letters.
_MATRIX = ("cameramatrix", "intrinsicmatrix", "cameraintrinsics", "matrix", "mtx", "intrinsics", "intrinsic", "k", "m")
_DISTORTION = ("distortioncoefficients", "distortions", "distortion", "distcoeffs", "distcoeff", "distcoefs", "distcoef")
_SHORT_DISTORTION = ("dist", "d")
_SIZE = ("imagesize", "imgsize", "framesize", "resolution", "size")
_WIDTH, _HEIGHT = ("imagewidth", "width"), ("imageheight", "height")
_ROTATION, _TRANSLATION = ("rotationmatrix", "rotation", "rvec", "r"), ("translation", "tvec", "t")
_NAME, _MODEL = ("cameraname", "name", "id"), ("distortionmodel", "cameramodel", "model")
_FISHEYE = ("fisheye", "equidistant", "kannalabrandt")
_SUFFIX = r"(\d+|left|right)"


@dataclass(frozen=True)
class Found:
    """A camera as a file gives it. `place`: where in the file, for messages."""

    name: str
    place: str
    matrix: Array
    distortion: tuple[float, ...]
    model: str
    size: tuple[int, int] | None
    rotation: Array | None
    translation: Array | None


def cameras_in(tree: Tree, path: Path) -> list[Found]:
    """Return the cameras of a tree in the file's order. Raises `ReadError` with the key at fault."""
    return list(_cameras(tree, "", path, 0))


def _cameras(tree: Tree, place: str, path: Path, depth: int) -> Iterator[Found]:
    if depth > DEEPEST:
        raise ReadError("nested too deeply to be a calibration.", path, place[:60])
    if isinstance(tree, list):
        for row, item in enumerate(tree):
            if isinstance(item, dict | list):
                yield from _cameras(item, f"{place}[{row}]", path, depth + 1)
        return
    if not isinstance(tree, dict):
        return
    suffixes = _suffixes(tree)
    if suffixes:
        for suffix in suffixes:
            yield _camera(tree, suffix, place, path)
        return
    for key, value in tree.items():
        if isinstance(value, dict | list):
            yield from _cameras(value, f"{place}.{str(key)[:60]}" if place else str(key)[:60], path, depth + 1)


def _suffixes(tree: dict[str, Tree]) -> list[str]:
    """Return what follows the matrix's name: '' for one camera, '1' and '2' or 'left' and 'right' for a pair."""
    found: list[str] = []
    for key, value in tree.items():
        match = re.fullmatch(f"({'|'.join(_MATRIX)}){_SUFFIX}?", _plain(key))
        if match and _is_matrix(value):
            found.append(match[2] or "")
    return [""] if "" in found else found


def _is_matrix(value: Tree) -> bool:
    if isinstance(value, dict):
        return "data" in {_plain(key) for key in value}
    return isinstance(value, list) and (len(value) == 9 or (len(value) == 3 and all(isinstance(r, list) for r in value)))


def _camera(tree: dict[str, Tree], suffix: str, place: str, path: Path) -> Found:
    def find(names: tuple[str, ...], own: str = suffix) -> tuple[str, Any]:
        plain = {_plain(key): key for key in tree}
        key = next((plain[name + own] for name in names if name + own in plain), None)
        where = f"{place}.{str(key)[:60]}" if place else str(key)[:60]
        return (where, tree[key]) if key is not None else (place, None)

    where, value = find(_MATRIX)
    matrix = _numbers(value, where, path)
    if matrix.size != 9:
        raise ReadError(f"{matrix.size} numbers, but a camera matrix has 3 rows of 3.", path, where)
    model = _model(find(_MODEL, "")[1], find(("fisheye",), "")[1])
    where, value = find(_DISTORTION + _SHORT_DISTORTION)
    coefficients = _coefficients(_numbers(value, where, path), model, where, path) if value is not None else ()
    if model == "fisheye" and not coefficients:
        coefficients = (0.0,) * 4
    name = find(_NAME, "")[1]
    label = name if isinstance(name, str) and name else re.split(r"[.\[]", place)[-1].rstrip("]")
    # Beside a pair of cameras, R and T lead from one to the other and R1, R2 rectify: neither is where a camera stands.
    rotation, translation = (None, None) if suffix else _extrinsics(find(_ROTATION), find(_TRANSLATION), path)
    return Found(
        suffix or label[:60] or "camera", place or "the file's top level", matrix.reshape(3, 3), coefficients, model,
        _size(find, path), rotation, translation,
    )  # fmt: skip


def _plain(key: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(key).lower())


def _model(named: object, fisheye: object) -> str:
    words = _plain(named)
    return "fisheye" if fisheye is True or any(word in words for word in _FISHEYE) else "opencv"


def _numbers(value: Tree, place: str, path: Path) -> Array:
    """Return the numbers of nested lists, or of a matrix with rows, cols and data, in their shape."""
    if isinstance(value, dict):
        plain = {_plain(key): item for key, item in value.items()}
        numbers = np.ravel(_numbers(plain.get("data"), f"{place}.data", path))
        shape = [plain.get(key, 1) for key in ("rows", "cols")]
        if any(type(side) not in (int, float) or not 0 <= side <= 1e4 or side != int(side) for side in shape):
            raise ReadError(
                f"rows and cols are {str(shape[0])[:20]} and {str(shape[1])[:20]}, but must be whole numbers.", path, place
            )
        if int(shape[0]) * int(shape[1]) != numbers.size:
            raise ReadError(f"{numbers.size} numbers do not fill {shape[0]:g} rows and {shape[1]:g} columns.", path, place)
        return numbers.reshape(int(shape[0]), int(shape[1]))
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        raise ReadError(f"numbers are needed, not {'nothing' if value is None else type(value).__name__}.", path, place)
    flat = list(_flat(value, 0))
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in flat):
        raise ReadError("numbers are needed; something else is among them.", path, place)
    try:
        numbers = np.array(flat, np.float64)
    except OverflowError as error:
        raise ReadError("a number is too large to be any.", path, place) from error
    if not np.isfinite(numbers).all():
        raise ReadError("finite numbers are needed; NaN or infinity is among them.", path, place)
    return numbers


def _flat(value: list[Tree], depth: int) -> Iterator[Tree]:
    for item in value:
        if isinstance(item, list) and depth < 4:
            yield from _flat(item, depth + 1)
        else:
            yield item


def _coefficients(numbers: Array, model: str, place: str, path: Path) -> tuple[float, ...]:
    """Return as many coefficients as the model takes: zeros at the end come and go with the tool."""
    given = np.trim_zeros(np.ravel(numbers), "b").tolist()
    count = next((count for count in COUNTS[model] if count >= len(given)), None)
    if count is None:
        known = ", ".join(map(str, COUNTS[model]))
        raise ReadError(f"{len(given)} distortion coefficients; the {model} lens model has {known}.", path, place)
    return (*given, *(0.0,) * (count - len(given)))


def _size(find: Any, path: Path) -> tuple[int, int] | None:
    where, value = find(_SIZE, "")
    if value is None:
        where, width = find(_WIDTH, "")
        height = find(_HEIGHT, "")[1]
        if width is None and height is None:
            return None
        value = [width, height]
    numbers = np.ravel(_numbers(value, where, path))
    if len(numbers) != 2 or (numbers < 1).any() or (numbers > 1e6).any() or (numbers != np.round(numbers)).any():
        raise ReadError("an image size is two whole numbers of pixels, width and height.", path, where)
    return int(numbers[0]), int(numbers[1])


def _extrinsics(rotation: tuple[str, Tree], translation: tuple[str, Tree], path: Path) -> tuple[Array | None, Array | None]:
    """Return R (3, 3) and t (3,), world to camera; a rotation may be a matrix or a rotation vector."""
    if rotation[1] is None or translation[1] is None:
        return None, None
    turn = np.ravel(_numbers(rotation[1], rotation[0], path))
    shift = np.ravel(_numbers(translation[1], translation[0], path))
    if len(shift) != 3:
        raise ReadError(f"{len(shift)} numbers, but a translation has 3.", path, translation[0])
    if len(turn) == 3:
        angle = np.asarray(np.linalg.norm(turn))
        return (matrix_from_axis_angle(turn / angle, angle) if angle > 1e-12 else np.eye(3)), shift
    matrix = turn.reshape(3, 3) if len(turn) == 9 else np.zeros((3, 3))
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-3 or np.linalg.det(matrix) < 0:
        raise ReadError("no rotation: neither a rotation vector (3 numbers) nor a rotation matrix.", path, rotation[0])
    return matrix, shift
