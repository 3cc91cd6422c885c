"""The paths of the collections and of the documents about them, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.catalogue.collection import Action, Catalogue, Collection
from service.catalogue.crs import CRS84
from service.catalogue.selection import PARAMETERS
from service.ogc import documents
from service.ogc.links import GEOJSON, HTML, JSON, MERGE_PATCH, OPENAPI, SCHEMA, Site
from service.ogc.openapi_examples import (
    EXAMPLE_BOX,
    EXAMPLE_FAULTS,
    example_feature,
    example_page,
)
from service.ogc.openapi_features import feature_schema, filter_parameter, reference
from service.ogc.openapi_problems import problem_response, shared_problem, with_problems
from service.ogc.schemas import KINDS, kind_title, schema_document

__all__ = ["collection_paths", "common_paths", "label_of", "selecting_parameters"]

Document = dict[str, Any]

_PAGING: Final = ("limit", "offset", "token", "sortby", "crs")
#: With a token, or from this machine without one.
_SECURITY: Final[list[dict[str, list[str]]]] = [{"HTTPBearer": []}, {}]
_TAG: Final = {
    "ETag": {
        "description": "Version of the feature",
        "schema": {"type": "string"},
        "example": '"6fd1d3c1b6b8a1a1a3f0b6a5b9d6c7e2"',
    },
}
_CRS: Final = {
    "Content-Crs": {
        "description": "Reference system of the coordinates, between < and >",
        "schema": {"type": "string"},
        "example": f"<{CRS84}>",
    },
}
_PAGE: Final[Document] = {"schema": {"type": "string"}}


def common_paths(catalogue: Catalogue, base: str) -> Document:
    """The documents about the API as a whole.

    Parameters
    ----------
    catalogue : mapping
        Collections by name; the first one serves as the example.
    base : str
        Address of the server as the client sees it.
    """
    name, first = next(iter(catalogue.items()))

    def site(path: str) -> Site:
        return Site(base, path, ())

    told = {
        "/": (
            "getLandingPage",
            "What there is and where",
            "landingPage",
            documents.landing(site("/"), shown="json"),
        ),
        "/conformance": (
            "getConformance",
            "Standards that the API conforms to",
            "confClasses",
            documents.conformance(site("/conformance"), shown="json"),
        ),
        "/functions": (
            "getFunctions",
            "Functions that a filter may call",
            "functions",
            documents.functions(site("/functions"), shown="json"),
        ),
        "/collections": (
            "getCollections",
            "All collections",
            "collections",
            documents.collections(
                site("/collections"), {name: first}, {name: EXAMPLE_BOX}, shown="json"
            ),
        ),
    }
    paths: Document = {
        path: {
            "get": _reading(
                identifier, summary, _answer(summary, JSON, schema, example), tag="Capabilities"
            )
        }
        for path, (identifier, summary, schema, example) in told.items()
    }
    paths["/api"] = {"get": _plain("getApi", "This document", {OPENAPI: _API})}
    paths["/docs"] = {"get": _plain("getDocs", "The API to read and try", {HTML: _PAGE})}
    return paths


_API: Final[Document] = {
    "schema": {
        "type": "object",
        "required": ["openapi", "info", "paths"],
        "properties": {
            "openapi": {"type": "string"},
            "info": {"type": "object"},
            "paths": {"type": "object"},
        },
    },
    "example": {
        "openapi": "3.0.3",
        "info": {"title": "Gridward", "version": "0.1.0"},
        "paths": {"/health": {"get": {"summary": "Whether the service is up"}}},
    },
}


def _plain(identifier: str, summary: str, content: Document) -> Document:
    """An operation that takes no parameter."""
    return with_problems(
        {
            "operationId": identifier,
            "summary": summary,
            "tags": ["Capabilities"],
            "responses": {"200": {"description": summary, "content": content}},
        }
    )


def collection_paths(catalogue: Catalogue, base: str) -> Document:
    """Every collection with its schemas, its items and each of them."""
    paths: Document = {}
    for collection in catalogue.values():
        paths |= _documents(collection, base)
        path = f"/collections/{collection.name}/items"
        paths[path] = _items(collection, Site(base, path, ()))
        paths[f"{path}/{{featureId}}"] = _item(collection)
    return paths


def selecting_parameters(collection: Collection) -> list[Document]:
    """The parameters that select features of a collection, its properties among them."""
    filters = (filter_parameter(each) for each in collection.filters.values())
    return [*(_parameter(each) for each in PARAMETERS), *filters]


def _documents(collection: Collection, base: str) -> Document:
    label, path = label_of(collection), f"/collections/{collection.name}"
    site = Site(base, path, ())
    described = documents.collection_document(site, collection, EXAMPLE_BOX, shown="json")
    paths: Document = {
        path: {
            "get": _reading(
                f"describe{label}",
                f"{collection.title}: description",
                _answer("The collection", JSON, "collection", described),
                tag=collection.title,
            )
        }
    }
    for kind in KINDS:
        paths[f"{path}/{kind}"] = {
            "get": _reading(
                f"get{label}{kind.capitalize()}",
                f"{collection.title}: {kind}",
                _answer(
                    kind_title(kind), SCHEMA, "jsonSchema", schema_document(site, collection, kind)
                ),
                tag=collection.title,
            )
        }
    return paths


def _items(collection: Collection, site: Site) -> Document:
    label, title = label_of(collection), collection.title
    schema = {
        "allOf": [
            reference("featureCollectionGeoJSON"),
            {
                "type": "object",
                "properties": {"features": {"type": "array", "items": feature_schema(collection)}},
            },
        ]
    }
    answer = {
        "description": "A page of features",
        "headers": _CRS,
        "content": {
            GEOJSON: {"schema": schema, "example": example_page(collection, site)},
            HTML: _PAGE,
        },
    }
    operations = {
        "get": _reading(
            f"get{label}",
            title,
            answer,
            tag=title,
            parameters=[
                *(_parameter(each) for each in _PAGING),
                *selecting_parameters(collection),
            ],
        )
    }
    if "create" in collection.actions:
        operations["post"] = _writing(
            collection,
            f"create{label}Feature",
            "add one",
            {"201": _written(collection, "The feature as it was added", "Location")},
            body={GEOJSON: {"schema": feature_schema(collection, written=True)}},
            refusals=(413, 415),
        )
    if collection.in_groups:
        operations["patch"] = _writing(
            collection,
            f"change{label}",
            "change several at once",
            {"200": _written_together(collection, schema)},
            body={GEOJSON: {"schema": _group_schema(collection)}},
            parameters=[_parameter("if-match-all")],
            refusals=(404, 412, 413, 415, 428),
        )
    return operations


def _item(collection: Collection) -> Document:
    label, title = label_of(collection), collection.title
    answer = {
        "description": "The feature",
        "headers": {**_TAG, **_CRS},
        "content": {
            GEOJSON: {"schema": feature_schema(collection)},
            HTML: _PAGE,
        },
    }
    reading = _reading(
        f"get{label}Feature",
        f"{title}: one feature",
        answer,
        tag=title,
        parameters=[_identifier(collection), _parameter("crs"), _parameter("if-none-match")],
        missing=_missing(collection),
    )
    reading["responses"]["304"] = {
        "description": "It is the version that If-None-Match names",
        "headers": _TAG,
    }
    operations = {"get": reading}
    written = _written(collection, "The feature as it was written", "Content-Location")
    media_types: dict[Action, str] = {"replace": GEOJSON, "update": MERGE_PATCH}
    methods: dict[Action, str] = {"replace": "put", "update": "patch", "delete": "delete"}
    for action, method in methods.items():
        if action not in collection.actions:
            continue
        media_type = media_types.get(action)
        body = None
        if media_type is not None:
            schema = feature_schema(collection, written=True, partial=action == "update")
            body = {media_type: {"schema": schema}}
        operations[method] = _writing(
            collection,
            f"{action}{label}Feature",
            f"{action} one",
            {"200": written} if body else {"204": {"description": "It is gone"}},
            body=body,
            parameters=[
                _identifier(collection),
                _parameter("if-match"),
                *([_PASSED_OVER] if action == "replace" else []),
            ],
            refusals=(404, 412, 413, 415, 428) if body else (404, 412, 428),
        )
    return operations


def _group_schema(collection: Collection) -> Document:
    """Features written together: with an id in the place of another, without one as a new one."""
    one = feature_schema(collection, written=True)
    example = {**one.pop("example"), "id": example_feature(collection)["id"]}
    one["properties"]["id"] = {
        "type": "string",
        "description": "Of the feature that it replaces; with a geometry of null, that goes.",
    }
    return {
        "type": "object",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "minItems": 1, "items": one},
        },
        "example": {"type": "FeatureCollection", "features": [example]},
    }


def label_of(collection: Collection) -> str:
    """What the identifiers of its operations call a collection."""
    words = collection.name.replace(".", "_")
    return words[:1].upper() + words[1:]


def _identifier(collection: Collection) -> Document:
    """The parameter that names one feature."""
    return {
        "name": "featureId",
        "in": "path",
        "description": "Identifier of the feature, as in its id.",
        "required": True,
        "schema": {"type": "string"},
        "example": str(example_feature(collection)["id"]),
    }


#: QGIS sends it along.
_PASSED_OVER: Final[Document] = {
    "name": "crs",
    "in": "query",
    "description": "Passed over: Content-Crs tells the reference system of the body.",
    "required": False,
    "schema": {"type": "string"},
    "example": CRS84,
}


def _parameter(name: str) -> Document:
    return {"$ref": f"#/components/parameters/{name}"}


def _missing(collection: Collection) -> Document:
    identifier = example_feature(collection)["id"]
    detail = f"The collection '{collection.name}' has no feature '{identifier}'."
    return problem_response(404, "There is no such feature", detail=detail)


def _answer(description: str, media_type: str, schema: str, example: Document) -> Document:
    return {
        "description": description,
        "content": {
            media_type: {"schema": reference(schema), "example": example},
            HTML: _PAGE,
        },
    }


def _reading(
    identifier: str,
    summary: str,
    answer: Document,
    *,
    tag: str,
    parameters: Iterable[Document] = (),
    missing: Document | None = None,
) -> Document:
    responses = {"200": answer}
    if missing is not None:
        responses["404"] = missing
    return with_problems(
        {
            "operationId": identifier,
            "summary": summary,
            "tags": [tag],
            "parameters": [_parameter("f"), *parameters],
            "responses": responses,
        }
    )


_BROKEN: Final = problem_response(
    409,
    "A rule forbids it; where the grids would not tile, with the faults as GeoJSON",
    detail="The grids would not tile community 980101001001: 1 fault, a gap of 120.0 m2.",
    faults=EXAMPLE_FAULTS,
)


def _writing(
    collection: Collection,
    identifier: str,
    summary: str,
    responses: Document,
    *,
    body: Document | None = None,
    parameters: Iterable[Document] = (),
    refusals: tuple[int, ...] = (),
) -> Document:
    operation: Document = {
        "operationId": identifier,
        "summary": f"{collection.title}: {summary}",
        "tags": [collection.title],
        "parameters": [*parameters, *([_parameter("content-crs")] if body else [])],
        "responses": {
            **responses,
            **{str(status): shared_problem(status) for status in {401, 403, *refusals} - {404}},
            "409": _BROKEN if collection.in_groups else problem_response(409, "A rule forbids it"),
            **({"404": _missing(collection)} if 404 in refusals else {}),
        },
        "security": _SECURITY,
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    return with_problems(operation)


def _written(collection: Collection, description: str, address: str) -> Document:
    uri = {
        "description": "Its address",
        "schema": {"type": "string", "format": "uri"},
        "example": f"http://127.0.0.1:8000/collections/{collection.name}/items/1",
    }
    return {
        "description": description,
        "headers": {**_TAG, **_CRS, address: uri},
        "content": {GEOJSON: {"schema": feature_schema(collection)}},
    }


def _written_together(collection: Collection, schema: Document) -> Document:
    return {
        "description": "The features as they were written",
        "headers": _CRS,
        "content": {
            GEOJSON: {"schema": schema, "example": _collected(example_feature(collection))}
        },
    }


def _collected(feature: Document) -> Document:
    return {"type": "FeatureCollection", "features": [feature]}
