"""The plane cut along every boundary: which polygons cover each cell, and what is in dispute.

Inside its parent, ground that just one polygon covers is settled. Ground that none covers (a gap),
or several do (an overlap), is in dispute; it is cut into triangles, whose corners are vertices of
the boundaries around it, so that whoever gets a triangle still shares every vertex with its
neighbours.

Source: the constrained Delaunay triangulation of polygons, as in GEOS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geodata.metric import MetricPlane

__all__ = ["NEAR_M", "Cells", "arrange", "edge_lines", "edges_of", "edges_shared"]

#: A vertex this near to another, or to an edge, lies on it.
NEAR_M: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of an arrangement of polygons and their parents.

    Attributes
    ----------
    shape : (c,) array of Polygon
        No two have interior points in common.
    parent : (c,) int64
        The parent that holds the cell; -1 for none.
    face : (c,) int64
        Cells of one face, before it was cut into triangles, have one number.
    cell, polygon : (p,) int64
        The pairs of a cell and a polygon that covers it, by cell.
    disputed : (c,) bool
        Inside a parent, and not covered by just one of its polygons.
    """

    shape: NDArray[Any]
    parent: NDArray[np.int64]
    face: NDArray[np.int64]
    cell: NDArray[np.int64]
    polygon: NDArray[np.int64]
    disputed: NDArray[np.bool_]


def edges_of(shapes: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The edges of polygons as (e, 2, 2) coordinates, and the polygon of each."""
    parts, polygon = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    along = ring[1:] == ring[:-1]
    ends = np.stack([xy[:-1][along], xy[1:][along]], axis=1)
    return ends, polygon[part[ring[:-1][along]]]


def edge_lines(
    shapes: NDArray[Any], parents: NDArray[Any], plane: MetricPlane, reach_m: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The edges of polygons and parents, parted where vertices of polygons lie opposite.

    Without that, a long edge of one polygon could face two others at once, and no triangle on it
    would be near to just one of them.

    Parameters
    ----------
    shapes, parents : arrays of Polygon or MultiPolygon
    plane : MetricPlane
    reach_m : float
        A vertex of ``shapes`` parts the edges that are this near to it.

    Returns
    -------
    lines : (k,) array of LineString
    feet : (f, 2) float64
        Where edges were parted.
    """
    ends = np.concatenate([edges_of(shapes)[0], edges_of(parents)[0]])
    swap = (ends[:, 0, 0] > ends[:, 1, 0]) | (
        (ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1])
    )
    ends[swap] = ends[swap][:, ::-1]
    ends = np.unique(ends[(ends[:, 0] != ends[:, 1]).any(axis=1)], axis=0)
    metric = plane.forward(ends.reshape(-1, 2)).reshape(-1, 2, 2)
    points = plane.forward(np.unique(shapely.get_coordinates(shapes), axis=0))
    point, edge = shapely.STRtree(shapely.linestrings(metric)).query(
        shapely.points(points), predicate="dwithin", distance=reach_m
    )
    along = metric[:, 1] - metric[:, 0]
    share = ((points[point] - metric[edge, 0]) * along[edge]).sum(axis=1)
    share /= (along[edge] ** 2).sum(axis=1)
    foot = metric[edge, 0] + share[:, None] * along[edge]
    length = np.hypot(*along.T)[edge]
    opposite = (share * length > NEAR_M) & ((1.0 - share) * length > NEAR_M)
    opposite &= np.hypot(*(foot - points[point]).T) > NEAR_M
    edge, share, foot = edge[opposite], share[opposite], plane.inverse(foot[opposite])
    order = np.lexsort((share, edge))
    chain = np.concatenate([ends[:, 0], foot[order], ends[:, 1]])
    owner = np.concatenate([np.arange(len(ends)), edge[order], np.arange(len(ends))])
    rank = np.concatenate([np.full(len(ends), -1.0), share[order], np.full(len(ends), 2.0)])
    row = np.lexsort((rank, owner))
    return shapely.linestrings(chain[row], indices=owner[row]), foot


def arrange(
    lines: NDArray[Any],
    feet: NDArray[np.float64],
    shapes: NDArray[Any],
    parents: NDArray[Any],
    home: NDArray[np.int64],
    plane: MetricPlane,
) -> Cells:
    """Cut the plane along lines, and find out what covers each cell.

    Parameters
    ----------
    lines : array of LineString
    feet : (f, 2) float64
        Of all boundaries, as of :func:`edge_lines`.
    shapes : (n,) array of valid Polygon or MultiPolygon
    parents : (m,) array of the same
        They do not overlap.
    home : (n,) int64
        The parent of each polygon.
    plane : MetricPlane

    Notes
    -----
    Lines are noded on a grid of a thousandth of a millimetre, so that not even borders that differ
    by the rounding of a projection make cells without width; the vertices that were there before
    then come back bit for bit, those of the parents first.
    """
    grid = NEAR_M / max(plane.metres_per_x, plane.metres_per_y)
    noded = shapely.get_parts(shapely.union_all(lines, grid_size=grid))
    faces = shapely.get_parts(shapely.polygonize(noded))
    vertices = [*(shapely.get_coordinates(each) for each in (parents, shapes)), feet]
    faces = _restored(faces, vertices, 2.0 * grid)
    inside = shapely.point_on_surface(faces)
    face, polygon = shapely.STRtree(shapes).query(inside, predicate="intersects")
    at, host = shapely.STRtree(parents).query(inside, predicate="intersects")
    parent = np.full(len(faces), -1, dtype=np.int64)
    parent[at] = host
    own = np.bincount(face[home[polygon] == parent[face]], minlength=len(faces))
    disputed = (parent >= 0) & (own != 1)
    known = (parent >= 0) | (np.bincount(face, minlength=len(faces)) > 0)

    whole, open_faces = np.flatnonzero(known & ~disputed), np.flatnonzero(disputed)
    triangles, of = shapely.get_parts(
        shapely.constrained_delaunay_triangles(faces[open_faces]), return_index=True
    )
    cut = np.concatenate([whole, open_faces[of]]).astype(np.int64)
    order = np.argsort(face, kind="stable")
    start = np.searchsorted(face[order], np.arange(len(faces) + 1))
    count = start[cut + 1] - start[cut]
    cell = np.repeat(np.arange(len(cut)), count)
    step = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
    return Cells(
        shape=np.concatenate([faces[whole], triangles]),
        parent=parent[cut],
        face=cut,
        cell=cell,
        polygon=polygon[order][start[cut[cell]] + step],
        disputed=disputed[cut],
    )


def _restored(faces: NDArray[Any], known: list[NDArray[np.float64]], near: float) -> NDArray[Any]:
    """The faces with known vertices in the place of those that are nearer than that to them."""
    trees = [KDTree(each) for each in known if len(each)]

    def back(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        places, vertex = np.unique(xy, axis=0, return_inverse=True)
        open_places = np.ones(len(places), dtype=bool)
        for tree in trees:
            distance, at = tree.query(places, distance_upper_bound=near)
            found = open_places & np.isfinite(distance)
            places[found] = tree.data[at[found]]
            open_places &= ~found
        return places[vertex.reshape(-1)]

    return np.asarray(shapely.transform(faces, back))


def edges_shared(shapes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of polygons of a coverage that have an edge in common, once for each such edge."""
    ends, polygon = edges_of(shapes)
    vertex = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)[1].reshape(-1, 2)
    vertex = np.sort(vertex, axis=1)
    order = np.lexsort((polygon, vertex[:, 1], vertex[:, 0]))
    vertex, polygon = vertex[order], polygon[order]
    twin = np.flatnonzero((vertex[1:] == vertex[:-1]).all(axis=1))
    return polygon[twin], polygon[twin + 1]
