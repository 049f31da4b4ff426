# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is contacted: registering, importing, lifting, retargeting, and batches, in processes that tell of every attempt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from check_layers import imported_modules
from make_clip import write_clip

ROOT = Path(__file__).resolve().parent.parent
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "ftplib",
    "smtplib",
    "poplib",
    "imaplib",
    "xmlrpc",
    "asyncio",
    "requests",
    "webbrowser",
}

GUARD = """
import os, sys

EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "socket.bind", "urllib.", "http.",
          "ftplib.", "smtplib.", "webbrowser.")
PROGRAMS = ("pip", "curl", "wget", "git")

def guard(event, arguments):
    bad = event.startswith(EVENTS)
    if event == "subprocess.Popen":
        bad = any(os.path.basename(str(word)) in PROGRAMS for word in [arguments[0], *arguments[1]])
    if bad:
        with open(os.environ["POSELIFT_GUARD"], "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise ConnectionRefusedError(f"{event}: nothing may be contacted")

sys.addaudithook(guard)
with open(os.environ["POSELIFT_GUARD"] + ".on", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""

WAY = """
import os, sys
import bpy
import poselift
from poselift.operators.command_line import main

clip, batch, out = sys.argv[1:]
camera = ["--fps", "30", "--size", "1920x1080", "--fov", "50"]
poselift.register()
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
assert "torch" not in sys.modules, "registering imports torch"
assert bpy.ops.poselift.import_keypoints(filepath=clip) == {"FINISHED"}
assert "torch" not in sys.modules, "importing keypoints imports torch"
assert bpy.ops.poselift.lift() == {"FINISHED"}
bpy.ops.wm.save_as_mainfile(filepath=out + "/panel.blend")
assert main(["lift", clip, "-o", out + "/a.npz", "-o", out + "/a.blend", "-o", out + "/a.glb", *camera, "-q"]) == 0
assert main(["retarget", out + "/a.npz", "--onto", out + "/a.blend", "-o", out + "/b.bvh", "-q"]) == 0
assert main(["inspect", clip]) == 0
assert main(["lift", batch, "-o", out + "/batch", "--to", "npz", "--jobs", "2", *camera, "-q"]) == 0
poselift.unregister()
print("went the whole way")
sys.stdout.flush()
os._exit(0)  # the destructors of the module may hang
"""


def guarded(folder: Path, program: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str], int]:
    """Run a program, and all Python processes that it starts, with the guard; return it, what was contacted, and how many."""
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    told = folder / "contacted"
    environment = os.environ | {"PYTHONPATH": str(folder / "guard"), "POSELIFT_GUARD": str(told)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    contacted = told.read_text().splitlines() if told.exists() else []
    return done, contacted, len(told.with_suffix(".on").read_text().splitlines())


def test_the_guard_tells_of_an_attempt(tmp_path):
    program = "import urllib.request\ntry: urllib.request.urlopen('http://127.0.0.1:9/')\nexcept OSError as error: print(error)"
    done, contacted, _ = guarded(tmp_path, program)
    assert "nothing may be contacted" in done.stdout
    assert contacted[0].startswith("urllib.Request")


def test_the_whole_way_contacts_nothing(tmp_path):
    pytest.importorskip("bpy")
    pytest.importorskip("torch")
    for name in ("clip", "batch/one", "batch/two"):
        write_clip(tmp_path / name, frames=12).truth.unlink()
    (tmp_path / "out").mkdir()
    done, contacted, processes = guarded(tmp_path, WAY, *(str(tmp_path / name) for name in ("clip", "batch", "out")))
    assert "went the whole way" in done.stdout, done.stderr
    assert contacted == []
    assert processes >= 3  # this one and two workers


def test_no_module_imports_what_talks_to_a_network():
    files = [path for layer in ("core", "scene", "operators", "ui") for path in (ROOT / layer).rglob("*.py")]
    found = {f"{path.relative_to(ROOT)}: {name}" for path in files for name in imported_modules(path.read_text()) & NETWORK}
    assert len(files) > 100 and found == set()
