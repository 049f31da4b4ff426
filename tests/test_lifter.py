# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, their geometry, their weights files, and what is decided after training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from walking_figure import animate

from poselift.core.errors import DeviceError, SettingsError, WeightsError
from poselift.core.lifter import geometry, weights
from poselift.core.lifter.anatomy import body_frame, hinge_evidence, mirrored_frames
from poselift.core.lifter.calibration import calibrate
from poselift.core.lifter.config import PRESETS, LifterConfig, StudentConfig, TeacherConfig, preset
from poselift.core.lifter.data import Batch, PoseStatistics
from poselift.core.lifter.device import resolve_device
from poselift.core.lifter.impute import complete, complete_track
from poselift.core.lifter.inference import Lifter, mirror
from poselift.core.lifter.losses import student_losses, teacher_losses
from poselift.core.lifter.student import Student
from poselift.core.lifter.teacher import Teacher
from poselift.core.rotation import matrix_from_axis_angle
from poselift.core.skeleton import HUMAN17

CPU = torch.device("cpu")


def body_poses(count: int) -> np.ndarray:
    """Poses of the walking figure, relative to its root, Z up."""
    joints, _ = animate(count * 3, 30)
    return joints[::3] - joints[::3, :1]


def small_config() -> LifterConfig:
    return replace(preset("paper"), teacher=TeacherConfig(4, 32, 16, 2), student=StudentConfig(8, 2))


def random_plane(count: int, seed: int = 0) -> torch.Tensor:
    plane = 0.1 * torch.randn(count, 17, 2, generator=torch.Generator().manual_seed(seed))
    return plane - plane[:, :1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_so3_exp_equals_rodrigues_formula_and_its_series_near_zero(dtype):
    axis = torch.nn.functional.normalize(torch.randn(50, 3, dtype=dtype), dim=-1)
    angle = torch.cat([torch.linspace(0, np.pi, 40, dtype=dtype), torch.logspace(-8, -2, 10, dtype=dtype)])
    expected = matrix_from_axis_angle(axis.numpy(), angle.numpy())
    assert np.abs(geometry.so3_exp(axis * angle[:, None]).numpy() - expected).max() < (1e-5 if dtype == torch.float32 else 1e-9)


def test_so3_exp_has_the_right_gradient_also_at_zero():
    logs = torch.cat([torch.zeros(1, 3), 1e-3 * torch.randn(3, 3), torch.randn(3, 3)]).double().requires_grad_()
    assert torch.autograd.gradcheck(geometry.so3_exp, logs, eps=1e-6, atol=1e-5)


def test_random_rotations_are_rotations_and_haar_ones_are_uniform():
    generator = torch.Generator().manual_seed(1)
    for haar in (True, False):
        rotation = geometry.random_rotations(20000, haar, generator, CPU)
        assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-5
        assert (torch.linalg.det(rotation) - 1).abs().max() < 1e-5
        # Under Haar measure the trace has mean 0; with the paper's angle in U(0, pi) it has mean 1.
        assert abs(rotation.diagonal(dim1=1, dim2=2).sum(-1).mean() - (0.0 if haar else 1.0)) < 0.05


def test_projection_and_back_projection_are_inverses():
    pose = torch.randn(100, 17, 3).double() * 0.5
    plane = geometry.project(pose, 5.0)
    assert (geometry.back_project(plane, pose[..., 2], 5.0) - pose).abs().max() < 1e-12


def test_student_reprojects_exactly_and_keeps_the_root_at_the_origin():
    student = Student(StudentConfig(16, 2), HUMAN17, 5.0).eval()
    plane = random_plane(64)
    pose = student(plane)
    assert (geometry.project(pose, 5.0) - plane).abs().max() < 1e-6
    assert pose[:, HUMAN17.root].abs().max() == 0
    assert pose[..., 2].abs().max() > 0


def test_student_mixes_neighbours_only_in_a_graph_convolution():
    from poselift.core.lifter.student import GraphConvolution, joint_graph

    layer = GraphConvolution(2, 5, joint_graph(HUMAN17, "neighbours"))
    torch.nn.init.normal_(layer.edges)
    x = torch.zeros(2, 17, 1)
    base = layer(x)
    x[:, HUMAN17.index("l_elbow")] = 1
    changed = ((layer(x) - base).abs() > 1e-6).any(0)[:, 0]
    assert {HUMAN17.joint_names[j] for j in changed.nonzero()[:, 0]} == {"l_shoulder", "l_elbow", "l_wrist"}


def test_teacher_poses_are_combinations_of_its_dictionary():
    teacher = Teacher(TeacherConfig(4, 32, 16, 1), HUMAN17, 5.0).eval()
    canonical, rotation, *unlifted = teacher(random_plane(200))
    assert unlifted == [None, None]
    assert canonical[:, HUMAN17.root].abs().max() == 0
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-5
    singular = torch.linalg.svdvals(canonical.flatten(1).double())
    assert singular[4] < 1e-5 * singular[0]


def test_losses_vanish_for_networks_that_are_right():
    """A "network" that knows the pose has no reprojection and no cycle loss; a wrong one has."""
    config = small_config()
    pose = torch.from_numpy(body_poses(1)).float()

    class Knows(torch.nn.Module):
        def forward(self, plane, distance=None, observed=None):
            rotation, canonical = [], []
            for one in plane:  # the rotation under which the one known pose projects onto the input
                best = min(self.turns, key=lambda turn: (geometry.project(geometry.rotate(turn, pose), 5.0)[0] - one).norm())
                rotation.append(best)
                canonical.append(pose[0])
            from poselift.core.lifter.teacher import TeacherOutput

            return TeacherOutput(torch.stack(canonical), torch.stack(rotation))

    knows = Knows()
    probe = torch.Generator().manual_seed(3)
    turns = geometry.random_rotations(4, False, probe, CPU)
    knows.turns = [torch.eye(3), *turns]
    terms = teacher_losses(knows, Batch(geometry.project(pose, 5.0)), config, torch.Generator().manual_seed(3))
    assert set(terms) == {"reprojection", "cycle"}
    assert terms["reprojection"] < 1e-3 and terms["cycle"] < 1e-3
    knows.turns = [turns[0]]
    assert teacher_losses(knows, Batch(geometry.project(pose, 5.0)), config, probe)["reprojection"] > 0.1


def test_student_losses_name_their_terms_and_reach_every_weight():
    config = small_config()
    teacher, student = Teacher(config.teacher, HUMAN17, 5.0).eval(), Student(config.student, HUMAN17, 5.0)
    batch = Batch(random_plane(32))
    terms = student_losses(student, teacher, batch, config, KnownPoses(), torch.Generator().manual_seed(0))
    assert set(terms) == {"distillation", "cycle"}
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in student.parameters())
    assert all(p.grad is None for p in teacher.parameters())


def test_hinges_tell_a_body_from_its_mirror_image():
    poses = body_poses(40)
    evidence = hinge_evidence(poses, HUMAN17)
    assert (evidence > 0).all()
    assert np.allclose(hinge_evidence(poses * [1, 1, -1], HUMAN17), -evidence)


def test_mirrored_frames_follow_strong_evidence_and_ignore_flicker():
    evidence = np.full(90, 0.2)
    evidence[30:60] = -0.2
    evidence[[10, 75]] = -0.3
    assert np.flatnonzero(mirrored_frames(evidence, 30)).tolist() == list(range(30, 60))
    assert not mirrored_frames(np.full(50, 0.01), 30).any()


def test_body_frame_of_a_person_at_rest_is_the_worlds():
    rest = body_poses(1)
    camera = matrix_from_axis_angle(np.array([0.6, 0.0, 0.8]), np.array(1.1))
    frame = body_frame(rest @ camera.T, HUMAN17)[0]
    facing = np.degrees(np.arccos(np.clip((np.trace(frame @ camera) - 1) / 2, -1, 1)))
    assert facing < 10


class KnownPoses:
    """A source that always shows the same few poses from the front."""

    size = 64

    def __init__(self) -> None:
        self.poses = torch.from_numpy(body_poses(64)).float() @ torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        self.statistics = PoseStatistics.of(geometry.project(self.poses, 5.0), HUMAN17)

    def sample(self, count, generator, frames=1):
        index = torch.randint(64, (count,), generator=generator)
        return Batch(geometry.project(self.poses[index], 5.0))

    def corrupt(self, batch, generator):
        raise AssertionError("networks that are not aware learn from poses as they are")


def test_calibration_makes_the_canonical_frame_anatomical_and_changes_no_camera_pose():
    torch.manual_seed(0)
    config = small_config()
    teacher, student = Teacher(config.teacher, HUMAN17, 5.0), Student(config.student, HUMAN17, 5.0)
    turn = geometry.so3_exp(torch.tensor([0.3, 1.0, -0.5]))
    with torch.no_grad():  # a dictionary of one person, in a turned frame and mirrored
        teacher.dictionary.copy_(torch.from_numpy(body_poses(4)).float() * torch.tensor([1.0, 1, -1]) @ turn.T)
        teacher.coefficients.bias.fill_(0.25)
        teacher.log_rotation.weight.zero_()
    before = teacher.eval()(random_plane(8)).camera()
    calibrate(teacher, student, KnownPoses(), HUMAN17, torch.Generator().manual_seed(0), 64)
    canonical, rotation = teacher(random_plane(8))[:2]
    assert torch.linalg.det(rotation).min() > 0.99
    assert (teacher(random_plane(8)).camera() * torch.tensor([1.0, 1, -1]) - before).abs().max() < 1e-5
    mean = canonical.mean(0).detach().numpy()
    left = mean[HUMAN17.index("l_shoulder")] - mean[HUMAN17.index("r_shoulder")]
    assert left[0] > 0.9 * np.linalg.norm(left)
    assert mean[HUMAN17.index("neck_base"), 2] > 0
    assert mean[HUMAN17.index("l_knee"), 1] < 0


def test_completion_gives_the_conditional_mean_and_moves_nothing_that_was_seen():
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(34, 34)) * 0.05
    samples = (generator.normal(size=(20000, 34)) @ mix.T).reshape(-1, 17, 2)
    samples -= samples[:, :1]
    flat = samples.reshape(len(samples), -1)
    mean, covariance = torch.from_numpy(flat.mean(0)), torch.from_numpy(np.cov(flat, rowvar=False))
    truth = torch.from_numpy(samples[:500] + generator.normal(size=(500, 1, 2)))
    observed = torch.ones(500, 17, dtype=torch.bool)
    observed[:, [7, 10]] = False
    filled = complete(torch.where(observed[..., None], truth, torch.nan), observed, mean, covariance)
    assert torch.equal(filled[observed], truth[observed])
    error = (filled - truth)[:, [7, 10]].square().mean()
    guess = truth[:, :1] + mean.view(17, 2)[[7, 10]]
    assert error < 0.7 * (guess - truth[:, [7, 10]]).square().mean()
    nothing = complete(
        torch.full((1, 17, 2), torch.nan, dtype=torch.float64), torch.zeros(1, 17, dtype=torch.bool), mean, covariance
    )
    assert torch.allclose(nothing.view(-1), mean, atol=1e-6)


def test_in_a_track_a_joints_own_way_before_and_after_moves_its_guess():
    """The joints of a slow motion, one hidden for a while: nearer to the truth than what one frame alone says."""
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(34, 34)) * 0.05
    slow = np.cumsum(generator.normal(size=(6, 34)), 0)  # six keys, far apart in time
    when = np.linspace(0, 5, 120)
    track = np.stack([np.interp(when, np.arange(6), key) for key in slow.T], 1) @ mix.T
    covariance, mean = mix @ mix.T * 3, np.zeros(34)
    track = (track - track.mean(0)).reshape(120, 17, 2)
    observed = np.ones((120, 17), bool)
    observed[40:55, 5] = False
    observed[:, 9] = False
    holes = np.where(observed[..., None], track, np.nan)
    alone = complete(*(torch.from_numpy(np.array(x)) for x in (holes, observed, mean, covariance))).numpy()
    filled = complete_track(holes, observed, mean, covariance, 30.0)
    assert np.array_equal(filled[observed], track[observed])
    assert np.array_equal(filled[:, 9], alone[:, 9])  # never seen: nothing is known of its way
    before, after = (np.linalg.norm((x - track)[40:55, 5], axis=-1) for x in (alone, filled))
    assert after.mean() < 0.6 * before.mean()
    gone = observed.copy()
    gone[20:, 5] = False
    late = complete_track(np.where(gone[..., None], track, np.nan), gone, mean, covariance, 5.0)
    left = np.where(gone[..., None], track, np.nan)
    single = complete(*(torch.from_numpy(np.array(x)) for x in (left, gone, mean, covariance))).numpy()
    drift = np.linalg.norm(late - single, axis=-1)[20:, 5]
    assert drift[0] > 10 * drift[40] and drift[-1] < 1e-6  # and what was seen long ago says nothing


def trained_small() -> weights.Weights:
    torch.manual_seed(0)
    config = small_config()
    networks = {"teacher": Teacher(config.teacher, HUMAN17, 5.0), "student": Student(config.student, HUMAN17, 5.0)}
    arrays = {f"{n}.{k}": v.numpy() for n, net in networks.items() for k, v in net.state_dict().items() if "num_b" not in k}
    arrays |= KnownPoses().statistics.arrays()
    return weights.Weights("small", config, HUMAN17, arrays, {"samples": 3})


def test_weights_survive_a_round_trip(tmp_path):
    original = trained_small()
    weights.save(original, tmp_path / "small.npz")
    loaded = weights.load(tmp_path / "small.npz")
    assert loaded.config == original.config and loaded.skeleton == HUMAN17 and loaded.notes == {"samples": 3}
    plane = np.asarray(random_plane(40))
    a, b = Lifter(original, CPU).lift(plane), Lifter(loaded, CPU).lift(plane)
    assert np.abs(a.pose - b.pose).max() < 2e-2  # half precision
    assert [p.name for p in tmp_path.iterdir()] == ["small.npz"]


def test_the_largest_matrices_are_stored_as_bytes_and_come_back_nearly_as_they_were(tmp_path):
    torch.manual_seed(0)
    small = trained_small()
    config = replace(small.config, teacher=TeacherConfig(4, 512, 128, 1))
    teacher = Teacher(config.teacher, HUMAN17, 5.0)
    arrays = {f"teacher.{k}": v.numpy() for k, v in teacher.state_dict().items() if "num_b" not in k}
    rest = {k: v for k, v in small.arrays.items() if not k.startswith("teacher")}
    original = replace(small, config=config, arrays=rest | arrays)
    weights.save(original, tmp_path / "wide.npz")
    loaded = weights.load(tmp_path / "wide.npz")
    assert loaded.arrays.keys() == original.arrays.keys()
    with np.load(tmp_path / "wide.npz") as data:
        stored = {key: data[key] for key in data.files}
    large = [key for key in arrays if stored[key].dtype == np.int8]
    assert large and all(arrays[key].size >= 65536 for key in large)
    for key in large:
        step = np.abs(arrays[key]).max(1, keepdims=True) / 127
        assert loaded.arrays[key].dtype == np.float32 and (np.abs(loaded.arrays[key] - arrays[key]) <= 0.501 * step).all()
    plane = np.asarray(random_plane(40))
    a, b = Lifter(original, CPU).lift(plane), Lifter(loaded, CPU).lift(plane)
    assert 0 < np.abs(a.canonical - b.canonical).max() < 0.02


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "small.npz"
    weights.save(trained_small(), path)
    whole = path.read_bytes()
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    header = json.loads(str(arrays["header"]))
    cases = {
        "not a Poselift weights file": whole[: len(whole) // 2],
        "not a Poselift weights file ": b"",
    }
    for message, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=message.strip()):
            weights.load(path)
    np.savez(path, **(arrays | {"teacher.dictionary": arrays["teacher.dictionary"] + 1}))
    with pytest.raises(WeightsError, match="checksum"):
        weights.load(path)
    np.savez(path, **(arrays | {"header": np.array(json.dumps(header | {"version": 99}))}))
    with pytest.raises(WeightsError, match="newer"):
        weights.load(path)
    np.savez(path, **(arrays | {"teacher.dictionary": np.array([{"a": 1}], dtype=object)}))
    with pytest.raises(WeightsError, match="not a Poselift weights file"):
        weights.load(path)
    with pytest.raises(WeightsError, match="known are"):
        weights.find("nonsense")


def test_lifting_does_not_depend_on_the_batch():
    lifter = Lifter(trained_small(), CPU)
    plane = np.asarray(random_plane(3000))
    whole = lifter.lift(plane)
    single = lifter.lift(plane[2500:2501])
    assert np.abs(whole.pose[2500] - single.pose[0]).max() < 1e-5
    assert np.abs(whole.rotation[2500] - single.rotation[0]).max() < 1e-5


def test_mirroring_keeps_the_image_the_camera_pose_and_turns_depth_around():
    lifter = Lifter(trained_small(), CPU)
    plane = np.asarray(random_plane(20))
    lifted = lifter.lift(plane)
    chosen = np.arange(20) % 2 == 0
    twin = mirror(lifted, chosen, chosen, 5.0)
    assert np.allclose(twin.pose[..., :2] / (twin.pose[..., 2:] + 5), plane, atol=1e-5)
    assert np.allclose(twin.pose[chosen, :, 2], -lifted.pose[chosen, :, 2])
    assert np.array_equal(twin.pose[~chosen], lifted.pose[~chosen])
    assert np.allclose(np.linalg.det(twin.rotation), 1, atol=1e-5)

    apart = mirror(lifted, chosen, ~chosen, 5.0)
    assert np.array_equal(apart.pose, twin.pose) and np.array_equal(apart.canonical[chosen], lifted.canonical[chosen])
    assert np.allclose(twin.teacher_pose()[chosen], lifted.teacher_pose()[chosen] * [1, 1, -1])


def test_configurations_survive_json_and_name_what_is_wrong():
    for name in PRESETS:
        config = preset(name)
        assert LifterConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(SettingsError, match="paper"):
        preset("nonsense")
    with pytest.raises(SettingsError, match="not a lifter configuration"):
        LifterConfig.from_dict({"preset": "x", "colour": 1})


def test_the_paper_preset_is_the_published_setting():
    config = preset("paper")
    teacher, student = config.teacher_stage, config.student_stage
    assert (config.teacher.atoms, config.teacher.width, config.teacher.blocks) == (12, 1024, 6)
    assert (config.student.channels, config.student.blocks, config.distance) == (128, 4, 5.0)
    assert (teacher.epochs, student.epochs, teacher.batch, teacher.rotations) == (50, 40, 128, 4)
    assert (teacher.main_weight, teacher.cycle_weight, teacher.learning_rate, teacher.halve_every) == (5.0, 1.0, 1e-3, 15)
    assert teacher.weight_decay == 5e-4 and teacher.optimiser == "sgd" and teacher.supervised == student.supervised == 0


def test_devices_are_found_or_refused_in_words():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DeviceError, match="known are"):
        resolve_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="CUDA"):
            resolve_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_cpus_results():
    loaded = trained_small()
    plane = np.asarray(random_plane(500))
    a, b = Lifter(loaded, CPU).lift(plane), Lifter(loaded, torch.device("cuda")).lift(plane)
    assert np.abs(a.pose - b.pose).max() < 1e-4
