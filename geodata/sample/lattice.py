"""The ground plan: a lattice of avenues, bent by one smooth map of the plane.

Every county is a square patch of ``cells`` x ``cells`` superblocks in lattice coordinates (i, j).
One map takes lattice coordinates to metres and degrees: it draws the lattice together about the
centre of the county (small blocks in town, wide ones in the country), turns the centre, moves the
crossings a little, lets the river wander and bends the whole. Streets, rivers, boundaries and
houses all pass through this map, so whatever shares an edge in the lattice shares its vertices on
the ground, and two counties meet exactly because the map agrees on their common side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geodata.metric import MetricPlane

__all__ = ["STEPS", "Lattice", "hashed"]

Floats = NDArray[np.float64]

#: Segments that a lattice edge is drawn with.
STEPS = 8

#: Decimals of a degree that coordinates are rounded to: about a centimetre.
DECIMALS = 7

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def hashed(*keys: int | NDArray[np.int64]) -> Floats:
    """Numbers in [0, 1) that depend on the integer keys alone (SplitMix64; Steele et al. 2014).

    Two counties that ask for the same crossing get the same number, in any order, in any process.
    """
    with np.errstate(over="ignore"):
        state = np.zeros(np.broadcast_shapes(*(np.shape(key) for key in keys)), dtype=np.uint64)
        for key in keys:
            state = state ^ np.asarray(key, dtype=np.int64).astype(np.uint64)
            state = state + _MIX[0]
            state = (state ^ (state >> np.uint64(30))) * _MIX[1]
            state = (state ^ (state >> np.uint64(27))) * _MIX[2]
            state = state ^ (state >> np.uint64(31))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) / 2.0**53)


@dataclass(frozen=True)
class Lattice:
    """The map from lattice coordinates to the ground.

    Attributes
    ----------
    cells : int
        Superblocks along one side of a county.
    cell_m : float
        Mean side of a superblock in metres.
    squeeze : float
        How far the centre is drawn together, in [0, 0.8).
    seed : int
        Decides every bend.
    lon, lat : float
        Where county (0, 0) has its south-west corner, in degrees.
    """

    cells: int
    cell_m: float
    squeeze: float
    seed: int
    lon: float
    lat: float

    @cached_property
    def _plane(self) -> MetricPlane:
        return MetricPlane.at(self.lon, self.lat)

    @cached_property
    def _waves(self) -> list[tuple[float, float, float, float, float]]:
        """Plane waves of displacement: wave vector, phase, displacement along x and y (metres)."""
        side = self.cells * self.cell_m
        lengths = [1.9 * side, 1.3 * side, 0.9 * side, 0.61 * side]
        lengths += [3.1 * self.cell_m, 1.7 * self.cell_m, 1.1 * self.cell_m]
        waves = []
        for k, length in enumerate(lengths):
            draw = hashed(self.seed, 7001 + k, np.arange(3))
            angle, course = 2.0 * math.pi * draw[0], 2.0 * math.pi * draw[1]
            size = length * (0.022 if k < 4 else 0.03)
            waves.append(
                (
                    2.0 * math.pi * math.cos(angle) / length,
                    2.0 * math.pi * math.sin(angle) / length,
                    2.0 * math.pi * float(draw[2]),
                    size * math.cos(course),
                    size * math.sin(course),
                )
            )
        return waves

    def river_row(self, b: int) -> int:
        """The lattice row that the river of county row ``b`` follows."""
        return self.cells // 2 + int(hashed(self.seed, 7101, b) * 3.0) - 1

    def twist(self, a: int, b: int) -> float:
        """How far the centre of a county is turned, in radians."""
        return float(hashed(self.seed, 7102, a, b) - 0.5) * 1.1

    def metres(self, county: tuple[int, int], i: Floats, j: Floats) -> tuple[Floats, Floats]:
        """Lattice coordinates in [0, cells] of one county -> metres from the origin."""
        a, b = county
        n = self.cells
        i, j = np.asarray(i, dtype=np.float64), np.asarray(j, dtype=np.float64)
        move_i, move_j = self._crossings(a, b, i, j)
        i, j = i + move_i, j + move_j + self._meander(a, b, i, j)
        x, y = 2.0 * i / n - 1.0, 2.0 * j / n - 1.0
        # the bump is 1 in the centre and exactly 0 on all four sides
        bump = (1.0 - x * x) * (1.0 - y * y)
        scale = 1.0 - self.squeeze * bump
        turn = self.twist(a, b) * bump
        cosine, sine = np.cos(turn), np.sin(turn)
        side = n * self.cell_m
        px = (a + (scale * (x * cosine - y * sine) + 1.0) / 2.0) * side
        py = (b + (scale * (x * sine + y * cosine) + 1.0) / 2.0) * side
        dx, dy = np.zeros_like(px), np.zeros_like(py)
        # the country is rougher than the town: short waves fade out towards the centre
        rough = (1.0 - bump) ** 2
        for k, (wave_x, wave_y, phase, along_x, along_y) in enumerate(self._waves):
            swing = np.sin(wave_x * px + wave_y * py + phase)
            if k >= 4:
                swing = swing * rough
            dx += along_x * swing
            dy += along_y * swing
        return px + dx, py + dy

    def degrees(self, x: Floats, y: Floats) -> Floats:
        """Metres -> (n, 2) longitude and latitude, rounded to `DECIMALS`."""
        lat = self.lat + y / self._plane.metres_per_y
        # the parallel shrinks northward; following it keeps a province of 400 km true to scale
        shrink = np.cos(np.radians(lat)) / math.cos(math.radians(self.lat))
        lon = self.lon + x / (self._plane.metres_per_x * shrink)
        return np.asarray(np.round(np.stack([lon, lat], axis=-1), DECIMALS), dtype=np.float64)

    def place(self, county: tuple[int, int], i: Floats, j: Floats) -> Floats:
        """Lattice coordinates -> (n, 2) longitude and latitude."""
        return self.degrees(*self.metres(county, i, j))

    def _crossings(self, a: int, b: int, i: Floats, j: Floats) -> tuple[Floats, Floats]:
        """How far the crossings about a point have moved, in lattice units (bilinear between).

        On the side of a county crossings move along the side only.
        """
        n = self.cells
        node = np.arange(n + 1)
        gi, gj = np.meshgrid(a * n + node, b * n + node, indexing="ij")
        at_i = 0.34 * (hashed(self.seed, 7201, gi) - 0.5) + 0.26 * (
            hashed(self.seed, 7202, gi, gj) - 0.5
        )
        at_j = 0.34 * (hashed(self.seed, 7203, gj) - 0.5) + 0.26 * (
            hashed(self.seed, 7204, gi, gj) - 0.5
        )
        at_i[[0, n], :] = 0.0
        at_j[:, [0, n]] = 0.0
        i0 = np.clip(np.floor(i).astype(np.int64), 0, n - 1)
        j0 = np.clip(np.floor(j).astype(np.int64), 0, n - 1)
        s, t = i - i0, j - j0
        blend = ((1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t)

        def between(at: Floats) -> Floats:
            return np.asarray(
                blend[0] * at[i0, j0]
                + blend[1] * at[i0 + 1, j0]
                + blend[2] * at[i0, j0 + 1]
                + blend[3] * at[i0 + 1, j0 + 1]
            )

        return between(at_i), between(at_j)

    def _meander(self, a: int, b: int, i: Floats, j: Floats) -> Floats:
        """How far the river bends the ground about it, in lattice units; 0 on the county's
        southern and northern side.
        """
        row = self.river_row(b)
        reach = min(2.6, row, self.cells - row)
        near = np.clip(1.0 - ((j - row) / reach) ** 2, 0.0, None) ** 2
        phase = 2.0 * math.pi * float(hashed(self.seed, 7301, b))
        along = a * self.cells + i
        swing = 0.26 * np.sin(along * 1.13 + phase) + 0.12 * np.sin(along * 2.71 + 2.0 * phase)
        return np.asarray(near * swing)
