"""The superblocks of a county: what is built on them and how many households they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geodata.sample.lattice import STEPS, Lattice, hashed

__all__ = ["Blocks", "Fabric", "Plan", "Zone", "allot", "survey"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Zone(IntEnum):
    """How far out of town a superblock lies."""

    CORE = 0
    URBAN = 1
    SUBURB = 2
    RURAL = 3
    WORKS = 4


class Fabric(IntEnum):
    """What a superblock is mainly built up with."""

    TOWER = 0
    SLAB = 1
    LANE = 2
    VILLA = 3
    VILLAGE = 4
    WORKS = 5
    GREEN = 6


#: Households a square kilometre, by fabric; the country's villages are 280.
DENSITY = np.array([11500.0, 7000.0, 5000.0, 900.0, 280.0, 900.0, 0.0])

#: Share of each fabric by zone (rows Zone, columns Fabric).
MIX = np.array(
    [
        [0.36, 0.33, 0.25, 0.00, 0.00, 0.00, 0.06],
        [0.36, 0.46, 0.05, 0.08, 0.00, 0.00, 0.05],
        [0.16, 0.38, 0.12, 0.28, 0.00, 0.00, 0.06],
        [0.00, 0.00, 0.00, 0.00, 1.00, 0.00, 0.00],
        [0.00, 0.00, 0.00, 0.00, 0.00, 1.00, 0.00],
    ]
)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a sample; two equal plans give equal files.

    Attributes
    ----------
    kind : str
        ``town``, ``city`` or ``province``.
    households : int
        Households in all.
    seed : int
        The seed.
    lattice : Lattice
        The ground plan.
    counties : tuple of (int, int)
        The county patches by their place in the plane.
    cities : tuple of int
        For each county patch, the number of its city from 0.
    community : int
        Households that an urban community aims at.
    target : int
        Households that a service grid aims at.
    tower : int
        Most households that may stand on one point.
    river_m : float
        Half the width of the river in metres.
    """

    kind: str
    households: int
    seed: int
    lattice: Lattice
    counties: tuple[tuple[int, int], ...]
    cities: tuple[int, ...]
    community: int
    target: int
    tower: int
    river_m: float

    def generator(self, *path: int) -> np.random.Generator:
        """The random stream of one part, independent of every other part's."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, *path]))


@dataclass
class Blocks:
    """The superblocks of one county; every array has one entry a superblock.

    Attributes
    ----------
    county : (int, int)
        The patch.
    i, j : integer arrays
        South-west corner in lattice coordinates.
    zone, fabric : integer arrays
        See `Zone` and `Fabric`.
    area_m2, width_m, height_m : float arrays
        Measures on the ground; width runs along i, height along j.
    rings : float array (n, 4 * STEPS + 1, 2)
        Outlines in degrees.
    river_row : int
        Lattice row that the river follows.
    """

    county: tuple[int, int]
    i: Ints
    j: Ints
    zone: Ints
    fabric: Ints
    area_m2: Floats
    width_m: Floats
    height_m: Floats
    rings: Floats
    river_row: int
    cells: int

    def __len__(self) -> int:
        return len(self.i)

    @cached_property
    def at(self) -> Ints:
        """(cells + 2, cells + 2) superblock number by (i + 1, j + 1); -1 where there is none."""
        table = np.full((self.cells + 2, self.cells + 2), -1, dtype=np.int64)
        table[self.i + 1, self.j + 1] = np.arange(len(self))
        return table

    def neighbours(self, block: int) -> list[int]:
        """The superblocks that share a side: west, east, south, north."""
        i, j = int(self.i[block]) + 1, int(self.j[block]) + 1
        around = (self.at[i - 1, j], self.at[i + 1, j], self.at[i, j - 1], self.at[i, j + 1])
        return [int(other) for other in around if other >= 0]


def _outlines(
    lattice: Lattice, county: tuple[int, int]
) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """All lattice rows and columns of a county: degrees along j-rows and i-columns, and metres.

    The crossings of the rows are copied to the columns, so that both carry the same vertices.
    """
    n = lattice.cells
    fine = np.arange(n * STEPS + 1) / STEPS
    coarse = np.arange(n + 1, dtype=np.float64)
    row_xy = lattice.metres(county, *np.broadcast_arrays(fine[None, :], coarse[:, None]))
    column_xy = lattice.metres(county, *np.broadcast_arrays(coarse[:, None], fine[None, :]))
    rows, columns = lattice.degrees(*row_xy), lattice.degrees(*column_xy)
    columns[:, ::STEPS] = rows[:, ::STEPS].swapaxes(0, 1)
    metres = (np.stack(row_xy, axis=-1), np.stack(column_xy, axis=-1))
    return rows, columns, metres


def _round(rows: Floats, columns: Floats, i: Ints, j: Ints) -> Floats:
    """Outlines of superblocks, counter-clockwise from the south-west corner, closed."""
    step = np.arange(STEPS)
    south = rows[j[:, None], i[:, None] * STEPS + step]
    east = columns[i[:, None] + 1, j[:, None] * STEPS + step]
    north = rows[j[:, None] + 1, i[:, None] * STEPS + STEPS - step]
    west = columns[i[:, None], j[:, None] * STEPS + STEPS - step]
    return np.concatenate([south, east, north, west, south[:, :1]], axis=1)


def _present(plan: Plan, i: Ints, j: Ints) -> NDArray[np.bool_]:
    """Which superblocks of the square belong to the place: a town is round, a county is whole."""
    n = plan.lattice.cells
    if plan.kind == "province":
        return np.ones(len(i), dtype=bool)
    x, y = (2.0 * i + 1.0) / n - 1.0, (2.0 * j + 1.0) / n - 1.0
    reach = (np.abs(x) ** 2.6 + np.abs(y) ** 2.6) ** (1 / 2.6)
    inside = reach < 0.99 + 0.16 * hashed(plan.seed, 7401, i, j)
    labels, _ = ndimage.label(inside.reshape(n, n))
    return np.asarray((labels == labels[n // 2, n // 2]).ravel())


def _zones(plan: Plan, county: tuple[int, int], i: Ints, j: Ints) -> Ints:
    """Zones by distance from the centre, uneven in every direction; one works area at the edge."""
    n, (a, b) = plan.lattice.cells, county
    x, y = (2.0 * i + 1.0) / n - 1.0, (2.0 * j + 1.0) / n - 1.0
    angle = np.arctan2(y, x)
    draw = hashed(plan.seed, 7501, a, b, np.arange(6))
    spread = 1.0 + 0.16 * np.sin(2 * angle + 6.28 * draw[0]) + 0.1 * np.sin(3 * angle + 9 * draw[1])
    away = np.hypot(x, y) / spread + 0.10 * (hashed(plan.seed, 7502, a * n + i, b * n + j) - 0.5)
    zone = np.digitize(away, [0.30, 0.56, 0.70]).astype(np.int64)
    zone[away == away.min()] = Zone.CORE
    if plan.kind == "city" or (plan.kind == "province" and draw[2] < 0.5):
        course = 2.0 * math.pi * draw[3]
        aside = np.abs((angle - course + math.pi) % (2.0 * math.pi) - math.pi)
        works = (aside < 0.42) & (away > 0.5) & (away < 0.92)
        labels, count = ndimage.label(_square(works, i, j, n))
        if count:
            sizes = np.bincount(labels.ravel())
            sizes[0] = 0
            if sizes.max() >= 2:
                zone[labels[i, j] == sizes.argmax()] = Zone.WORKS
    return zone


def _square(values: NDArray[np.bool_], i: Ints, j: Ints, n: int) -> NDArray[np.bool_]:
    table = np.zeros((n, n), dtype=bool)
    table[i, j] = values
    return table


def survey(plan: Plan, county: tuple[int, int]) -> Blocks:
    """The superblocks of one county patch. Depends on the plan and the patch alone."""
    lattice, (a, b) = plan.lattice, county
    n = lattice.cells
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    keep = _present(plan, i, j)
    i, j = i[keep], j[keep]
    rows, columns, (row_xy, column_xy) = _outlines(lattice, county)
    rings, metres = _round(rows, columns, i, j), _round(row_xy, column_xy, i, j)
    x, y = metres[..., 0], metres[..., 1]
    area = np.abs(np.sum(x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1], axis=1)) / 2.0
    corner = metres[:, [0, STEPS, 2 * STEPS, 3 * STEPS]]
    side = np.hypot(*np.moveaxis(corner - np.roll(corner, -1, axis=1), -1, 0))
    zone = _zones(plan, county, i, j)
    draw = hashed(plan.seed, 7601, a * n + i, b * n + j)
    fabric = np.sum(np.cumsum(MIX, axis=1)[zone] <= draw[:, None], axis=1)
    if plan.kind == "town":
        # few towers stand in a country town
        humble = (fabric == Fabric.TOWER) & (hashed(plan.seed, 7602, a * n + i, b * n + j) < 0.75)
        fabric[humble] = np.where(zone == Zone.CORE, Fabric.LANE, Fabric.SLAB)[humble]
    fabric[zone == Zone.RURAL] = Fabric.VILLAGE
    fabric[zone == Zone.WORKS] = Fabric.WORKS
    return Blocks(
        county=county,
        i=i,
        j=j,
        zone=zone,
        fabric=np.minimum(fabric, Fabric.GREEN),
        area_m2=area,
        width_m=(side[:, 0] + side[:, 2]) / 2.0,
        height_m=(side[:, 1] + side[:, 3]) / 2.0,
        rings=rings,
        river_row=lattice.river_row(b),
        cells=n,
    )


def demand(plan: Plan, blocks: Blocks) -> Floats:
    """Households that each superblock would hold at the usual densities (not whole numbers)."""
    n, (a, b) = blocks.cells, blocks.county
    key = (a * n + blocks.i, b * n + blocks.j)
    uneven = np.exp(0.5 * (hashed(plan.seed, 7701, *key) - 0.5))
    # large superblocks are less densely built up than small ones
    town = blocks.zone < Zone.RURAL
    usual = np.where(town, np.median(blocks.area_m2[town]), np.median(blocks.area_m2[~town]))
    area = np.minimum(blocks.area_m2, np.sqrt(blocks.area_m2 * usual))
    # the river and its banks take their part
    wet = (blocks.j == blocks.river_row) | (blocks.j + 1 == blocks.river_row)
    dry = np.where(wet, np.maximum(0.3, 1.0 - (plan.river_m + 60.0) / blocks.height_m), 1.0)
    return np.asarray(dry * DENSITY[blocks.fabric] * area / 1e6 * uneven)


def allot(plan: Plan, wanted: Sequence[Floats]) -> list[Ints]:
    """Share the plan's households among superblocks in proportion, by largest remainders.

    Parameters
    ----------
    plan : Plan
        Its ``households`` is what the shares sum to.
    wanted : sequence of float arrays
        One array a county.

    Returns
    -------
    list of integer arrays
        In the shape of ``wanted``.
    """
    flat = np.concatenate(wanted)
    exact = flat * (plan.households / flat.sum())
    whole = np.floor(exact).astype(np.int64)
    short = plan.households - int(whole.sum())
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[:short]] += 1
    return np.split(whole, np.cumsum([len(part) for part in wanted])[:-1])
