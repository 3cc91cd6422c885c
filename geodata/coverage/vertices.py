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


def insert_vertices(
    polygons: NDArray[Any], points: NDArray[np.float64], near: float
) -> NDArray[Any]:
    """Insert points into the outer edges of polygons: the edges that no two of them share.

    Parameters
    ----------
    polygons : (n,) array of Polygon or MultiPolygon
        A valid coverage, or one polygon.
    points : (m, 2) float64
        A point further than ``near`` from every outer edge, or on a vertex, is left out.
    near : float
        In the units of the polygons.

    Returns
    -------
    (n,) array
        A polygon that the insertion would make invalid is as it was.
    """
    edges, count = np.unique(
        _edges(shapely.get_rings(shapely.get_parts(polygons))), return_counts=True
    )
    outer = edges[count == 1]
    result = polygons.copy()
    polygon, point = shapely.STRtree(shapely.points(points)).query(
        polygons, predicate="dwithin", distance=near
    )
    for number in np.unique(polygon).tolist():
        near_by = points[point[polygon == number]]
        parts = [
            shapely.Polygon(rings[0], rings[1:])
            for rings in (
                [_ring(ring, near_by, outer, near) for ring in shapely.get_rings(part)]
                for part in shapely.get_parts(polygons[number])
            )
        ]
        result[number] = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return np.where(shapely.is_valid(result), result, polygons)


def _edges(rings: Any) -> NDArray[Any]:
    """The edges of rings as comparable records, whichever way they run."""
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    point = xy[:, 0] + 1j * xy[:, 1]
    one, other = point[:-1][ring[1:] == ring[:-1]], point[1:][ring[1:] == ring[:-1]]
    swap = (one.real > other.real) | ((one.real == other.real) & (one.imag > other.imag))
    ends = np.stack([np.where(swap, other, one), np.where(swap, one, other)], axis=1)
    return np.ascontiguousarray(ends).view([("one", complex), ("other", complex)]).ravel()


def _ring(
    ring: Any, points: NDArray[np.float64], outer: NDArray[Any], near: float
) -> NDArray[np.float64]:
    xy = shapely.get_coordinates(ring)
    start, along = xy[:-1], np.diff(xy, axis=0)
    square = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    offset = points[:, None, :] - start[None, :, :]
    share = (offset * along).sum(axis=2) / square
    distance = np.hypot(*np.moveaxis(offset - share[..., None] * along, 2, 0))
    inside = (share > 0) & (share < 1) & (distance <= near) & np.isin(_edges(ring), outer)
    # a vertex that the ring has already is not wanted again
    inside &= ~(points[:, None, :] == xy[None, :, :]).all(axis=2).any(axis=1)[:, None]
    # near a corner a point may lie on two edges: once is enough
    edge = np.argmin(np.where(inside, distance, np.inf), axis=1)
    which = np.flatnonzero(inside.any(axis=1))
    edge = edge[which]
    order = np.lexsort((share[which, edge], edge))
    return np.insert(xy, edge[order] + 1, points[which[order]], axis=0)
