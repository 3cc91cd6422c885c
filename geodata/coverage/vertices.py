"""Vertices that neighbours in a coverage share.

Two polygons meet exactly only where both have the same vertices. Where one has a vertex in the
middle of its neighbour's edge, a projection, which bends that edge, drives them apart.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import shapely
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
    count = np.diff(begin)[polygon]
    place = np.repeat(point, count)
    first = np.repeat(begin[polygon] - (np.cumsum(count) - count), count)
    edge = first + np.arange(len(place))
    spot = place * len(polygon_of_ring) + ring[edge]
    # a vertex that the ring has already is not wanted again
    had = spot[(xy[edge] == points[place]).all(axis=1)]
    follows = np.append(ring[1:] == ring[:-1], False)[edge] & ~np.isin(spot, had)
    edge, place, spot = edge[follows], place[follows], spot[follows]

    start, along = xy[edge], xy[edge + 1] - xy[edge]
    offset = points[place] - start
    share = (offset * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    distance = np.hypot(*(offset - share[:, None] * along).T)
    on = (share > 0) & (share < 1) & (distance <= near)
    # an edge and its twin run opposite ways, so rounding may let one of them just miss
    about = np.flatnonzero((np.abs(share - 0.5) < 0.5 + _SLACK) & (distance <= 2 * near))
    on[about[_twins(xy[edge[about]], xy[edge[about] + 1], place[about])]] = False
    on = np.flatnonzero(on)
    on = on[np.lexsort((distance[on], spot[on]))]
    on = on[np.unique(spot[on], return_index=True)[1]]
    on = on[np.lexsort((share[on], edge[on]))]
    return edge[on], place[on]


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
