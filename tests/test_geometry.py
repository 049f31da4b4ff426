# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations and cameras: round trips and known values, in single and double precision."""

from __future__ import annotations

import numpy as np
import pytest

from poselift.core.camera import Intrinsics, project, undistort, unproject
from poselift.core.errors import CameraError
from poselift.core.rotation import (
    continuous_quaternions,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    multiply_quaternions,
    normalised,
    orthonormal_frame,
    procrustes,
    quaternion_from_matrix,
    shortest_arc,
)

TOLERANCE = {np.float32: 3e-6, np.float64: 1e-14}
PIXELS = {np.float32: 2e-3, np.float64: 1e-9}
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
QUARTER = np.sqrt(0.5)


def random_quaternions(count: int, dtype: type) -> np.ndarray:
    q = np.random.default_rng(3).normal(size=(count, 4))
    return (q / np.linalg.norm(q, axis=-1, keepdims=True)).astype(dtype)


@both_dtypes
@pytest.mark.parametrize(
    ("quaternion", "matrix"),
    [
        ((1, 0, 0, 0), np.eye(3)),
        ((QUARTER, QUARTER, 0, 0), [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
        ((QUARTER, 0, QUARTER, 0), [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
        ((QUARTER, 0, 0, QUARTER), [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
        ((0, 1, 0, 0), np.diag([1, -1, -1])),
        ((0, 0, 1, 0), np.diag([-1, 1, -1])),
        ((0, 0, 0, 1), np.diag([-1, -1, 1])),
        ((0.5, 0.5, 0.5, 0.5), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    ],
)
def test_known_quaternions_and_matrices_are_each_other(dtype: type, quaternion: tuple, matrix: np.ndarray) -> None:
    q, m = np.array(quaternion, dtype), np.array(matrix, dtype)
    np.testing.assert_allclose(matrix_from_quaternion(q), m, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(quaternion_from_matrix(m), q, atol=TOLERANCE[dtype])


@both_dtypes
def test_quaternions_survive_the_way_through_matrices(dtype: type) -> None:
    q = random_quaternions(2000, dtype)
    back = quaternion_from_matrix(matrix_from_quaternion(q))
    assert back.dtype == dtype
    assert (back[:, 0] >= 0).all()
    assert np.abs(back - q * np.where(q[:, :1] < 0, -1, 1)).max() < TOLERANCE[dtype]


@both_dtypes
def test_half_turns_survive_where_the_scalar_part_vanishes(dtype: type) -> None:
    axes = normalised(random_quaternions(500, dtype)[:, 1:])
    turn = matrix_from_axis_angle(axes, np.full(500, np.pi - 1e-4, dtype))
    np.testing.assert_allclose(matrix_from_quaternion(quaternion_from_matrix(turn)), turn, atol=5 * TOLERANCE[dtype])


@both_dtypes
def test_quaternion_products_turn_like_matrix_products(dtype: type) -> None:
    a, b = random_quaternions(400, dtype).reshape(2, 200, 4)
    product = matrix_from_quaternion(multiply_quaternions(a, b))
    np.testing.assert_allclose(product, matrix_from_quaternion(a) @ matrix_from_quaternion(b), atol=TOLERANCE[dtype])


@both_dtypes
def test_axis_and_angle_follow_the_right_hand(dtype: type) -> None:
    turn = matrix_from_axis_angle(np.array([0, 0, 1], dtype), np.array(np.pi / 2, dtype))
    assert turn.dtype == dtype
    np.testing.assert_allclose(turn @ np.array([1, 0, 0], dtype), [0, 1, 0], atol=TOLERANCE[dtype])


@both_dtypes
def test_shortest_arc_takes_each_direction_to_the_other_even_the_opposite(dtype: type) -> None:
    start = normalised(random_quaternions(300, dtype)[:, 1:])
    end = np.concatenate([-start[:100], start[100:200], np.roll(start, 7, 0)[200:]])
    turn = shortest_arc(start, end)
    np.testing.assert_allclose((turn @ start[..., None])[..., 0], end, atol=5 * TOLERANCE[dtype])
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=5 * TOLERANCE[dtype])


@both_dtypes
def test_orthonormal_frames_are_right_handed_and_start_with_the_first_direction(dtype: type) -> None:
    vectors = random_quaternions(200, dtype)
    first, second = vectors[:100, 1:], vectors[100:, 1:]
    frame = orthonormal_frame(first, second)
    np.testing.assert_allclose(np.swapaxes(frame, -1, -2) @ frame, np.broadcast_to(np.eye(3), (100, 3, 3)), atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(frame), 1, atol=1e-4)
    np.testing.assert_allclose(frame[..., 0], normalised(first), atol=TOLERANCE[dtype])
    assert ((frame[..., 1] * second).sum(-1) > 0).all()


def test_continuous_quaternions_never_jump_to_the_other_side() -> None:
    angle = np.linspace(0, 6 * np.pi, 400)
    q = quaternion_from_matrix(matrix_from_axis_angle(np.broadcast_to([0.0, 0, 1], (400, 3)), angle))
    assert (np.abs(np.diff(q, axis=0)) > 0.5).any()
    smooth = continuous_quaternions(q)
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.05
    np.testing.assert_allclose(matrix_from_quaternion(smooth), matrix_from_quaternion(q), atol=1e-14)


@both_dtypes
def test_procrustes_finds_the_similarity_that_was_applied(dtype: type) -> None:
    rng = np.random.default_rng(5)
    source = rng.normal(size=(50, 17, 3)).astype(dtype)
    rotation = matrix_from_quaternion(random_quaternions(50, dtype))
    scale, shift = rng.uniform(0.5, 2, 50).astype(dtype), rng.normal(size=(50, 3)).astype(dtype)
    target = scale[:, None, None] * source @ np.swapaxes(rotation, -1, -2) + shift[:, None]
    s, r, t = procrustes(source, target)
    np.testing.assert_allclose(s, scale, rtol=1e-5)
    np.testing.assert_allclose(r, rotation, atol=1e-5)
    np.testing.assert_allclose(t, shift, atol=1e-5)


def test_procrustes_stays_proper_for_a_mirror_image() -> None:
    source = np.random.default_rng(6).normal(size=(17, 3))
    _, rotation, _ = procrustes(source, source * [-1, 1, 1])
    assert np.linalg.det(rotation) == pytest.approx(1)
    _, mirror, _ = procrustes(source, source * [-1, 1, 1], reflection=True)
    np.testing.assert_allclose(mirror, np.diag([-1, 1, 1]), atol=1e-12)


LENS = Intrinsics(1100, 1080, 950, 545, 1920, 1080, (-0.11, 0.06, 0.0012, -0.0008, -0.01))


@both_dtypes
def test_known_points_fall_on_known_pixels(dtype: type) -> None:
    camera = Intrinsics(1000, 900, 960, 540, 1920, 1080)
    points = np.array([[0, 0, 2], [1, 0, 2], [0, 1, 2], [-0.5, -0.25, 1], [1, 1, -2], [1, 1, 0]], dtype)
    expected = [[960, 540], [1460, 540], [960, 990], [460, 315], [np.nan] * 2, [np.nan] * 2]
    pixels = project(points, camera)
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels, expected, rtol=1e-6)


def test_distortion_is_that_of_brown_by_hand() -> None:
    x, y, (k1, k2, p1, p2, k3) = 0.3, -0.2, LENS.distortion
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = 1100 * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + 950
    v = 1080 * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) + 545
    np.testing.assert_allclose(project(np.array([0.6, -0.4, 2.0]), LENS), [u, v], rtol=1e-12)


@both_dtypes
@pytest.mark.parametrize("camera", [LENS, LENS.undistorted()], ids=["distorted", "pinhole"])
def test_unproject_inverts_project_over_the_whole_image(dtype: type, camera: Intrinsics) -> None:
    pixels = np.stack(np.meshgrid(np.linspace(0, 1920, 25), np.linspace(0, 1080, 15)), -1).reshape(-1, 2).astype(dtype)
    rays = unproject(pixels, camera)
    assert rays.dtype == dtype
    np.testing.assert_array_equal(rays[:, 2], 1)
    depth = np.linspace(0.5, 20, len(rays), dtype=dtype)[:, None]
    assert np.abs(project(rays * depth, camera) - pixels).max() < PIXELS[dtype]


def test_undistorted_pixels_are_those_of_a_straight_lens() -> None:
    points = np.random.default_rng(7).uniform([-1, -0.6, 2], [1, 0.6, 4], (100, 3))
    np.testing.assert_allclose(undistort(project(points, LENS), LENS), project(points, LENS.undistorted()), atol=1e-7)


def test_field_of_view_spans_the_larger_side() -> None:
    wide, tall = Intrinsics.from_fov(1920, 1080, np.radians(50)), Intrinsics.from_fov(1080, 1920, np.radians(50))
    assert wide.fx == pytest.approx(960 / np.tan(np.radians(25)))
    assert wide.fov == pytest.approx(np.radians(50))
    assert tall.fov == pytest.approx(np.radians(50))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Intrinsics(0, 1, 0, 0, 10, 10),
        lambda: Intrinsics(np.nan, 1, 0, 0, 10, 10),
        lambda: Intrinsics(1, 1, 0, 0, 0, 10),
        lambda: Intrinsics(1, 1, 0, 0, 10, 10, (0.1,) * 6),
        lambda: Intrinsics.from_fov(10, 10, np.pi),
        lambda: Intrinsics.from_matrix(np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1.0]]), 10, 10),
    ],
    ids=["no focal length", "NaN", "no width", "six coefficients", "half a turn", "skew"],
)
def test_impossible_cameras_are_refused(broken) -> None:
    with pytest.raises(CameraError):
        broken()
