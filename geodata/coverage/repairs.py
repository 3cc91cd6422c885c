"""Repair of communities as delivered: valid, without overlap, with nothing lost."""

from __future__ import annotations

from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.coverage.faults import (
    AREA_TOLERANCE_M2,
    Fault,
    code_column,
    codes_of,
    fault_frame,
)
from geodata.coverage.locate import Coverage
from geodata.coverage.overlaps import made_valid, overlapping_pairs
from geodata.inputs import AREAS, checked_frame
from geodata.metric import MetricPlane

__all__ = ["SLIVER_M2", "repair"]

#: A piece that the repair cuts off goes to a neighbour when it is smaller than this.
SLIVER_M2: Final = 1.0

#: Without a neighbour it is dropped when it is smaller than this.
DROPPED_M2: Final = 1e-4


def repair(polygons: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Make polygons a coverage by a stated rule, and say what was done.

    1. An invalid polygon becomes the polygonal part of its valid structure.
    2. What two polygons both cover goes to the one with the lower code (text order; the earlier
       row where codes are equal).
    3. A piece below ``SLIVER_M2`` that is cut off by this goes to the neighbour with which it
       shares most border. Without a neighbour it stays, or is dropped below ``DROPPED_M2``.
    4. Polygons that meet share their vertices afterwards: what a neighbour has on an edge is
       inserted there, so that no projection drives them apart.

    Gaps stay as they are. Polygons that no fault touches keep their vertices as they are.

    Parameters
    ----------
    polygons : GeoDataFrame of Polygon or MultiPolygon
        With a code as for ``check``; any CRS.

    Returns
    -------
    repaired : GeoDataFrame
        The same rows in the same order, without those that vanished.
    faults : GeoDataFrame
        As of ``check``: ``kind`` (``invalid``, ``overlap``, ``sliver``; ``vanished`` for a
        polygon of which nothing is left, which is an error), ``codes`` with the one that keeps
        the ground first, ``area_m2``, ``detail`` (what was done), ``geometry``.

    Notes
    -----
    The boundaries of all polygons in conflict are noded together and every face between them is
    given to one owner, as a planar arrangement: what is shared is shared exactly.
    """
    polygons = checked_frame(polygons, "polygons", kinds=AREAS)
    unit = MetricPlane.of_frame(polygons).square_metres_per_unit
    codes = codes_of(polygons, code_column(polygons))
    order = np.array(sorted(range(len(codes)), key=lambda k: (codes[k], k)), dtype=np.int64)
    ranked = [codes[k] for k in order]
    given = np.array(polygons.geometry, dtype=object)[order]
    shapes = made_valid(given)

    faults = _invalid_faults(given, shapes, ranked, unit)
    first, second, shared = overlapping_pairs(shapes)
    area = shapely.area(shared) * unit
    for k in np.flatnonzero(area > AREA_TOLERANCE_M2):
        pair = (ranked[first[k]], ranked[second[k]])
        faults.append(("overlap", pair, area[k], f"given to {pair[0]}", shared[k]))

    out, changed = _rearranged(shapes, np.union1d(first, second))
    out, slivers = _slivers_to_neighbours(out, changed, ranked, unit)
    faults += slivers
    for k in np.flatnonzero(shapely.is_empty(out) | shapely.is_missing(out)):
        detail = "nothing is left of it: the polygons with lower codes cover it"
        if shapes[k] is None or shapes[k].is_empty:
            detail = "it has no area"
        faults.append(("vanished", (ranked[k],), shapely.area(shapes[k]) * unit, detail, shapes[k]))

    geometries = np.empty(len(out), dtype=object)
    geometries[order] = out
    repaired = polygons.set_geometry(gpd.GeoSeries(geometries, polygons.index, crs=polygons.crs))
    left = ~(repaired.geometry.is_empty | repaired.geometry.isna())
    return repaired[left], fault_frame(faults, polygons.crs)


def _invalid_faults(
    given: NDArray[Any], shapes: NDArray[Any], codes: list[str], unit: float
) -> list[Fault]:
    """Report the polygons that had to be made valid, with the area that this changed."""
    faults: list[Fault] = []
    for k in np.flatnonzero(~shapely.is_valid(given) & ~shapely.is_missing(given)):
        change = abs(shapes[k].area - given[k].area) * unit
        detail = f"{shapely.is_valid_reason(given[k])}: made valid"
        faults.append(("invalid", (codes[k],), change, detail, shapes[k]))
    return faults


def _rearranged(
    shapes: NDArray[Any], overlapping: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give every face between the boundaries of polygons in conflict to the first that covers it.

    ``shapes`` are in the order of precedence. In conflict are polygons that overlap, and those
    whose edges do not match the edges of a neighbour; their positions are returned as well.
    """
    present = np.flatnonzero(~shapely.is_missing(shapes) & ~shapely.is_empty(shapes))
    unmatched = ~shapely.is_empty(shapely.coverage_invalid_edges(shapes[present]))
    conflict = np.union1d(present[unmatched], overlapping)
    if not len(conflict):
        return shapes, conflict
    mine = shapes[conflict]
    lines = shapely.union_all(shapely.boundary(mine))
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(lines)))
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    owner, _ = Coverage(mine).locate(inside[:, 0], inside[:, 1])
    out = shapes.copy()
    for k, position in enumerate(conflict):
        out[position] = shapely.coverage_union_all(faces[owner == k])
    return out, conflict


def _slivers_to_neighbours(
    shapes: NDArray[Any], changed: NDArray[np.int64], codes: list[str], unit: float
) -> tuple[NDArray[Any], list[Fault]]:
    """Move small parts of changed polygons to the one with which they share most border."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    several = np.bincount(owner, minlength=len(shapes)) > 1
    several[np.setdiff1d(np.arange(len(shapes)), changed)] = False
    area = shapely.area(parts) * unit
    small = np.flatnonzero((area < SLIVER_M2) & several[owner])
    if not len(small):
        return shapes, []
    tree = shapely.STRtree(parts)
    keeper = owner.copy()
    faults: list[Fault] = []
    for k in small:
        near = np.setdiff1d(tree.query(parts[k], predicate="intersects"), small)
        border = shapely.length(shapely.intersection(parts[k].boundary, parts[near]))
        if len(near) and border.max() > 0:
            keeper[k] = owner[near[border.argmax()]]
            names: tuple[str, ...] = (codes[keeper[k]], codes[owner[k]])
            detail = "moved to its neighbour"
        elif area[k] < DROPPED_M2:
            keeper[k] = -1
            names, detail = (codes[owner[k]],), "dropped: it touches no other polygon"
        else:
            continue
        faults.append(("sliver", names, area[k], detail, parts[k]))
    out = shapes.copy()
    for position in np.unique(np.concatenate([owner[small], keeper[small]])):
        if position >= 0:
            out[position] = shapely.coverage_union_all(parts[keeper == position])
    return out, faults
