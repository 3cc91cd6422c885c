"""What there is to know about the tiles: OGC API - Tiles and TileJSON. Pure: no database."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from service.tiles.layers import Layer
from service.tiles.matrix import MATRIX_SETS, find_matrix_set

__all__ = ["MVT", "matrix_set_document", "matrix_sets", "tile_json", "tileset", "tilesets"]

#: Media type of a tile.
MVT: Final = "application/vnd.mapbox-vector-tile"
_JSON: Final = "application/json"
_CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_SCHEME: Final = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"
#: Closer in, a client enlarges the tile of this level.
_DEEPEST: Final = {0: 18, 1: 16, 2: 16, None: 18}
#: type in JSON Schema -> type in TileJSON
_KINDS: Final = {"integer": "Number", "number": "Number", "boolean": "Boolean"}

Document = dict[str, Any]
#: west, south, east, north in degrees
Box = tuple[float, float, float, float]


def tilesets(base: str, layer: Layer) -> Document:
    """The tile sets of one layer."""
    path = f"{base}/collections/{quote(layer.name)}/tiles"
    return {
        "links": [_link(path, "self", _JSON, f"Tile sets of {layer.title}")],
        "tilesets": [
            {
                **_heading(layer, name),
                "links": [
                    _link(f"{path}/{name}", "self", _JSON, f"{layer.title} in {name}"),
                    _scheme(base, name),
                ],
            }
            for name in MATRIX_SETS
        ],
    }


def tileset(base: str, layer: Layer, name: str, box: Box | None) -> Document:
    """One tile set: its layer, its box, and the address of its tiles."""
    path = f"{base}/collections/{quote(layer.name)}/tiles/{name}"
    content: Document = {
        "id": layer.name,
        "title": layer.title,
        "dataType": "vector",
        "propertiesSchema": {
            "type": "object",
            "properties": {
                field: {"title": meaning, "type": layer.types.get(field, "string")}
                for field, meaning in layer.fields.items()
            },
        },
    }
    if layer.dimension is not None:
        content["geometryDimension"] = layer.dimension
    document: Document = {
        **_heading(layer, name),
        "description": layer.description,
        "layers": [content],
        "links": [
            _link(path, "self", _JSON, f"{layer.title} in {name}"),
            {
                **_link(f"{path}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "item", MVT, "Tiles"),
                "templated": True,
            },
            _link(f"{path}/tilejson.json", "describedby", _JSON, "The same as TileJSON"),
            _scheme(base, name),
        ],
    }
    if box is not None:
        document["boundingBox"] = {
            "lowerLeft": list(box[:2]),
            "upperRight": list(box[2:]),
            "crs": _CRS84,
        }
    return document


def tile_json(base: str, layer: Layer, name: str, box: Box | None, version: str | None) -> Document:
    """One tile set as TileJSON 3.0; its addresses name the version, so that they may be kept."""
    deepest = _DEEPEST[layer.dimension]
    path = f"{base}/collections/{quote(layer.name)}/tiles/{name}"
    # TileJSON counts columns (x) before rows (y), the standard rows before columns
    document: Document = {
        "tilejson": "3.0.0",
        "name": layer.name,
        "description": layer.description,
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [f"{path}/{{z}}/{{y}}/{{x}}" + (f"?v={version}" if version else "")],
        "minzoom": 0,
        "maxzoom": deepest,
        "vector_layers": [
            {
                "id": layer.name,
                "description": layer.description,
                "fields": {
                    field: _KINDS.get(layer.types.get(field, "string"), "String")
                    for field in layer.fields
                },
                "minzoom": 0,
                "maxzoom": deepest,
            }
        ],
    }
    if box is not None:
        west, south, east, north = box
        document["bounds"] = list(box)
        document["center"] = [(west + east) / 2, (south + north) / 2, 8]
    return document


def matrix_sets(base: str) -> Document:
    """The tile matrix sets that tiles are served in."""
    return {
        "tileMatrixSets": [
            {
                "id": name,
                "title": find_matrix_set(name).title,
                "uri": str(find_matrix_set(name).uri),
                "crs": _crs(name),
                "links": [_link(f"{base}/tileMatrixSets/{name}", "self", _JSON, name)],
            }
            for name in MATRIX_SETS
        ]
    }


def matrix_set_document(name: str) -> Document:
    """One tile matrix set (OGC 17-083r4)."""
    document: Document = find_matrix_set(name).model_dump(
        exclude_none=True, mode="json", by_alias=True
    )
    return {**document, "crs": _crs(name)}


def _crs(name: str) -> str:
    return str(find_matrix_set(name).crs.root)


def _heading(layer: Layer, name: str) -> Document:
    return {
        "title": f"{layer.title} in {name}",
        "dataType": "vector",
        "crs": _crs(name),
        "tileMatrixSetId": name,
        "tileMatrixSetURI": str(find_matrix_set(name).uri),
    }


def _scheme(base: str, name: str) -> Document:
    return _link(f"{base}/tileMatrixSets/{name}", _SCHEME, _JSON, name)


def _link(href: str, rel: str, media_type: str, title: str) -> Document:
    return {"href": href, "rel": rel, "type": media_type, "title": title}
