"""Questions about places: many points at once, what is near or within, how divisions fare."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from service.divisions import queries as divisions
from service.divisions.schemas import DivisionStep
from service.errors import InvalidParameter, UnsupportedMediaType
from service.spatial import areas, points, queries
from service.spatial.schemas import (
    BatchParameters,
    CatchmentParameters,
    CircleParameters,
    Coverage,
    CoverageParameters,
    DivisionFigures,
    GridFigures,
    LimitParameters,
    NearFacility,
    NearMember,
    NearParameters,
    Within,
)
from service.teams.queries import list_nearest_members
from service.web.bodies import body_of, read_object
from service.web.limits import COUNTED, tell_numbers
from service.web.parameters import NO_PARAMETERS
from service.web.problems import describe
from service.web.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(tags=["Places"])

_GEOJSON: Final = "application/geo+json"
_LARGEST_BODY: Final = 64 * 1024 * 1024
_POINT: Final = {"type": "Point", "coordinates": [119.31, 31.2]}
_AREA: Final = {
    "type": "Polygon",
    "coordinates": [[[119.3, 31.2], [119.31, 31.2], [119.31, 31.21], [119.3, 31.2]]],
}
_CSV_EXAMPLE: Final = "name,lon,lat\nwell,119.31,31.2\n"
_COLLECTION_EXAMPLE: Final = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "geometry": _POINT, "properties": {"name": "well"}}],
}

DivisionCode = Annotated[str, Path(description="Code of the division.", examples=["980101001001"])]
#: The body of a request that brings many points, or an area.
Body = Annotated[bytes, Depends(body_of(_LARGEST_BODY))]


def _schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _accepts(*bodies: tuple[str, Any, Any]) -> dict[str, Any]:
    """The description of a body that the route reads itself: media type, schema, example."""
    content = {
        media_type: {"schema": schema, "example": example} for media_type, schema, example in bodies
    }
    return {"requestBody": {"required": True, "content": content}}


_AREA_SCHEMA: Final = {
    "anyOf": [_schema(name) for name in ("polygonGeoJSON", "multiPolygonGeoJSON", "featureGeoJSON")]
}
_LOCATED: Final = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": _POINT,
            "properties": {
                "name": "well",
                "grid_code": "980101001001001",
                "community_code": "980101001001",
                "on_boundary": False,
            },
        }
    ],
}
_LOCATED_CSV: Final = (
    "name,lon,lat,grid_code,community_code,on_boundary,nearest_code,distance_m\n"
    "well,119.31,31.2,980101001001001,980101001001,false,,\n"
)


@router.post(
    "/locate",
    summary="Where many places belong",
    response_class=Response,
    openapi_extra=_accepts(
        ("text/csv", {"type": "string"}, _CSV_EXAMPLE),
        (_GEOJSON, _schema("featureCollectionGeoJSON"), _COLLECTION_EXAMPLE),
    ),
    responses={
        200: {
            "description": "What was sent, with the grid of each point",
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": _LOCATED_CSV},
                _GEOJSON: {
                    "schema": _schema("featureCollectionGeoJSON"),
                    "example": _LOCATED,
                },
            },
        },
        **describe(413, 415),
    },
)
def locate_many(
    request: Request,
    how: Annotated[BatchParameters, Query()],
    body: Body,
    session: DatabaseSession,
) -> Response:
    """Tell the grid of up to 100,000 points, sent as CSV with lon and lat or as GeoJSON.

    The answer is what was sent, row by row, with grid_code, community_code, on_boundary and, if
    asked, nearest_code and distance_m.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/csv":
        given = points.parse_csv(body)
    elif kind in (_GEOJSON, "application/json"):
        given = points.parse_geojson(read_object(body))
    else:
        raise UnsupportedMediaType(f"Send Content-Type: text/csv or {_GEOJSON}.")
    found = queries.locate_all(session, given, at=how.at, with_nearest=how.nearest)
    if kind == "text/csv":
        return Response(points.write_csv(given, found), media_type="text/csv; charset=utf-8")
    return Response(points.write_geojson(given, found), media_type=_GEOJSON)


@router.get("/nearest", summary="Members or facilities near a place", responses={200: COUNTED})
def list_nearest(
    near: Annotated[NearParameters, Query()], response: Response, session: DatabaseSession
) -> list[NearMember] | list[NearFacility]:
    """Tell the members nearest to a place, of one role if given, or the facilities of a kind."""
    if near.of == "facilities":
        if near.role is not None:
            raise InvalidParameter("role", "is of members; facilities have a kind")
        facilities = queries.list_nearest_facilities(
            session, lon=near.lon, lat=near.lat, kind=near.kind, limit=near.limit
        )
        tell_numbers(response, facilities)
        return [NearFacility.model_validate(each) for each in facilities.rows]
    if near.kind is not None:
        raise InvalidParameter("kind", "is of facilities (of=facilities); members have roles")
    members = list_nearest_members(
        session, lon=near.lon, lat=near.lat, role=near.role, limit=near.limit
    )
    tell_numbers(response, members)
    return [NearMember.model_validate(each) for each in members.rows]


@router.get("/within", summary="What lies up to a distance from a place")
def within_circle(where: Annotated[CircleParameters, Query()], session: DatabaseSession) -> Within:
    """Count what lies within a radius, and list the first households, members and facilities."""
    circle = areas.Circle(where.lon, where.lat, where.radius_m)
    return Within.model_validate(areas.what_lies_within(session, area=circle, limit=where.limit))


@router.post(
    "/within",
    summary="What lies within an area",
    openapi_extra=_accepts((_GEOJSON, _AREA_SCHEMA, _AREA)),
    responses=describe(413, 415),
)
def within_polygon(
    request: Request,
    how: Annotated[LimitParameters, Query()],
    body: Body,
    session: DatabaseSession,
) -> Within:
    """Count what lies within a GeoJSON polygon, and list the first of each kind."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_GEOJSON, "application/json"):
        raise UnsupportedMediaType(f"Send Content-Type: {_GEOJSON}.")
    area = areas.parse_area(read_object(body))
    return Within.model_validate(areas.what_lies_within(session, area=area, limit=how.limit))


@router.get("/coverage", summary="How the highest divisions fare")
def get_coverage(
    request: Request, which: Annotated[CoverageParameters, Query()], session: DatabaseSession
) -> Coverage:
    """Tell the figures of the highest divisions; each leads on to those below it."""
    _, below = queries.figures_below(session, code=None)
    chosen = [row for row in below if which.dataset in (None, row.dataset)]
    return Coverage(division=None, path=[], divisions=_figures(request, chosen), grids=[])


@router.get(
    "/coverage/{code}",
    summary="How a division fares",
    dependencies=[NO_PARAMETERS],
    responses=describe(404),
)
def get_division_coverage(
    request: Request, code: DivisionCode, session: DatabaseSession
) -> Coverage:
    """Tell the figures of a division and of those directly below it; of a community, its grids."""
    own, below = queries.figures_below(session, code=code)
    path = divisions.list_path(session, code=code)
    (figures,) = _figures(request, [own])
    return Coverage(
        division=figures,
        path=[DivisionStep.model_validate(each) for each in path],
        divisions=_figures(request, below),
        grids=[GridFigures.model_validate(each) for each in queries.grids_of(session, code=code)],
    )


@router.get(
    "/catchment",
    summary="Whom a facility serves",
    response_class=Response,
    responses={
        200: {
            "description": "A GeoJSON feature",
            "content": {
                _GEOJSON: {
                    "schema": _schema("featureGeoJSON"),
                    "example": {
                        "type": "Feature",
                        "geometry": _AREA,
                        "properties": {"facility": "F-1", "records": 120, "households": 150},
                    },
                }
            },
        },
        **describe(404, 409),
    },
)
def get_catchment(
    whose: Annotated[CatchmentParameters, Query()], session: DatabaseSession
) -> Response:
    """Tell where a facility is the nearest of its kind, with the households there."""
    feature = queries.catchment(
        session,
        reference=whose.facility,
        dataset=whose.dataset,
        max_distance_m=whose.max_distance_m,
    )
    return Response(json.dumps(feature, ensure_ascii=False), media_type=_GEOJSON)


def _figures(request: Request, rows: Any) -> list[DivisionFigures]:
    told = []
    for row in rows:
        figures = DivisionFigures.model_validate(row)
        if row.has_divisions or row.level == "community":
            figures.href = f"{str(request.base_url).rstrip('/')}/coverage/{row.code}"
        told.append(figures)
    return told
