# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch by a button: the right command, progress, and nothing half-installed; pip itself is played by small programs."""

import sys

import pytest

from poselift.core.errors import CancelledError, SettingsError


def pip(tmp_path, text):
    """Return a command that runs a program, which gets `--target FOLDER` as pip does."""
    program = tmp_path / "pip.py"
    program.write_text("import pathlib, sys, time\ntarget = pathlib.Path(sys.argv[-1])\n" + text)
    return [sys.executable, "-u", str(program)]


GOOD = """
print("Collecting torch")
for done in range(0, 200_000_001, 50_000_000):
    print(f"Progress {done} of 200000000")
print("Installing collected packages: torch")
(target / "torch").mkdir(parents=True)
(target / "torch" / "__init__.py").write_text("")
"""


def test_what_is_installed_takes_the_old_ones_place_and_progress_rises(addon, tmp_path):
    from poselift.operators.torch_install import install

    target = tmp_path / "torch-python3"
    (target / "old").mkdir(parents=True)
    told = []
    assert install(pip(tmp_path, GOOD), target, lambda share, stage: told.append((share, stage))) == target
    assert (target / "torch" / "__init__.py").is_file() and not (target / "old").exists()
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and any("downloading" in stage for _, stage in told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pip.py", "torch-python3"]


def test_a_failure_says_why_and_leaves_what_was_there(addon, tmp_path):
    from poselift.operators.torch_install import install

    target = tmp_path / "torch-python3"
    (target / "torch").mkdir(parents=True)
    failing = pip(tmp_path, 'print("ERROR: No matching distribution found for torch")\nraise SystemExit(1)\n')
    with pytest.raises(SettingsError, match="No matching distribution"):
        install(failing, target, lambda share, stage: None)
    with pytest.raises(SettingsError, match="could not install"):  # it ends well, but nothing is there
        install(pip(tmp_path, "target.mkdir()\n"), target, lambda share, stage: None)
    assert (target / "torch").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pip.py", "torch-python3"]


def test_esc_stops_a_silent_pip_at_once_and_leaves_nothing(addon, tmp_path):
    from poselift.operators.torch_install import install

    calls = []

    def progress(share, stage):
        calls.append(share)
        if len(calls) > 3:
            raise CancelledError("Cancelled; nothing was changed.")

    with pytest.raises(CancelledError):
        install(pip(tmp_path, "target.mkdir()\ntime.sleep(60)\n"), tmp_path / "torch-python3", progress)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pip.py"]


def test_the_command_fits_system_and_kind(addon, tmp_path):
    from poselift.operators.torch_install import pip_command

    assert "cpu" in pip_command("CPU", system="linux")[-1]
    assert "--index-url" not in pip_command("CPU", system="win32") + pip_command("CUDA", system="linux")
    assert pip_command("CUDA", system="win32")[-1].rsplit("/", 1)[1].startswith("cu")
    with pytest.raises(SettingsError, match="no CUDA on macOS"):
        pip_command("CUDA", system="darwin")
    with pytest.raises(SettingsError, match="holds no torch"):
        pip_command("FOLDER", str(tmp_path))
    (tmp_path / "torch-2.9-cp311-none-any.whl").touch()
    assert pip_command("FOLDER", str(tmp_path))[-3:] == ["--no-index", "--find-links", str(tmp_path)]


def test_an_environment_is_found_by_its_folder_and_goes_behind_blenders_modules(addon, tmp_path, monkeypatch):
    from poselift.operators import torch_place

    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = tmp_path / "env" / "lib" / torch_place.PYTHON / "site-packages"
    (modules / "torch").mkdir(parents=True)
    assert torch_place.environment_modules(str(tmp_path / "env")) is None
    with pytest.raises(RuntimeError, match="no PyTorch"):
        addon.ops.poselift.use_environment(folder=str(tmp_path / "env"))
    (modules / "torch" / "__init__.py").touch()
    assert torch_place.environment_modules(str(tmp_path / "env")) == modules == torch_place.environment_modules(str(modules))
    torch_place.activate(str(tmp_path / "env"))
    assert sys.path[-1] == str(modules)
