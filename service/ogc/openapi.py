"""The API as an OpenAPI 3.0 document.

Clients of OGC API - Features (GDAL, QGIS, the conformance suite) read version 3.0 and look for the
parameters of every collection by its own path, so the collections' paths are written from their
declarations. The other routes are described by the framework, in 3.1, and translated here.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from service.catalogue.collection import Catalogue
from service.ogc.openapi_components import SCHEMAS, parameters
from service.ogc.openapi_examples import add_examples
from service.ogc.openapi_exports import EXPORTS, export_paths
from service.ogc.openapi_geometries import NULL
from service.ogc.openapi_paths import collection_paths, common_paths
from service.ogc.openapi_problems import RESPONSES, with_problems
from service.ogc.parameters import Limits

__all__ = ["openapi_document", "to_version_3_0"]

Document = dict[str, Any]


def openapi_document(
    routes: Iterable[BaseRoute], catalogue: Catalogue, *, base: str, limits: Limits
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
    components["responses"] = RESPONSES
    told = translated.get("paths", {})
    told |= export_paths(catalogue, told.pop(EXPORTS))
    paths: Document = {**common_paths(catalogue, base), **collection_paths(catalogue, base)}
    for path, operations in told.items():
        paths[path] = {method: with_problems(each) for method, each in operations.items()}
    document = {**translated, "openapi": "3.0.3", "paths": paths}
    document["info"]["license"] = {"name": "Apache-2.0"}
    document["tags"] = [
        {"name": name, "description": text} for name, text in _tags(document, catalogue).items()
    ]
    add_examples(document)
    return document


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
    if len(kept) > 1 or "$ref" in kept[0]:
        return {**rest, "anyOf": [*kept, NULL]}
    return {**kept[0], **rest, "nullable": True}


def _tags(document: Document, catalogue: Catalogue) -> dict[str, str]:
    """Every tag that an operation has, with what stands under it."""
    known = {"Capabilities": "The API itself: what it offers, by which standards."}
    known |= {each.title: each.description for each in catalogue.values()}
    used = {
        tag: known.get(tag, tag)
        for operations in document["paths"].values()
        for operation in operations.values()
        for tag in operation.get("tags", [])
    }
    return used
