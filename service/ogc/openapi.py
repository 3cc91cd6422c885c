"""The API as an OpenAPI 3.0 document.

Clients of OGC API - Features (GDAL, QGIS, the conformance suite) read version 3.0 and look for the
parameters of every collection by its own path, so the collections' paths are written from their
declarations. The other routes are described by the framework, in 3.1, and translated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from service.catalogue.collection import Collection, Property
from service.ogc.links import GEOJSON, HTML, JSON, OPENAPI, PROBLEM
from service.ogc.openapi_components import SCHEMAS, parameters
from service.ogc.parameters import Limits

__all__ = ["openapi_document", "to_version_3_0"]

Document = dict[str, Any]

_JSON_SCHEMA_TYPES: Final[dict[str, Document]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "strings": {"type": "array", "items": {"type": "string"}},
}


def openapi_document(
    routes: Iterable[BaseRoute],
    catalogue: Mapping[str, Collection],
    *,
    base: str,
    limits: Limits,
) -> Document:
    """The whole document.

    Parameters
    ----------
    routes : iterable of BaseRoute
        The application's routes; those that are left out of the schema are not described.
    catalogue : mapping
        Collections by name.
    base : str
        Address of the server as the client sees it.
    limits : Limits
        Features on a page.
    """
    described = get_openapi(
        title="Gridward",
        version=version("gridward"),
        description=(
            "Service grids, the households in them and the teams that serve them. "
            "Coordinates are WGS84 degrees, longitude first; distances are metres on the spheroid."
        ),
        routes=list(routes),
        servers=[{"url": base}],
    )
    translated = to_version_3_0(described)
    components = translated.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(SCHEMAS)
    components["parameters"] = parameters(limits)
    paths: Document = {**_common_paths(), **_collection_paths(catalogue)}
    for path, operations in translated.get("paths", {}).items():
        paths[path] = {method: _with_problems(each) for method, each in operations.items()}
    return {**translated, "openapi": "3.0.3", "paths": paths}


def to_version_3_0(node: Any) -> Any:
    """Translate a part of an OpenAPI 3.1 document to 3.0: null, const, examples and bounds."""
    if isinstance(node, list):
        return [to_version_3_0(each) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {name: to_version_3_0(value) for name, value in node.items()}
    if isinstance(copy.get("anyOf"), list):
        copy = _without_null(copy)
    if "const" in copy:
        copy["enum"] = [copy.pop("const")]
    if isinstance(copy.get("examples"), list):
        copy["example"] = copy.pop("examples")[0]
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if type(copy.get(bound)) in (int, float):
            copy[plain], copy[bound] = copy[bound], True
    return copy


def _without_null(schema: Document) -> Document:
    kept = [each for each in schema["anyOf"] if each != {"type": "null"}]
    if len(kept) == len(schema["anyOf"]):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if rest.get("default", 0) is None:
        del rest["default"]
    if len(kept) > 1:
        return {**rest, "anyOf": kept, "nullable": True}
    only = kept[0]
    if "$ref" in only:
        return {**rest, "allOf": [only], "nullable": True}
    return {**only, **rest, "nullable": True}


def _with_problems(operation: Document) -> Document:
    """An operation whose refused requests answer as they do here: 400 and problem+json."""
    responses = {
        status: response
        for status, response in operation.get("responses", {}).items()
        if status != "422"
    }
    responses.setdefault("400", _problem("A parameter is unknown or malformed"))
    responses.setdefault("default", _problem("What went wrong"))
    return {**operation, "responses": responses}


def _problem(description: str) -> Document:
    schema = {"$ref": "#/components/schemas/problem"}
    return {"description": description, "content": {PROBLEM: {"schema": schema}}}


def _answer(description: str, media_type: str, schema: str) -> Document:
    return {
        "description": description,
        "content": {
            media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}},
            HTML: {"schema": {"type": "string"}},
        },
    }


def _operation(
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
    return _with_problems(
        {
            "operationId": identifier,
            "summary": summary,
            "tags": [tag],
            "parameters": [{"$ref": "#/components/parameters/f"}, *parameters],
            "responses": responses,
        }
    )


def _common_paths() -> Document:
    api = {
        "description": "This document",
        "content": {OPENAPI: {"schema": {"type": "object"}}},
    }
    return {
        "/": {
            "get": _operation(
                "getLandingPage",
                "Landing page",
                _answer("Links to everything", JSON, "landingPage"),
                tag="Capabilities",
            )
        },
        "/conformance": {
            "get": _operation(
                "getConformance",
                "Standards this API conforms to",
                _answer("Conformance classes", JSON, "confClasses"),
                tag="Capabilities",
            )
        },
        "/api": {
            "get": _with_problems(
                {
                    "operationId": "getApi",
                    "summary": "This document",
                    "tags": ["Capabilities"],
                    "responses": {"200": api},
                }
            )
        },
        "/collections": {
            "get": _operation(
                "getCollections",
                "All collections",
                _answer("The collections", JSON, "collections"),
                tag="Capabilities",
            )
        },
    }


def _collection_paths(catalogue: Mapping[str, Collection]) -> Document:
    paths: Document = {}
    for name, collection in catalogue.items():
        title, label = collection.title, name[0].upper() + name[1:]
        paths[f"/collections/{name}"] = {
            "get": _operation(
                f"describe{label}",
                f"{title}: description",
                _answer("The collection", JSON, "collection"),
                tag=title,
                missing="There is no such collection",
            )
        }
        paths[f"/collections/{name}/items"] = {
            "get": _operation(
                f"get{label}",
                title,
                _features_answer(collection),
                tag=title,
                parameters=[
                    *(
                        {"$ref": f"#/components/parameters/{each}"}
                        for each in ("bbox", "datetime", "limit", "offset", "token")
                    ),
                    *(_filter(each) for each in collection.filters.values()),
                ],
            )
        }
        paths[f"/collections/{name}/items/{{featureId}}"] = {
            "get": _operation(
                f"get{label}Feature",
                f"{title}: one feature",
                _feature_answer(collection),
                tag=title,
                parameters=[{"$ref": "#/components/parameters/featureId"}],
                missing="There is no such feature",
            )
        }
    return paths


def _filter(each: Property) -> Document:
    schema = _JSON_SCHEMA_TYPES["string" if each.type == "strings" else each.type]
    return {
        "name": each.name,
        "in": "query",
        "description": f"Only features with this value. {each.title}",
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


def _feature_schema(collection: Collection) -> Document:
    properties = {
        each.name: {**_JSON_SCHEMA_TYPES[each.type], "nullable": True, "title": each.title}
        for each in collection.properties
    }
    return {
        "allOf": [
            {"$ref": "#/components/schemas/featureGeoJSON"},
            {
                "type": "object",
                "properties": {"properties": {"type": "object", "properties": properties}},
            },
        ]
    }


def _feature_answer(collection: Collection) -> Document:
    return {
        "description": "The feature",
        "content": {
            GEOJSON: {"schema": _feature_schema(collection)},
            HTML: {"schema": {"type": "string"}},
        },
    }


def _features_answer(collection: Collection) -> Document:
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/featureCollectionGeoJSON"},
            {
                "type": "object",
                "properties": {"features": {"type": "array", "items": _feature_schema(collection)}},
            },
        ]
    }
    return {
        "description": "A page of features",
        "content": {GEOJSON: {"schema": schema}, HTML: {"schema": {"type": "string"}}},
    }
