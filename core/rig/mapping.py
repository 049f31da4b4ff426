# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of a rig plays which role of a body: found by names, or by the rig's shape; checked either way."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import RigError
from .families import FAMILIES
from .families.family import Family
from .names import PlainName, plain_names
from .roles import REQUIRED, SIDES, chain, is_role, sort_key
from .skeletal import Rig
from .structure import map_by_structure, upright

BY_STRUCTURE = "structure"
AUTO = "auto"
_MIDDLE = ("root", "hips", "head")


@dataclass(frozen=True)
class BoneMap:
    """Bones by role. source: the family's name, 'structure' or 'preset'; notes: what the user should know."""

    bones: Mapping[str, str]
    source: str
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for role in self.bones:
            if not is_role(role):
                raise RigError(f"'{role}' is no role of a body; roles are hips, spine.1, upper_arm.L and the like.")
        twice = [bone for bone, count in Counter(self.bones.values()).items() if count > 1]
        if twice:
            raise RigError(f"bone '{twice[0]}' has two roles; give each bone at most one.")

    @property
    def roles(self) -> list[str]:
        """The roles that have a bone, in the order of a body."""
        return sorted(self.bones, key=sort_key)


def check_map(rig: Rig, bones: BoneMap) -> None:
    """Check that a rig has the bones, and that they hang together as a body's do. Raises `RigError` that says what not."""
    for bone in bones.bones.values():
        rig.index(bone)
    missing = [role for role in REQUIRED if role not in bones.bones]
    if missing:
        raise RigError(f"{rig.label}: no bone was found for {', '.join(missing)}; set it in the mapping.")
    problem = misfit(rig, bones.bones)
    if problem:
        raise RigError(f"{rig.label}: {problem}; correct the mapping.")


def auto_map(rig: Rig, family: str = AUTO) -> BoneMap:
    """Find the bones of a humanoid.

    family: 'auto', the name of one of `FAMILIES`, or 'structure'. Names are tried first, then the rig's shape. Raises
    `RigError` with the reason where the rig is no humanoid or lacks a required bone.
    """
    if family not in (AUTO, BY_STRUCTURE, *FAMILIES):
        raise RigError(f"'{family}' is no family of bone names; choose auto, structure, {', '.join(FAMILIES)}.")
    if not len(rig):
        raise RigError(f"{rig.label}: it has no bones.")
    plain = plain_names(rig.names)
    best: tuple[int, int] = (0, 0)
    found: tuple[Family, dict[str, str]] | None = None
    for candidate in FAMILIES.values():
        if family not in (AUTO, candidate.name):
            continue
        bones = map_by_names(rig, plain, candidate)
        fits = all(role in bones for role in REQUIRED) and misfit(rig, bones) is None
        score = (sum(role in bones for role in REQUIRED) + (100 if fits else 0), len(bones))
        if score > best:
            best, found = score, (candidate, bones)
    if found and best[0] > 100:
        return BoneMap(found[1], found[0].name)
    if family not in (AUTO, BY_STRUCTURE):
        lacking = [role for role in REQUIRED if found is None or role not in found[1]]
        if lacking or found is None:
            reason = f"no bone is called as the {FAMILIES[family].label} family calls {', '.join(lacking)}"
        else:
            reason = misfit(rig, found[1]) or ""
        raise RigError(f"{rig.label}: {reason}; choose another family, or set the bones in the mapping.")
    by_shape = map_by_structure(rig)
    notes = ("the names say too little; the bones were told by the shape of the rig: look through the mapping.",)
    return BoneMap(by_shape, BY_STRUCTURE, notes)


def map_by_names(rig: Rig, plain: list[PlainName], family: Family) -> dict[str, str]:
    """Return the bones of a rig that a family's table knows, by role; of two for one role, the one nearer to the root."""
    found: dict[str, str] = {}
    depth = [len(rig.ancestors(bone)) for bone in range(len(rig))]
    for bone in sorted(range(len(rig)), key=lambda bone: depth[bone]):
        role = _role_of(plain[bone], family)
        if role is not None:
            found.setdefault(role, rig.names[bone])
    if "hips" not in found and (root := found.get("root")):
        found = {role: bone for role, bone in found.items() if role != "root"} | {"hips": root}
    return _renumbered(rig, found)


def _role_of(name: PlainName, family: Family) -> str | None:
    base, side = name.base, name.side
    if family.glued and not side and base not in family.table and base[:1] in "lr" and base[1:] in family.table:
        base, side = base[1:], base[0].upper()
    part = family.table.get(base)
    if part is None:
        return None
    middle = part in _MIDDLE or part.startswith(("spine.", "neck."))
    if middle or not side:
        return part if middle and not side else None
    return f"{part}.{side}"


def _renumbered(rig: Rig, found: dict[str, str]) -> dict[str, str]:
    """Number spine and neck from below without holes; a neck below the shoulders is spine, and the other way around."""
    middle = [found[role] for part in ("spine", "neck") for role in chain(found, part)]
    if not middle:
        return found
    middle.sort(key=lambda bone: len(rig.ancestors(rig.index(bone))))
    carrying: set[str] = set()
    for side in SIDES:
        top = found.get(f"shoulder.{side}") or found.get(f"upper_arm.{side}")
        if top:
            carrying |= {rig.names[bone] for bone in rig.ancestors(rig.index(top))}
    last = max((i for i, bone in enumerate(middle) if bone in carrying), default=-1)
    if last < 0:  # the arms hang on no spine bone directly (controls): the table's own division holds
        last = len(chain(found, "spine")) - 1
    kept = {role: bone for role, bone in found.items() if not role.startswith(("spine.", "neck."))}
    kept |= {f"spine.{i + 1}": bone for i, bone in enumerate(middle[: last + 1])}
    neck = middle[last + 1 :]
    if len(neck) > 1 and "head" not in kept:  # numbered on from the spine (a metarig with fewer bones)
        kept["head"] = neck.pop()
    kept |= {f"neck.{i + 1}": bone for i, bone in enumerate(neck)}
    return kept


def misfit(rig: Rig, bones: Mapping[str, str]) -> str | None:
    """Return why bones cannot be a body's, or None: parents below children, left and right the same, no length.

    Controls (Rigify, Auto-Rig Pro) hang on helpers, so only bones that stand in each other's line are compared.
    """
    at = {role: rig.index(bone) for role, bone in bones.items()}
    lines = [
        [*(f"{part}.{side}" for part in line)]
        for side in SIDES
        for line in (("thigh", "shin", "foot"), ("upper_arm", "forearm", "hand"))
    ]
    heads = rig.heads
    for line in lines:
        present = [role for role in line if role in at]
        for upper, lower in itertools.pairwise(present):
            if at[upper] in rig.ancestors(at[lower]) or at[lower] not in rig.ancestors(at[upper]):
                continue
            return f"'{bones[lower]}' ({lower}) is above '{bones[upper]}' ({upper})"
        for upper, lower in itertools.pairwise(present):
            if float(((heads[at[upper]] - heads[at[lower]]) ** 2).sum()) == 0:
                return f"'{bones[lower]}' ({lower}) starts where '{bones[upper]}' ({upper}) does"
    if all(role in at for role in REQUIRED) and not upright({role: heads[bone] for role, bone in at.items()}):
        return "it is no humanoid: its trunk does not stand on its legs"
    return None
