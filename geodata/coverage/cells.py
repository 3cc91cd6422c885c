"""The uniform cell index behind ``Coverage.locate``.

The extent of the polygons is cut into equal cells. A cell that no edge passes through lies wholly
inside the same polygons and answers at once. A cell on a boundary keeps the edges that pass through
it and one reference point, of which it is known which polygons it is in; a query point is in a
polygon when the segment from the reference to the point crosses the edges of that polygon an even
number of times and the reference is in it, or an odd number of times and it is not.

References keep ``CLEARANCE`` cells away from the line of every edge in their cell; a cell where
that fails is left undecided as a whole. ``geodata.coverage.crossing`` says why it is exact.

Source: the lookup grid of Haines (1994), "Point in polygon strategies".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

__all__ = ["REFERENCE_X", "REFERENCE_Y", "CellIndex", "build_index"]

#: The least distance of a reference from the line of an edge, in cells.
CLEARANCE = 1e-7

#: Edges are entered in every cell they come this near to, in cells.
PADDING = 1e-6

#: Where in a cell its reference lies: off the centre, so that regular data does not meet it.
REFERENCE_X = 0.5137
REFERENCE_Y = 0.4871

_CELLS_PER_EDGE = 2.0
_MOST_CELLS = 1 << 26


@dataclass(frozen=True, slots=True)
class CellIndex:
    """The index as flat arrays.

    Attributes
    ----------
    frame : ndarray of float64, shape (4,)
        West, south, and the width and height of a cell.
    shape : ndarray of int64, shape (2,)
        Columns and rows.
    cell : ndarray of int32, shape (columns * rows,)
        The polygon that fills the cell, -1 for none, or -2 - r for record r.
    record : ndarray of int64, shape (records + 1,)
        Where the entries of a record start; one entry a polygon.
    entry_polygon : ndarray of int32
        Polygon of an entry, ascending within a record.
    entry_inside : ndarray of int8
        1 when the reference of the cell is in the polygon; 2 when the cell is undecided.
    entry_edge : ndarray of int64
        Where the edges of an entry start in ``edge`` (length entries + 1).
    edge : ndarray of int32
        Number of the first vertex of an edge; the second is the next one.
    xy : ndarray of float64, shape (vertices, 2)
    """

    frame: NDArray[np.float64]
    shape: NDArray[np.int64]
    cell: NDArray[np.int32]
    record: NDArray[np.int64]
    entry_polygon: NDArray[np.int32]
    entry_inside: NDArray[np.int8]
    entry_edge: NDArray[np.int64]
    edge: NDArray[np.int32]
    xy: NDArray[np.float64]


def build_index(polygons: NDArray[Any]) -> CellIndex:
    """Index polygons (an array of shapely Polygon and MultiPolygon; missing ones are skipped)."""
    xy, ring, owner = _vertices(polygons)
    frame, shape = _cell_frame(xy)
    starts = np.flatnonzero(ring[:-1] == ring[1:]).astype(np.int32)
    # one array counts (two places ahead), then moves along while it is filled (one place ahead)
    pointer = np.zeros(shape[0] * shape[1] + 2, dtype=np.int64)
    _enter_edges(xy, starts, frame, shape, pointer, np.empty(0, dtype=np.int32), True)
    np.cumsum(pointer, out=pointer)
    edge = np.empty(pointer[-1], dtype=np.int32)
    _enter_edges(xy, starts, frame, shape, pointer, edge, False)
    pointer = pointer[:-1]

    cell, record, entry_edge = _records(pointer, edge, owner)
    entry_polygon = owner[edge[entry_edge[:-1]]] if len(edge) else np.empty(0, dtype=np.int32)
    entry_inside = np.zeros(len(entry_polygon), dtype=np.int8)
    extra_cell, extra_polygon = _fill(
        xy, starts, owner, frame, shape, cell, record, entry_polygon, entry_inside
    )
    if len(extra_cell):
        cell, record, entry_polygon, entry_inside, entry_edge, edge = _merge_covers(
            cell, record, entry_polygon, entry_inside, entry_edge, edge, extra_cell, extra_polygon
        )
    _mark_undecided(xy, frame, shape, cell, record, entry_inside, entry_edge, edge)
    return CellIndex(frame, shape, cell, record, entry_polygon, entry_inside, entry_edge, edge, xy)


def _vertices(
    polygons: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int32]]:
    """Vertices (n, 2), the ring of each and the polygon of each."""
    parts, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    owner = polygon_of_part[part_of_ring][ring].astype(np.int32)
    return np.ascontiguousarray(xy), ring, owner


def _cell_frame(xy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """West, south, cell width and height; columns and rows."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    # a cell must stay far wider than the rounding of a coordinate
    least = 1e4 * np.finfo(float).eps * max(np.abs(low).max(), np.abs(high).max(), 1e-290)
    extent = np.maximum(high - low, 4 * least)
    wanted = float(np.clip(_CELLS_PER_EDGE * len(xy), 16, _MOST_CELLS))
    side = max(np.sqrt(extent[0] * extent[1] / wanted), extent.max() / wanted, least)
    shape = np.maximum(np.ceil(extent / side), 1).astype(np.int64)
    # a margin keeps the outer edges inside the cells in spite of rounding
    size = extent * (1 + 1e-9) / shape
    return np.array([low[0] - extent[0] * 5e-10, low[1] - extent[1] * 5e-10, *size]), shape


def _merge_covers(
    cell: NDArray[np.int32],
    record: NDArray[np.int64],
    entry_polygon: NDArray[np.int32],
    entry_inside: NDArray[np.int8],
    entry_edge: NDArray[np.int64],
    edge: NDArray[np.int32],
    extra_cell: NDArray[np.int64],
    extra_polygon: NDArray[np.int32],
) -> tuple[NDArray[Any], ...]:
    """Enter polygons that fill a cell which others have edges in or fill as well (overlaps)."""
    filled = np.unique(extra_cell[cell[extra_cell] > -2])
    extra_cell = np.concatenate([extra_cell, filled])
    extra_polygon = np.concatenate([extra_polygon, cell[filled]])
    records = len(record) - 1
    cell[filled] = -2 - (records + np.arange(len(filled), dtype=np.int32))

    owner_record = np.concatenate(
        [np.repeat(np.arange(records), np.diff(record)), -2 - cell[extra_cell].astype(np.int64)]
    )
    polygon = np.concatenate([entry_polygon, extra_polygon])
    inside = np.concatenate([entry_inside, np.ones(len(extra_cell), dtype=np.int8)])
    length = np.concatenate([np.diff(entry_edge), np.zeros(len(extra_cell), dtype=np.int64)])
    start = np.concatenate([entry_edge[:-1], np.zeros(len(extra_cell), dtype=np.int64)])
    order = np.lexsort((polygon, owner_record))
    length, start = length[order], start[order]
    new_start = np.concatenate([[0], np.cumsum(length)])
    take = np.repeat(start - new_start[:-1], length) + np.arange(new_start[-1])
    counts = np.bincount(owner_record, minlength=records + len(filled))
    new_record = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return cell, new_record, polygon[order], inside[order], new_start, edge[take]


@njit(cache=True, nogil=True)
def _enter_edges(xy, starts, frame, shape, pointer, edge, counting):  # type: ignore[no-untyped-def]
    """Enter each edge in the cells it passes, or only count them."""
    west, south, width, height = frame
    columns, rows = shape
    pad_x, pad_y = width * PADDING, height * PADDING
    for k in range(len(starts)):
        e = starts[k]
        ax, ay, bx, by = xy[e, 0], xy[e, 1], xy[e + 1, 0], xy[e + 1, 1]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        first = max(int((ay - pad_y - south) / height), 0)
        last = min(int((by + pad_y - south) / height), rows - 1)
        for row in range(first, last + 1):
            left, right = min(ax, bx), max(ax, bx)
            if first != last and by > ay:
                # the stretch of the edge between the padded sides of the row
                low = max(south + row * height - pad_y, ay)
                high = min(south + (row + 1) * height + pad_y, by)
                x_low = ax + (low - ay) / (by - ay) * (bx - ax)
                x_high = ax + (high - ay) / (by - ay) * (bx - ax)
                left = max(left, min(x_low, x_high))
                right = min(right, max(x_low, x_high))
            column = max(int((left - pad_x - west) / width), 0)
            end = min(int((right + pad_x - west) / width), columns - 1)
            for c in range(column, end + 1):
                place = row * columns + c
                if counting:
                    pointer[place + 2] += 1
                else:
                    edge[pointer[place + 1]] = e
                    pointer[place + 1] += 1


@njit(cache=True, nogil=True)
def _records(pointer, edge, owner):  # type: ignore[no-untyped-def]
    """Cells with edges become records; runs of edges of one polygon become entries."""
    cells = len(pointer) - 1
    records = entries = 0
    for c in range(cells):
        begin, end = pointer[c], pointer[c + 1]
        if end > begin:
            records += 1
            entries += 1
            for k in range(begin + 1, end):
                entries += owner[edge[k]] != owner[edge[k - 1]]
    cell = np.full(cells, -1, dtype=np.int32)
    record = np.zeros(records + 1, dtype=np.int64)
    entry_edge = np.zeros(entries + 1, dtype=np.int64)
    r = n = 0
    for c in range(cells):
        begin, end = pointer[c], pointer[c + 1]
        if end > begin:
            cell[c] = -2 - r
            record[r] = n
            r += 1
            for k in range(begin, end):
                if k == begin or owner[edge[k]] != owner[edge[k - 1]]:
                    entry_edge[n] = k
                    n += 1
    record[records] = n
    entry_edge[entries] = len(edge)
    return cell, record, entry_edge


@njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    xy, starts, owner, frame, shape, cell, record, entry_polygon, entry_inside
):
    """Find by scan line which references each polygon covers.

    Returns the cells that a polygon fills although others have edges there or fill them too.
    """
    west, width = frame[0], frame[2]
    columns, rows = shape
    extra_cell = [np.int64(0) for _ in range(0)]
    extra_polygon = [np.int32(0) for _ in range(0)]
    begin = 0
    while begin < len(starts):
        polygon = owner[starts[begin]]
        end = begin
        while end < len(starts) and owner[starts[end]] == polygon:
            end += 1
        row_of, x_of = _crossings(xy, starts[begin:end], frame, rows)
        begin = end
        k = 0
        while k < len(row_of):
            stop = k
            while stop < len(row_of) and row_of[stop] == row_of[k]:
                stop += 1
            row = row_of[k]
            xs = np.sort(x_of[k:stop])
            k = stop
            for pair in range(0, len(xs) - 1, 2):
                first = max(int(np.ceil((xs[pair] - west) / width - REFERENCE_X)), 0)
                last = int(np.ceil((xs[pair + 1] - west) / width - REFERENCE_X))
                for c in range(first, min(last, columns)):
                    place = row * columns + c
                    value = cell[place]
                    if value == -1:
                        cell[place] = polygon
                        continue
                    known = False
                    if value <= -2:
                        for n in range(record[-2 - value], record[-1 - value]):
                            if entry_polygon[n] == polygon:
                                entry_inside[n] = 1
                                known = True
                    if not known:
                        extra_cell.append(np.int64(place))
                        extra_polygon.append(np.int32(polygon))
    return np.array(extra_cell, dtype=np.int64), np.array(extra_polygon, dtype=np.int32)


@njit(cache=True, nogil=True)
def _crossings(xy, starts, frame, rows):  # type: ignore[no-untyped-def]
    """Where the edges of one polygon cross the reference lines, ordered by row."""
    south, height = frame[1], frame[3]
    count = 0
    for k in range(len(starts)):
        first, last = _lines_crossed(xy[starts[k], 1], xy[starts[k] + 1, 1], south, height, rows)
        count += max(last - first, 0)
    row_of = np.empty(count, dtype=np.int64)
    x_of = np.empty(count, dtype=np.float64)
    n = 0
    for k in range(len(starts)):
        e = starts[k]
        ax, ay, bx, by = xy[e, 0], xy[e, 1], xy[e + 1, 0], xy[e + 1, 1]
        first, last = _lines_crossed(ay, by, south, height, rows)
        for row in range(first, last):
            line = south + (row + REFERENCE_Y) * height
            row_of[n] = row
            x_of[n] = ax + (line - ay) / (by - ay) * (bx - ax)
            n += 1
    order = np.argsort(row_of, kind="mergesort")
    return row_of[order], x_of[order]


@njit(cache=True, nogil=True)
def _lines_crossed(ay, by, south, height, rows):  # type: ignore[no-untyped-def]
    """Rows whose reference line is above exactly one end: min(y) <= line < max(y)."""
    low, high = min(ay, by), max(ay, by)
    first = max(int((low - south) / height) - 1, 0)
    while first < rows and south + (first + REFERENCE_Y) * height < low:
        first += 1
    last = max(first, min(int((high - south) / height) - 1, rows))
    while last < rows and south + (last + REFERENCE_Y) * height < high:
        last += 1
    return first, last


@njit(cache=True, nogil=True)
def _mark_undecided(  # type: ignore[no-untyped-def]
    xy, frame, shape, cell, record, entry_inside, entry_edge, edge
):
    """Mark the cells whose reference is too near the line of an edge."""
    west, south, width, height = frame
    columns = shape[0]
    clearance = CLEARANCE * min(width, height)
    for place in range(len(cell)):
        if cell[place] > -2:
            continue
        r = -2 - cell[place]
        rx = west + (place % columns + REFERENCE_X) * width
        ry = south + (place // columns + REFERENCE_Y) * height
        near = False
        for k in range(entry_edge[record[r]], entry_edge[record[r + 1]]):
            e = edge[k]
            dx, dy = xy[e + 1, 0] - xy[e, 0], xy[e + 1, 1] - xy[e, 1]
            determinant = dx * (ry - xy[e, 1]) - dy * (rx - xy[e, 0])
            repeated = dx == 0.0 and dy == 0.0
            if not repeated and abs(determinant) <= clearance * (abs(dx) + abs(dy)):
                near = True
                break
        if near:
            for n in range(record[r], record[r + 1]):
                entry_inside[n] = 2
