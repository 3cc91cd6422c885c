"""Examples for every parameter and every answer of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from service.catalogue.collection import Collection, Property
from service.catalogue.selection import Box
from service.ogc.links import GEOJSON, HTML, JSON, Site, link

__all__ = [
    "EXAMPLE_BOX",
    "EXAMPLE_FAULTS",
    "add_examples",
    "example_feature",
    "example_page",
    "example_patch",
    "example_value",
]

Document = dict[str, Any]

EXAMPLE_BOX: Final[Box] = (119.3, 31.2, 119.31, 31.21)
_GRID: Final = "980101001001001"
#: property -> what it may look like; where it has another type elsewhere, one value a type
_VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "address": ("17 Long Street",),
    "at": ("2026-01-31T08:00:00Z",),
    "building": ("3",),
    "changed": (True,),
    "code": (_GRID[:12],),
    "communities": (1, [_GRID[:12]]),
    "community": (_GRID[:12],),
    "community_code": (_GRID[:12],),
    "community_name": ("Riverside",),
    "compactness": (0.71,),
    "compactness_before": (0.69,),
    "dataset": ("Riverside",),
    "detail": ("The parameter 'limit' has to be at least 1.",),
    "distance_m": (120,),
    "division": (_GRID[:12],),
    "facility": ("F-1",),
    "filled": (1,),
    "flag": ("oversize",),
    "grid": (_GRID,),
    "grid_code": (_GRID,),
    "grids": (12,),
    "grids_before": (12,),
    "household": ("A-17",),
    "household_id": (17,),
    "households": (410,),
    "households_before": (520,),
    "households_drawn": (400,),
    "href": (f"http://127.0.0.1:8000/coverage/{_GRID[:12]}",),
    "id": (17,),
    "keep": ("preview",),
    "kind": ("basic", "clinic"),
    "lat": (31.205,),
    "level": ("community",),
    "load_share": (1.02,),
    "lon": (119.305,),
    "max_posts": (2,),
    "maximum": (500,),
    "member": ("M-4",),
    "member_name": ("Ann",),
    "method": ("covers",),
    "minimum": (300,),
    "name": ("Riverside",),
    "needed": (3,),
    "never_began": ([3],),
    "new_code": (f"{_GRID[:12]}014",),
    "old_code": (_GRID,),
    "parent": (_GRID[:9],),
    "posts_filled": (2,),
    "posts_required": (3,),
    "reason": ("one tower",),
    "records": (380,),
    "reference": ("A-17",),
    "required": (2,),
    "role": ("police",),
    "roles": (["leader", "police"],),
    "state": ("draft",),
    "target": (400,),
    "unit": ("401",),
    "warnings": (["The polygons are named by their rows."],),
}
#: property that maps names -> one of them
_NAMES: Final = {
    "faults": "gap",
    "kinds": "S",
    "places": "gap",
    "posts": "leader",
    "posts_required": "leader",
    "repairs": "overlap",
    "team": "police",
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
_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "date-time": (),
    "date": (),
    "strings": (list,),
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


#: Where grids would not tile.
EXAMPLE_FAULTS: Final[Document] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": _GEOMETRIES["Polygon"],
            "properties": {"kind": "gap", "codes": [_GRID[:12]], "area_m2": 120.0},
        }
    ],
}


def example_feature(collection: Collection, *, written: bool = False) -> Document:
    """A feature as it may be read, or as it may be written."""
    properties = {
        each.name: example_value(each)
        for each in collection.properties
        if each.writable or not written
    }
    kind = collection.geometry_type.split(" or ")[0]
    feature: Document = {
        "type": "Feature",
        "geometry": _GEOMETRIES.get(kind, _GEOMETRIES["Point"]),
        "properties": properties,
    }
    if written:
        return feature
    names = [example_value(collection.identifier)]
    if len(collection.key) > 1:
        own = {each.name: each for each in collection.properties}
        names = [example_value(own[name]) for name in collection.key]
    identifier = names[0] if len(names) == 1 else ":".join(str(name) for name in names)
    return {"type": "Feature", "id": identifier, **feature}


def example_patch(collection: Collection) -> Document:
    """A merge patch of a feature: the last of the properties that may be written."""
    last = [each for each in collection.properties if each.writable][-1]
    return {"properties": {last.name: example_value(last)}}


def example_page(collection: Collection, site: Site) -> Document:
    """A page with one feature."""
    up = site.url(f"/collections/{collection.name}")
    return {
        "type": "FeatureCollection",
        "features": [example_feature(collection)],
        "timeStamp": _OF_TYPE["date-time"],
        "numberMatched": 1,
        "numberReturned": 1,
        "links": [
            *site.itself(shown="json", media_type=GEOJSON),
            link(up, "collection", JSON, collection.title),
        ],
    }


def example_value(each: Property) -> Any:
    """A value of a property: one of its choices, or one of its type."""
    known = _VALUES.get(each.name, ())
    if each.choices:
        return next((value for value in known if value in each.choices), each.choices[0])
    fitting = (value for value in known if isinstance(value, _PYTHON[each.type]))
    return next(fitting, _OF_TYPE[each.type])


def add_examples(document: Document) -> None:
    """Give every parameter, body and answer of the document that has none an example."""
    for holder in _holders(document):
        if "example" in holder or "examples" in holder or "$ref" in holder:
            continue
        if "schema" in holder:
            name = holder.get("name", "")
            holder["example"] = _example(holder["schema"], document, name=name)


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
                        content["example"] = "<!doctype html>\n<title>Gridward</title>"
                    yield content


def _example(schema: Document, document: Document, *, name: str = "", depth: int = 0) -> Any:
    """A value that fits a schema, out of the examples, defaults and choices in it.

    ``name`` is that of the property or parameter, where it has one.
    """
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _example(target, document, name=name, depth=depth)
    if "example" in schema:
        return schema["example"]
    if schema.get("enum"):
        return schema.get("default", schema["enum"][0])
    if "allOf" in schema:
        parts = [_example(part, document, name=name, depth=depth) for part in schema["allOf"]]
        objects = [part for part in parts if isinstance(part, dict)]
        return {name: value for part in objects for name, value in part.items()}
    for member in ("anyOf", "oneOf"):
        if schema.get(member):
            return _example(schema[member][0], document, name=name, depth=depth)
    if "default" in schema:
        return schema["default"]
    kind = schema.get("type")
    if schema.get("format") not in _FORMATS:
        for value in _VALUES.get(name, ()):
            if _is_of(value, kind) and "$ref" not in schema.get("items", {}):
                return value
    if depth > _DEEPEST:
        return None
    if kind == "object":
        return _object(schema, document, name=name, depth=depth)
    if kind == "array":
        inside = _example(schema["items"], document, name=name, depth=depth + 1)
        return [inside] * schema.get("minItems", 1)
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return kind == "boolean" or None


def _object(schema: Document, document: Document, *, name: str, depth: int) -> Document:
    """An object with each of its properties, or with one of the names that it maps."""
    values = schema.get("additionalProperties")
    if "properties" not in schema and isinstance(values, dict):
        return {_NAMES.get(name, "text"): _example(values, document, depth=depth + 1)}
    return {
        inner: _example(each, document, name=inner, depth=depth + 1)
        for inner, each in schema.get("properties", {}).items()
    }


def _is_of(value: Any, kind: str | None) -> bool:
    """Whether a value is of a type of JSON Schema."""
    if kind == "number":
        return type(value) in (int, float)
    return type(value) is {"string": str, "integer": int, "array": list, "boolean": bool}.get(
        kind or ""
    )
