"""What the exports and their jobs take and answer, for the API document."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header, Path

from service.catalogue.formats import FORMATS
from service.exports.form import FORMS
from service.exports.jobs import Job, status

__all__ = [
    "DISPOSITION",
    "FILES",
    "JOB",
    "JOBS",
    "LOCATION",
    "NOT_KEPT",
    "PARTIAL",
    "TAG",
    "Ending",
    "JobNumber",
    "Range",
]

Document = dict[str, Any]

_FEATURE: Final[Document] = {
    "type": "Feature",
    "id": 17,
    "geometry": {"type": "Point", "coordinates": [119.305, 31.205]},
    "properties": {"reference": "A-17", "households": 1},
}
#: suffix -> how such a file begins, where it is no JSON document
_BEGINNINGS: Final = {
    "geojsonl": f"{json.dumps(_FEATURE)}\n",
    "geojsonseq": f"\x1e{json.dumps(_FEATURE)}\n",
    "csv": "\ufeffid,reference,households,lon,lat\n17,A-17,1,119.305,31.205\n",
    "gpkg": "SQLite format 3",
    "parquet": "PAR1",
    "fgb": "fgb",
}
_BINARY: Final = ("gpkg", "parquet", "fgb")


def _content(suffix: str) -> Document:
    if suffix == "geojson":
        return {
            "schema": {"$ref": "#/components/schemas/featureCollectionGeoJSON"},
            "example": {"type": "FeatureCollection", "features": [_FEATURE]},
        }
    kind = {"type": "string", "format": "binary"} if suffix in _BINARY else {"type": "string"}
    return {"schema": kind, "example": _BEGINNINGS[suffix]}


_PACKED: Final = {"schema": {"type": "string", "format": "binary"}, "example": "\x1f\x8b"}
FILES: Final[Document] = {
    **{media_type: _content(suffix) for suffix, media_type in FORMATS.items()},
    FORMS["csv.gz"].media_type: _PACKED,
}


def _header(description: str, example: str) -> Document:
    return {"description": description, "schema": {"type": "string"}, "example": example}


DISPOSITION: Final = {
    "Content-Disposition": _header(
        "What the file is called", 'attachment; filename="households.csv"'
    )
}
_PLACE: Final = "http://127.0.0.1:8000/jobs/0b5c6d3e-1f0a-4c57-9d2b-6f6f5d1b7a10"
LOCATION: Final = {"Location": _header("Where the job tells how far it is", _PLACE)}
NOT_KEPT: Final = {"Cache-Control": _header("It changes", "no-store")}
TAG: Final = {
    "ETag": _header("Version of the file, for If-Range", '"9f0c2d1b7a6e4c5d8f3a2b1c0d9e8f7a"')
}
PARTIAL: Final[Document] = {
    "description": "The bytes that Range asks for, of a file that is written first",
    "headers": {"Content-Range": _header("Which bytes these are", "bytes 0-1023/8192")},
    "content": {
        "*/*": {"schema": {"type": "string", "format": "binary"}, "example": "SQLite format 3"}
    },
}

_MOMENT: Final[Document] = {"type": "string", "format": "date-time"}
_TEXT: Final[Document] = {"type": "string"}
_COUNT: Final[Document] = {"type": "integer", "minimum": 0}
_EXAMPLE: Final = status(
    Job(
        id=UUID(_PLACE.rsplit("/", 1)[1]),
        collection="households",
        suffix="gpkg",
        query="community=980101001001",
        status="successful",
        total=1200,
        done=1200,
        bytes=8192,
        message=None,
        created=datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC),
        started=datetime(2026, 1, 31, 8, 0, 1, tzinfo=UTC),
        updated=datetime(2026, 1, 31, 8, 0, 3, tzinfo=UTC),
        finished=datetime(2026, 1, 31, 8, 0, 3, tzinfo=UTC),
    ),
    _PLACE,
)
_SCHEMA: Final[Document] = {
    "type": "object",
    "required": ["jobID", "type", "collection", "format", "status", "progress", "links"],
    "properties": {
        "jobID": {"type": "string", "format": "uuid"},
        "type": {"type": "string", "enum": ["export"]},
        "collection": _TEXT,
        "format": {"type": "string", "enum": list(FORMS)},
        "status": {
            "type": "string",
            "enum": ["accepted", "running", "successful", "failed", "dismissed"],
        },
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "rows": {**_COUNT, "description": "Rows to write."},
        "bytes": {**_COUNT, "description": "Size of the file."},
        "message": {**_TEXT, "description": "Why it failed."},
        "created": _MOMENT,
        "started": _MOMENT,
        "updated": _MOMENT,
        "finished": _MOMENT,
        "links": {"type": "array", "items": {"$ref": "#/components/schemas/link"}},
    },
}
#: One job, and the list of them.
JOB: Final[Document] = {"application/json": {"schema": _SCHEMA, "example": _EXAMPLE}}
JOBS: Final[Document] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["jobs"],
            "properties": {"jobs": {"type": "array", "items": _SCHEMA}},
        },
        "example": {"jobs": [_EXAMPLE]},
    }
}

JobNumber = Annotated[
    str,
    Path(description="Number of the job.", examples=[_PLACE.rsplit("/", 1)[1]]),
]
#: The end of an export's address.
Ending = Annotated[
    str,
    Path(
        description="Format of the file; with .gz, packed.",
        json_schema_extra={"enum": list(FORMS)},
        examples=["geojson"],
    ),
]
#: Read by what sends the file.
Range = Annotated[
    str | None,
    Header(alias="Range", description="Only these bytes of the file.", examples=["bytes=0-1023"]),
]
