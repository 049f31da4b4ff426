# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow of GitHub Actions, as far as that can be told here: what it runs is there, and what it uses is pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_action_is_pinned_to_a_commit_and_says_its_version() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW)
    assert len(uses) > 5
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_every_target_and_script_that_it_runs_is_there() -> None:
    targets = set(re.findall(r"\bmake ([\w.${}-]+)", WORKFLOW.replace("${{ matrix.blender }}", "4.2")))
    assert targets >= {"lint", "test", "test-4.2", "test-installed", "repository", "wheels"}
    rules = {name for line in re.findall(r"^([\w .%/-]+):(?!=)", MAKEFILE, re.M) for name in line.split()}
    assert targets - {"test-4.2"} <= rules and "test-%" in rules
    scripts = set(re.findall(r"\b(scripts/\w+\.\w+)", WORKFLOW))
    assert scripts and all((ROOT / script).is_file() for script in scripts)


@pytest.mark.parametrize("blender", re.findall(r'blender: "([\d.]+)"', WORKFLOW))
def test_every_module_of_its_matrix_has_its_requirements(blender: str) -> None:
    text = (ROOT / f"requirements-bpy-{blender}.txt").read_text(encoding="utf-8")
    assert re.search(rf"^bpy=={re.escape(blender)}\.\d+$", text, re.M)
