"""``/exports/{collection}.{suffix}``: a whole collection, or a selection of it, as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import CancelScope
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.catalogue.collection import Collection
from service.catalogue.context import catalogue_of
from service.catalogue.published import find_collection
from service.catalogue.selection import Selection
from service.db.engine import Database
from service.exports import described, jobs
from service.exports.form import Form, attachment, find_form
from service.exports.save import open_stream
from service.web.downloads import File
from service.web.late import late
from service.web.methods import wants_head_only
from service.web.problems import describe
from service.web.session import DatabaseSession
from service.web.writers import WRITER

if TYPE_CHECKING:
    from service.exports import files, worker
else:
    files = late("service.exports.files")
    worker = late("service.exports.worker")

__all__ = ["router"]

router = APIRouter(tags=["Exports"])

_PATH = "/exports/{collection}.{suffix}"


@router.get(
    _PATH,
    summary="A collection as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file",
            "headers": described.DISPOSITION,
            "content": described.FILES,
        },
        206: described.PARTIAL,
        **describe(404, 416),
    },
)
def get_export(
    collection: str, suffix: described.Ending, request: Request, part: described.Range = None
) -> Response:
    """Send a collection as geojson, geojsonl, geojsonseq, csv, gpkg, parquet or fgb.

    Text also as geojson.gz and so on. ``bbox``, ``datetime`` and the filters of the collection
    select from it.
    """
    chosen, form = _asked_for(request, collection, suffix)
    selection = Selection.parse(chosen, request.query_params, known=())
    database: Database = request.app.state.database
    headers = {"Content-Disposition": attachment(f"{chosen.name}.{form.ending}")}
    squeeze = False
    if form.streams:
        headers["Vary"] = "Accept-Encoding"
        squeeze = not form.packed and "gzip" in request.headers.get("accept-encoding", "")
        if squeeze:
            headers["Content-Encoding"] = "gzip"
    if wants_head_only(request.scope):
        return StreamingResponse(iter(()), media_type=form.media_type, headers=headers)
    if form.streams:
        chunks = _opened(database, chosen, selection, replace(form, packed=form.packed or squeeze))
        return _Download(chunks, media_type=form.media_type, headers=headers)
    folder = tempfile.TemporaryDirectory(prefix="gridward-export-")
    path = Path(folder.name) / f"export.{form.ending}"
    try:
        with database.session() as session:
            files.write_file(session, chosen, selection, path)
    except BaseException:
        folder.cleanup()
        raise
    cleanup = BackgroundTask(folder.cleanup)
    return File(path, media_type=form.media_type, headers=headers, background=cleanup)


@router.post(
    _PATH,
    summary="A collection as a file, in the background",
    status_code=202,
    response_class=JSONResponse,
    responses={
        202: {
            "description": "The job as it is now",
            "headers": described.LOCATION,
            "content": described.JOB,
        },
        **describe(401, 403, 404),
    },
    dependencies=[WRITER],
)
def post_export(
    collection: str, suffix: described.Ending, request: Request, session: DatabaseSession
) -> JSONResponse:
    """Have a file written by a worker (``gridward worker``); ``Location`` tells how far it is.

    The parameters are those of the file itself.
    """
    chosen, form = _asked_for(request, collection, suffix)
    Selection.parse(chosen, request.query_params, known=())  # refused now, not in the background
    number = jobs.add(session, collection=chosen.name, form=form, query=request.url.query)
    worker.defer(session, number)
    place = f"{str(request.base_url).rstrip('/')}/jobs/{number}"
    told = jobs.status(jobs.find(session, job_id=number), place)
    return JSONResponse(told, status_code=202, headers={"Location": place})


def _asked_for(request: Request, collection: str, suffix: str) -> tuple[Collection, Form]:
    """The collection and the form of ``households.geojson.gz``, however the path was cut.

    A further table may have a point in its name.
    """
    whole, catalogue = f"{collection}.{suffix}", catalogue_of(request)
    fitting = [each for each in catalogue if whole.startswith(f"{each}.")]
    name = max(fitting, key=len, default=whole.partition(".")[0])
    return find_collection(name, catalogue), find_form(whole[len(name) + 1 :])


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
    database: Database, collection: Collection, selection: Selection, form: Form
) -> Generator[bytes, None, None]:
    """Start a stream: what fails at its start fails before the answer begins."""

    def chunks() -> Generator[bytes, None, None]:
        with (
            database.session() as session,
            closing(open_stream(session, collection, selection, form)) as rows,
        ):
            # the first chunk of a format may be a heading that asks nothing of the database
            first = [next(rows), next(rows, b"")]
            yield b""
            yield from first
            yield from rows

    started = chunks()
    next(started)
    return started
