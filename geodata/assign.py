"""Households into grids: every household gets exactly one grid, or is an exception with a reason.

A household goes to the grid that covers it; on a boundary, to the lowest grid code; outside every
grid, to the nearest one within a tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.coverage import Coverage
from geodata.inputs import AREAS, POINTS, checked_frame, number, texts
from geodata.metric import MetricPlane
from geodata.schema import METHODS

__all__ = ["Found", "Piece", "Placer", "assign", "place_piece"]

# Grids that are equally near but for the rounding of coordinates.
_TIE_M: Final = 1e-6
# Points outside every grid whose nearest grids are measured together.
_MEASURED_AT_ONCE: Final = 10_000

_COVERS, _BOUNDARY, _SNAPPED, _EXCEPTION = (
    METHODS.index(name) for name in ("covers", "boundary", "snapped", "exception")
)

# The area of places is cut into so many cells each way to find the grids about them.
_CELLS_ACROSS: Final = 64

#: Grid, method and distance of each household, as :meth:`Placer.place` gives them.
Found: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.float64]]

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
    """
    placer = Placer(grids, snap_tolerance_m)
    households = checked_frame(households, "households", kinds=POINTS).to_crs(placer.crs)
    points = _points(households)
    x, y = shapely.get_x(points), shapely.get_y(points)
    placed = _has_place(x, y)
    position, method, distance = placer.place(x, y)
    grid_code = np.full(len(points), None, dtype=object)
    taken = position >= 0
    grid_code[taken] = placer.codes[position[taken]]
    reason = np.full(len(points), None, dtype=object)
    for k in np.flatnonzero(~taken):
        reason[k] = placer.reason(float(distance[k])) if placed[k] else _NO_POSITION
    return pd.DataFrame(
        {
            "grid_code": pd.Series(grid_code, households.index, dtype=object),
            "method": pd.Series(
                np.array(METHODS, dtype=object)[method], households.index, dtype="str"
            ),
            "distance_m": pd.Series(distance, households.index, dtype="float64"),
            "reason": pd.Series(reason, households.index, dtype=object),
        }
    )


class Placer:
    """Grids, ready to place households by the rules of :func:`assign`: arrays in, arrays out.

    Parameters
    ----------
    grids, snap_tolerance_m
        As for :func:`assign`, with the same errors.

    Attributes
    ----------
    codes : ndarray of object, shape (grids,)
        The grid codes, in the order of the grids.
    crs : pyproj.CRS
        That of the grids; EPSG:4326 where they had none.

    Notes
    -----
    The nearest grid is measured in the metric plane at the latitude of the household, so that it
    holds in a province as well, and whatever other grids there are.
    """

    def __init__(self, grids: gpd.GeoDataFrame, snap_tolerance_m: float = 50.0) -> None:
        self._tolerance_m = number(snap_tolerance_m, "snap_tolerance_m", unit=" m")
        grids = checked_frame(grids, "grids", "grid_code", kinds=AREAS)
        self.crs = grids.crs
        self.codes = texts(grids, "grid_code", "grids", unique=True)
        # the lowest position is the lowest code
        self._order = np.argsort(self.codes, kind="stable").astype(np.int32)
        self._shapes = np.array(grids.geometry, dtype=object)
        self._polygons = self._shapes[self._order]
        self._coverage = Coverage(self._polygons)
        self._geographic = bool(grids.crs.is_geographic)
        self._plane = MetricPlane.of_frame(grids)

    def place(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Found:
        """Place households at ``x`` and ``y``, shape (n,), in the CRS of the grids.

        Returns
        -------
        position : ndarray of int32
            Row of the grid; -1 for an exception.
        method : ndarray of int8
            Where the method is in ``geodata.schema.METHODS``.
        distance_m : ndarray of float64
            As in :func:`assign`.
        """
        found, shared = self._coverage.locate(x, y)
        inside = found >= 0
        method = np.where(inside, np.where(shared, _BOUNDARY, _COVERS), _EXCEPTION).astype(np.int8)
        distance = np.where(inside, 0.0, np.nan)
        outside = np.flatnonzero(~inside & _has_place(x, y))
        for begin in range(0, len(outside), _MEASURED_AT_ONCE):
            some = outside[begin : begin + _MEASURED_AT_ONCE]
            nearest, distance[some] = self._nearest(x[some], y[some])
            snapped = distance[some] <= self._tolerance_m
            found[some[snapped]] = nearest[snapped]
            method[some[snapped]] = _SNAPPED
        taken = found >= 0
        found[taken] = self._order[found[taken]]
        return found, method, distance

    def about(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[Placer, NDArray[np.int32]]:
        """The grids near places as a placer of their own, and their rows among all.

        It places households at ``x`` and ``y`` as this one does; but of an exception it does not
        know how far the nearest grid is.
        """
        finite = np.isfinite(x) & np.isfinite(y)
        places = np.column_stack([x[finite], y[finite]])
        rows = np.empty(0, dtype=np.int32)
        if len(places):
            scale = self._metres_per_unit(np.array([places[:, 1].min(), places[:, 1].max()]))
            # a degree of latitude is shorter at the equator, which may lie between
            reach = 1.02 * (self._tolerance_m + 1.0) / scale.min(axis=0)
            low, side = places.min(axis=0), np.ptp(places, axis=0) / _CELLS_ACROSS
            cells = np.unique(((places - low) / np.where(side > 0, side, 1.0)).astype(int), axis=0)
            west, south = (low + cells * side - reach).T
            east, north = (low + (cells + 1) * side + reach).T
            near = self._coverage.tree.query(shapely.box(west, south, east, north))[1]
            rows = np.sort(self._order[np.unique(near)])
        grids = gpd.GeoDataFrame(
            {"grid_code": self.codes[rows]}, geometry=self._shapes[rows], crs=self.crs
        )
        return Placer(grids, self._tolerance_m), rows

    def reason(self, distance_m: float) -> str:
        """Say why a household that is so far from the nearest grid has none (NaN: no grid)."""
        if np.isnan(distance_m):
            return _NO_GRID
        shown = f"{distance_m:.0f} m" if distance_m < 10_000 else f"{distance_m / 1000:.0f} km"
        if shown == f"{self._tolerance_m:.0f} m":
            shown = f"{distance_m:.2f} m"
        return (
            f"outside every grid: the nearest is {shown} away, "
            f"over the {self._tolerance_m:g} m tolerance"
        )

    def _nearest(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The nearest polygon of each point, of equally near ones the lowest; metres."""
        tree = self._coverage.tree
        if len(tree) == 0:
            return np.full(len(x), -1), np.full(len(x), np.nan)
        scale = self._metres_per_unit(y)
        points = shapely.points(x, y)
        (point, _), least = tree.query_nearest(points, all_matches=False, return_distance=True)
        # whatever may be as near once the axes are measured in metres
        radius = np.empty(len(x))
        radius[point] = (least * scale.max(axis=1)[point] + 2 * _TIE_M) / scale.min(axis=1)[point]
        point, polygon = tree.query(points, predicate="dwithin", distance=radius)
        apart = _metres_apart(self._polygons[polygon], x[point], y[point], scale[point])
        distance = np.full(len(x), np.inf)
        np.minimum.at(distance, point, apart)
        near = apart <= distance[point] + _TIE_M
        position = np.full(len(x), len(self._polygons))
        np.minimum.at(position, point[near], polygon[near])
        at_it = near & (polygon == position[point])
        distance[point[at_it]] = apart[at_it]
        return position, distance

    def _metres_per_unit(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Metres that a unit of the coordinates measures along x and y, at each point."""
        if self._geographic:
            planes = [MetricPlane.at(0.0, latitude) for latitude in y.tolist()]
        else:
            planes = [self._plane] * len(y)
        return np.array([(each.metres_per_x, each.metres_per_y) for each in planes])


@dataclass(frozen=True, slots=True)
class Piece:
    """Households at ``x`` and ``y``, and the grids about them."""

    placer: Placer
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def place_piece(piece: Piece) -> Found:
    """Place the households of a piece, on whatever machine this is."""
    return piece.placer.place(piece.x, piece.y)


def _metres_apart(
    polygons: NDArray[Any],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance of each polygon from its point, both stretched by the scale of the point."""
    here = np.column_stack([x, y])
    xy, owner = shapely.get_coordinates(polygons, return_index=True)
    # about the point, where small differences keep their digits
    stretched: Any = shapely.set_coordinates(polygons.copy(), (xy - here[owner]) * scale[owner])
    return np.asarray(shapely.distance(stretched, shapely.Point(0.0, 0.0)))


def _points(households: gpd.GeoDataFrame) -> NDArray[Any]:
    """Points of the households, None where there is none."""
    points = np.array(households.geometry, dtype=object)
    points[shapely.is_empty(points)] = None
    return points


def _has_place(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return (np.abs(x) < _FARTHEST) & (np.abs(y) < _FARTHEST)
