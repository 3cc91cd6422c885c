"""The features of a collection and the filters on them, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from service.catalogue.collection import Collection, Property
from service.ogc.openapi_examples import example_feature, example_patch, example_value
from service.ogc.openapi_geometries import geometry_schema
from service.ogc.schemas import bounded

__all__ = ["feature_schema", "filter_parameter", "reference"]

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


def reference(name: str) -> Document:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def filter_parameter(each: Property) -> Document:
    """The parameter ``name=value`` of a property."""
    value = example_value(each)
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
        "example": value[0] if isinstance(value, list) else value,
    }


def feature_schema(
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
    geometry = geometry_schema(collection.geometry_type)
    inner: Document = {"type": "object", "properties": properties}
    required = [each.name for each in collection.properties if each.required]
    if written and not partial and required:
        inner["required"] = required
    if partial:
        members = {"geometry": geometry, "properties": inner}
        return {
            "type": "object",
            "properties": members,
            "anyOf": [{"required": [each]} for each in members],
            "example": example_patch(collection),
        }
    example = example_feature(collection, written=written)
    if written:
        return {
            "type": "object",
            "required": ["type", "geometry", "properties"],
            "properties": {
                "type": {"type": "string", "enum": ["Feature"]},
                "geometry": geometry,
                "properties": inner,
            },
            "example": example,
        }
    return {
        "allOf": [
            reference("featureGeoJSON"),
            {"type": "object", "properties": {"geometry": geometry, "properties": inner}},
        ],
        "example": example,
    }
