"""Expressions for places: points, metres on the spheroid, and the search near a point.

Indexes hold degrees between -180 and 180, but near is near on the ground. So a point is searched
for twice: where it lies, and one turn around the earth away, where it lies for those on the other
side of the antimeridian.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from service.db.base import SRID

__all__ = [
    "FULL_TURN",
    "distance_m",
    "images",
    "in_reach",
    "meets_m",
    "nearest",
    "point",
    "reaches_across",
    "within_m",
]

#: A column of a table or of a mapped class.
Geometry = ColumnElement[Any] | InstrumentedAttribute[Any]

#: Degrees of longitude around the earth.
FULL_TURN: Final = 360.0

# Shortest length of a degree: of latitude at the equator, of longitude there (times the cosine).
_DEGREE_OF_LATITUDE_M = 110_574.0
_DEGREE_OF_LONGITUDE_M = 111_319.0
# What a reach is made longer by, so that rounding leaves nothing out.
_ROUNDING = 1.001
_ROUNDING_M = 0.001
#: Up to here a parallel has a length to reckon with; around a pole every longitude is near.
_LAST_PARALLEL: Final = 89.0


def point(lon: float, lat: float) -> ColumnElement[Any]:
    """Point in EPSG:4326, degrees."""
    return func.ST_SetSRID(func.ST_MakePoint(lon, lat), SRID)


def distance_m(one: Any, other: Any) -> ColumnElement[float]:
    """Shortest distance on the spheroid, metres."""
    return func.ST_Distance(func.geography(one), func.geography(other))


def images(place: Any) -> tuple[Any, Any]:
    """A point, and the same point seen from the other side of the antimeridian."""
    turn = -FULL_TURN * func.sign(func.ST_X(place))
    return place, func.ST_Translate(place, turn, 0.0)


def in_reach(geometry: Any, place: Any, metres: Any) -> ColumnElement[bool]:
    """The condition, answered by an index, that no geometry up to a distance fails.

    Parameters
    ----------
    geometry : ColumnElement
        Indexed geometry, EPSG:4326.
    place : ColumnElement
        Point, EPSG:4326.
    metres : float or ColumnElement
        Distance on the spheroid.
    """
    here, across = (geometry.bool_op("&&")(box) for box in _boxes(place, metres))
    # the planner drops what is never true
    return or_(here, and_(reaches_across(place, metres), across))


def within_m(geometry: Any, place: Any, metres: Any) -> ColumnElement[bool]:
    """The condition that a point lies up to a distance from another, by metres and an index."""
    return in_reach(geometry, place, metres) & _near(geometry, place, metres)


def meets_m(geometry: Any, place: Any, metres: Any) -> ColumnElement[bool]:
    """The same of a polygon, which may also lie around the point."""
    # to PostGIS 3.3 a place in a polygon on the equator is as far from it as from its boundary
    met = or_(_near(geometry, place, metres), func.ST_Intersects(geometry, place))
    return in_reach(geometry, place, metres) & met


def _near(geometry: Any, place: Any, metres: Any) -> ColumnElement[bool]:
    return func.ST_DWithin(func.geography(geometry), func.geography(place), metres)


def reaches_across(place: Any, metres: Any) -> ColumnElement[bool]:
    """The condition that a distance from a point may reach across the antimeridian."""
    east_west, _ = _reach(place, metres)
    return func.abs(func.ST_X(place)) + east_west >= FULL_TURN / 2.0


def _boxes(place: Any, metres: Any) -> list[ColumnElement[Any]]:
    """Boxes that hold all that is near to a point, one for each of its images."""
    return [func.ST_Expand(image, *_reach(place, metres)) for image in images(place)]


def _reach(place: Any, metres: Any) -> tuple[Any, Any]:
    """How many degrees of longitude and of latitude a distance is at most."""
    reach = metres * _ROUNDING + _ROUNDING_M
    north_south = reach / _DEGREE_OF_LATITUDE_M
    # the parallel is shortest at the edge of the reach that is nearer to a pole
    farthest = func.abs(func.ST_Y(place)) + north_south
    parallel_m = _DEGREE_OF_LONGITUDE_M * func.cos(func.radians(farthest))
    east_west = case(
        (farthest >= _LAST_PARALLEL, FULL_TURN),
        else_=func.least(reach / parallel_m, FULL_TURN),
    )
    return east_west, north_south


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
    here, across = (_farthest(rows, geometry, place, image, limit) for image in images(place))
    first = _once(select(here.label("metres")), "first")
    # the second search is dear where nothing is near, and is only made where it may find something
    closer = case(
        (reaches_across(place, first.c.metres), func.least(first.c.metres, across)),
        else_=first.c.metres,
    )
    reach = _once(select(closer.label("metres")).select_from(first), "reach")
    boxes = [box.label(f"box_{n}") for n, box in enumerate(_boxes(place, reach.c.metres))]
    around = select(*boxes).select_from(reach).cte("around")
    metres = distance_m(geometry, place).label("distance_m")
    return (
        rows.add_columns(metres)
        .where(or_(*(geometry.bool_op("&&")(select(box).scalar_subquery()) for box in around.c)))
        .order_by(metres)
        .limit(limit)
    )


def _once(statement: Select[Any], name: str) -> CTE:
    """A statement that is worked out once, however often it is used."""
    return statement.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def _farthest(
    rows: Select[Any], geometry: Geometry, place: Any, image: Any, limit: int
) -> ColumnElement[float]:
    """Metres to the farthest of the rows that are nearest in degrees to an image of a place."""
    rough = (
        rows.with_only_columns(distance_m(geometry, place).label("metres"))
        .order_by(geometry.op("<->")(image))
        .limit(limit)
        .subquery("rough")
    )
    return select(func.max(rough.c.metres)).scalar_subquery()
