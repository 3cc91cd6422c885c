"""What other rooms need to know of the tiles: who has them, and what they conform to."""

from __future__ import annotations

from typing import Final

from service.catalogue.collection import Collection

__all__ = ["TILED", "TILESETS", "TILES_CONFORMANCE", "is_tiled"]

#: Our own collections that are served as vector tiles too.
TILED: Final = ("grids", "divisions", "households", "members")
#: Relation of the link from a collection to its tile sets.
TILESETS: Final = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector"
_BASE: Final = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/"
TILES_CONFORMANCE: Final = (
    f"{_BASE}core",
    f"{_BASE}tileset",
    f"{_BASE}tilesets-list",
    f"{_BASE}geodata-tilesets",
    f"{_BASE}mvt",
    f"{_BASE}oas30",
)


def is_tiled(collection: Collection) -> bool:
    """Whether there are vector tiles of a collection: of some of ours, of every further place."""
    return collection.name in TILED or (collection.further and collection.has_geometry)
