"""The last step: neighbouring communities share the vertices on their common boundary.

A grid border that ends on the boundary between two communities puts a vertex there. Its community
knows of it, the neighbour does not, and for exact software the coverage is broken at that point.
So each such vertex is inserted into the neighbour's edge that it lies on.

Where only some communities are divided, their outlines may bring the vertices at which the borders
of neighbours end that are not divided now; those are inserted too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.coverage.vertices import NEAR_M, insert_vertices

__all__ = ["stitch"]

#: Two vertices on a common boundary are the same crossing when they are this near. A road that runs
#: nearly along the boundary magnifies the rounding of where it crosses.
_SAME_M = 1e-3


def stitch(
    communities: NDArray[Any], grids: list[NDArray[Any]], scale: float
) -> list[NDArray[Any]]:
    """Insert each community's new boundary vertices into its neighbours' grids.

    Parameters
    ----------
    communities : (n,) array of Polygon or MultiPolygon
        With every vertex that their grids must have on the boundary.
    grids : n arrays of Polygon or MultiPolygon
        The grids of each community, in the same units.
    scale : float
        Metres that a unit measures, about.

    Returns
    -------
    list of arrays
        The same grids with more vertices; none moves by more than a millimetre along the boundary.
    """
    near = NEAR_M / scale
    compared = [
        _compared(community, own, near) for community, own in zip(communities, grids, strict=True)
    ]
    fresh = [new for new, _ in compared]
    agreed = _agreed(communities, fresh, _SAME_M / scale)
    grids = list(grids)
    for number, (old, new) in enumerate(zip(fresh, agreed, strict=True)):
        moved = _moved(grids[number], old, new)
        if shapely.is_valid(moved).all():
            grids[number] = moved
        else:
            # two crossings of its own, nearer than a millimetre, would become one and pinch a grid
            agreed[number] = old
    places = np.concatenate(agreed)
    owner = np.repeat(np.arange(len(agreed)), [len(each) for each in agreed])
    # a place that is not on the neighbour's edge after all is not inserted
    boxes = shapely.box(*(places - near).T, *(places + near).T)
    point, neighbour = shapely.STRtree(communities).query(boxes)
    other = neighbour != owner[point]
    point, neighbour = point[other], neighbour[other]
    order = np.argsort(neighbour, kind="stable")
    bounds = np.searchsorted(neighbour[order], np.arange(len(communities) + 1))
    wanted = [
        np.concatenate([lacking, places[point[order[a:b]]]])
        for (_, lacking), (a, b) in zip(compared, pairwise(bounds), strict=True)
    ]
    return [
        insert_vertices(own, np.unique(points, axis=0), near) if len(points) else own
        for own, points in zip(grids, wanted, strict=True)
    ]


def _agreed(
    communities: NDArray[Any], fresh: list[NDArray[np.float64]], near: float
) -> list[NDArray[np.float64]]:
    """The new vertices, moved onto vertices that a neighbour has at the same place already.

    Two communities that a road leads through both find where it crosses their boundary, but not
    to the last bit. The communities' own vertices come first, then the first community's.
    """
    own = np.unique(shapely.get_coordinates(communities), axis=0)
    points = np.concatenate([own, *fresh])
    pairs = cKDTree(points).query_pairs(near, output_type="ndarray")
    target = np.arange(len(points))
    # the lowest position of each neighbourhood stands for it: own vertices precede new ones
    low, high = pairs.min(axis=1, initial=len(points)), pairs.max(axis=1, initial=-1)
    movable = high >= len(own)
    np.minimum.at(target, high[movable], low[movable])
    moved = points[target[target]]
    bounds = np.cumsum([len(own), *(len(places) for places in fresh)])
    return [moved[a:b] for a, b in pairwise(bounds)]


def _moved(grids: NDArray[Any], old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[Any]:
    changed = (old != new).any(axis=1)
    if not changed.any():
        return grids
    key = old[changed, 0] + 1j * old[changed, 1]
    order = np.argsort(key)
    key, value = key[order], new[changed][order]

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        wanted = xy[:, 0] + 1j * xy[:, 1]
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = key[place] == wanted
        result = xy.copy()
        result[hit] = value[place[hit]]
        return result

    return shapely.transform(grids, move)


def _compared(
    community: Any, grids: NDArray[Any], near: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices of the grids on the boundary that the community lacks, and the other way round."""
    known = _vertices(community)
    found = _vertices(grids)
    fresh = _places(np.setdiff1d(found, known, assume_unique=True))
    if len(grids) > 1:
        boundary = shapely.boundary(community)
        shapely.prepare(boundary)
        fresh = fresh[shapely.dwithin(boundary, shapely.points(fresh), near)]
    return fresh, _places(np.setdiff1d(known, found, assume_unique=True))


def _vertices(shapes: Any) -> NDArray[np.complex128]:
    """The different vertices of shapes, sorted."""
    xy = shapely.get_coordinates(shapes)
    return np.unique(xy[:, 0] + 1j * xy[:, 1])


def _places(vertices: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.stack([vertices.real, vertices.imag], axis=1)
