# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of what runs, as every panel shows it."""

from __future__ import annotations

from typing import Any

import bpy

from ..operators import session
from ..operators.languages import told
from ..operators.terminal import clock
from ..operators.train import running
from ..scene.jobs import Job
from .text import lines


def draw_progress(context: bpy.types.Context, layout: Any) -> bool:
    """Draw the running job's bar, stage and time left; return whether there is one."""
    job = session.running()
    if job is None:
        return False
    draw_bar(layout, job)
    training = running() is not None
    lines(context, layout, "Esc stops it and keeps a checkpoint" if training else "Esc stops it and changes nothing")
    return True


def draw_bar(layout: Any, job: Job[Any]) -> None:
    """Draw a job's bar with its stage and the time left."""
    share, stage = job.progress
    text = told("Stopping…") if job.cancelling else told(stage).capitalize() or told("Starting")
    if job.left is not None and not job.cancelling:
        text = told(f"{text}, {clock(job.left)} left")
    layout.progress(factor=share, text=text)
