"""Points located, facilities near a place, figures of divisions, catchments of facilities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Select,
    String,
    case,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from service.db.base import SRID
from service.db.listing import Listing, list_some
from service.db.rows import AnyRow
from service.db.spatial import distance_m, images, in_reach, nearest, point, reaches_across
from service.db.statements import load_statements
from service.errors import Conflict, NotFound
from service.grids.queries import in_force
from service.places.models import Facility
from service.spatial.points import LOCATED, Points

__all__ = ["catchment", "figures_below", "grids_of", "list_nearest_facilities", "locate_all"]

_SQL = load_statements("service.spatial", "queries.sql")
#: Metres within which the nearest of all grids is looked for; it takes longer the farther it is.
_LOOKED_THROUGH_M: Final = 5_000.0
#: Beyond that, so many grids that are nearest in degrees are compared.
_CANDIDATES: Final = 8


def locate_all(
    session: Session, points: Points, *, at: date | None = None, with_nearest: bool = False
) -> list[dict[str, Any]]:
    """The grid of each point, by the rule of ``/locate``: on a boundary the lowest code.

    Parameters
    ----------
    session : Session
    points : Points
    at : date, optional
        Day whose grids to take; today's without it.
    with_nearest : bool
        Whether to look for the nearest grid of the points outside.

    Returns
    -------
    list of dict
        One a point, with the names of :data:`~service.spatial.points.LOCATED`; None for what
        does not apply.
    """
    found: list[dict[str, Any]] = [dict.fromkeys(LOCATED) for _ in points.rows]
    for row in session.execute(_covering(points, at)):
        found[row.number - 1] |= {
            "grid_code": row.code,
            "community_code": row.community_code,
            "on_boundary": row.on_boundary,
        }
    outside = [number for number, each in enumerate(found) if each["grid_code"] is None]
    if with_nearest and outside:
        rest = Points([points.lon[n] for n in outside], [points.lat[n] for n in outside])
        for row in session.execute(_nearest(rest, at)):
            found[outside[row.number - 1]] |= {
                "nearest_code": row.code,
                "distance_m": round(row.distance_m, 3),
            }
    return found


def _staged(points: Points) -> Any:
    """The points as rows: number (from 1), geometry."""
    arrays = (literal(points.lon, ARRAY(Float)), literal(points.lat, ARRAY(Float)))
    columns = (
        func.unnest(*arrays)
        .table_valued("lon", "lat", with_ordinality="number", name="given")
        .render_derived()
    )
    place = func.ST_SetSRID(func.ST_MakePoint(columns.c.lon, columns.c.lat), SRID)
    return (
        select(columns.c.number, place.label("geometry"))
        .cte("point")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )


def _covering(points: Points, at: date | None) -> Any:
    grids, places = in_force(at), _staged(points)
    relation: ColumnElement[str] = func.ST_Relate(grids.c.geometry, places.c.geometry, type_=String)
    found = (
        select(
            grids.c.code,
            grids.c.community_code,
            (func.substr(relation, 4, 1) == "0").label("on_boundary"),
        )
        .where(
            grids.c.geometry.bool_op("&&")(places.c.geometry), func.substr(relation, 7, 1) == "F"
        )
        .order_by(grids.c.code.collate("C"))
        .limit(1)
        .correlate(places)
        .lateral("found")
    )
    return select(places.c.number, found).join_from(places, found, true())


def _nearest(points: Points, at: date | None) -> Any:
    """The nearest grid of each point.

    The grids that are nearest in degrees, on this side of the antimeridian and, if that may be
    nearer, on the other, give a reach in metres. Where it is short, all grids within it are
    looked at.
    """
    grids, places = in_force(at), _staged(points)
    by_degrees = [
        select(grids.c.code, grids.c.geometry)
        .order_by(grids.c.geometry.op("<->")(image))
        .limit(_CANDIDATES)
        .correlate(places)
        for image in images(places.c.geometry)
    ]
    here = _first_by_metres(by_degrees[0].subquery(), places).lateral("here")
    across = (
        _first_by_metres(by_degrees[1].subquery(), places)
        .where(reaches_across(places.c.geometry, here.c.distance_m))
        .correlate(places, here)
        .lateral("across")
    )
    metres = func.least(here.c.distance_m, across.c.distance_m)
    exact = (
        _first_by_metres(grids, places)
        .where(metres <= _LOOKED_THROUGH_M, in_reach(grids.c.geometry, places.c.geometry, metres))
        .correlate(places, here, across)
        .lateral("exact")
    )
    rough = case((across.c.distance_m < here.c.distance_m, across.c.code), else_=here.c.code)
    return (
        select(
            places.c.number,
            func.coalesce(exact.c.code, rough).label("code"),
            func.coalesce(exact.c.distance_m, metres).label("distance_m"),
        )
        .join_from(places, here, true())
        .outerjoin(across, true())
        .outerjoin(exact, true())
    )


def _first_by_metres(grids: FromClause, places: FromClause) -> Select[Any]:
    """The nearest of some grids, and of several the one of the lowest code."""
    metres = distance_m(grids.c.geometry, places.c.geometry).label("distance_m")
    return (
        select(grids.c.code, metres)
        .order_by(metres, grids.c.code.collate("C"))
        .limit(1)
        .correlate(places)
    )


def list_nearest_facilities(
    session: Session, *, lon: float, lat: float, kind: str | None, limit: int
) -> Listing:
    """The facilities nearest to a point in degrees, of a kind if given, with distance_m."""
    rows = select(
        Facility.id,
        Facility.reference.label("facility"),
        Facility.name,
        Facility.kind,
        func.ST_X(Facility.geometry).label("lon"),
        func.ST_Y(Facility.geometry).label("lat"),
    )
    if kind is not None:
        rows = rows.where(Facility.kind == kind)
    ordered = nearest(rows, Facility.geometry, point(lon, lat), limit=limit).order_by(Facility.id)
    return list_some(session, ordered, among=rows, limit=limit)


def figures_below(session: Session, *, code: str | None) -> tuple[AnyRow | None, list[AnyRow]]:
    """Figures of a division and of those directly below it; the highest ones without a code.

    Raises
    ------
    NotFound
        There is no such division.
    """
    below = session.scalars(_SQL["divisions_below"], {"code": code}).all()
    codes = [*([] if code is None else [code]), *below]
    rows = session.execute(_SQL["figures"], {"codes": codes}).all()
    own = next((row for row in rows if row.code == code), None)
    if code is not None and own is None:
        raise NotFound(f"There is no division '{code}'.")
    return own, [row for row in rows if row.code != code]


def grids_of(session: Session, *, code: str) -> Sequence[AnyRow]:
    """The grids in force of a community with their figures."""
    return session.execute(_SQL["grids_of"], {"code": code}).all()


def catchment(
    session: Session, *, reference: str, dataset: str | None, max_distance_m: float | None
) -> dict[str, Any]:
    """Where a facility is the nearest of its kind, as a GeoJSON feature with who lives there.

    Raises
    ------
    NotFound
        There is no such facility.
    Conflict
        Several data sets have one of this reference.
    """
    named = {"reference": reference, "dataset": dataset}
    rows = [] if "\x00" in reference else session.execute(_SQL["facility"], named).all()
    if not rows:
        raise NotFound(f"There is no facility '{reference}'.")
    if len(rows) > 1:
        raise Conflict(f"Several data sets have a facility '{reference}': add dataset=NAME.")
    (own,) = rows
    bound = {"facility_id": own.id, "distance_m": max_distance_m}
    raw = session.execute(_SQL["catchment"], bound).scalar_one_or_none()
    shape = None if raw is None else bytes(raw)
    served = session.execute(_SQL["served"], {**bound, "shape": shape}).one()
    drawn = session.execute(_SQL["shape"], {"shape": shape}).one()
    return {
        "type": "Feature",
        "id": own.id,
        "geometry": None if drawn.text is None else json.loads(drawn.text),
        "properties": {
            "facility": own.reference,
            "name": own.name,
            "kind": own.kind,
            "dataset": own.dataset,
            "area_m2": drawn.area_m2 or 0.0,
            "records": served.records,
            "households": served.households,
            "mean_distance_m": served.mean_m,
            "max_distance_m": served.farthest_m,
        },
    }
