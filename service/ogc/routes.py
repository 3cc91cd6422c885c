"""OGC API - Features: the documents about the API and its collections.

The parameters of the items differ from collection to collection, so they are read by
:mod:`service.catalogue.selection` and described by :mod:`service.ogc.openapi`, not by the
framework's signatures.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from service.ogc import documents
from service.ogc.context import (
    READ,
    Chosen,
    catalogue_of,
    limits_of,
    memory_of,
    plain_format,
)
from service.ogc.links import JSON, OPENAPI, SCHEMA, Site
from service.ogc.openapi import openapi_document
from service.ogc.pages import page
from service.ogc.parameters import Format
from service.ogc.queries import extent
from service.ogc.schemas import schema_document
from service.web.parameters import reject_unknown
from service.web.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=READ)
def get_landing_page(request: Request) -> Response:
    """Answer with the landing page."""
    shown = plain_format(request)
    site = Site.of(request)
    return _answer("landing.html", site, documents.landing(site, shown=shown), shown)


@router.api_route("/conformance", methods=READ)
def get_conformance(request: Request) -> Response:
    """Answer with the conformance declaration."""
    shown = plain_format(request)
    site = Site.of(request)
    document = documents.conformance(site, shown=shown)
    return _answer("conformance.html", site, document, shown, title="Standards")


@router.api_route("/functions", methods=READ)
def get_functions(request: Request) -> Response:
    """Answer with the functions that a filter may call."""
    shown = plain_format(request)
    site = Site.of(request)
    document = documents.functions(site, shown=shown)
    return _answer("functions.html", site, document, shown, title="Functions of filters")


@router.api_route("/api", methods=READ)
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


@router.api_route("/docs", methods=READ)
def get_docs(request: Request) -> HTMLResponse:
    """Answer with the page that shows the OpenAPI document."""
    reject_unknown(request.query_params, ())
    return page("docs.html", site=Site.of(request))


@router.api_route("/collections", methods=READ)
def get_collections(request: Request, session: DatabaseSession) -> Response:
    """Answer with the list of collections."""
    shown = plain_format(request)
    site, memory, catalogue = Site.of(request), memory_of(request), catalogue_of(request)
    boxes = {}
    for name, each in catalogue.items():
        boxes[name] = memory.extents.get(name, lambda each=each: extent(session, collection=each))  # type: ignore[misc]
    document = documents.collections(site, catalogue, boxes, shown=shown)
    return _answer("collections.html", site, document, shown, title="Collections")


@router.api_route("/collections/{name}", methods=READ)
def get_collection(request: Request, chosen: Chosen, session: DatabaseSession) -> Response:
    """Answer with one collection."""
    shown = plain_format(request)
    site = Site.of(request)
    box = memory_of(request).extents.get(chosen.name, lambda: extent(session, collection=chosen))
    document = documents.collection_document(site, chosen, box, shown=shown)
    return _answer("collection.html", site, document, shown, title=chosen.title, collection=chosen)


@router.api_route("/collections/{name}/schema", methods=READ)
@router.api_route("/collections/{name}/queryables", methods=READ)
@router.api_route("/collections/{name}/sortables", methods=READ)
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


def _answer(
    template: str, site: Site, document: dict[str, Any], shown: Format, **context: Any
) -> Response:
    if shown == "html":
        return page(template, site=site, document=document, **{"title": "Start", **context})
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, media_type=JSON, headers={"Vary": "Accept"})
