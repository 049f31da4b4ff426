#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try a zip in real Blender programs: validate, install, enable and disable, run tests, and update from a repository.

Each program gets settings of its own, in a temporary folder. A program that is not there is skipped, with a word.
"""

from __future__ import annotations

import argparse
import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from blender_tool import ROOT, PackagingError, made
from package import rewrite_sorted
from repository import repository

TEST_MODULES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""pytest and what it needs, all of pure Python: Blender has none, and takes this environment's."""
COMPLAINTS = re.compile(r"Traceback|Exception ignored|^.*(?:Error|ERROR|Warning|WARNING).*(?i:poselift).*$", re.M)
"""What a program writes when Python code fails, or when Blender is not content with ours; its other troubles are its own."""


@dataclass
class Program:
    """A Blender program with settings of its own."""

    command: list[str]
    resources: Path

    def run(self, *arguments: str, **environment: str) -> str:
        """Run it and return both its streams. Raises `PackagingError` where it fails or complains of an error."""
        done = subprocess.run(
            [*self.command, *arguments],
            env={**os.environ, "BLENDER_USER_RESOURCES": str(self.resources), "PYTHONNOUSERSITE": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode or COMPLAINTS.search(done.stdout):
            told = "".join(line for line in done.stdout.splitlines(True) if not line.startswith("PROGRESS"))
            raise PackagingError(f"{shlex.join([*self.command, *arguments])} ended with {done.returncode}:\n{told}")
        return done.stdout

    def extension(self, *arguments: str) -> str:
        """Run one of Blender's commands for extensions; it may use the network."""
        return self.run("--online-mode", "--command", "extension", *arguments)

    def script(self, *arguments: str, **environment: str) -> str:
        """Run scripts/in_blender.py in it."""
        script = str(ROOT / "scripts" / "in_blender.py")
        return self.run("-b", "--python-exit-code", "1", "--python", script, "--", *arguments, **environment)


def try_zip(program: Program, path: Path, tests: list[str]) -> Iterator[str]:
    """Try a zip in a program and yield what was found, a line each. Raises `PackagingError` at the first thing that fails."""
    program.extension("validate", str(path))
    program.extension("install-file", "-r", "user_default", str(path))
    yield "validated and installed"
    for when in ("just installed, Python compiles it", "at later starts"):
        measured = re.search(r"^ENABLED (.*)$", program.script("toggle"), re.M)
        yield f"enabled and disabled, with no complaint and no torch; {when}: {measured[1] if measured else '?'}"
    program.extension("install-file", "-r", "user_default", "-e", str(path))
    with tempfile.TemporaryDirectory() as folder:
        for name in TEST_MODULES:
            shutil.copytree(Path(find_spec(name).origin).parent, Path(folder) / name)  # type: ignore[union-attr,arg-type]
        told = program.script("tests", *tests, POSELIFT_TEST_MODULES=os.pathsep.join((folder, str(ROOT / "tests"))))
    yield f"tests on what is installed: {told.strip().splitlines()[-1].strip('= ')}"


def try_updates(program: Program, path: Path) -> Iterator[str]:
    """Subscribe to a repository of the zip on this machine, install, publish a higher version, and update to it.

    The zip that was installed from disk stays enabled: whoever had it first and subscribes later has both.
    """
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder) / "site") as address:
        repository([path], Path(folder) / "site")
        program.extension("repo-add", "poselift_updates", "--url", f"{address}/index.json")
        program.extension("sync")
        program.extension("install", "--enable", "poselift")
        first = installed_version(program)
        repository([with_version(path, made(Path(folder) / "new"), raised(first))], Path(folder) / "site")
        program.extension("update", "--sync")
        second = installed_version(program)
    if second != raised(first):
        raise PackagingError(f"the update from {first} to {raised(first)} left version {second}.")
    yield f"subscribed to a repository, installed {first}, updated to {second}"


def installed_version(program: Program) -> str:
    """Return the version of the extension that the repository on this machine has installed."""
    manifest = program.resources / "extensions" / "poselift_updates" / "poselift" / "blender_manifest.toml"
    return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])


def raised(version: str) -> str:
    """Return the next version."""
    head, _, patch = version.rpartition(".")
    return f"{head}.{int(patch) + 1}"


def with_version(path: Path, folder: Path, version: str) -> Path:
    """Return a copy of the zip that says it is another version."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder / "changed.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "blender_manifest.toml":
                content = re.sub(rb'^version = ".*"$', f'version = "{version}"'.encode(), content, flags=re.M)
            new.writestr(name, content)
    rewrite_sorted(folder / "changed.zip", folder / f"poselift-{version}.zip")
    return folder / f"poselift-{version}.zip"


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder's files on this machine while the context lasts; yields the address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def try_program(command: list[str], path: Path, tests: list[str]) -> bool:
    """Try a zip in one program, print what was found, and return whether all went well."""
    if shutil.which(command[0]) is None:
        print(f"{shlex.join(command)}: skipped, there is no such program")
        return True
    with tempfile.TemporaryDirectory(prefix="poselift-blender-") as folder:
        made(Path(folder) / "config")
        program = Program(command, Path(folder))
        try:
            print(f"{shlex.join(command)}: {program.run('-b', '--version').splitlines()[0]}", flush=True)
            for step in (try_zip(program, path, tests), try_updates(program, path)):
                for line in step:
                    print(f"  {line}", flush=True)
        except PackagingError as error:
            print(f"  FAILED: {error}")
            return False
    return True


def main() -> int:
    """Run from the command line: all programs, also after one has failed."""
    parser = argparse.ArgumentParser(description="Try a zip in real Blender programs.")
    parser.add_argument("zip", type=Path)
    parser.add_argument("programs", nargs="*", help="Blender programs; a command with arguments is one word in quotes")
    parser.add_argument(
        "--tests", nargs="+", default=["tests"], help="pytest's arguments (default: those of tests/installed.py)"
    )
    options = parser.parse_args()
    if not options.programs:
        print('no Blender program was named (BLENDERS="/path/to/blender …"): none is tried')
    tests = [str(ROOT / name) if (ROOT / name).exists() else name for name in options.tests]
    results = [try_program(shlex.split(name), options.zip.resolve(), tests) for name in options.programs]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
