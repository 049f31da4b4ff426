# SPDX-License-Identifier: GPL-3.0-or-later
"""Lens models: by hand, there and back over the whole image, and at their ends."""

import numpy as np
import pytest

from poselift.core.camera import Intrinsics, project, undistort, unproject
from poselift.core.errors import CameraError

# Strong, but still one to one over the whole image: 12 to 30 % of the half diagonal at its corners.
STRONG = {
    "opencv barrel": ("opencv", (-0.28, 0.09, 0.0011, -0.0007, -0.012)),
    "opencv pincushion": ("opencv", (0.21, 0.05)),
    "opencv rational": ("opencv", (0.9, 0.31, 0.0004, -0.0006, 0.02, 1.25, 0.55, 0.06)),
    "opencv thin prism": ("opencv", (-0.2, 0.05, 0.001, 0.0005, 0.0, 0.0, 0.0, 0.0, 0.002, -0.0004, -0.001, 0.0003)),
    "brown": ("brown", (-0.25, 0.08, 0.002, -0.0015, -0.01, 0.0006)),
    "fisheye": ("fisheye", (-0.03, 0.012, -0.006, 0.001)),
    "opencv division": ("opencv", (0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.02, 0.0)),
    "nuke barrel": ("nuke", (-0.12, 0.015)),
    "nuke pincushion": ("nuke", (0.1, 0.01)),
}


def camera_of(kind: str, width: int = 1920, height: int = 1080) -> Intrinsics:
    model, coefficients = STRONG[kind]
    return Intrinsics(1250.0, 1210.0, 0.49 * width, 0.52 * height, width, height, coefficients, model=model)


def image_grid(camera: Intrinsics, count: int = 41):
    x, y = np.meshgrid(np.linspace(0, camera.width, count), np.linspace(0, camera.height, count))
    return np.stack([x, y], -1)  # its corners are the image's


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)], ids=["wide", "tall"])
@pytest.mark.parametrize("kind", STRONG)
def test_every_model_comes_back_to_every_pixel_of_the_image(kind, size):
    camera = camera_of(kind, *size)
    pixels = image_grid(camera)
    rays = unproject(pixels, camera)
    straight = unproject(pixels, camera.undistorted())
    assert np.abs(rays - straight).max() * camera.fx > 25, "the lens bends too little to test anything"
    assert np.abs(project(rays, camera) - pixels).max() < 1e-6
    again = unproject(project(rays * 3.7, camera), camera)
    assert np.abs(again - rays).max() < 1e-9
    assert camera.coverage == 1.0


@pytest.mark.parametrize("kind", STRONG)
def test_single_precision_stays_single_and_close(kind):
    camera = camera_of(kind)
    pixels = image_grid(camera, 9).astype(np.float32)
    rays = unproject(pixels, camera)
    assert rays.dtype == np.float32
    assert np.abs(project(rays, camera) - pixels).max() < 0.01


def test_models_are_their_formulas_by_hand():
    x, y = 0.31, -0.22
    r2 = x * x + y * y
    point = np.array([x, y, 1.0])

    def seen(model, coefficients):
        return project(point, Intrinsics(1000, 1000, 0, 0, 2000, 1000, coefficients, model=model)) / 1000

    k = (0.9, 0.31, 0.0004, -0.0006, 0.02, 1.25, 0.55, 0.06)
    ratio = (1 + k[0] * r2 + k[1] * r2**2 + k[4] * r2**3) / (1 + k[5] * r2 + k[6] * r2**2 + k[7] * r2**3)
    tangential = np.array([2 * k[2] * x * y + k[3] * (r2 + 2 * x * x), k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y])
    np.testing.assert_allclose(seen("opencv", k), np.array([x, y]) * ratio + tangential, rtol=1e-13)

    b = (-0.25, 0.08, 0.002, -0.0015, -0.01, 0.0006)
    ratio = 1 + b[0] * r2 + b[1] * r2**2 + b[4] * r2**3 + b[5] * r2**4
    tangential = np.array([2 * b[2] * x * y + b[3] * (r2 + 2 * x * x), b[2] * (r2 + 2 * y * y) + 2 * b[3] * x * y])
    np.testing.assert_allclose(seen("brown", b), np.array([x, y]) * ratio + tangential, rtol=1e-13)

    f = (-0.03, 0.012, -0.006, 0.001)
    theta = np.arctan(np.sqrt(r2))
    bent = theta * (1 + f[0] * theta**2 + f[1] * theta**4 + f[2] * theta**6 + f[3] * theta**8)
    np.testing.assert_allclose(seen("fisheye", f), np.array([x, y]) * bent / np.sqrt(r2), rtol=1e-13)

    place = seen("nuke", (-0.2, 0.04))  # half of 2000 pixels is one focal length here
    s2 = place @ place
    np.testing.assert_allclose(place / (1 - 0.2 * s2 + 0.04 * s2**2), [x, y], rtol=1e-12)


def test_nuke_measures_in_half_the_larger_side_of_square_pixels():
    wide = Intrinsics(1000, 1000, 960, 540, 1920, 1080, (-0.1, 0.02), model="nuke")
    squeezed = Intrinsics(500, 1000, 480, 540, 960, 1080, (-0.1, 0.02), model="nuke")  # anamorphic: the same picture
    points = np.random.default_rng(1).uniform([-0.8, -0.4, 1], [0.8, 0.4, 1], (50, 3))
    np.testing.assert_allclose(project(points, wide) * [0.5, 1.0], project(points, squeezed), atol=1e-9)


def test_a_lens_of_a_scaled_image_is_the_same_lens():
    for kind in STRONG:
        camera = camera_of(kind)
        half = camera.scaled(960, 540)
        points = np.random.default_rng(2).uniform([-0.6, -0.3, 1], [0.6, 0.3, 1], (50, 3))
        np.testing.assert_allclose(project(points, camera) / 2, project(points, half), atol=1e-9)


@pytest.mark.parametrize(
    ("model", "coefficients"), [("opencv", (-0.5,)), ("brown", (-0.5, 0, 0.001, 0, 0, 0)), ("fisheye", (-0.4, 0, 0, 0))]
)
def test_beyond_its_fold_a_model_says_nothing_rather_than_nonsense(model, coefficients):
    """1 - 0.5 r^2 turns at r = 0.816: points farther out would be drawn back into the image."""
    camera = Intrinsics(500, 500, 500, 500, 1000, 1000, coefficients, model=model)
    far = project(np.array([[3.0, 0.0, 1.0], [0.0, -2.5, 1.0], [0.1, 0.1, 1.0]]), camera)
    assert np.isnan(far[:2]).all() and np.isfinite(far[2]).all()
    rays = unproject(np.array([[990.0, 500.0], [500.0, 500.0], [np.nan, 3.0]]), camera)
    assert np.isnan(rays[0, :2]).all() and np.isnan(rays[2, :2]).all()
    np.testing.assert_allclose(rays[1], [0, 0, 1], atol=1e-12)
    assert 0.2 < camera.coverage < 0.9
    assert np.isnan(undistort(np.array([990.0, 500.0]), camera)).all()


def test_random_sane_lenses_come_back():
    rng = np.random.default_rng(3)
    for _ in range(60):
        k1 = rng.uniform(-0.3, 0.3)
        coefficients = (k1, rng.uniform(0, 0.4) * k1 * k1, *rng.normal(0, 0.002, 2), 0.0)
        focal = rng.uniform(900, 2500)
        camera = Intrinsics(focal, focal, 960, 540, 1920, 1080, coefficients)
        pixels = image_grid(camera, 9)
        rays = unproject(pixels, camera)
        known = np.isfinite(rays).all(-1)
        assert known.mean() == pytest.approx(1.0) or k1 < -0.1
        assert np.abs(project(rays, camera) - pixels)[known].max() < 1e-6


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("nonsense", ()),
        ("fisheye", (0.1,)),
        ("division", ()),
        ("brown", (0.1,) * 5),
        ("opencv", (0.1,) * 7),
        ("nuke", (1e9, 0)),
    ],
)
def test_unknown_models_and_wrong_numbers_of_coefficients_are_refused(model, coefficients):
    with pytest.raises(CameraError):
        Intrinsics(1, 1, 0, 0, 10, 10, coefficients, model=model)
