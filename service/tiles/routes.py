"""Vector tiles over HTTP: OGC API - Tiles and TileJSON."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from service.catalogue.context import catalogue_of
from service.catalogue.extent import extent as extent_of
from service.db.engine import Database
from service.tiles import described, documents
from service.tiles.draw import extent
from service.tiles.further import draw_further
from service.tiles.layers import Layer, find_layer
from service.tiles.matrix import Tile, find_matrix_set, parse_tile
from service.tiles.store import PackedTile, TileStore
from service.web.parameters import NO_PARAMETERS, reject_unknown
from service.web.problems import describe

__all__ = ["TILE_PATH", "router", "send_tile"]

router = APIRouter(tags=["Tiles"])

#: What has no version in its address is asked for again each time, by its tag.
_ASK_AGAIN: Final = "public, no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
TILE_PATH: Final = (
    "/collections/{collection}/tiles/{tileMatrixSet}/{tileMatrix}/{tileRow}/{tileCol}"
)


@router.get(
    "/tileMatrixSets",
    summary="The tile matrix sets",
    dependencies=[NO_PARAMETERS],
    responses=described.MATRIX_SETS_LIST,
)
def get_matrix_sets(request: Request) -> dict[str, Any]:
    """List the tile matrix sets that tiles are served in."""
    return documents.matrix_sets(_base(request))


@router.get(
    "/tileMatrixSets/{tileMatrixSet}",
    summary="A tile matrix set",
    dependencies=[NO_PARAMETERS],
    responses={**described.MATRIX_SET, **describe(404)},
)
def get_matrix_set(
    tileMatrixSet: described.MatrixSetName,  # noqa: N803 - the standard's names
) -> dict[str, Any]:
    """Define one tile matrix set."""
    find_matrix_set(tileMatrixSet)
    return documents.matrix_set_document(tileMatrixSet)


@router.get(
    "/collections/{collection}/tiles",
    summary="The tile sets of a collection",
    dependencies=[NO_PARAMETERS],
    responses={**described.TILESETS, **describe(404)},
)
def get_tilesets(collection: described.CollectionName, request: Request) -> dict[str, Any]:
    """List the tile sets of a collection: one a tile matrix set."""
    return documents.tilesets(_base(request), find_layer(collection, catalogue_of(request)))


@router.get(
    "/collections/{collection}/tiles/{tileMatrixSet}",
    summary="A tile set",
    dependencies=[NO_PARAMETERS],
    responses={**described.TILESET, **describe(404)},
)
async def get_tileset(
    collection: described.CollectionName,
    tileMatrixSet: described.MatrixSetName,  # noqa: N803
    request: Request,
) -> dict[str, Any]:
    """Describe one tile set: its attributes, its box, the address of its tiles."""
    layer = find_layer(collection, catalogue_of(request))
    find_matrix_set(tileMatrixSet)
    await _version(request, layer)
    box = await run_in_threadpool(_extent, request, layer)
    return documents.tileset(_base(request), layer, tileMatrixSet, box)


@router.get(
    "/collections/{collection}/tiles/{tileMatrixSet}/tilejson.json",
    summary="A tile set as TileJSON",
    dependencies=[NO_PARAMETERS],
    responses={**described.TILE_JSON, **describe(404)},
)
async def get_tile_json(
    collection: described.CollectionName,
    tileMatrixSet: described.MatrixSetName,  # noqa: N803
    request: Request,
) -> Response:
    """Describe one tile set for MapLibre, Mapbox, Leaflet and QGIS."""
    layer = find_layer(collection, catalogue_of(request))
    find_matrix_set(tileMatrixSet)
    version = await _version(request, layer)
    box = await run_in_threadpool(_extent, request, layer)
    document = documents.tile_json(_base(request), layer, tileMatrixSet, box, version)
    return JSONResponse(document, headers={"Cache-Control": "no-cache"})


@router.get(
    TILE_PATH,
    summary="A tile",
    response_class=Response,
    responses={**described.TILE, **describe(404)},
)
async def get_tile(
    collection: described.CollectionName,
    tileMatrixSet: described.MatrixSetName,  # noqa: N803
    tileMatrix: described.Matrix,  # noqa: N803
    tileRow: described.Row,  # noqa: N803
    tileCol: described.Column,  # noqa: N803
    request: Request,
    v: described.Version = None,
    known: described.KnownVersion = None,
) -> Response:
    """Send one vector tile.

    ``v`` names the version of the data, as TileJSON does; such a tile may be kept for ever. A
    further table has no versions, so its tiles are drawn each time, and their tag is that of what
    was drawn.
    """
    return await send_tile(request)


async def send_tile(request: Request) -> Response:
    """Answer for one tile.

    The application routes here directly as well, ahead of all else: working out the parameters by
    their declarations takes longer than to send a tile that is ready.
    """
    named_by = request.path_params
    layer = find_layer(named_by["collection"], catalogue_of(request))
    reject_unknown(request.query_params, () if layer.version is None else ("v",))
    tile = parse_tile(
        named_by["tileMatrixSet"],
        named_by["tileMatrix"],
        named_by["tileRow"],
        named_by["tileCol"],
    )
    version = await _version(request, layer)
    if version is None:
        return await _send_drawn(request, layer, tile)
    tag = f'W/"{version}"'
    named = request.query_params.get("v") == version
    headers = _headers(tag, _FOR_EVER if named else _ASK_AGAIN)
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    store: TileStore = request.app.state.tiles
    found = await store.tile(request.app.state.database, layer, tile, version)
    return _answer(request, found, headers)


async def _send_drawn(request: Request, layer: Layer, tile: Tile) -> Response:
    """Answer with a tile of what may have changed since, drawn now and told apart by its bytes."""
    database: Database = request.app.state.database
    content = await run_in_threadpool(draw_further, database.read, layer, tile)
    tag = f'W/"{sha256(content).hexdigest()[:32]}"'
    headers = _headers(tag, _ASK_AGAIN)
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return _answer(request, PackedTile(content), headers)


def _headers(tag: str, caching: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": caching, "Vary": "Accept-Encoding"}


def _answer(request: Request, found: PackedTile, headers: dict[str, str]) -> Response:
    if not found.content:
        return Response(status_code=204, headers=headers)
    if not found.packed:
        return Response(found.content, media_type=documents.MVT, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(found.plain(), media_type=documents.MVT, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(found.content, media_type=documents.MVT, headers=headers)


async def _version(request: Request, layer: Layer) -> str | None:
    """The version of a layer; None for a further table, which has none."""
    if layer.version is None:
        return None
    store: TileStore = request.app.state.tiles
    return await store.version(request.app.state.database, layer)


def _extent(request: Request, layer: Layer) -> tuple[float, float, float, float] | None:
    database: Database = request.app.state.database
    with database.session() as session:
        if layer.source is None:
            return extent(session, layer)
        return extent_of(session, collection=layer.source)


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _matches(given: str | None, tag: str) -> bool:
    if given is None:
        return False
    tags = (each.strip() for each in given.split(","))
    return any(each in ("*", tag, tag.removeprefix("W/")) for each in tags)
