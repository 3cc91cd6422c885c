"""Points in a cell index: which polygon each is in, or that floating point cannot say.

Why the answer is exact. Whether an edge crosses the segment follows from the signs of four
determinants. The two that say on which side of the edge a point lies must exceed a bound
(``CERTAIN``) well above their rounding error, otherwise the point is left undecided and the caller
asks GEOS. The two that say on which side of the segment a vertex lies need no bound: the sign is
computed once for a vertex, so an error only bends the segment past that vertex by a few units of
rounding, less than the other bound. References keep ``CLEARANCE`` cells away from the line of every
edge in their cell.

Sources: crossing parity after Shimrat (1962), Algorithm 112; the filter after Shewchuk (1997),
"Adaptive precision floating-point arithmetic".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.coverage.cells import REFERENCE_X, REFERENCE_Y, CellIndex

__all__ = ["UNDECIDED", "locate_in_cells"]

#: ``locate_in_cells`` answers this where only an exact predicate can decide.
UNDECIDED = -2

#: A determinant (a - p) x (b - p) has a certain sign above CERTAIN |a - p| |b - p| (1-norms).
CERTAIN = 1e-14

#: Products of lengths below this lose digits to underflow.
UNDERFLOW = 1e-140


def locate_in_cells(
    index: CellIndex,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    found: NDArray[np.int32],
    shared: NDArray[np.bool_],
) -> None:
    """Write to ``found`` the lowest polygon of each point (-1 none, UNDECIDED ask GEOS) and to
    ``shared`` whether there is a second one.
    """
    _locate(
        x, y, index.frame, index.shape, index.cell, index.record, index.entry_polygon,
        index.entry_inside, index.entry_edge, index.edge, index.xy, found, shared,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _locate(  # type: ignore[no-untyped-def]
    x, y, frame, shape, cell, record, entry_polygon, entry_inside, entry_edge, edge, xy,
    found, shared,
):  # fmt: skip
    """Loop over the points."""
    west, south, width, height = frame
    columns, rows = shape
    for i in range(len(x)):
        found[i] = -1
        shared[i] = False
        column_at, row_at = (x[i] - west) / width, (y[i] - south) / height
        # written so that NaN falls out here
        if not (0.0 <= column_at < columns and 0.0 <= row_at < rows):
            continue
        column, row = int(column_at), int(row_at)
        value = cell[row * columns + column]
        if value >= -1:
            found[i] = value
            continue
        rx = west + (column + REFERENCE_X) * width
        ry = south + (row + REFERENCE_Y) * height
        for n in range(record[-2 - value], record[-1 - value]):
            inside = np.int64(entry_inside[n])
            if inside == 2:
                found[i] = UNDECIDED
                break
            turns = _crossed(x[i], y[i], rx, ry, xy, edge, entry_edge[n], entry_edge[n + 1])
            if turns < 0:
                found[i] = UNDECIDED
                break
            if (inside + turns) & 1:
                if found[i] >= 0:
                    shared[i] = True
                else:
                    found[i] = entry_polygon[n]
        if found[i] == UNDECIDED:
            shared[i] = False


@njit(cache=True, nogil=True)
def _crossed(px, py, rx, ry, xy, edge, begin, end):  # type: ignore[no-untyped-def]
    """How many of the edges the segment from p to r crosses, or -1 when that is not certain."""
    dx, dy = rx - px, ry - py
    turns = 0
    before = -2
    left_b = False
    for k in range(begin, end):
        e = edge[k]
        ax, ay = xy[e, 0] - px, xy[e, 1] - py
        bx, by = xy[e + 1, 0] - px, xy[e + 1, 1] - py
        if abs(ax) + abs(ay) <= UNDERFLOW or abs(bx) + abs(by) <= UNDERFLOW:
            return -1
        left_a = left_b if e == before + 1 else dx * ay - dy * ax >= 0.0
        left_b = dx * by - dy * bx >= 0.0
        before = e
        if left_a == left_b:
            continue
        at_point = ax * by - ay * bx
        bound = CERTAIN * (abs(ax) + abs(ay)) * (abs(bx) + abs(by))
        if abs(at_point) <= bound + UNDERFLOW * UNDERFLOW:
            return -1
        ex, ey = bx - ax, by - ay
        at_reference = ex * (dy - ay) - ey * (dx - ax)
        if (at_point > 0.0) != (at_reference > 0.0):
            turns += 1
    return turns
