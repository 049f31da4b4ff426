# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone is which: by names of every family, by the rig's shape, and from presets; and what is refused."""

import json

import numpy as np
import pytest
from motions import dog_joints, dog_skeleton
from rigs import FAMILIES, NONSENSE, human_rig, rig_of

from poselift.core.errors import OutputError, ReadError, RigError
from poselift.core.rig.mapping import BoneMap, auto_map, check_map
from poselift.core.rig.names import plain_name, plain_names
from poselift.core.rig.presets import load_map, save_map
from poselift.core.rig.roles import REQUIRED, is_role, mirrored


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("arms", [0.0, 45.0])
def test_every_familys_bones_are_told_by_their_names(family, arms):
    names = FAMILIES[family]
    rig = human_rig(names, arms)
    found = auto_map(rig)
    check_map(rig, found)
    expected = {role: bone for role, bone in names.items() if role in found.bones or role in REQUIRED}
    assert {role: found.bones.get(role) for role in expected} == expected
    assert set(names) - set(found.bones) <= {"toe.L", "toe.R"}
    assert found.source != "structure"


@pytest.mark.parametrize("arms", [0.0, 30.0, 60.0])
@pytest.mark.parametrize("turn", [0, 90, 180])
def test_bones_without_telling_names_are_told_by_the_rigs_shape(arms, turn):
    angle = np.radians(turn)
    world = np.eye(4)
    world[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    rig = human_rig(NONSENSE, arms, rolls=3, scale=100.0, world=world)
    found = auto_map(rig)
    assert found.source == "structure"
    assert found.notes
    assert {role: found.bones.get(role) for role in NONSENSE} == NONSENSE


def test_a_named_family_is_kept_to():
    rig = human_rig(FAMILIES["unreal"])
    assert auto_map(rig, "unreal").source == "unreal"
    assert auto_map(rig, "structure").source == "structure"
    with pytest.raises(RigError, match="Mixamo family calls hips"):
        auto_map(rig, "mixamo")
    with pytest.raises(RigError, match="no family"):
        auto_map(rig, "klingon")


def test_what_is_no_humanoid_is_refused_with_the_reason():
    skeleton = dog_skeleton()
    joints = dog_joints(skeleton, 1)[0]
    bones = [("base", None, joints[skeleton.root], joints[skeleton.root] + (0, 0, 0.1))]
    bones += [(skeleton.joint_names[c], "base" if p == skeleton.root else skeleton.joint_names[p], joints[p], joints[c])
              for p, c in sorted(skeleton.edges, key=lambda edge: skeleton.order.index(edge[1]))]  # fmt: skip
    with pytest.raises(RigError, match="no humanoid"):
        auto_map(rig_of(bones))
    chain = [
        (f"c{i}", f"c{i - 1}" if i else None, np.array([0, 0, 0.1 * i]), np.array([0, 0, 0.1 * i + 0.1])) for i in range(12)
    ]
    with pytest.raises(RigError, match=r"no humanoid.*feet"):
        auto_map(rig_of(chain))
    with pytest.raises(RigError, match="no humanoid: 3 bones"):
        auto_map(rig_of(chain[:3]))
    # A dog whose bones are called as a human's is still a dog.
    human = {"base": "hips", "back": "spine", "withers": "chest", "skull": "neck", "nose": "head"}
    parts = {"thigh": "thigh", "stifle": "shin", "hock": "foot", "shoulder": "upper_arm", "elbow": "forearm", "paw": "hand"}
    human |= {f"{s}_{a}": f"{b}.{s.upper()}" for s in "lr" for a, b in parts.items()}
    renamed = [(human.get(name, name), human.get(parent, parent), head, tail) for name, parent, head, tail in bones]
    with pytest.raises(RigError, match=r"trunk does not stand on its legs|no humanoid"):
        auto_map(rig_of(renamed))


def chain_of(name, parent, points):
    """Rows of bones from point to point, the first on a parent."""
    points = np.array(points, float)
    return [
        (f"{name}{i}", f"{name}{i - 1}" if i else parent, points[i], points[i + 1]) for i in range(len(points) - 1)
    ]  # fmt: skip


def dressed_rows(names):
    """Rows of a human with a tail, wings larger than its arms, a cape down to the floor, a skirt and long hair."""
    rig = human_rig(names, arms=40.0)
    rows = [(rig.names[i], rig.names[p] if p >= 0 else None, rig.heads[i], rig.tails[i]) for i, p in enumerate(rig.parents)]
    chest = names[max(role for role in names if role.startswith("spine."))]
    rows += chain_of("x", names["hips"], [(0, 0.1, 0.9), (0, 0.3, 0.8), (0, 0.5, 0.5), (0, 0.7, 0.1)])
    for letter, s in (("y", 1), ("z", -1)):
        rows += chain_of(
            f"{letter}w", chest, [(0.05 * s, 0.1, 1.4), (0.5 * s, 0.2, 1.6), (1.1 * s, 0.3, 1.5), (1.6 * s, 0.3, 1.2)]
        )
        rows += chain_of(
            f"{letter}c", chest, [(0.1 * s, 0.1, 1.4), (0.15 * s, 0.15, 0.9), (0.18 * s, 0.2, 0.4), (0.2 * s, 0.2, 0.0)]
        )
        rows += chain_of(
            f"{letter}s",
            names["hips"],
            [(0.15 * s, 0.05, 0.95), (0.2 * s, 0.05, 0.6), (0.22 * s, 0.05, 0.3), (0.25 * s, 0, 0.05)],
        )
        rows += chain_of(
            f"{letter}h", names["head"], [(0.08 * s, 0.05, 1.7), (0.1 * s, 0.1, 1.4), (0.1 * s, 0.1, 1.1), (0.1 * s, 0.1, 0.9)]
        )
    return rows


@pytest.mark.parametrize("names", [NONSENSE, FAMILIES["mixamo"], FAMILIES["plain"]])
def test_humans_with_tails_wings_capes_skirts_and_hair_are_humans(names):
    found = auto_map(rig_of(dressed_rows(names)))
    assert {role: found.bones.get(role) for role in names} == names


def test_a_hunched_body_is_human_and_one_that_lies_is_none():
    for lean, human in ((40.0, True), (65.0, False)):
        rig = human_rig(NONSENSE)
        away = np.radians(lean)
        turn = np.array([[1, 0, 0], [0, np.cos(away), np.sin(away)], [0, -np.sin(away), np.cos(away)]])
        hips = rig.heads[0]
        legs = {rig.index(NONSENSE[f"{part}.{s}"]) for part in ("thigh", "shin", "foot", "toe") for s in "LR"}
        rows = []
        for i, parent in enumerate(rig.parents):
            points = [p if i in legs else hips + turn @ (p - hips) for p in (rig.heads[i], rig.tails[i])]
            rows.append((rig.names[i], rig.names[parent] if parent >= 0 else None, *points))
        if human:
            assert auto_map(rig_of(rows)).bones["hips"] == NONSENSE["hips"]
        else:
            with pytest.raises(RigError, match="no humanoid"):
                auto_map(rig_of(rows))


def test_a_mapping_that_is_no_bodys_is_refused():
    rig = human_rig()
    good = auto_map(rig).bones
    with pytest.raises(RigError, match=r"no bone was found for thigh\.R"):
        check_map(rig, BoneMap({role: bone for role, bone in good.items() if role != "thigh.R"}, "preset"))
    with pytest.raises(RigError, match="is above"):
        check_map(rig, BoneMap({**good, "thigh.L": good["shin.L"], "shin.L": good["thigh.L"]}, "preset"))
    with pytest.raises(RigError, match="no bone 'tentacle'"):
        check_map(rig, BoneMap({**good, "head": "tentacle"}, "preset"))
    with pytest.raises(RigError, match="two roles"):
        BoneMap({**good, "head": good["hips"]}, "preset")
    with pytest.raises(RigError, match="no role"):
        BoneMap({"tail": "tail"}, "preset")


@pytest.mark.parametrize(
    ("name", "base", "side"),
    [
        ("upper_arm.L", "upperarm", "L"), ("LeftUpLeg", "upleg", "L"), ("thigh_r", "thigh", "R"), ("R_Hip", "hip", "R"),
        ("lShldrBend", "shldrbend", "L"), ("L UpperArm", "upperarm", "L"), ("LHipJoint", "hipjoint", "L"),
        ("spine_01", "spine01", ""), ("right_index1", "index1", "R"), ("Left arm", "arm", "L"),
        ("calf_twist_01_l", "calftwist01", "L"),
        ("ring", "ring", ""), ("L", "l", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_a_name_is_split_into_base_and_side(name, base, side):
    found = plain_name(name)
    assert (found.base, found.side) == (base, side)


def test_prefixes_and_numbers_go_only_where_they_tell_no_bones_apart():
    assert [n.base for n in plain_names(["spine", "spine.001", "spine.002"])] == ["spine", "spine001", "spine002"]
    assert [n.base for n in plain_names(["a:Hips.003", "a:Spine.003", "a:Head.003"])] == ["hips", "spine", "head"]
    assert [n.base for n in plain_names(["ORG-hips", "hips", "MCH-hips"])] == ["orghips", "hips", "mchhips"]


def test_a_preset_comes_back_as_it_was(tmp_path):
    found = auto_map(human_rig())
    path = tmp_path / "map.json"
    save_map(path, found)
    assert dict(load_map(path).bones) == dict(found.bones)
    assert json.loads(path.read_text())["kind"] == "poselift bone map"
    with pytest.raises(OutputError):
        save_map(tmp_path / "missing" / "map.json", found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not complete JSON"), ("[" * 100000, "nested too deeply"), ("[]", "no mapping"),
        ('{"kind": "other"}', "no mapping"),
        ('{"kind": "poselift bone map", "version": 9, "bones": {}}', "version 9"),
        ('{"kind": "poselift bone map", "version": 1, "bones": {}}', "give a table"),
        ('{"kind": "poselift bone map", "version": 1, "bones": {"tail": "x"}}', "no role"),
        ('{"kind": "poselift bone map", "version": 1, "bones": {"hips": 3}}', "bone's name"),
        ('{"kind": "poselift bone map", "version": 1, "bones": {"hips": "a", "head": "a"}}', "two roles"),
    ],
)  # fmt: skip
def test_a_damaged_preset_is_told_as_such(tmp_path, text, reason):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(ReadError, match=reason):
        load_map(path)
    with pytest.raises(ReadError, match="cannot be read"):
        load_map(tmp_path / "missing.json")
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(ReadError, match="larger than"):
        load_map(path)


def test_roles_are_names_of_a_body():
    assert all(is_role(role) for role in REQUIRED)
    assert is_role("index.3.L")
    assert not is_role("index.3")
    assert not is_role("spine.0")
    assert mirrored("upper_arm.L") == "upper_arm.R"
    assert mirrored("hips") == "hips"
