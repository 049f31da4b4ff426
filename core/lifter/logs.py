# SPDX-License-Identifier: GPL-3.0-or-later
"""TensorBoard logs of a training run, where the package `tensorboard` is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, SettingsError

if TYPE_CHECKING:
    from .progress import Progress


class TensorBoardLog:
    """One TensorBoard run per stage, in folders named after the stages; each step's numbers stand at that step.

    A resumed run appends to them; what a killed run logged after its last checkpoint is taken back.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `SettingsError` where TensorBoard is not installed, `OutputError` where the folder cannot be made."""
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise SettingsError(
                f"TensorBoard logs need a package that is not installed ({error.name}): run 'pip install tensorboard', "
                "or train without --log-dir."
            ) from error
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: the log folder cannot be made: {error.strerror or error}.") from error
        self._folder, self._make = folder, SummaryWriter
        self._writer: Any = None

    def begin(self, stage: str, step: int) -> None:
        """Begin or go on with a stage after `step` steps."""
        self.close()
        self._writer = self._make(str(self._folder / stage), purge_step=step + 1 if step else None)

    def write(self, progress: Progress) -> None:
        """Write the last step's loss terms, their sum, the learning rate and the samples per second."""
        values = {f"loss/{name}": value for name, value in progress.terms.items()}
        values |= {"loss/sum": sum(progress.terms.values())}
        values |= {"learning_rate": progress.learning_rate, "samples_per_second": progress.rate}
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, progress.step)

    def close(self) -> None:
        """Write everything that is still held in memory."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@contextmanager
def tensorboard_log(folder: Path | None) -> Iterator[TensorBoardLog | None]:
    """Open logs in a folder and close them at the end, also of a run that fails; None without a folder."""
    if folder is None:
        yield None
        return
    log = TensorBoardLog(folder)
    try:
        yield log
    finally:
        log.close()
