"""Points in a slab index: which polygon each is in, or that floating point cannot say.

A point is in a polygon when a ray to the east crosses its edges an odd number of times. Why the
answer is exact: which edges the ray may cross is decided by comparing coordinates, and on which
side of such an edge the point lies by the sign of a determinant, which is only believed above its
rounding error (``CERTAIN``). A point on an edge or a vertex, or too near for the determinant, is
left undecided, and the caller asks GEOS.

Sources: crossing parity after Shimrat (1962), Algorithm 112; the bound is the first filter of
``orient2d`` in Shewchuk (1997), "Adaptive precision floating-point arithmetic".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.coverage.slabs import SlabIndex, step_of

__all__ = ["UNDECIDED", "locate_in_slabs"]

#: ``locate_in_slabs`` answers this where only an exact predicate can decide.
UNDECIDED: Final = -2

#: A difference of two products has a certain sign above CERTAIN times the sum of their sizes.
CERTAIN: Final = (3.0 + 16.0 * 2.0**-53) * 2.0**-53

#: Products below this lose digits to underflow.
UNDERFLOW: Final = 1e-280

#: Points are taken tile by tile, so that the polygons of a tile stay in the processor's cache.
_TILES: Final = 16


def locate_in_slabs(
    index: SlabIndex,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    found: NDArray[np.int32],
    shared: NDArray[np.bool_],
) -> None:
    """Write to ``found`` the lowest polygon of each point (-1 none, UNDECIDED ask GEOS) and to
    ``shared`` whether there is a second one.
    """
    _locate(
        x, y, index.bounds, index.scale, index.shape, index.cell, index.member, index.position,
        index.box, index.rate, index.first_slab, index.slab, index.edge, index.xy, found, shared,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _locate(  # type: ignore[no-untyped-def]
    x, y, bounds, scale, shape, cell, member, position, box, rate, first_slab, slab, edge, xy,
    found, shared,
):  # fmt: skip
    """Loop over the points, tile by tile."""
    found[:] = -1
    shared[:] = False
    order, cells, xs, ys = _by_tile(x, y, bounds, scale, shape)
    for k in range(len(order)):
        px, py = xs[k], ys[k]
        lowest = -1
        several = False
        for m in range(cell[cells[k]], cell[cells[k] + 1]):
            p = member[m]
            if not (box[p, 0] <= px <= box[p, 2] and box[p, 1] <= py <= box[p, 3]):
                continue
            first = first_slab[p]
            s = first + step_of(py, box[p, 1], rate[p], first_slab[p + 1] - first)
            odd = _crosses_oddly(px, py, xy, edge, slab[s], slab[s + 1])
            if odd < 0:
                lowest, several = UNDECIDED, False
                break
            if odd:
                if lowest >= 0:
                    several = True
                else:
                    lowest = position[p]
        found[order[k]] = lowest
        shared[order[k]] = several


@njit(cache=True, nogil=True)
def _by_tile(x, y, bounds, scale, shape):  # type: ignore[no-untyped-def]
    """The points inside the bounds, tile by tile: number, cell, x and y of each."""
    columns, rows = shape
    wide, high = max(1, -(-columns // _TILES)), max(1, -(-rows // _TILES))
    cells = np.empty(len(x), dtype=np.int32)
    start = np.zeros(_TILES * _TILES + 1, dtype=np.int64)
    for i in range(len(x)):
        # written so that NaN is outside
        if bounds[0] <= x[i] <= bounds[2] and bounds[1] <= y[i] <= bounds[3]:
            column = step_of(x[i], bounds[0], scale[0], columns)
            row = step_of(y[i], bounds[1], scale[1], rows)
            cells[i] = row * columns + column
            start[row // high * _TILES + column // wide + 1] += 1
        else:
            cells[i] = -1
    start = np.cumsum(start)
    order = np.empty(start[-1], dtype=np.int32)
    cell_of = np.empty(start[-1], dtype=np.int32)
    xs, ys = np.empty(start[-1]), np.empty(start[-1])
    for i in range(len(x)):
        c = cells[i]
        if c >= 0:
            tile = c // columns // high * _TILES + c % columns // wide
            k = start[tile]
            start[tile] = k + 1
            order[k], cell_of[k], xs[k], ys[k] = i, c, x[i], y[i]
    return order, cell_of, xs, ys


@njit(cache=True, nogil=True)
def _crosses_oddly(px, py, xy, edge, begin, end):  # type: ignore[no-untyped-def]
    """Whether a ray to the east crosses the edges oddly often (1 or 0), or -1: not certain."""
    odd = False
    uncertain = False
    for k in range(begin, end):
        e = edge[k]
        ax, ay, bx, by = xy[e, 0], xy[e, 1], xy[e + 1, 0], xy[e + 1, 1]
        # no branches: which way they go is a toss-up, and each wrong guess costs more than all this
        crossing = (ay > py) != (by > py)
        left = (ax - px) * (by - py)
        right = (ay - py) * (bx - px)
        turn = left - right
        size = abs(left) + abs(right)
        level = (ay == py) & (by == py) & ((ax > px) != (bx > px))
        certain = (abs(turn) > CERTAIN * size) & (size > UNDERFLOW)  # an overflow is not
        uncertain |= crossing & (not certain)
        uncertain |= level | ((ay == py) & (ax == px))
        odd ^= crossing & ((turn > 0.0) == (by > ay))
    if uncertain:
        return -1
    return 1 if odd else 0
