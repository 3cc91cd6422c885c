"""Parameters and schemas that the paths of the OpenAPI document refer to."""

from __future__ import annotations

from typing import Any, Final

from service.ogc.parameters import Limits

__all__ = ["SCHEMAS", "parameters"]


def parameters(limits: Limits) -> dict[str, Any]:
    """Describe the query parameters of the collections."""
    limit = _PARAMETERS["limit"]
    bounds = {"maximum": limits.maximum, "default": min(limits)}
    return {**_PARAMETERS, "limit": {**limit, "schema": {**limit["schema"], **bounds}}}


_PARAMETERS: Final[dict[str, Any]] = {
    "f": {
        "name": "f",
        "in": "query",
        "description": "Representation; without it, the Accept header decides.",
        "required": False,
        "schema": {"type": "string", "enum": ["json", "geojson", "html"]},
        "style": "form",
        "explode": False,
    },
    "bbox": {
        "name": "bbox",
        "in": "query",
        "description": (
            "Only features whose geometry meets this box: minimum longitude, minimum latitude, "
            "[minimum height,] maximum longitude, maximum latitude[, maximum height] in WGS84. "
            "A minimum longitude above the maximum crosses the antimeridian. Height is not used."
        ),
        "required": False,
        "schema": {
            "type": "array",
            "minItems": 4,
            "maxItems": 6,
            "items": {"type": "number"},
        },
        "style": "form",
        "explode": False,
        "example": [-71.12, 42.36, -71.1, 42.38],
    },
    "datetime": {
        "name": "datetime",
        "in": "query",
        "description": (
            "Only features that hold at a moment (RFC 3339) or within an interval start/end, "
            "where .. leaves an end open. Features without time always hold."
        ),
        "required": False,
        "schema": {"type": "string"},
        "style": "form",
        "explode": False,
        "example": "2026-01-01T00:00:00Z/..",
    },
    "limit": {
        "name": "limit",
        "in": "query",
        "description": "Features a page. More than the maximum is taken as the maximum.",
        "required": False,
        "schema": {
            "type": "integer",
            "minimum": 1,
        },
        "style": "form",
        "explode": False,
    },
    "offset": {
        "name": "offset",
        "in": "query",
        "description": "Features to skip. The next links are faster: they seek instead of skip.",
        "required": False,
        "schema": {"type": "integer", "format": "int64", "minimum": 0, "default": 0},
        "style": "form",
        "explode": False,
    },
    "token": {
        "name": "token",
        "in": "query",
        "description": "Where the page begins, as given by a next link. Not together with offset.",
        "required": False,
        "schema": {"type": "string"},
        "style": "form",
        "explode": False,
    },
    "featureId": {
        "name": "featureId",
        "in": "path",
        "description": "Identifier of a feature, as in its id.",
        "required": True,
        "schema": {"type": "string"},
    },
}

_LINKS: Final = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_URI: Final = {"type": "string", "format": "uri"}

SCHEMAS: Final[dict[str, Any]] = {
    "problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "parameter": {"type": "string", "description": "The parameter or member at fault."},
        },
    },
    "link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {
            "href": _URI,
            "rel": {"type": "string"},
            "type": {"type": "string"},
            "title": {"type": "string"},
        },
    },
    "landingPage": {
        "type": "object",
        "required": ["links"],
        "properties": {
            "title": {"type": "string"},
            "description": {"type": "string"},
            "links": _LINKS,
        },
    },
    "confClasses": {
        "type": "object",
        "required": ["conformsTo"],
        "properties": {
            "conformsTo": {"type": "array", "items": _URI},
            "links": _LINKS,
        },
    },
    "collections": {
        "type": "object",
        "required": ["links", "collections"],
        "properties": {
            "links": _LINKS,
            "collections": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/collection"},
            },
        },
    },
    "collection": {
        "type": "object",
        "required": ["id", "links"],
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "description": {"type": "string"},
            "itemType": {"type": "string", "default": "feature"},
            "crs": {"type": "array", "items": _URI},
            "extent": {"$ref": "#/components/schemas/extent"},
            "links": _LINKS,
        },
    },
    "extent": {
        "type": "object",
        "properties": {
            "spatial": {
                "type": "object",
                "properties": {
                    "bbox": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "array",
                            "minItems": 4,
                            "maxItems": 6,
                            "items": {"type": "number"},
                        },
                    },
                    "crs": _URI,
                },
            }
        },
    },
    "featureGeoJSON": {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            "geometry": {"type": "object", "nullable": True, "description": "RFC 7946 geometry."},
            "properties": {"type": "object", "nullable": True},
            "links": _LINKS,
        },
    },
    "featureCollectionGeoJSON": {
        "type": "object",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/featureGeoJSON"},
            },
            "links": _LINKS,
            "timeStamp": {"type": "string", "format": "date-time"},
            "numberMatched": {"type": "integer", "minimum": 0},
            "numberReturned": {"type": "integer", "minimum": 0},
        },
    },
}
