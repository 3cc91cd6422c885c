"""What the live map takes and answers, for the API document.

Places and outlines travel as whole millionths of a degree, each as a step from the one before.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Header, Path, Query

__all__ = [
    "BACKDROP",
    "COMMUNITIES",
    "FACILITIES",
    "FOUND",
    "GRID",
    "GRIDS",
    "HOUSEHOLDS",
    "MEMBERS",
    "PAGE",
    "SCRIPT",
    "STYLE",
    "DatasetNumber",
    "GridCode",
    "KnownVersion",
    "ViewBox",
    "ViewZoom",
]

Responses = dict[int | str, dict[str, Any]]

DatasetNumber = Annotated[
    int, Path(ge=1, lt=2**31, description="Number of the data set.", examples=[1])
]
GridCode = Annotated[str, Path(description="Code of the grid.", examples=["980101001001001"])]
ViewBox = Annotated[
    str,
    Query(
        max_length=200,
        description="West, south, east and north of the view in degrees.",
        json_schema_extra={"pattern": "^-?[0-9]+(\\.[0-9]+)?(,-?[0-9]+(\\.[0-9]+)?){3}$"},
        examples=["119.3,31.2,119.31,31.21"],
    ),
]
ViewZoom = Annotated[
    str,
    Query(
        max_length=20,
        description="Zoom level of the view.",
        json_schema_extra={"pattern": "^([0-9]|1[0-9]|2[0-3])(\\.[0-9]+)?$"},
        examples=["16"],
    ),
]
_SCRIPT_VERSION: Final = '"9f0c2d1b7a6e4c5d"'
KnownVersion = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The version that is known: its ETag.",
        examples=[_SCRIPT_VERSION],
    ),
]


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


_ASKED_ANEW: Final = {"Cache-Control": _header("For one reader", "private, no-cache")}
_KEPT: Final = {
    "ETag": _header("Version of the file", _SCRIPT_VERSION),
    "Cache-Control": _header("Asked for again each time", "no-cache"),
}


def _text(media_type: str, description: str, example: str) -> Responses:
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "headers": _KEPT, "content": content}, 304: _STANDS}


_STANDS: Final = {"description": "It is the version that If-None-Match names", "headers": _KEPT}
PAGE: Final[Responses] = {
    200: {
        "description": "The map",
        "headers": _ASKED_ANEW,
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}
SCRIPT: Final = _text("text/javascript", "The script of the page", '"use strict";')
STYLE: Final = _text("text/css", "The style sheet of the page", "html, body { height: 100%; }")


def _columns(description: str, example: dict[str, Any], *absent: str) -> Responses:
    """Describe columns of equal length by those of one row; some may be absent."""
    kinds = {list: "array", bool: "boolean", str: "string", int: "integer"}
    properties: dict[str, Any] = {}
    for name, value in example.items():
        properties[name] = {"type": kinds[type(value)], "nullable": True}
        if isinstance(value, list):
            properties[name]["items"] = {"nullable": True}
    schema = {
        "type": "object",
        "required": [name for name in example if name not in absent],
        "properties": properties,
    }
    content = {"application/json": {"schema": schema, "example": example}}
    return {200: {"description": description, "headers": _ASKED_ANEW, "content": content}}


_OUTLINE: Final = [[[119300000, 31200000, 10000, 0, 0, 10000]]]
_PLACE: Final[dict[str, Any]] = {"x": [119305000], "y": [31205000]}
GRIDS: Final = _columns(
    "Grids; with the column grids, divisions that stand for theirs",
    {
        "code": ["980101001001001"],
        "community": ["980101001001"],
        "name": ["Riverside"],
        "households": [410],
        "flag": ["oversize"],
        "grids": [12],
        "missing": [1],
        "geometry": [_OUTLINE],
    },
    "community",
    "flag",
    "grids",
)
GRID: Final = _columns(
    "The grid with its team",
    {
        "code": "980101001001001",
        "communityCode": "980101001001",
        "community": "Riverside",
        "households": 410,
        "flag": "oversize",
        "missing": 1,
        "geometry": _OUTLINE,
        "team": [
            {
                "role": "police",
                "members": [{"id": "M-4", "name": "Ann", "distance": 120}],
                "missing": 1,
                "reason": "nobody near enough",
            }
        ],
    },
)
HOUSEHOLDS: Final = _columns(
    "Households together in cells, or place by place with their addresses",
    {
        **_PLACE,
        "households": [12],
        "places": [3],
        "grid": ["980101001001001"],
        "addresses": [1],
        "address": ["17 Long Street"],
        "at_address": [12],
    },
    "places",
    "grid",
    "addresses",
    "address",
    "at_address",
)
MEMBERS: Final = _columns(
    "Members with the posts that they hold; with more, there are too many to draw",
    {
        **_PLACE,
        "id": ["M-4"],
        "name": ["Ann"],
        "roles": [["leader", "police"]],
        "posts": [[{"role": "police", "grid": "980101001001001"}]],
        "more": False,
    },
)
FACILITIES: Final = _columns(
    "Facilities; with more, there are too many to draw",
    {**_PLACE, "name": ["Old clinic"], "kind": ["clinic"], "more": False},
)
COMMUNITIES: Final = _columns(
    "Communities, or the divisions above them",
    {"code": ["980101001001"], "name": ["Riverside"], "geometry": [_OUTLINE]},
)
BACKDROP: Final = _columns(
    "Roads, rail and water by kind; with more, there are too many to draw",
    {
        "layers": [
            {"kind": "road", "lines": [[119300000, 31200000, 5000, 0]], "areas": [_OUTLINE]}
        ],
        "more": False,
    },
)
FOUND: Final[Responses] = {
    200: {
        "description": "Grids and addresses, at most 8",
        "headers": _ASKED_ANEW,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["kind", "label", "hint"],
                        "properties": {
                            "kind": {"type": "string", "enum": ["grid", "address"]},
                            "label": {"type": "string"},
                            "hint": {"type": "string"},
                            "code": {"type": "string"},
                            "place": {"type": "object"},
                        },
                    },
                },
                "example": [
                    {
                        "kind": "grid",
                        "label": "980101001001001",
                        "hint": "Riverside",
                        "code": "980101001001001",
                    }
                ],
            }
        },
    }
}
