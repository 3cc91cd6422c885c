"""JSON Schemas of the features, the queryables and the sortables (OGC API - Features Part 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.catalogue.collection import Collection, Property
from service.ogc.links import SCHEMA, Site, link

__all__ = ["KINDS", "RELATIONS", "bounded", "kind_title", "property_schema", "schema_document"]

Document = dict[str, Any]

#: The documents: name in the address -> relation of the link to it.
RELATIONS: Final = {
    each: f"http://www.opengis.net/def/rel/ogc/1.0/{each}"
    for each in ("schema", "queryables", "sortables")
}
KINDS: Final = tuple(RELATIONS)
_TITLES: Final = {
    "schema": "Properties of a feature",
    "queryables": "Properties that a filter may name",
    "sortables": "Properties that an order may name",
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[dict[str, Document]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "strings": {"type": "array", "items": {"type": "string"}},
}
_GEOMETRIES: Final = {
    "Point": "geometry-point",
    "MultiPoint": "geometry-multipoint",
    "LineString": "geometry-linestring",
    "MultiLineString": "geometry-multilinestring",
    "Polygon": "geometry-polygon",
    "MultiPolygon": "geometry-multipolygon",
    "Polygon or MultiPolygon": "geometry-polygon-or-multipolygon",
}


def kind_title(kind: str) -> str:
    """What a document of this kind tells."""
    return _TITLES[kind]


def schema_document(site: Site, collection: Collection, kind: str) -> Document:
    """One of the three documents of a collection.

    Parameters
    ----------
    site : Site
    collection : Collection
    kind : str
        A key of :data:`RELATIONS`.
    """
    path = f"/collections/{collection.name}"
    document: Document = {
        "$schema": _DIALECT,
        "$id": site.url(f"{path}/{kind}"),
        "title": f"{collection.title}: {_TITLES[kind].lower()}",
        "description": collection.description,
        "type": "object",
        "properties": {},
        "additionalProperties": False,
        "links": [
            link(site.url(f"{path}/{kind}"), "self", SCHEMA, "This document"),
            link(site.url(path), "collection", "application/json", collection.title),
        ],
    }
    if kind == "schema":
        named: Iterable[Property] = collection.properties
        if collection.identifier not in collection.properties:
            named = (collection.identifier, *collection.properties)
        required = [each.name for each in collection.properties if each.required]
        if required:
            document["required"] = required
    else:
        named = collection.queryables.values()
    properties: Document = document["properties"]
    for each in named:
        if kind != "sortables" or each.sortable:
            properties[each.name] = property_schema(each, number=len(properties) + 1)
    if kind != "sortables" and collection.has_geometry:
        properties[collection.geometry] = {
            "title": "Geometry",
            "format": _GEOMETRIES.get(collection.geometry_type, "geometry-any"),
            "x-ogc-role": "primary-geometry",
            "x-ogc-propertySeq": len(properties) + 1,
        }
    return document


def property_schema(each: Property, *, number: int | None = None) -> Document:
    """One property; what is not taken from writers is marked ``readOnly``."""
    schema: Document = {"title": each.title, **bounded(each, _TYPES[each.type])}
    if each.choices:
        schema["enum"] = list(each.choices)
    if each.unit is not None:
        schema |= {"x-ogc-unit": each.unit, "x-ogc-unitLang": "UCUM"}
    if each.role is not None:
        schema["x-ogc-role"] = each.role
    if number is not None:
        schema["x-ogc-propertySeq"] = number
    if not each.writable:
        schema["readOnly"] = True
    return schema


def bounded(each: Property, schema: Document) -> Document:
    """The schema of a property with the greatest length of its texts, where they are written."""
    if not each.writable or each.choices:
        return schema
    if each.type == "string":
        return {**schema, "maxLength": each.longest}
    if each.type == "strings":
        return {**schema, "items": {**schema["items"], "maxLength": each.longest}}
    return schema
