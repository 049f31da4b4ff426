# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons as data: joint names, parents, mirror pairs and hinges.

Nothing outside this file knows how many joints a body has. `HUMAN17` is the canonical human; detectors' layouts and
their mappings onto it are in `layouts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import SkeletonError

SPINES = ("up", "front")
USUAL_HEIGHT = 1.75
"""Metres; of an actor where neither user nor skeleton says anything."""


@dataclass(frozen=True)
class Hinge:
    """A joint that bends one way only, which tells a pose from its mirror image.

    `sign` is +1 where the bent joint points to the body's front (a knee), -1 where it points to its back (an elbow);
    `weight` says how far the rule can be trusted.
    """

    joint: str
    before: str
    after: str
    sign: int
    weight: float = 1.0


@dataclass(frozen=True)
class BodyAxes:
    """The joints that span the body's own frame: `down` to `up` along the spine, and `right` to `left` (pairs, averaged).

    spine: where that first line points while the body stands: 'up' on two legs, to its 'front' on four.
    """

    down: str
    up: str
    right_left: tuple[tuple[str, str], ...]
    spine: str = "up"

    def __post_init__(self) -> None:
        if self.spine not in SPINES:
            raise SkeletonError(f"a spine points {' or '.join(SPINES)}, not '{self.spine}'.")


@dataclass(frozen=True)
class Stature:
    """What "height" means for a skeleton: `factor` times the bones that end in `joints` (left and right averaged).

    `feet` are the joints nearest the floor, `foot_height` how high they stand, as a share of the height. `usual` is the
    height in metres that an actor of unknown height is given.
    """

    joints: tuple[str, ...]
    factor: float
    feet: tuple[str, ...]
    foot_height: float
    usual: float = USUAL_HEIGHT


@dataclass(frozen=True)
class Skeleton:
    """A tree (or forest) of named joints.

    `parents[j]` is the index of joint j's parent, -1 for a root. `mirror_pairs` are (left, right) joint names.
    `midpoints` are (joint, left, right): a joint that is by definition halfway between two others.
    `rest` are the directions from each joint's parent to it, of a body at rest (facing -Y, Z up; a root's says nothing).
    `axes`, `hinges`, `stature` and `rest` may be absent: a detector's layout needs none of them.
    Raises `SkeletonError` where names repeat, parents form a loop, a pair or hinge names no joint, or a bone at rest has no
    direction.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    hinges: tuple[Hinge, ...] = ()
    axes: BodyAxes | None = None
    midpoints: tuple[tuple[str, str, str], ...] = ()
    stature: Stature | None = None
    rest: tuple[tuple[float, float, float], ...] = ()
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        names, parents = self.joint_names, self.parents
        if not names or len(names) != len(parents):
            raise SkeletonError(f"skeleton '{self.name}' has {len(names)} joints but {len(parents)} parents.")
        if len(set(names)) != len(names):
            raise SkeletonError(f"skeleton '{self.name}' names a joint twice.")
        self._index.update({name: i for i, name in enumerate(names)})
        for joint in range(len(names)):
            seen, at = {joint}, parents[joint]
            while at != -1:
                if not 0 <= at < len(names) or at in seen:
                    raise SkeletonError(f"skeleton '{self.name}': joint '{names[joint]}' has no way to a root.")
                seen.add(at)
                at = parents[at]
        used = [n for pair in self.mirror_pairs for n in pair]
        used += [n for h in self.hinges for n in (h.joint, h.before, h.after)]
        if self.axes:
            used += [self.axes.down, self.axes.up, *(n for pair in self.axes.right_left for n in pair)]
        used += [n for triple in self.midpoints for n in triple]
        if self.stature:
            used += [*self.stature.joints, *self.stature.feet]
        for name in used:
            self.index(name)
        if self.rest and (
            len(self.rest) != len(names) or any(not 0 < np.linalg.norm(self.rest[j]) < np.inf for _, j in self.edges)
        ):
            raise SkeletonError(
                f"skeleton '{self.name}': its rest pose needs one direction for each of its {len(names)} joints."
            )

    def __len__(self) -> int:
        return len(self.joint_names)

    def index(self, name: str) -> int:
        """Return the index of a joint. Raises `SkeletonError` where the skeleton has no such joint."""
        try:
            return self._index[name]
        except KeyError:
            raise SkeletonError(f"skeleton '{self.name}' has no joint '{name}'.") from None

    @cached_property
    def root(self) -> int:
        """Index of the first root joint."""
        return self.parents.index(-1)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) index pairs, one per joint that has a parent, in joint order."""
        return tuple((p, j) for j, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Joint indices, every parent before its children."""
        done: list[int] = []
        todo = [j for j, p in enumerate(self.parents) if p < 0]
        while todo:
            joint = todo.pop(0)
            done.append(joint)
            todo += [j for j, p in enumerate(self.parents) if p == joint]
        return tuple(done)

    @cached_property
    def mirror(self) -> NDArray[np.intp]:
        """Permutation (J,) that swaps the left and right joints."""
        permutation = np.arange(len(self))
        for left, right in self.mirror_pairs:
            a, b = self.index(left), self.index(right)
            permutation[[a, b]] = b, a
        return permutation

    @cached_property
    def paired(self) -> NDArray[np.bool_]:
        """Mask (J,) of the joints that have a mirror image: limbs, not trunk and head."""
        return self.mirror != np.arange(len(self))

    @cached_property
    def limb_depth(self) -> NDArray[np.intp]:
        """How many bones of its limb a joint is away from where the limb hangs (J,): hip 0, knee 1, ankle 2; trunk 0."""
        depth = np.zeros(len(self), np.intp)
        for joint in self.order:
            parent = self.parents[joint]
            if parent >= 0:
                depth[joint] = depth[parent] + (self.paired[parent] and self.paired[joint])
        return depth

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` takes back (for JSON, and for weights files)."""
        return {
            "name": self.name,
            "joint_names": list(self.joint_names),
            "parents": list(self.parents),
            "mirror_pairs": [list(pair) for pair in self.mirror_pairs],
            "hinges": [[h.joint, h.before, h.after, h.sign, h.weight] for h in self.hinges],
            "axes": _axes_to_list(self.axes) if self.axes else None,
            "midpoints": [list(triple) for triple in self.midpoints],
            "stature": _stature_to_list(self.stature) if self.stature else None,
            **({"rest": [list(direction) for direction in self.rest]} if self.rest else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Skeleton:
        """Build a skeleton from `to_dict`'s data. Raises `SkeletonError` where it is not such data."""
        try:
            axes, stature = data.get("axes"), data.get("stature")
            return cls(
                name=str(data["name"]),
                joint_names=tuple(map(str, data["joint_names"])),
                parents=tuple(map(int, data["parents"])),
                mirror_pairs=tuple((str(a), str(b)) for a, b in data.get("mirror_pairs", ())),
                hinges=tuple(Hinge(str(j), str(b), str(a), int(s), float(w)) for j, b, a, s, w in data.get("hinges", ())),
                axes=BodyAxes(str(axes[0]), str(axes[1]), tuple((str(a), str(b)) for a, b in axes[2]), *map(str, axes[3:]))
                if axes
                else None,
                midpoints=tuple((str(m), str(a), str(b)) for m, a, b in data.get("midpoints", ())),
                stature=Stature(
                    tuple(map(str, stature[0])), float(stature[1]), tuple(map(str, stature[2])), *map(float, stature[3:])
                )
                if stature
                else None,
                rest=tuple((float(x), float(y), float(z)) for x, y, z in data.get("rest", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise SkeletonError(f"not a skeleton: {type(error).__name__} {error}.") from error


# What is as usual stays away, so that files from before these fields still compare equal.
def _axes_to_list(axes: BodyAxes) -> list[Any]:
    plain = [axes.down, axes.up, [list(pair) for pair in axes.right_left]]
    return plain if axes.spine == "up" else [*plain, axes.spine]


def _stature_to_list(stature: Stature) -> list[Any]:
    plain = [list(stature.joints), stature.factor, list(stature.feet), stature.foot_height]
    return plain if stature.usual == USUAL_HEIGHT else [*plain, stature.usual]


def usual_height(skeleton: Skeleton) -> float:
    """Return the height in metres that an actor of unknown height is given."""
    return skeleton.stature.usual if skeleton.stature else USUAL_HEIGHT


def tree(
    name: str,
    joints: Sequence[tuple[str, str | None]],
    mirror_pairs: Sequence[tuple[str, str]] = (),
    hinges: Sequence[Hinge] = (),
    axes: BodyAxes | None = None,
    midpoints: Sequence[tuple[str, str, str]] = (),
    stature: Stature | None = None,
) -> Skeleton:
    """Make a `Skeleton` from (joint, parent name or None) rows."""
    names = [joint for joint, _ in joints]
    parents = tuple(-1 if parent is None else names.index(parent) for _, parent in joints)
    return Skeleton(name, tuple(names), parents, tuple(mirror_pairs), tuple(hinges), axes, tuple(midpoints), stature)


def extended(name: str, base: Skeleton, joints: Sequence[tuple[str, str]]) -> Skeleton:
    """Return `base` with (joint, parent name) rows added behind its own; `l_` and `r_` names mirror each other."""
    names = [*base.joint_names, *(joint for joint, _ in joints)]
    pairs = [(joint, f"r_{joint[2:]}") for joint, _ in joints if joint.startswith("l_")]
    return replace(
        base,
        name=name,
        joint_names=tuple(names),
        parents=(*base.parents, *(names.index(parent) for _, parent in joints)),
        mirror_pairs=(*base.mirror_pairs, *pairs),
    )


HUMAN17 = tree(
    "human17",
    (
        ("pelvis", None),
        ("r_hip", "pelvis"),
        ("r_knee", "r_hip"),
        ("r_ankle", "r_knee"),
        ("l_hip", "pelvis"),
        ("l_knee", "l_hip"),
        ("l_ankle", "l_knee"),
        ("spine", "pelvis"),
        ("neck_base", "spine"),
        ("head_joint", "neck_base"),
        ("head_top", "head_joint"),
        ("l_shoulder", "neck_base"),
        ("l_elbow", "l_shoulder"),
        ("l_wrist", "l_elbow"),
        ("r_shoulder", "neck_base"),
        ("r_elbow", "r_shoulder"),
        ("r_wrist", "r_elbow"),
    ),
    mirror_pairs=tuple((f"l_{part}", f"r_{part}") for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")),
    hinges=(
        *(Hinge(f"{s}_knee", f"{s}_hip", f"{s}_ankle", +1, 1.0) for s in "lr"),
        *(Hinge(f"{s}_elbow", f"{s}_shoulder", f"{s}_wrist", -1, 0.5) for s in "lr"),
    ),
    axes=BodyAxes("pelvis", "neck_base", (("r_hip", "l_hip"), ("r_shoulder", "l_shoulder"))),
    midpoints=(("pelvis", "l_hip", "r_hip"),),
    # Measured on the subjects of the training data who stand on level ground: crown over floor is 1.02 times these bones.
    stature=Stature(
        ("l_knee", "r_knee", "l_ankle", "r_ankle", "spine", "neck_base", "head_joint", "head_top"),
        factor=1.02,
        feet=("l_ankle", "r_ankle"),
        foot_height=0.045,
    ),
)
"""The canonical human: 17 joints in Human3.6M order (see the design's data section)."""


HUMAN26 = extended(
    "human26",
    HUMAN17,
    (
        ("l_toe", "l_ankle"),
        ("r_toe", "r_ankle"),
        ("l_heel", "l_ankle"),
        ("r_heel", "r_ankle"),
        ("l_hand", "l_wrist"),
        ("r_hand", "r_wrist"),
        ("nose", "head_joint"),
        ("l_ear", "head_joint"),
        ("r_ear", "head_joint"),
    ),
)
"""`HUMAN17` and what turns feet, hands and head: the front of the foot (between the big and the small toe's tips), the heel,
the knuckles' middle, the nose, the ears. The lifter knows the first 17; the rest is seen, never guessed from them."""


HUMAN21 = extended("human21", HUMAN17, tuple((f"{side}_{part}", f"{side}_ankle") for part in ("toe", "heel") for side in "lr"))
"""`HUMAN17` and what tells how the feet are turned: their fronts and heels."""


HUMAN23 = extended(
    "human23",
    HUMAN17,
    tuple((f"{side}_{part}", f"{side}_wrist") for part in ("hand", "index", "pinky") for side in "lr"),
)
"""`HUMAN17` and the knuckles that tell how the palms are turned: of the middle finger, the index finger and the pinky."""


HUMAN27 = extended(
    "human27",
    HUMAN21,
    tuple((joint, HUMAN23.joint_names[HUMAN23.parents[HUMAN23.index(joint)]]) for joint in HUMAN23.joint_names[len(HUMAN17) :]),
)
"""`HUMAN17`, feet and knuckles."""
