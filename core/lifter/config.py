# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of the teacher/student network and of its training; every published number stands here once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import SettingsError


@dataclass(frozen=True)
class TeacherConfig:
    """Shape of the teacher: dictionary atoms, trunk width, bottleneck and number of residual blocks.

    `lifting`: the trunk also says each joint's depth and which way is up, and the rotation comes from two of its columns.
    """

    atoms: int = 12
    width: int = 1024
    bottleneck: int = 256
    blocks: int = 6
    lifting: bool = False


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
    joints hidden, and completed as at inference: one of the sets in `hidden` (joints that detectors lack), each
    further joint with a probability between 0 and twice `drop`, and with the probability `limb` everything beyond
    one of the joints.
    """

    elevation: tuple[float, float] = (-10.0, 40.0)
    roll: float = 5.0
    distance: tuple[float, float] = (0.9, 1.1)
    size_jitter: float = 0.0
    noise: float = 0.0
    mirror: bool = False
    hidden: tuple[tuple[str, ...], ...] = ()
    drop: float = 0.0
    limb: float = 0.0


@dataclass(frozen=True)
class PriorConfig:
    """Weights of what tells a body from anything else that reprojects, learned from 2D alone (`prior`).

    `critic`: poses must look like the data's from views that no camera took; `penalty` keeps the critic's slope small,
    `width` is its size and `gap` how many frames apart the two poses are that it sees together. `bones`: lengths are in
    one proportion; `pair`: the same a moment later; `scale`: bodies are of one size; `midpoints` and `hinges`: as the
    skeleton says. `cycle`: what was turned is lifted as it was. `dictionary`, `frame`, `invariance`: the canonical pose
    and its rotation explain the lifted pose, and stay when the pose is turned. `warm`: share of the
    stage in which the critic alone learns, for one that knows nothing undoes what a trained teacher can.
    """

    critic: float = 1.0
    penalty: float = 1.0
    width: int = 512
    gap: int = 8
    bones: float = 1.0
    pair: float = 1.0
    scale: float = 0.1
    midpoints: float = 0.8
    hinges: float = 2.0
    cycle: float = 0.8
    dictionary: float = 0.5
    frame: float = 0.15
    invariance: float = 0.5
    warm: float = 0.0


@dataclass(frozen=True)
class StageConfig:
    """How one of the two networks is trained.

    `rotations`: turned copies per sample; `supervised`: weight of the 3D term, 0 for learning from 2D alone; `turned`:
    weight of the teacher's poses seen from elsewhere, for the student. `optimiser`: 'sgd' (momentum 0.9, step decay) or
    'adamw' (one cosine over all epochs). `prior`: how a lifting teacher learns depth; the paper's has none. `clip`: the
    longest gradient that is followed as it is.
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
    turned: float = 0.0
    prior: PriorConfig | None = None
    clip: float = 5.0


@dataclass(frozen=True)
class LifterConfig:
    """Everything that defines a lifter and how it is trained.

    `distance` is t, the constant distance of the virtual camera from the root, in body units (mean distance from the
    root to the head joint); `haar` draws random rotations uniformly from SO(3) instead of the paper's uniform axis and
    angle in (0, pi). `aware`: the networks see how far each body is, told from its apparent size, and which of its joints
    were observed; otherwise every body stands at the distance t.
    """

    preset: str
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    teacher_stage: StageConfig = field(default_factory=lambda: StageConfig(50))
    student_stage: StageConfig = field(default_factory=lambda: StageConfig(40))
    distance: float = 5.0
    haar: bool = False
    aware: bool = False

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
            for stage in ("teacher_stage", "student_stage"):
                if isinstance(values[stage].prior, dict):
                    values[stage] = replace(values[stage], prior=PriorConfig(**values[stage].prior))
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


_HIDDEN = ((), ("spine", "head_top"), ("spine", "head_top", "head_joint"))


def _invariant(name: str, supervised: float, distilled: float, turned: float) -> LifterConfig:
    """Return what both default presets share; they differ in the weight of the motion capture's 3D, which may be zero."""

    def stage(epochs: int, **more: Any) -> StageConfig:
        return StageConfig(
            epochs, 1e-3, batch=512, optimiser="adamw", weight_decay=1e-2, supervised=supervised, clip=1.0, **more
        )

    return LifterConfig(
        name,
        teacher=TeacherConfig(atoms=24, blocks=4, lifting=True),
        student=StudentConfig(reach="all"),
        views=ViewConfig(
            roll=5.0, distance=(0.5, 2.5), size_jitter=0.03, noise=0.004, mirror=True, hidden=_HIDDEN, drop=0.2, limb=0.2
        ),
        teacher_stage=stage(40, prior=PriorConfig()),
        student_stage=stage(80, main_weight=distilled, turned=turned, cycle_weight=0.0),
        haar=True,
        aware=True,
    )


PRESETS: dict[str, LifterConfig] = {
    # ITES, section "Implementation details": the published setting.
    "paper": LifterConfig("paper"),
    "2d-only": _invariant("2d-only", supervised=0.0, distilled=1.0, turned=1.0),
    "3d-anchored": _invariant("3d-anchored", supervised=5.0, distilled=0.25, turned=0.0),
}


def preset(name: str) -> LifterConfig:
    """Return a named configuration. Raises `SettingsError` naming the known ones."""
    if name not in PRESETS:
        raise SettingsError(f"there is no preset '{name}'; known are {', '.join(PRESETS)}.")
    return PRESETS[name]
