"""``GET /exports/{collection}.{suffix}``: a whole collection, or a selection of it, as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from anyio import CancelScope
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.catalogue.collection import Collection
from service.catalogue.formats import FORMATS
from service.catalogue.published import find_collection
from service.catalogue.selection import Selection
from service.db.engine import Database
from service.errors import NotFound
from service.exports.files import write_file
from service.exports.stream import STREAMS, Stream
from service.web.problems import describe

__all__ = ["router"]

router = APIRouter(tags=["Exports"])

_FILES = {media_type: {"schema": {"type": "string"}} for media_type in FORMATS.values()}


@router.get(
    "/exports/{collection}.{suffix}",
    summary="A collection as a file",
    response_class=Response,
    responses={200: {"description": "The file", "content": _FILES}, **describe(404)},
)
def get_export(collection: str, suffix: str, request: Request) -> Response:
    """Send a collection as geojson, geojsonl, csv, gpkg, parquet or fgb.

    ``bbox``, ``datetime`` and the filters of the collection select from it.
    """
    chosen = find_collection(collection)
    if suffix not in FORMATS:
        raise NotFound(f"There is no format '{suffix}'; there are: {', '.join(FORMATS)}.")
    selection = Selection.parse(chosen, request.query_params, known=())
    database: Database = request.app.state.database
    headers = {"Content-Disposition": f'attachment; filename="{chosen.name}.{suffix}"'}
    if suffix in STREAMS:
        chunks = _opened(database, chosen, selection, STREAMS[suffix])
        return _Download(chunks, media_type=FORMATS[suffix], headers=headers)
    folder = tempfile.TemporaryDirectory(prefix="gridward-export-")
    path = Path(folder.name) / f"{chosen.name}.{suffix}"
    try:
        with database.session() as session:
            write_file(session, chosen, selection, path)
    except BaseException:
        folder.cleanup()
        raise
    cleanup = BackgroundTask(folder.cleanup)
    return FileResponse(path, media_type=FORMATS[suffix], headers=headers, background=cleanup)


class _Download(StreamingResponse):
    """A stream that is closed with the answer, also when the client goes away in the middle.

    Left to the garbage collector, a COPY that is half read would block the thread that collects it.
    """

    def __init__(self, chunks: Generator[bytes, None, None], **options: Any) -> None:
        self._chunks = chunks
        super().__init__(chunks, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(self._chunks.close)


def _opened(
    database: Database, collection: Collection, selection: Selection, stream: Stream
) -> Generator[bytes, None, None]:
    """Start a stream: what fails at its start fails before the answer begins."""

    def chunks() -> Generator[bytes, None, None]:
        with database.session() as session, closing(stream(session, collection, selection)) as rows:
            # the first chunk of a format may be a heading that asks nothing of the database
            first = [next(rows), next(rows, b"")]
            yield b""
            yield from first
            yield from rows

    started = chunks()
    next(started)
    return started
