"""Expressions for places: points, metres on the spheroid, and the search near a point."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from service.db.base import SRID

__all__ = ["distance_m", "nearest", "point"]

#: A column of a table or of a mapped class.
Geometry = ColumnElement[Any] | InstrumentedAttribute[Any]

# Shortest length of a degree: of latitude at the equator, of longitude there (times the cosine).
_DEGREE_OF_LATITUDE_M = 110_574.0
_DEGREE_OF_LONGITUDE_M = 111_319.0
_ROUNDING = 1.001


def point(lon: float, lat: float) -> ColumnElement[Any]:
    """Point in EPSG:4326, degrees."""
    return func.ST_SetSRID(func.ST_MakePoint(lon, lat), SRID)


def distance_m(one: Any, other: Any) -> ColumnElement[float]:
    """Shortest distance on the spheroid, metres."""
    return func.ST_Distance(func.geography(one), func.geography(other))


def nearest(
    rows: Select[Any], geometry: Geometry, place: ColumnElement[Any], *, limit: int
) -> Select[Any]:
    """Restrict rows to those nearest to a place and put them in order of distance.

    The index orders by degrees, which is not the order of metres. So the rows that are nearest
    in degrees only give a reach in metres; the nearest in metres all lie within it.

    Parameters
    ----------
    rows : Select
        What to choose from, with its conditions.
    geometry : ColumnElement
        Indexed geometry of these rows, EPSG:4326.
    place : ColumnElement
        Point, EPSG:4326.
    limit : int
        Rows to keep.

    Returns
    -------
    Select
        The rows with a further column ``distance_m``.
    """
    rough = (
        rows.with_only_columns(distance_m(geometry, place).label("metres"))
        .order_by(geometry.op("<->")(place))
        .limit(limit)
        .subquery("rough")
    )
    reach = select(func.max(rough.c.metres) * _ROUNDING).scalar_subquery()
    north_south = reach / _DEGREE_OF_LATITUDE_M
    # the parallel is shortest at the edge of the reach that is nearer to a pole
    latitude = func.least(func.abs(func.ST_Y(place)) + north_south, 89.0)
    parallel_m = _DEGREE_OF_LONGITUDE_M * func.cos(func.radians(latitude))
    east_west = func.least(reach / parallel_m, 360.0)
    metres = distance_m(geometry, place).label("distance_m")
    return (
        rows.add_columns(metres)
        .where(geometry.bool_op("&&")(func.ST_Expand(place, east_west, north_south)))
        .order_by(metres)
        .limit(limit)
    )
