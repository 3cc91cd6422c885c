"""Geometries as schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["GEOMETRIES", "NULL", "geometry_schema"]

Document = dict[str, Any]

#: Nothing but null: ``nullable`` says something only beside a type (OpenAPI 3.0.3).
NULL: Final[Document] = {"type": "object", "nullable": True, "enum": [None]}

_POSITION: Final[Document] = {
    "type": "array",
    "minItems": 2,
    "maxItems": 3,
    "items": {"type": "number"},
}


def _several(items: Document, least: int = 1) -> Document:
    return {"type": "array", "minItems": least, "items": items}


#: type -> its coordinates
_COORDINATES: Final[dict[str, Document]] = {
    "Point": _POSITION,
    "MultiPoint": _several(_POSITION),
    "LineString": _several(_POSITION, 2),
    "MultiLineString": _several(_several(_POSITION, 2)),
    "Polygon": _several(_several(_POSITION, 4)),
    "MultiPolygon": _several(_several(_several(_POSITION, 4))),
}


def _name(kind: str) -> str:
    return f"{kind[0].lower()}{kind[1:]}GeoJSON"


#: The schemas by name: ``pointGeoJSON``, ...
GEOMETRIES: Final[dict[str, Document]] = {
    _name(kind): {
        "type": "object",
        "description": f"RFC 7946 geometry: {kind}.",
        "required": ["type", "coordinates"],
        "properties": {"type": {"type": "string", "enum": [kind]}, "coordinates": coordinates},
    }
    for kind, coordinates in _COORDINATES.items()
}


def geometry_schema(geometry_type: str) -> Document:
    """The schema of a collection's geometries, any of which may be null.

    Parameters
    ----------
    geometry_type : str
        As the collection declares it: one type, several with "or" between, or anything else for
        all of them.
    """
    kinds = geometry_type.split(" or ")
    if "MultiPolygon" in kinds:  # one part is as good as several
        kinds = ["Polygon", "MultiPolygon"]
    if not set(kinds) <= set(_COORDINATES):
        kinds = list(_COORDINATES)
    return {"anyOf": [*({"$ref": f"#/components/schemas/{_name(kind)}"} for kind in kinds), NULL]}
