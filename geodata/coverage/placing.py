"""Which parent a polygon belongs to: the one that holds most of it."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.coverage.faults import code_column
from geodata.coverage.overlaps import made_valid
from geodata.inputs import AREAS, checked_frame
from geodata.metric import MetricPlane

__all__ = ["place_in_parents"]


def place_in_parents(polygons: gpd.GeoDataFrame, parents: gpd.GeoDataFrame) -> NDArray[np.object_]:
    """The code of the parent that holds most of the area of each polygon.

    Parameters
    ----------
    polygons : GeoDataFrame of Polygon or MultiPolygon
        An invalid one counts with its valid shape.
    parents : GeoDataFrame
        With a code as for ``check``.

    Returns
    -------
    (len(polygons),) object
        Of parents that hold equally much, the lowest code; None where none holds any.
    """
    polygons = checked_frame(polygons, "polygons")
    parents = checked_frame(parents, "parents", kinds=AREAS).to_crs(polygons.crs)
    plane = MetricPlane.of_frame(parents)
    order = np.argsort(parents[code_column(parents)].astype(str).to_numpy(), kind="stable")
    codes = parents[code_column(parents)].astype(str).to_numpy(dtype=object)[order]
    hosts = made_valid(np.array(parents.geometry, dtype=object)[order])
    guests = made_valid(np.array(polygons.geometry, dtype=object))
    guest, host = shapely.STRtree(hosts).query(guests, predicate="intersects")
    common: Any = shapely.intersection(guests[guest], hosts[host])
    area = shapely.area(common) * plane.square_metres_per_unit
    found = np.full(len(guests), None, dtype=object)
    # the last one written stays: the largest share, and of equal ones the lowest code
    for k in np.lexsort((-host, area)):
        if area[k] > 0:
            found[guest[k]] = codes[host[k]]
    return found
