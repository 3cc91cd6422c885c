"""The formulas of GCJ-02 and BD-09.

GCJ-02 is WGS84 with an offset of some 250 to 700 m that varies with the place; BD-09 is GCJ-02
with up to 1 km more. Both are defined by their forward formulas only, so the inverses iterate.

Source: the formulas as the many open implementations of the two datums publish them, on the
ellipsoid of Krasovsky 1940 (a = 6378245 m, e2 = 0.00669342162296594).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHINA", "gcj02_to_bd09", "invert", "wgs84_to_gcj02"]

_Array = NDArray[np.float64]

_SEMI_MAJOR_M: Final = 6378245.0
_ECCENTRICITY_SQUARED: Final = 0.00669342162296594323

#: The rule by which GCJ-02 counts a place as outside China, and leaves it as it is.
CHINA: Final = (72.004, 0.8293, 137.8347, 55.8271)

#: 1e-9 degrees is 0.1 mm, ten times finer than the 1 mm that is promised.
_CONVERGED_DEGREES: Final = 1e-9


def wgs84_to_gcj02(lon: _Array, lat: _Array) -> tuple[_Array, _Array]:
    """The published forward formula: an offset in metres on the Krasovsky ellipsoid."""
    west, south, east, north = CHINA
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    if not inside.any():
        return lon.copy(), lat.copy()
    x, y, pi = lon - 105.0, lat - 35.0, np.pi
    common = 20.0 * np.sin(6.0 * pi * x) + 20.0 * np.sin(2.0 * pi * x)
    north_offset = (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y**2
        + 0.1 * x * y
        + 0.2 * np.sqrt(np.abs(x))
        + (common + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))) * 2.0 / 3.0
    )
    east_offset = (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x**2
        + 0.1 * x * y
        + 0.1 * np.sqrt(np.abs(x))
        + (common + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))) * 2.0 / 3.0
    )
    latitude = np.radians(lat)
    curvature = 1.0 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    normal = _SEMI_MAJOR_M / np.sqrt(curvature)
    meridional = _SEMI_MAJOR_M * (1.0 - _ECCENTRICITY_SQUARED) / curvature**1.5
    with np.errstate(divide="ignore", invalid="ignore"):
        moved_lon = lon + np.degrees(east_offset / (normal * np.cos(latitude)))
        moved_lat = lat + np.degrees(north_offset / meridional)
    return np.where(inside, moved_lon, lon), np.where(inside, moved_lat, lat)


def _waves(value: _Array, *terms: tuple[float, float]) -> _Array:
    """Sum of amplitude * sin(pi * value / period); the sines of one axis of GCJ-02."""
    total = np.zeros_like(value)
    for amplitude, period in terms:
        total += amplitude * np.sin(np.pi * value / period)
    return total


def gcj02_to_bd09(lon: _Array, lat: _Array) -> tuple[_Array, _Array]:
    """A small turn and stretch about the origin, then a constant offset."""
    turn = np.pi * 3000.0 / 180.0
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * turn)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * turn)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def invert(
    forward: Callable[[_Array, _Array], tuple[_Array, _Array]], x: _Array, y: _Array
) -> tuple[_Array, _Array]:
    """Undo ``forward`` by fixed-point iteration.

    It contracts: over one step the offsets change by less than 1 % of it.
    """
    guess_x, guess_y = x.copy(), y.copy()
    for _ in range(30):
        there_x, there_y = forward(guess_x, guess_y)
        step_x, step_y = x - there_x, y - there_y
        guess_x += step_x
        guess_y += step_y
        worst = np.fmax.reduce([np.abs(step_x), np.abs(step_y)], axis=None, initial=0.0)
        if not worst > _CONVERGED_DEGREES:
            break
    return guess_x, guess_y
