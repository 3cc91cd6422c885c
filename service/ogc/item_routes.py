"""OGC API - Features: pages of features and single ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from service.catalogue.crs import DEFAULT_CRS, Crs, parse_crs
from service.errors import NotFound
from service.ogc import documents
from service.ogc.context import READ, Chosen, limits_of, memory_of
from service.ogc.links import GEOJSON, Site
from service.ogc.pages import page
from service.ogc.parameters import ItemsQuery, negotiate
from service.ogc.queries import count_everything, get_feature, list_features
from service.ogc.sketch import sketch
from service.ogc.versions import entity_tag, names_one
from service.web.parameters import reject_unknown
from service.web.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.api_route("/collections/{name}/items", methods=READ)
def get_items(request: Request, chosen: Chosen, session: DatabaseSession) -> Response:
    """Answer with a page of features."""
    given = request.query_params
    shown = negotiate(given, request.headers.get("accept"))
    if shown == "html":  # a form sends its empty fields along
        given = QueryParams([(name, value) for name, value in given.multi_items() if value])
    query = ItemsQuery.parse(chosen, given, limits=limits_of(request))
    if shown == "html":  # a page is for readers: degrees, longitude first
        query = replace(query, crs=DEFAULT_CRS)
    counts = memory_of(request).counts
    found = list_features(
        session,
        collection=chosen,
        query=query,
        everything=lambda: counts.get(
            chosen.name, lambda: count_everything(session, collection=chosen)
        ),
    )
    time_stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    site = Site.of(request)
    text = documents.items(
        site, chosen, found, shown=shown, time_stamp=time_stamp, orders=query.orders
    )
    if shown == "json":
        return _geojson(text, query.crs)
    document = json.loads(text)
    return page(
        "items.html",
        site=site,
        title=chosen.title,
        collection=chosen,
        document=document,
        given=given,
        filtered=not query.selection.is_everything,
        sketch=sketch(document["features"], label=f"Sketch of the {chosen.name} shown"),
    )


@router.api_route("/collections/{name}/items/{identifier}", methods=READ)
def get_item(
    request: Request, identifier: str, chosen: Chosen, session: DatabaseSession
) -> Response:
    """Answer with one feature and its version."""
    reject_unknown(request.query_params, ("f", "crs"))
    shown = negotiate(request.query_params, request.headers.get("accept"))
    crs = parse_crs("crs", request.query_params.get("crs"))
    if shown == "html":
        crs = DEFAULT_CRS
    found = get_feature(session, collection=chosen, identifier=identifier, crs=crs)
    if found is None:
        raise NotFound(f"The collection '{chosen.name}' has no feature '{identifier}'.")
    tag = entity_tag(found, shown=shown, crs=crs)
    if names_one(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag, "Vary": "Accept"})
    site = Site.of(request)
    text = documents.feature(site, chosen, found, shown=shown)
    if shown == "json":
        return _geojson(text, crs, {"ETag": tag})
    document = json.loads(text)
    answer = page(
        "item.html",
        site=site,
        title=f"{chosen.title}: {document['id']}",
        collection=chosen,
        document=document,
        sketch=sketch([document], label="Sketch of the feature"),
    )
    answer.headers["ETag"] = tag
    return answer


def _geojson(text: str, crs: Crs, headers: dict[str, str] | None = None) -> Response:
    told = {"Vary": "Accept", "Content-Crs": f"<{crs.uri}>", **(headers or {})}
    return Response(text, media_type=GEOJSON, headers=told)
