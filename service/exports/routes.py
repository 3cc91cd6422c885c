"""``GET /exports/{collection}.{suffix}``: a whole collection, or a selection of it, as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

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
        return StreamingResponse(chunks, media_type=FORMATS[suffix], headers=headers)
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


def _opened(
    database: Database, collection: Collection, selection: Selection, stream: Stream
) -> Iterator[bytes]:
    """Start a stream: what fails at its start fails before the answer begins."""

    def chunks() -> Iterator[bytes]:
        with database.session() as session:
            yield from stream(session, collection, selection)

    started = chunks()
    first = [next(started), next(started, b"")]

    def all_chunks() -> Iterator[bytes]:
        yield from first
        yield from started

    return all_chunks()
