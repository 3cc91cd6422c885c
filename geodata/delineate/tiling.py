"""Steps 2 to 4 together: a tiling of the community by atoms, and its graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geodata.delineate.atomgraph import AtomGraph
from geodata.delineate.atoms import cut_faces
from geodata.delineate.deadends import lead_on
from geodata.delineate.faces import faces_inside, node, node_further
from geodata.delineate.graph import Edges, shared_edges, totals
from geodata.delineate.task import Items

__all__ = ["Level", "Tiling", "item_face", "tile"]

#: A face without households is a sliver, and joins a neighbour, below this mean width: the strip
#: between two carriageways, or between a community's boundary and the road it means to follow.
_SLIVER_WIDTH_M = 8.0
#: An edge lies on a line when its middle is this near, in metres: noding moves lines by less.
_ON_M = 1e-4
_NONE = np.empty(0, dtype=object)


@dataclass(frozen=True, slots=True)
class Tiling:
    """Atoms that tile one community, fine ones and the coarse ones that they make up.

    Attributes
    ----------
    pieces : array of Polygon, metres
        The polygonized pieces; slivers belong to the atom of a neighbour.
    fine, coarse : Level
    """

    pieces: NDArray[Any]
    fine: Level
    coarse: Level


@dataclass(frozen=True, slots=True)
class Level:
    """Atoms of one depth.

    Attributes
    ----------
    atom : (len(pieces),) int64
        The atom of each piece.
    graph : AtomGraph
        Borders off the barriers count ``cut_cost`` times their length.
    heaviest : (atoms,) float64
        The load of the heaviest single item in each atom.
    """

    atom: NDArray[np.int64]
    graph: AtomGraph
    heaviest: NDArray[np.float64]


def item_face(faces: NDArray[Any], xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """The face that covers each point: the lowest on an edge, the nearest where none does."""
    points = shapely.points(xy)
    face, point = shapely.STRtree(points).query(faces, predicate="intersects")
    found = np.full(len(points), len(faces), dtype=np.int64)
    np.minimum.at(found, point, face)
    lost = np.flatnonzero(found == len(faces))
    if len(lost):
        found[lost] = shapely.STRtree(faces).nearest(points[lost])
    return found


def tile(
    area: Any,
    items: Items,
    barriers: NDArray[Any],
    price: NDArray[np.float64],
    *,
    coarse: float,
    fine: float,
    area_cap: float,
    cut_cost: float,
    reach: float = 0.0,
    within: NDArray[Any] | None = None,
) -> Tiling:
    """Cut ``area`` along the barriers and, where that leaves too much together, across.

    Parameters
    ----------
    area : Polygon or MultiPolygon, metres
    items : Items
    barriers : array of lines, metres; empty to cut without barriers
    price : (len(barriers),) float64
        What a metre of border along each costs.
    coarse, fine, area_cap : float
        The loads (households) and the area (square metres) that an atom should not exceed.
    cut_cost : float
        What a metre of border off the barriers costs.
    reach : float
        Metres that a barrier which ends inside a block is led on at most.
    within : array of Polygon or MultiPolygon, metres, optional
        A coverage of ``area`` whose outlines no atom crosses: the grids as they are.
    """
    outlines = np.append(barriers, shapely.boundary(area))
    if within is not None:
        outlines = np.concatenate([outlines, shapely.boundary(within)])
    noded = node(outlines)
    led = lead_on(area, noded, reach) if reach > 0.0 else _NONE
    if len(led):
        noded = shapely.get_parts(node_further(noded, led))
    faces = _canonical(faces_inside(area, noded))
    cuts = cut_faces(
        faces, item_face(faces, items.xy), items.xy, items.load,
        coarse=coarse, fine=fine, area_cap=area_cap,
    )  # fmt: skip
    pieces, face = faces, np.arange(len(faces))
    if len(cuts.lines):
        pieces = _canonical(faces_inside(area, node_further(noded, cuts.lines)))
    inside = shapely.get_coordinates(shapely.point_on_surface(pieces))
    if len(cuts.lines):
        face = item_face(faces, inside)
    cell = cuts.coarse_cell(face, inside)
    edges = shared_edges(pieces)
    item_piece = item_face(pieces, items.xy)
    load = totals(item_piece, items.load, len(pieces))
    heaviest = np.zeros(len(pieces))
    np.maximum.at(heaviest, item_piece, items.load)

    inner = edges.right >= 0
    same_face = inner & (face[edges.left] == face[edges.right])
    same_cell = same_face & (cell[edges.left] == cell[edges.right])
    middle = shapely.points(edges.ends.mean(axis=1))
    off = same_face | _along(middle, led)
    cost = np.full(len(middle), cut_cost)
    cost[~off] = _prices(middle[~off], barriers, price)
    owner = np.zeros(len(pieces)) if within is None else item_face(within, inside)
    slivers = _sliver_joins(pieces, load, edges, owner)
    cells = np.stack([edges.left[same_cell], edges.right[same_cell]])
    level = partial(_level, pieces, load, heaviest, edges, cost)
    fine_atoms = level(slivers)
    return Tiling(
        pieces=pieces,
        fine=fine_atoms,
        coarse=level(np.concatenate([slivers, cells], axis=1)) if cells.size else fine_atoms,
    )


def _along(points: NDArray[Any], lines: NDArray[Any]) -> NDArray[np.bool_]:
    """Points that lie on lines; quickest where the lines are few."""
    found = np.zeros(len(points), dtype=bool)
    if len(lines):
        tree = shapely.STRtree(points)
        found[tree.query(lines, predicate="dwithin", distance=_ON_M)[1]] = True
    return found


def _prices(
    middle: NDArray[Any], barriers: NDArray[Any], price: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What a metre of the edge about each point costs by the best barrier that it lies on."""
    found = np.ones(len(middle))
    if len(barriers) == 0 or (price == 1.0).all():
        return found
    edge, barrier = shapely.STRtree(barriers).query(middle, "dwithin", distance=_ON_M)
    found[edge] = np.inf
    np.minimum.at(found, edge, price[barrier])
    return found


def _level(
    pieces: NDArray[Any],
    load: NDArray[np.float64],
    heaviest: NDArray[np.float64],
    edges: Edges,
    cost: NDArray[np.float64],
    joins: NDArray[np.int64],
) -> Level:
    count = len(pieces)
    links = coo_array((np.ones(joins.shape[1]), (joins[0], joins[1])), shape=(count, count))
    atom = connected_components(links, directed=False)[1].astype(np.int64)
    most = np.zeros(int(atom.max()) + 1)
    np.maximum.at(most, atom, heaviest)
    return Level(atom=atom, graph=_atom_graph(pieces, load, atom, edges, cost), heaviest=most)


def _canonical(polygons: NDArray[Any]) -> NDArray[Any]:
    """The same polygons in an order and form that does not depend on how they were found."""
    polygons = shapely.normalize(polygons)
    inside = shapely.get_coordinates(shapely.point_on_surface(polygons))
    return polygons[np.lexsort((inside[:, 1], inside[:, 0]))]


def _sliver_joins(
    pieces: NDArray[Any], load: NDArray[np.float64], edges: Edges, owner: NDArray[Any]
) -> NDArray[np.int64]:
    """Pairs (2, m) of a sliver without households and the neighbour it shares most border with.

    Both have the same owner.
    """
    count = len(pieces)
    width = 2.0 * shapely.area(pieces) / shapely.length(pieces)
    sliver = (width < _SLIVER_WIDTH_M) & (load == 0)
    inner = (edges.right >= 0) & (owner[edges.left] == owner[edges.right])
    one = np.concatenate([edges.left[inner], edges.right[inner]])
    other = np.concatenate([edges.right[inner], edges.left[inner]])
    length = np.concatenate([edges.length[inner]] * 2)
    keep = sliver[one]
    pair, inverse = np.unique(one[keep] * count + other[keep], return_inverse=True)
    shared = totals(inverse, length[keep], len(pair))
    one, other = pair // count, pair % count
    order = np.lexsort((other, -shared, one))
    chosen = order[np.unique(one[order], return_index=True)[1]]
    return np.stack([one[chosen], other[chosen]])


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
    total = totals(atom, area, count)
    return AtomGraph(
        start=np.searchsorted(pair // count, np.arange(count + 1)).astype(np.int64),
        neighbour=(pair % count).astype(np.int64),
        border=totals(inverse, np.concatenate([priced, priced]), len(pair)),
        load=totals(atom, load, count),
        area=total,
        outer=totals(left[outside], edges.length[outside], count),
        xy=np.stack(
            [totals(atom, area * centre[:, axis], count) / total for axis in (0, 1)], axis=1
        ),
    )
