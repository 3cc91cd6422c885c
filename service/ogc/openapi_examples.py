"""Examples for every parameter and every answer of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from service.catalogue.collection import Collection, Property
from service.ogc.links import HTML

__all__ = ["add_examples", "example_feature"]

Document = dict[str, Any]

_GRID: Final = "980101001001001"
#: property -> what it may look like
_VALUES: Final[dict[str, Any]] = {
    "address": "17 Long Street",
    "at": "2026-01-31T08:00:00Z",
    "building": "3",
    "code": _GRID[:12],
    "community": _GRID[:12],
    "community_code": _GRID[:12],
    "community_name": "Riverside",
    "dataset": "Riverside",
    "flag": "oversize",
    "grid_code": _GRID,
    "household": "A-17",
    "id": 17,
    "kind": "basic",
    "level": "community",
    "load_share": 1.02,
    "max_posts": 2,
    "member": "M-4",
    "parent": _GRID[:9],
    "reason": "one tower",
    "reference": "A-17",
    "role": "police",
    "roles": ["leader", "police"],
    "unit": "401",
}
_OF_TYPE: Final[dict[str, Any]] = {
    "string": "text",
    "integer": 1,
    "number": 0.5,
    "boolean": False,
    "date-time": "2026-01-31T08:00:00Z",
    "date": "2026-01-31",
    "strings": ["one", "two"],
}
_FORMATS: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T08:00:00Z",
    "uri": "http://127.0.0.1:8000/collections",
    "uri-reference": "about:blank",
}
_SQUARE: Final = [[119.3, 31.2], [119.31, 31.2], [119.31, 31.21], [119.3, 31.21], [119.3, 31.2]]
_GEOMETRIES: Final[dict[str, Any]] = {
    "Point": {"type": "Point", "coordinates": [119.305, 31.205]},
    "Polygon": {"type": "Polygon", "coordinates": [_SQUARE]},
    "MultiPolygon": {"type": "MultiPolygon", "coordinates": [[_SQUARE]]},
}
_DEEPEST: Final = 6


def example_feature(collection: Collection, *, written: bool = False) -> Document:
    """A feature as it may be read, or as it may be written."""
    properties = {
        each.name: _value(each) for each in collection.properties if each.writable or not written
    }
    kind = collection.geometry_type.split(" or ")[0]
    feature: Document = {
        "type": "Feature",
        "geometry": _GEOMETRIES.get(kind, _GEOMETRIES["Point"]),
        "properties": properties,
    }
    if written:
        return feature
    names = [_value(collection.identifier)]
    if len(collection.key) > 1:
        own = {each.name: each for each in collection.properties}
        names = [_value(own[name]) for name in collection.key]
    identifier = names[0] if len(names) == 1 else ":".join(str(name) for name in names)
    return {"type": "Feature", "id": identifier, **feature}


def _value(each: Property) -> Any:
    if each.choices:
        return _VALUES.get(each.name) if _VALUES.get(each.name) in each.choices else each.choices[0]
    value = _VALUES.get(each.name)
    return _OF_TYPE[each.type] if value is None else value


def add_examples(document: Document) -> None:
    """Give every parameter, body and answer of the document that has none an example."""
    for holder in _holders(document):
        if "example" in holder or "examples" in holder or "$ref" in holder:
            continue
        schema = holder.get("schema")
        if schema is not None:
            name = holder.get("name")
            if name in _VALUES and "enum" not in schema and "$ref" not in schema:
                holder["example"] = _first(_VALUES[name])
            else:
                holder["example"] = _example(schema, document, 0)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _holders(document: Document) -> Iterator[Document]:
    yield from document["components"]["parameters"].values()
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation.get("parameters", [])
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                yield from body.get("headers", {}).values()
                for media_type, content in body.get("content", {}).items():
                    if media_type == HTML and content.get("schema") == {"type": "string"}:
                        content["example"] = "<!doctype html>"
                    yield content


def _example(schema: Document, document: Document, depth: int) -> Any:
    """A value that fits a schema, out of the examples, defaults and choices in it."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _example(target, document, depth)
    for member in ("example", "default"):
        if member in schema:
            return schema[member]
    if schema.get("enum"):
        return schema["enum"][0]
    if "allOf" in schema:
        merged: Document = {}
        for part in schema["allOf"]:
            value = _example(part, document, depth)
            merged |= value if isinstance(value, dict) else {}
        return merged
    for member in ("anyOf", "oneOf"):
        if schema.get(member):
            return _example(schema[member][0], document, depth)
    if depth > _DEEPEST:
        return None
    kind = schema.get("type")
    if kind == "object":
        return {
            name: _VALUES[name]
            if name in _VALUES and "$ref" not in each and each.get("type") == _json_type(name)
            else _example(each, document, depth + 1)
            for name, each in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [_example(schema["items"], document, depth + 1)] * schema.get("minItems", 1)
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return kind == "boolean" or None


def _json_type(name: str) -> str:
    kinds = {str: "string", int: "integer", float: "number", list: "array"}
    return kinds[type(_VALUES[name])]
