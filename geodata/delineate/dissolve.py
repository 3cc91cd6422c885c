"""Step 9: atoms to polygons that tile the community exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.coverage.overlaps import polygonal
from geodata.coverage.vertices import NEAR_M
from geodata.delineate.faces import PRECISION_M
from geodata.delineate.task import original_vertices
from geodata.metric import MetricPlane

__all__ = ["dissolve", "restore"]

#: Vertices that move a border by less than this are left out, on both sides alike.
_SIMPLIFY_M = 0.3
#: Vertices nearer than this are one: a tenth of what a border may be off by.
_NECK_M = 1e-3
#: Square metres that this may cost a community; more is land.
_LOSS_M2 = 1e-3
#: How far from the precision grid the rounding of coordinates puts what lies on it, in its steps.
_ON_STEP = 1e-3


def dissolve(pieces: NDArray[Any], grid: NDArray[np.int64]) -> NDArray[Any]:
    """The union of each grid's pieces: (k,) polygons in metres, sharing vertices exactly."""
    order = np.argsort(grid, kind="stable")
    starts = np.searchsorted(grid[order], np.arange(int(grid.max()) + 2))
    unions = np.array(
        [shapely.coverage_union_all(pieces[order[a:b]]) for a, b in pairwise(starts)],
        dtype=object,
    )
    # the outer boundary belongs to the community and stays as it is
    simpler = shapely.coverage_simplify(unions, _SIMPLIFY_M, simplify_boundary=False)
    return simpler if shapely.is_valid(simpler).all() else unions


def restore(grids: NDArray[Any], area: Any, plane: MetricPlane) -> NDArray[Any]:
    """Metres -> the units of the frame; the community's own vertices come back bit for bit."""
    keys, vertices = original_vertices(area, plane)
    grids = _without_necks(grids, keys, plane.to_metres(shapely.boundary(area)))

    def back(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        place, own = _own(xy, keys)
        result = plane.inverse(xy)
        result[own] = vertices[place[own]]
        return result

    return shapely.transform(grids, back)


def _own(
    xy: NDArray[np.float64], keys: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The key of each vertex, and whether it is that vertex of the community."""
    steps = xy / PRECISION_M
    nearest = np.rint(steps)
    wanted = nearest[:, 0] + 1j * nearest[:, 1]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    # a cut may end beside a vertex, nearer than the precision: that is another one
    own = (keys[place] == wanted) & (np.abs(steps - nearest) < _ON_STEP).all(axis=1)
    return place, own


def _without_necks(grids: NDArray[Any], keys: NDArray[Any], boundary: Any) -> NDArray[Any]:
    """The same grids with vertices that are nearly one made one.

    Cuts and barriers that meet almost in a point, or run along the boundary but for rounding,
    leave vertices micrometres apart. A grid may hang together by the neck between two of them
    only: it is valid, and contiguous to the letter, until its coordinates are rounded once more.
    Here it falls apart, and what is cut off goes to the neighbour that shares most border with it.

    Parameters
    ----------
    grids : (k,) array of Polygon or MultiPolygon, metres
    keys : the community's own vertices, which stay where they are
    boundary : the community's boundary, metres; vertices on it stay on it
    """
    xy = np.unique(shapely.get_coordinates(grids), axis=0)
    pairs = cKDTree(xy).query_pairs(_NECK_M, output_type="ndarray")
    if len(pairs) == 0:
        return grids
    close = np.unique(pairs)
    rank = np.full(len(xy), 2)
    rank[close[shapely.dwithin(boundary, shapely.points(xy[close]), NEAR_M)]] = 1
    rank[_own(xy, keys)[1]] = 0
    # the best of those that are close stands for all: its own first, then one on the boundary
    order = np.argsort(rank, kind="stable")
    place = np.argsort(order, kind="stable")
    low, high = np.sort(place[pairs], axis=1).T
    movable = rank[order][high] > 0
    target = np.arange(len(xy))
    np.minimum.at(target, high[movable], low[movable])
    ends = xy[order][target[target]][place]

    def move(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        return ends[np.searchsorted(xy[:, 0] + 1j * xy[:, 1], vertices[:, 0] + 1j * vertices[:, 1])]

    moved = shapely.transform(grids, move)
    if abs(float((shapely.area(moved) - shapely.area(grids)).sum())) > _LOSS_M2:
        # a spike thinner than this would lose its tip
        return grids
    torn = np.flatnonzero(~shapely.is_valid(moved))
    for number in torn.tolist():
        moved = _mended(moved, number, shapely.get_num_geometries(grids[number]))
    return moved


def _mended(grids: NDArray[Any], number: int, parts: int) -> NDArray[Any]:
    """A grid that a neck held together keeps its largest parts; its neighbours take the rest."""
    pieces = shapely.get_parts(polygonal(shapely.make_valid(grids[[number]])))
    pieces = pieces[np.argsort(-shapely.area(pieces), kind="stable")]
    grids = grids.copy()
    grids[number] = shapely.union_all(pieces[:parts])
    for piece in pieces[parts:]:
        shared = shapely.length(shapely.intersection(shapely.boundary(grids), piece.boundary))
        heir = int(np.argmax(shared)) if shared.any() else number
        grids[heir] = shapely.union_all([grids[heir], piece])
    return grids
