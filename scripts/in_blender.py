# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a Blender program, on the installed extension: `toggle` it and measure, or run `tests` with pytest.

blender -b --python-exit-code 1 --python scripts/in_blender.py -- toggle|tests [pytest's arguments]
scripts/try_blenders.py starts it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import addon_utils

EXTENSION = "bl_ext.user_default.poselift"
TIMES = 20


def toggle() -> int:
    """Enable the extension, which is installed and not enabled, then disable and enable it again and again.

    Prints what the first time took, in seconds on the clock and of the processor.
    """
    took = (0.0, 0.0)
    for number in range(TIMES):
        clock, processor = time.perf_counter(), time.process_time()
        enabled = addon_utils.enable(EXTENSION, default_set=True)
        if number == 0:
            took = (time.perf_counter() - clock, time.process_time() - processor)
        if enabled is None or not addon_utils.check(EXTENSION)[1]:
            print("the extension cannot be enabled", file=sys.stderr)
            return 1
        if "torch" in sys.modules:
            print("enabling the extension imported torch", file=sys.stderr)
            return 1
        addon_utils.disable(EXTENSION, default_set=True)
    print(f"ENABLED {took[0]:.2f} s ({took[1]:.2f} s of the processor)")
    return 0


def tests(arguments: Sequence[str]) -> int:
    """Run pytest in this process and return its status. PYTHONPATH is not Blender's, so that the tests' tools come by name."""
    sys.path[:0] = os.environ["POSELIFT_TEST_MODULES"].split(os.pathsep)
    import pytest

    root = Path(__file__).resolve().parent.parent
    os.environ["POSELIFT_IN_PROGRAM"] = "1"
    return int(pytest.main(["--rootdir", str(root), "-c", str(root / "pyproject.toml"), "-p", "no:cacheprovider", *arguments]))


if __name__ == "__main__":
    what, *rest = sys.argv[sys.argv.index("--") + 1 :]
    status = toggle() if what == "toggle" else tests(rest)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
