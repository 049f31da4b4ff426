#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the manifest, pyproject.toml, CHANGELOG.md and git's tags tell one version; `make package` and `make lint` do.

A commit that is tagged is a release: its tag is `v` and the version, and the changelog says of which day it is.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from blender_tool import ROOT

HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?", re.M)
NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def problems(root: Path = ROOT) -> list[str]:
    """Return what does not agree in a checkout, one sentence each; none where all is well.

    Git's tags count where the checkout is one of git's; a shallow clone has none.
    """
    version = str(tomllib.loads((root / "blender_manifest.toml").read_text(encoding="utf-8"))["version"])
    python_version = str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    headings = HEADING.findall((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    newest, day = headings[0] if headings else ("", "")
    found = []
    if NUMBERS.fullmatch(version) is None:
        found.append(f"blender_manifest.toml has version {version}; three numbers are needed, as in 1.2.3.")
    if python_version != version:
        found.append(f"pyproject.toml has version {python_version}, blender_manifest.toml {version}.")
    if newest != version:
        found.append(f"CHANGELOG.md begins with version {newest or '(none)'}, blender_manifest.toml has {version}.")
    found += [
        f"CHANGELOG.md has no date for {older}, which is older than its newest version."
        for older, its_day in headings[1:]
        if not _is_day(its_day)
    ]
    here = [tag for tag in _tags(root, "--points-at", "HEAD") if tag != f"v{version}"]
    found += [f"the commit is tagged {tag}, but its version is {version}." for tag in here]
    if f"v{version}" in _tags(root, "--points-at", "HEAD") and not _is_day(day):
        found.append(f"the commit is tagged v{version}, but CHANGELOG.md says '{day}' where its date belongs.")
    newer = [tag for tag in _tags(root, "--merged", "HEAD") if tag not in here and _numbers(tag) > _numbers(version)]
    found += [f"version {version} is older than {tag}, which is released." for tag in newer]
    return found


def notes(root: Path = ROOT) -> str:
    """Return what the changelog says of its newest version, without the heading."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *others = HEADING.finditer(text)
    return text[first.end() : others[0].start() if others else len(text)].strip() + "\n"


def _tags(root: Path, *which: str) -> list[str]:
    """Return the tags that are versions: v1.2.3."""
    command = ["git", "-C", str(root), "tag", "--list", "v[0-9]*", *which]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [tag for tag in done.stdout.split() if NUMBERS.fullmatch(tag[1:])] if done.returncode == 0 else []


def _numbers(version: str) -> tuple[int, ...]:
    match = NUMBERS.search(version)
    return tuple(map(int, match.groups())) if match else ()


def _is_day(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None


def main() -> int:
    """Run from the command line: name what does not agree; with --notes, print what is new."""
    parser = argparse.ArgumentParser(description="Check that all places tell one version.")
    parser.add_argument("--notes", action="store_true", help="print what CHANGELOG.md says of the newest version")
    if parser.parse_args().notes:
        print(notes(), end="")
        return 0
    found = problems()
    for problem in found:
        print(f"versions: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
