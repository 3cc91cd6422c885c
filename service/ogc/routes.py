"""OGC API - Features over the published collections.

The parameters of the items differ from collection to collection, so they are read by
:mod:`service.catalogue.selection` and described by :mod:`service.ogc.openapi`, not by the
framework's signatures.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, Response

from service.catalogue.collection import Collection
from service.catalogue.published import COLLECTIONS, find_collection
from service.errors import NotFound
from service.ogc import documents
from service.ogc.extents import Extents
from service.ogc.links import GEOJSON, JSON, OPENAPI, Site
from service.ogc.openapi import openapi_document
from service.ogc.pages import page
from service.ogc.parameters import Format, ItemsQuery, Limits, negotiate
from service.ogc.queries import get_feature, list_features
from service.ogc.sketch import sketch
from service.web.parameters import reject_unknown
from service.web.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_READ: Final = ["GET", "HEAD"]


def _collection(name: str) -> Collection:
    return find_collection(name)


Chosen = Annotated[Collection, Depends(_collection)]


@router.api_route("/", methods=_READ)
def get_landing_page(request: Request) -> Response:
    """Answer with the landing page."""
    shown = _plain_format(request)
    site = Site.of(request)
    return _answer("landing.html", site, documents.landing(site, shown=shown), shown)


@router.api_route("/conformance", methods=_READ)
def get_conformance(request: Request) -> Response:
    """Answer with the conformance declaration."""
    shown = _plain_format(request)
    site = Site.of(request)
    document = documents.conformance(site, shown=shown)
    return _answer("conformance.html", site, document, shown, title="Standards")


@router.api_route("/api", methods=_READ)
def get_api(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    reject_unknown(request.query_params, ())
    document = openapi_document(
        request.app.routes, COLLECTIONS, base=Site.of(request).base, limits=_limits(request)
    )
    return Response(json.dumps(document, ensure_ascii=False), media_type=OPENAPI)


@router.api_route("/docs", methods=_READ)
def get_docs(request: Request) -> HTMLResponse:
    """Answer with the page that shows the OpenAPI document."""
    reject_unknown(request.query_params, ())
    return page("docs.html", site=Site.of(request))


@router.api_route("/collections", methods=_READ)
def get_collections(request: Request, session: DatabaseSession) -> Response:
    """Answer with the list of collections."""
    shown = _plain_format(request)
    site, extents = Site.of(request), _extents(request)
    boxes = {name: extents.of(session, each) for name, each in COLLECTIONS.items()}
    document = documents.collections(site, COLLECTIONS, boxes, shown=shown)
    return _answer("collections.html", site, document, shown, title="Collections")


@router.api_route("/collections/{name}", methods=_READ)
def get_collection(request: Request, chosen: Chosen, session: DatabaseSession) -> Response:
    """Answer with one collection."""
    shown = _plain_format(request)
    site = Site.of(request)
    box = _extents(request).of(session, chosen)
    document = documents.collection_document(site, chosen, box, shown=shown)
    return _answer("collection.html", site, document, shown, title=chosen.title, collection=chosen)


@router.api_route("/collections/{name}/items", methods=_READ)
def get_items(request: Request, chosen: Chosen, session: DatabaseSession) -> Response:
    """Answer with a page of features."""
    given = request.query_params
    shown = negotiate(given, request.headers.get("accept"))
    if shown == "html":  # a form sends its empty fields along
        given = QueryParams([(name, value) for name, value in given.multi_items() if value])
    query = ItemsQuery.parse(chosen, given, limits=_limits(request))
    found = list_features(session, collection=chosen, query=query)
    time_stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    site = Site.of(request)
    text = documents.items(site, chosen, found, shown=shown, time_stamp=time_stamp)
    if shown == "json":
        return _geojson(text)
    document = json.loads(text)
    return page(
        "items.html",
        site=site,
        title=chosen.title,
        collection=chosen,
        document=document,
        given=given,
        filtered=bool(query.selection.filters or query.selection.boxes),
        sketch=sketch(document["features"], label=f"Sketch of the {chosen.name} shown"),
    )


@router.api_route("/collections/{name}/items/{identifier}", methods=_READ)
def get_item(
    request: Request, identifier: str, chosen: Chosen, session: DatabaseSession
) -> Response:
    """Answer with one feature."""
    shown = _plain_format(request)
    found = get_feature(session, collection=chosen, identifier=identifier)
    if found is None:
        raise NotFound(f"The collection '{chosen.name}' has no feature '{identifier}'.")
    site = Site.of(request)
    text = documents.feature(site, chosen, found, shown=shown)
    if shown == "json":
        return _geojson(text)
    document = json.loads(text)
    return page(
        "item.html",
        site=site,
        title=f"{chosen.title}: {document['id']}",
        collection=chosen,
        document=document,
        sketch=sketch([document], label="Sketch of the feature"),
    )


def _plain_format(request: Request) -> Format:
    reject_unknown(request.query_params, ("f",))
    return negotiate(request.query_params, request.headers.get("accept"))


def _limits(request: Request) -> Limits:
    settings = request.app.state.settings
    return Limits(settings.default_limit, settings.max_limit)


def _extents(request: Request) -> Extents:
    extents: Extents = request.app.state.extents
    return extents


def _answer(
    template: str, site: Site, document: dict[str, Any], shown: Format, **context: Any
) -> Response:
    if shown == "html":
        return page(template, site=site, document=document, **{"title": "Start", **context})
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, media_type=JSON, headers={"Vary": "Accept"})


def _geojson(text: str) -> Response:
    # the reference system of the coordinates, as Part 2 names it
    headers = {"Vary": "Accept", "Content-Crs": "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"}
    return Response(text, media_type=GEOJSON, headers=headers)
