"""The index behind ``Coverage.locate``: cells that name polygons, slabs that name edges.

The extent is cut into equal cells, and each cell names the polygons whose bounding box meets it.
The height of a polygon is cut into equal slabs, and each slab names the edges that meet it. A
point looks at one cell, and in each polygon named there at one slab: a handful of edges.

A coordinate finds its cell or slab by a subtraction, a product and a truncation. Each of them is
monotonic in floating point as well, so what covers a coordinate is entered wherever that
coordinate is looked up: the index loses nothing to rounding, and has no tolerance.

Sources: the slabs ("bins") and the grid of Haines (1994), "Point in polygon strategies".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

__all__ = ["SlabIndex", "build_index", "step_of"]

#: Cells a polygon; fewer where polygons are so large or long that they are named too often.
_CELLS_PER_POLYGON: Final = 4
_ENTRIES_PER_POLYGON: Final = 16
_MOST_CELLS: Final = 1 << 24

#: A slab for so many edges: finer ones cost more memory than they save edges.
_EDGES_PER_SLAB: Final = 2


@dataclass(frozen=True, slots=True)
class SlabIndex:
    """The index as flat arrays; polygons that are missing or empty are not in it.

    Attributes
    ----------
    bounds : ndarray of float64, shape (4,)
        West, south, east and north of everything.
    scale : ndarray of float64, shape (2,)
        Cells a unit along x and y.
    shape : ndarray of int64, shape (2,)
        Columns and rows of cells.
    cell : ndarray of int64, shape (columns * rows + 1,)
        Where the polygons of a cell start in ``member``, row by row.
    member : ndarray of int32
        Polygons of the cells, ascending in each.
    position : ndarray of int32, shape (polygons,)
        Where a polygon was among those given.
    box : ndarray of float64, shape (polygons, 4)
        West, south, east and north of a polygon.
    rate : ndarray of float64, shape (polygons,)
        Slabs a unit along y.
    first_slab : ndarray of int64, shape (polygons + 1,)
        Where the slabs of a polygon start in ``slab``.
    slab : ndarray of int64, shape (slabs + 1,)
        Where the edges of a slab start in ``edge``, from the south.
    edge : ndarray of int32
        Number of the first vertex of an edge; the second is the next one.
    xy : ndarray of float64, shape (vertices, 2)
    """

    bounds: NDArray[np.float64]
    scale: NDArray[np.float64]
    shape: NDArray[np.int64]
    cell: NDArray[np.int64]
    member: NDArray[np.int32]
    position: NDArray[np.int32]
    box: NDArray[np.float64]
    rate: NDArray[np.float64]
    first_slab: NDArray[np.int64]
    slab: NDArray[np.int64]
    edge: NDArray[np.int32]
    xy: NDArray[np.float64]


def build_index(polygons: NDArray[Any]) -> SlabIndex:
    """Index an array of shapely Polygon and MultiPolygon, not all of them missing or empty."""
    present = ~(shapely.is_missing(polygons) | shapely.is_empty(polygons))
    position = np.flatnonzero(present).astype(np.int32)
    xy, ring, first_ring = _vertices(polygons[position])
    box = np.ascontiguousarray(shapely.bounds(polygons[position]))

    slabs = np.maximum((ring[first_ring[1:]] - ring[first_ring[:-1]]) // _EDGES_PER_SLAB, 1)
    with np.errstate(divide="ignore", over="ignore"):
        rate = slabs / (box[:, 3] - box[:, 1])
    # a polygon so flat that its slabs cannot be told apart has one
    slabs[~np.isfinite(rate)] = 1
    rate[~np.isfinite(rate)] = 0.0
    first_slab = np.concatenate([[0], np.cumsum(slabs)])
    slab = np.zeros(first_slab[-1] + 1, dtype=np.int64)
    _enter_edges(xy, ring, first_ring, box, rate, first_slab, slab, np.empty(0, np.int32), True)
    np.cumsum(slab, out=slab)
    edge = np.empty(slab[-1], dtype=np.int32)
    _enter_edges(xy, ring, first_ring, box, rate, first_slab, slab, edge, False)

    bounds = np.concatenate([box[:, :2].min(axis=0), box[:, 2:].max(axis=0)])
    scale, shape = _cell_sizes(box, bounds)
    cell, member = _cells(box, bounds, scale, shape)
    return SlabIndex(
        bounds, scale, shape, cell, member, position, box, rate, first_slab, slab, edge, xy
    )


def _vertices(
    polygons: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (n, 2), where each ring starts among them, where each polygon among the rings."""
    parts, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    counts = shapely.get_num_coordinates(rings)
    ring = np.concatenate([[0], np.cumsum(counts)])
    owner = polygon_of_part[part_of_ring]
    first_ring = np.searchsorted(owner, np.arange(len(polygons) + 1))
    return np.ascontiguousarray(shapely.get_coordinates(rings)), ring, first_ring


def _cell_sizes(
    box: NDArray[np.float64], bounds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cells a unit along x and y; columns and rows."""
    extent = bounds[2:] - bounds[:2]
    wanted = float(np.clip(_CELLS_PER_POLYGON * len(box), 1, _MOST_CELLS))
    sides = box[:, 2:] - box[:, :2]
    while True:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            side = np.sqrt(extent.prod() / wanted)
            shape = np.nan_to_num(np.ceil(extent / side), nan=1.0, posinf=1.0)
            shape = np.clip(shape, 1.0, wanted)
            scale = shape / extent
        scale = np.where(np.isfinite(scale), scale, 0.0)
        entries = (1.0 + sides * scale).prod(axis=1).sum()
        if entries <= _ENTRIES_PER_POLYGON * len(box) or wanted <= 1.0:
            return scale, shape.astype(np.int64)
        wanted /= 4.0


def _cells(
    box: NDArray[np.float64],
    bounds: NDArray[np.float64],
    scale: NDArray[np.float64],
    shape: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the polygons of each cell start, and the polygons."""
    # one array counts (two places ahead), then moves along while it is filled (one place ahead)
    pointer = np.zeros(shape[0] * shape[1] + 2, dtype=np.int64)
    _enter_boxes(box, bounds, scale, shape, pointer, np.empty(0, dtype=np.int32), True)
    np.cumsum(pointer, out=pointer)
    member = np.empty(pointer[-1], dtype=np.int32)
    _enter_boxes(box, bounds, scale, shape, pointer, member, False)
    return pointer[:-1], member


@njit(cache=True, nogil=True, inline="always")
def step_of(value, origin, scale, count):  # type: ignore[no-untyped-def]
    """The cell or slab of a coordinate; it never falls as the coordinate grows."""
    return min(int((value - origin) * scale), count - 1)


@njit(cache=True, nogil=True)
def _enter_edges(  # type: ignore[no-untyped-def]
    xy, ring, first_ring, box, rate, first_slab, slab, edge, counting
):
    """Enter each edge in the slabs that it meets, or only count them one place ahead."""
    for p in range(len(rate)):
        first = first_slab[p]
        count = first_slab[p + 1] - first
        south = box[p, 1]
        filled = np.zeros(0 if counting else count, dtype=np.int64)
        for r in range(first_ring[p], first_ring[p + 1]):
            for e in range(ring[r], ring[r + 1] - 1):
                low, high = xy[e, 1], xy[e + 1, 1]
                if low > high:
                    low, high = high, low
                begin = step_of(low, south, rate[p], count)
                end = step_of(high, south, rate[p], count)
                for s in range(begin, end + 1):
                    if counting:
                        slab[first + s + 1] += 1
                    else:
                        edge[slab[first + s] + filled[s]] = e
                        filled[s] += 1


@njit(cache=True, nogil=True)
def _enter_boxes(  # type: ignore[no-untyped-def]
    box, bounds, scale, shape, pointer, member, counting
):
    """Enter each polygon in the cells that its bounding box meets, or only count them."""
    columns, rows = shape
    for p in range(len(box)):
        west = step_of(box[p, 0], bounds[0], scale[0], columns)
        east = step_of(box[p, 2], bounds[0], scale[0], columns)
        south = step_of(box[p, 1], bounds[1], scale[1], rows)
        north = step_of(box[p, 3], bounds[1], scale[1], rows)
        for row in range(south, north + 1):
            for c in range(row * columns + west, row * columns + east + 1):
                if counting:
                    pointer[c + 2] += 1
                else:
                    member[pointer[c + 1]] = p
                    pointer[c + 1] += 1
