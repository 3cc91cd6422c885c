"""The paths of the exports: one a collection, with the parameters that select from it."""

from __future__ import annotations

from typing import Any, Final

from service.catalogue.collection import Catalogue, Collection
from service.ogc.links import GEOJSON
from service.ogc.openapi_examples import example_feature
from service.ogc.openapi_paths import label_of, selecting_parameters

__all__ = ["EXPORTS", "export_paths"]

Document = dict[str, Any]

#: The route, as the framework describes it.
EXPORTS: Final = "/exports/{collection}.{suffix}"


def export_paths(catalogue: Catalogue, described: Document) -> Document:
    """Tell the one route by its collections, each of which has filters of its own.

    Parameters
    ----------
    catalogue : mapping
        Collections by name.
    described : dict
        The operations of the route, by method.
    """
    return {
        EXPORTS.replace("{collection}", collection.name): {
            method: _of(collection, method, operation) for method, operation in described.items()
        }
        for collection in catalogue.values()
    }


def _of(collection: Collection, method: str, operation: Document) -> Document:
    parameters = [each for each in operation["parameters"] if each["name"] != "collection"]
    told = {
        **operation,
        "operationId": f"{method}{label_of(collection)}Export",
        "summary": f"{collection.title}: {operation['summary'].removeprefix('A collection ')}",
        "parameters": [*parameters, *selecting_parameters(collection)],
    }
    if method == "get":
        told["responses"] = {**operation["responses"], "200": _file(collection, operation)}
    return told


def _file(collection: Collection, operation: Document) -> Document:
    answer = operation["responses"]["200"]
    page = {"type": "FeatureCollection", "features": [example_feature(collection)]}
    content = {**answer["content"]}
    content[GEOJSON] = {**content[GEOJSON], "example": page}
    return {**answer, "content": content}
