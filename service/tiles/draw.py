"""One tile, as PostGIS writes it: never larger than a client can take."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from service.db.reader import Run, Statement, compiled
from service.db.statements import load_statements
from service.tiles.layers import Layer
from service.tiles.matrix import Tile
from service.tiles.prepare import COARSEST_LIVE_ZOOM

__all__ = ["MOST_BYTES", "MOST_FEATURES", "draw_tile", "extent"]

_SQL = load_statements("service.tiles", "tiles.sql")
_TEXTS: Final = {name: compiled(block).text for name, block in _SQL.items()}

#: Outlines of this zoom are drawn as they are, and serve all closer ones.
_CLOSEST_PREPARED: Final = 14
#: A tile has at most so many bytes before it is packed.
MOST_BYTES: Final = 500_000
#: And so many features.
MOST_FEATURES: Final = 8_000
#: Cells side by side in a tile, where points are counted together and where places stand apart.
_TOGETHER: Final = 64
_FEW: Final = 16
_APART: Final = 1024
_APART_FROM_ZOOM: Final = 16


def draw_tile(run: Run, layer: Layer, tile: Tile) -> bytes:
    """Return a tile in the format of Mapbox Vector Tiles; nothing where it is empty.

    Points that are too many to stand apart are counted together. Should a tile be too large all
    the same, it holds the largest of its features.
    """
    bound = {**tile.bound(), "zoom": min(tile.zoom, _CLOSEST_PREPARED), "layer": layer.name}
    for name, cells in _ways(layer, tile.zoom):
        content = _draw(run, name, {**bound, "cells": cells}, MOST_FEATURES + 1)
        if content is not None:
            return content
    name, cells = _ways(layer, tile.zoom)[-1]
    most = MOST_FEATURES
    while (content := _draw(run, name, {**bound, "cells": cells}, most)) is None:
        most //= 2
    return content


def extent(session: Session, layer: Layer) -> tuple[float, float, float, float] | None:
    """Return the box of all that a layer shows, in degrees; None where it shows nothing."""
    name = "extent_of_areas" if layer.dimension == 2 else "extent_of_points"
    row = session.execute(_SQL[name], {"layer": layer.name}).one_or_none()
    return None if row is None else (row.west, row.south, row.east, row.north)


def _ways(layer: Layer, zoom: int) -> list[tuple[str, int]]:
    """Return statements that draw a layer, the most detailed first, with the cells to a side."""
    if layer.dimension == 2:
        return [(layer.name, 0)]
    if zoom < COARSEST_LIVE_ZOOM:
        return [("cells", 0)]
    if layer.name == "members":
        return [("members", 0), ("member_cells", _TOGETHER), ("member_cells", _FEW)]
    together = [(layer.name, _TOGETHER), (layer.name, _FEW)]
    return together if zoom < _APART_FROM_ZOOM else [(layer.name, _APART), *together]


def _draw(run: Run, name: str, bound: dict[str, Any], most: int) -> bytes | None:
    ((found,),) = run(Statement(_TEXTS[name], {**bound, "most": most}))
    content = bytes(found or b"")
    return content if len(content) <= MOST_BYTES else None
