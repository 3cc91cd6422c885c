"""Where polygons overlap, what one leaves of another, and the polygonal part of mixed geometry."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType, MultiPolygon

__all__ = ["joined", "left_of", "made_valid", "overlapping_pairs", "polygonal"]

#: The grid that what is left of a shape is worked out on where rounding may have misled.
_STEP_M: Final = 1e-6


def polygonal(geometries: NDArray[Any]) -> NDArray[Any]:
    """Keep of each geometry what has an area: Polygon or MultiPolygon, empty if there is none."""
    kinds = shapely.get_type_id(geometries)
    mixed = ~np.isin(kinds, [GeometryType.POLYGON, GeometryType.MULTIPOLYGON])
    if not mixed.any():
        return geometries
    kept = geometries.copy()
    for k in np.flatnonzero(mixed & ~shapely.is_missing(geometries)):
        parts = shapely.get_parts(shapely.get_parts(geometries[k]))
        parts = parts[shapely.get_type_id(parts) == GeometryType.POLYGON]
        kept[k] = shapely.union_all(parts) if len(parts) else MultiPolygon()
    return kept


def made_valid(geometries: NDArray[Any]) -> NDArray[Any]:
    """Replace invalid polygons by the polygonal part of their valid structure; drop Z."""
    flat = shapely.force_2d(geometries)
    invalid = ~shapely.is_valid(flat) & ~shapely.is_missing(flat)
    if invalid.any():
        flat[invalid] = shapely.make_valid(flat[invalid], method="structure", keep_collapsed=False)
    return polygonal(flat)


def joined(polygons: NDArray[Any]) -> Any:
    """The union of polygons; where they are an exact coverage, found in a fraction of the time."""
    if shapely.coverage_is_valid(polygons):
        union = shapely.coverage_union_all(polygons)
        if shapely.is_valid(union):
            return union
    return shapely.union_all(polygons)


def overlapping_pairs(
    polygons: NDArray[Any], least_area: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Find the pairs of polygons whose interiors meet.

    Parameters
    ----------
    polygons : ndarray of valid Polygon or MultiPolygon, shape (n,)
        Missing and empty ones overlap nothing.
    least_area : float
        Smaller overlaps, in square units of the coordinates, are passed over.

    Returns
    -------
    first, second : ndarray of int64, shape (pairs,)
        Positions, ``first < second``, in ascending order.
    shared : ndarray of geometry, shape (pairs,)
        What both cover.

    Notes
    -----
    Only polygons with an edge that is out of place in a coverage are intersected with their
    neighbours: of two that overlap, at least one has such an edge.
    """
    present = np.flatnonzero(~shapely.is_missing(polygons) & ~shapely.is_empty(polygons))
    kept = polygons[present]
    suspect = np.flatnonzero(~shapely.is_empty(shapely.coverage_invalid_edges(kept)))
    one, other = shapely.STRtree(kept).query(kept[suspect], predicate="intersects")
    one = suspect[one]
    pairs = np.column_stack([np.minimum(one, other), np.maximum(one, other)])
    pairs = np.unique(pairs[one != other], axis=0)
    shared = polygonal(shapely.intersection(kept[pairs[:, 0]], kept[pairs[:, 1]]))
    real = shapely.area(shared) > least_area
    first, second = present[pairs[real]].T.astype(np.int64)
    return first, second, shared[real]


def left_of(
    shapes: NDArray[Any], others: NDArray[Any], unit: float, tolerance_m2: float
) -> NDArray[Any]:
    """What each shape has outside its other.

    Where edges run within a nanometre of one another GEOS may find a strip of square metres that
    is not there. So what is more than the tolerance is worked out once more, by snap rounding.

    Parameters
    ----------
    shapes, others : (n,) arrays of Polygon and MultiPolygon
    unit : float
        Square metres that a square unit of theirs measures.
    tolerance_m2 : float

    Returns
    -------
    (n,) array
    """
    left = shapely.difference(shapes, others)
    large = np.flatnonzero(shapely.area(left) * unit > tolerance_m2)
    step = _STEP_M / math.sqrt(unit)
    left[large] = shapely.difference(shapes[large], others[large], grid_size=step)
    return np.asarray(left)
