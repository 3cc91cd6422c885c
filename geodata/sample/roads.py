"""Avenues, railway, river and lakes: what the edges of the lattice are on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.ground import Blocks, Fabric, Plan, Zone
from geodata.sample.lattice import STEPS, hashed

__all__ = ["BANK_M", "WEIGHTS", "Network", "Way", "classify", "lattice_lines", "waters"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Open ground between the water and the first street, metres.
BANK_M = 26.0


class Way:
    """Kinds of lattice edges and streets; the number is the position in `KINDS`."""

    NONE, TRUNK, PRIMARY, SECONDARY, TERTIARY, RESIDENTIAL, LANE, TRACK = range(8)
    RAIL, RIVER, STREAM = range(8, 11)


KINDS = np.array(
    [
        *("none", "trunk", "primary", "secondary", "tertiary", "residential", "lane", "track"),
        *("rail", "river", "stream"),
    ],
    dtype=object,
)

#: How hard each kind cuts: a river more than an avenue, an avenue more than a lane.
WEIGHTS = np.array([0.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.6, 4.0, 5.0, 2.0])


@dataclass
class Network:
    """What the lattice edges of one county are.

    Attributes
    ----------
    column : integer array (cells + 1, cells)
        Kind of the edge from (i, j) to (i, j + 1).
    row : integer array (cells, cells + 1)
        Kind of the edge from (i, j) to (i + 1, j).
    bridge : bool array (cells + 1)
        Whether column i crosses the river.
    """

    column: Ints
    row: Ints
    bridge: NDArray[np.bool_]

    def sides(self, blocks: Blocks) -> Ints:
        """(n, 4) kinds on the west, east, south and north of every superblock."""
        i, j = blocks.i, blocks.j
        return np.stack(
            [self.column[i, j], self.column[i + 1, j], self.row[i, j], self.row[i, j + 1]], axis=1
        )


def _by_zone(
    plan: Plan, blocks: Blocks, community: Ints, first: Ints, second: Ints, key: Ints
) -> Ints:
    """Kind of edges between superblocks ``first`` and ``second`` (-1 = outside)."""
    inside = (first >= 0) & (second >= 0)
    zone = np.minimum(blocks.zone[first], blocks.zone[second])
    apart = community[first] != community[second]
    draw, odd = hashed(plan.seed, 7801, key), hashed(plan.seed, 7802, key) < 0.4
    kind = np.full(first.shape, Way.SECONDARY)
    kind[(zone != Zone.CORE) & odd] = Way.TERTIARY
    kind[(zone == Zone.SUBURB) & (draw < 0.9)] = Way.TERTIARY
    kind[~apart & (draw < 0.35)] = Way.TERTIARY
    rural = (blocks.zone[first] == Zone.RURAL) & (blocks.zone[second] == Zone.RURAL)
    wild = np.where(draw < np.where(apart, 0.66, 0.3), Way.TERTIARY, Way.NONE)
    wild = np.where((wild == Way.NONE) & (draw > 0.9), Way.STREAM, wild)
    wild = np.where((wild == Way.NONE) & (draw < 0.82), Way.TRACK, wild)
    return np.where(inside, np.where(rural, wild, kind), Way.NONE)


def classify(plan: Plan, blocks: Blocks, community: Ints) -> Network:
    """Decide what every lattice edge of a county is.

    Axes, ring road, railway and river run on the same rows and columns in neighbouring counties,
    so that they go on across the border.
    """
    n, (a, b) = blocks.cells, blocks.county
    centre, river = n // 2, blocks.river_row
    axis = river + (1 if hashed(plan.seed, 7803, b) < 0.5 else -1)
    ring, rail = max(2, round(0.3 * n)), centre - max(1, n // 5)
    at = blocks.at
    grid_i, grid_j = np.meshgrid(np.arange(n + 1), np.arange(n), indexing="ij")
    key = ((a + 5000) * 10_000 + b + 5000) * 1_000_000 + grid_i * 1000 + grid_j
    column = _by_zone(
        plan, blocks, community, at[grid_i, grid_j + 1], at[grid_i + 1, grid_j + 1], 2 * key
    )
    row = _by_zone(
        plan, blocks, community, at[grid_j + 1, grid_i], at[grid_j + 1, grid_i + 1], 2 * key + 1
    ).T
    _main_lines(plan, column, centre, rail, ring)
    _main_lines(plan, row.T, axis, -1, ring)
    row[:, river] = Way.RIVER
    # an edge without ground on both sides is the outline: no road runs there
    column[(at[grid_i, grid_j + 1] < 0) | (at[grid_i + 1, grid_j + 1] < 0)] = Way.NONE
    row[((at[grid_j + 1, grid_i] < 0) | (at[grid_j + 1, grid_i + 1] < 0)).T] = Way.NONE
    main = np.isin(np.arange(n + 1), [centre, rail])
    if plan.kind != "town":
        main |= np.isin(np.arange(n + 1), [centre - ring, centre + ring])
    inner = np.abs(np.arange(n + 1) - centre) < 0.36 * n
    bridge = main | (inner & (hashed(plan.seed, 7804, a, b, np.arange(n + 1)) < 0.6))
    return Network(column, row, bridge)


def _main_lines(plan: Plan, kind: Ints, axis: int, rail: int, ring: int) -> None:
    """Lay axis, ring and railway over ``kind`` (lines, positions along the line), in place."""
    n = kind.shape[1]
    kind[axis] = Way.PRIMARY
    if plan.kind != "town":
        low, high = n // 2 - ring, n // 2 + ring
        kind[low, low:high] = Way.TRUNK
        kind[high, low:high] = Way.TRUNK
    if rail >= 0:
        kind[rail] = Way.RAIL


def lattice_lines(
    plan: Plan, blocks: Blocks, network: Network
) -> tuple[NDArray[np.object_], Ints, Ints]:
    """The lines of avenues, railway and streams.

    Returns
    -------
    lines : array of LineString
        In degrees, vertex for vertex the outlines of the superblocks.
    kind : integer array
        See `Way`.
    avenue : integer array
        Row number, or cells + 1 + column number: what the line is named after.
    """
    n, river = blocks.cells, blocks.river_row
    step = np.arange(STEPS + 1) / STEPS
    ci, cj = np.nonzero(network.column != Way.NONE)
    ri, rj = np.nonzero((network.row != Way.NONE) & (network.row != Way.RIVER))
    low, high = np.zeros(len(ci)), np.ones(len(ci))
    # a column without a bridge ends on the bank
    bank = _bank(plan, blocks, ci, cj)
    ends = ~network.bridge[ci]
    low[ends & (cj == river)] = bank[ends & (cj == river)]
    high[ends & (cj + 1 == river)] -= bank[ends & (cj + 1 == river)]
    along = low[:, None] + (high - low)[:, None] * step
    i = np.concatenate([np.repeat(ci[:, None], STEPS + 1, axis=1), ri[:, None] + step])
    j = np.concatenate([cj[:, None] + along, np.repeat(rj[:, None], STEPS + 1, axis=1)])
    lines = shapely.linestrings(plan.lattice.place(blocks.county, i.astype(np.float64), j))
    kind = np.concatenate([network.column[ci, cj], network.row[ri, rj]])
    return lines, kind, np.concatenate([n + 1 + ci, rj])


def _bank(plan: Plan, blocks: Blocks, i: Ints, j: Ints) -> Floats:
    """The bank's distance from mid-river as a share of the column edge (i, j)."""
    at = blocks.at
    beside = np.maximum(at[i, j + 1], at[i + 1, j + 1])
    return np.minimum((plan.river_m + BANK_M) / blocks.height_m[beside], 0.45)


def waters(
    plan: Plan, blocks: Blocks, network: Network
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """The river and the lakes in parks: polygons in degrees, and their kinds."""
    n, lattice = blocks.cells, plan.lattice
    wet = np.flatnonzero((network.row == Way.RIVER)[np.arange(n), blocks.river_row])
    touched = [
        k
        for k in wet
        if blocks.at[k + 1, blocks.river_row] >= 0 or blocks.at[k + 1, blocks.river_row + 1] >= 0
    ]
    shapes, kinds = [], []
    if touched:
        i = np.arange(min(touched) * STEPS, (max(touched) + 1) * STEPS + 1) / STEPS
        x, y = lattice.metres(blocks.county, i, np.full(len(i), float(blocks.river_row)))
        course = shapely.linestrings(np.stack([x, y], axis=1))
        band = shapely.buffer(course, plan.river_m, quad_segs=3, cap_style="flat")
        shapes.append(_to_degrees(plan, band))
        kinds.append("river")
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    a, b = blocks.county
    for k in np.flatnonzero(blocks.fabric == Fabric.GREEN):
        draw = hashed(plan.seed, 7901, a, b, int(k), np.arange(4))
        radius = (
            0.2 + 0.07 * np.sin(2 * angle + 6 * draw[0]) + 0.04 * np.sin(3 * angle + 6 * draw[1])
        )
        i = blocks.i[k] + 0.5 + radius * np.cos(angle)
        j = blocks.j[k] + 0.5 + radius * 0.8 * np.sin(angle)
        shapes.append(shapely.polygons(lattice.place(blocks.county, i, j)))
        kinds.append("lake")
    return np.array(shapes, dtype=object), np.array(kinds, dtype=object)


def _to_degrees(plan: Plan, shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: plan.lattice.degrees(xy[:, 0], xy[:, 1]))
