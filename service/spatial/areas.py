"""What lies within an area: a polygon, or everything up to a distance from a place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Float, func, literal, or_, select
from sqlalchemy.orm import Session

from geodata.errors import InputError
from service.catalogue.mending import MOST_MENDED, is_mendable
from service.db.base import SRID
from service.db.spatial import FULL_TURN, meets_m, point, within_m
from service.grids.views import CURRENT_GRID
from service.households.models import Assignment, Household
from service.places.models import Facility
from service.teams.models import Member

__all__ = ["Area", "Circle", "Polygon", "parse_area", "what_lies_within"]

_LONGEST_RING: Final = 100_000
#: A projection of the whole earth, poles and all, that keeps areas: EASE-Grid 2.0.
_EQUAL_AREA: Final = 6933
#: An edge of so many degrees is as good as straight in that projection.
_FINE_DEGREES: Final = 0.01
_MOST_STEPS: Final = 100_000
#: The antimeridian; of so many degrees it is not told which way round the earth an edge runs.
_HALF_ROUND: Final = 180.0


class Area(Protocol):
    """Where to look."""

    def holds(self, geometry: Any) -> ColumnElement[bool]:
        """The condition that a point lies in the area, answered by its index."""

    def meets(self, geometry: Any) -> ColumnElement[bool]:
        """The condition that a polygon meets the area, answered by its index."""

    def square_metres(self) -> ColumnElement[float]:
        """The area on the spheroid."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Everything up to ``radius_m`` metres on the spheroid from a place in degrees."""

    lon: float
    lat: float
    radius_m: float

    def holds(self, geometry: Any) -> ColumnElement[bool]:
        """The condition, across the antimeridian and over a pole as anywhere else."""
        return within_m(geometry, point(self.lon, self.lat), self.radius_m)

    def meets(self, geometry: Any) -> ColumnElement[bool]:
        """The same condition for a polygon."""
        return meets_m(geometry, point(self.lon, self.lat), self.radius_m)

    def square_metres(self) -> ColumnElement[float]:
        """The area of the circle in the plane, which at such sizes is that on the spheroid."""
        return literal(math.pi * self.radius_m**2, Float)


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon or several; one that crosses the antimeridian is parted there.

    Attributes
    ----------
    shape : BaseGeometry
        Valid.
    turns : tuple of float
        Degrees to turn it by to where it lies for those who write its edges on the antimeridian
        with the other sign.
    """

    shape: BaseGeometry
    turns: tuple[float, ...] = ()

    def _shape(self) -> ColumnElement[Any]:
        return func.ST_GeomFromWKB(shapely.to_wkb(self.shape), SRID)

    def holds(self, geometry: Any) -> ColumnElement[bool]:
        """The condition; a point on the boundary counts."""
        shape = self._shape()
        shapes = [shape, *(func.ST_Translate(shape, turn, 0.0) for turn in self.turns)]
        return or_(*(func.ST_Intersects(geometry, each) for each in shapes))

    def meets(self, geometry: Any) -> ColumnElement[bool]:
        """The same condition for a polygon."""
        return self.holds(geometry)

    def square_metres(self) -> ColumnElement[float]:
        """The area on the spheroid, whose edges are straight in degrees (RFC 7946, 3.1.1)."""
        shape = self._shape()
        step = func.greatest(_FINE_DEGREES, func.ST_Perimeter(shape) / _MOST_STEPS)
        return func.ST_Area(func.ST_Transform(func.ST_Segmentize(shape, step), _EQUAL_AREA))


def parse_area(document: Mapping[str, Any]) -> Polygon:
    """A GeoJSON polygon, multipolygon or a feature of one.

    Raises
    ------
    InputError
        It is none, its rings are not closed, it lies beyond the earth, or it has many edges of
        which some cross.
    """
    geometry = document.get("geometry") if document.get("type") == "Feature" else document
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if not isinstance(geometry, Mapping) or kind not in ("Polygon", "MultiPolygon"):
        raise InputError("The body is no GeoJSON polygon, multipolygon or feature of one.")
    parts = geometry.get("coordinates")
    polygons = [parts] if kind == "Polygon" else parts
    if not isinstance(polygons, list) or not polygons:
        raise InputError("The polygon has no coordinates.")
    checked = [[_ring(ring) for ring in _rings(polygon)] for polygon in polygons]
    eastings = {x for rings in checked for x, _ in rings[0]}
    turns = tuple(
        -math.copysign(FULL_TURN, edge) for edge in (-_HALF_ROUND, _HALF_ROUND) if edge in eastings
    )
    return Polygon(_valid(checked), turns)


def _valid(polygons: list[list[list[list[float]]]]) -> BaseGeometry:
    shape = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])
    if not is_mendable(shape):
        raise InputError(
            f"Edges of the polygon cross or overlap, and it has more than {MOST_MENDED} positions."
        )
    return shapely.make_valid(shape)


def _rings(polygon: Any) -> list[Any]:
    if not isinstance(polygon, list) or not polygon:
        raise InputError("The polygon has no ring.")
    return polygon


def _ring(ring: Any) -> list[list[float]]:
    if not isinstance(ring, list) or not 4 <= len(ring) <= _LONGEST_RING or ring[0] != ring[-1]:
        raise InputError("A ring is not closed, or has fewer than four positions.")
    positions: list[list[float]] = []
    for position in ring:
        if not isinstance(position, list) or len(position) not in (2, 3):
            raise InputError("A position is not two or three numbers.")
        if not all(type(each) in (int, float) and math.isfinite(each) for each in position):
            raise InputError("A coordinate is no finite number.")
        x, y = float(position[0]), float(position[1])
        if abs(x) > 180.0 or abs(y) > 90.0:
            raise InputError(
                "A position lies beyond 180 or 90 degrees; a polygon across the 180th meridian is "
                "parted there (RFC 7946, 3.1.9)."
            )
        if positions and abs(x - positions[-1][0]) >= _HALF_ROUND:
            raise InputError(
                "An edge reaches half round the earth: put positions between its ends, or part the "
                "polygon at the 180th meridian."
            )
        positions.append([x, y])
    return positions


def what_lies_within(session: Session, *, area: Area, limit: int) -> dict[str, Any]:
    """Counts of everything in an area, and the first of its households, members and facilities.

    Parameters
    ----------
    session : Session
    area : Area
    limit : int
        Rows of each kind to list; the counts are of all.
    """
    records, households = session.execute(
        select(func.count(), func.coalesce(func.sum(Household.households), 0)).where(
            area.holds(Household.geometry)
        )
    ).one()
    counts = {"records": records, "households": households}
    for name, column, condition in (
        ("members", Member.geometry, area.holds),
        ("facilities", Facility.geometry, area.holds),
        ("grids", CURRENT_GRID.c.geometry, area.meets),
    ):
        counted = select(func.count(column)).where(condition(column))
        counts[name] = session.scalar(counted) or 0
    listed = {
        "households": _households(session, area, limit),
        "members": _members(session, area, limit),
        "facilities": _facilities(session, area, limit),
    }
    return {
        "area_m2": session.scalar(select(area.square_metres())),
        "counts": counts,
        "numberReturned": {
            "records": len(listed["households"]),
            "members": len(listed["members"]),
            "facilities": len(listed["facilities"]),
        },
        **listed,
    }


def _households(session: Session, area: Area, limit: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(
            Household.id,
            Household.reference,
            Household.address,
            Household.households,
            CURRENT_GRID.c.code.label("grid_code"),
            *_place(Household.geometry),
        )
        .outerjoin(Assignment, Assignment.household_id == Household.id)
        .outerjoin(CURRENT_GRID, CURRENT_GRID.c.id == Assignment.grid_id)
        .where(area.holds(Household.geometry))
        .order_by(Household.id)
        .limit(limit)
    )
    return [row._asdict() for row in rows]


def _members(session: Session, area: Area, limit: int) -> list[dict[str, Any]]:
    columns = (Member.id, Member.reference, Member.name, Member.roles)
    rows = session.execute(
        select(*columns, *_place(Member.geometry))
        .where(area.holds(Member.geometry))
        .order_by(Member.id)
        .limit(limit)
    )
    return [row._asdict() for row in rows]


def _facilities(session: Session, area: Area, limit: int) -> list[dict[str, Any]]:
    columns = (Facility.id, Facility.reference, Facility.name, Facility.kind)
    rows = session.execute(
        select(*columns, *_place(Facility.geometry))
        .where(area.holds(Facility.geometry))
        .order_by(Facility.id)
        .limit(limit)
    )
    return [row._asdict() for row in rows]


def _place(geometry: Any) -> tuple[ColumnElement[float], ColumnElement[float]]:
    return func.ST_X(geometry).label("lon"), func.ST_Y(geometry).label("lat")
