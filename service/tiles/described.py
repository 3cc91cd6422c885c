"""What the tiles take and answer, for the API document; examples are made as answers are."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Header, Path, Query

from service.tiles import documents
from service.tiles.layers import LAYERS
from service.tiles.matrix import MATRIX_SETS

__all__ = [
    "MATRIX_SET",
    "MATRIX_SETS_LIST",
    "TILE",
    "TILESET",
    "TILESETS",
    "TILE_HEADERS",
    "TILE_JSON",
    "CollectionName",
    "Column",
    "KnownVersion",
    "Matrix",
    "MatrixSetName",
    "Row",
    "Version",
]

Document = dict[str, Any]
#: By status.
Responses = dict[int | str, Document]

_BASE: Final = "http://127.0.0.1:8000"
_BOX: Final = (119.3, 31.2, 119.31, 31.21)
_SET: Final = MATRIX_SETS[0]
_VERSION: Final = "6fd1d3c1b6b8a1a1"
_LAYER: Final = LAYERS["grids"]

CollectionName = Annotated[
    str, Path(description="Name of a collection that has tiles.", examples=[_LAYER.name])
]
MatrixSetName = Annotated[
    str,
    Path(
        description="Tile matrix set.",
        json_schema_extra={"enum": list(MATRIX_SETS)},
        examples=[_SET],
    ),
]
Matrix = Annotated[str, Path(description="Level of the set, from 0.", examples=["14"])]
Row = Annotated[
    str,
    Path(
        description="Row of the tile, from the north.",
        json_schema_extra={"type": "integer", "minimum": 0},
        examples=[6695],
    ),
]
Column = Annotated[
    str,
    Path(
        description="Column of the tile, from the west.",
        json_schema_extra={"type": "integer", "minimum": 0},
        examples=[13621],
    ),
]
Version = Annotated[
    str | None,
    Query(
        description="Version of the data, as TileJSON names it; such a tile may be kept for ever.",
        examples=[_VERSION],
    ),
]
KnownVersion = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The tile that is known: its ETag.",
        examples=[f'W/"{_VERSION}"'],
    ),
]


def _answer(description: str, schema: Document, example: Document) -> Responses:
    content = {"application/json": {"schema": schema, "example": example}}
    return {200: {"description": description, "content": content}}


def _object(*required: str, **properties: Document) -> Document:
    return {"type": "object", "required": list(required), "properties": properties}


def _header(description: str, example: str) -> Document:
    return {"description": description, "schema": {"type": "string"}, "example": example}


_TEXT: Final[Document] = {"type": "string"}
_NUMBERS: Final[Document] = {"type": "array", "items": {"type": "number"}}
_OBJECTS: Final[Document] = {"type": "array", "items": {"type": "object"}}
_LINKS: Final[Document] = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_HEADING: Final[Document] = {
    "title": _TEXT,
    "dataType": {"type": "string", "enum": ["vector"]},
    "crs": _TEXT,
    "tileMatrixSetId": _TEXT,
    "tileMatrixSetURI": _TEXT,
    "links": _LINKS,
}
_HEADED: Final = ("dataType", "crs", "links")


def _first_matrix(document: Document) -> Document:
    return {**document, "tileMatrices": document["tileMatrices"][:1]}


MATRIX_SETS_LIST: Final = _answer(
    "The tile matrix sets",
    _object(
        "tileMatrixSets",
        tileMatrixSets={
            "type": "array",
            "items": _object("id", "links", id=_TEXT, title=_TEXT, crs=_TEXT, links=_LINKS),
        },
    ),
    documents.matrix_sets(_BASE),
)
MATRIX_SET: Final = _answer(
    "The tile matrix set",
    _object("id", "crs", "tileMatrices", id=_TEXT, title=_TEXT, crs=_TEXT, tileMatrices=_OBJECTS),
    _first_matrix(documents.matrix_set_document(_SET)),
)
TILESETS: Final = _answer(
    "The tile sets",
    _object(
        "tilesets",
        links=_LINKS,
        tilesets={"type": "array", "items": _object(*_HEADED, **_HEADING)},
    ),
    documents.tilesets(_BASE, _LAYER),
)
TILESET: Final = _answer(
    "The tile set",
    _object(
        *_HEADED,
        **_HEADING,
        description=_TEXT,
        layers=_OBJECTS,
        boundingBox=_object("lowerLeft", "upperRight", lowerLeft=_NUMBERS, upperRight=_NUMBERS),
    ),
    documents.tileset(_BASE, _LAYER, _SET, _BOX),
)
TILE_JSON: Final = _answer(
    "The tile set as TileJSON 3.0",
    _object(
        "tilejson",
        "tiles",
        "vector_layers",
        tilejson=_TEXT,
        name=_TEXT,
        description=_TEXT,
        tiles={"type": "array", "items": _TEXT},
        minzoom={"type": "integer"},
        maxzoom={"type": "integer"},
        bounds=_NUMBERS,
        center=_NUMBERS,
        vector_layers=_OBJECTS,
    ),
    documents.tile_json(_BASE, _LAYER, _SET, _BOX, _VERSION),
)
TILE_JSON[200]["headers"] = {"Cache-Control": _header("It changes with the data", "no-cache")}
TILE_HEADERS: Final = {
    "ETag": _header("Version of the data", f'W/"{_VERSION}"'),
    "Cache-Control": _header("For ever where v names the version", "public, no-cache"),
}
TILE: Final[Responses] = {
    200: {
        "description": "The tile",
        "headers": TILE_HEADERS,
        "content": {
            documents.MVT: {
                "schema": {"type": "string", "format": "binary"},
                # one layer by the name of "grids", of version 2, with nothing in it
                "example": "\x1a\x09\x0a\x05gridsx\x02",
            }
        },
    },
    204: {"description": "Nothing is in this tile", "headers": TILE_HEADERS},
    304: {"description": "The tile that you have still holds", "headers": TILE_HEADERS},
}
