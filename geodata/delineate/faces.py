"""Step 2: the faces that barriers cut a community into."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["PRECISION_M", "as_lines", "faces_inside", "node", "node_further", "polygonize_inside"]

#: All linework is noded on this grid. Fine enough that rounding moves less than 1 m2 along
#: 100 km of boundary, coarse enough that snap rounding is robust in double precision.
PRECISION_M = 1e-6


def as_lines(barriers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Barriers as lines: polygons give their rings, points and empty geometries nothing.

    Returns
    -------
    lines : array of LineString and LinearRing
    owner : the position of the barrier that each line comes from
    """
    parts, owner = shapely.get_parts(shapely.force_2d(barriers), return_index=True)
    while (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
        parts, deeper = shapely.get_parts(parts, return_index=True)
        owner = owner[deeper]
    dimension = shapely.get_dimensions(parts)
    rings, of_polygon = shapely.get_rings(parts[dimension == 2], return_index=True)
    lines = np.concatenate([parts[dimension == 1], rings])
    return lines, np.concatenate([owner[dimension == 1], owner[dimension == 2][of_polygon]])


def polygonize_inside(area: Any, linework: Any) -> NDArray[Any]:
    """The faces of noded linework that lie inside ``area``.

    Dangling ends bound no face and drop out. Every part of ``area`` is in exactly one face,
    because its own boundary is part of the linework.

    Parameters
    ----------
    area : Polygon or MultiPolygon, metres
    linework : array of lines, metres; the boundary of ``area`` among them

    Returns
    -------
    array of Polygon
        In the order of polygonization; disjoint but for their edges.
    """
    return faces_inside(area, node(linework))


def node(linework: NDArray[Any]) -> NDArray[Any]:
    """Lines that meet in their ends only, by snap rounding: however dirty they are."""
    return shapely.get_parts(shapely.union_all(linework, grid_size=PRECISION_M))


def node_further(noded: NDArray[Any], cuts: NDArray[Any]) -> NDArray[Any]:
    """Noded lines, noded once more with clean cuts: plain noding, of what the cuts meet only.

    What was noded anew is one MultiLineString, the last of the array.
    """
    met = np.unique(shapely.STRtree(noded).query(cuts, predicate="intersects")[1])
    again = shapely.union_all(np.concatenate([noded[met], cuts]))
    return np.append(np.delete(noded, met), again)


def faces_inside(area: Any, noded: NDArray[Any]) -> NDArray[Any]:
    """The faces of noded lines that lie inside ``area``, in the order of polygonization."""
    faces = shapely.get_parts(shapely.polygonize(noded))
    shapely.prepare(area)
    return faces[shapely.contains_properly(area, shapely.point_on_surface(faces))]
