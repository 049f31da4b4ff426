# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: NumPy archives of half- and quarter-precision arrays and a JSON header, loaded without executing anything."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PoseliftError, WeightsError
from ..output import save_npz
from ..skeleton import Skeleton
from .config import LifterConfig

VERSION = 2
FOLDER = Path(__file__).parent / "trained"
_SCALE = ".scale"
DEFAULT = "human17-3d-anchored"


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


def available(folder: Path = FOLDER) -> list[str]:
    """Return the names of the weights that come with Poselift, the default first."""
    names = sorted(path.stem for path in folder.glob("*.npz"))
    return sorted(names, key=lambda name: name != DEFAULT)


def find(name_or_path: str) -> Path:
    """Return the file of named weights, or of a path. Raises `WeightsError` naming what there is."""
    for path in (FOLDER / f"{name_or_path}.npz", Path(name_or_path).expanduser()):
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
    """Read a weights file. Raises `WeightsError` where it is missing, damaged, newer than this version, or no such file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            header = json.loads(str(data["header"]))
            arrays = {key: data[key] for key in data.files if key != "header"}
        if header["version"] > VERSION:
            raise WeightsError(f"{path} was written by a newer Poselift (format {header['version']}); update the extension.")
        if header["checksum"] != _checksum(arrays):
            raise WeightsError(f"{path} is damaged: its checksum does not match; get it again.")
        floats = {key: _restored(key, arrays) for key in arrays if not key.endswith(_SCALE)}
        return Weights(
            str(header["name"]),
            LifterConfig.from_dict(header["config"]),
            Skeleton.from_dict(header["skeleton"]),
            floats,
            dict(header["notes"]),
        )
    except WeightsError:
        raise
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, EOFError, PoseliftError) as error:
        raise WeightsError(f"{path} is not a Poselift weights file ({error}).") from error


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
