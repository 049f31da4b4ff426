# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: NumPy archives of half- and quarter-precision arrays and a JSON header, loaded without executing anything."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WeightsError
from ..output import save_npz
from ..skeleton import Skeleton
from .config import LifterConfig

VERSION = 2
FOLDER = Path(__file__).parent / "trained"
ENVIRONMENT = "POSELIFT_WEIGHTS"
"""Environment variable with the folder of a user's own weights, where nothing else says it (`use_folder`)."""
LARGEST = 1 << 30
"""Bytes that a weights file may unpack to: ours have 15 million."""
WIDEST = 1 << 14
"""Largest number of channels that a file's networks may have: ours have 1024."""
_SCALE = ".scale"
DEFAULT = "human17-3d-anchored"
_own: list[Path] = []


@dataclass(frozen=True)
class Weights:
    """A trained lifter: its configuration and skeleton, the networks' arrays, and the statistics of its 2D poses.

    arrays: 'teacher.*' and 'student.*' by torch's parameter names; 'statistics.mean' (2J,), 'statistics.covariance'
    (2J, 2J) and 'statistics.edges' (edges,) of training poses in the virtual camera's plane.
    notes: plain facts for people (data, samples seen, scores).
    """

    name: str
    config: LifterConfig
    skeleton: Skeleton
    arrays: dict[str, np.ndarray]
    notes: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays whose names begin with `prefix.`, without it."""
        return {key[len(prefix) + 1 :]: value for key, value in self.arrays.items() if key.startswith(prefix + ".")}


@dataclass(frozen=True)
class About:
    """What a weights file says about itself, its arrays unread."""

    name: str
    preset: str
    skeleton: str
    notes: dict[str, Any]


def use_folder(folder: Path | None) -> None:
    """Look for the user's own weights in a folder, which need not exist; in that of the environment for None."""
    _own[:] = [] if folder is None else [folder]


def own_folder() -> Path | None:
    """Return the folder of the user's own weights; None where nobody named one."""
    named = os.environ.get(ENVIRONMENT)
    return _own[0] if _own else Path(named).expanduser() if named else None


def shipped() -> list[str]:
    """Return the names of the weights that come with Poselift, the default first."""
    return sorted(_names(FOLDER), key=lambda name: name != DEFAULT)


def own() -> list[str]:
    """Return the names of the user's own weights, by their files; those that are named as shipped ones do not count."""
    folder = own_folder()
    return [name for name in _names(folder) if not (FOLDER / f"{name}.npz").is_file()] if folder is not None else []


def available() -> list[str]:
    """Return the names of all weights: those that come with Poselift, the default first, then the user's own."""
    return shipped() + own()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.stem for path in folder.glob("*.npz") if not path.name.startswith("."))
    except OSError:  # a folder that may not be read, or a drive that is gone
        return []


def find(name_or_path: str) -> Path:
    """Return the file of named weights, or of a path. Raises `WeightsError` naming what there is."""
    folder = own_folder()
    places = [FOLDER / f"{name_or_path}.npz", *([folder / f"{name_or_path}.npz"] if folder is not None else [])]
    for path in (*places, Path(name_or_path).expanduser()):
        if path.is_file():
            return path
    raise WeightsError(f"there are no weights '{name_or_path}'; known are {', '.join(available()) or 'none'}, or give a file.")


def save(weights: Weights, path: Path) -> None:
    """Write a weights file: large arrays in half precision, the largest as bytes with a scale per row. Raises `OutputError`."""
    arrays: dict[str, np.ndarray] = {}
    for key, array in weights.arrays.items():
        if _quartered(key, array):
            arrays[key], arrays[key + _SCALE] = quantised(array)
        else:
            arrays[key] = array.astype(np.float16) if _halved(key, array) else array
    header = {
        "version": VERSION,
        "name": weights.name,
        "config": weights.config.to_dict(),
        "skeleton": weights.skeleton.to_dict(),
        "notes": weights.notes,
        "checksum": _checksum(arrays),
    }
    save_npz(path, {"header": np.array(json.dumps(header)), **arrays})


def load(path: Path) -> Weights:
    """Read a weights file, executing nothing.

    Raises `WeightsError` where it is missing, damaged, newer than this version, no such file, or made to do harm: what it
    holds must be finite, of a sensible size, and fit its own skeleton.
    """
    try:
        _check_size(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            header = json.loads(str(data["header"]))
            arrays = {key: data[key] for key in data.files if key != "header"}
        if header["version"] > VERSION:
            raise WeightsError(f"{path} was written by a newer Poselift (format {header['version']}); update the extension.")
        if header["checksum"] != _checksum(arrays):
            raise WeightsError(f"{path} is damaged: its checksum does not match; get it again.")
        floats = {key: _restored(key, arrays) for key in arrays if not key.endswith(_SCALE)}
        config, skeleton = LifterConfig.from_dict(header["config"]), Skeleton.from_dict(header["skeleton"])
        _check_plausible(config, skeleton, floats)
        return Weights(str(header["name"]), config, skeleton, floats, dict(header["notes"]))
    except WeightsError:
        raise
    except Exception as error:  # what the bytes of a foreign file make NumPy, zip and JSON raise has no common base
        raise WeightsError(f"{path} is not a Poselift weights file ({error or type(error).__name__}).") from error


def about(path: Path) -> About:
    """Return what a weights file says about itself, without its arrays. Raises `WeightsError` where it is no such file."""
    try:
        _check_size(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            header = json.loads(str(data["header"]))
        preset, skeleton = header["config"]["preset"], header["skeleton"]["name"]
        return About(str(header["name"]), str(preset), str(skeleton), dict(header["notes"]))
    except Exception as error:  # as in `load`
        raise WeightsError(f"{path} is not a Poselift weights file ({error or type(error).__name__}).") from error


def _check_size(path: Path) -> None:
    """Raise `ValueError` where an archive would unpack to more than weights ever need."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST:
        raise ValueError(f"it unpacks to {size / 1e9:.1f} GB")


def _check_plausible(config: LifterConfig, skeleton: Skeleton, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` where the networks could not be built, or would compute nothing."""
    sizes = [value for part in (config.teacher, config.student) for value in astuple(part) if type(value) is int]
    if any(not 0 < size <= WIDEST for size in sizes) or max(config.teacher.blocks, config.student.blocks) > len(arrays):
        raise ValueError("its networks have no possible size")
    if not (isinstance(config.distance, int | float) and 0 < config.distance < 1e6):
        raise ValueError(f"a camera distance of {config.distance} is impossible")
    joints = 2 * len(skeleton)
    shapes = {"mean": (joints,), "covariance": (joints, joints), "edges": (len(skeleton.edges),)}
    for name, shape in shapes.items():
        if arrays[f"statistics.{name}"].shape != shape:
            raise ValueError(f"its statistics do not fit the {len(skeleton)} joints of its skeleton")
    for key, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"'{key}' holds what is no number")


def _halved(key: str, array: np.ndarray) -> bool:
    """Large arrays are; variances and statistics span too many magnitudes, and what is small costs nothing."""
    return array.dtype.kind == "f" and array.size >= 4096 and not key.startswith("statistics.") and "running_" not in key


def quantised(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix (R, C) as int8 and the scale (R, 1) of each row, float32: value = scale * byte."""
    scale = np.maximum(np.abs(array).max(1, keepdims=True), 1e-12).astype(np.float32) / 127
    return np.rint(array / scale).astype(np.int8), scale


def _quartered(key: str, array: np.ndarray) -> bool:
    """The teacher's largest matrices are: three quarters of a file, and rounding them moves its poses by about 1 mm."""
    return array.dtype.kind == "f" and array.ndim == 2 and array.size >= 65536 and not key.startswith("statistics.")


def _restored(key: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return a stored array as float32 again, where it was made smaller."""
    array = arrays[key]
    if key + _SCALE in arrays:
        if array.dtype != np.int8:
            raise ValueError(f"'{key}' has a scale but is not of bytes")
        return array * arrays[key + _SCALE]
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
