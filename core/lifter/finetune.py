# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run starts from: a preset alone, or trained weights that it makes fit a user's own data."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..errors import SettingsError
from ..skeleton import Skeleton
from .config import LifterConfig, StageConfig
from .data import Batch, PoseSource, PoseStatistics
from .views import Corruption
from .weights import Weights

RATE = 0.1
"""Share of a schedule's learning rates that fine-tuning takes by default: what was learned is to be bent, not replaced."""

WARM = 0.2
"""Share of the teacher's stage that a new critic has for itself."""


def fine_tuning(start: Weights, schedule: LifterConfig | None) -> LifterConfig:
    """Return the configuration of a run that starts from weights.

    The networks' shape and the camera's distance are the weights'; views and training are `schedule`'s, or the weights'
    own where there is none. Raises `SettingsError` where they are for another kind of teacher.
    """
    own = start.config
    if schedule is None:
        return _warm(own)
    if own.teacher.lifting != schedule.teacher.lifting:
        raise SettingsError(
            f"the preset '{schedule.preset}' trains another kind of teacher than that of the weights '{start.name}'; "
            "leave the preset out or choose another."
        )
    return _warm(replace(schedule, teacher=own.teacher, student=own.student, distance=own.distance, aware=own.aware))


def _warm(config: LifterConfig) -> LifterConfig:
    """Let a new critic learn before the teacher listens to it."""
    stage = config.teacher_stage
    if stage.prior is None:
        return config
    return replace(config, teacher_stage=replace(stage, prior=replace(stage.prior, warm=WARM)))


def without_truth(config: LifterConfig) -> LifterConfig:
    """Return the configuration for going on with tracks, which have no 3D: its supervised terms are left out.

    So is the critic: a few clips show few views, and it would call every other one wrong. Bones, cycles and hinges stay.
    Raises `SettingsError` where a stage has no other.
    """

    def stage(name: str, stage: StageConfig) -> StageConfig:
        if not (stage.main_weight or stage.cycle_weight or stage.prior):
            raise SettingsError(
                f"the preset '{config.preset}' trains the {name} from 3D alone, and 2D tracks have none; "
                "choose another preset or give motion capture."
            )
        prior = stage.prior and replace(stage.prior, critic=0.0, warm=0.0)
        return replace(stage, supervised=0.0, prior=prior)

    return replace(
        config,
        teacher_stage=stage("teacher", config.teacher_stage),
        student_stage=stage("student", config.student_stage),
    )


def for_skeleton(config: LifterConfig, skeleton: Skeleton) -> LifterConfig:
    """Return the configuration without the sets of hidden joints that name joints of another skeleton."""
    hidden = tuple(names for names in config.views.hidden if set(names) <= set(skeleton.joint_names))
    return replace(config, views=replace(config.views, hidden=hidden))


def check_skeleton(start: Weights, skeleton: Skeleton) -> None:
    """Raise `SettingsError`, saying how they differ, unless the weights are of a skeleton with the same joints and bones."""
    ours, theirs = skeleton.joint_names, start.skeleton.joint_names
    what = ""
    if ours != theirs:
        differ = sorted(set(ours) ^ set(theirs))
        what = f"{', '.join(differ)} in one of them only" if differ else "the joints' order"
    elif skeleton.parents != start.skeleton.parents:
        what = "the joints' parents"
    elif not (skeleton.mirror == start.skeleton.mirror).all():
        what = "the mirror pairs"
    if what:
        raise SettingsError(
            f"the weights '{start.name}' are of the skeleton '{start.skeleton.name}', not of '{skeleton.name}' ({what}); "
            "fine-tuning needs the same joints and bones."
        )


class AtSizeOf:
    """2D tracks at the size that weights were trained at, with the weights' own statistics.

    A body's size in the virtual camera's plane is told from its edges (`prepare`), against the mean lengths that stand in
    the weights. Tracks of their own size and with statistics of their own would agree with each other too, but the network
    would first have to learn another size; and a few clips say little about where an unseen joint may be: conditional
    means of so narrow a set are wrong for every other clip. So tracks are scaled to the weights' edges, and the
    weights' statistics go on to the fine-tuned ones. New motion capture, thousands of poses in all views, keeps its own.
    """

    def __init__(self, source: PoseSource, start: Weights, config: LifterConfig, device: torch.device) -> None:
        saved = start.part("statistics")
        self.size = source.size
        self.statistics = PoseStatistics(saved["mean"], saved["covariance"], saved["edges"])
        self._source = source
        self._corruption = Corruption(config.views, start.skeleton, *self.statistics.normal(device))
        self._factor = float(saved["edges"].sum() / source.statistics.edges.sum())

    def sample(self, count: int, generator: torch.Generator, frames: int = 1) -> Batch:
        """Draw `count` poses, or pairs; what is larger is as much nearer to the size's own distance."""
        batch = self._source.sample(count, generator, frames)
        distance = None if batch.distance is None else batch.distance * self._factor
        return batch._replace(plane=batch.plane * self._factor, distance=distance)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a batch with joints missing, completed as the weights' statistics say."""
        plane, observed = self._corruption(batch.plane, batch.observed, generator)
        return batch._replace(plane=plane, observed=observed)
