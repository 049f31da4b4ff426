# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig as data: names, parents and rest matrices of an armature's bones, free of Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rig:
    """An armature at rest. B bones, every parent before its children.

    names, parents: of the bones, -1 for a root. rest: (B, 4, 4) `Bone.matrix_local`, armature space. lengths: (B,) head to
    tail, armature units. world: (4, 4) armature space to world.
    label: the rig's name, for messages.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: Array
    lengths: Array
    world: Array = field(default_factory=lambda: np.eye(4))
    label: str = "armature"
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({name: i for i, name in enumerate(self.names)})
        if any(parent >= i for i, parent in enumerate(self.parents)):
            raise RigError(f"{self.label}: its bones are not in order; each parent has to come before its children.")

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def index(self, name: str) -> int:
        """Return the index of a bone. Raises `RigError` where there is none of that name."""
        try:
            return self._index[name]
        except KeyError:
            raise RigError(f"{self.label}: there is no bone '{name}'; correct the mapping.") from None

    @property
    def heads(self) -> Array:
        """Heads (B, 3) at rest, world."""
        return self.rest[:, :3, 3] @ self.world[:3, :3].T + self.world[:3, 3]

    @property
    def tails(self) -> Array:
        """Tails (B, 3) at rest, world."""
        tails = self.rest[:, :3, 3] + self.rest[:, :3, 1] * self.lengths[:, None]
        return tails @ self.world[:3, :3].T + self.world[:3, 3]

    @property
    def turn(self) -> Array:
        """The rotation (3, 3) from armature space to world, without the scale."""
        u, _, vt = np.linalg.svd(self.world[:3, :3])
        turn = u @ vt
        if np.linalg.det(turn) < 0:
            raise RigError(f"{self.label}: its object is mirrored (a negative scale); make the scale positive.")
        return turn

    @property
    def scale(self) -> float:
        """World units per armature unit; the geometric mean where the object's scale is uneven."""
        return float(np.abs(np.linalg.det(self.world[:3, :3])) ** (1 / 3))

    @property
    def uneven(self) -> bool:
        """Whether the object is scaled by different factors along its axes, which bends what turns in it."""
        values = np.linalg.svd(self.world[:3, :3], compute_uv=False)
        return bool(values.max() > 1.01 * values.min())

    def children(self) -> list[list[int]]:
        """Return the indices of every bone's children."""
        found: list[list[int]] = [[] for _ in self.names]
        for child, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(child)
        return found

    def ancestors(self, bone: int) -> list[int]:
        """Return a bone's ancestors, the nearest first."""
        found = []
        while (bone := self.parents[bone]) >= 0:
            found.append(bone)
        return found


def ordered(names: Sequence[str], parents: Sequence[int]) -> list[int]:
    """Return the indices of bones so that parents come before children."""
    depth: dict[int, int] = {-1: -1}

    def level(bone: int) -> int:
        path = []
        while bone not in depth:
            path.append(bone)
            bone = parents[bone]
        start = depth[bone]
        for step, item in enumerate(reversed(path), 1):
            depth[item] = start + step
        return start + len(path)

    return sorted(range(len(names)), key=lambda bone: (level(bone), bone))
