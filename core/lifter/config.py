# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of the teacher/student network and of its training; every published number stands here once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import SettingsError


@dataclass(frozen=True)
class TeacherConfig:
    """Shape of the teacher: dictionary atoms, trunk width, bottleneck and number of residual blocks."""

    atoms: int = 12
    width: int = 1024
    bottleneck: int = 256
    blocks: int = 6


@dataclass(frozen=True)
class StudentConfig:
    """Shape of the student: channels, number of residual graph blocks, and which joints a joint listens to.

    `reach`: 'neighbours' along the bones, the paper's, or 'all' others.
    """

    channels: int = 128
    blocks: int = 4
    reach: str = "neighbours"


@dataclass(frozen=True)
class ViewConfig:
    """The virtual cameras that training sees, all looking at the root.

    Angles in degrees; `distance` is a range in units of the camera distance t (1 is the paper's constant distance);
    `size_jitter` is the standard deviation of the logarithm of the apparent size. `noise` is the mean over poses of the
    standard deviation of their keypoints (in the virtual camera's plane, where a person is about 0.5 tall); it varies
    uniformly from 0 to twice that. `mirror` shows every other pose with left and right swapped. Every other pose has
    joints hidden, and completed as at inference: one of the sets in `hidden` (joints that detectors lack), and each
    further joint with the probability `drop`.
    """

    elevation: tuple[float, float] = (-10.0, 40.0)
    roll: float = 5.0
    distance: tuple[float, float] = (0.9, 1.1)
    size_jitter: float = 0.0
    noise: float = 0.0
    mirror: bool = False
    hidden: tuple[tuple[str, ...], ...] = ()
    drop: float = 0.0


@dataclass(frozen=True)
class StageConfig:
    """How one of the two networks is trained.

    `rotations`: turned copies per sample; `supervised`: weight of the 3D term, 0 for learning from 2D alone.
    `optimiser`: 'sgd' (momentum 0.9, step decay) or 'adamw' (one cosine over all epochs).
    """

    epochs: int
    learning_rate: float = 1e-3
    halve_every: int = 15
    batch: int = 128
    rotations: int = 4
    optimiser: str = "sgd"
    weight_decay: float = 5e-4
    main_weight: float = 5.0
    cycle_weight: float = 1.0
    supervised: float = 0.0


@dataclass(frozen=True)
class LifterConfig:
    """Everything that defines a lifter and how it is trained.

    `distance` is t, the constant distance of the virtual camera from the root, in body units (mean distance from the
    root to the head joint); `haar` draws random rotations uniformly from SO(3) instead of the paper's uniform axis and
    angle in (0, pi).
    """

    preset: str
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    teacher_stage: StageConfig = field(default_factory=lambda: StageConfig(50))
    student_stage: StageConfig = field(default_factory=lambda: StageConfig(40))
    distance: float = 5.0
    haar: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LifterConfig:
        """Build from `to_dict`'s data. Raises `SettingsError` where it does not fit."""
        parts = {
            "teacher": TeacherConfig,
            "student": StudentConfig,
            "views": ViewConfig,
            "teacher_stage": StageConfig,
            "student_stage": StageConfig,
        }
        try:
            values = {key: parts[key](**value) if key in parts else value for key, value in data.items()}
            views = values["views"]
            values["views"] = replace(
                views,
                elevation=tuple(views.elevation),
                distance=tuple(views.distance),
                hidden=tuple(tuple(names) for names in views.hidden),
            )
            return cls(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise SettingsError(f"not a lifter configuration: {error}.") from error


def _anchored_stage(epochs: int, learning_rate: float, main: float, cycle: float) -> StageConfig:
    return StageConfig(
        epochs,
        learning_rate,
        batch=512,
        rotations=1,
        optimiser="adamw",
        weight_decay=1e-2,
        main_weight=main,
        cycle_weight=cycle,
        supervised=5.0,
    )


PRESETS: dict[str, LifterConfig] = {
    # ITES, section "Implementation details": the published setting.
    "paper": LifterConfig("paper"),
    # The same networks with the motion capture's 3D added to both losses, for varied cameras, sizes, noise and hidden
    # joints; a graph without fixed neighbours learns in a tenth of the time.
    "anchored": LifterConfig(
        "anchored",
        student=StudentConfig(reach="all"),
        views=ViewConfig(
            roll=25.0,
            distance=(0.65, 2.6),
            size_jitter=0.12,
            noise=0.004,
            mirror=True,
            hidden=((), ("spine", "head_top"), ("spine", "head_top", "head_joint")),
            drop=0.08,
        ),
        teacher_stage=_anchored_stage(35, 1e-3, main=5.0, cycle=1.0),
        student_stage=_anchored_stage(55, 1e-3, main=0.5, cycle=0.0),
        haar=True,
    ),
}


def preset(name: str) -> LifterConfig:
    """Return a named configuration. Raises `SettingsError` naming the known ones."""
    if name not in PRESETS:
        raise SettingsError(f"there is no preset '{name}'; known are {', '.join(PRESETS)}.")
    return PRESETS[name]
