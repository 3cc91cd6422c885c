"""The paths of the collections and of the documents about them, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.catalogue.collection import Action, Catalogue, Collection, Property
from service.ogc.links import GEOJSON, HTML, JSON, MERGE_PATCH, OPENAPI, PROBLEM, SCHEMA
from service.ogc.openapi_examples import example_feature
from service.ogc.schemas import KINDS, bounded, kind_title

__all__ = ["collection_paths", "common_paths", "with_problems"]

Document = dict[str, Any]

_TYPES: Final[dict[str, Document]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "strings": {"type": "array", "items": {"type": "string"}},
}
_SELECTING: Final = ("bbox", "bbox-crs", "datetime", "filter", "filter-lang", "filter-crs")
_PAGING: Final = ("limit", "offset", "token", "sortby", "crs")
#: With a token, or from this machine without one.
_SECURITY: Final[list[dict[str, list[str]]]] = [{"HTTPBearer": []}, {}]
_TAG: Final = {
    "ETag": {"description": "Version of the feature", "schema": {"type": "string"}},
}
_CRS: Final = {
    "Content-Crs": {
        "description": "Reference system of the coordinates, between < and >",
        "schema": {"type": "string"},
    },
}


def common_paths() -> Document:
    """The documents about the API as a whole."""
    api = {
        "description": "This document",
        "content": {OPENAPI: {"schema": {"type": "object"}}},
    }
    told = (
        ("/", "getLandingPage", "What there is and where", "landingPage"),
        ("/conformance", "getConformance", "Standards that the API conforms to", "confClasses"),
        ("/functions", "getFunctions", "Functions that a filter may call", "functions"),
        ("/collections", "getCollections", "All collections", "collections"),
    )
    paths: Document = {
        path: {
            "get": _reading(identifier, summary, _answer(summary, JSON, schema), tag="Capabilities")
        }
        for path, identifier, summary, schema in told
    }
    paths["/api"] = {
        "get": with_problems(
            {
                "operationId": "getApi",
                "summary": "This document",
                "tags": ["Capabilities"],
                "responses": {"200": api},
            }
        )
    }
    return paths


def collection_paths(catalogue: Catalogue) -> Document:
    """Every collection with its schemas, its items and each of them."""
    paths: Document = {}
    for collection in catalogue.values():
        paths |= _documents(collection)
        path = f"/collections/{collection.name}/items"
        paths[path] = _items(collection)
        paths[f"{path}/{{featureId}}"] = _item(collection)
    return paths


def with_problems(operation: Document) -> Document:
    """An operation whose refused requests answer as they do here: 400 and problem+json."""
    responses = {
        status: response
        for status, response in operation.get("responses", {}).items()
        if status != "422"
    }
    responses.setdefault("400", _problem("A parameter is unknown or malformed"))
    responses.setdefault("default", _problem("What went wrong"))
    return {**operation, "responses": responses}


def _documents(collection: Collection) -> Document:
    label, path = _label(collection), f"/collections/{collection.name}"
    paths: Document = {
        path: {
            "get": _reading(
                f"describe{label}",
                f"{collection.title}: description",
                _answer("The collection", JSON, "collection"),
                tag=collection.title,
            )
        }
    }
    for kind in KINDS:
        paths[f"{path}/{kind}"] = {
            "get": _reading(
                f"get{label}{kind.capitalize()}",
                f"{collection.title}: {kind}",
                _answer(kind_title(kind), SCHEMA, "jsonSchema"),
                tag=collection.title,
            )
        }
    return paths


def _items(collection: Collection) -> Document:
    label, title = _label(collection), collection.title
    schema = {
        "allOf": [
            _reference("featureCollectionGeoJSON"),
            {
                "type": "object",
                "properties": {"features": {"type": "array", "items": _feature_schema(collection)}},
            },
        ]
    }
    answer = {
        "description": "A page of features",
        "headers": _CRS,
        "content": {GEOJSON: {"schema": schema}, HTML: {"schema": {"type": "string"}}},
    }
    operations = {
        "get": _reading(
            f"get{label}",
            title,
            answer,
            tag=title,
            parameters=[
                *(_parameter(each) for each in (*_SELECTING, *_PAGING)),
                *(_filter(each) for each in collection.filters.values()),
            ],
        )
    }
    if "create" in collection.actions:
        operations["post"] = _writing(
            collection,
            f"create{label}Feature",
            "add one",
            {"201": _written(collection, "The feature as it was added", "Location")},
            body={GEOJSON: {"schema": _feature_schema(collection, written=True)}},
            refusals=(413, 415),
        )
    if collection.in_groups:
        operations["patch"] = _writing(
            collection,
            f"change{label}",
            "change several at once",
            {"200": {**answer, "description": "The features as they were written"}},
            body={GEOJSON: {"schema": _group_schema(collection)}},
            parameters=[_parameter("if-match-all")],
            refusals=(404, 412, 413, 415, 428),
        )
    return operations


def _item(collection: Collection) -> Document:
    label, title = _label(collection), collection.title
    answer = {
        "description": "The feature",
        "headers": {**_TAG, **_CRS},
        "content": {
            GEOJSON: {"schema": _feature_schema(collection)},
            HTML: {"schema": {"type": "string"}},
        },
    }
    reading = _reading(
        f"get{label}Feature",
        f"{title}: one feature",
        answer,
        tag=title,
        parameters=[_parameter("featureId"), _parameter("crs"), _parameter("if-none-match")],
        missing="There is no such feature",
    )
    reading["responses"]["304"] = {"description": "It is the version that If-None-Match names"}
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
            schema = _feature_schema(collection, written=True, partial=action == "update")
            body = {media_type: {"schema": schema}}
        operations[method] = _writing(
            collection,
            f"{action}{label}Feature",
            f"{action} one",
            {"200": written} if body else {"204": {"description": "It is gone"}},
            body=body,
            parameters=[_parameter("featureId"), _parameter("if-match")],
            refusals=(404, 412, 413, 415, 428) if body else (404, 412, 428),
        )
    return operations


def _group_schema(collection: Collection) -> Document:
    """Features written together: with an id in the place of another, without one as a new one."""
    one = _feature_schema(collection, written=True)
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


def _label(collection: Collection) -> str:
    words = collection.name.replace(".", "_")
    return words[:1].upper() + words[1:]


def _parameter(name: str) -> Document:
    return {"$ref": f"#/components/parameters/{name}"}


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _problem(description: str) -> Document:
    return {"description": description, "content": {PROBLEM: {"schema": _reference("problem")}}}


def _answer(description: str, media_type: str, schema: str) -> Document:
    return {
        "description": description,
        "content": {
            media_type: {"schema": _reference(schema)},
            HTML: {"schema": {"type": "string"}},
        },
    }


def _reading(
    identifier: str,
    summary: str,
    answer: Document,
    *,
    tag: str,
    parameters: Iterable[Document] = (),
    missing: str | None = None,
) -> Document:
    responses = {"200": answer}
    if missing is not None:
        responses["404"] = _problem(missing)
    return with_problems(
        {
            "operationId": identifier,
            "summary": summary,
            "tags": [tag],
            "parameters": [_parameter("f"), *parameters],
            "responses": responses,
        }
    )


_REFUSALS: Final = {
    401: "Writing needs a token",
    403: "Writing is not possible from there",
    404: "There is no such feature",
    409: "A rule forbids it; for grids, with the faults as GeoJSON",
    412: "It is no longer the version that If-Match names",
    413: "The body is too large",
    415: "The body is of a kind that is not read here",
    428: "If-Match is missing",
}


def _writing(
    collection: Collection,
    identifier: str,
    summary: str,
    responses: Document,
    *,
    body: Document | None = None,
    parameters: Iterable[Document] = (),
    refusals: Iterable[int] = (),
) -> Document:
    operation: Document = {
        "operationId": identifier,
        "summary": f"{collection.title}: {summary}",
        "tags": [collection.title],
        "parameters": [*parameters, *([_parameter("content-crs")] if body else [])],
        "responses": {
            **responses,
            **{
                str(status): _problem(_REFUSALS[status])
                for status in sorted({401, 403, 409, *refusals})
            },
        },
        "security": _SECURITY,
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    return with_problems(operation)


def _written(collection: Collection, description: str, address: str) -> Document:
    uri = {"description": "Its address", "schema": {"type": "string", "format": "uri"}}
    return {
        "description": description,
        "headers": {**_TAG, **_CRS, address: uri},
        "content": {GEOJSON: {"schema": _feature_schema(collection)}},
    }


def _filter(each: Property) -> Document:
    schema = dict(_TYPES["string" if each.type == "strings" else each.type])
    if each.choices:
        schema["enum"] = list(each.choices)
    return {
        "name": each.name,
        "in": "query",
        "description": f"Only features with this value. {each.title}",
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


def _feature_schema(
    collection: Collection, *, written: bool = False, partial: bool = False
) -> Document:
    """The schema of a feature as it is read, as it is written, or of a patch of it."""
    properties: Document = {}
    for each in collection.properties:
        if written and not each.writable:
            continue
        kind = _TYPES[each.type]
        schema = {**(bounded(each, kind) if written else kind), "title": each.title}
        if each.choices:
            schema["enum"] = list(each.choices)
        if not (written and each.required and not partial):
            schema["nullable"] = True
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        properties[each.name] = schema
    inner: Document = {"type": "object", "properties": properties}
    required = [each.name for each in collection.properties if each.required]
    if written and not partial and required:
        inner["required"] = required
    if partial:
        members = {"geometry": _reference("geometry"), "properties": inner}
        return {
            "type": "object",
            "properties": members,
            "anyOf": [{"required": [each]} for each in members],
            "example": {"properties": example_feature(collection, written=True)["properties"]},
        }
    example = example_feature(collection, written=written)
    if written:
        return {
            "type": "object",
            "required": ["type", "geometry", "properties"],
            "properties": {
                "type": {"type": "string", "enum": ["Feature"]},
                "geometry": _reference("geometry"),
                "properties": inner,
            },
            "example": example,
        }
    return {
        "allOf": [
            _reference("featureGeoJSON"),
            {"type": "object", "properties": {"properties": inner}},
        ],
        "example": example,
    }
