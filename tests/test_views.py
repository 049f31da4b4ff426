# SPDX-License-Identifier: GPL-3.0-or-later
"""What training shows: random cameras, apparent sizes and the distances told from them, and what a detector spoils."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from motions import dog_skeleton
from training_runs import UNLABELLED, small, walking_archive
from walking_figure import animate

from poselift.core.camera import Intrinsics
from poselift.core.lifter.config import ViewConfig, preset
from poselift.core.lifter.data import MotionCapture, head_joint, random_gaps
from poselift.core.lifter.geometry import aware_channels, back_project, project, random_rotations, rotate
from poselift.core.lifter.prepare import prepare
from poselift.core.lifter.views import Corruption, limbs, random_views
from poselift.core.skeleton import HUMAN17
from poselift.core.track import KeypointTrack

CPU = torch.device("cpu")
J = HUMAN17.index


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return walking_archive(tmp_path_factory.mktemp("mocap") / "walk.npz")


def write_takes(path, joints, lengths):
    """Write takes of these lengths as a motion-capture archive; return the joints, relative to the root."""
    poses = joints - joints[:, :1]
    np.savez(
        path, pos=np.round(poses / 5e-4).astype(np.int16), quant=np.float32(5e-4), start=np.cumsum([0, *lengths]),
        category=np.array([f"take {n}" for n in range(len(lengths))]), joint_names=np.array(HUMAN17.joint_names),
    )  # fmt: skip
    return poses


def without_jitter(config):
    """The configuration, every size told without error."""
    return replace(config, views=replace(config.views, size_jitter=0.0))


@pytest.fixture(scope="module")
def source(archive):
    """The walking figure as aware networks are shown it."""
    return MotionCapture(archive, HUMAN17, without_jitter(small(UNLABELLED)), CPU)


# Geometry.


def test_views_are_cameras_that_look_from_the_asked_elevations():
    views = replace(preset("paper").views, elevation=(10.0, 20.0), roll=0.0)
    rotation = random_views(500, views, seeded(), CPU)
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-5
    assert (torch.linalg.det(rotation) - 1).abs().max() < 1e-5
    up = rotation[:, :, 2]  # the world's up in camera axes: y down, so it is negative there, and no roll means x is zero
    assert up[:, 0].abs().max() < 1e-5 and (up[:, 1] < 0).all()
    elevation = torch.rad2deg(torch.asin(-up[:, 2]))
    assert elevation.min() >= 10 - 1e-3 and elevation.max() <= 20 + 1e-3


def test_projections_from_any_distance_are_undone_and_appear_as_large_as_from_t():
    pose = 0.5 * torch.randn(100, 17, 3, generator=seeded()).double()
    distance = 3 + 20 * torch.rand(100, generator=seeded(1)).double()
    plane = project(pose, 5.0, distance)
    assert (back_project(plane, pose[..., 2], 5.0, distance) - pose).abs().max() < 1e-12
    assert torch.allclose(project(pose, 5.0, torch.full((100,), 5.0).double()), project(pose, 5.0))
    upright = pose * torch.tensor([1.0, 1.0, 0.0])  # what stands at the root's depth has one size, near and far
    assert torch.allclose(project(upright, 5.0, distance), upright[..., :2] / 5)
    near, far = (project(pose, 5.0, torch.full((100,), d).double()) for d in (3.0, 1e6))
    assert torch.allclose(far, pose[..., :2] / 5, atol=1e-5) and (near - far).abs().max() > 0.02


def test_no_depth_is_placed_where_its_projection_would_be_another():
    depth = torch.tensor([[-4.0, -2.0, 0.0, 30.0]]).double()
    plane = torch.full((1, 4, 2), 0.1).double()
    for distance in (None, torch.tensor([3.0]).double()):
        placed = back_project(plane, depth, 5.0, distance)
        assert (project(placed, 5.0, distance) - plane).abs().max() < 1e-12
    assert placed[0, :, 2].tolist() == pytest.approx([-2.4, -2.0, 0.0, 30.0])


def test_aware_networks_are_told_what_was_observed_and_how_near_the_body_is():
    plane, observed = torch.randn(2, 3, 2), torch.tensor([[True, False, True], [True, True, True]])
    seen = aware_channels(plane, torch.tensor([5.0, 10.0]), observed, 5.0)
    assert torch.equal(seen[..., :2], 5 * plane) and torch.equal(seen[..., 2], observed.float())
    assert seen[..., 3].tolist() == [[1.0] * 3, [0.5] * 3]
    assert torch.equal(aware_channels(plane, None, None, 5.0)[..., 2:], torch.ones(2, 3, 2))


# Aware poses of motion capture.


@pytest.mark.parametrize("frames", [1, 2])
def test_an_aware_poses_truth_projects_onto_it_from_the_distance_that_is_told(source, frames):
    batch = source.sample(500, seeded(), frames)
    assert batch.plane.shape == (500 * frames, 17, 2) and batch.observed is None
    assert (project(batch.truth, 5.0, batch.distance) - batch.plane).abs().max() < 1e-6
    assert batch.plane[:, HUMAN17.root].abs().max() == 0
    assert (project(batch.truth, 5.0) - batch.plane).abs().max() > 1e-2  # a distance says something


def test_aware_poses_have_the_papers_size_whatever_their_distance(source):
    batch = source.sample(20000, seeded())
    size = batch.plane[:, head_joint(HUMAN17)].norm(dim=-1)
    assert abs(size.mean() * 5 - 1) < 0.01
    near = batch.distance < batch.distance.median()
    assert abs(size[near].mean() / size[~near].mean() - 1) < 0.1
    low, high = preset(UNLABELLED).views.distance
    assert batch.distance.min() < 5.0 * (low + high) / 3 and batch.distance.max() > 5.0 * high * 0.8


def mean_edge(plane):
    parents, children = (list(side) for side in zip(*HUMAN17.edges, strict=True))
    return (plane[:, children] - plane[:, parents]).norm(dim=-1).mean(-1)


def test_what_seems_half_as_large_is_told_to_be_twice_as_far(tmp_path):
    """Someone who stands still, of known size in metres: from the truth, the camera's place and what it saw come back."""
    config = small(UNLABELLED)
    pose = write_takes(tmp_path / "still.npz", np.tile(animate(1, 30)[0], (90, 1, 1)), [90])[0]
    thigh = np.linalg.norm(pose[J("l_knee")] - pose[J("l_hip")])
    batch = MotionCapture(tmp_path / "still.npz", HUMAN17, without_jitter(config), CPU).sample(3000, seeded())
    unit = (batch.truth[:, J("l_knee")] - batch.truth[:, J("l_hip")]).norm(dim=-1) / thigh  # body units per metre
    metres = batch.distance / unit
    low, high = (5.0 * float(np.linalg.norm(pose[head_joint(HUMAN17)])) * share for share in config.views.distance)
    assert low * 0.99 < metres.min() < low * 1.05 and high * 0.9 < metres.max() < high * 1.01
    in_metres = batch.truth / unit[:, None, None]
    seen = mean_edge(in_metres[..., :2] / (in_metres[..., 2:] + metres[:, None, None]))
    assert torch.allclose(batch.distance * seen, (batch.distance * seen).mean().expand(3000), rtol=1e-3)
    assert torch.allclose(mean_edge(batch.plane), mean_edge(batch.plane).mean().expand(3000), rtol=1e-3)
    jittery = replace(config, views=replace(config.views, size_jitter=0.1))
    told = MotionCapture(tmp_path / "still.npz", HUMAN17, jittery, CPU).sample(3000, seeded())
    assert float(mean_edge(told.plane).log().std()) == pytest.approx(0.1, rel=0.1)  # sizes are never told exactly
    assert (project(told.truth, 5.0, told.distance) - told.plane).abs().max() < 1e-6


def test_inference_tells_the_distances_that_training_told(source):
    """The walking figure before known cameras: `prepare`, with the training's statistics, sees what training showed."""
    joints = animate(300, 30)[0].astype(np.float64)
    joints = joints - joints[:, :1]
    camera = Intrinsics(1000.0, 1000.0, 500.0, 500.0, 1000, 1000)
    thigh = np.linalg.norm(joints[0, J("l_knee")] - joints[0, J("l_hip")])
    batch = source.sample(20000, seeded())
    unit = (
        float(batch.truth[:, J("l_knee")].sub(batch.truth[:, J("l_hip")]).norm(dim=-1).mean()) / thigh
    )  # body units per metre
    told = []
    for metres in (3.0, 6.0):
        ways = random_views(4, replace(preset(UNLABELLED).views, elevation=(0, 30)), seeded(), CPU).double().numpy()
        for way in ways:
            points = joints @ way.T + [0, 0, metres]
            pixels = points[..., :2] / points[..., 2:] * 1000 + 500
            track = KeypointTrack(pixels, np.ones(pixels.shape[:2]), HUMAN17, fps=30, intrinsics=camera)
            arrays = {name.removeprefix("statistics."): value for name, value in source.statistics.arrays().items()}
            seen = prepare(track, arrays, 5.0, 30.0)
            assert seen.observed.all()
            told.append(seen.distance.mean() / (unit * metres))
    assert min(told) > 0.8 and max(told) < 1.25
    assert np.mean(told) == pytest.approx(1, abs=0.1)


# Pairs.


def test_pairs_are_moments_of_one_take_as_far_apart_as_they_say(tmp_path):
    """Three takes, one too short, in which the left wrist's height in centimetres counts frames and the crown's takes."""
    config, lengths = small(UNLABELLED), [40, 3, 25]
    poses = np.tile(animate(1, 30)[0], (sum(lengths), 1, 1))
    poses[:, J("l_wrist"), 2] = poses[:, 0, 2] + np.concatenate([np.arange(n) for n in lengths]) * 0.01
    poses[:, J("head_top"), 2] = poses[:, 0, 2] + np.repeat([1.0, 2.0, 3.0], lengths)
    poses = write_takes(tmp_path / "takes.npz", poses, lengths)
    level = replace(config.views, elevation=(0.0, 0.0), roll=0.0)
    batch = MotionCapture(tmp_path / "takes.npz", HUMAN17, replace(config, views=level), CPU).sample(3000, seeded(), 2)
    height = -batch.truth[..., 1].view(3000, 2, 17)
    height = height / height[..., J("neck_base"), None] * float(poses[0, J("neck_base"), 2])
    left, right = (height[..., J(f"{side}_wrist")] for side in "lr")
    moment = torch.where((right[:, :1] - float(poses[0, J("r_wrist"), 2])).abs() < 1e-3, left, right)  # some are mirrored
    take = height[..., J("head_top")]
    assert (take - take.round()).abs().max() < 1e-2 and take.round().unique().tolist() == [1, 2, 3]
    assert torch.equal(take[:, 0].round(), take[:, 1].round())
    moved = ((moment[:, 1] - moment[:, 0]) * 100).round()
    assert torch.equal(moved, batch.gap.float())
    largest = config.teacher_stage.prior.gap
    assert batch.gap.abs().max() == largest and batch.gap.abs().min() >= 1 and (batch.gap < 0).any()
    assert batch.distance.view(-1, 2).diff().abs().max() == 0


def test_gaps_stay_within_takes_forwards_where_they_can():
    lengths = torch.tensor([1, 2, 5, 9, 40])
    first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    last = first + lengths.repeat_interleave(lengths) - 1
    index = torch.arange(int(lengths.sum()))
    for seed in range(30):
        gap = random_gaps(index, first, last, 8, seeded(seed))
        other = index + gap
        alone = first == last
        assert ((other >= first) & (other <= last))[~alone].all() and (gap[alone] == 1).all()
        assert (gap.abs() <= 8).all() and (gap != 0).all()
        assert (gap[index + 8 <= last] >= 2).all()


# Detectors.


def test_limbs_are_what_hangs_on_one_joint_or_on_a_pair_of_them():
    found = {frozenset(HUMAN17.joint_names[j] for j in row.nonzero()[:, 0]) for row in limbs(HUMAN17)}
    arm, leg = ("elbow", "wrist"), ("knee", "ankle")
    expected = {frozenset({"head_top"})}
    for parts in (arm, leg):
        for beyond in (parts, parts[1:]):
            expected |= {frozenset(f"{s}_{part}" for s in sides for part in beyond) for sides in ("l", "r", "lr")}
    expected.add(frozenset({"head_joint", "head_top", *(f"{s}_{part}" for s in "lr" for part in ("shoulder", *arm))}))
    assert found == expected
    for row in limbs(dog_skeleton()):
        assert 0 < row.sum() <= len(dog_skeleton()) // 2


def corruption(views, poses=4000):
    plane = 0.1 * torch.randn(poses, 17, 2, generator=seeded())
    plane = plane - plane[:, :1]
    flat = plane.flatten(1).double()
    return plane, Corruption(views, HUMAN17, flat.mean(0), torch.cov(flat.T))


def test_noise_is_as_large_as_asked_and_spares_the_root():
    plane, spoil = corruption(ViewConfig(noise=0.01))
    noisy, observed = spoil(plane, None, seeded(1))
    assert observed.all() and torch.equal(noisy[:, HUMAN17.root], plane[:, HUMAN17.root])
    level = (noisy - plane)[:, 1:].std(1).mean(-1)  # of joints against each other: all share the root's
    assert float(level.mean()) == pytest.approx(0.01, rel=0.1) and level.min() < 0.003 and 0.015 < level.max() < 0.03
    unchanged, observed = corruption(ViewConfig())[1](plane, None, seeded(1))
    assert torch.equal(unchanged, plane) and observed.all()


def test_joints_are_hidden_at_the_asked_rates_and_what_is_seen_stays():
    plane, spoil = corruption(ViewConfig(hidden=((), ("spine", "head_top")), drop=0.1))
    spoilt, seen = spoil(plane, None, seeded(1))
    assert torch.equal(spoilt[seen], plane[seen]) and seen[:, HUMAN17.root].all()
    assert ((spoilt - plane).norm(dim=-1) > 1e-6)[~seen].float().mean() > 0.99
    assert (seen.all(1)).float().mean() > 0.5  # every other pose, and those that are lucky
    hidden = (~seen).float().mean(0)
    ordinary = [j for j in range(17) if HUMAN17.joint_names[j] not in ("pelvis", "spine", "head_top")]
    assert (hidden[ordinary] - 0.5 * 0.1).abs().max() < 0.02
    assert (hidden[[J("spine"), J("head_top")]] - 0.5 * (1 - 0.5 * 0.9)).abs().max() < 0.03


def test_whole_limbs_are_cut_off_at_the_asked_rate():
    plane, spoil = corruption(ViewConfig(limb=0.3))
    _, seen = spoil(plane, None, seeded(1))
    cut = ~seen.all(1)
    assert float(cut.float().mean()) == pytest.approx(0.5 * 0.3, abs=0.02)
    rows = {tuple(row.tolist()) for row in limbs(HUMAN17)}
    assert {tuple(row.tolist()) for row in ~seen[cut]} == rows


def test_what_was_not_observed_before_stays_so_and_hidden_joints_are_completed_as_at_inference():
    plane, spoil = corruption(ViewConfig(drop=0.2), 500)
    before = torch.ones(500, 17, dtype=torch.bool)
    before[:, 5] = False
    spoilt, seen = spoil(plane, before, seeded(1))
    assert not seen[:, 5].any() and 0.8 < seen[:, 6].float().mean() < 1
    other = torch.where(seen[..., None], plane, 7.0)  # what stood there does not matter
    again, _ = spoil(other, before, seeded(1))
    assert torch.equal(again, spoilt)


def test_the_root_is_where_it_was_when_all_turn(source):
    """Turning a pose about the root leaves the root in the middle of its virtual camera, from any distance."""
    batch = source.sample(50, seeded())
    turned = rotate(random_rotations(50, True, seeded(), CPU), batch.truth)
    assert project(turned, 5.0, batch.distance)[:, HUMAN17.root].abs().max() == 0
