"""Vertices that neighbours in a coverage share.

Two polygons meet exactly only where both have the same vertices. Where one has a vertex in the
middle of its neighbour's edge, a projection, which bends that edge, drives them apart.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

__all__ = ["NEAR_M", "insert_vertices"]

#: A vertex lies on an edge when it is this near.
NEAR_M: Final = 1e-5

#: How far beyond its ends an edge is looked at for its twin, as a share of its length.
_SLACK: Final = 1e-6


def insert_vertices(
    polygons: NDArray[Any], points: NDArray[np.float64], near: float
) -> NDArray[Any]:
    """Insert points into the outer edges of polygons: the edges that no two of them share.

    Parameters
    ----------
    polygons : (n,) array of Polygon or MultiPolygon
        A valid coverage, or one polygon.
    points : (m, 2) float64
        No two alike. A point further than ``near`` from every outer edge, or on a vertex, is left
        out.
    near : float
        In the units of the polygons.

    Returns
    -------
    (n,) array
        A polygon that the insertion would make invalid is as it was.
    """
    boxes = shapely.box(*(points - near).T, *(points + near).T)
    point, polygon = shapely.STRtree(polygons).query(boxes)
    touched, polygon = np.unique(polygon, return_inverse=True)
    parts, of_part = shapely.get_parts(polygons[touched], return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    xy, of_vertex = shapely.get_coordinates(rings, return_index=True)
    vertex, place = _on_edges(xy, of_vertex, of_part[of_ring], points, point, polygon, near)
    result = polygons.copy()
    changed = np.unique(of_part[of_ring[of_vertex[vertex]]])
    xy = np.insert(xy, vertex + 1, points[place], axis=0)
    of_vertex = np.insert(of_vertex, vertex + 1, of_vertex[vertex])
    pieces = shapely.polygons(shapely.linearrings(xy, indices=of_vertex), indices=of_ring)
    for number in changed.tolist():
        own = pieces[of_part == number]
        whole = own[0] if len(own) == 1 else shapely.MultiPolygon(list(own))
        if shapely.is_valid(whole):
            result[touched[number]] = whole
    return result


def _on_edges(
    xy: NDArray[np.float64],
    ring: NDArray[np.int64],
    polygon_of_ring: NDArray[np.int64],
    points: NDArray[np.float64],
    point: NDArray[np.int64],
    polygon: NDArray[np.int64],
    near: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The vertices at which edges start that points lie on, and those points.

    ``point`` and ``polygon`` are the pairs to look at. In the order of the rings; of the edges of
    one ring a point is on the nearest.
    """
    begin = np.searchsorted(polygon_of_ring[ring], np.arange(polygon.max(initial=-1) + 2))
    found = _beside(xy, ring, begin, points, point, polygon, near)
    edge, place = found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)
    share, distance = found[:, 2], found[:, 3]
    spot = place * len(polygon_of_ring) + ring[edge]
    # a vertex that the ring has already is not wanted again
    had = np.isin(spot, spot[distance < 0])
    on = (share > 0) & (share < 1) & (distance >= 0) & (distance <= near) & ~had
    on &= ~_twins(xy[edge], xy[np.minimum(edge + 1, len(xy) - 1)], place)
    on = np.flatnonzero(on)
    on = on[np.lexsort((distance[on], spot[on]))]
    on = on[np.unique(spot[on], return_index=True)[1]]
    on = on[np.lexsort((share[on], edge[on]))]
    return edge[on], place[on]


@njit(cache=True, nogil=True)
def _beside(xy, ring, begin, points, point, polygon, near):  # type: ignore[no-untyped-def]
    """Edges that points are on or all but on: (n, 4) edge, point, share of the edge, distance.

    A vertex that equals the point counts with a distance of -1. An edge and its twin run opposite
    ways, so rounding may let one of them just miss: both are there, twice as far and a little
    beyond the ends.
    """
    found = np.empty((max(2 * len(point), 16), 4))
    count = 0
    reach = 2 * near
    for k in range(len(point)):
        x, y = points[point[k]]
        for edge in range(begin[polygon[k]], begin[polygon[k] + 1]):
            x0, y0 = xy[edge]
            share, distance = 0.0, -1.0
            if x0 != x or y0 != y:
                if edge + 1 == len(xy) or ring[edge + 1] != ring[edge]:
                    continue
                x1, y1 = xy[edge + 1]
                if min(x0, x1) - reach > x or max(x0, x1) + reach < x:
                    continue
                if min(y0, y1) - reach > y or max(y0, y1) + reach < y:
                    continue
                dx, dy = x1 - x0, y1 - y0
                square = dx * dx + dy * dy
                if square == 0.0:
                    continue
                share = ((x - x0) * dx + (y - y0) * dy) / square
                distance = math.hypot(x - x0 - share * dx, y - y0 - share * dy)
                if distance > reach or abs(share - 0.5) > 0.5 + _SLACK:
                    continue
            if count == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[count, 0], found[count, 1] = edge, point[k]
            found[count, 2], found[count, 3] = share, distance
            count += 1
    return found[:count]


def _twins(
    start: NDArray[np.float64], end: NDArray[np.float64], place: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which edges are there twice, whichever way they run, beside the same point."""
    swap = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    low, high = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    record = np.column_stack([place, low, high])
    order = np.lexsort(record.T)
    same = (record[order][1:] == record[order][:-1]).all(axis=1)
    twin = np.zeros(len(place), dtype=bool)
    twin[order[1:][same]] = twin[order[:-1][same]] = True
    return twin
