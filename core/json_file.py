# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files, with errors that name file and place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ReadError


def read_json(path: Path, largest: int | None = None) -> Any:
    """Return a JSON file's content.

    largest: bytes that such a file has at most. Raises `ReadError` where it cannot be opened, is larger or no complete JSON.
    """
    try:
        if largest is not None and path.stat().st_size > largest:
            raise ReadError(f"larger than {largest} bytes, which no such file is; choose another.", path)
        return parse_json(path.read_bytes(), path)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}.", path) from error


def parse_json(text: bytes, path: Path) -> Any:
    """Return the content of a JSON file that was read. Raises `ReadError` where it is no complete JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(
            f"not complete JSON ({error.msg}); write the file again.", path, f"line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise ReadError("nested too deeply to be meant.", path) from error
    except ValueError as error:  # wrong encoding, or a number of thousands of digits
        raise ReadError(f"not JSON: {error}.", path) from error
