"""Step 2: the faces that barriers cut a community into."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["PRECISION_M", "as_lines", "polygonize_inside"]

#: All linework is noded on this grid. Fine enough that rounding moves less than 1 m2 along
#: 100 km of boundary, coarse enough that snap rounding is robust in double precision.
PRECISION_M = 1e-6


def as_lines(barriers: NDArray[Any]) -> NDArray[Any]:
    """Barriers as lines: polygons give their rings, points and empty geometries nothing."""
    if len(barriers) == 0:
        return barriers
    parts = shapely.get_parts(shapely.force_2d(barriers))
    dimension = shapely.get_dimensions(parts)
    lines = parts[dimension == 1]
    rings = shapely.get_parts(shapely.boundary(parts[dimension == 2]))
    return np.concatenate([lines, rings])


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
    noded = shapely.union_all(linework, grid_size=PRECISION_M)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    shapely.prepare(area)
    return faces[shapely.contains_properly(area, shapely.point_on_surface(faces))]
