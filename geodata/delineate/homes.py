"""Which community a household counts for, a batch of them at a time."""

from __future__ import annotations

from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.coverage import Coverage
from geodata.metric import MetricPlane

__all__ = ["Homes"]


class Homes:
    """The communities that households are looked up in.

    Parameters
    ----------
    places : GeoDataFrame
        Valid polygons, by code; where two share a boundary the first has the household.
    snap_tolerance_m : float
        A household this near outside every community counts for the nearest one.
    """

    def __init__(self, places: gpd.GeoDataFrame, snap_tolerance_m: float) -> None:
        self._shapes = places.geometry.to_numpy()
        self._crs = places.crs
        self._plane = MetricPlane.of_frame(places)
        self._tolerance_m = snap_tolerance_m
        self._coverage = Coverage(self._shapes)

    def find(self, xy: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The community of each household and where in it the household counts.

        Parameters
        ----------
        xy : (n, 2) float64
            Coordinates in the CRS of the communities; NaN for a household without a place.

        Returns
        -------
        home : (n,) int32
            Position of the community, -1 for none.
        landed : (n, 2) float64
            The same coordinates; those of a household outside are moved to the nearest boundary.
        """
        home, _ = self._coverage.locate(xy[:, 0], xy[:, 1])
        outside = np.flatnonzero((home < 0) & np.isfinite(xy).all(axis=1))
        if len(outside) == 0 or not self._tolerance_m > 0:
            return home, xy
        found, nearest = self._nearest(xy[outside])
        home[outside[found]] = nearest
        landed = xy.copy()
        for place in np.unique(nearest).tolist():
            rows = outside[found[nearest == place]]
            landed[rows] = self._foot(place, xy[rows])
        return home, landed

    def _nearest(self, xy: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows that have a community within the tolerance, and the first of the nearest."""
        moved = shapely.points(self._plane.forward(xy))
        found, nearest = self._metric.query_nearest(moved, max_distance=self._tolerance_m)
        order = np.lexsort((nearest, found))
        first = np.unique(found[order], return_index=True)[1]
        return found[order][first], nearest[order][first]

    def _foot(self, place: int, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """The places on the boundary of a community that are nearest to points outside it.

        In the community's own plane, so that they do not depend on what other communities are
        looked at with it.
        """
        shape = self._shapes[place]
        plane = MetricPlane.of_bounds(shape.bounds, self._crs)
        lines = shapely.shortest_line(plane.to_metres(shape), shapely.points(plane.forward(xy)))
        return plane.inverse(shapely.get_coordinates(lines).reshape(-1, 2, 2)[:, 0])

    @cached_property
    def _metric(self) -> shapely.STRtree:
        """The communities in metres; few runs need them."""
        return shapely.STRtree(self._plane.to_metres(self._shapes))
