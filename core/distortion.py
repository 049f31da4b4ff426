# SPDX-License-Identifier: GPL-3.0-or-later
"""Lens distortion models: where an ideal point of the image plane is seen, and back.

Points are (..., 2) on the plane z = 1 of the camera frame (x right, y down). Every model is radial, an increasing function of
one radius; the opencv and brown ones add small decentring terms. Where the radial function stops to increase, the model folds
the picture over itself and means nothing any more: there, both directions give NaN.

- opencv: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]], Brown's model as OpenCV defines it (calib3d, "pinhole camera model").
- brown: k1 k2 p1 p2 k3 k4, the same with a fourth radial term (r^8), as in Blender's Brown-Conrady model.
- fisheye: k1 k2 k3 k4, on the angle from the axis (OpenCV calib3d, "fisheye camera model"); only what is in front is seen.
- nuke: k1 k2, from the seen radius r: ideal = seen / (1 + k1 r^2 + k2 r^4), r in units of half the image's larger side.

Blender's polynomial model is opencv's k1 k2 0 0 k3, its division model opencv's 0 0 0 0 0 k1 k2 0 (`scene/clip_camera.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COUNTS: dict[str, tuple[int, ...]] = {
    "opencv": (0, 1, 2, 3, 4, 5, 8, 12),
    "brown": (6,),
    "fisheye": (4,),
    "nuke": (2,),
}
"""Model -> how many coefficients it may have."""

ACCURACY = 1e-9
"""On the image plane: an inverse that does not come back to its point within this is none."""
LARGEST = 1e6
"""Coefficients beyond this belong to no lens, and their powers would overflow."""
_STEPS = 80
_POLE = 1 - 1e-9


class Radial(NamedTuple):
    """An increasing function of a radius: its `value` over the radius, its `slope`, and the radius up to which it rises."""

    ratio: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    limit: float


@dataclass(frozen=True)
class Lens:
    """A distortion model with its coefficients. `unit`: radii of the nuke model per unit of the image plane."""

    model: str
    coefficients: tuple[float, ...]
    unit: float = 1.0


def distort(plane: Array, lens: Lens) -> Array:
    """Return where ideal points (..., 2) of the image plane are seen, on the same plane; NaN where the model ends."""
    radius, radial = _radius(plane), _radial(lens)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if lens.model == "nuke":
            return _scaled(plane, _inverse_ratio(radial, radius * lens.unit))
        if lens.model == "fisheye":
            angle = np.arctan(radius)
            return _scaled(plane, _within(radial, angle) * np.where(radius == 0, 1.0, angle / radius))
        seen = _scaled(plane, _within(radial, radius))
        return seen + _decentring(plane, lens)[0] if _is_decentred(lens) else seen


def undistort(seen: Array, lens: Lens) -> Array:
    """Return the ideal points (..., 2) of the image plane that are seen at these; NaN where none is within `ACCURACY`."""
    radius, radial = _radius(seen), _radial(lens)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if lens.model == "nuke":
            return _scaled(seen, _within(radial, radius * lens.unit))
        ratio = _inverse_ratio(radial, radius)
        if lens.model == "fisheye":
            angle = ratio * radius
            return _scaled(seen, np.where(radius == 0, 1.0, np.tan(angle) / radius))
        plane = _scaled(seen, ratio)
        return _refined(plane, seen, lens, radial) if _is_decentred(lens) else plane


def reach(lens: Lens) -> float:
    """Return the radius on the image plane, as seen, up to which the model holds; infinite where it has no end."""
    radial = _radial(lens)
    if lens.model == "nuke":
        return radial.limit / lens.unit
    if np.isinf(radial.limit):
        return np.inf
    return float(radial.ratio(np.array(radial.limit)) * radial.limit)


@lru_cache(maxsize=64)
def _radial(lens: Lens) -> Radial:
    """Return a model's radial function: over the ideal radius (fisheye: the angle), nuke's over the seen one."""
    c = lens.coefficients
    if lens.model == "nuke":
        return _rational((0.0,), c)
    if lens.model == "fisheye":
        plain = _rational(c, ())
        return plain._replace(limit=min(plain.limit, 0.5 * np.pi * _POLE))
    if lens.model == "brown":
        return _rational((c[0], c[1], c[4], c[5]), ())
    k1, k2, _, _, k3, k4, k5, k6 = (*c[:8], *(0.0,) * (8 - len(c[:8])))
    return _rational((k1, k2, k3), (k4, k5, k6))


def _rational(top: tuple[float, ...], bottom: tuple[float, ...]) -> Radial:
    """Return r * N(r^2) / D(r^2), where N and D are 1 plus these coefficients times rising powers, up to where it turns."""
    numerator, denominator = np.polynomial.Polynomial((1.0, *top)), np.polynomial.Polynomial((1.0, *bottom))
    square = np.polynomial.Polynomial((0.0, 1.0))
    # d/dr of r N(s) / D(s), s = r^2, is (N D + 2 s (N' D - N D')) / D^2.
    change = _derivative(numerator) * denominator - numerator * _derivative(denominator)
    rising = numerator * denominator + 2 * square * change
    turn, pole = _first_root(rising), _first_root(denominator)

    def ratio(radius: Array) -> Array:
        return numerator(radius * radius) / denominator(radius * radius)

    def slope(radius: Array) -> Array:
        return rising(radius * radius) / denominator(radius * radius) ** 2

    # At a pole the function runs to infinity, at a turn it ends: neither place itself belongs to it.
    return Radial(ratio, slope, float(np.sqrt(min(turn, pole))) * (_POLE if min(turn, pole) < np.inf else 1.0))


def _derivative(polynomial: np.polynomial.Polynomial) -> np.polynomial.Polynomial:
    return np.polynomial.Polynomial(
        polynomial.coef[1:] * np.arange(1, len(polynomial.coef)) if len(polynomial.coef) > 1 else (0.0,)
    )


def _first_root(polynomial: np.polynomial.Polynomial) -> float:
    """Return the smallest positive real root, infinite where there is none."""
    used = np.flatnonzero(
        np.abs(polynomial.coef) > 1e-40
    )  # a leading coefficient next to nothing has its root next to infinity
    roots = np.roots(polynomial.coef[used[-1] :: -1])
    real = roots.real[(np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots))) & (roots.real > 0)]
    return float(real.min()) if len(real) else np.inf


def _radius(plane: Array) -> Array:
    return np.hypot(plane[..., 0], plane[..., 1])


def _scaled(plane: Array, ratio: Array) -> Array:
    return plane * ratio[..., None]


def _within(radial: Radial, radius: Array) -> Array:
    return np.where(radius <= radial.limit, radial.ratio(radius), np.nan)


def _inverse_ratio(radial: Radial, value: Array) -> Array:
    """Return r / value where the radial function of r is `value` (...): Newton's method, kept inside a shrinking bracket."""
    low, high = np.zeros_like(value), np.where(np.isfinite(value), np.maximum(value, 1e-6), np.nan)
    if np.isfinite(radial.limit):
        high = np.where(np.isfinite(value), radial.limit, np.nan)
    else:
        for _ in range(60):
            short = radial.ratio(high) * high < value
            if not short.any():
                break
            high = np.where(short, 2 * high, high)
    guess = np.clip(value, low, high)
    for _ in range(_STEPS):
        excess = radial.ratio(guess) * guess - value
        low, high = np.where(excess < 0, guess, low), np.where(excess >= 0, guess, high)
        step = guess - excess / radial.slope(guess)
        better = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        moved = np.abs(better - guess) > 1e-13 * np.maximum(1.0, np.abs(guess))
        guess = better
        if not moved.any():
            break
    found = np.abs(radial.ratio(guess) * guess - value) <= ACCURACY * np.maximum(1.0, value)
    return np.where(found, np.where(value > 0, guess / value, 1.0), np.nan)


def _is_decentred(lens: Lens) -> bool:
    return lens.model in ("opencv", "brown") and (any(lens.coefficients[2:4]) or any(lens.coefficients[8:12]))


def _decentring(plane: Array, lens: Lens) -> tuple[Array, Array]:
    """Return the decentring and thin-prism terms (..., 2) and their derivatives (..., 2, 2)."""
    p1, p2 = (*lens.coefficients, 0.0, 0.0, 0.0, 0.0)[2:4]
    s1, s2, s3, s4 = lens.coefficients[8:12] or (0.0,) * 4
    x, y = plane[..., 0], plane[..., 1]
    r2 = x * x + y * y
    shift = np.stack(
        [
            2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2),
            p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + s4 * r2),
        ],
        -1,
    )
    across, down = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
    slopes: Array = np.stack(
        [
            np.stack([2 * p1 * y + 6 * p2 * x + across * x, 2 * p1 * x + 2 * p2 * y + across * y], -1),
            np.stack([2 * p1 * x + 2 * p2 * y + down * x, 6 * p1 * y + 2 * p2 * x + down * y], -1),
        ],
        -2,
    )
    return shift, slopes


def _refined(plane: Array, seen: Array, lens: Lens, radial: Radial) -> Array:
    """Improve ideal points, found without the decentring terms, by Newton's method on both coordinates."""
    for _ in range(_STEPS):
        radius = _radius(plane)
        ratio = radial.ratio(radius)
        shift, slopes = _decentring(plane, lens)
        # The radial part's derivative: R I + (R'/r) p p^T, with R' / r = (slope - R) / r^2.
        bend = np.where(radius > 0, (radial.slope(radius) - ratio) / np.maximum(radius**2, 1e-300), 0.0)
        slopes = slopes + ratio[..., None, None] * np.eye(2) + bend[..., None, None] * plane[..., :, None] * plane[..., None, :]
        excess = _scaled(plane, ratio) + shift - seen
        (a, b), (c, d) = np.moveaxis(slopes, (-2, -1), (0, 1))
        across, down = excess[..., 0], excess[..., 1]
        step = np.stack([d * across - b * down, a * down - c * across], -1) / (a * d - b * c)[..., None]
        plane = plane - step
        if not (np.abs(step) > 1e-13 * np.maximum(1.0, np.abs(plane))).any():
            break
    miss = _scaled(plane, _within(radial, _radius(plane))) + _decentring(plane, lens)[0] - seen
    found = _radius(miss) <= ACCURACY * np.maximum(1.0, _radius(seen))
    return np.where(found[..., None], plane, np.nan)
