# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one known motion as tables and arrays: the fixtures of the readers of DeepLabCut, SLEAP, Sports2D, CSV and NumPy.

Every writer takes a path without an ending and what was seen (see `write_detections.Seen`), and returns the file or folder.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from write_detections import Seen

from poselift.core.layouts import LAYOUTS

LAYOUT = "coco_17"
NAMES = LAYOUTS[LAYOUT].joint_names


def _cell(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""


def _rows(path: Path, rows: Sequence[Sequence[object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def _places(seen: Seen, person: int, frame: int) -> list[tuple[float, float, float]]:
    return [(*point, score) for point, score in zip(seen.keypoints[person, frame], seen.scores[person, frame], strict=True)]


def deeplabcut_csv(path: Path, seen: Seen) -> Path:
    """Write one animal's CSV with three header rows."""
    joints = [name for name in NAMES for _ in range(3)]
    rows: list[list[object]] = [["scorer", *["DLC"] * len(joints)], ["bodyparts", *joints]]
    rows.append(["coords", *["x", "y", "likelihood"] * len(NAMES)])
    rows += [
        [frame, *(_cell(value) for place in _places(seen, 0, frame) for value in place)]
        for frame in range(seen.scores.shape[1])
    ]
    return _rows(path.with_suffix(".csv"), rows)


def deeplabcut_multi_csv(path: Path, seen: Seen) -> Path:
    """Write several animals' CSV with four header rows."""
    people, length = seen.scores.shape[:2]
    every = [
        (f"person{person + 1}", name, axis) for person in range(people) for name in NAMES for axis in ("x", "y", "likelihood")
    ]
    rows: list[list[object]] = [["scorer", *["DLC"] * len(every)]]
    rows += [[title, *(key[n] for key in every)] for n, title in enumerate(("individuals", "bodyparts", "coords"))]
    for frame in range(length):
        rows.append([frame, *(_cell(v) for person in range(people) for place in _places(seen, person, frame) for v in place)])
    return _rows(path.with_suffix(".csv"), rows)


def deeplabcut_h5(path: Path, seen: Seen) -> Path:
    """Write what pandas' `to_hdf(format="table")` writes of DeepLabCut's data frame: the names pickled as plain text."""
    import h5py

    length = seen.scores.shape[1]
    keys = [("DLC", name, axis) for name in NAMES for axis in ("x", "y", "likelihood")]
    pickled = "(lp0\n" + "".join("(" + "".join(f"V{word}\n" for word in key) + "ta" for key in keys) + "."
    table = np.zeros(length, [("index", "<i8"), ("values_block_0", "<f8", (len(keys),))])
    table["index"] = np.arange(length)
    table["values_block_0"] = np.concatenate([seen.keypoints[0], seen.scores[0][..., None]], -1).reshape(length, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        data = group.create_dataset("table", data=table)
        data.attrs["values_block_0_kind"] = np.bytes_(pickled)
        data.attrs["index_kind"] = np.bytes_("integer")
    return path.with_suffix(".h5")


def deeplabcut_fixed_h5(path: Path, seen: Seen) -> Path:
    """Write what pandas' `to_hdf` in the fixed format writes of several animals: names and numbers of names by level."""
    import h5py

    people, length = seen.scores.shape[:2]
    axes = ("x", "y", "likelihood")
    levels = (("DLC",), tuple(f"person{person + 1}" for person in range(people)), NAMES, axes)
    labels = np.indices((1, people, len(NAMES), 3)).reshape(4, -1)
    values = np.concatenate([seen.keypoints, seen.scores[..., None]], -1).transpose(1, 0, 2, 3).reshape(length, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        group = file.create_group("df_with_missing")
        texts = {"pandas_type": "frame", "axis0_variety": "multi", "axis1_variety": "regular", "block0_items_variety": "multi"}
        group.attrs.update({key: np.bytes_(text) for key, text in texts.items()})
        group.attrs.update({"ndim": 2, "nblocks": 1, "axis0_nlevels": 4, "block0_items_nlevels": 4})
        for axis in ("axis0", "block0_items"):
            for level, (names, numbers) in enumerate(zip(levels, labels, strict=True)):
                group.create_dataset(f"{axis}_level{level}", data=np.array(names, "S"))
                group.create_dataset(f"{axis}_label{level}", data=numbers.astype(np.int16))
        group.create_dataset("block0_values", data=values).attrs["transposed"] = np.uint8(1)
        group.create_dataset("axis1", data=np.arange(length))
    return path.with_suffix(".h5")


def sleap_h5(path: Path, seen: Seen) -> Path:
    """Write SLEAP's analysis file in its usual order: tracks, coordinates, nodes, frames."""
    import h5py

    people = seen.scores.shape[0]
    missing = seen.scores <= 0
    places = np.where(missing[..., None], np.nan, seen.keypoints)
    edges = np.array(LAYOUTS[LAYOUT].edges)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["tracks"] = places.transpose(0, 3, 2, 1)
        file["point_scores"] = np.where(missing, np.nan, seen.scores).transpose(0, 2, 1)
        file["node_names"] = np.array(NAMES, "S")
        file["track_names"] = np.array([f"track_{person}" for person in range(people)], "S")
        file["edge_inds"] = edges.T
    return path.with_suffix(".h5")


def sports2d(path: Path, seen: Seen) -> Path:
    """Write a folder with a TRC in pixels per person, and one in metres beside them; both say metres, as Sports2D does."""
    people, length = seen.scores.shape[:2]
    path.mkdir(parents=True, exist_ok=True)
    for person in range(people):
        for unit, scale in (("px", 1.0), ("m", 0.002)):
            file = path / f"clip_Sports2D_{unit}_person{person:02d}.trc"
            rate = f"{float(seen.fps):g}"
            lines = [
                f"PathFileType\t4\t(X/Y/Z)\tC:\\clips\\{file.name}",
                "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
                f"{rate}\t{rate}\t{length}\t{len(NAMES)}\tm\t{rate}\t0\t{length}",
                "Frame#\tTime\t" + "\t\t\t".join(NAMES) + "\t\t\t",
                "\t\t" + "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, len(NAMES) + 1)),
            ]
            for frame in range(length):
                cells = [
                    cell
                    for x, y, score in _places(seen, person, frame)
                    for cell in ([_cell(x * scale), _cell(y * scale), "0.0"] if score > 0 else ["", "", ""])
                ]
                lines.append("\t".join([str(frame), f"{frame / float(seen.fps):.6f}", *cells]))
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def csv_wide(path: Path, seen: Seen) -> Path:
    """Write a row per frame and person, three columns per joint."""
    header = ["frame", "time", "person", *(f"{name}_{axis}" for name in NAMES for axis in ("x", "y", "score"))]
    rows = [
        [
            frame,
            f"{frame / float(seen.fps):.6f}",
            person + 1,
            *(_cell(v) for place in _places(seen, person, frame) for v in place),
        ]
        for frame in range(seen.scores.shape[1])
        for person in range(seen.scores.shape[0])
    ]
    return _rows(path.with_suffix(".csv"), [header, *rows])


def csv_german(path: Path, seen: Seen) -> Path:
    """Write a table as a spreadsheet in German saves it: semicolons, decimal commas, names of another spelling, no scores."""
    spelled = [
        f"{'Left' if name[0] == 'l' else 'Right'} {name[2:].title()}" if name[1] == "_" else name.title() for name in NAMES
    ]
    rows: list[list[object]] = [["Frame", *(f"{name} {axis}" for name in spelled for axis in "xy")]]
    for frame in range(seen.scores.shape[1]):
        cells = [v if score > 0 else np.nan for x, y, score in _places(seen, 0, frame) for v in (x, y)]
        rows.append([frame, *(_cell(cell).replace(".", ",") for cell in cells)])
    return _rows(path.with_suffix(".csv"), rows, ";")


def csv_long(path: Path, seen: Seen) -> Path:
    """Write a row per joint, person and frame; what is missing has no row."""
    rows: list[list[object]] = [["person", "joint", "frame", "y", "x", "confidence"]]
    for frame in range(seen.scores.shape[1]):
        for person in range(seen.scores.shape[0]):
            for name, (x, y, score) in zip(NAMES, _places(seen, person, frame), strict=True):
                if score > 0:
                    rows.append([person + 1, name, frame, _cell(y), _cell(x), _cell(score)])
    return _rows(path.with_suffix(".tsv"), rows, "\t")


def npy(path: Path, seen: Seen) -> Path:
    """Write a bare array of one person with scores."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path.with_suffix(".npy"), np.concatenate([seen.keypoints[0], seen.scores[0][..., None]], -1))
    return path.with_suffix(".npy")


def npz(path: Path, seen: Seen) -> Path:
    """Write an archive with people's positions and scores."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_suffix(".npz"), positions_2d=seen.keypoints, scores=seen.scores)
    return path.with_suffix(".npz")


WRITERS: dict[str, tuple[str, bool, Callable[[Path, Seen], Path]]] = {
    "deeplabcut": ("deeplabcut", False, deeplabcut_csv),
    "deeplabcut_multi": ("deeplabcut", True, deeplabcut_multi_csv),
    "deeplabcut_h5": ("deeplabcut", False, deeplabcut_h5),
    "deeplabcut_fixed_h5": ("deeplabcut", True, deeplabcut_fixed_h5),
    "sleap": ("sleap", True, sleap_h5),
    "sports2d": ("sports2d", True, sports2d),
    "csv_wide": ("csv", True, csv_wide),
    "csv_german": ("csv", False, csv_german),
    "csv_long": ("csv", True, csv_long),
    "npy": ("arrays", False, npy),
    "npz": ("arrays", True, npz),
}
"""Name -> (format, whether it has all people or the first alone, writer)."""
