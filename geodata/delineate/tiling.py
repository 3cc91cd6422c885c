"""Steps 2 to 4 together: a tiling of the community by atoms, and its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geodata.delineate.atoms import cut_lines
from geodata.delineate.faces import polygonize_inside
from geodata.delineate.graph import Edges, shared_edges
from geodata.delineate.refine import AtomGraph
from geodata.delineate.task import Items

__all__ = ["Tiling", "item_face", "tile"]

#: A face without households is a sliver, and joins a neighbour, below this mean width: the strip
#: between two carriageways, or between a community's boundary and the road it means to follow.
_SLIVER_WIDTH_M = 8.0


@dataclass(frozen=True, slots=True)
class Tiling:
    """Atoms that tile one community.

    Attributes
    ----------
    pieces : array of Polygon, metres
        The polygonized pieces; slivers belong to the atom of a neighbour.
    atom : (len(pieces),) int64
        The atom of each piece.
    item_atom : (n,) int64
        The atom of each item.
    graph : AtomGraph
        Borders off the barriers count ``cut_cost`` times their length.
    """

    pieces: NDArray[Any]
    atom: NDArray[np.int64]
    item_atom: NDArray[np.int64]
    graph: AtomGraph


def item_face(faces: NDArray[Any], xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """The face that covers each point: the lowest on an edge, the nearest when rounding leaves none."""
    points = shapely.points(xy)
    tree = shapely.STRtree(faces)
    point, face = tree.query(points, predicate="intersects")
    found = np.full(len(points), len(faces), dtype=np.int64)
    np.minimum.at(found, point, face)
    lost = np.flatnonzero(found == len(faces))
    if len(lost):
        found[lost] = tree.nearest(points[lost])
    return found


def tile(
    area: Any,
    items: Items,
    barriers: NDArray[Any],
    price: NDArray[np.float64],
    *,
    cap: float,
    area_cap: float,
    cut_cost: float,
) -> Tiling:
    """Cut ``area`` along the barriers and, where that leaves too much together, across.

    Parameters
    ----------
    area : Polygon or MultiPolygon, metres
    items : Items
    barriers : array of lines, metres; empty to cut without barriers
    price : (len(barriers),) float64
        What a metre of border along each costs.
    cap, area_cap : float
        The load (households) and the area (square metres) that an atom should not exceed.
    cut_cost : float
        What a metre of border off the barriers costs.
    """
    faces = _canonical(polygonize_inside(area, np.append(barriers, shapely.boundary(area))))
    cuts = cut_lines(faces, item_face(faces, items.xy), items.xy, items.load, cap, area_cap)
    if len(cuts):
        outlines = shapely.boundary(faces)
        pieces = _canonical(polygonize_inside(area, np.concatenate([outlines, cuts])))
        face = item_face(faces, shapely.get_coordinates(shapely.point_on_surface(pieces)))
    else:
        pieces, face = faces, np.arange(len(faces))
    edges = shared_edges(pieces)
    item_piece = item_face(pieces, items.xy)
    load = np.bincount(item_piece, items.load, len(pieces))
    atom = _absorb_slivers(pieces, load, edges)
    inner = edges.right >= 0
    cost = np.ones(len(edges.left))
    if len(barriers) and np.ptp(price) + abs(price[0] - 1.0) > 0:
        middle = shapely.points(edges.ends.mean(axis=1))
        cost = price[shapely.STRtree(barriers).nearest(middle)]
    cost = np.where(inner & (face[edges.left] == face[edges.right]), cut_cost, cost)
    graph = _atom_graph(pieces, load, atom, edges, cost)
    return Tiling(pieces=pieces, atom=atom, item_atom=atom[item_piece], graph=graph)


def _canonical(polygons: NDArray[Any]) -> NDArray[Any]:
    """The same polygons in an order and form that does not depend on how they were found."""
    polygons = shapely.normalize(polygons)
    inside = shapely.get_coordinates(shapely.point_on_surface(polygons))
    return polygons[np.lexsort((inside[:, 1], inside[:, 0]))]


def _absorb_slivers(
    pieces: NDArray[Any], load: NDArray[np.float64], edges: Edges
) -> NDArray[np.int64]:
    """Each piece's atom: a sliver without households joins the neighbour it shares most with."""
    count = len(pieces)
    width = 2.0 * shapely.area(pieces) / shapely.length(pieces)
    sliver = (width < _SLIVER_WIDTH_M) & (load == 0)
    inner = edges.right >= 0
    one = np.concatenate([edges.left[inner], edges.right[inner]])
    other = np.concatenate([edges.right[inner], edges.left[inner]])
    length = np.concatenate([edges.length[inner]] * 2)
    keep = sliver[one]
    pair, inverse = np.unique(one[keep] * count + other[keep], return_inverse=True)
    shared = np.bincount(inverse, length[keep], len(pair))
    one, other = pair // count, pair % count
    order = np.lexsort((other, -shared, one))
    chosen = order[np.unique(one[order], return_index=True)[1]]
    joins = coo_array((np.ones(len(chosen)), (one[chosen], other[chosen])), shape=(count, count))
    return connected_components(joins, directed=False)[1].astype(np.int64)


def _atom_graph(
    pieces: NDArray[Any],
    load: NDArray[np.float64],
    atom: NDArray[np.int64],
    edges: Edges,
    cost: NDArray[np.float64],
) -> AtomGraph:
    count = int(atom.max()) + 1
    left = atom[edges.left]
    right = np.where(edges.right >= 0, atom[edges.right], -1)
    outside = right < 0
    between = ~outside & (left != right)
    priced = (edges.length * cost)[between]
    row = np.concatenate([left[between], right[between]])
    column = np.concatenate([right[between], left[between]])
    pair, inverse = np.unique(row * count + column, return_inverse=True)
    area = shapely.area(pieces)
    centre = shapely.get_coordinates(shapely.centroid(pieces))
    total = np.bincount(atom, area, count)
    return AtomGraph(
        start=np.searchsorted(pair // count, np.arange(count + 1)).astype(np.int64),
        neighbour=(pair % count).astype(np.int64),
        border=np.bincount(inverse, np.concatenate([priced, priced]), len(pair)),
        load=np.bincount(atom, load, count),
        area=total,
        outer=np.bincount(left[outside], edges.length[outside], count),
        xy=np.stack(
            [np.bincount(atom, area * centre[:, axis], count) / total for axis in (0, 1)], axis=1
        ),
    )
