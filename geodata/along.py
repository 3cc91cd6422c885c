"""How much of some lines lies along others.

The others are entered in a grid of cells, each segment in every cell that it comes near to; a
point then looks at the segments of its own cell only. An STR-tree of the same segments gives the
same answers in ten times the time, because it makes a geometry of each point.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

__all__ = ["length_along", "segments"]

#: The side of a cell, and the longest piece of a segment, in units of the reach.
_CELL: Final = 4.0
_LONGEST: Final = 8.0


def segments(lines: NDArray[Any]) -> NDArray[np.float64]:
    """The straight pieces of lines: their ends, (n, 2, 2)."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    within = np.flatnonzero(line[1:] == line[:-1])
    return np.stack([xy[within], xy[within + 1]], axis=1)


def length_along(
    ends: NDArray[np.float64], others: NDArray[np.float64], reach: float, step: float
) -> tuple[float, float]:
    """Length of segments that lies within reach of others, and their whole length.

    Parameters
    ----------
    ends, others : (n, 2, 2), (m, 2, 2) float64
        Ends of segments in metres, as of :func:`segments`.
    reach : float
        Metres within which a place lies along another segment.
    step : float
        Segments are looked at in the middle of equal pieces of at most this length, metres.

    Returns
    -------
    along, whole : float, metres
    """
    whole = float(np.hypot(*(ends[:, 1] - ends[:, 0]).T).sum())
    if len(ends) == 0 or len(others) == 0:
        return 0.0, whole
    cells = _cells(others, reach)
    return float(_length_along(ends, *cells, reach, step)), whole


def _cells(
    others: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Where the cells are, the pieces of the segments, and which of them each cell holds."""
    pieces = _cut(others, _LONGEST * reach)
    side = _CELL * reach
    low = pieces.min(axis=1) - reach
    origin = low.min(axis=0)
    first = np.floor((low - origin) / side).astype(np.int64)
    last = np.floor((pieces.max(axis=1) + reach - origin) / side).astype(np.int64)
    rows = int(last[:, 1].max()) + 1
    spans = last - first + 1
    count = spans.prod(axis=1)
    piece = np.repeat(np.arange(len(pieces)), count)
    turn = np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count)
    column = first[piece, 0] + turn // spans[piece, 1]
    row = first[piece, 1] + turn % spans[piece, 1]
    key = column * rows + row
    order = np.argsort(key, kind="stable")
    keys, begin = np.unique(key[order], return_index=True)
    place = np.array([*origin, side, float(rows)])
    return place, pieces, keys, np.append(begin, len(key)), piece[order]


def _cut(ends: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """Segments cut into equal pieces of at most a length."""
    along = ends[:, 1] - ends[:, 0]
    count = np.maximum(np.ceil(np.hypot(*along.T) / longest), 1).astype(np.int64)
    of = np.repeat(np.arange(len(ends)), count)
    turn = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    step = along[of] / count[of, None]
    start = ends[of, 0] + turn[:, None] * step
    return np.stack([start, start + step], axis=1)


@njit(cache=True, nogil=True)
def _length_along(ends, place, pieces, keys, begin, entry, reach, step):  # type: ignore[no-untyped-def]
    """The length whose pieces have their middle within reach."""
    west, south, side, rows = place
    total = 0.0
    for i in range(len(ends)):
        dx, dy = ends[i, 1, 0] - ends[i, 0, 0], ends[i, 1, 1] - ends[i, 0, 1]
        length = math.hypot(dx, dy)
        count = max(math.ceil(length / step), 1)
        hits = 0
        seen, first, last = -1, 0, 0
        for k in range(count):
            x = ends[i, 0, 0] + dx * (k + 0.5) / count
            y = ends[i, 0, 1] + dy * (k + 0.5) / count
            column, row = math.floor((x - west) / side), math.floor((y - south) / side)
            if column < 0 or row < 0 or row >= rows:
                continue
            key = int(column * rows + row)
            if key != seen:
                seen = key
                at = np.searchsorted(keys, key)
                held = at < len(keys) and keys[at] == key
                first, last = (begin[at], begin[at + 1]) if held else (0, 0)
            for j in range(first, last):
                if _near(x, y, pieces[entry[j]], reach):
                    hits += 1
                    break
        total += length * hits / count
    return total


@njit(cache=True, nogil=True)
def _near(x, y, segment, reach):  # type: ignore[no-untyped-def]
    """Whether a point is within reach of a segment."""
    px, py = x - segment[0, 0], y - segment[0, 1]
    dx, dy = segment[1, 0] - segment[0, 0], segment[1, 1] - segment[0, 1]
    square = dx * dx + dy * dy
    share = (px * dx + py * dy) / square if square > 0.0 else 0.0
    share = min(max(share, 0.0), 1.0)
    px, py = px - share * dx, py - share * dy
    return px * px + py * py <= reach * reach
