# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: NumPy archives of half-precision arrays and a JSON header, loaded without executing anything."""

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

VERSION = 1
FOLDER = Path(__file__).parent / "trained"
DEFAULT = "human17-anchored"


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
    """Write a weights file. Floating-point arrays are stored in half precision. Raises `OutputError`."""
    arrays = {k: v.astype(np.float16) if _halved(k, v) else v for k, v in weights.arrays.items()}
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
        floats = {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in arrays.items()}
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


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
