"""OGC API - Features: the documents about the API, its collections and their features.

The parameters of the items differ from collection to collection, so they are read by
:mod:`service.catalogue.selection` and described by :mod:`service.ogc.openapi`, not by the
framework's signatures.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, Response

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, Crs, parse_crs
from service.catalogue.extent import extent
from service.catalogue.published import find_collection
from service.errors import NotFound
from service.ogc import documents
from service.ogc.context import (
    Chosen,
    catalogue_of,
    limits_of,
    memory_of,
    plain_format,
    reader_of,
)
from service.ogc.links import GEOJSON, JSON, OPENAPI, SCHEMA, Site
from service.ogc.openapi import openapi_document
from service.ogc.pages import page
from service.ogc.parameters import Format, ItemsQuery, negotiate
from service.ogc.queries import find_feature, list_features
from service.ogc.schemas import schema_document
from service.ogc.sketch import sketch
from service.ogc.versions import entity_tag, names_one
from service.web.parameters import reject_unknown
from service.web.session import DatabaseSession

__all__ = ["ITEMS_PATH", "ITEM_PATH", "get_item", "get_items", "router"]

ITEMS_PATH: Final = "/collections/{name}/items"
ITEM_PATH: Final = "/collections/{name}/items/{identifier}"

router = APIRouter(include_in_schema=False)


@router.get("/")
def get_landing_page(request: Request) -> Response:
    """Answer with the landing page."""
    shown = plain_format(request)
    site = Site.of(request)
    return _answer("landing.html", site, documents.landing(site, shown=shown), shown)


@router.get("/conformance")
def get_conformance(request: Request) -> Response:
    """Answer with the conformance declaration."""
    shown = plain_format(request)
    site = Site.of(request)
    document = documents.conformance(site, shown=shown)
    return _answer("conformance.html", site, document, shown, title="Standards")


@router.get("/functions")
def get_functions(request: Request) -> Response:
    """Answer with the functions that a filter may call."""
    shown = plain_format(request)
    site = Site.of(request)
    document = documents.functions(site, shown=shown)
    return _answer("functions.html", site, document, shown, title="Functions of filters")


@router.get("/api")
def get_api(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    reject_unknown(request.query_params, ())
    base = Site.of(request).base
    # several hosts may lead here; each is told its own address
    text = memory_of(request).documents.get(
        base,
        lambda: json.dumps(
            openapi_document(
                request.app.routes, catalogue_of(request), base=base, limits=limits_of(request)
            ),
            ensure_ascii=False,
        ),
    )
    return Response(text, media_type=OPENAPI)


@router.get("/docs")
def get_docs(request: Request) -> HTMLResponse:
    """Answer with the page that shows the OpenAPI document."""
    reject_unknown(request.query_params, ())
    return page("docs.html", site=Site.of(request))


@router.get("/collections")
def get_collections(request: Request, session: DatabaseSession) -> Response:
    """Answer with the list of collections."""
    shown = plain_format(request)
    site, memory, catalogue = Site.of(request), memory_of(request), catalogue_of(request)
    boxes = {}
    for name, each in catalogue.items():
        boxes[name] = memory.extents.get(name, lambda each=each: extent(session, collection=each))  # type: ignore[misc]
    document = documents.collections(site, catalogue, boxes, shown=shown)
    return _answer("collections.html", site, document, shown, title="Collections")


@router.get("/collections/{name}")
def get_collection(request: Request, chosen: Chosen, session: DatabaseSession) -> Response:
    """Answer with one collection."""
    shown = plain_format(request)
    site = Site.of(request)
    box = memory_of(request).extents.get(chosen.name, lambda: extent(session, collection=chosen))
    document = documents.collection_document(site, chosen, box, shown=shown)
    return _answer("collection.html", site, document, shown, title=chosen.title, collection=chosen)


@router.get("/collections/{name}/schema")
@router.get("/collections/{name}/queryables")
@router.get("/collections/{name}/sortables")
def get_schema(request: Request, chosen: Chosen) -> Response:
    """Answer with the schema of the features, the queryables or the sortables."""
    shown = plain_format(request)
    site = Site.of(request)
    kind = site.path.rsplit("/", 1)[1]
    document = schema_document(site, chosen, kind)
    if shown == "html":
        return page("schema.html", site=site, title=document["title"], document=document)
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, media_type=SCHEMA, headers={"Vary": "Accept"})


async def get_items(request: Request) -> Response:
    """Answer with a page of features."""
    chosen = find_collection(request.path_params["name"], catalogue_of(request))
    given = request.query_params
    shown = negotiate(given, request.headers.get("accept"))
    if shown == "html":  # a form sends its empty fields along
        given = QueryParams([(name, value) for name, value in given.multi_items() if value])
    query = ItemsQuery.parse(chosen, given, limits=limits_of(request))
    if shown == "html":  # a page is for readers: degrees, longitude first
        query = replace(query, crs=DEFAULT_CRS)
    found = await list_features(
        reader_of(request), collection=chosen, query=query, everything=memory_of(request).counts
    )
    time_stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    site = Site.of(request)
    text = documents.items(
        site, chosen, found, shown=shown, time_stamp=time_stamp, orders=query.orders
    )
    if shown == "json":
        return _geojson(text, query.crs)
    return await run_in_threadpool(_items_page, site, chosen, text, given, query)


async def get_item(request: Request) -> Response:
    """Answer with one feature and its version."""
    chosen = find_collection(request.path_params["name"], catalogue_of(request))
    identifier = request.path_params["identifier"]
    reject_unknown(request.query_params, ("f", "crs"))
    shown = negotiate(request.query_params, request.headers.get("accept"))
    crs = parse_crs("crs", request.query_params.get("crs"))
    if shown == "html":
        crs = DEFAULT_CRS
    found = await find_feature(
        reader_of(request), collection=chosen, identifier=identifier, crs=crs
    )
    if found is None:
        raise NotFound(f"The collection '{chosen.name}' has no feature '{identifier}'.")
    tag = entity_tag(found, shown=shown, crs=crs)
    if names_one(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag, "Vary": "Accept"})
    site = Site.of(request)
    text = documents.feature(site, chosen, found, shown=shown)
    if shown == "json":
        return _geojson(text, crs, {"ETag": tag})
    answer = await run_in_threadpool(_item_page, site, chosen, text)
    answer.headers["ETag"] = tag
    return answer


def _items_page(
    site: Site, chosen: Collection, text: bytes, given: QueryParams, query: ItemsQuery
) -> HTMLResponse:
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


def _item_page(site: Site, chosen: Collection, text: bytes) -> HTMLResponse:
    document = json.loads(text)
    return page(
        "item.html",
        site=site,
        title=f"{chosen.title}: {document['id']}",
        collection=chosen,
        document=document,
        sketch=sketch([document], label="Sketch of the feature"),
    )


def _answer(
    template: str, site: Site, document: dict[str, Any], shown: Format, **context: Any
) -> Response:
    if shown == "html":
        return page(template, site=site, document=document, **{"title": "Start", **context})
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, media_type=JSON, headers={"Vary": "Accept"})


def _geojson(text: bytes, crs: Crs, headers: dict[str, str] | None = None) -> Response:
    told = {"Vary": "Accept", "Content-Crs": f"<{crs.uri}>", **(headers or {})}
    return Response(text, media_type=GEOJSON, headers=told)
