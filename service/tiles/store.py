"""Tiles that are ready, and whether they still hold: the part that every request goes through.

A tile once drawn is kept in memory, packed, until its version passes or the room is needed. The
versions are read from the database at most every tenth of a second; all that happens between is
answered without it.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from service.db.engine import Database
from service.tiles.draw import draw_tile
from service.tiles.layers import Layer
from service.tiles.matrix import Tile
from service.tiles.prepare import Versions, prepare, versions
from service.web.packing import pack

__all__ = ["PackedTile", "TileStore"]

_log = logging.getLogger(__name__)

#: How long a version is taken to hold, seconds.
_HOLDS_S: Final = 0.1
#: How long a request waits for new tiles before it is content with those of before, seconds.
_PATIENCE_S: Final = 2.0
#: Room for packed tiles, bytes.
_ROOM: Final = 64 * 1024 * 1024
#: What an entry takes beside its bytes, about.
_ENTRY: Final = 500
#: Smaller ones are not worth packing.
_UNPACKED_BYTES: Final = 200


class PackedTile:
    """The bytes of one tile, packed where that pays."""

    __slots__ = ("content", "packed")

    def __init__(self, content: bytes) -> None:
        self.packed = len(content) >= _UNPACKED_BYTES
        self.content = pack(content) if self.packed else content

    def plain(self) -> bytes:
        """The bytes as drawn."""
        return gzip.decompress(self.content) if self.packed else self.content


class TileStore:
    """Versions and tiles of one process; used in its event loop alone."""

    def __init__(self, *, room: int = _ROOM) -> None:
        self._tiles: OrderedDict[tuple[str, Tile], tuple[str, PackedTile]] = OrderedDict()
        self._room = room
        self._size = 0
        self._versions: Versions | None = None
        self._holds_until = 0.0
        self._looking: asyncio.Task[Versions] | None = None
        self._preparing: asyncio.Task[None] | None = None

    async def version(self, database: Database, layer: Layer) -> str:
        """Return the version of a layer: the same one means the same tiles."""
        held = self._versions
        if held is None or asyncio.get_running_loop().time() >= self._holds_until:
            self._looking = _running(self._looking) or _start(self._look(database))
            held = await asyncio.shield(self._looking)
        return f"{held.token}-{layer.name}-{getattr(held, str(layer.version))}"

    async def tile(self, database: Database, layer: Layer, tile: Tile, version: str) -> PackedTile:
        """Return a tile, from memory or drawn now."""
        key = (layer.name, tile)
        found = self._tiles.get(key)
        if found is not None and found[0] == version:
            self._tiles.move_to_end(key)
            return found[1]
        made = await run_in_threadpool(_make, database, layer, tile)
        self._keep(key, version, made)
        return made

    def _keep(self, key: tuple[str, Tile], version: str, made: PackedTile) -> None:
        old = self._tiles.pop(key, None)
        self._size += len(made.content) - (len(old[1].content) if old else -_ENTRY)
        self._tiles[key] = (version, made)
        while self._size > self._room and len(self._tiles) > 1:
            _, (_, gone) = self._tiles.popitem(last=False)
            self._size -= len(gone.content) + _ENTRY

    async def _look(self, database: Database) -> Versions:
        """Read the versions; where changes wait, have them prepared, and wait a little."""
        loop = asyncio.get_running_loop()
        found = await run_in_threadpool(_look_up, database)
        if found.pending:
            first = found.areas == 0  # nothing to show meanwhile
            self._preparing = _running(self._preparing) or _start(self._prepare(database, first))
            await asyncio.wait({self._preparing}, timeout=None if first else _PATIENCE_S)
            if self._preparing.done():
                self._preparing.result()
                found = await run_in_threadpool(_look_up, database)
        self._versions = found
        self._holds_until = loop.time() + _HOLDS_S
        return found

    async def _prepare(self, database: Database, wait: bool) -> None:
        try:
            await run_in_threadpool(_prepare, database, wait)
        except Exception:
            _log.exception("tiles could not be prepared")
            raise


def _running(task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
    return None if task is None or task.done() else task


def _start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


def _look_up(database: Database) -> Versions:
    with database.session() as session:
        return versions(session)


def _prepare(database: Database, wait: bool) -> None:
    with database.session() as session:
        prepare(session, wait=wait)


def _make(database: Database, layer: Layer, tile: Tile) -> PackedTile:
    return PackedTile(draw_tile(database.read, layer, tile))
