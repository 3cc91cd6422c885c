"""What a change of plans takes and answers, for the API document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Path

from service.flows.change_schemas import FAULT_PLACES
from service.web.problems import ProblemResponse

__all__ = ["DRAWING", "NO_DRAFT", "PLACE", "REFUSED", "GridCode"]

REFUSED: Final = "No draft: what is invalid, shares a code or lies in no community is no grid."
PLACE: Final[dict[str, Any]] = {
    "Location": {
        "description": "Where the plan is told",
        "schema": {"type": "string", "format": "uri"},
        "example": "http://127.0.0.1:8000/plans/2",
    }
}
DRAWING: Final[dict[str, Any]] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[119.3, 31.2], [119.31, 31.2], [119.31, 31.21], [119.3, 31.21], [119.3, 31.2]]
                ],
            },
            "properties": {"code": "north"},
        }
    ],
}
NO_DRAFT: Final[dict[str, Any]] = {
    "description": "Nothing of the drawing can be a grid; the faults are told",
    "content": {
        ProblemResponse.media_type: {
            "schema": {
                "allOf": [
                    {"$ref": "#/components/schemas/problem"},
                    {
                        "type": "object",
                        "required": ["faults", "fault_places"],
                        "properties": {
                            "polygons": {"type": "integer"},
                            "communities": {"type": "integer"},
                            "faults": {
                                "type": "object",
                                "additionalProperties": {"type": "integer"},
                            },
                            "fault_places": {"type": "object"},
                            "warnings": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                ]
            },
            "example": {
                "type": "about:blank",
                "title": HTTPStatus(422).phrase,
                "status": 422,
                "detail": REFUSED,
                "polygons": 1,
                "communities": 0,
                "faults": {"outside": 1},
                "warnings": ["The polygons are named by their rows."],
                "fault_places": FAULT_PLACES,
            },
        }
    },
}
GridCode = Annotated[str, Path(description="Code of the grid.", examples=["980101001001001"])]
