# SPDX-License-Identifier: GPL-3.0-or-later
"""One version in the manifest, pyproject.toml, the changelog and git's tags, or there is no zip."""

from __future__ import annotations

import subprocess
from pathlib import Path

import package as packaging
import pytest
from versions import notes, problems


def write(root: Path, manifest: str = "1.2.0", project: str = "1.2.0", changelog: str = "## [1.2.0] - unreleased\n") -> Path:
    (root / "blender_manifest.toml").write_text(f'id = "a"\nversion = "{manifest}"\n')
    (root / "pyproject.toml").write_text(f'[project]\nversion = "{project}"\n')
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog}")
    return root


def git(root: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *settings, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(write(tmp_path), "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "A")
    return tmp_path


def test_what_agrees_has_no_problem_with_and_without_git(tmp_path: Path, checkout: Path) -> None:
    assert problems(write(tmp_path)) == []
    assert problems(checkout) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"manifest": "1.2.1"}, "pyproject.toml has version 1.2.0, blender_manifest.toml 1.2.1"),
        ({"project": "1.3.0"}, "pyproject.toml has version 1.3.0"),
        ({"changelog": "## [1.1.0] - 2026-01-02\n"}, "CHANGELOG.md begins with version 1.1.0"),
        ({"changelog": ""}, "begins with version \\(none\\)"),
        ({"manifest": "1.2", "project": "1.2", "changelog": "## [1.2] - unreleased\n"}, "three numbers are needed"),
        ({"changelog": "## [1.2.0] - unreleased\n## [1.1.0] - unreleased\n"}, "no date for 1.1.0"),
    ],
)
def test_what_does_not_agree_is_named(tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        assert problems(write(tmp_path, **wrong)) == []


def test_a_tag_is_the_version_and_its_changelog_has_a_date(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    assert problems(checkout) == ["the commit is tagged v1.2.0, but CHANGELOG.md says 'unreleased' where its date belongs."]
    write(checkout, changelog="## [1.2.0] - 2026-11-25\n")
    assert problems(checkout) == []
    git(checkout, "tag", "v1.10.0")
    assert problems(checkout) == ["the commit is tagged v1.10.0, but its version is 1.2.0."]


def test_a_version_does_not_go_back_behind_a_release(checkout: Path) -> None:
    git(checkout, "tag", "v1.10.0")
    git(checkout, "tag", "some-other-tag")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "B")
    assert problems(checkout) == ["version 1.2.0 is older than v1.10.0, which is released."]
    later = "1.10.1"
    assert problems(write(checkout, later, later, f"## [{later}] - unreleased\n")) == []


def test_the_notes_of_a_release_are_what_the_changelog_says_of_it(tmp_path: Path) -> None:
    write(tmp_path, changelog="## [1.2.0] - 2026-11-25\n\n### Added\n\n- This.\n\n## [1.1.0] - 2026-01-02\n\n- That.\n")
    assert notes(tmp_path) == "### Added\n\n- This.\n"


def test_no_zip_is_built_where_versions_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "problems", lambda: ["pyproject.toml has version 9.9.9."])
    with pytest.raises(packaging.PackagingError, match=r"version 9\.9\.9"):
        packaging.package(tmp_path / "dist", tmp_path / "build")
    assert not list(tmp_path.iterdir())
