"""Parameters and schemas that the paths of the OpenAPI document refer to."""

from __future__ import annotations

from typing import Any, Final

from service.catalogue.crs import CRS84, OFFERED
from service.catalogue.filtering import LANGUAGES
from service.ogc.openapi_geometries import GEOMETRIES
from service.ogc.paging import Position
from service.ogc.parameters import Limits

__all__ = ["SCHEMAS", "parameters"]


def parameters(limits: Limits) -> dict[str, Any]:
    """Describe the query parameters of the collections."""
    limit = _PARAMETERS["limit"]
    bounds = {"maximum": limits.maximum, "default": min(limits)}
    return {**_PARAMETERS, "limit": {**limit, "schema": {**limit["schema"], **bounds}}}


_URI: Final = {"type": "string", "format": "uri"}


def _reference_system(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": f"{description}; longitude and latitude without it.",
        "required": False,
        "schema": {**_URI, "enum": list(OFFERED), "default": CRS84},
        "style": "form",
        "explode": False,
        "example": CRS84,
    }


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "required": False,
        "schema": {"type": "string"},
        "example": example,
    }


_GRID: Final = "980101001001001"
_VERSION: Final = '"6fd1d3c1b6b8a1a1a3f0b6a5b9d6c7e2"'

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
    "bbox-crs": _reference_system("bbox-crs", "Reference system of bbox, in its axis order"),
    "crs": _reference_system("crs", "Reference system of the answer, in its axis order"),
    "filter": {
        "name": "filter",
        "in": "query",
        "description": "Only features that meet this condition in CQL2.",
        "required": False,
        "schema": {"type": "string"},
        "style": "form",
        "explode": False,
        "example": "S_INTERSECTS(geometry, BBOX(119.3, 31.2, 119.31, 31.21))",
    },
    "filter-lang": {
        "name": "filter-lang",
        "in": "query",
        "description": "How the filter is written.",
        "required": False,
        "schema": {"type": "string", "enum": list(LANGUAGES), "default": LANGUAGES[0]},
        "style": "form",
        "explode": False,
    },
    "filter-crs": _reference_system("filter-crs", "Reference system of the filter's geometries"),
    "sortby": {
        "name": "sortby",
        "in": "query",
        "description": (
            "Properties to put the features in order by, each with + or - before it for "
            "ascending or descending; those without a value come last."
        ),
        "required": False,
        "schema": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"type": "string"}},
        "style": "form",
        "explode": False,
        "example": ["-dataset"],
    },
    "if-match": _header(
        "If-Match", "The version that was read: its ETag. Without it 428, if so set.", _VERSION
    ),
    "if-match-all": _header(
        "If-Match",
        "The versions that were read: the ETags of all features with an id in the body, in any "
        "order, with commas between. One that is missing is 428, if so set, one that is old 412; "
        "then nothing is written.",
        f'{_VERSION}, "0c1f9a7e52d84b6c9e3a1d5f7b2c4e68"',
    ),
    "if-none-match": _header("If-None-Match", "The version that is known: its ETag.", _VERSION),
    "content-crs": {
        **_header("Content-Crs", "Reference system of the body, between < and >.", f"<{CRS84}>"),
        "schema": {"type": "string", "enum": [f"<{uri}>" for uri in OFFERED]},
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
        "schema": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": 2**63 - 1,
            "default": 0,
        },
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
        "example": Position((_GRID,), 480).token(),
    },
}

_LINKS: Final = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}

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
            "errors": {
                "type": "array",
                "description": "Every parameter or member at fault, where there are several.",
                "items": {
                    "type": "object",
                    "properties": {"parameter": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
            "faults": {
                "type": "object",
                "description": "Where grids would not tile: a GeoJSON feature collection.",
            },
        },
        "example": {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "The parameter 'limit' has to be at least 1.",
            "parameter": "limit",
        },
    },
    "jsonSchema": {
        "type": "object",
        "description": "A JSON Schema (2020-12).",
        "required": ["$schema", "$id", "type", "properties"],
        "properties": {
            "$schema": _URI,
            "$id": _URI,
            "title": {"type": "string"},
            "description": {"type": "string"},
            "type": {"type": "string", "enum": ["object"]},
            "properties": {"type": "object"},
        },
    },
    "functions": {
        "type": "object",
        "required": ["functions"],
        "properties": {
            "functions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "returns"],
                    "properties": {
                        "name": {"type": "string"},
                        "description": {"type": "string"},
                        "arguments": {"type": "array", "items": {"type": "object"}},
                        "returns": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
            "links": _LINKS,
        },
    },
    **GEOMETRIES,
    "link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {
            "href": {"type": "string"},
            "rel": {"type": "string"},
            "type": {"type": "string"},
            "title": {"type": "string"},
            "templated": {"type": "boolean"},
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
            "crs": {"type": "array", "items": _URI},
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
            "storageCrs": _URI,
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
            "geometry": {
                "type": "object",
                "nullable": True,
                "description": "RFC 7946 geometry, unless crs asks for another system.",
            },
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
