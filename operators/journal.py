# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Lines report of a batch, which is also its memory: what was made of what, by content.

One line per clip as it finishes, appended in one write, so that several runs may write to one file and a killed one leaves
at most its last line broken.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import OutputError

NAME = "poselift-report.jsonl"
_CHUNK = 1 << 20


class Journal:
    """A report file, and what it and the other reports in its folder say of earlier runs.

    Outputs are remembered by their place below the report's folder, which may move.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, dict[str, Any]] = {}
        for other in sorted({path, *path.parent.glob(f"{Path(NAME).stem}*{Path(NAME).suffix}")}):
            for entry in _entries(other):
                if "error" not in entry and isinstance(entry.get("hashes"), dict) and isinstance(entry.get("people"), list):
                    self._done[str(entry.get("key"))] = entry

    def finished(self, key: str) -> list[dict[str, Any]] | None:
        """Return the reports of an earlier run on a clip of this key, where every output still is as it was."""
        entry = self._done.get(key)
        if entry is None or any(file_hash(self.path.parent / name) != value for name, value in entry["hashes"].items()):
            return None
        return list(entry["people"])

    def place(self, path: str | Path) -> str:
        """Return a path as seen from the report's folder."""
        return Path(os.path.relpath(path, self.path.parent)).as_posix()

    def add(self, source: str, key: str, reports: list[dict[str, Any]]) -> None:
        """Append a clip's line. Raises `OutputError` where it cannot be written."""
        errors = [report["error"] for report in reports if "error" in report]
        outputs = [name for report in reports for name in report.get("outputs", ())]
        entry: dict[str, Any] = {"source": source, "key": key, "time": round(time.time(), 3)}
        entry |= {"error": errors[0]} if errors else {"hashes": {self.place(name): file_hash(Path(name)) for name in outputs}}
        entry["people"] = [{k: v for k, v in report.items() if k != "lines"} for report in reports]
        self._append(json.dumps(entry))

    def _append(self, line: str) -> None:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(handle).st_size
                broken = size > 0 and _last_byte(self.path) != b"\n"
                data = ("\n" * broken + line + "\n").encode()
                if os.write(handle, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}.") from error


def content_key(source: Path, settings: str) -> str:
    """Return a key of a clip's content (a file's bytes, or all files of a folder with their names) and its settings."""
    digest = hashlib.sha256(settings.encode())
    for name, file in sorted(_files_below(source)):
        digest.update(f"\0{name}\0".encode("utf-8", "surrogateescape"))
        digest.update((file_hash(file) or "").encode())
    return digest.hexdigest()


def _files_below(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a clip with their names in its folder; a file is itself, with no name."""
    if not source.is_dir():
        yield "", source
    for folder, _, names in os.walk(source):
        inside = Path(folder).relative_to(source)
        for name in names:
            yield (inside / name).as_posix(), Path(folder, name)


def file_hash(path: Path) -> str | None:
    """Return the SHA-256 of a file's bytes, None where there is none to read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    out = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # a run was killed while it wrote this line
            continue
        if isinstance(entry, dict):
            out.append(entry)
    return out


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
