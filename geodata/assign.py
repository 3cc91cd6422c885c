"""Households into grids: every household gets exactly one grid, or is an exception with a reason.

A household goes to the grid that covers it; on a boundary, to the lowest grid code; outside every
grid, to the nearest one within a tolerance.
"""

from __future__ import annotations

from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.coverage import Coverage
from geodata.inputs import AREAS, POINTS, checked_frame, number, texts
from geodata.metric import MetricPlane

__all__ = ["assign"]

# Grids that are equally near but for the rounding of coordinates.
_TIE_M: Final = 1e-6

# No place on Earth is farther out, in any unit.
_FARTHEST: Final = 1e12

_NO_POSITION: Final = "no position: the household has no point"
_NO_GRID: Final = "there is no grid"


def assign(
    grids: gpd.GeoDataFrame, households: gpd.GeoDataFrame, snap_tolerance_m: float = 50.0
) -> pd.DataFrame:
    """Assign each household to one grid, or to the exceptions.

    Parameters
    ----------
    grids : GeoDataFrame
        ``grid_code`` (text, unique) and Polygon or MultiPolygon; in any order.
    households : GeoDataFrame of Point
        Missing and empty points become exceptions. Taken into the CRS of ``grids`` if it differs.
    snap_tolerance_m : float
        A household outside every grid goes to the nearest one up to this distance, inclusive.

    Returns
    -------
    DataFrame
        Indexed as ``households``, in their order:

        - ``grid_code``: None for an exception.
        - ``method``: ``covers``; ``boundary`` where several grids cover the point (it goes to the
          lowest code); ``snapped`` (nearest grid, of equally near ones the lowest code);
          ``exception``.
        - ``distance_m``: 0 for ``covers`` and ``boundary``; to the grid for ``snapped``; to the
          nearest grid for ``exception``, NaN where there is none or no point.
        - ``reason``: text for an exception, otherwise None.

    Raises
    ------
    InputError
        Grids without codes, with a code twice, or not polygons; households that are not points;
        a negative tolerance.

    Notes
    -----
    The nearest grid is sought in the metric plane of the grids; its distance is measured at the
    latitude of the household, so that it holds in a province as well.
    """
    number(snap_tolerance_m, "snap_tolerance_m", unit=" m")
    grids = checked_frame(grids, "grids", "grid_code", kinds=AREAS)
    households = checked_frame(households, "households", kinds=POINTS)
    codes, polygons = _ordered_grids(grids)
    if grids.crs != households.crs:
        households = households.to_crs(grids.crs)
    points = _points(households)

    xy = np.column_stack([shapely.get_x(points), shapely.get_y(points)])
    with np.errstate(invalid="ignore"):
        placed = (np.abs(xy) < _FARTHEST).all(axis=1)
    index, shared = Coverage(polygons).locate(xy[:, 0], xy[:, 1])
    inside = index >= 0
    distance = np.where(inside, 0.0, np.nan)
    outside = np.flatnonzero(placed & ~inside)
    nearest = index.copy()
    if len(outside):
        plane = MetricPlane.of_frame(grids)
        nearest[outside], distance[outside] = _nearest(
            polygons, points[outside], plane, geographic=_is_geographic(grids)
        )
    snapped = ~inside & (distance <= snap_tolerance_m)

    method = np.full(len(points), "exception", dtype=object)
    method[inside] = np.where(shared[inside], "boundary", "covers")
    method[snapped] = "snapped"
    taken = inside | snapped
    grid_code = np.full(len(points), None, dtype=object)
    grid_code[taken] = codes[nearest[taken]]
    reason = np.full(len(points), None, dtype=object)
    for k in np.flatnonzero(~taken):
        reason[k] = _reason(bool(placed[k]), distance[k], snap_tolerance_m)
    return pd.DataFrame(
        {
            "grid_code": pd.Series(grid_code, households.index, dtype=object),
            "method": pd.Series(method, households.index, dtype="str"),
            "distance_m": pd.Series(distance, households.index, dtype="float64"),
            "reason": pd.Series(reason, households.index, dtype=object),
        }
    )


def _ordered_grids(grids: gpd.GeoDataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes in ascending order and their polygons: the lowest position is the lowest code."""
    codes = texts(grids, "grid_code", "grids", unique=True)
    order = np.argsort(codes, kind="stable")
    return codes[order], np.array(grids.geometry, dtype=object)[order]


def _points(households: gpd.GeoDataFrame) -> NDArray[Any]:
    """Points of the households, None where there is none."""
    points = np.array(households.geometry, dtype=object)
    points[shapely.is_empty(points)] = None
    return points


def _is_geographic(frame: gpd.GeoDataFrame) -> bool:
    return frame.crs is None or bool(frame.crs.is_geographic)


def _nearest(
    polygons: NDArray[Any], points: NDArray[Any], plane: MetricPlane, *, geographic: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Position of the nearest polygon of each point, and its distance in metres."""
    position = np.full(len(points), -1, dtype=np.int64)
    distance = np.full(len(points), np.nan)
    present = ~(shapely.is_missing(polygons) | shapely.is_empty(polygons))
    if not present.any():
        return position, distance
    metric_polygons, metric_points = plane.to_metres(polygons), plane.to_metres(points)
    tree = shapely.STRtree(metric_polygons)
    (point, _), least = tree.query_nearest(metric_points, all_matches=False, return_distance=True)
    radius = np.empty(len(points))
    radius[point] = least + _TIE_M
    point, polygon = tree.query(metric_points, predicate="dwithin", distance=radius)
    position[:] = len(polygons)
    np.minimum.at(position, point, polygon)

    lines = shapely.shortest_line(metric_points, metric_polygons[position])
    step = shapely.get_coordinates(lines).reshape(-1, 2, 2)
    step = np.abs(step[:, 1] - step[:, 0])
    if geographic:
        latitude = shapely.get_y(points)
        local = [MetricPlane.at(0.0, float(y)) for y in latitude]
        step[:, 0] *= [p.metres_per_x / plane.metres_per_x for p in local]
        step[:, 1] *= [p.metres_per_y / plane.metres_per_y for p in local]
    distance[:] = np.hypot(step[:, 0], step[:, 1])
    return position, distance


def _reason(placed: bool, distance_m: float, tolerance_m: float) -> str:
    """Say why a household has no grid."""
    if not placed:
        return _NO_POSITION
    if np.isnan(distance_m):
        return _NO_GRID
    shown = f"{distance_m:.0f} m" if distance_m < 10_000 else f"{distance_m / 1000:.0f} km"
    if shown == f"{tolerance_m:.0f} m":
        shown = f"{distance_m:.2f} m"
    return f"outside every grid: the nearest is {shown} away, over the {tolerance_m:g} m tolerance"
